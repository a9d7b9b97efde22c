"""How many faults the check finds: ``python -m tests.checking.measure FOLDER …``, by class, on the numpy engine.

Into each network every fault of every class is planted, one at a time. A fault is harmful where it changes the
network's outputs; the others are not counted. What was measured stands in docs/design.md.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np

from porting.archive import read_network
from porting.checking import check_network
from porting.engine import Engine
from porting.engine_factory import make_engine
from porting.inputs import batch_size_of
from porting.layers import RULES
from porting.network import Array, Network, TensorRef
from tests.checking.faults import Tampered, gates, one_by, to_float16
from tests.tampering import with_config, with_weight

__all__ = ["CLASSES", "planted"]

Plant = Callable[[], Engine]
Where = Callable[[Array], Array]


class WrongRows(Tampered):
    """In all its runs some rows are wrong: those that inputs are true of."""

    where: Where

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        made = self.engine.run(inputs, wanted)
        bad = np.any([self.where(array) for array in inputs.values()], axis=0)
        ends = set(self.network.output_refs())
        return {ref: _spoilt(array, bad) if ref in ends else array for ref, array in made.items()}


def _spoilt(array: Array, bad: Array) -> Array:
    if array.dtype.kind != "f" or len(array) != len(bad):
        return array
    return np.where(bad.reshape(-1, *[1] * (array.ndim - 1)), array + np.float32(0.01), array)


class Rewrites(Tampered):
    """Texts are changed on their way in, as by a standardisation or a split that is not Keras'."""

    change: Callable[[str], str]

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        return self.engine.run({name: self._rewritten(array) for name, array in inputs.items()}, wanted)

    def _rewritten(self, array: Array) -> Array:
        if array.dtype.kind not in "OU":
            return array
        return np.array([self.change(text) for text in array.ravel().tolist()], object).reshape(array.shape)


class Forgets(Tampered):
    """Runs that are not the first are wrong, or those in a thread, or those for outputs alone."""

    when: Callable[[int, bool, bool], bool]
    runs = 0

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        made = self.engine.run(inputs, wanted)
        self.runs += wanted is not None
        threaded = threading.current_thread() is not threading.main_thread()
        if wanted is None or not self.when(self.runs, threaded, batch_size_of(inputs) > 1):
            return made
        return {ref: _spoilt(array, np.ones(len(array), bool)) for ref, array in made.items()}


def flat(array: Array) -> Array:
    return array.reshape(len(array), -1)


def all_rows(when: Callable[[Array], bool]) -> Where:
    return lambda array: np.full(len(array), when(array))


SIZES: dict[str, Where] = {
    "a batch of 33": all_rows(lambda array: len(array) == 33),
    "batches of more than 16": all_rows(lambda array: len(array) > 16),
    "a batch of one": all_rows(lambda array: len(array) == 1),
    "rows behind the fourth": lambda array: np.arange(len(array)) > 3,
    "length 40": all_rows(lambda array: array.ndim > 1 and array.shape[1] == 40),
    "more than 32 steps": all_rows(lambda array: array.ndim > 1 and array.shape[1] > 32),
    "length 1": all_rows(lambda array: array.ndim > 1 and array.shape[1] == 1),
}
PADDING: dict[str, Where] = {
    "rows of padding alone": lambda array: (flat(array) == 0).all(1),
    "rows padded on the left": lambda array: (flat(array)[:, 0] == 0) & (flat(array) != 0).any(1),
    "rows padded on the right": lambda array: (flat(array)[:, -1] == 0) & (flat(array) != 0).any(1),
    "rows with holes": lambda array: (
        (flat(array)[:, 1:-1] == 0).any(1) & (flat(array)[:, 0] != 0) & (flat(array)[:, -1] != 0)
    ),
    "padding at length 1": lambda array: (flat(array)[:, :1] == 0).all(1) & (flat(array).shape[1] == 1),
    "a batch of one that is padded": lambda array: (flat(array) == 0).any(1) & (len(array) == 1),
}
NUMBERS: dict[str, Where] = {
    "rows all negative": lambda array: (flat(array) < 0).all(1),
    "rows all positive": lambda array: (flat(array) > 0).all(1),
    "rows of zeros": lambda array: (flat(array) == 0).all(1),
    "numbers above 10": lambda array: (flat(array) > 10).any(1),
    "numbers below −10": lambda array: (flat(array) < -10).any(1),
    "tiny rows": lambda array: (np.abs(flat(array)).max(1) < 0.01) & (flat(array) != 0).any(1),
}
TEXTS: dict[str, Callable[[str], str]] = {
    "title words are kept": lambda text: " ".join("zz" if word.istitle() else word for word in text.split(" ")),
    "upper case is kept": lambda text: " ".join("zz" if word.isupper() else word for word in text.split(" ")),
    "an exclamation mark is a letter": lambda text: text.replace("!", "x"),
    "a hyphen is a letter": lambda text: text.replace("-", "x"),
    "an apostrophe splits": lambda text: text.replace("'", " "),
    "a tab is a letter": lambda text: text.replace("\t", "x"),
    "a vertical tab is a letter": lambda text: text.replace("\v", "x"),
    "a line end is a letter": lambda text: text.replace("\n", "x"),
    "a no-break space splits": lambda text: text.replace("\u00a0", " "),
    "a wide space splits": lambda text: text.replace("\u3000", " "),
    "no more than five words": lambda text: " ".join(text.split(" ")[:5]),
    "digits are dropped": lambda text: "".join(letter for letter in text if not letter.isdigit()),
    "the empty text is a word": lambda text: text or "the",
    "words of 40 letters are dropped": lambda text: " ".join(word for word in text.split(" ") if len(word) < 40),
}
RUNS: dict[str, Callable[[int, bool, bool], bool]] = {
    "a second run": lambda runs, threaded, several: runs % 2 == 0,
    "every run behind the third": lambda runs, threaded, several: runs > 3,
    "a thread": lambda runs, threaded, several: threaded,
    "a thread that runs several rows": lambda runs, threaded, several: threaded and several,
    "a thread that runs one row": lambda runs, threaded, several: threaded and not several,
    "the net that predicts": lambda runs, threaded, several: True,
}


def weights_of(network: Network) -> Iterator[tuple[str, str, Array]]:
    for layer in network.layers.values():
        for name, array in layer.weights.items():
            if array.dtype.kind == "f" and array.size:
                yield layer.name, name, array


def _weight_faults(network: Network) -> Iterator[tuple[str, Network]]:
    for layer, name, array in weights_of(network):
        largest = int(np.abs(array).argmax())
        changes = {"float16": to_float16, "one weight by a hundredth": one_by(1.01, largest), "left out": np.zeros_like}
        if array.ndim >= 2:
            changes["a row of it"] = lambda table: np.concatenate([table[:-1], table[-1:] + 0.1])
            changes["two columns swapped"] = lambda kernel: np.concatenate(
                [kernel[..., 1:2], kernel[..., :1], kernel[..., 2:]], -1
            )
        if array.ndim == 2 and array.shape[0] == array.shape[1]:
            changes["transposed"] = lambda kernel: kernel.T
        if "LSTM" in str(network.layers[layer].config) or network.layers[layer].class_name == "LSTM":
            changes["gates swapped"] = gates(1, 0, 2, 3)
        for what, change in changes.items():
            yield f"{layer} {name}: {what}", with_weight(network, layer, name, change)


CONSTANTS: dict[str, Any] = {"epsilon": 0.05, "alpha": 0.25, "negative_slope": 0.3, "scale": 0.004, "rate": None}


def _rule_faults(network: Network) -> Iterator[tuple[str, Network]]:
    for layer in network.layers.values():
        for key, other in CONSTANTS.items():
            if isinstance(layer.config.get(key), float) and other is not None:
                yield f"{layer.name} {key}", with_config(network, layer.name, **{key: other})
        if layer.config.get("activation") not in (None, "linear", "softmax"):
            yield f"{layer.name} activation", with_config(network, layer.name, activation="softsign")


def tampered(kind: type[Tampered], network: Network, **attributes: Any) -> Engine:
    made = kind(make_engine(network, "numpy", None), network)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def planted(network: Network) -> Iterator[tuple[str, str, Engine]]:
    """Class, fault, engine: one at a time."""
    for what, other in _weight_faults(network):
        yield "weights", what, make_engine(other, "numpy", None)
    for what, other in _rule_faults(network):
        yield "rules", what, make_engine(other, "numpy", None)
    inputs = {one.dtype for one in network.inputs}
    rows = {"sizes": SIZES, **({"numbers": NUMBERS} if inputs == {"float32"} and not _takes_pixels(network) else {})}
    if inputs == {"int32"}:
        rows.update(padding=PADDING, ids=_ids(network))
    for name, faults in rows.items():
        for what, where in faults.items():
            if name != "sizes" or _can_be(what, network):
                yield name, what, tampered(WrongRows, network, where=where)
    for what, change in TEXTS.items() if inputs == {"string"} else ():
        yield "texts", what, tampered(Rewrites, network, change=change)
    for what, when in RUNS.items():
        yield "runs", what, tampered(Forgets, network, when=when)


def _can_be(what: str, network: Network) -> bool:
    """Lengths are for networks whose inputs have an open one."""
    is_length = "length" in what or "steps" in what
    return not is_length or any(None in one.shape[1:] for one in network.inputs)


def _takes_pixels(network: Network) -> bool:
    return any(layer.class_name == "Rescaling" for layer in network.layers.values())


def _ids(network: Network) -> dict[str, Where]:
    rows = min(len(array) for _, name, array in weights_of(network) if name.endswith("embeddings"))
    return {f"rows with id {at}": lambda array, at=at: (flat(array) == at).any(1) for at in range(rows)}


def is_harmful(network: Network, engine: Engine) -> bool:
    """Whether outputs of the network change; of what tampers with some runs only it is known."""
    if isinstance(engine, Tampered):
        return True
    case, refs = network.cases[0], network.output_refs()
    wanted, found = make_engine(network, "numpy", None, RULES).run(case.inputs, refs), engine.run(case.inputs, refs)
    return any(bool(np.abs(found[ref] - wanted[ref]).max() > 1e-6) for ref in refs if found[ref].dtype.kind == "f")


CLASSES = ("weights", "rules", "sizes", "padding", "ids", "numbers", "texts", "runs")


def main(folders: list[str]) -> None:
    found, harmful = Counter[str](), Counter[str]()
    for folder in folders:
        network = read_network(Path(folder))
        assert check_network(network, make_engine(network, "numpy", None)).ok, f"{folder}: a false alarm"
        for kind, what, engine in planted(network):
            if is_harmful(network, engine):
                harmful[kind] += 1
                if check_network(network, engine).ok:
                    print(f"{network.name}: {kind}: {what} was not found", flush=True)
                else:
                    found[kind] += 1
    for kind in CLASSES:
        print(f"{kind:10} {found[kind]:5} of {harmful[kind]}")


if __name__ == "__main__":
    main(sys.argv[1:])
