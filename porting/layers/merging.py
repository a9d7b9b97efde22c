"""Layers that merge several tensors into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Optional

from ..dtypes import is_whole
from ..operations import Operations, Tensor
from .rule import LayerView, rule

Combine = Callable[[Tensor, Tensor], Tensor]
NARROW = ("int8", "int16", "uint8", "uint16")


def or_of_masks(layer: LayerView, xs: Any, masks: Any, ops: Operations) -> Optional[Tensor]:
    """Keras 3 joins the masks of a merge with or, and one tensor without a mask leaves the result without one.

    Keras 2 joins those that there are with and.
    """
    if layer.dialect == 2:
        return and_of_masks(masks, ops)
    if not isinstance(masks, list) or any(mask is None for mask in masks):
        return None
    joined: Tensor = reduce(ops.logical_or, masks)
    return joined


def and_of_masks(masks: Any, ops: Operations) -> Optional[Tensor]:
    given = [mask for mask in masks if mask is not None] if isinstance(masks, list) else []
    return reduce(ops.logical_and, given) if given else None


def fold(combine: Combine, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return reduce(lambda a, b: combine(*same_rank(a, b, ops)), xs)


def same_rank(a: Tensor, b: Tensor, ops: Operations) -> tuple[Tensor, Tensor]:
    """Keras merges tensors of different rank by giving the smaller one axes of 1 after the batch."""
    while len(a.shape) < len(b.shape):
        a = ops.expand_dims(a, 1)
    while len(b.shape) < len(a.shape):
        b = ops.expand_dims(b, 1)
    return a, b


@rule("Add", "Subtract", mask=or_of_masks, sizes="spread")
def add(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return fold(ops.add if layer.class_name == "Add" else ops.subtract, xs, ops)


def masks_in_merge(layer: LayerView, xs: Sequence[Tensor]) -> list[Optional[Tensor]]:
    """The masks that Keras 3's Multiply, Maximum and Minimum heed; Keras 2 heeded none.

    Tensors that are given axes to match the others' rank lose their masks on the way.
    """
    if layer.dialect == 2 or len({len(x.shape) for x in xs}) > 1:
        return [None] * len(xs)
    return [x.mask for x in xs]


@rule("Multiply", mask=or_of_masks, sizes="spread")
def multiply(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    """A masked step counts as 1, and as 0 where every factor is masked."""
    masks = masks_in_merge(layer, xs)
    kept = [x if mask is None else ops.where(ops.expand_dims(mask, -1), x, 1) for x, mask in zip(xs, masks)]
    product = fold(ops.multiply, kept, ops)
    given = [mask for mask in masks if mask is not None]
    if len(given) < len(masks):
        return product
    return ops.where(ops.expand_dims(reduce(ops.logical_or, given), -1), product, 0)


@rule("Average", mask=or_of_masks, sizes="spread")
def average(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    total = fold(ops.add, xs, ops)
    if not is_whole(total.dtype):
        return ops.multiply(total, 1.0 / len(xs))
    # TensorFlow's own quotient, which makes float64 of whole numbers of 32 bits and more.
    wide = "float32" if total.dtype in NARROW else "float64"
    return ops.cast(ops.divide(ops.cast(total, wide), float(len(xs))), wide)


@rule("Maximum", "Minimum", mask=or_of_masks, sizes="spread")
def extreme(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    """A masked step of one tensor gives way to the other's."""
    combine = ops.maximum if layer.class_name == "Maximum" else ops.minimum
    masks = masks_in_merge(layer, xs)
    if all(mask is None for mask in masks):
        return fold(combine, xs, ops)
    output, output_mask = xs[0], masks[0]
    for x, mask in zip(xs[1:], masks[1:]):
        if mask is not None:
            x = ops.where(ops.expand_dims(mask, -1), x, output)
        if output_mask is not None:
            output = ops.where(ops.expand_dims(output_mask, -1), output, x)
        output_mask = ops.logical_or(output_mask, mask) if output_mask is not None and mask is not None else None
        output = combine(output, x)
    return output


def mask_of_concatenation(layer: LayerView, xs: Any, masks: Any, ops: Operations) -> Optional[Tensor]:
    """The masks, spread over their tensors, joined as the tensors are; a position counts when any feature does.

    In Keras 2 it counts when all do.
    """
    if not isinstance(masks, list) or all(mask is None for mask in masks):
        return None
    axis = layer.config["axis"]
    rank = len(xs[0].shape)
    if layer.dialect == 2 and axis % rank == rank - 1 and all(len(mask.shape) == rank - 1 for mask in masks if mask):
        return and_of_masks(masks, ops)
    given = [mask for mask in masks if mask is not None]
    if all(len(mask.shape) == rank - 1 for mask in given):
        # The same without a look at the tensors: a net that learns must make masks of its inputs alone.
        if axis % rank == rank - 1:
            either = reduce(ops.logical_or, given)
            return either if len(given) == len(masks) else ops.logical_or(either, ops.logical_not(either))
        if len(given) == len(masks):
            return ops.concatenate(given, axis % rank)
    spread = [ones_like(x, ops) if mask is None else spread_mask(mask, x, ops) for x, mask in zip(xs, masks)]
    return ops.reduce(ops.concatenate(spread, axis), "any", (-1,))


def ones_like(x: Tensor, ops: Operations) -> Tensor:
    return ops.compare(x, x, "equal")


def spread_mask(mask: Tensor, x: Tensor, ops: Operations) -> Tensor:
    if len(mask.shape) >= len(x.shape):
        return mask
    return ops.logical_or(ops.expand_dims(mask, -1), ops.logical_not(ones_like(x, ops)))


@rule("Concatenate", mask=mask_of_concatenation, hands_on=True)
def concatenate(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return ops.concatenate(xs, layer.config["axis"])
