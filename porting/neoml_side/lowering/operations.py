"""The operations as NeoML layers: each adds nodes to a graph and keeps track of layouts.

Every trap of NeoML is met in here or in the modules beside it, once: no empty or dangling layer, no product
that writes over an operand, ids checked before they reach a lookup, integers kept away from float layers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy as np

from ...dtypes import is_float, is_whole
from ...layers.rule import Refusal
from ...network import Array, Input, Shape
from ...operations import Cell, Draw, Weight, promoted_type
from ..graph import Graph, Node, Port
from ..slots import Parameter
from ..values import RUN_IN_NUMPY, Wire, canonical
from . import recurrence, reshaping
from .activations import TRAINABLE, activate, linear
from .array_functions import ArrayOperations
from .base import BatchMoments, Compaction
from .categories import CategoryOperations
from .convolutions import ConvolutionOperations, bias_parameter
from .formulas import OF_ONE
from .images import ImageOperations
from .learned_tensors import learnt_tensor, safe_product
from .lookups import Gathering
from .maxima import larger, largest
from .products import ProductOperations, spread_size
from .reducing import fits, one_window, reduce_in_rows
from .scaling import ScalingOperations
from .spreading import SpreadingOperations, in_product_order, learns
from .tables import TableOperations
from .unary import LOGARITHMS, ROUNDING, UNARY, learning_log
from .whole_numbers import WholeNumbers

Operand = Union[Wire, Weight, float]
# Composed with whole turns, which have no gradient.
WAVES = frozenset({"cos", "sin", "tan"})
# Activations that compare, in NeoML without a gradient.
STEPS = frozenset({"hard_shrink", "threshold"})
# Of whole numbers they make whole numbers.
KEEP_WHOLE = frozenset({"linear", "relu", "relu6", "threshold"})


def dense_parameters(kernel: Weight, bias: Optional[Weight], convolution: bool = False) -> dict[str, Parameter]:
    """Kernel and bias of a fully connected layer, or of a 1x1 convolution that does the same."""
    return {"filter" if convolution else "weights": Parameter.laid_out(kernel, "CB"), **bias_parameter(bias)}


class NeomlOperations(
    ArrayOperations,
    CategoryOperations,
    ConvolutionOperations,
    ImageOperations,
    TableOperations,
    SpreadingOperations,
    ProductOperations,
    ScalingOperations,
    WholeNumbers,
):
    """`porting.operations.Operations` over a `Graph`.

    Attributes:
        graph: where the nodes go.
        in_training: build for learning: only layers whose gradients are right.
        moving: stored statistics that follow those of the batches.
        moments: the tensors that they follow.
        gathered: lookups, in a net that learns, whose rows the host picks.
        of_computed_ids: lookups of ids that the net computes.
        draws: by source, its wire and what draws the numbers that it is fed in every step.
        moves: by input, how often a tensor near it was wanted in another layout, by the layout's first two axes.
    """

    def __init__(
        self, graph: Optional[Graph] = None, training: bool = False, moving: Collection[str] = frozenset()
    ) -> None:
        self.graph = graph or Graph()
        self.in_training = training
        self.moving = moving
        self.moments: list[BatchMoments] = []
        self.whole_numbers: set[int] = set()
        self.quotients: dict[int, tuple[Union[Wire, float], Union[Wire, float]]] = {}
        self.moves: dict[str, dict[str, int]] = {}
        self.compactions: dict[tuple[int, int, bool], Compaction] = {}
        self.gathered: list[Gathering] = []
        self.of_computed_ids: list[Node] = []
        self.draws: dict[str, tuple[Wire, Draw]] = {}

    # ---- where tensors come from

    def source(self, given: Input, layout: Optional[str] = None) -> Wire:
        """The wire of an input of the network."""
        dtype = "float32" if is_float(given.dtype) else given.dtype
        layout = layout or canonical(len(given.shape), dtype)
        port = self.graph.add("Source", name=given.name)
        shape = (None, *given.shape[1:])
        wire = Wire(
            shape, dtype, layout, port, self.graph, None, given.name, frozenset([given.name]), on_move=self._note_move
        )
        below = (self.graph.ids_known or {}).get(given.name)
        return wire if below is None else replace(wire, bounds=(0, below - 1))

    def drawn(self, shape: Shape, draw: Draw) -> Wire:
        if None in shape[1:]:
            what = f"would draw random numbers of the shape {shape} in training, of which only the rows may be open"
            raise Refusal(what, "fix the sizes in the Input")
        name = f"drawn {len(self.draws)}"
        sizes = (None, *shape[1:])
        wire = Wire(sizes, "float32", canonical(len(sizes)), self.graph.add("Source", name=name), self.graph)
        self.draws[name] = wire, draw
        return wire

    def _note_move(self, origin: str, have: str, want: str) -> None:
        counts = self.moves.setdefault(origin, {})
        counts[want[:2]] = counts.get(want[:2], 0) + 1

    def constant(self, value: Array) -> Wire:
        value = np.asarray(value)
        dtype = "float32" if value.dtype.kind == "f" else value.dtype.name
        layout = canonical(value.ndim, dtype)
        return Wire(value.shape, dtype, layout, self._data(value, layout, dtype), self.graph)

    def _data(self, value: Array, layout: str, dtype: str = "float32") -> Port:
        self._note_infinity(value)
        blob = Parameter.fixed(value, layout, np.int32 if is_whole(dtype) else np.float32)
        return self.graph.add("Data", parameters={"blob": blob})

    def _operand(self, x: Operand, partner: Wire) -> Wire:
        """A weight as a wire whose axes lie as the last axes of its partner do."""
        if isinstance(x, Wire):
            return x
        assert isinstance(x, Weight)
        rank = len(x.shape)
        if rank > partner.rank:
            raise Refusal(f"weight {x.name} of shape {x.shape} against a tensor of rank {partner.rank}")
        own = partner.layout[partner.rank - rank :]
        shape = (1,) * (partner.rank - rank) + x.shape
        return Wire(shape, "float32", partner.layout, self._parameter(x, own), self.graph)

    def _note_infinity(self, numbers: Any) -> None:
        self.graph.infinite = self.graph.infinite or bool(np.isinf(numbers).any())

    def _parameter(self, weight: Weight, layout: str) -> Port:
        self._note_infinity(weight.value)
        if self.in_training:
            return learnt_tensor(self.graph, weight, layout)
        return self.graph.add("Data", parameters={"blob": Parameter.laid_out(weight, layout)})

    def cast(self, x: Operand, dtype: str) -> Wire:
        wire = self._wire(x)
        if dtype in ("float16", "bfloat16"):
            raise Refusal(f"NeoML has no {dtype}, which rounds", "leave it out; the numpy engine has it")
        if is_float(dtype):  # of float64 the engine keeps what float32 holds, and the name
            return replace(self._floating(wire), dtype=dtype, mask=None)
        if dtype == "bool":
            return wire if wire.dtype == "bool" else self.compare(wire, 0, "not_equal")
        if is_whole(dtype):
            return wire if wire.dtype == dtype else self.whole_cast(self._divided(wire), dtype)
        raise Refusal(f"no cast to {dtype}")

    def _wire(self, x: Operand) -> Wire:
        if not isinstance(x, Wire):
            raise Refusal("a weight or number stands where a tensor is needed")
        return x

    def _floating(self, x: Wire) -> Wire:
        x = reshaping.as_float(x)
        return x if x.dtype == "float32" else replace(x, dtype="float32")

    # ---- linear maps

    def dense(self, x: Wire, kernel: Weight, bias: Optional[Weight] = None) -> Wire:
        x = self._floating(x)
        if x.size(-1) != kernel.shape[0]:
            raise Refusal(f"{x.size(-1)} features meet a kernel of {kernel.shape[0]}")
        units = kernel.shape[1]
        shape = (*x.shape[:-1], units)
        if set(x.layout[:-1]) <= set("LBS"):
            x = x.require({-1: "CHWD"}, others="LS")
            port = self.graph.add(
                "FullyConnected",
                x.port,
                element_count=units,
                parameters=dense_parameters(kernel, bias),
            )
            return x.made(port, shape, layout=x.layout[:-1] + "C")
        x = x.require({-1: "C"}, others="HWLS")
        port = self.graph.add(
            "Conv",
            x.port,
            filter_count=units,
            filter_size=(1, 1),
            parameters=dense_parameters(kernel, bias, convolution=True),
        )
        return x.made(port, shape)

    # ---- element by element

    def activation(self, x: Wire, name: str, **arguments: Any) -> Wire:
        if x.is_whole and name in KEEP_WHOLE:
            return x if name == "linear" else self.whole_activation(x, name, **arguments)
        x = self._floating(x)
        steps = name in STEPS or (name == "relu" and arguments.get("threshold"))
        if self.in_training and steps and learns(x):
            raise Refusal(f"{name} with a threshold has no gradient in NeoML", "freeze what stands before it")
        function = TRAINABLE.get(name, name) if self.in_training else name
        return x if name == "linear" else x.made(activate(self.graph, x.port, function, arguments))

    def _pair(self, a: Operand, b: Operand) -> tuple[Wire, Wire]:
        """Two tensors in one layout and of one size."""
        partner = a if isinstance(a, Wire) else self._wire(b)
        return self._spread_pair(*(self._floating(self._operand(x, partner)) for x in (a, b)))

    def _spread_pair(self, left: Wire, right: Wire) -> tuple[Wire, Wire]:
        if left.rank != right.rank:
            raise Refusal(f"tensors of ranks {left.rank} and {right.rank} meet element by element")
        # The smaller tensor is moved, not the larger one.
        if _is_spread_over(left, right) and not _is_spread_over(right, left):
            left = left.to(right.layout)
        right = right.to(left.layout)
        if not (_is_spread_over(left, right) or _is_spread_over(right, left)):
            return left, right
        shape = tuple(spread_size(p, q) for p, q in zip(left.shape, right.shape))
        if self.in_training:
            return self._spread_both(left, right, shape)
        port = self.graph.add("Broadcast", left.port, right.port, outputs=2)
        return (
            replace(left, shape=shape, port=port, forms={}, mask=None),
            replace(right, shape=shape, port=Port(port.node, 1), forms={}, mask=None),
        )

    def _eltwise(self, kind: str, a: Operand, b: Operand) -> Wire:
        left, right = self._pair(a, b)
        if kind == "EltwiseMul" and self.in_training:
            left, right = in_product_order(left, right)
        port = self.graph.add(kind, left.port, right.port)
        if kind == "EltwiseMul" and self.in_training:
            port = safe_product(self.graph, port, left.port)
        return left.made(port, dtype="float32")

    def _scaled(self, x: Operand, multiplier: float, free_term: float) -> Wire:
        wire = self._floating(self._wire(x))
        return wire.made(linear(self.graph, wire.port, multiplier, free_term))

    def add(self, a: Operand, b: Operand) -> Wire:
        if is_whole(dtype := promoted_type(a, b)):
            return self.whole_arithmetic("add", a, b, dtype)
        if isinstance(b, (int, float)):
            return self._scaled(a, 1.0, b)
        return self.add(b, a) if isinstance(a, (int, float)) else self._eltwise("EltwiseSum", a, b)

    def subtract(self, a: Operand, b: Operand) -> Wire:
        if is_whole(dtype := promoted_type(a, b)):
            return self.whole_arithmetic("subtract", a, b, dtype)
        if isinstance(b, (int, float)):
            return self._scaled(a, 1.0, -b)
        return self._scaled(b, -1.0, a) if isinstance(a, (int, float)) else self._eltwise("EltwiseSub", a, b)

    def multiply(self, a: Operand, b: Operand) -> Wire:
        if is_whole(dtype := promoted_type(a, b)):
            return self.whole_arithmetic("multiply", a, b, dtype)
        if isinstance(b, (int, float)):
            return self._scaled(a, b, 0.0)
        return self.multiply(b, a) if isinstance(a, (int, float)) else self._eltwise("EltwiseMul", a, b)

    def divide(self, a: Operand, b: Operand) -> Wire:
        if isinstance(a, (int, float)) or isinstance(b, (int, float)):
            dividend, divisor = (x if isinstance(x, (int, float)) else self._wire(x) for x in (a, b))
            if isinstance(divisor, Wire):
                made = self.multiply(self.unary(divisor, "reciprocal"), dividend)
            else:
                made = self._scaled(dividend, 1.0 / divisor, 0.0)
            self.quotients[id(made.port.node)] = dividend, divisor
            return made
        if self.in_training:
            divisor = self._operand(b, a) if isinstance(a, Wire) else self._wire(b)
            return self.multiply(a, self.unary(divisor, "reciprocal"))
        return self._eltwise("EltwiseDiv", a, b)

    def _divided(self, x: Wire) -> Wire:
        """A quotient as a division rounds it, for what comes after a step: 21 · (1/7) is below 3."""
        operands = self.quotients.get(id(x.port.node))
        if operands is None or (self.in_training and learns(x)):
            return x
        like = next(one for one in operands if isinstance(one, Wire))
        left, right = (self._floating(y) if isinstance(y, Wire) else self.filled(like, float(y)) for y in operands)
        return replace(x, port=self.graph.add("EltwiseDiv", left.port, right.port))

    def maximum(self, a: Operand, b: Operand) -> Wire:
        if is_whole(dtype := promoted_type(a, b)):
            return self.whole_larger(a, b, dtype)
        if isinstance(a, (int, float)):
            a, b = b, a
        if isinstance(b, (int, float)):
            a = self._floating(self._wire(a))
            b = self.filled(a, float(b))
        left, right = self._pair(a, b)
        if self.in_training:
            return larger(self, left, right)
        # Not EltwiseMax: behind a Source, and in a large net everywhere, it reads memory of the run before.
        less = self.graph.add("Less", left.port, right.port)
        return left.made(self.graph.add("Where", less, right.port, left.port), dtype="float32")

    def minimum(self, a: Operand, b: Operand) -> Wire:
        if is_whole(dtype := promoted_type(a, b)):
            return self.whole_smaller(a, b, dtype)
        return self.multiply(self.maximum(self._negative(a), self._negative(b)), -1.0)

    def _negative(self, x: Operand) -> Operand:
        if isinstance(x, Wire):
            return self.multiply(x, -1.0)
        if not isinstance(x, Weight):
            return -x
        undo, redo = (lambda array: x.in_keras(-array)), (lambda array: -x.like_value(array))
        return Weight(x.name, -x.value, undo, redo)

    def filled(self, x: Wire, value: float) -> Wire:
        """A tensor of the shape of `x` that holds one number, whatever `x` holds."""
        self._note_infinity(value)
        if self.in_training:  # a comparison has no gradient, not even none
            # A ReLU below 0 passes no gradient on, were it infinite; times 0 would make it NaN.
            zero = self.graph.add("ReLU", linear(self.graph, x.port, 0.0, -1.0))
            return x.made(linear(self.graph, zero, 1.0, value))
        zero = self.graph.add("Less", x.port, x.port)
        return x.made(linear(self.graph, self.graph.add("Cast", zero, output_type="float"), 1.0, value))

    def unary(self, x: Wire, name: str) -> Wire:
        if x.is_whole:
            return self.whole_unary(x, name)
        x = self._floating(x)
        if name == "square" and self.in_training:
            return self.multiply(x, x)
        if name in LOGARITHMS and self.in_training and learns(x):
            return x.made(learning_log(self.graph, x.port, *LOGARITHMS[name]))
        learning = self.in_training and learns(x)
        if name in OF_ONE and not learning:
            return OF_ONE[name](self, x)
        made = UNARY.get(name)
        if learning and (name in WAVES or (made is None and name in OF_ONE)):
            raise Refusal(f"{name} has no gradient in NeoML", "freeze what stands before it")
        if made is None:
            raise Refusal(f"NeoML has no layer for {name}", RUN_IN_NUMPY)
        x = self._divided(x) if name in ROUNDING else x
        return x.made(made(self.graph, x.port))

    def power(self, x: Wire, exponent: float) -> Wire:
        x = self._floating(x)
        return x.made(self.graph.add("Power", x.port, exponent=float(exponent)))

    # ---- comparisons and logic

    def compare(self, a: Operand, b: Operand, name: str) -> Wire:
        if isinstance(a, (int, float)) or (isinstance(a, Weight) and isinstance(b, Wire)):
            return self.compare(b, a, MIRRORED[name])
        wire = self._wire(a)
        if wire.is_whole and b == 0 and name in ("equal", "not_equal"):
            is_zero = self.graph.add("Cast", self.graph.add("Not", wire.port), output_type="float")
            port = is_zero if name == "equal" else linear(self.graph, is_zero, -1.0, 1.0)
            return wire.made(port, dtype="bool")
        if is_whole(dtype := promoted_type(a, b, numbers="typed")):
            return self.whole_compare(wire, b, name, dtype)
        if isinstance(b, (int, float)):
            left = self._floating(self._divided(wire))
            right = self.filled(left, float(b))
        else:
            left, right = self._pair(self._divided(wire), self._divided(b) if isinstance(b, Wire) else b)
        places = (wire, b) if self.in_training else ()
        whole = bool(places) and all(isinstance(x, Wire) and id(x.port.node) in self.whole_numbers for x in places)
        return self._compare_floats(left, right, name, whole)

    def _compare_floats(self, left: Wire, right: Wire, name: str, whole: bool = False) -> Wire:
        def less(p: Wire, q: Wire) -> Wire:
            if whole:
                difference = self.graph.add("EltwiseSub", q.port, p.port)
                return p.made(self.graph.add("ReLU", difference, threshold=1.0), dtype="bool")
            port = self.graph.add("Cast", self.graph.add("Less", p.port, q.port), output_type="float")
            return p.made(port, dtype="bool")

        if name in ("less", "greater"):
            return less(left, right) if name == "less" else less(right, left)
        if whole and name in ("less_equal", "greater_equal"):
            return self.logical_not(less(right, left) if name == "less_equal" else less(left, right))
        same = self.graph.add("Cast", self.graph.add("Equal", left.port, right.port), output_type="float")
        equal = left.made(same, dtype="bool")
        if name in ("less_equal", "greater_equal"):  # of NaN neither holds
            closer = less(left, right) if name == "less_equal" else less(right, left)
            return left.made(self.graph.add("EltwiseSum", closer.port, equal.port), dtype="bool")
        return equal if name == "equal" else self.logical_not(equal)

    def logical_and(self, a: Wire, b: Wire) -> Wire:
        return replace(self._eltwise("EltwiseMul", a, b), dtype="bool")

    def logical_or(self, a: Wire, b: Wire) -> Wire:
        both = self._eltwise("EltwiseSum", a, b)
        return both.made(self.graph.add("ReLU", both.port, threshold=1.0), dtype="bool")

    def logical_not(self, a: Wire) -> Wire:
        return a.made(linear(self.graph, a.port, -1.0, 1.0), dtype="bool")

    def where(self, condition: Wire, a: Operand, b: Operand) -> Wire:
        if is_whole(dtype := promoted_type(a, b)):
            return self.whole_where(condition, a, b, dtype)
        chosen = replace(condition, dtype="float32")
        if not any(isinstance(x, (int, float)) for x in (a, b)):
            a, b = self._pair(a, b)
        chosen, yes = self._truths_and(chosen, a)
        chosen, no = self._truths_and(chosen, b)
        if self.in_training and any(learns(x) for x in (chosen, yes, no) if isinstance(x, Wire)):
            made = self.add(self.multiply(chosen, yes), self.multiply(self._scaled(chosen, -1.0, 1.0), no))
        else:
            flag = self.graph.add("Cast", chosen.port, output_type="int")
            ports = (
                self._scaled(chosen, 0.0, x) if isinstance(x, (int, float)) else x.to(chosen.layout) for x in (yes, no)
            )
            made = chosen.made(self.graph.add("Where", flag, *(wire.port for wire in ports)))
        return replace(made, dtype="bool") if dtype == "bool" else made

    def _truths_and(self, truths: Wire, x: Operand) -> tuple[Wire, Union[Wire, int, float]]:
        """Truths and what they choose in one layout and of one size; a number stays one."""
        if isinstance(x, (int, float)):
            self._note_infinity(x)
            return truths, x
        return self._pair(truths, x)

    # ---- over axes

    def reduce(self, x: Wire, name: str, axes: Sequence[int], keepdims: bool = False) -> Wire:
        if x.is_whole and name == "sum":
            return self.whole_sum(x, axes, keepdims)
        if x.is_whole and name in ("max", "min"):
            return self.whole_extreme(x, name, axes, keepdims)
        if self.in_training and name == "max" and x.dtype == "float32" and 0 not in {x.axis(axis) for axis in axes}:
            made = largest(self, x, axes)
            for axis in sorted((x.axis(axis) for axis in axes), reverse=True):
                made = made if keepdims else self.squeeze(made, axis)
            return made
        return self.plain_reduce(x, name, axes, keepdims)

    def plain_reduce(self, x: Wire, name: str, axes: Sequence[int], keepdims: bool = False) -> Wire:
        """A reduction by one layer; where the largest stands several times, one of them has the gradient."""
        reduced = {x.axis(axis) for axis in axes}
        if 0 in reduced:
            raise Refusal(f"{name} over the batch axis")
        dtype = x.dtype
        if name in ("any", "all"):
            name, dtype = {"any": "max", "all": "min"}[name], "bool"
        if name == "min":
            least = self.multiply(self.reduce(self.multiply(x, -1.0), "max", axes, keepdims), -1.0)
            return replace(least, dtype="bool" if dtype == "bool" else "float32")
        if not fits(x, reduced):
            return reduce_in_rows(self, x, reduced, keepdims, lambda rows: self.plain_reduce(rows, name, (2,)))
        if name == "max" and dtype != "bool" and self.graph.infinite:
            # GlobalMaxPooling begins with the lowest finite number; the halves of infinite ones are above none.
            return self._scaled(self._pooled(self._scaled(x, 0.5, 0.0), name, reduced, keepdims, dtype), 2.0, 0.0)
        return self._pooled(x, name, reduced, keepdims, dtype)

    def _pooled(self, x: Wire, name: str, reduced: set[int], keepdims: bool, dtype: str) -> Wire:
        x = self._floating(x).require(dict.fromkeys(reduced, "HWD"), others="CSL")
        kind, settings = (None if self.in_training else one_window(x, name, reduced)) or POOLING[name]
        pooled = x.made(self.graph.add(kind, x.port, **settings), dtype="bool" if dtype == "bool" else "float32")
        if keepdims:
            return replace(pooled, shape=tuple(1 if axis in reduced else n for axis, n in enumerate(x.shape)))
        left = [axis for axis in range(x.rank) if axis not in reduced]
        return pooled.made(
            pooled.port, [x.shape[axis] for axis in left], layout="".join(x.layout[axis] for axis in left)
        )

    def softmax(self, x: Wire, axes: Sequence[int], log: bool = False) -> Wire:
        x = self._floating(x)
        over = sorted({x.axis(axis) for axis in axes})
        if log:
            moved = self.subtract(x, self.plain_reduce(x, "max", over, keepdims=True))
            return self.subtract(
                moved, self.unary(self.reduce(self.unary(moved, "exp"), "sum", over, keepdims=True), "log")
            )
        if len(over) == 1:
            x = x.require({over[0]: "C"})
            return x.made(self.graph.add("Softmax", x.port, area="channel"))
        x = x.require(dict.fromkeys(over, "HWDC"), others="SL")
        return x.made(self.graph.add("Softmax", x.port, area="object_size"))

    # ---- shapes

    reshape = staticmethod(reshaping.reshape)
    expand_dims = staticmethod(reshaping.expand_dims)
    squeeze = staticmethod(reshaping.squeeze)
    repeat = staticmethod(reshaping.repeat)
    flip = staticmethod(reshaping.flip)
    slice = staticmethod(reshaping.cut)

    def transpose(self, x: Wire, axes: Sequence[int]) -> Wire:
        order = [x.axis(axis) for axis in axes]
        if order[0] != 0:
            raise Refusal("the batch axis cannot be moved")
        turned = x.with_axes(tuple(x.shape[axis] for axis in order), "".join(x.layout[axis] for axis in order))
        return replace(turned, origin=None)

    def concatenate(self, xs: Sequence[Wire], axis: int) -> Wire:
        if len(xs) == 1:
            return replace(xs[0], mask=None)
        first = xs[0]
        at = first.axis(axis)
        if at == 0:
            raise Refusal("tensors joined along the batch")
        if any(x.rank != first.rank for x in xs):
            raise Refusal(f"tensors of ranks {[x.rank for x in xs]} are joined")
        if is_whole(dtype := promoted_type(*xs)):
            parts = [self.cast(x, dtype).to(first.layout) for x in xs]
        else:
            parts = [self._floating(x).to(first.layout) for x in xs]
        sizes = [x.shape[at] for x in xs]
        joined = None if None in sizes else sum(size for size in sizes if size is not None)
        shape = [_known(x.shape[i] for x in xs) if i != at else joined for i in range(first.rank)]
        made = first.made(reshaping.joined_along(first.layout[at], [x.port for x in parts], self.graph), shape, dtype)
        if not made.is_whole:
            return made
        ids = [x.ids_from for x in parts]
        return replace(
            made,
            bounds=(min(x.range[0] for x in parts), max(x.range[1] for x in parts)),
            ids_from=None if None in ids else frozenset().union(*(one or () for one in ids)),
        )

    # ---- recurrence

    def recurrent(
        self,
        cell: Cell,
        x: Wire,
        *,
        initial_state: Optional[Sequence[Wire]] = None,
        mask: Optional[Wire] = None,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
    ) -> tuple[Wire, Wire, list[Wire]]:
        return recurrence.recurrent(
            self, cell, self._floating(x), list(initial_state or []), mask, go_backwards, zero_output_for_mask
        )


def _is_spread_over(a: Wire, b: Wire) -> bool:
    return any(p == 1 != q for p, q in zip(a.shape, b.shape))


def _known(sizes: Any) -> Optional[int]:
    return next((size for size in sizes if size is not None), None)


POOLING: dict[str, tuple[str, dict[str, Any]]] = {
    "sum": ("GlobalSumPooling", {}),
    "mean": ("GlobalMeanPooling", {}),
    "max": ("GlobalMaxPooling", {"max_count": 1}),
}
MIRRORED = {
    "less": "greater",
    "greater": "less",
    "less_equal": "greater_equal",
    "greater_equal": "less_equal",
    "equal": "equal",
    "not_equal": "not_equal",
}
