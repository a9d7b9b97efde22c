"""Operations on pictures: sizes, colours, blocks."""

from __future__ import annotations

from tests.cases.functions import of

IMAGE = (7, 5, 3)
PICTURE = (8, 9, 3)


CASES = [
    of("resize", lambda ops, x: [ops.image.resize(x, (4, 9)), ops.image.resize(x, (9, 4), "nearest")], IMAGE),
    of("rgb_to_grayscale", lambda ops, x: ops.image.rgb_to_grayscale(x), IMAGE),
    of("crop_images", lambda ops, x: ops.image.crop_images(x, 1, 1, target_height=3, target_width=2), IMAGE),
    of("pad_images", lambda ops, x: ops.image.pad_images(x, 1, 2, target_height=10, target_width=9), IMAGE),
    of("space_to_depth", lambda ops, x: ops.space_to_depth(x, 2), (4, 6, 3)),
    of("depth_to_space", lambda ops, x: ops.depth_to_space(x, 2), (2, 3, 8)),
    of("resize_bytes", lambda ops, x: ops.image.resize(x, (4, 9)), IMAGE, dtype="uint8", refused="halfway", both=True),
    of("resize_bytes_nearest", lambda ops, x: ops.image.resize(x, (4, 9), "nearest"), IMAGE, dtype="uint8"),
    # Colours away from black, where the least noise is another hue.
    of("rgb_to_hsv", lambda ops, x: ops.image.rgb_to_hsv(0.1 + 0.8 * ops.sigmoid(x)), PICTURE),
    of("rgb_to_hsv_of_grey", lambda ops, x: ops.image.rgb_to_hsv(ops.relu(x) * 0.1 + ops.zeros_like(x)), PICTURE),
    of("hsv_to_rgb", lambda ops, x: ops.image.hsv_to_rgb(ops.sigmoid(x)), PICTURE),
]
