"""NeoML's own solvers, where they do what Keras' optimizers do.

A solver keeps what it remembers of each layer to itself. It stands in a checkpoint of the net, though, behind the
net's archive: it is read from one that NeoML stored, and given to a net by loading one.

The record of a solver as NeoML 2.0.210 writes it (texts, integers and blobs as in `cells`):

- text class, a version for the class and one for what all solvers share
- int32 count of layers with gradients that were not used yet: text layer, int32 count of passes, int32 count of
  blobs with a blob each
- int32 count of layers with a history: text layer, int32 count of blobs with a blob each: for both of the layer's
  slots the momenta, then Adam's second momenta, then AMSGrad's largest ones
- float32 learning rate, L1, L2, largest norm of a gradient (-1: any), least and largest number of a gradient
- simple gradient: float32 decay of the momenta, a byte (old formulas)
- Adam: for both momenta the float32 decay, and its power so far that corrects the bias; float32 epsilon, three bytes
  (AMSGrad, decoupled weight decay, old formulas)

The powers are written as 0 and stay 0, so that NeoML corrects no bias and the rate that it is given is the whole one.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Protocol

import numpy as np

from ...dtypes import LARGEST_FLOAT
from ...network import Array
from ...training.optimizers import SCALE, SGD, Adam, Optimizer, State
from ...training.parameters import Theta
from ..graph import Node
from ..runtime.archive_format import ArchiveReader, blob_record, counted, find_once, short, text
from .parameter_layout import Filling

SIMPLE = "NeoMLDnnSimpleGradientSolver"
ADAPTIVE = "NeoMLDnnAdaptiveGradientSolver"
VERSIONS = {SIMPLE: short(0) + short(1), ADAPTIVE: short(1) + short(1)}
# NeoML takes 1 − β of a β that was rounded to float32, Keras rounds 1 − β. They may be so far apart, relatively:
# Adam's usual .999 is 1.3e-5 apart, .9999 would be 1.7e-4.
APART = 2e-5
# The layers inside a NeoML layer that learn, and the slots that each has, in the solver's order.
CONVOLUTION = {"": ("filter", "free_term")}
PARTS: dict[str, dict[str, tuple[str, str]]] = {
    "FullyConnected": {"": ("weights", "free_term")},
    "Conv": CONVOLUTION,
    "Conv3D": CONVOLUTION,
    "TransposedConv": CONVOLUTION,
    "ChannelwiseConv": CONVOLUTION,
    "ObjectNormalization": {"": ("scale", "bias")},
    "Lstm": {
        "InputHidden": ("input_weights", "input_free_term"),
        "RecurHidden": ("recurrent_weights", "recurrent_free_term"),
    },
    "Gru": {
        "CCnnFullyConnectedLayer.gates": ("gate_weights", "gate_free_term"),
        "CCnnFullyConnectedLayer.main": ("main_weights", "main_free_term"),
    },
    "Irnn": {
        "inputFc": ("input_weights", "input_free_term"),
        "recurFc": ("recurrent_weights", "recurrent_free_term"),
    },
}


@dataclass(frozen=True)
class Method:
    """What of an optimizer's settings a solver of NeoML is made with.

    Attributes:
        solver: NeoML's class.
        slots: Keras' names of what is remembered of each weight, in NeoML's order.
        decays: of the momentum; for Adam of both momenta.
        epsilon: Adam's.
    """

    solver: str
    slots: tuple[str, ...]
    decays: tuple[float, ...]
    epsilon: float = 0.0

    def scales(self, steps: int) -> dict[str, float]:
        """How many times Keras' what NeoML remembers is after so many steps, by slot (see `_sums`)."""
        if self.solver == SIMPLE:
            return {}
        first, second = (_sums(decay, max(steps, 1)) for decay in self.decays)
        return {slot: first if slot == "momentum" else second for slot in self.slots}

    def rates(self, optimizer: Optimizer) -> tuple[float, float]:
        """The learning rate and ε with which NeoML's coming step is Keras'.

        m / (√v + ε) is the same for r · m and s² · v where ε is s times as large and the rate s / r times.
        """
        rate = optimizer.rate()
        if not isinstance(optimizer, Adam):
            return float(rate), 0.0
        scales = self.scales(optimizer.iterations + 1)
        root = float(np.sqrt(scales["velocity"]))
        return float(optimizer.step_rate(rate)) * root / scales["momentum"], self.epsilon * root

    def tail(self) -> bytes:
        """What the record holds after the histories."""
        shared = struct.pack("<6f", 0, 0, 0, -1, -LARGEST_FLOAT, LARGEST_FLOAT)
        if self.solver == SIMPLE:
            return shared + struct.pack("<f?", *self.decays, False)
        first, second = self.decays
        numbers = struct.pack("<5f", first, 0, second, 0, self.epsilon)
        return shared + numbers + struct.pack("<3?", "velocity_hat" in self.slots, False, False)


def method_of(optimizer: Optimizer) -> Optional[Method]:
    """The optimizer as a solver of NeoML; None where no solver makes the same steps to float32 noise."""
    others = (optimizer.weight_decay, optimizer.clipnorm, optimizer.clipvalue, optimizer.global_clipnorm)
    if optimizer.use_ema or any(one is not None for one in (*others, optimizer.gradient_accumulation_steps)):
        return None
    if type(optimizer) is SGD and not optimizer.nesterov:
        return Method(SIMPLE, optimizer.slots, (optimizer.momentum if optimizer.slots else 0.0,))
    if type(optimizer) is Adam and optimizer.epsilon > 0:
        betas = (optimizer.beta_1, optimizer.beta_2)
        if all(abs(_sums(beta, 1) - 1) <= APART for beta in betas):
            return Method(ADAPTIVE, optimizer.slots, betas, optimizer.epsilon)
    return None


def _sums(beta: float, steps: int) -> float:
    """How NeoML's running mean of equal numbers compares with Keras' after so many steps."""
    neoml, keras = float(np.float32(beta)), 1 - float(np.float32(1 - beta))
    return float((1 - neoml**steps) / (1 - keras**steps))


class Live(Protocol):
    """A slot that learns: see `porting.neoml_side.learning.net`."""

    @property
    def node(self) -> Node: ...
    @property
    def name(self) -> str: ...
    @property
    def packing(self) -> Optional[Filling]: ...


@dataclass(frozen=True)
class _Part:
    """A layer of NeoML with a history: the layer in which it is, its two slots, and what lies in them."""

    layer: str
    slots: tuple[str, str]
    live: tuple[Optional[Live], ...]

    def histories(self, layers: Mapping[str, Any], vector: Array) -> list[bytes]:
        """The blobs for one kind of momentum; 0 where a slot holds no weights.

        NeoML would read and write beyond one that is shorter than its slot.
        """
        blobs = []
        for slot, one in zip(self.slots, self.live):
            blob = np.zeros((1,) * 6 + (getattr(layers[self.layer], slot).size,), np.float32)
            if one is not None and one.packing is not None:
                blob[...] = one.packing.pack(vector).reshape(blob.shape)
            blobs.append(blob_record(blob))
        return blobs


class SolverState:
    """What a solver remembers of a net's weights, as NeoML's records and as Keras' arrays.

    Args:
        live: the slots that learn; see `suits`.
        theta: the weights that learn.
        names: those of them that the slots hold.
    """

    def __init__(self, live: Sequence[Live], theta: Theta, names: Collection[str]) -> None:
        self.theta, self.names = theta, names
        slots = {(one.node.name, one.name): one for one in live}
        self.parts = {
            part: _Part(name, pair, tuple(slots.get((name, slot)) for slot in pair))
            for part, name, pair in _parts_of(live)
        }

    @staticmethod
    def suits(live: Sequence[Live], theta: Theta) -> bool:
        """Whether every weight lies in one place of one slot, as it is, in layers whose histories are known."""
        counts = np.zeros(theta.size, np.float32)
        for one in live:
            if one.node.kind not in PARTS or not (one.packing is None or one.packing.is_plain):
                return False
            if one.packing is not None:
                one.packing.add_gradient(np.ones(one.packing.shape, np.float32), counts)
        parts = [part for part, _, _ in _parts_of(live)]
        return len(set(parts)) == len(parts) and bool(counts.max(initial=0) <= 1)

    def is_in(self, state: State) -> bool:
        """Whether anything is remembered of these weights."""
        return any(state.get(name) for name in self.names)

    def record(self, method: Method, optimizer: Optimizer, layers: Mapping[str, Any]) -> bytes:
        """The record of a solver with the optimizer's state.

        The layers must be those of a net that has run: only then all slots are there. NeoML itself begins the
        histories of a solver that remembers nothing.
        """
        vectors = []
        if self.is_in(optimizer.state):
            scales = method.scales(optimizer.iterations)
            vectors = [self._vector(optimizer, slot, scales.get(slot, 1.0)) for slot in method.slots]
        histories = [
            text(name) + counted([blob for vector in vectors for blob in part.histories(layers, vector)])
            for name, part in self.parts.items()
        ]
        head = text(method.solver) + VERSIONS[method.solver]
        return head + counted([]) + counted(histories if vectors else []) + method.tail()

    def _vector(self, optimizer: Optimizer, slot: str, scale: float) -> Array:
        vector = np.zeros(self.theta.size, np.float32)
        for name, array in self.theta.split(vector).items():
            if name in optimizer.state:
                array[...] = optimizer.state[name][slot]
        # What NeoML has left is in its measure already, to the bit.
        return vector if slot + SCALE in optimizer.numbers else vector * np.float32(scale)

    def read(self, method: Method, checkpoint: bytes, steps: int) -> tuple[State, dict[str, float]]:
        """The state in a checkpoint stored after so many steps, by weight and Keras' name; and its scales."""
        vectors = [np.zeros(self.theta.size, np.float32) for _ in method.slots]
        for name, blobs in _histories(checkpoint, method).items():
            for at, blob in enumerate(blobs):
                one = self.parts[name].live[at % 2]
                if one is not None and one.packing is not None and method.slots:
                    one.packing.unpack(blob, vectors[at // 2])
        arrays = [self.theta.split(vector) for vector in vectors]
        held = [name for name in self.theta.starts if name in self.names]
        state = {name: {slot: made[name] for slot, made in zip(method.slots, arrays)} for name in held}
        return state, {slot + SCALE: scale for slot, scale in method.scales(steps).items()}


def _parts_of(live: Iterable[Live]) -> list[tuple[str, str, tuple[str, str]]]:
    """Of every layer of NeoML with a history: its name, the layer in which it is, its slots."""
    nodes = {one.node.name: one.node for one in live}
    return [(name + part, name, pair) for name, node in nodes.items() for part, pair in PARTS[node.kind].items()]


def _histories(checkpoint: bytes, method: Method) -> dict[str, list[Array]]:
    """What the solver at the end of a checkpoint remembers, by layer."""
    record = text(method.solver) + VERSIONS[method.solver]
    reader = ArchiveReader(checkpoint, find_once(checkpoint, record, f"the solver {method.solver}") + len(record))
    for _ in range(reader.integer()):
        reader.text()
        reader.integer()
        reader.blobs()
    found = {reader.text(): reader.blobs() for _ in range(reader.integer())}
    if len(checkpoint) - reader.at != len(method.tail()):
        raise AssertionError(f"the record of {method.solver} does not end with the checkpoint")
    return found


def put_in(solver: Any, rates: tuple[float, float], method: Method) -> None:
    """Set what changes from step to step."""
    solver.learning_rate, epsilon = rates
    if method.solver == ADAPTIVE:
        solver.epsilon = epsilon
