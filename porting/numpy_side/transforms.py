"""Fourier transforms on arrays, a complex array being two."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..network import Array


def fourier(real: Array, imaginary: Any, axis: int, inverse: bool = False, kept: Any = None) -> tuple[Array, Array]:
    """The transform along an axis, computed in float64; of the first `kept` places."""
    given = np.asarray(real, np.float64)
    if imaginary is not None:
        given = given + 1j * np.asarray(imaginary, np.float64)
    made = np.fft.ifft(given, axis=axis) if inverse else np.fft.fft(given, axis=axis)
    if kept is not None:
        made = made.take(np.arange(kept), axis=axis)
    return made.real.astype(np.float32), made.imag.astype(np.float32)
