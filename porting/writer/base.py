"""What every operation that is written as numpy statements is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Union

import numpy as np

from ..dtypes import is_float
from ..network import Array
from ..numpy_side.operations import NumpyOperations
from ..operations import Weight, promoted_type
from .trace import ATOM, Term, Trace, Traced

Operand = Union[Traced, Weight, float]
Code = Union[Term, str]

SMALL = 8


class StatementBase:
    """Values by the numpy engine's operations, and code for operands.

    Attributes:
        trace: what is written.
        cases: how many references the network runs on.
        weights: by ``layer/weight``; those that stand in the file under their own names.
    """

    def __init__(self, trace: Trace, cases: int, weights: dict[str, Array]) -> None:
        self.trace = trace
        self.cases = cases
        self.weights = weights
        self.numpy = NumpyOperations()

    def _values(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        def of(value: Any, at: int) -> Any:
            if isinstance(value, Traced):
                return value.values[at]
            return [of(part, at) for part in value] if isinstance(value, list) else value

        return tuple(
            operation(*(of(one, at) for one in args), **{key: of(one, at) for key, one in kwargs.items()})
            for at in range(self.cases)
        )

    def _code(self, x: Operand) -> Code:
        """An operand's code as it is."""
        if isinstance(x, Traced):
            return x.term
        return self._weight(x) if isinstance(x, Weight) else number(float(x))

    def _code_in(self, x: Operand, dtype: str) -> Code:
        """An operand's code in a dtype."""
        if isinstance(x, Traced):
            return self.cast(x, dtype).term
        if isinstance(x, Weight):
            return self._weight(x if x.value.dtype.name == dtype else replace(x, value=x.value.astype(dtype)))
        if is_float(dtype):
            return number(float(x))
        value = np.asarray(x).astype(dtype)
        # Python's own whole numbers meet these dtypes without changing them, in every numpy.
        return repr(value.item()) if dtype in ("bool", "int32", "int64") else f"np.{dtype}({value.item()})"

    def _alike(self, *operands: Operand, numbers: str = "weak") -> list[Code]:
        """The code of operands in the dtype that Keras brings them to."""
        dtype = promoted_type(*operands, numbers=numbers)
        return [self._code_in(one, dtype) for one in operands]

    def _weight(self, weight: Weight) -> str:
        if not weight.name:
            return self._constant(weight.value)
        kept = self.weights.get(weight.name)
        if kept is weight.value:
            return self.trace.keep(weight.name, weight.value)
        sizes = "x".join(map(str, weight.shape))
        return self.trace.keep(f"{weight.name} as {sizes}", np.asarray(weight.value, order="C"))

    def _constant(self, value: Array) -> str:
        if value.size <= SMALL and value.dtype == np.float32 and np.isfinite(value).all():
            return f"np.array({value.tolist()}, np.float32)"
        return self.trace.keep(f"{self.trace.scope}/constant", np.asarray(value, order="C"))

    def _floating(self, x: Traced) -> Traced:
        return self.cast(x, "float32")

    def _call(self, name: str, x: Traced, *more: str, hint: str = "") -> Term:
        """A call of a helper on one tensor and finished code."""
        return self.trace.add(f"{name}({', '.join(['{0}', *escape(more)])})", [x.term], hint=hint, helpers=[name])

    def cast(self, x: Operand, dtype: str) -> Traced:
        values = self._values(self.numpy.cast, x, dtype)
        if isinstance(x, Traced) and x.dtype == dtype:
            return x
        kind = "bool" if dtype == "bool" else f"np.{dtype}"
        return Traced(self.trace.add(f"{{0}}.astype({kind})", [self._code(x)], asks=ATOM, hint="values"), values)


NEARLY_LARGEST = 3.4e38


def number(value: float) -> str:
    """A float as code."""
    if np.isnan(value):
        return "np.nan"
    if not np.isfinite(value):
        return "np.inf" if value > 0 else "-np.inf"
    # numpy takes a number so near to float32's largest for a float64.
    return f"np.float32({float(value)!r})" if abs(value) > NEARLY_LARGEST else repr(float(value))


def literal(code: str) -> tuple[str, list[Union[Term, str]]]:
    """Finished code as an expression without operands of its own."""
    return "{0}", [code]


def escape(codes: Sequence[str]) -> list[str]:
    return [code.replace("{", "{{").replace("}", "}}") for code in codes]


def axis_code(axes: Sequence[int], always_tuple: bool = False) -> str:
    listed = tuple(int(axis) for axis in axes)
    return str(listed[0]) if len(listed) == 1 and not always_tuple else str(listed)
