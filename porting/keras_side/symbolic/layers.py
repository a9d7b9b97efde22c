"""Layers that stand in the saved network for what no Keras layer does; `porting.layers.unfolded` has their rules."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Optional

import keras
from keras.src import backend
from keras.src.backend.common.keras_tensor import KerasTensor

from ...layers.unfolded import computed

own = keras.saving.register_keras_serializable(package="porting")


class _Own(keras.layers.Layer):  # type: ignore[misc]
    """What these layers share: they are built as they are made, and take values of any dtype as they are."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, autocast=False)
        self.supports_masking = True
        self.built = True

    def compute_mask(self, x: Any, previous: Any = None) -> Any:
        return None


@own
class Table(_Own):
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

    def compute_output_spec(self, *xs: Any) -> Any:
        sizes: list[Optional[int]] = list(self.table_shape)
        for axis, at, of, which, _ in self.places:
            sizes[axis] = 0 if which == "at" else of if at is None else None
        shape = (None, *[1] * self.ones, *(size for size in sizes if size != 0))
        return KerasTensor(shape, backend.standardize_dtype(self.held.dtype))

    def call(self, *xs: Any) -> Any:
        turned = keras.ops.transpose(keras.ops.convert_to_tensor(self.held), self.axes)
        made = keras.ops.reshape(turned, self.table_shape)
        key: list[Any] = [slice(None)] * len(self.table_shape)
        for axis, at, of, which, start in self.places:
            size = of if at is None else keras.ops.shape(xs[at])[of]
            rows = self.table_shape[axis]
            if start + size > rows:
                raise ValueError(f"an input has {size} steps, of which a table holds {rows - start}")
            parts = {"first": slice(start, start + size), "last": slice(rows - size, rows), "at": size - 1}
            key[axis] = parts[which]
        made = made[tuple(key)]
        made = keras.ops.reshape(made, (1, *[1] * self.ones, *made.shape))
        return keras.ops.repeat(made, keras.ops.shape(xs[0])[0], axis=0)

    def get_config(self) -> dict[str, Any]:
        own = {"axes": self.axes, "shape": self.table_shape, "places": self.places, "ones": self.ones}
        return {"name": self.name, **own}


@own
class WithMask(_Own):
    """Its input with another mask."""

    def __init__(self) -> None:
        super().__init__(name="with_mask")
        self.carried: Any = None

    def call(self, x: Any, carried: Any = None) -> Any:
        self.carried = carried
        return keras.ops.copy(x)

    def compute_mask(self, x: Any, previous: Any = None) -> Any:
        return None if self.carried is None else keras.ops.cast(self.carried, "bool")

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


@own
class StepsAsRows(_Own):
    """(batch, time, …) as (batch · time, …).

    Attributes:
        line: of the code that does it.
        moved: the code has time in front of the batch: (time · batch, …).
    """

    def __init__(self, line: str = "", moved: bool = False) -> None:
        super().__init__(name="steps_as_rows")
        self.line, self.moved = line, moved

    def call(self, x: Any) -> Any:
        sizes = keras.ops.shape(x)
        return keras.ops.reshape(x, (-1, *sizes[2:]))

    def compute_output_spec(self, x: Any) -> Any:
        return KerasTensor((None, *x._shape[2:]), x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


@own
class RowsAsSteps(_Own):
    """(batch · time, …) as (batch, time, …): the batch and the time of another tensor."""

    def __init__(self) -> None:
        super().__init__(name="rows_as_steps")

    def call(self, x: Any, like: Any) -> Any:
        sizes, steps = keras.ops.shape(x), keras.ops.shape(like)
        return keras.ops.reshape(x, (*steps[:2], *sizes[1:]))

    def compute_output_spec(self, x: Any, like: Any) -> Any:
        return KerasTensor((*like._shape[:2], *x._shape[1:]), x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


@own
class Shaped(_Own):
    """A reshape of every row by itself.

    Attributes:
        target: the sizes behind the batch: numbers, None in front of the others for axes that stay as they are, -1 for
            the rest, and such as `porting.layers.unfolded.computed` computes of the sizes of x and of further tensors.
    """

    def __init__(self, target: Sequence[Any]) -> None:
        super().__init__(name="reshape")
        self.target = list(target)

    def call(self, x: Any, *likes: Any) -> Any:
        shapes = [keras.ops.shape(one) for one in (x, *likes)]
        kept = [shapes[0][at] if size is None else computed(size, shapes) for at, size in enumerate(self.target, 1)]
        return keras.ops.reshape(x, (shapes[0][0], *kept))

    def compute_output_spec(self, x: Any, *likes: Any) -> Any:
        shapes = [one._shape for one in (x, *likes)]
        kept = [shapes[0][at] if size is None else computed(size, shapes) for at, size in enumerate(self.target, 1)]
        if -1 in kept:
            others = [size for size in kept if size != -1]
            rest = None if None in (*shapes[0][1:], *others) else prod(shapes[0][1:]) // prod(others)
            kept = [rest if size == -1 else size for size in kept]
        return KerasTensor((x._shape[0], *kept), x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "target": self.target}


@own
class Sliced(_Own):
    """A slice of one axis between places that are computed of the sizes of x and of further tensors."""

    def __init__(self, axis: int, start: Any, stop: Any, step: Optional[int]) -> None:
        super().__init__(name="slice")
        self.axis, self.start, self.stop, self.step = axis, start, stop, step

    def call(self, x: Any, *likes: Any) -> Any:
        shapes = [keras.ops.shape(one) for one in (x, *likes)]
        return x[(slice(None),) * self.axis + (self._slice(shapes),)]

    def _slice(self, shapes: Sequence[Any]) -> slice:
        return slice(computed(self.start, shapes), computed(self.stop, shapes), self.step)

    def compute_output_spec(self, x: Any, *likes: Any) -> Any:
        sizes, part = list(x._shape), self._slice(shapes := [one._shape for one in (x, *likes)])
        is_open = [one is not None and computed(one, shapes) is None for one in (self.start, self.stop)]
        known = sizes[self.axis] is not None and not any(is_open)
        sizes[self.axis] = len(range(*part.indices(sizes[self.axis]))) if known else None
        return KerasTensor(sizes, x.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"axis": self.axis, "start": self.start, "stop": self.stop, "step": self.step or 1}
        return {"name": self.name, **own}
