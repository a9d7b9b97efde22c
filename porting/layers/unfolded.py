"""What the exporter puts in for the code of a user's layers, where no layer of Keras' does it."""

from __future__ import annotations

from typing import Optional

from ..operations import Operations, Tensor
from .rule import LayerView, rule


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
def shaped(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.reshape(x, layer.config["target"])
