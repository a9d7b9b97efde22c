"""numpy's functions of the bits of whole numbers, by halves and remainders of 2: what NeoML's int32 blobs can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...dtypes import is_whole, limits
from ...layers.rule import Refusal
from ...operations import promoted_type
from ..values import RUN_IN_NUMPY, Wire
from .base import Operand

# The bits of int32, which holds all whole numbers in NeoML.
HELD = 32


def pair(ops: Any, name: str, operands: Sequence[Operand]) -> tuple[Wire, Wire]:
    dtype = promoted_type(*operands)
    if not is_whole(dtype):
        raise Refusal(f"NeoML composes {name} of whole numbers only", RUN_IN_NUMPY)
    first, second = ops.whole_pair(*operands, dtype)
    return ops.cast(first, dtype), ops.cast(second, dtype)


def last_bit(ops: Any, x: Wire) -> tuple[Wire, Wire]:
    """The last bit of each number, and the number without it, moved down."""
    return ops.whole_division(x, 2, "mod"), ops.whole_division(x, 2, "floor_divide")


def common_bits(ops: Any, x: Wire, y: Wire) -> Wire:
    """The bits that both have; the first one counts below 0 where the dtype has a sign, as those before it would."""
    held = min(int(np.iinfo(x.dtype).bits), HELD)
    needed = [one.range[1].bit_length() for one in (x, y) if one.range[0] >= 0]
    made = ops.multiply(x, 0)
    for place in range(min([held, *needed])):
        (mine, x), (other, y) = last_bit(ops, x), last_bit(ops, y)
        weight = -(2**place) if place == held - 1 and limits(x.dtype)[0] else 2**place
        made = ops.add(made, ops.multiply(ops.multiply(mine, other), weight))
    return made


def of_bits(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    """What either has is the sum of both less what both have; what one of them has, less that once more."""
    x, y = pair(ops, name, operands)
    common = common_bits(ops, x, y)
    if name == "bitwise_and":
        return common
    return ops.subtract(ops.add(x, y), ops.multiply(common, 1 if name == "bitwise_or" else 2))


def shift(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    """By 1, 2, 4, … places, where the count has that bit; counts are below the dtype's bits."""
    x, count = pair(ops, name, operands)
    if name == "right_shift" and count.range[1] >= HELD:  # of what int32 holds nothing is left but the sign
        count = ops.minimum(count, HELD - 1)
    fixed = count.range[0] == count.range[1]
    most = min(count.range[1], int(np.iinfo(x.dtype).bits) - 1)
    for bit in range(most.bit_length()):
        factor = 2**2**bit
        moved = ops.multiply(x, factor) if name == "left_shift" else ops.whole_division(x, factor, "floor_divide")
        if fixed:
            x = moved if most >> bit & 1 else x
        else:
            there, count = last_bit(ops, count)
            x = ops.where(ops.compare(there, 1, "equal"), moved, x)
    return x


OF_BITS: dict[str, Callable[..., Wire]] = {
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), of_bits),
    **dict.fromkeys(("left_shift", "right_shift"), shift),
}
