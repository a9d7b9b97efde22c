"""MelSpectrogram in decibels, whose floor hangs on the loudest sound of a batch."""

from __future__ import annotations

import numpy as np
import pytest

import porting
from porting.archive import read_network
from porting.neoml_side.plan import plan_network
from porting.numpy_side.engine import NumpyEngine
from tests.recorded_cases import folder_of
from tests.tampering import with_config

SAVED = read_network(folder_of("spectrograms/mel_spectrogram_decibels"))


def test_numpy_floors_by_the_loudest_of_the_batch_as_keras_does() -> None:
    engine = NumpyEngine(with_config(SAVED, "mel_spectrogram", top_db=12.0))
    sounds = np.random.default_rng(0).normal(size=(2, 100)).astype("float32") * np.asarray([[1.0], [1e-3]], "float32")
    (name,), (ref,) = (one.name for one in SAVED.inputs), SAVED.output_refs()
    both, alone = engine.run({name: sounds})[ref], engine.run({name: sounds[1:]})[ref]
    assert both.min() == pytest.approx(both.max() - 12)
    assert alone.max() < both.max() - 12


def test_neoml_refuses_the_floor_with_a_way_out() -> None:
    with pytest.raises(porting.Unsupported, match="top_db=1000"):
        plan_network(with_config(SAVED, "mel_spectrogram", top_db=80.0))
