"""Strings as they come in: lists, arrays, columns, one string; text or bytes. Inside they are bytes, as in Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from ..errors import Mismatch, Problem
from ..network import Array

Text = Union[str, bytes]


@dataclass(frozen=True)
class Texts:
    """Strings in row-major order as UTF-8 bytes (or as whatever bytes were given), and their shape."""

    items: list[bytes]
    shape: tuple[int, ...]


def to_bytes(text: Text) -> bytes:
    """A string of a vocabulary or a config as bytes; bytes that are no UTF-8 stand in a str as lone surrogates."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    """The inverse of `to_bytes`."""
    return data.decode("utf-8", "surrogateescape")


def holds_text(values: Any) -> bool:
    """Whether these are strings rather than numbers, by the first of them."""
    while isinstance(values, (list, tuple)) and values:
        values = values[0]
    if isinstance(values, (str, bytes)):
        return True
    return _is_array(values) and np.asarray(values).dtype.kind in "USOT"


def read_texts(texts: Any, where: str = "texts") -> Texts:
    """A string, or an array, a column or nested lists of strings. Bytes are taken as they are.

    Raises:
        Mismatch: for anything that is not a string, with its place; for lists of unequal lengths; for a str with lone
            surrogates, which has no UTF-8 form (TensorFlow refuses it too).
    """
    if isinstance(texts, (str, bytes)):
        return Texts(_encode([texts], where), ())
    if _is_array(texts):
        array = np.asarray(texts)
        if array.dtype.kind not in "USOT":
            raise _mismatch(where, f"an array of {array.dtype} is not text", "give strings")
        return Texts(_encode(array.ravel().tolist(), where), array.shape)
    if not isinstance(texts, (list, tuple)):
        raise _mismatch(where, f"a {type(texts).__name__} is not text", "give a string, a list or an array of strings")
    if texts and (isinstance(texts[0], (list, tuple)) or _is_array(texts[0])):
        return _stack([read_texts(row, f"{where}[{place}]") for place, row in enumerate(texts)], where)
    return Texts(_encode(texts, where), (len(texts),))


def _is_array(values: Any) -> bool:
    return isinstance(values, np.ndarray) or (hasattr(values, "__array__") and not isinstance(values, (str, bytes)))


def _stack(rows: list[Texts], where: str) -> Texts:
    if len({row.shape for row in rows}) > 1:
        shapes = sorted({row.shape for row in rows})
        raise _mismatch(where, f"rows of shapes {shapes} make no array", "give rows of one length")
    return Texts([item for row in rows for item in row.items], (len(rows), *rows[0].shape))


def _encode(texts: Sequence[Any], where: str) -> list[bytes]:
    try:
        return [text if isinstance(text, bytes) else text.encode() for text in texts]
    except (AttributeError, UnicodeEncodeError):
        problems = [_problem_of(text, f"{where}[{place}]") for place, text in enumerate(texts)]
        raise Mismatch([problem for problem in problems if problem is not None][:20]) from None


def _problem_of(text: Any, where: str) -> Union[Problem, None]:
    if isinstance(text, bytes):
        return None
    if not isinstance(text, str):
        return Problem(
            where, f"{text!r} is a {type(text).__name__}, not a string", "give strings; '' for a missing one"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        what = f"{text[error.start]!r} at {error.start} is a lone surrogate, which has no UTF-8 form"
        return Problem(where, what, "read the text with errors='replace', or give the bytes")
    return None


def read_integers(values: Any, where: str = "values") -> Array:
    """Whole numbers as int64, cast as TensorFlow casts: fractions towards zero, unsigned ones modulo 2⁶⁴.

    Raises:
        Mismatch: for anything that is not a number, and for floats that int64 cannot hold.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f":
        bad = ~(np.abs(array) < 2.0**63)
        if bad.any():
            raise _mismatch(where, f"{float(array[bad].flat[0])} is not an int64", "give finite numbers below 2⁶³")
    elif array.dtype.kind not in "biu" and array.size:
        raise _mismatch(where, f"an array of {array.dtype} has no whole numbers", "give integers")
    return array.astype(np.int64)


def _mismatch(where: str, what: str, way_out: str) -> Mismatch:
    return Mismatch(where, what, way_out)
