"""What is known of a value that is computed twice: from inputs with all their padding, and without their last steps.

All facts are about trailing steps that are padding in every row of a batch, or about leading ones. A value that is as
long as an input holds the same numbers in both runs, step by step; what else is known says what layers may do with it.
Rows have a step that is no padding: others are never cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Optional

from ..network import Shape
from ..numpy_side.values import Value

# An axis, and an input: wherever along the axis the input's step is no padding.
Entry = tuple[int, str]
# What a cut must heed: ("step", sequences) one padded step stays, ("first", input) its step at the other end is none.
Ask = tuple[str, str]


@dataclass(frozen=True)
class Steps:
    """An axis that is as long as inputs are.

    Attributes:
        of: the sequences that are cut together.
        at_front: what is cut off stands in front.
        padding: the one number that the value holds at all steps that are cut off; None where it is not known.
        even: at all steps that are cut off the value is the same as at a padded step that would stay beside them.
    """

    of: str
    at_front: bool = False
    padding: Optional[float] = None
    even: bool = False


@dataclass(frozen=True)
class Place:
    """What a value says of places: the number of the step along one axis, or how far apart two steps are."""

    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Fact:
    """A value on its way through the proof. See `porting.operations.Tensor`.

    What is said of it holds wherever all of `loose` are no padding.

    Attributes:
        made: what numpy makes of a reference, for shapes and dtypes.
        steps: by axis, those that are as long as inputs are.
        loose: where one of these is padding, the value may be another in each run.
        only: where one of these is padding, the value is 0.
        always: where none of these is padding, the value is not 0; None where that is not known.
        diagonal: two axes; `always` holds where their steps have one number.
        place: the value is a place.
        shown: what chose between this value and numbers far below all that it chose.
        source: the input that it is, untouched.
        differs: the input whose numbers it compares, one by one, with padding.
        most: no number is larger, either side of 0.
        upper: no number is above.
        asks: what a cut must heed for this value's sake.
        why: what makes it another value without padding; then nothing else is known.
        mask: see `porting.operations.Tensor`.
    """

    made: Value
    steps: Mapping[int, Steps] = field(default_factory=dict)
    loose: frozenset[Entry] = frozenset()
    only: frozenset[Entry] = frozenset()
    always: Optional[frozenset[Entry]] = None
    diagonal: Optional[tuple[int, int]] = None
    place: Optional[Place] = None
    shown: Optional[Fact] = None
    source: str = ""
    differs: str = ""
    most: float = inf
    upper: float = inf
    asks: frozenset[Ask] = frozenset()
    why: str = ""
    mask: Optional[Fact] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "upper", min(self.upper, self.most))
        loose_axes = {axis for axis, _ in self.loose}
        if loose_axes & self.steps.keys():
            steps = {
                axis: replace(one, padding=None, even=False) if axis in loose_axes else one
                for axis, one in self.steps.items()
            }
            object.__setattr__(self, "steps", steps)

    @property
    def rank(self) -> int:
        return self.made.value.ndim

    @property
    def shape(self) -> Shape:
        sizes = self.made.value.shape
        return (None, *(None if axis in self.steps else sizes[axis] for axis in range(1, len(sizes))))

    @property
    def dtype(self) -> str:
        return self.made.dtype

    def with_mask(self, mask: Optional[Fact]) -> Fact:
        return replace(self, mask=mask)

    def size(self, axis: int) -> int:
        return int(self.made.value.shape[axis])

    def at(self, made: Value, moved: Mapping[int, int]) -> Fact:
        """The same numbers with axes elsewhere; an axis that `moved` does not name has the size 1 or is gone."""

        def entries(given: frozenset[Entry]) -> frozenset[Entry]:
            return frozenset((moved[axis], name) for axis, name in given)

        diagonal = None if self.diagonal is None else (moved[self.diagonal[0]], moved[self.diagonal[1]])
        return replace(
            self,
            made=made,
            steps={moved[axis]: one for axis, one in self.steps.items()},
            loose=entries(self.loose),
            only=entries(self.only),
            always=None if self.always is None else entries(self.always),
            diagonal=diagonal,
            place=None if self.place is None else Place(tuple(moved[axis] for axis in self.place.axes)),
            shown=None,
            source="",
            differs="",
            mask=None,
        )

    def widened(self, rank: int) -> Fact:
        """With axes of 1 in front, as numpy spreads it beside a value of this rank."""
        missing = rank - self.rank
        if not missing:
            return self
        wide = Value(self.made.value.reshape((1,) * missing + self.made.value.shape))
        return self.at(wide, {axis: axis + missing for axis in range(self.rank)})

    def one_wide(self, axis: int) -> Fact:
        """As it is, but that an axis spreads over one of another size."""
        return self.at(Value(self.made.value.take([0], axis=axis)), {at: at for at in range(self.rank)})

    def padding_at(self, axis: int, is_number: bool = False) -> Optional[float]:
        """The one number that it holds at the steps of an axis that are cut off."""
        if axis in self.steps:
            return self.steps[axis].padding
        return float(self.made.value.reshape(-1)[0]) if self.made.value.size == 1 and is_number else None

    def even_at(self, axis: int) -> bool:
        return self.steps[axis].even if axis in self.steps else True
