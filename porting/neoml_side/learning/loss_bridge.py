"""Where losses meet a net that learns: before its last activations, and in the middle of a step."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Optional

import neoml
import neoml.AutoDiff
import numpy as np

from ...errors import Problem, Unsupported
from ...network import Array, TensorRef
from ..graph import Port
from ..plan import Plan
from ..runtime.blobs import axes_of
from ..slots import blob_array
from ..values import Wire, canonical

# Told an output and its mask in the middle of a step; gives the derivative by that output, or None for zero.
Derivative = Callable[[Array, Optional[Array]], Optional[Array]]
# A loss takes a batch of objects, each in height, width, depth and channels.
MOST_AXES = 5
LAST_ACTIVATIONS = {"Sigmoid": "sigmoid", "Softmax": "softmax"}


@dataclass(frozen=True, eq=False)
class Head:
    """Where a loss meets the net.

    Attributes:
        ref: the network's output.
        wire: the output, or what stands before its last activation.
        activation: the last activation that `wire` stands before: ``sigmoid``, ``softmax`` or None.
    """

    ref: TensorRef
    wire: Wire
    activation: Optional[str] = None


def learning_heads(plan: Plan, absorbed: Mapping[TensorRef, Collection[str]]) -> list[Head]:
    """A head for each output; before its last activation where the loss absorbs that one.

    Raises:
        Unsupported: outputs of more axes than NeoML's losses take.
    """
    heads = []
    problems = []
    for ref, absorbs in absorbed.items():
        wire = plan.tensors[ref]
        if wire.rank > MOST_AXES:
            what = f"is an output with a loss and has {wire.rank} axes; NeoML's losses take {MOST_AXES}"
            problems.append(Problem(str(ref), what, "end the network with a Flatten or Reshape"))
            continue
        wire = wire.to(canonical(wire.rank)) if wire.dtype == "float32" else wire
        found = _before_activation(plan.tensors[ref], absorbs)
        heads.append(Head(ref, wire) if found is None else Head(ref, *found))
    if problems:
        raise Unsupported(problems)
    return heads


def _before_activation(wire: Wire, absorbs: Collection[str]) -> Optional[tuple[Wire, str]]:
    """What stands before the last activation, if that is one of these, and the activation."""
    node = wire.port.node
    activation = LAST_ACTIVATIONS.get(node.kind)
    if activation is None or activation not in absorbs:
        return None
    if activation == "softmax" and (node.settings.get("area") != "channel" or wire.layout[-1] != "C"):
        return None
    before = Wire(wire.shape, wire.dtype, wire.layout, node.inputs[0], wire.graph, wire.mask)
    return before.to(canonical(wire.rank)), activation


def head_sinks(heads: Sequence[Head]) -> dict[str, Port]:
    """The heads and their masks by the names under which a net gives them out."""
    sinks: dict[str, Port] = {}
    for number, head in enumerate(heads):
        sinks[f"head {number}"] = head.wire.port
        if head.wire.mask is not None:
            sinks[f"mask {number}"] = head.wire.mask.to(canonical(head.wire.mask.rank)).port
    return sinks


def outputs_at(heads: Sequence[Head], blobs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
    """What a net gave out for each head, with its mask; blobs by the names of `head_sinks`."""
    made: dict[TensorRef, tuple[Array, Optional[Array]]] = {}
    for number, head in enumerate(heads):
        mask = None
        if head.wire.mask is not None:
            mask = axes_of(blobs[f"mask {number}"], canonical(head.wire.mask.rank)) != 0
        made[head.ref] = axes_of(blobs[f"head {number}"], head.wire.layout), mask
    return made


def no_derivative(output: Array, mask: Optional[Array]) -> None:
    """Of an output that is only looked at."""


class HeadLoss(neoml.Dnn.CustomLossCalculatorBase):  # type: ignore[misc]
    """What NeoML calls for a head's loss: Σ output · derivative, whose gradient is the derivative.

    NeoML pickles it into an archive: as a number, under which the loaded net finds the same reader.
    """

    living: ClassVar[weakref.WeakValueDictionary[int, HeadLoss]] = weakref.WeakValueDictionary()
    numbers = itertools.count()

    def __init__(self, head: Head) -> None:
        self.number = next(self.numbers)
        self.living[self.number] = self
        self.head = head
        self.derivative: Derivative = no_derivative
        self.error: Optional[BaseException] = None
        self.asked = False

    def __reduce__(self) -> Any:
        return _reader, (self.number,)

    def calc(self, data: Any, labels: Any) -> Any:
        self.asked = True
        blob = data.asarray(copy=True, keep_dims=True)
        derivative = None
        try:
            derivative = self.derivative(*self._seen(blob, labels))
        except BaseException as error:  # NeoML would lose it
            self.error = error
        if derivative is None:
            gradient = np.zeros_like(blob)
        else:
            # NeoML averages over the objects of the batch.
            gradient = blob_array(np.asarray(derivative, np.float32), self.head.wire.layout)
            gradient = gradient * np.float32(blob.shape[1])
        constant = neoml.AutoDiff.const(data.math_engine, blob.shape, gradient)
        return neoml.AutoDiff.sum(data * constant, axes=[3, 4, 5, 6])

    def _seen(self, blob: Array, labels: Any) -> tuple[Array, Optional[Array]]:
        wire = self.head.wire
        mask = None
        if wire.mask is not None:
            mask = axes_of(labels.asarray(copy=True, keep_dims=True), canonical(wire.mask.rank)) != 0
        return axes_of(blob, wire.layout), mask


def _reader(number: int) -> HeadLoss:
    return HeadLoss.living[number]
