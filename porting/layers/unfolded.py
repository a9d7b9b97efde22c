"""What the exporter puts in for the code of a user's layers, where no layer of Keras' does it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from ..operations import Operations, Tensor
from .rule import LayerView, rule

# How sizes are computed of sizes: `["of", 1, 2]` is tensor 1's axis 2, `["*", ["of", 1, 2], 2]` twice as many.
ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "min": min,
    "max": max,
}


def computed(size: Any, shapes: Sequence[Any], arithmetic: Mapping[str, Callable[..., Any]] = ARITHMETIC) -> Any:
    """A size that is computed of tensors' sizes; None where one of these is open. A number or None as it is."""
    if not isinstance(size, (list, tuple)):
        return size
    symbol, *given = size
    if symbol == "of":
        return shapes[given[0]][given[1]]
    numbers = [computed(one, shapes, arithmetic) for one in given]
    return None if any(one is None for one in numbers) else arithmetic[symbol](*numbers)


def _known(layer: LayerView, sizes: Sequence[Any], xs: Sequence[Tensor]) -> list[Any]:
    """Sizes of a setting as numbers; those that say nothing stay None."""
    shapes = [x.shape for x in xs]
    found = [computed(size, shapes) for size in sizes]
    if any(size is not None and one is None for size, one in zip(sizes, found)):
        raise layer.refuse("computes with sizes that are open here", "declare them in keras.Input")
    return found


@rule("porting>Table", mask="stop", of_sizes=True)
def table(layer: LayerView, *xs: Tensor, ops: Operations) -> Tensor:
    """Entries of a table, as many along an axis as a tensor has steps; see `porting.operations`' ``table``."""
    shape, places, ones = layer.config["shape"], layer.config["places"], layer.config["ones"]
    looked_up = [axis for axis, *_ in places]
    others = [axis for axis in range(len(shape)) if axis not in looked_up]
    values = layer.weight("table").arranged(layer.config["axes"], shape).arranged([*looked_up, *others])
    made = ops.table(
        values, xs[0], [(of if at is None else (xs[at], of), which, start) for _, at, of, which, start in places]
    )
    left = [axis for axis, _, _, which, _ in places if which != "at"] + others
    order = [1 + left.index(axis) for axis in sorted(left)]
    if order != sorted(order):
        made = ops.transpose(made, [0, *order])
    for _ in range(ones):
        made = ops.expand_dims(made, 1)
    return made


@rule("porting>WithMask", mask="own", sizes="kept")
def with_mask(layer: LayerView, x: Tensor, ops: Operations, carried: Optional[Tensor] = None) -> Tensor:
    return x.with_mask(None if carried is None else ops.cast(carried, "bool"))


@rule("porting>StepsAsRows", mask="stop")
def steps_as_rows(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.time_to_batch(x)


@rule("porting>RowsAsSteps", mask="stop")
def rows_as_steps(layer: LayerView, x: Tensor, like: Tensor, ops: Operations) -> Tensor:
    return ops.batch_to_time(x, like=like)


@rule("porting>Shaped", mask="stop")
def shaped(layer: LayerView, x: Tensor, *likes: Tensor, ops: Operations) -> Tensor:
    return ops.reshape(x, _known(layer, layer.config["target"], [x, *likes]))


@rule("porting>Sliced", mask="stop")
def sliced(layer: LayerView, x: Tensor, *likes: Tensor, ops: Operations) -> Tensor:
    start, stop = _known(layer, [layer.config["start"], layer.config["stop"]], [x, *likes])
    return ops.slice(x, layer.config["axis"], start, stop, layer.config["step"])
