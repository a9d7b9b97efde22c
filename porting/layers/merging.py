"""Layers that merge several tensors into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Optional

from ..operations import Operations, Tensor
from .rule import LayerView, rule


def or_of_masks(layer: LayerView, xs: Any, masks: Any, ops: Operations) -> Optional[Tensor]:
    """Keras joins the masks of a merge with or; one tensor without a mask leaves the result without one."""
    if not isinstance(masks, list) or any(mask is None for mask in masks):
        return None
    return reduce(ops.logical_or, masks)


def fold(name: str) -> Callable[[Sequence[Tensor], Operations], Tensor]:
    def folded(xs: Sequence[Tensor], ops: Operations) -> Tensor:
        return reduce(lambda a, b: getattr(ops, name)(*same_rank(a, b, ops)), xs)

    return folded


def same_rank(a: Tensor, b: Tensor, ops: Operations) -> tuple[Tensor, Tensor]:
    """Keras merges tensors of different rank by giving the smaller one axes of 1 after the batch."""
    while len(a.shape) < len(b.shape):
        a = ops.expand_dims(a, 1)
    while len(b.shape) < len(a.shape):
        b = ops.expand_dims(b, 1)
    return a, b


@rule("Add", mask=or_of_masks)
def add(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return fold("add")(xs, ops)


@rule("Subtract", mask=or_of_masks)
def subtract(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return fold("subtract")(xs, ops)


@rule("Multiply", mask=or_of_masks)
def multiply(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return fold("multiply")(xs, ops)


@rule("Average", mask=or_of_masks)
def average(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return ops.multiply(fold("add")(xs, ops), 1.0 / len(xs))


@rule("Maximum", mask=or_of_masks)
def maximum(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return fold("maximum")(xs, ops)


@rule("Minimum", mask=or_of_masks)
def minimum(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return fold("minimum")(xs, ops)


def mask_of_concatenation(layer: LayerView, xs: Any, masks: Any, ops: Operations) -> Optional[Tensor]:
    """The masks, spread over their tensors, joined as the tensors are; a position counts when any feature does."""
    if not isinstance(masks, list) or all(mask is None for mask in masks):
        return None
    axis = layer.config["axis"]
    spread = [ones_like(x, ops) if mask is None else spread_mask(mask, x, ops) for x, mask in zip(xs, masks)]
    return ops.reduce(ops.concatenate(spread, axis), "any", (-1,))


def ones_like(x: Tensor, ops: Operations) -> Tensor:
    return ops.compare(x, x, "equal")


def spread_mask(mask: Tensor, x: Tensor, ops: Operations) -> Tensor:
    if len(mask.shape) >= len(x.shape):
        return mask
    return ops.logical_or(ops.expand_dims(mask, -1), ops.logical_not(ones_like(x, ops)))


@rule("Concatenate", mask=mask_of_concatenation)
def concatenate(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return ops.concatenate(xs, layer.config["axis"])
