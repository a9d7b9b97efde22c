"""Sizes to reshape to, where some are open."""

from __future__ import annotations

from typing import Optional

from ..network import Shape
from .rule import Refusal


def with_one_open(shape: Shape) -> list[int]:
    """A shape to reshape to, its open axis as -1.

    Raises:
        Refusal: there are several.
    """
    if list(shape).count(None) > 1:
        raise Refusal(f"axes of shape {tuple(shape)} with several open sizes", "fix all but one of them in the Input")
    return [-1 if size is None else size for size in shape]


def kept(shape: Shape) -> list[Optional[int]]:
    """Sizes to reshape to, where axes in front stay as they are; an only open one as -1, which asks less."""
    return [*with_one_open(shape)] if list(shape).count(None) < 2 else list(shape)
