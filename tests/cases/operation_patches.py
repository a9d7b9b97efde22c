"""Patches and filters of pictures."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.cases import Case
from tests.cases.functions import of

PICTURE = (8, 9, 3)


def patches(ops: Any, x: Any, **settings: Any) -> Any:
    return ops.image.extract_patches(x, **settings)


def unbatched(keras: Any) -> Any:
    given = keras.Input((5, 6, 3), dtype="uint8")
    return keras.Model(given, keras.ops.image.extract_patches(keras.ops.cast(given, "float32"), 2))


CASES = [
    of("ssim", lambda ops, x, y: ops.image.ssim(ops.sigmoid(x), ops.sigmoid(y)), (12, 13, 3), (12, 13, 3)),
    of(
        "ssim_channels_first",
        lambda ops, x, y: ops.image.ssim(
            x * 50, y * 50, max_val=255.0, filter_size=5, filter_sigma=1.0, data_format="channels_first"
        ),
        (2, 7, 8),
        (2, 7, 8),
    ),
    of("patches", partial(patches, size=4), PICTURE),
    of("patches_apart", partial(patches, size=2, strides=3), PICTURE),
    of("patches_over_each_other", partial(patches, size=(3, 2), strides=2, padding="same"), PICTURE),
    of("patches_strides_of_each_axis", partial(patches, size=(2, 3), strides=(1, 2)), PICTURE),
    of("patches_dilated", partial(patches, size=(2, 3), strides=1, dilation_rate=2), PICTURE),
    of("patches_of_volumes", partial(patches, size=(2, 3, 2)), (4, 6, 5, 2)),
    of("patches_of_volumes_same", partial(patches, size=(2, 3, 2), strides=2, padding="same"), (4, 5, 3, 2)),
    Case("patches_of_bytes", unbatched),
    of("unfold", lambda ops, x: ops.unfold(x, (2, 3), stride=(1, 2), padding=1), (2, 5, 6)),
    of("unfold_dilated", lambda ops, x: ops.unfold(x, 2, dilation=2), (3, 5, 6)),
    of("fold", lambda ops, x: ops.nn.fold(x, (4, 5), (2, 3)), (12, 9)),
    of("fold_padded", lambda ops, x: ops.nn.fold(x, (4, 4), 3, stride=2, padding=1, dilation=1), (18, 4)),
    of("extract_sequences", lambda ops, x: ops.extract_sequences(x, 4, 2), (3, 11)),
    of("gaussian_blur", lambda ops, x: ops.image.gaussian_blur(x, (3, 3), (0.7, 1.4)), PICTURE),
    of("gaussian_blur_oblong", lambda ops, x: ops.image.gaussian_blur(x, (5, 3), (1.0, 2.0)), PICTURE),
    of("sobel_edges", lambda ops, x: ops.image.sobel_edges(x), PICTURE),
    of("sobel_edges_channels_first", lambda ops, x: ops.image.sobel_edges(x, "channels_first"), (3, 5, 6)),
]
