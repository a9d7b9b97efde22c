"""Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases import Case
from tests.cases.functions import of

WINDOW = np.linspace(0.2, 1, 8, dtype="float32")


def complex_of(name: str, *shapes: Any, **settings: Any) -> Case:
    return of(name, lambda ops, x, y: getattr(ops, name)((x, y), **settings), *shapes)


CASES = [
    complex_of("fft", (3, 8), (3, 8)),
    of("fft_of_odd_length", lambda ops, x: ops.fft((x, ops.zeros_like(x))), (7,)),
    complex_of("fft2", (4, 6), (4, 6)),
    complex_of("ifft2", (2, 4, 6), (2, 4, 6)),
    of("rfft", lambda ops, x: [*ops.rfft(x), *ops.rfft(x, fft_length=5), *ops.rfft(x, fft_length=12)], (3, 8)),
    complex_of("irfft", (3, 5), (3, 5)),
    of("irfft_of_odd_length", lambda ops, x, y: ops.irfft((x, y), fft_length=7), (3, 5), (3, 5)),
    of("stft", lambda ops, x: ops.stft(x, 8, 4, 8), (32,)),
    of("stft_padded", lambda ops, x: ops.stft(x, 7, 3, 16, window="hamming"), (2, 40)),
    of("stft_not_centred", lambda ops, x: ops.stft(x, 8, 5, 8, window=WINDOW.tolist(), center=False), (30,)),
    of("stft_without_window", lambda ops, x: ops.stft(x, 6, 3, 8, window=None), (20,)),
    of("istft", lambda ops, x: ops.istft(ops.stft(x, 8, 4, 8), 8, 4, 8), (32,)),
    of("istft_of_a_length", lambda ops, x: ops.istft(ops.stft(x, 8, 2, 16), 8, 2, 16, length=20), (2, 32)),
    of("istft_not_centred", lambda ops, x, y: ops.istft((x, y), 8, 4, 8, center=False, window=None), (6, 5), (6, 5)),
]
