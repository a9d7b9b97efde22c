"""Functions that a standalone file may hold: they know numpy and each other, and are copied into it as they stand.

Each is what one operation does, in a form to be read beside the statements that call it. Those of the numpy engine
that are written on arrays alone are taken from there.
"""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, Optional

import numpy as np

from ..checking import tolerance
from ..network import Array
from ..numpy_side import activations, transforms
from ..numpy_side.activations import elu, hard_sigmoid, sigmoid, softplus
from ..text import hashes, lookup

__all__ = ["HELPERS", "joined", "sources_of"]


def erf(x: Array) -> Array:
    """The error function, value by value; numpy has none."""
    flat = np.asarray(x, np.float64).ravel()
    return np.fromiter(map(math.erf, flat.tolist()), np.float64, flat.size).reshape(x.shape)


def entries(table: Array, batch: int, *places: tuple[int, str, int]) -> Array:
    """For each row of a batch, entries along a table's first axes: the first so many from a start, the last, or one."""
    key: list[Any] = []
    for (size, which, start), rows in zip(places, table.shape):
        if start + size > rows:
            raise ValueError(f"an input has {size} steps, of which a table holds {rows - start}")
        parts = {"first": slice(start, start + size), "last": slice(rows - size, rows), "at": size - 1}
        key.append(parts[which])
    return np.repeat(table[tuple(key)][None], batch, axis=0)


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    return np.where(x > 0, x, np.asarray(negative_slope, x.dtype) * x)


def selu(x: Array) -> Array:
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def softsign(x: Array) -> Array:
    return x / (1 + np.abs(x))


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def hard_silu(x: Array) -> Array:
    return x * hard_sigmoid(x)


def mish(x: Array) -> Array:
    return x * np.tanh(softplus(x))


def log_sigmoid(x: Array) -> Array:
    return -softplus(-x)


def hard_tanh(x: Array) -> Array:
    return np.clip(x, -1, 1)


def tanh_shrink(x: Array) -> Array:
    return x - np.tanh(x)


def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    return np.where(np.abs(x) > threshold, x, 0)


def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    return np.maximum(x - threshold, 0) - np.maximum(-x - threshold, 0)


def squareplus(x: Array, b: float = 4) -> Array:
    return (x + np.sqrt(x**2 + b)) / 2


def sparse_sigmoid(x: Array) -> Array:
    return np.clip((x + 1) / 2, 0, 1)


def threshold(x: Array, threshold: float, default_value: float) -> Array:
    return np.where(x > threshold, x, default_value)


def softmax(x: Array, axis: Any = -1) -> Array:
    exponents = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponents / exponents.sum(axis=axis, keepdims=True)


def log_softmax(x: Array, axis: Any = -1) -> Array:
    moved = x - x.max(axis=axis, keepdims=True)
    return moved - np.log(np.exp(moved).sum(axis=axis, keepdims=True))


def normalize(x: Array, axes: tuple[int, ...], epsilon: float, gamma: Any = 1, beta: Any = 0) -> Array:
    """Mean 0 and variance 1 over axes of each row, then gamma and beta."""
    centered = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(centered).mean(axis=axes, keepdims=True)
    return centered / np.sqrt(variance + np.float32(epsilon)) * gamma + beta


def batch_normalize(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any = 1, beta: Any = 0) -> Array:
    """Fixed mean and variance, then gamma and beta."""
    return (x - mean) / np.sqrt(variance + np.float32(epsilon)) * gamma + beta


def run_cell(
    step: Callable[..., Any], projected: Array, mask: Optional[Array], states: Sequence[Array], zero_output: bool
) -> tuple[Array, ...]:
    """Step after step over (time, batch, gates). A masked step keeps the states and repeats the output before it."""
    nothing = np.zeros_like(states[0])
    output, outputs = nothing, []
    for t in range(len(projected)):
        new = step(projected[t], *states)
        if mask is None:
            states, output = new, new[0]
        else:
            kept = mask[:, t, None]
            output = np.where(kept, new[0], nothing if zero_output else output)
            states = [np.where(kept, after, before) for after, before in zip(new, states)]
        outputs.append(output)
    return (np.stack(outputs, axis=1), *states)


def project(x: Array, kernel: Array, bias: Any, go_backwards: bool) -> Array:
    """Every step's product with the kernel at once: (time, batch, gates)."""
    steps = x[:, ::-1] if go_backwards else x
    return np.ascontiguousarray(steps.swapaxes(0, 1)) @ kernel + bias


def lstm(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Any = 0,
    mask: Optional[Array] = None,
    initial_state: Optional[Sequence[Array]] = None,
    go_backwards: bool = False,
    zero_output: bool = False,
    activation: Callable[[Array], Array] = np.tanh,
    recurrent_activation: Callable[[Array], Array] = sigmoid,
) -> tuple[Array, ...]:
    """(batch, time, features) to the outputs of every step and the last states h and c."""
    units = len(recurrent_kernel)

    def step(projected: Array, h: Array, c: Array) -> tuple[Array, Array]:
        gates = projected + h @ recurrent_kernel
        i, f, candidate, o = (gates[:, at * units : (at + 1) * units] for at in range(4))
        c = recurrent_activation(f) * c + recurrent_activation(i) * activation(candidate)
        return recurrent_activation(o) * activation(c), c

    states = initial_state or [np.zeros((len(x), units), np.float32)] * 2
    mask = mask[:, ::-1] if mask is not None and go_backwards else mask
    return run_cell(step, project(x, kernel, bias, go_backwards), mask, states, zero_output)


def gru(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Optional[Array] = None,
    mask: Optional[Array] = None,
    initial_state: Optional[Sequence[Array]] = None,
    go_backwards: bool = False,
    zero_output: bool = False,
    activation: Callable[[Array], Array] = np.tanh,
    recurrent_activation: Callable[[Array], Array] = sigmoid,
) -> tuple[Array, ...]:
    """(batch, time, features) to every output and the last state; the reset gate works after the product."""
    units = len(recurrent_kernel)
    input_bias, recurrent_bias = (0, 0) if bias is None else bias

    def step(projected: Array, h: Array) -> tuple[Array]:
        x_z, x_r, x_h = (projected[:, at * units : (at + 1) * units] for at in range(3))
        recurrent = h @ recurrent_kernel + recurrent_bias
        h_z, h_r, h_h = (recurrent[:, at * units : (at + 1) * units] for at in range(3))
        z, r = recurrent_activation(x_z + h_z), recurrent_activation(x_r + h_r)
        return (z * h + (1 - z) * activation(x_h + r * h_h),)

    states = initial_state or [np.zeros((len(x), units), np.float32)]
    mask = mask[:, ::-1] if mask is not None and go_backwards else mask
    return run_cell(step, project(x, kernel, input_bias, go_backwards), mask, states, zero_output)


def gru_reset_before(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Any = 0,
    mask: Optional[Array] = None,
    initial_state: Optional[Sequence[Array]] = None,
    go_backwards: bool = False,
    zero_output: bool = False,
    activation: Callable[[Array], Array] = np.tanh,
    recurrent_activation: Callable[[Array], Array] = sigmoid,
) -> tuple[Array, ...]:
    """(batch, time, features) to every output and the last state; the reset gate works before the product."""
    units = len(recurrent_kernel)

    def step(projected: Array, h: Array) -> tuple[Array]:
        x_z, x_r, x_h = (projected[:, at * units : (at + 1) * units] for at in range(3))
        z = recurrent_activation(x_z + h @ recurrent_kernel[:, :units])
        r = recurrent_activation(x_r + h @ recurrent_kernel[:, units : 2 * units])
        return (z * h + (1 - z) * activation(x_h + (r * h) @ recurrent_kernel[:, 2 * units :]),)

    states = initial_state or [np.zeros((len(x), units), np.float32)]
    mask = mask[:, ::-1] if mask is not None and go_backwards else mask
    return run_cell(step, project(x, kernel, bias, go_backwards), mask, states, zero_output)


def simple_rnn(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Any = 0,
    mask: Optional[Array] = None,
    initial_state: Optional[Sequence[Array]] = None,
    go_backwards: bool = False,
    zero_output: bool = False,
    activation: Callable[[Array], Array] = np.tanh,
) -> tuple[Array, ...]:
    """(batch, time, features) to the outputs of every step and the last state."""

    def step(projected: Array, h: Array) -> tuple[Array]:
        return (activation(projected + h @ recurrent_kernel),)

    states = initial_state or [np.zeros((len(x), len(recurrent_kernel)), np.float32)]
    mask = mask[:, ::-1] if mask is not None and go_backwards else mask
    return run_cell(step, project(x, kernel, bias, go_backwards), mask, states, zero_output)


def whole_floor_divide(a: Array, b: Array) -> Array:
    return np.asarray(a // divisor(b))


def whole_mod(a: Array, b: Array) -> Array:
    return np.asarray(a % divisor(b))


def divisor(b: Array) -> Array:
    if not np.all(b):
        raise ValueError("whole numbers are divided by 0")
    return b


def grow(x: Array, amounts: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """Grow the axes after the batch by (before, after); below 0 cut them."""
    cuts = (slice(max(-a, 0), size - max(-b, 0)) for size, (a, b) in zip(x.shape[1:], amounts))
    inner = (slice(None), *cuts)
    grown = [(0, 0), *((max(a, 0), max(b, 0)) for a, b in amounts)]
    return np.pad(x[inner], grown, constant_values=np.asarray(value, x.dtype))


def windows_over(
    x: Array, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each place in the window, which lies over the axes behind the batch, what all windows see there."""
    counts = [(size - (k - 1) * d - 1) // s + 1 for size, k, s, d in zip(x.shape[1:], window, strides, dilation)]
    for place in product(*map(range, window)):
        starts = [at * d for at, d in zip(place, dilation)]
        cuts = (slice(a, a + (count - 1) * s + 1, s) for a, count, s in zip(starts, counts, strides))
        seen = (slice(None), *cuts)
        yield place, x[seen]


def margins(
    padding: str, sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """What "same", "causal" and "valid" add before and after each size."""
    spans = [(k - 1) * d + 1 for k, d in zip(window, dilation)]
    if padding == "valid":
        return [(0, 0)] * len(spans)
    if padding == "causal":
        return [(span - 1, 0) for span in spans]
    totals = [max((-(-size // s) - 1) * s + span - size, 0) for size, s, span in zip(sizes, strides, spans)]
    return [(total // 2, total - total // 2) for total in totals]


def convolve_group(x: Array, kernel: Array, strides: Sequence[int], dilation: Sequence[int]) -> Array:
    """One matrix product for each place of the window but in its last axis, which goes into the product whole."""
    *outer, last, width, filters = kernel.shape
    rows = np.lib.stride_tricks.sliding_window_view(x, (last - 1) * dilation[-1] + 1, axis=-2)
    rows = rows[..., :: strides[-1], :, :: dilation[-1]].swapaxes(-1, -2)
    total: Any = 0
    for place, seen in windows_over(rows, outer, strides[:-1], dilation[:-1]):
        flat = seen.reshape(*seen.shape[:-2], last * width)
        total = total + flat @ kernel[place].reshape(last * width, filters)
    return total


def convolve(
    x: Array,
    kernel: Array,
    bias: Any = 0,
    *,
    strides: Sequence[int],
    padding: str = "valid",
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, in / groups, filters)."""
    window = kernel.shape[:-2]
    x = grow(x, [*margins(padding, x.shape[1:-1], window, strides, dilation), (0, 0)])
    parts = []
    for part, filters in zip(np.split(x, groups, -1), np.split(kernel, groups, -1)):
        parts.append(convolve_group(part, filters, strides, dilation))
    return np.concatenate(parts, -1) + bias


def convolve_depthwise(
    x: Array,
    kernel: Array,
    bias: Any = 0,
    *,
    strides: Sequence[int],
    padding: str = "valid",
    dilation: Sequence[int],
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, in, multiplier) to in · multiplier channels."""
    window = kernel.shape[:-2]
    x = grow(x, [*margins(padding, x.shape[1:-1], window, strides, dilation), (0, 0)])
    seen_by = windows_over(x, window, strides, dilation)
    total: Any = sum(seen[..., None] * kernel[place] for place, seen in seen_by)
    return total.reshape(*total.shape[:-2], -1) + bias


def convolve_transposed(
    x: Array, kernel: Array, bias: Any = 0, *, strides: Sequence[int], dilation: Sequence[int], amounts: Any
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, filters, in); `amounts` are added to both ends, or cut off."""
    window = kernel.shape[:-2]
    sizes = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in zip(x.shape[1:-1], window, strides, dilation)]
    y = np.zeros((len(x), *sizes, kernel.shape[-2]), np.float32)
    for place in product(*map(range, window)):
        starts = [at * d for at, d in zip(place, dilation)]
        cuts = (slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, x.shape[1:-1], strides))
        seen = (slice(None), *cuts)
        y[seen] += x @ kernel[place].T
    return grow(y, [*amounts, (0, 0)]) + bias


def max_pool(x: Array, window: Sequence[int], strides: Sequence[int], padding: str = "valid") -> Array:
    """The largest value of every window over the axes behind the batch."""
    once = [1] * len(window)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    x = grow(x, [*margins(padding, x.shape[1:-1], window, strides, once), (0, 0)], lowest)
    return np.max([seen for _, seen in windows_over(x, window, strides, once)], axis=0)


def mean_pool(x: Array, window: Sequence[int], strides: Sequence[int], padding: str = "valid") -> Array:
    """The mean of every window over the axes behind the batch; what padding adds does not count."""
    once = [1] * len(window)
    amounts = [*margins(padding, x.shape[1:-1], window, strides, once), (0, 0)]
    ones = grow(np.ones_like(x[:1, ..., :1]), amounts)
    total: Any = sum(seen for _, seen in windows_over(grow(x, amounts), window, strides, once))
    count: Any = sum(seen for _, seen in windows_over(ones, window, strides, once))
    return total / count


def one_hot(ids: Array, depth: int) -> Array:
    """Ones where the indices point; a last axis of 1 gives way to the new one."""
    rows = ids[..., 0] if ids.ndim > 1 and ids.shape[-1] == 1 else ids
    return rows[..., None] == np.arange(depth)


def count(ids: Array, depth: int) -> Array:
    """How often each index stands in each row."""
    if ids.ndim == 2 and (ids < 0).any():
        raise ValueError(f"{ids.min()} is negative and cannot be counted")
    return (ids[..., None] == np.arange(depth)).sum(axis=1)


def count_weighed(ids: Array, depth: int, weights: Array) -> Array:
    """The sum of the weights of each index in each row."""
    if (ids < 0).any():
        raise ValueError(f"{ids.min()} is negative and cannot be counted")
    rows = np.zeros((len(ids), depth), weights.dtype)
    for row, found, amounts in zip(rows, ids, weights):
        np.add.at(row, found[found < depth], amounts[found < depth])
    return rows


def to_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def as_compared(values: Array) -> Array:
    """float32 as TensorFlow compares it: below the least normal number is zero."""
    single = values.astype(np.float32)
    return np.where(np.abs(single) < np.finfo(np.float32).tiny, np.float32(0), single)


def source_parts(module: Any) -> dict[str, tuple[str, set[str]]]:
    """What a module defines at its top, by name: the source, and the names from outside that it reads."""
    source, parts = inspect.getsource(module), {}
    for part in ast.parse(source).body:
        names = [one for one in ast.walk(part) if isinstance(one, ast.Name)]
        own = {one.id for one in names if isinstance(one.ctx, ast.Store)}
        own |= {one.arg for one in ast.walk(part) if isinstance(one, ast.arg)}
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            defined = [part.name]
        else:
            defined = [one.id for one in getattr(part, "targets", []) if isinstance(one, ast.Name)]
        for name in defined:
            parts[name] = (ast.get_source_segment(source, part) or "", {one.id for one in names} - own - {name})
    return parts


# What stands above comes before the engine's own of that name.
HELPERS: dict[str, tuple[str, set[str]]] = {
    **{name: source_parts(tolerance)[name] for name in ("needed_tolerance", "same_dtype")},
    "hash_bins": source_parts(lookup)["hash_bins"],
    **source_parts(activations),
    **source_parts(transforms),
    **source_parts(hashes),
    **source_parts(sys.modules[__name__]),
}
for not_copied in ("__all__", "activate", "joined", "source_parts", "sources_of"):
    HELPERS.pop(not_copied, None)


def sources_of(names: Iterable[str]) -> dict[str, str]:
    """The source of helpers and of those that they call, each after what it calls."""
    found: dict[str, str] = {}

    def visit(name: str) -> None:
        if name not in found:
            source, read = HELPERS[name]
            for other in sorted(read & set(HELPERS)):
                visit(other)
            found[name] = source

    for name in names:
        visit(name)
    return found


def joined(sources: Sequence[str]) -> str:
    """Sources below each other: constants first, then functions."""
    functions = [one for one in sources if one.startswith(("def ", "class "))]
    constants = [one for one in sources if one not in functions]
    return "\n\n\n".join([*(["\n".join(constants)] if constants else []), *functions])
