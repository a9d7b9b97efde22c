"""Where the windows of convolutions and pools lie: sizes and margins, axis by axis, as TensorFlow counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from .rule import Refusal

Margin = tuple[int, int]


def per_axis(value: Any, axes: int) -> tuple[int, ...]:
    """Keras' "an integer or one for each axis"."""
    return tuple(int(one) for one in value) if isinstance(value, (list, tuple)) else (int(value),) * axes


def effective(window: int, dilation: int) -> int:
    """How many steps a dilated window spans."""
    return (window - 1) * dilation + 1


def same_margin(size: Optional[int], window: int, stride: int, dilation: int) -> Margin:
    """TensorFlow's padding "same": as many windows as ceil(size / stride), the odd step of padding at the end.

    Raises:
        Refusal: the size is open and the margin depends on it.
    """
    span = effective(window, dilation)
    if stride == 1 or span == 1:
        total = span - 1
    elif size is None:
        raise Refusal(
            f"padding 'same' with stride {stride} over an axis of open size: its margin depends on the size",
            "fix the size in the Input",
        )
    else:
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def margins(
    padding: str,
    sizes: Sequence[Optional[int]],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> list[Margin]:
    """What is added before and after each spatial axis for ``valid``, ``same`` or ``causal``."""
    if min(*window, *strides, *dilation) < 1:
        raise Refusal(
            f"window {tuple(window)}, strides {tuple(strides)}, dilation {tuple(dilation)}: all must be above 0"
        )
    if padding == "valid":
        return [(0, 0)] * len(window)
    if padding == "causal":
        return [(effective(k, d) - 1, 0) for k, d in zip(window, dilation)]
    if padding != "same":
        raise Refusal(f"padding {padding!r} is not known", "use valid, same or causal")
    return [same_margin(*axis) for axis in zip(sizes, window, strides, dilation)]


def output_size(size: Optional[int], margin: Margin, window: int, stride: int, dilation: int = 1) -> Optional[int]:
    """How many windows fit.

    Raises:
        Refusal: none does.
    """
    return None if size is None else fitting(size + sum(margin), window, stride, dilation)


def fitting(size: int, window: int, stride: int, dilation: int = 1) -> int:
    """How many windows fit an axis with its margins.

    Raises:
        Refusal: none does.
    """
    count = (size - effective(window, dilation)) // stride + 1
    if count < 1:
        raise Refusal(f"a window of {effective(window, dilation)} does not fit an axis of size {size}")
    return count


def transposed_margins(window: int, stride: int, padding: str, output_padding: Optional[int], dilation: int) -> Margin:
    """What a transposed convolution adds to (below 0: cuts from) both ends of its (size − 1)·stride + window steps.

    It is the gradient of a convolution, so its front loses what that convolution's padding had added there.
    See ``compute_conv_transpose_output_shape`` of Keras.
    """
    span = effective(window, dilation)
    if padding == "valid":
        return 0, max(span, stride) - span if output_padding is None else output_padding
    kept = stride if output_padding is None else span % 2 + output_padding
    before = max(span - kept, 0) // 2
    return -before, kept - span + before


def transposed_size(size: Optional[int], margin: Margin, window: int, stride: int, dilation: int = 1) -> Optional[int]:
    """The output size of a transposed convolution with margins as `transposed_margins` gives them."""
    return None if size is None else (size - 1) * stride + effective(window, dilation) + sum(margin)


def adaptive_windows(size: int, count: int) -> list[tuple[int, int]]:
    """Start and end of each of `count` windows that cover an axis of `size`."""
    return [(at * size // count, -(-(at + 1) * size // count)) for at in range(count)]
