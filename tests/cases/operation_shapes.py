"""Operations that move values: shapes, parts, places."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.functions import BATCH, TABLE, of, one


def from_the_end(ops: Any, ids: Any, rows: int) -> Any:
    """What the message about ids below 0 advises."""
    return ops.where(ids < 0, ids + rows, ids)


CASES = [
    of("append", lambda ops, x, y: ops.append(x, y, axis=1), (2, 4), (3, 4)),
    of("tril", lambda ops, x: [ops.tril(x), ops.triu(x, k=1), ops.tril(x, k=-1)], (4, 5)),
    of("diff", lambda ops, x: ops.diff(x, n=2, axis=1), (5, 4)),
    of("expand_dims", lambda ops, x: [ops.expand_dims(x, 1), ops.expand_dims(x, -1), x[..., None]]),
    of("expand_dims_of_ids", lambda ops, x: x[:, None, :], (5,), dtype="int32"),
    of("squeeze", lambda ops, x: [ops.squeeze(x, 2), ops.squeeze(x, (2, -1))], (3, 1, 4, 1)),
    of("reshape", lambda ops, x: ops.reshape(x, (-1, 4, 2)), (2, 4)),
    of("reshape_batch_mixed", lambda ops, x: ops.reshape(x, (-1, 2)), (2, 4), refused=BATCH, both=True),
    of("transpose", lambda ops, x: ops.transpose(x, (0, 3, 1, 2)), (2, None, 4)),
    of("swapaxes", one("swapaxes", axis1=1, axis2=-1), (2, 3, 4)),
    of("moveaxis", one("moveaxis", source=1, destination=-1), (2, 3, 4)),
    of("concatenate", lambda ops, x, y: ops.concatenate([x, y], axis=1), (2, 4), (None, 4)),
    of("concatenate_last", lambda ops, x, y: ops.concatenate([x, y, x], axis=-1), (None, 4), (None, 3)),
    of("concatenate_integers", lambda ops, x, y: ops.concatenate([x, y], axis=1), (3,), (4,), dtype="int32"),
    of("hstack", lambda ops, x, y: ops.hstack([x, y]), (2, 4), (3, 4)),
    of("stack", lambda ops, x, y: ops.stack([x, y], axis=1), (None, 4), (None, 4)),
    of("stack_last", lambda ops, x, y: ops.stack([x, y], axis=-1), (4,), (4,)),
    of("unstack", lambda ops, x: ops.unstack(x, axis=1), (3, 4)),
    of("split", lambda ops, x: ops.split(x, 2, axis=-1)),
    of("split_at", lambda ops, x: ops.split(x, [1, 3], axis=1), (5, 2)),
    of("repeat", one("repeat", repeats=3, axis=2)),
    of("repeat_time", one("repeat", repeats=2, axis=1)),
    of("repeat_by_numbers", lambda ops, x: [ops.repeat(x, (2, 0, 3), axis=1), ops.repeat(x, [2], axis=2)], (3, 4)),
    of("repeat_of_flat_rows", lambda ops, x: ops.repeat(ops.reshape(x, (-1, 12)), 2, axis=1), (3, 4)),
    of("tile", one("tile", repeats=(1, 2, 3))),
    of("broadcast_to", lambda ops, x: ops.broadcast_to(x, (2, 3, 4)), (1, 4), refused="batch", both=True),
    of("pad", lambda ops, x: ops.pad(x, ((0, 0), (1, 2), (0, 1)))),
    of("pad_value", lambda ops, x: ops.pad(x, ((0, 0), (0, 2), (0, 0)), constant_values=-1.5)),
    of("flip", one("flip", axis=1)),
    of("flip_last", one("flip", axis=(1, -1)), (3, 4)),
    of("roll", one("roll", shift=2, axis=1), (5, 4)),
    of("roll_back", one("roll", shift=-1, axis=-1), (5, 4)),
    of("item_first", lambda ops, x: x[:, 0]),
    of("item_last", lambda ops, x: x[:, -1]),
    of("item_features", lambda ops, x: [x[..., 0], x[..., -1], x[:, :, 1:3], x[..., :-1]]),
    of("item_slices", lambda ops, x: [x[:, 1:], x[:, :-1], x[:, 1:-1], x[:, -2:], x[:, :2]], (5, 4)),
    of("item_steps", lambda ops, x: [x[:, ::-1], x[:, ::2], x[:, 1::2], x[:, 3:0:-1]], (5, 4)),
    of("item_open_slices", lambda ops, x: [x[:, :1], x[:, -1:]]),
    of("item_open_places", lambda ops, x: [x[:, 1], x[:, -2], x[:, 1:3], x[:, -2:-1]]),
    of("item_new_axes", lambda ops, x: [x[:, None], x[:, :, None, 1:], x[..., None, :]], (3, 4)),
    of("item_of_ids", lambda ops, x: [x[:, 0], x[:, 1:3]], (5,), dtype="int32"),
    of("take", lambda ops, x: [ops.take(x, 1, axis=2), ops.take(x, [2, 0, 2], axis=1)], (3, 4)),
    of("take_from_a_table", lambda ops, x: ops.take(TABLE, ops.clip(x, 0, 2), axis=0), (5,), dtype="int32"),
    of(
        "take_from_the_end",
        lambda ops, x: ops.take(TABLE, from_the_end(ops, x % 6 - 3, 3), axis=0),
        (5,),
        dtype="int32",
    ),
    of("take_at_any_place", lambda ops, x: ops.take(TABLE, x // 2, axis=0), (5,), dtype="int32"),
    of("ones_like", lambda ops, x: [ops.ones_like(x), ops.zeros_like(x), ops.full_like(x, 2.5), x + ops.ones_like(x)]),
    of("one_hot", lambda ops, x: ops.one_hot(x, 4), (5,), dtype="int32"),
    of("one_hot_axis_1", lambda ops, x: ops.one_hot(x, 5, axis=1), (4,), dtype="int32"),
    of("roll_of_axes", lambda ops, x: ops.roll(x, (1, -2), axis=(1, 2)), (3, 4)),
    of(
        "pad_mirrored",
        lambda ops, x: [ops.pad(x, [[0, 0], [1, 2], [0, 1]], mode=mode) for mode in ("reflect", "symmetric")],
        (3, 4),
    ),
    of("take_from_a_small_table", lambda ops, x: ops.take(TABLE, x, axis=0), (5,), dtype="int32"),
    of("diagonal", lambda ops, x: [ops.diagonal(x, at, 1, 2) for at in (-1, 0, 2)], (3, 4)),
    of("diagonal_of_swapped", lambda ops, x: ops.diagonal(x, 0, 3, 1), (3, 2, 4)),
    of("trace", lambda ops, x: ops.trace(x, axis1=1, axis2=2), (3, 4)),
    of("slice_update", lambda ops, x, y: ops.slice_update(x, [0, 1, 0], y), (5, 4), (2, 4)),
    of("slice_update_inside", lambda ops, x, y: ops.slice_update(x, [0, 1, 2], y), (5, 4), (2, 1)),
    of(
        "slice_update_of_one_row",
        lambda ops, x: ops.slice_update(x, [0, 0, 0], np.ones((1, 1, 4), "float32")),
        (5, 4),
        refused="some rows of a batch",
        both=True,
    ),
    of("empty_like", lambda ops, x: x + ops.empty_like(x)),
    of("fliplr", one("fliplr")),
]
