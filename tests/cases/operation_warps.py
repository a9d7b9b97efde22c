"""Pictures under affine and perspective transforms."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.cases import Case
from tests.cases.functions import of

PICTURE = (8, 9, 3)
TURNED = np.array([[1, 0.25, -3.5, -0.5, 1, 2.25, 0, 0]], "float32")
TILTED = np.array([[0.9, 0.2, -1.3, -0.1, 1.1, 0.7, 0.01, -0.02]], "float32")
CORNERS = np.array([[0, 0], [8, 0], [0, 7], [8, 7]], "float32")
MOVED_CORNERS = np.array([[0.7, -0.4], [7.1, 0.3], [1.2, 6.1], [8.3, 7.9]], "float32")
FILL_MODES = ("constant", "nearest", "wrap", "reflect")
KERNELS = ("linear", "cubic", "lanczos3", "lanczos5")


def turned(ops: Any, x: Any, transform: Any = TURNED, **settings: Any) -> Any:
    return ops.image.affine_transform(x, transform, **settings)


def in_perspective(ops: Any, x: Any, **settings: Any) -> Any:
    return ops.image.perspective_transform(x, CORNERS, MOVED_CORNERS, **settings)


def scaled(ops: Any, x: Any, **settings: Any) -> Any:
    numbers = np.array([1.4, 0.6], "float32"), np.array([0.3, -0.2], "float32")
    return ops.image.scale_and_translate(x, (None, 9, 4, 3), *numbers, spatial_dims=(1, 2), **settings)


def bilinear_of_bytes(keras: Any) -> Any:
    given = keras.Input((5, 6, 3), dtype="uint8")
    return keras.Model(given, keras.ops.image.affine_transform(given, TURNED))


CASES = [
    *(
        of(f"warped_{how}_{mode}", partial(turned, interpolation=how, fill_mode=mode, fill_value=0.5), PICTURE)
        for how in ("nearest", "bilinear")
        for mode in FILL_MODES
    ),
    *(of(f"warped_far_{mode}", partial(turned, transform=3 * TURNED, fill_mode=mode), PICTURE) for mode in FILL_MODES),
    of("warped_tilted", partial(turned, transform=TILTED, fill_mode="reflect"), PICTURE),
    of("warped_channels_first", partial(turned, data_format="channels_first"), (3, 5, 6)),
    of(
        "warped_by_the_network",
        lambda ops, x, y: turned(ops, x, y),
        PICTURE,
        (8,),
        refused="the network computes",
        both=True,
    ),
    of("warped_large", turned, (65, 64, 1), refused="4096 pixels", both=True),
    of("perspective", in_perspective, PICTURE),
    of("perspective_nearest", partial(in_perspective, interpolation="nearest", fill_value=0.5), PICTURE),
    of("perspective_channels_first", partial(in_perspective, data_format="channels_first"), (3, 8, 9)),
    of(
        "perspective_by_the_network",
        lambda ops, x, y: ops.image.perspective_transform(x, y, y),
        PICTURE,
        (4, 2),
        refused="the network computes",
        both=True,
    ),
    Case("warped_bytes", bilinear_of_bytes, refused=dict.fromkeys(("numpy", "neoml"), "cuts off")),
    *(of(f"scaled_{how}", partial(scaled, method=how), PICTURE) for how in KERNELS),
    of("scaled_without_antialias", partial(scaled, method="cubic", antialias=False), PICTURE),
]
