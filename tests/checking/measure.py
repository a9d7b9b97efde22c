"""How many faults the check finds, by class.

Into each network every fault of every class is planted, one at a time, on the numpy engine; ``--engine neoml`` takes
the other, ``--each 7`` every seventh fault of a class alone. A fault is harmful where it changes the network's outputs;
the others are not counted. What was measured stands in docs/design.md.
"""

from __future__ import annotations

import argparse
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Optional

import numpy as np

from porting.archive import read_network
from porting.checking import check_network
from porting.engine import Engine
from porting.engine_factory import make_engine
from porting.errors import PortingError
from porting.inputs import batch_size_of
from porting.network import Array, Network, TensorRef
from tests.checking.faults import Tampered, gates, one_by, to_float16
from tests.tampering import with_config, with_weight

__all__ = ["CLASSES", "Planted", "planted"]

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


class ReadsBack(Tampered):
    """Its weights read back as they were saved, whatever it computes with."""

    saved: dict[str, Array]

    def weights(self) -> dict[str, Array]:
        return self.saved


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
    "letters beyond ASCII are taken to small ones": str.lower,
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


MOST_IDS = 40


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


LOOKALIKES: dict[str, list[str]] = {
    "sigmoid": ["hard_sigmoid"],
    "relu": ["relu6", "leaky_relu"],
    "gelu": ["silu"],
    "elu": ["selu"],
}
# By setting, what an implementer may take it for; a layer inside a layer has its own.
WRONG: dict[str, Callable[[Any], Any]] = {
    "epsilon": lambda epsilon: [2 * epsilon, 0.05],
    "alpha": lambda slope: [slope + 0.01],
    "negative_slope": lambda slope: [slope + 0.01],
    "scale": lambda scale: [1.004 * scale] if isinstance(scale, float) else [],
    "activation": lambda name: (
        ["softsign", *LOOKALIKES.get(name, ())] if isinstance(name, str) and name not in ("linear", "softmax") else []
    ),
    "recurrent_activation": lambda name: LOOKALIKES.get(name, ()),
    "mask_zero": lambda masks: [False] if masks else [],
    "approximate": lambda approximate: [not approximate],
    "go_backwards": lambda backwards: [not backwards],
    "padding": lambda name: {"causal": ["same"], "same": ["causal"]}.get(name, ()),
    "standardize": lambda name: ["lower", "strip_punctuation"] if name == "lower_and_strip_punctuation" else [],
    "interpolation": lambda name: {"bilinear": ["nearest"], "nearest": ["bilinear"]}.get(name, ()),
}


def _rule_faults(network: Network) -> Iterator[tuple[str, Network]]:
    for layer in network.layers.values():
        for what, config in _wrong_configs(layer.config):
            yield f"{layer.name} {what}", with_config(network, layer.name, **config)


def _wrong_configs(config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A layer's settings with one of them changed, its own or one of a layer that it holds."""
    for key, value in config.items():
        for other in WRONG[key](value) if key in WRONG else ():
            yield f"{key}: {other}", {**config, key: other}
        if isinstance(value, Mapping):
            for what, inner in _wrong_configs(value):
                yield f"{key}/{what}", {**config, key: inner}


@dataclass(frozen=True)
class Planted:
    """A fault in a network, or in how it runs.

    Attributes:
        kind, what: its class and its name.
        network: with the fault, where it lies there.
        tamper: what lies about the engine, and its attributes.
    """

    kind: str
    what: str
    network: Network
    tamper: Optional[type[Tampered]] = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def engine(self, name: str) -> Engine:
        made = make_engine(self.network, name, None)
        if self.tamper is None:
            return made
        tampered = self.tamper(made, self.network)
        vars(tampered).update(self.attributes)
        return tampered


def planted(network: Network) -> Iterator[Planted]:
    """One fault at a time."""
    for kind, faults in (("weights", _weight_faults(network)), ("rules", _rule_faults(network))):
        for what, other in faults:
            yield Planted(kind, what, other)
    inputs = {one.dtype for one in network.inputs}
    rows = {"sizes": SIZES, **({"numbers": NUMBERS} if inputs == {"float32"} else {})}
    if inputs == {"int32"} and any(case.masks for case in network.cases):
        rows.update(padding=PADDING)
    for kind, wheres in rows.items():
        for what, where in wheres.items():
            if kind != "sizes" or _can_be(what, network):
                yield Planted(kind, what, network, WrongRows, {"where": where})
    for what, other in _lookup_faults(network):
        yield Planted("ids", what, other, ReadsBack, {"saved": network.weights()})
    for what, change in TEXTS.items() if inputs == {"string"} else ():
        yield Planted("texts", what, network, Rewrites, {"change": change})
    for what, when in RUNS.items():
        yield Planted("runs", what, network, Forgets, {"when": when})


def _can_be(what: str, network: Network) -> bool:
    """Lengths are for networks whose inputs have an open one."""
    is_length = "length" in what or "steps" in what
    return not is_length or any(None in one.shape[1:] for one in network.inputs)


def _lookup_faults(network: Network) -> Iterator[tuple[str, Network]]:
    """Some ids, of which a table is said to hold another row than it does."""
    for layer, name, table in weights_of(network):
        for at in range(0, len(table), 1 + len(table) // MOST_IDS) if name == "embeddings" else ():
            yield f"{layer}: the row of {at}", with_weight(network, layer, name, partial(_with_another_row, at))


def _with_another_row(at: int, table: Array) -> Array:
    changed = table.copy()
    changed[at] += 0.1
    return changed


def is_harmful(network: Network, fault: Planted) -> bool:
    """Whether outputs of the network change, as they do where runs are tampered with; what is refused does no harm."""
    if fault.tamper is not None:
        return True
    case, refs = network.cases[0], network.output_refs()
    try:
        wanted, found = (make_engine(one, "numpy", None).run(case.inputs, refs) for one in (network, fault.network))
    except PortingError:
        return False
    return any(_differ(found[ref], wanted[ref]) for ref in refs)


def _differ(found: Array, wanted: Array) -> bool:
    if found.shape != wanted.shape or found.dtype.kind != "f":
        return not np.array_equal(found, wanted)
    return bool(np.abs(found - wanted).max() > 1e-6)


CLASSES = ("weights", "rules", "sizes", "padding", "ids", "numbers", "texts", "runs")


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.checking.measure", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--engine", choices=("numpy", "neoml"), default="numpy")
    parser.add_argument("--each", type=int, default=1, help="plant every so manieth fault of a class")
    words = parser.parse_args()
    tried, found, harmful = Counter[str](), Counter[str](), Counter[str]()
    for folder in words.folders:
        network = read_network(folder)
        assert check_network(network, make_engine(network, words.engine, None)).ok, f"{folder}: a false alarm"
        for fault in planted(network):
            tried[fault.kind] += 1
            if tried[fault.kind] % words.each == 0 and is_harmful(network, fault):
                harmful[fault.kind] += 1
                if check_network(network, fault.engine(words.engine)).ok:
                    print(f"{network.name}: {fault.kind}: {fault.what} was not found", flush=True)
                else:
                    found[fault.kind] += 1
    for kind in CLASSES:
        print(f"{kind:10} {found[kind]:5} of {harmful[kind]}")


if __name__ == "__main__":
    main()
