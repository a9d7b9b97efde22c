"""Layers that stand in the saved network for what no Keras layer does; `porting.layers.unfolded` has their rules.

They are written once and made for a generation of Keras by `own_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from types import SimpleNamespace
from typing import Any, Optional

from ..layers.unfolded import ARITHMETIC, computed

# What they are derived from is a generation's `keras.layers.Layer`.
_Layer: Any = object
Shape = tuple[Optional[int], ...]


class OwnLayer(_Layer):  # type: ignore[misc]
    """What these layers share: they are built as they are made, and take values of any dtype as they are.

    Attributes:
        keras, ops: of the generation.
    """

    keras: Any
    ops: Any

    def __init__(self, name: str) -> None:
        super().__init__(name=name, autocast=False)
        self.supports_masking = True
        self.built = True

    def compute_mask(self, x: Any, previous: Any = None) -> Any:
        return None

    def shape_made(self, *shapes: Shape) -> Shape:
        """The shape of what it makes of tensors of these shapes."""
        return shapes[0]

    def compute_output_spec(self, *xs: Any, **named: Any) -> Any:
        return self.keras.KerasTensor(self.shape_made(*(x._shape for x in xs)), self.dtype_made(*xs))

    def dtype_made(self, *xs: Any) -> Any:
        return xs[0].dtype

    def computed(self, size: Any, shapes: Sequence[Any]) -> Any:
        arithmetic = {**ARITHMETIC, "min": self.ops.minimum, "max": self.ops.maximum}
        return computed(size, shapes, arithmetic)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


class Table(OwnLayer):
    """Entries of a table along its axes, as many as tensors have steps; behind the batch of the first tensor.

    Attributes:
        held: the table: an array or another layer's variable.
        axes: the variable's axes in the table's order.
        shape: the table's then.
        places: an axis of the table, a tensor, its axis, which entries, and from which on: the ``first`` or the
            ``last`` of them, as many as the tensor has steps; or the one ``at`` the last of them. In place of a
            tensor None, then so many instead of its axis.
        ones: axes of 1 put between the batch and the table's.
    """

    def __init__(
        self, table: Any, axes: Sequence[int], shape: Sequence[int], places: Sequence[Sequence[Any]], ones: int
    ) -> None:
        super().__init__(name="table")
        self.hold(table)
        self.axes = list(axes)
        self.table_shape = list(shape)
        self.places = [list(place) for place in places]
        self.ones = ones

    def hold(self, table: Any) -> None:
        """Keep the table, without Keras taking it for a weight of this layer's own."""
        self.__dict__["held"] = table

    def shape_made(self, *shapes: Shape) -> Shape:
        sizes: list[Optional[int]] = list(self.table_shape)
        for axis, at, of, which, _ in self.places:
            sizes[axis] = 0 if which == "at" else of if at is None else None
        return (None, *[1] * self.ones, *(size for size in sizes if size != 0))

    def dtype_made(self, *xs: Any) -> Any:
        return getattr(self.held.dtype, "name", self.held.dtype)

    def call(self, *xs: Any) -> Any:
        turned = self.ops.transpose(self.ops.convert_to_tensor(self.held), self.axes)
        made = self.ops.reshape(turned, self.table_shape)
        key: list[Any] = [slice(None)] * len(self.table_shape)
        for axis, at, of, which, start in self.places:
            size = of if at is None else self.ops.shape(xs[at])[of]
            rows = self.table_shape[axis]
            if isinstance(size, int) and start + size > rows:
                raise ValueError(f"an input has {size} steps, of which a table holds {rows - start}")
            parts = {"first": slice(start, start + size), "last": slice(rows - size, rows), "at": size - 1}
            key[axis] = parts[which]
        made = made[tuple(key)]
        made = self.ops.reshape(made, (1, *[1] * self.ones, *self.ops.shape(made)))
        return self.ops.repeat(made, self.ops.shape(xs[0])[0], axis=0)

    def get_config(self) -> dict[str, Any]:
        own = {"axes": self.axes, "shape": self.table_shape, "places": self.places, "ones": self.ones}
        return {"name": self.name, **own}


class WithMask(OwnLayer):
    """Its input with another mask."""

    def __init__(self) -> None:
        super().__init__(name="with_mask")
        self.carried: Any = None

    def call(self, x: Any, carried: Any = None) -> Any:
        self.carried = carried
        return self.ops.copy(x)

    def compute_mask(self, x: Any, previous: Any = None) -> Any:
        return None if self.carried is None else self.ops.cast(self.carried, "bool")


class StepsAsRows(OwnLayer):
    """(batch, time, …) as (batch · time, …).

    Attributes:
        line: of the code that does it.
        moved: the code has time in front of the batch: (time · batch, …).
    """

    def __init__(self, line: str = "", moved: bool = False) -> None:
        super().__init__(name="steps_as_rows")
        self.line, self.moved = line, moved

    def call(self, x: Any) -> Any:
        return self.ops.reshape(x, (-1, *self.ops.shape(x)[2:]))

    def shape_made(self, *shapes: Shape) -> Shape:
        return (None, *shapes[0][2:])


class RowsAsSteps(OwnLayer):
    """(batch · time, …) as (batch, time, …): the batch and the time of another tensor."""

    def __init__(self) -> None:
        super().__init__(name="rows_as_steps")

    def call(self, x: Any, like: Any) -> Any:
        return self.ops.reshape(x, (*self.ops.shape(like)[:2], *self.ops.shape(x)[1:]))

    def shape_made(self, *shapes: Shape) -> Shape:
        return (*shapes[1][:2], *shapes[0][1:])


class Shaped(OwnLayer):
    """A reshape of every row by itself.

    Attributes:
        target: the sizes behind the batch: numbers, None in front of the others for axes that stay as they are, -1 for
            the rest, and such as `porting.layers.unfolded.computed` computes of the sizes of x and of further tensors.
    """

    def __init__(self, target: Sequence[Any]) -> None:
        super().__init__(name="reshape")
        self.target = list(target)

    def call(self, x: Any, *likes: Any) -> Any:
        shapes = [self.ops.shape(one) for one in (x, *likes)]
        kept = [
            shapes[0][at] if size is None else self.computed(size, shapes) for at, size in enumerate(self.target, 1)
        ]
        return self.ops.reshape(x, (shapes[0][0], *kept))

    def shape_made(self, *shapes: Shape) -> Shape:
        kept = [shapes[0][at] if size is None else computed(size, shapes) for at, size in enumerate(self.target, 1)]
        if -1 in kept:
            others = [size for size in kept if size != -1]
            rest = None if None in (*shapes[0][1:], *others) else prod(shapes[0][1:]) // prod(others)  # type: ignore[arg-type]
            kept = [rest if size == -1 else size for size in kept]
        return (shapes[0][0], *kept)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "target": self.target}


class Sliced(OwnLayer):
    """A slice of one axis between places that are computed of the sizes of x and of further tensors."""

    def __init__(self, axis: int, start: Any, stop: Any, step: Optional[int]) -> None:
        super().__init__(name="slice")
        self.axis, self.start, self.stop, self.step = axis, start, stop, step

    def call(self, x: Any, *likes: Any) -> Any:
        shapes = [self.ops.shape(one) for one in (x, *likes)]
        start, stop = (self.computed(one, shapes) for one in (self.start, self.stop))
        return x[(slice(None),) * self.axis + (slice(start, stop, self.step),)]

    def shape_made(self, *shapes: Shape) -> Shape:
        sizes, (start, stop) = list(shapes[0]), (computed(one, shapes) for one in (self.start, self.stop))
        size, part = sizes[self.axis], slice(start, stop, self.step)
        is_open = any(one is not None and place is None for one, place in ((self.start, start), (self.stop, stop)))
        sizes[self.axis] = None if size is None or is_open else len(range(*part.indices(size)))
        return tuple(sizes)

    def get_config(self) -> dict[str, Any]:
        own = {"axis": self.axis, "start": self.start, "stop": self.stop, "step": self.step or 1}
        return {"name": self.name, **own}


def own_layers(keras: Any, ops: Any) -> SimpleNamespace:
    """These layers for a generation of Keras, by their names.

    Args:
        keras: its package.
        ops: its functions `cast`, `convert_to_tensor`, `copy`, `maximum`, `minimum`, `repeat`, `reshape`, `shape` (a
            list, of numbers where they are known) and `transpose`.
    """
    register = keras.utils.register_keras_serializable(package="porting")
    made = SimpleNamespace()
    for kind in (Table, WithMask, StepsAsRows, RowsAsSteps, Shaped, Sliced):
        attributes = {"keras": keras, "ops": ops, "__module__": __name__, "__doc__": kind.__doc__}
        setattr(made, kind.__name__, register(type(kind.__name__, (kind, keras.layers.Layer), attributes)))
    return made
