"""A network's operations as a list of numpy expressions, in the order in which they came.

The expressions are found by running the network on its references: every tensor on its way holds what numpy made of
it in each of them, so that shapes and dtypes are known. A size that differs between the references is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional, Union

from ..network import Array, Shape
from ..numpy_side.values import Value

# How tightly Python binds: an operand that binds less tightly than its place asks for goes into brackets.
COMPARISON, LOGIC, SUM, PRODUCT, NEGATION, POWER, ATOM = range(7)


@dataclass(eq=False)
class Term:
    """An expression, of terms again.

    Attributes:
        code: with ``{0}``, ``{1}`` … for the operands.
        binds: how tightly.
        operands: terms, or finished code.
        asks: how tightly each operand must bind.
        scope: the call that it belongs to.
        hint: a name for it, should it need one.
        helpers: the helper functions that it calls.
        items: names for what a call with several results returns; such a term is unpacked where it stands.
        name: what its value is called; none where the expression stands within another.
    """

    code: str
    binds: int
    operands: tuple[Union[Term, str], ...]
    asks: tuple[int, ...]
    scope: str
    hint: str
    helpers: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    name: Optional[str] = None

    def terms(self) -> Iterator[Term]:
        return (one for one in self.operands if isinstance(one, Term))


@dataclass(frozen=True, eq=False)
class Traced:
    """A tensor: its expression, and its value in each of the references. See `porting.operations.Tensor`."""

    term: Term
    values: tuple[Value, ...]
    mask: Optional[Traced] = None

    @property
    def shape(self) -> Shape:
        sizes = zip(*(value.shape[1:] for value in self.values))
        return (None, *(axis[0] if len(set(axis)) == 1 else None for axis in sizes))

    @property
    def rank(self) -> int:
        return self.values[0].value.ndim

    @property
    def dtype(self) -> str:
        return self.values[0].dtype

    @property
    def is_float(self) -> bool:
        return self.values[0].value.dtype.kind == "f"

    def with_mask(self, mask: Optional[Traced]) -> Traced:
        return replace(self, mask=mask)


@dataclass
class Trace:
    """What was traced.

    Attributes:
        terms: in order.
        arrays: what the file carries, by the name under which ``W`` holds it.
        code: functions of this network alone, by name: those that turn text into numbers.
        taken: names that those functions must not have.
        imports: lines that they need.
        scope: the call that is being traced.
    """

    terms: list[Term] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    scope: str = ""
    taken: frozenset[str] = frozenset()
    imports: set[str] = field(default_factory=set)

    def add(
        self,
        code: str,
        operands: Sequence[Union[Term, str]] = (),
        *,
        binds: int = ATOM,
        asks: Union[int, Sequence[int]] = COMPARISON,
        hint: str = "",
        helpers: Sequence[str] = (),
        items: Sequence[str] = (),
    ) -> Term:
        places = (asks,) * len(operands) if isinstance(asks, int) else tuple(asks)
        term = Term(code, binds, tuple(operands), places, self.scope, hint, tuple(helpers), tuple(items))
        self.terms.append(term)
        return term

    def keep(self, name: str, array: Array) -> str:
        """Code for an array that the file carries; another array of that name gets a number."""
        chosen, number = name, 1
        while chosen in self.arrays and self.arrays[chosen] is not array:
            same = self.arrays[chosen]
            if same.shape == array.shape and same.dtype == array.dtype and bool((same == array).all()):
                break
            number += 1
            chosen = f"{name} ({number})"
        self.arrays[chosen] = array
        return f"W[{chosen!r}]".replace("'", '"')
