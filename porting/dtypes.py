"""Which dtype Keras gives the result of an operation: `keras.backend.result_type`, with float32 as floatx.

A Python number is weak: it takes the dtype of what it meets. Source: keras/src/backend/common/dtypes.py (Keras 3.15),
whose lattice this spells out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

INT32 = (-(2**31), 2**31 - 1)
LARGEST_FLOAT = float(np.finfo(np.float32).max)
# Of two floats; float16 and bfloat16 meet in float32.
FLOATS = ("float16", "bfloat16", "float32", "float64")
# Of each, the bits of its numbers without exponent and sign.
DIGITS = dict(zip(FLOATS, (11, 8, 24, 53)))


def is_whole(dtype: str) -> bool:
    return dtype.startswith(("int", "uint"))


def is_float(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat"))


def limits(dtype: str) -> tuple[int, int]:
    """The least and the largest whole number of a dtype."""
    if dtype == "bool":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def holds(dtype: str, low: int, high: int) -> bool:
    """Whether a dtype of whole numbers holds all from `low` to `high`."""
    least, largest = limits(dtype)
    return least <= low and high <= largest


def counted(dtype: str) -> int:
    """How many whole numbers a dtype holds from 0 on, before it leaves one out."""
    return 2 ** DIGITS[dtype] + 1 if is_float(dtype) else limits(dtype)[1] + 1


def result_type(*operands: Any) -> str:
    """The dtype of an operation on operands of these dtypes; `int` and `float`, the types, stand for Python numbers."""
    names = [one for one in operands if isinstance(one, str)]
    floats = {name for name in names if is_float(name)}
    if floats:
        return "float32" if floats == {"float16", "bfloat16"} else max(floats, key=FLOATS.index)
    if float in operands:
        return "float32"
    whole = {name for name in names if is_whole(name)}
    if not whole:
        return "int32" if int in operands else "bool"
    return _whole_type(whole)


def _whole_type(names: set[str]) -> str:
    """A signed dtype that holds both kinds has twice the bits of the unsigned one."""
    signed = max((_bits(name) for name in names if name.startswith("int")), default=0)
    unsigned = max((_bits(name) for name in names if name.startswith("uint")), default=0)
    if not unsigned:
        return f"int{signed}"
    if not signed:
        return f"uint{unsigned}"
    bits = max(signed, 2 * unsigned)
    return f"int{bits}" if bits <= 64 else "float32"


def _bits(name: str) -> int:
    return int(name.lstrip("uint"))


def sum_type(dtype: str) -> str:
    """The dtype of a sum or a product over axes: narrow whole numbers and truths are counted in 32 bits."""
    if dtype in ("bool", "int8", "int16"):
        return "int32"
    return "uint32" if dtype in ("uint8", "uint16") else dtype
