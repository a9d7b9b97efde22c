"""Convolutions in parts are the sums of their definition, whatever the sizes of the parts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from porting.layers.windows import margins
from porting.network import Array
from porting.numpy_side import convolutions
from porting.numpy_side.convolutions import convolve, convolve_depthwise, padded
from porting.numpy_side.images import max_pool, mean_pool

SHAPES = [((3, 17, 4), (5,)), ((2, 9, 11, 3), (3, 2)), ((2, 5, 6, 4, 2), (2, 1, 3)), ((4, 1, 8, 3), (1, 1))]
SETTINGS = [("valid", 1, 1), ("same", 1, 1), ("same", 2, 1), ("valid", 3, 1), ("same", 1, 2), ("valid", 1, 2)]
PARTS = [1, 50, 2**18]


def defined(x: Array, kernel: Array, strides: list[int], padding: str, dilation: list[int]) -> Array:
    """Every output by itself, in float64."""
    window = kernel.shape[:-2]
    grown = padded(x, [*margins(padding, x.shape[1:-1], window, strides, dilation), (0, 0)]).astype(np.float64)
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(grown.shape[1:], window, strides, dilation)]
    y = np.zeros((len(x), *counts, kernel.shape[-1]))
    for place in product(*map(range, counts)):
        cuts = [slice(p * s, p * s + (k - 1) * d + 1, d) for p, s, k, d in zip(place, strides, window, dilation)]
        seen = grown[(slice(None), *cuts)]
        y[(slice(None), *place)] = seen.reshape(len(x), -1) @ kernel.reshape(-1, kernel.shape[-1])
    return y


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("padding", "stride", "step"), SETTINGS)
@pytest.mark.parametrize(("shape", "window"), SHAPES)
def test_every_part_is_the_definition(
    shape: tuple[int, ...],
    window: tuple[int, ...],
    padding: str,
    stride: int,
    step: int,
    part: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if padding == "valid" and any((k - 1) * step + 1 > n for n, k in zip(shape[1:], window)):
        padding = "same"
    monkeypatch.setattr(convolutions, "PART", part)
    random = np.random.default_rng(0)
    x = random.normal(size=shape).astype(np.float32)
    strides, dilation = [stride] * len(window), [step] * len(window)
    options = {"strides": strides, "padding": padding, "dilation": dilation}
    kernel = random.normal(size=(*window, shape[-1], 6)).astype(np.float32)
    want = defined(x, kernel, strides, padding, dilation)
    np.testing.assert_allclose(convolve(x, kernel, **options), want, atol=2e-5)
    made = convolve_depthwise(x, kernel[..., :2], **options)
    for channel in range(shape[-1]):
        alone = kernel[..., channel : channel + 1, :2]
        want = defined(x[..., channel : channel + 1], alone, strides, padding, dilation)
        np.testing.assert_allclose(made[..., 2 * channel : 2 * channel + 2], want, atol=2e-5)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pools_in_parts_are_pools(part: int, padding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(5, 7, 9, 3)).astype(np.float32)
    whole = [pool(x, (3, 2), (2, 2), padding) for pool in (max_pool, mean_pool)]
    monkeypatch.setattr(convolutions, "PART", part)
    for pool, want in zip((max_pool, mean_pool), whole):
        rows = np.concatenate([pool(row[None], (3, 2), (2, 2), padding) for row in x])
        np.testing.assert_array_equal(pool(x, (3, 2), (2, 2), padding), want)
        np.testing.assert_array_equal(rows, want)
