"""Masks lost, zeroed for repeated, walked the wrong way: every one turns the verdict red, at the layer that does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import porting
from porting.layers import RULES
from porting.numpy_side.operations import NumpyOperations
from tests.recorded_cases import RECORDED

ENGINES = ("numpy", "neoml")


def without_masks(ops: Any) -> Any:
    def recurrent(cell: Any, x: Any, *, mask: Any = None, **settings: Any) -> Any:
        return ops(cell, x, mask=None, **settings)

    return recurrent


def zeroing(ops: Any) -> Any:
    """Masked outputs are zero instead of what was before."""

    def recurrent(cell: Any, x: Any, *, zero_output_for_mask: bool = False, **settings: Any) -> Any:
        return ops(cell, x, zero_output_for_mask=True, **settings)

    return recurrent


def repeating(ops: Any) -> Any:
    """Masked outputs repeat instead of being zero."""

    def recurrent(cell: Any, x: Any, *, zero_output_for_mask: bool = False, **settings: Any) -> Any:
        return ops(cell, x, zero_output_for_mask=False, **settings)

    return recurrent


def forward_only(ops: Any) -> Any:
    def recurrent(cell: Any, x: Any, *, go_backwards: bool = False, **settings: Any) -> Any:
        return ops(cell, x, go_backwards=False, **settings)

    return recurrent


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """Puts something else in the place of an engine's recurrent operation."""

    def put(engine: str, tamper: Any) -> None:
        if engine == "numpy":
            kind: Any = NumpyOperations
        else:
            from porting.neoml_side.lowering.operations import NeomlOperations as kind  # noqa: N813
        true = kind.recurrent
        monkeypatch.setattr(kind, "recurrent", lambda self, *a, **k: tamper(true.__get__(self))(*a, **k))

    return put


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("folder", "tamper", "layer"),
    [
        ("recurrent--lstm_last_masked", without_masks, "lstm"),
        ("recurrent--lstm_sequences_masked", without_masks, "lstm"),
        ("recurrent--gru_last_masked", without_masks, "gru"),
        ("recurrent--holes_through_dense_masked", without_masks, "bidirectional"),
        ("recurrent--lstm_sequences_masked", zeroing, "lstm"),
        ("recurrent--gru_sequences_masked", zeroing, "gru"),
        ("recurrent--gru_reset_before_sequences_masked", zeroing, "gru"),
        ("recurrent--simple_rnn_last_masked", zeroing, "simple_rnn"),
        ("recurrent--bidirectional_lstm_concat_sequences_masked", repeating, "bidirectional"),
        ("recurrent--lstm_backwards_masked", forward_only, "lstm"),
    ],
)
def test_wrong_masks_are_found_where_they_are(
    folder: str, tamper: Any, layer: str, engine: str, operations: Callable[[str, Any], None]
) -> None:
    operations(engine, tamper)
    report = porting.load(RECORDED / folder, engine=engine).check()
    assert [one.call for one in report.layers if one.status == "departs"] == [layer]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lost_mask_is_found_although_the_numbers_agree(engine: str) -> None:
    """A Dense computes the same without its mask; what it hands on is wrong."""
    stopped = replace(RULES["Dense"], mask="stop")
    report = porting.load(RECORDED / "core--masked_dense", engine=engine, rules={"Dense": stopped}).check()
    first = report.first_departure
    assert first is not None
    assert (first.call, first.masks, "no mask" in first.why) == ("dense", False, True)
