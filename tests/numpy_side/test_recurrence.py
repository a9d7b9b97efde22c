"""Steps that no row needs are left out, and nothing shows it."""

from __future__ import annotations

import numpy as np
import pytest

from porting.network import Array
from porting.numpy_side.recurrence import KINDS, ROWS, run_steps

UNITS, GATES = 4, {"lstm": 4, "gru": 3, "gru_reset_before": 3, "simple_rnn": 1}
MASKS = {
    "padded": [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]],
    "padded in front": [[0, 0, 1, 1, 1], [0, 0, 0, 1, 1]],
    "with holes": [[1, 0, 0, 1, 0], [1, 0, 1, 1, 0]],
    "empty": [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
    "a row of padding": [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
}


def weights(kind: str) -> list[Array]:
    random, columns = np.random.default_rng(0), GATES[kind] * UNITS
    shapes = [(3, columns), (UNITS, columns), (2, columns) if kind == "gru" else (columns,)]
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("zero_output", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_row_is_the_row_of_its_valid_steps(
    kind: str, mask: list[list[int]], go_backwards: bool, zero_output: bool
) -> None:
    valid = np.array(mask, bool)
    x = np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    x[~valid] = np.nan
    options = {"go_backwards": go_backwards, "zero_output": zero_output}
    outputs, *states = KINDS[kind](x, *weights(kind), mask=valid, **options)
    for row in range(2):
        order = valid[row, ::-1] if go_backwards else valid[row]
        if not order.any():
            assert not outputs[row].any()
            assert not any(state[row].any() for state in states)
            continue
        alone, *last = KINDS[kind](x[row, valid[row]][None], *weights(kind), go_backwards=go_backwards)
        np.testing.assert_allclose(outputs[row, order], alone[0], atol=1e-6)
        for state, wanted in zip(states, last):
            np.testing.assert_allclose(state[row], wanted[0], atol=1e-6)
        before = np.zeros(UNITS, np.float32)
        for at, kept in enumerate(order):
            before = outputs[row, at] if kept else before
            np.testing.assert_array_equal(outputs[row, at], 0 if zero_output and not kept else before)


def test_steps_of_padding_are_not_computed() -> None:
    assert len(rows_of_steps("padded")) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_rows_beyond_a_block_are_as_they_are_alone(kind: str) -> None:
    """Rows are sorted by how many of their steps count, and run in blocks."""
    random = np.random.default_rng(2)
    rows = 2 * ROWS + 5
    x = random.normal(size=(rows, 5, 3)).astype(np.float32)
    mask = random.random((rows, 5)) < 0.6
    starts = [random.normal(size=(rows, UNITS)).astype(np.float32) for _ in range(2 if kind == "lstm" else 1)]
    outputs, *states = KINDS[kind](x, *weights(kind), mask=mask, initial_state=starts)
    for row in (0, ROWS - 1, ROWS, rows - 1):
        one = slice(row, row + 1)
        alone, *last = KINDS[kind](
            x[one], *weights(kind), mask=mask[one], initial_state=[start[one] for start in starts]
        )
        np.testing.assert_allclose(outputs[one], alone, atol=1e-6)
        for state, wanted in zip(states, last):
            np.testing.assert_allclose(state[one], wanted, atol=1e-6)


def test_steps_are_computed_for_the_rows_that_they_count_for() -> None:
    assert rows_of_steps("padded") == [2, 2, 1]


def rows_of_steps(mask: str) -> list[int]:
    """For how many rows each step is computed, of those that are."""

    def step(seen: Array, h: Array) -> tuple[Array, ...]:
        rows.append(len(seen))
        return (h + 1,)

    rows: list[int] = []
    x = np.ones((2, 5, 1), np.float32)
    run_steps(step, x, np.ones(1, np.float32), [UNITS], mask=np.array(MASKS[mask], bool))
    return rows
