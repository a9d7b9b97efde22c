"""The operations as numpy statements. What they compute is the numpy engine's; here is how it is written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Optional, Union

import numpy as np

from ..dtypes import is_whole
from ..network import Array
from ..numpy_side.activations import KEEP_WHOLE
from ..numpy_side.positions import STABLE
from ..numpy_side.recurrence import kind_of
from ..numpy_side.values import Value
from ..operations import Cell, Weight
from .base import Code, Operand, axis_code, literal, number
from .categories import write_preprocessing
from .trace import ATOM, COMPARISON, LOGIC, NEGATION, POWER, PRODUCT, SUM, Term, Traced
from .windows import WindowStatements

Compute = Callable[[Any, Any], Value]
COMPARISONS = {
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}
UNARY = {"reciprocal": ("1 / {0}", PRODUCT), "rsqrt": ("1 / np.sqrt({0})", PRODUCT), "negative": ("-{0}", NEGATION)}
PLAIN = {"tanh": "np.tanh", "exponential": "np.exp"}
RELU = {"negative_slope": 0, "max_value": None, "threshold": 0}


class StatementOperations(WindowStatements):
    """`porting.operations.Operations` whose tensors are expressions."""

    training = None

    # values

    def constant(self, value: Array) -> Traced:
        array = np.asarray(value)
        return Traced(self.trace.add(*literal(self._constant(array)), hint="constant"), (Value(array),) * self.cases)

    def computed(self, function: Callable[..., Array], inputs: Sequence[Any]) -> Traced:
        """Text and categories; other functions of arrays have no statement."""
        values = self._values(self.numpy.computed, function, list(inputs))
        term = write_preprocessing(self.trace, function, inputs)
        return Traced(term, values)

    # linear maps

    def dense(self, x: Traced, kernel: Weight, bias: Optional[Weight] = None) -> Traced:
        values = self._values(self.numpy.dense, x, kernel, bias)
        product: list[Code] = [self._floating(x).term, self._weight(kernel)]
        if bias is None:
            term = self.trace.add("{0} @ {1}", product, binds=PRODUCT, asks=(PRODUCT, ATOM), hint="product")
        else:
            operands: list[Code] = [*product, self._weight(bias)]
            term = self.trace.add("{0} @ {1} + {2}", operands, binds=SUM, asks=(PRODUCT, ATOM, ATOM), hint="product")
        return Traced(term, values)

    def embedding(self, ids: Traced, table: Weight) -> Traced:
        values = self._values(self.numpy.embedding, ids, table)
        whole = ids if is_whole(ids.dtype) else self.cast(ids, "int64")
        return Traced(self.trace.add("{0}[{1}]", [self._weight(table), whole.term], hint="rows"), values)

    def matmul(self, a: Operand, b: Operand, transpose_b: bool = False) -> Traced:
        values = self._values(self.numpy.matmul, a, b, transpose_b=transpose_b)
        code = "{0} @ {1}.swapaxes(-1, -2)" if transpose_b else "{0} @ {1}"
        if transpose_b and isinstance(b, Weight):
            code = "{0} @ {1}.T"
        operands = self._alike(a, b)
        return Traced(self.trace.add(code, operands, binds=PRODUCT, asks=(PRODUCT, ATOM), hint="product"), values)

    def einsum(self, equation: str, operands: Sequence[Operand]) -> Traced:
        values = self._values(self.numpy.einsum, equation, list(operands))
        places = ", ".join(f"{{{at}}}" for at in range(len(operands)))
        code = f'np.einsum("{equation}", {places}, optimize=True)'
        return Traced(self.trace.add(code, self._alike(*operands), hint="product"), values)

    # element by element

    def activation(self, x: Traced, name: str, **arguments: Any) -> Traced:
        values = self._values(self.numpy.activation, x, name, **arguments)
        if name == "linear":
            return x
        x = x if name in KEEP_WHOLE and is_whole(x.dtype) else self._floating(x)
        if name in PLAIN:
            term = self.trace.add(f"{PLAIN[name]}({{0}})", [x.term], hint=name)
        elif name == "relu" and not any(arguments.get(key) for key in ("negative_slope", "threshold", "max_value")):
            term = self.trace.add("np.maximum({0}, 0)", [x.term], hint=name)
        else:
            term = self._call(name, x, *argument_codes(name, arguments), hint=name)
            if is_whole(x.dtype):
                term = self.trace.add(f"{{0}}.astype(np.{x.dtype})", [term], hint=name)
        return Traced(term, values)

    def _binary(self, compute: Compute, a: Operand, b: Operand, hint: str, code: str, binds: int) -> Traced:
        asks = (COMPARISON, COMPARISON) if binds == ATOM else (binds, binds + 1)
        term = self.trace.add(code, self._alike(a, b), binds=binds, asks=asks, hint=hint)
        return Traced(term, self._values(compute, a, b))

    def add(self, a: Operand, b: Operand) -> Traced:
        return self._binary(self.numpy.add, a, b, "add", "{0} + {1}", SUM)

    def subtract(self, a: Operand, b: Operand) -> Traced:
        return self._binary(self.numpy.subtract, a, b, "subtract", "{0} - {1}", SUM)

    def multiply(self, a: Operand, b: Operand) -> Traced:
        return self._binary(self.numpy.multiply, a, b, "multiply", "{0} * {1}", PRODUCT)

    def divide(self, a: Operand, b: Operand) -> Traced:
        values = self._values(self.numpy.divide, a, b)
        operands = [self._code_in(one, values[0].dtype) for one in (a, b)]
        return Traced(self.trace.add("{0} / {1}", operands, binds=PRODUCT, asks=(PRODUCT, ATOM), hint="divide"), values)

    def whole_division(self, a: Operand, b: Operand, name: str) -> Traced:
        values = self._values(self.numpy.whole_division, a, b, name)
        operands = self._alike(a, b)
        if not isinstance(b, Traced):
            code = "{0} // {1}" if name == "floor_divide" else "{0} % {1}"
            return Traced(self.trace.add(code, operands, binds=PRODUCT, asks=(PRODUCT, ATOM), hint=name), values)
        code = f'whole_division("{name}", {{0}}, {{1}})'
        return Traced(self.trace.add(code, operands, hint=name, helpers=["whole_division"]), values)

    def maximum(self, a: Operand, b: Operand) -> Traced:
        return self._binary(self.numpy.maximum, a, b, "largest", "np.maximum({0}, {1})", ATOM)

    def minimum(self, a: Operand, b: Operand) -> Traced:
        return self._binary(self.numpy.minimum, a, b, "smallest", "np.minimum({0}, {1})", ATOM)

    def unary(self, x: Traced, name: str) -> Traced:
        values = self._values(self.numpy.unary, x, name)
        if name == "erf":
            term = self.trace.add(f"erf({{0}}).astype(np.{x.dtype})", [x.term], hint=name, helpers=["erf"])
            return Traced(term, values)
        code, binds = UNARY.get(name, (f"np.{name}({{0}})", ATOM))
        asks = ATOM if name in ("reciprocal", "negative") else COMPARISON
        return Traced(self.trace.add(code, [x.term], binds=binds, asks=asks, hint=name), values)

    def power(self, x: Traced, exponent: float) -> Traced:
        values = self._values(self.numpy.power, x, exponent)
        code = f"{{0}} ** np.float32({exponent!r})"
        term = self.trace.add(code, [self._floating(x).term], binds=POWER, asks=ATOM, hint="power")
        return Traced(term, values)

    # comparisons and logic

    def compare(self, a: Operand, b: Operand, name: str) -> Traced:
        values = self._values(self.numpy.compare, a, b, name)
        operands = self._alike(a, b, numbers="typed")
        code = f"{{0}} {COMPARISONS[name]} {{1}}"
        return Traced(self.trace.add(code, operands, binds=COMPARISON, asks=SUM, hint="mask"), values)

    def _logic(self, compute: Compute, a: Traced, b: Traced, symbol: str) -> Traced:
        # Python's & binds more tightly than |; brackets around either keep it readable.
        term = self.trace.add(f"{{0}} {symbol} {{1}}", [a.term, b.term], binds=LOGIC, asks=SUM, hint="mask")
        return Traced(term, self._values(compute, a, b))

    def logical_and(self, a: Traced, b: Traced) -> Traced:
        return self._logic(self.numpy.logical_and, a, b, "&")

    def logical_or(self, a: Traced, b: Traced) -> Traced:
        return self._logic(self.numpy.logical_or, a, b, "|")

    def logical_not(self, a: Traced) -> Traced:
        term = self.trace.add("~{0}", [a.term], binds=NEGATION, asks=ATOM, hint="mask")
        return Traced(term, self._values(self.numpy.logical_not, a))

    def where(self, condition: Traced, a: Operand, b: Operand) -> Traced:
        values = self._values(self.numpy.where, condition, a, b)
        codes = self._alike(a, b)
        return Traced(self.trace.add("np.where({0}, {1}, {2})", [condition.term, *codes], hint="kept"), values)

    # over axes

    def reduce(self, x: Traced, name: str, axes: Sequence[int], keepdims: bool = False) -> Traced:
        values = self._values(self.numpy.reduce, x, name, axes, keepdims)
        more = "".join([", keepdims=True" if keepdims else "", "" if x.is_float else self._result(name, x)])
        code = f"{{0}}.{name}(axis={axis_code(axes)}{more})"
        return Traced(self.trace.add(code, [x.term], asks=ATOM, hint=name), values)

    @staticmethod
    def _result(name: str, x: Traced) -> str:
        if name == "mean":
            return ", dtype=np.float32"
        return f", dtype={'bool' if x.dtype == 'bool' else 'np.' + x.dtype}" if name in ("sum", "prod") else ""

    def softmax(self, x: Traced, axes: Sequence[int], log: bool = False) -> Traced:
        name = "log_softmax" if log else "softmax"
        more = [] if tuple(axes) == (-1,) else [f"axis={axis_code(axes)}"]
        return Traced(self._call(name, x, *more, hint=name), self._values(self.numpy.softmax, x, axes, log))

    # shapes

    def reshape(self, x: Traced, shape: Sequence[Optional[int]]) -> Traced:
        values = self._values(self.numpy.reshape, x, list(shape))
        if tuple(shape) == x.shape[1:]:
            return x
        sizes = [f"{{0}}.shape[{axis}]" if size is None else str(size) for axis, size in enumerate(shape, 1)]
        first = "len({0})" if "-1" in sizes else "-1"
        term = self.trace.add(f"{{0}}.reshape({', '.join([first, *sizes])})", [x.term], asks=ATOM, hint="reshaped")
        return Traced(term, values)

    def transpose(self, x: Traced, axes: Sequence[int]) -> Traced:
        values = self._values(self.numpy.transpose, x, axes)
        code = f"{{0}}.transpose({', '.join(map(str, axes))})"
        return Traced(self.trace.add(code, [x.term], asks=ATOM, hint="turned"), values)

    def expand_dims(self, x: Traced, axis: int) -> Traced:
        at = axis % (x.rank + 1)
        code = "{0}[..., None]" if at == x.rank else f"{{0}}[{':, ' * at}None]"
        term = self.trace.add(code, [x.term], asks=ATOM, hint="spread")
        return Traced(term, self._values(self.numpy.expand_dims, x, axis))

    def squeeze(self, x: Traced, axis: int) -> Traced:
        term = self.trace.add(f"{{0}}.squeeze({axis})", [x.term], asks=ATOM, hint="squeezed")
        return Traced(term, self._values(self.numpy.squeeze, x, axis))

    def repeat(self, x: Traced, times: int, axis: int) -> Traced:
        term = self.trace.add(f"np.repeat({{0}}, {times}, axis={axis})", [x.term], hint="repeated")
        return Traced(term, self._values(self.numpy.repeat, x, times, axis))

    def concatenate(self, xs: Sequence[Traced], axis: int) -> Traced:
        places = ", ".join(f"{{{at}}}" for at in range(len(xs)))
        term = self.trace.add(f"np.concatenate([{places}], axis={axis})", self._alike(*xs), hint="joined")
        return Traced(term, self._values(self.numpy.concatenate, list(xs), axis))

    def flip(self, x: Traced, axis: int) -> Traced:
        return self._cut(x, axis, "::-1", "flipped", self._values(self.numpy.flip, x, axis))

    def slice(self, x: Traced, axis: int, start: Optional[int], stop: Optional[int], step: int = 1) -> Traced:
        def text(value: Optional[int]) -> str:
            return "" if value is None else str(value)

        cut = f"{text(start)}:{text(stop)}" + (f":{step}" if step not in (1, None) else "")
        return self._cut(x, axis, cut, "part", self._values(self.numpy.slice, x, axis, start, stop, step))

    def _cut(self, x: Traced, axis: int, cut: str, hint: str, values: tuple[Any, ...]) -> Traced:
        at = axis % x.rank
        code = f"{{0}}[..., {cut}]" if at == x.rank - 1 and at > 1 else f"{{0}}[{':, ' * at}{cut}]"
        return Traced(self.trace.add(code, [x.term], asks=ATOM, hint=hint), values)

    # recurrence

    def recurrent(
        self,
        cell: Cell,
        x: Traced,
        *,
        initial_state: Optional[Sequence[Traced]] = None,
        mask: Optional[Traced] = None,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
    ) -> tuple[Traced, Traced, list[Traced]]:
        options = {"initial_state": list(initial_state) if initial_state else None, "mask": mask}
        flags = {"go_backwards": go_backwards, "zero_output_for_mask": zero_output_for_mask}
        made = self._values(self.numpy.recurrent, cell, x, **options, **flags)
        helper = kind_of(cell)
        operands: list[Union[Term, str]] = [self._floating(x).term, *map(self._weight, weights_of(cell))]
        codes = [f"{{{at}}}" for at in range(len(operands))]
        if mask is not None:
            codes.append(f"mask={{{len(operands)}}}")
            operands.append(mask.term)
        if initial_state:
            places = ", ".join(f"{{{len(operands) + at}}}" for at in range(len(initial_state)))
            codes.append(f"initial_state=[{places}]")
            operands += [state.term for state in initial_state]
        codes += [
            name
            for name, asked in (("go_backwards=True", go_backwards), ("zero_output=True", zero_output_for_mask))
            if asked
        ]
        functions, helpers = activations_of(cell)
        items = ("outputs", "h", "c") if cell.kind == "lstm" else ("outputs", "h")
        code = f"{helper}({', '.join([*codes, *functions])})"
        call = self.trace.add(code, operands, hint="outputs", helpers=[helper, *helpers], items=items)
        parts = [self.trace.add(f"{{0}}.{name}", [call], hint=name) for name in items]
        outputs = Traced(parts[0], tuple(one[0] for one in made))
        last = Traced(self.trace.add("{0}[:, -1]", [parts[0]], asks=ATOM, hint="last"), tuple(one[1] for one in made))
        states = [Traced(part, tuple(one[2][at] for one in made)) for at, part in enumerate(parts[1:])]
        return outputs, last, states

    # positions

    def full_like(self, x: Traced, value: float) -> Traced:
        term = self.trace.add(f"np.full({{0}}.shape, {number(value)}, np.float32)", [x.term], asks=ATOM, hint="filled")
        return Traced(term, self._values(self.numpy.full_like, x, value))

    def positions(self, x: Traced, axis: int) -> Traced:
        at = axis % x.rank
        around = ", ".join(":" if one == at else "None" for one in range(x.rank))
        code = f"np.arange({{0}}.shape[{at}], dtype=np.float32)[{around}]"
        return Traced(
            self.trace.add(code, [x.term], asks=ATOM, hint="places"), self._values(self.numpy.positions, x, axis)
        )

    def table(self, values: Weight, like: Traced, places: Sequence[Any]) -> Traced:
        listed = [[many if isinstance(many, int) else list(many), *rest] for many, *rest in places]
        made = self._values(self.numpy.table, values, like, listed)
        operands: list[Code] = [self._weight(values), like.term]
        codes = ["{0}", "len({1})"]
        for many, which, start in places:
            size = str(many) if isinstance(many, int) else f"{{{len(operands)}}}.shape[{many[1] % many[0].rank}]"
            operands += [] if isinstance(many, int) else [many[0].term]
            codes.append(f"({size}, {which!r}, {start})")
        term = self.trace.add(f"entries({', '.join(codes)})", operands, hint="entries", helpers=["entries"])
        return Traced(term, made)

    def cumsum(self, x: Traced, axis: int, reverse: bool = False) -> Traced:
        code = f"np.cumsum({{0}}, {axis}, dtype={{0}}.dtype)"
        if reverse:
            code = f"np.flip(np.cumsum(np.flip({{0}}, {axis}), {axis}, dtype={{0}}.dtype), {axis})"
        asks = ATOM
        return Traced(
            self.trace.add(code, [x.term], asks=asks, hint="sums"), self._values(self.numpy.cumsum, x, axis, reverse)
        )

    def argmax(self, x: Traced, axis: int) -> Traced:
        term = self.trace.add(f"np.argmax({{0}}, {axis}).astype(np.int32)", [x.term], hint="largest")
        return Traced(term, self._values(self.numpy.argmax, x, axis))

    def array_function(
        self, name: str, operands: Sequence[Operand], part: Optional[int] = None, **arguments: Any
    ) -> Traced:
        values = self._values(self.numpy.array_function, name, list(operands), part=part, **arguments)
        places = [f"{{{at}}}" for at in range(len(operands))]
        places += [f"{key}={plain(value)}" for key, value in {**arguments, **STABLE.get(name, {})}.items()]
        result = f"np.{name}({', '.join(places)})" + ("" if part is None else f"[{part}]")
        cast = "" if values[0].dtype == "bool" else f".astype(np.{values[0].dtype})"
        codes = [repr(one) if isinstance(one, int) else self._code(one) for one in operands]
        hint = name.rpartition(".")[2]
        return Traced(self.trace.add(f"np.asarray({result}){cast}", codes, hint=hint), values)

    def fourier(
        self, real: Traced, imaginary: Optional[Traced], axis: int, inverse: bool = False, kept: Optional[int] = None
    ) -> tuple[Traced, Traced]:
        made = self._values(self.numpy.fourier, real, imaginary, axis, inverse, kept)
        parts = [real.term, *([] if imaginary is None else [imaginary.term])]
        more = [*(["inverse=True"] if inverse else []), *([] if kept is None else [f"kept={kept}"])]
        code = ", ".join(["{0}", "None" if imaginary is None else "{1}", str(axis), *more])
        items = ("real", "imaginary")
        call = self.trace.add(f"fourier({code})", parts, hint="transform", helpers=["fourier"], items=items)
        first, second = (self.trace.add(f"{{0}}.{name}", [call], hint=name) for name in items)
        return Traced(first, tuple(one[0] for one in made)), Traced(second, tuple(one[1] for one in made))

    def normalize(
        self, x: Traced, axes: Sequence[int], epsilon: float, gamma: Optional[Weight], beta: Optional[Weight]
    ) -> Traced:
        values = self._values(self.numpy.normalize, x, axes, epsilon, gamma, beta)
        x = self._floating(x)
        over = tuple(axis % x.rank for axis in axes)
        more = []
        for name, weight in (("gamma", gamma), ("beta", beta)):
            if weight is not None:
                ordered = weight.arranged(np.argsort(over).tolist())
                shape = [size if at in over else 1 for at, size in enumerate(x.values[0].value.shape)]
                first = min(over)
                plain = over == tuple(range(first, x.rank))
                more.append(f"{name}={self._weight(weight if plain else ordered.arranged(shape=shape))}")
        term = self._call(
            "normalize", x, axis_code(over, always_tuple=True), repr(float(epsilon)), *more, hint="normal"
        )
        return Traced(term, values)


def plain(value: Any) -> str:
    """A setting of numpy's as code."""
    if isinstance(value, np.dtype):
        return "bool" if value.kind == "b" else f"np.{value.name}"
    return repr(value)


def weights_of(cell: Cell) -> list[Weight]:
    return [cell.kernel, cell.recurrent_kernel, *([] if cell.bias is None else [cell.bias])]


def argument_codes(name: str, arguments: dict[str, Any]) -> list[str]:
    """An activation's arguments as code; those of a relu that do nothing are left out."""
    idle = RELU if name == "relu" else {}
    return [f"{key}={value!r}" for key, value in arguments.items() if key not in idle or idle[key] != value]


def activations_of(cell: Cell) -> tuple[list[str], list[str]]:
    """Arguments for the activations of a cell that are not the helper's own, and the helpers that these need."""
    codes, helpers = [], []
    for key, default in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        name, arguments = getattr(cell, key)
        if name != default and not (key == "recurrent_activation" and cell.kind == "simple_rnn"):
            code, needed = function_code(name, arguments)
            codes.append(f"{key}={code}")
            helpers += needed
    return codes, helpers


def function_code(name: str, arguments: dict[str, Any]) -> tuple[str, list[str]]:
    """A cell's activation as a function, and the helpers that it needs."""
    if name == "linear":
        return "lambda x: x", []
    if name in PLAIN:
        return PLAIN[name], []
    if not arguments:
        return name, [name]
    given = argument_codes(name, arguments)
    return f"lambda x: {', '.join([f'{name}(x', *given])})", [name]
