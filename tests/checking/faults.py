"""Faults as data: what is done to a running port, and what the check must say of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np

from porting.engine import Engine
from porting.engine_factory import make_engine
from porting.network import Array, Call, Network, TensorRef
from porting.padded import Padding, Sequences
from tests.tampering import with_config, with_weight

__all__ = ["FAULTS", "Fault", "Tampered"]

Outputs = dict[TensorRef, Array]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        folder: the saved network that it is planted into.
        plant: from the sound network and the name of an engine to the engine with the fault.
        layer: where the check must find it: the first layer that departs; None where no layer is to blame.
        status: how it departs.
        run: the way to predict that must be named, where no layer is to blame.
        why: a piece of the reason.
    """

    folder: str
    plant: Callable[[Network, str], Engine]
    layer: Optional[str] = None
    status: str = "departs"
    run: Optional[str] = None
    why: str = ""


class Tampered(Engine):
    """An engine whose runs are changed on their way out."""

    def __init__(self, engine: Engine, network: Network) -> None:
        self.engine = engine
        self.network = network
        self.name = engine.name
        self.rules = engine.rules
        self.front = engine.front
        self.device = engine.device
        self.id_limits = engine.id_limits

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.engine, self.network)

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> Outputs:
        made = self.engine.run(inputs, wanted)
        return made if wanted is None else self.predicted(made, len(next(iter(inputs.values()))))

    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        return self.engine.run_alone(call, tensors, masks)

    def masks(self, inputs: Mapping[str, Array]) -> Optional[Outputs]:
        return self.engine.masks(inputs)

    def weights(self) -> dict[str, Array]:
        return self.engine.weights()

    def renewed(self, network: Network) -> Engine:
        return self.engine.renewed(network)

    def predicted(self, made: Outputs, rows: int) -> Outputs:
        return made


class PredictsAnother(Tampered):
    """The net that predicts is not the net that is observed: one last layer scaled, as by a bad folding."""

    def predicted(self, made: Outputs, rows: int) -> Outputs:
        return {ref: array * np.float32(1.001) for ref, array in made.items()}


class LeadsRowsAstray(Tampered):
    """Single rows are run otherwise than batches."""

    def predicted(self, made: Outputs, rows: int) -> Outputs:
        return {ref: array + np.float32(0.01) for ref, array in made.items()} if rows == 1 else made


class CutsTooMuch(Tampered):
    """A step is taken for padding that is none."""

    @property
    def padding(self) -> Padding:
        sound = self.engine.padding
        return replace(sound, sequences=tuple(_TooShort(**vars(one)) for one in sound.sequences))


class _TooShort(Sequences):
    def lengths(self, arrays: Mapping[str, Array], least: int = 1) -> Array:
        lengths = super().lengths(arrays, least)
        return np.where(lengths < self.steps(arrays), np.maximum(lengths - 1, least), lengths)


class Remembers(Tampered):
    """Each run adds something of the run before."""

    before = 0.0

    def predicted(self, made: Outputs, rows: int) -> Outputs:
        self.before += 1e-6
        return {ref: array + np.float32(self.before) for ref, array in made.items()}


class MixesBatches(Tampered):
    """Batches that run side by side are given each other's answers."""

    def predicted(self, made: Outputs, rows: int) -> Outputs:
        alone = threading.current_thread() is threading.main_thread() or rows == 1
        return made if alone else {ref: np.roll(array, 1, 0) for ref, array in made.items()}


class MixesThreads(Tampered):
    """A second thread is given another's answer."""

    def predicted(self, made: Outputs, rows: int) -> Outputs:
        if threading.current_thread() is threading.main_thread() or rows > 1:
            return made
        return {ref: np.roll(array, 1, -1) for ref, array in made.items()}


class LosesMasks(Tampered):
    """Masks are right behind each layer, and lost between them."""

    def masks(self, inputs: Mapping[str, Array]) -> Optional[Outputs]:
        return {}


class LooksUpAnotherRow(Tampered):
    """The weights are those that were saved, and a row that no reference reaches is looked up otherwise."""

    def __init__(self, engine: Engine, network: Network) -> None:
        other = with_weight(network, "embedding", "embeddings", unread_row)
        super().__init__(make_engine(other, engine.name, None), network)
        self.saved = network.weights()

    def weights(self) -> dict[str, Array]:
        return self.saved


class HoldsAnotherRow(Tampered):
    """A row that no reference reaches is not what was saved."""

    def weights(self) -> dict[str, Array]:
        weights = self.engine.weights()
        return {**weights, "embedding/embeddings": unread_row(weights["embedding/embeddings"])}


class ForgetsAType(Tampered):
    def predicted(self, made: Outputs, rows: int) -> Outputs:
        return {ref: array.astype(np.int32) for ref, array in made.items()}


def weight(layer: str, name: str, change: Callable[[Array], Array]) -> Callable[[Network, str], Engine]:
    return lambda network, engine: make_engine(with_weight(network, layer, name, change), engine, None)


def config(layer: str, **settings: Any) -> Callable[[Network, str], Engine]:
    return lambda network, engine: make_engine(with_config(network, layer, **settings), engine, None)


def tampered(kind: type[Tampered]) -> Callable[[Network, str], Engine]:
    return lambda network, engine: kind(make_engine(network, engine, None), network)


def gates(*order: int) -> Callable[[Array], Array]:
    """The four gates of an LSTM's weights in another order."""
    return lambda array: np.concatenate([np.split(array, 4, axis=-1)[at] for at in order], axis=-1)


def one_by(factor: float, place: int = 0) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        changed = array.copy()
        changed.reshape(-1)[place] *= factor
        return changed

    return change


def to_float16(array: Array) -> Array:
    return array.astype(np.float16).astype(array.dtype)


def unread_row(table: Array) -> Array:
    """A row of a table that no reference looks up."""
    changed = table.copy()
    changed[5] += 1
    return changed


KERNELS = "forward_layer/kernel"
FAULTS: dict[str, Fault] = {
    # weights
    "a kernel rounded to float16": Fault("tutorial", weight("dense", "kernel", to_float16), "dense"),
    "a recurrent kernel rounded to float16": Fault(
        "tutorial", weight("bidirectional", "backward_layer/recurrent_kernel", to_float16), "bidirectional"
    ),
    "one weight off by a hundredth": Fault("tutorial", weight("dense", "kernel", one_by(1.01)), "dense"),
    "one gate's weight off by a hundredth": Fault(
        "tutorial", weight("bidirectional", KERNELS, one_by(1.01)), "bidirectional"
    ),
    "a bias left out": Fault("tutorial", weight("dense", "bias", np.zeros_like), "dense"),
    "a convolution turned round": Fault("digits", weight("conv_2", "kernel", lambda kernel: kernel[::-1]), "conv_2"),
    "two filters exchanged": Fault("digits", weight("conv_1", "kernel", lambda kernel: kernel[..., ::-1]), "conv_1"),
    "a transposed convolution rounded to float16": Fault("digits", weight("grow_1", "kernel", to_float16), "grow_1"),
    "a row that no sample looks up": Fault(
        "sentiment", weight("embedding", "embeddings", unread_row), "embedding", why="looking up"
    ),
    "a row that no sample looks up, behind sound weights": Fault(
        "sentiment", tampered(LooksUpAnotherRow), "embedding", why="looking up"
    ),
    "a row that no sample looks up, which is not what was saved": Fault(
        "sentiment", tampered(HoldsAnotherRow), "embedding", why="read back"
    ),
    # gates
    "input and forget gates swapped": Fault(
        "tutorial", weight("bidirectional", KERNELS, gates(1, 0, 2, 3)), "bidirectional"
    ),
    "candidate and output gates swapped": Fault(
        "tutorial", weight("bidirectional", "backward_layer/bias", gates(0, 1, 3, 2)), "bidirectional"
    ),
    # what a rule is told
    "a slope where there is none": Fault("digits", config("code_relu", negative_slope=0.001), "code_relu"),
    "another activation": Fault("digits", config("drawing", activation="hard_sigmoid"), "drawing"),
    "padding on the other side": Fault("digits", config("conv_1", padding="valid"), "conv_1"),
    "a bias that is not added": Fault("digits", config("up", use_bias=True, activation="linear"), "up"),
    # masks
    "a table that makes no mask": Fault("sentiment", config("embedding", mask_zero=False), "embedding", why="no mask"),
    "masks lost in the chain": Fault(
        "sentiment", tampered(LosesMasks), "embedding", "departs in the chain", why="in the chain: no mask"
    ),
    # the net that predicts
    "another net predicts": Fault("tutorial", tampered(PredictsAnother), run="in one batch"),
    "rows run otherwise than batches": Fault("tutorial", tampered(LeadsRowsAstray), run="in one batch"),
    "padding that is cut too short": Fault("sentiment", tampered(CutsTooMuch), run="in several batches in two threads"),
    "a second run differs": Fault("tutorial", tampered(Remembers), run="a second time"),
    "batches side by side mix their answers": Fault(
        "tutorial", tampered(MixesBatches), run="in several batches in two threads"
    ),
    "threads mix their answers": Fault("digits", tampered(MixesThreads), run="row by row in two threads"),
    "outputs of another dtype": Fault("tutorial", tampered(ForgetsAType), run="in one batch", why="dtype"),
}
