"""Convolutions, pools and BatchNormalization as operations."""

from __future__ import annotations

import numpy as np

from tests.cases.functions import ROW, TABLE, of, one

IMAGE = (7, 5, 3)
KERNEL = np.linspace(-1, 1, 72, dtype="float32").reshape(3, 3, 2, 4)


CASES = [
    of("max_pool", one("max_pool", pool_size=2, strides=1, padding="same"), (5, 3)),
    of("average_pool", one("average_pool", pool_size=(2, 3)), (6, 6, 2)),
    of("conv", lambda ops, x: ops.conv(x, TABLE.reshape(3, 2, 2), padding="same"), (None, 2)),
    of("separable_conv", lambda ops, x: ops.separable_conv(x, KERNEL, KERNEL.reshape(1, 1, 8, 9)), (5, 4, 2)),
    of(
        "batch_normalization",
        lambda ops, x: ops.batch_normalization(x, ROW, ROW**2 + 0.1, axis=-1, offset=ROW, scale=ROW + 2, epsilon=1e-3),
        (3, 4),
    ),
    of(
        "adaptive_pools",
        lambda ops, x: [ops.adaptive_average_pool(x, (3, 2)), ops.adaptive_max_pool(x, (3, 2))],
        IMAGE,
    ),
    of(
        "depthwise_conv",
        lambda ops, x: ops.depthwise_conv(x, np.linspace(-1, 1, 16, dtype="float32").reshape(2, 2, 2, 2), 1, "same"),
        (5, 4, 2),
    ),
]
