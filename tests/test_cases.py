"""Every recorded case, replayed in both engines: checked against Keras, and engine against engine at new shapes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import porting
from porting.archive import read_network
from porting.checking import needed_tolerance
from porting.checking.judging import Judge
from porting.dtypes import counted
from porting.layers import RULES
from porting.layers.operation_refused import REASONS
from porting.network import Case, Input, TensorRef, tensors_in
from tests import cases
from tests.recorded_cases import CASES, ENGINES, flat, folder_of, load

# The rules whose layers no recorded case holds, and where they are proved instead.
UNRECORDED = {
    **dict.fromkeys(("LayerScale", "StochasticDepth"), "ConvNeXt, in whole_networks.py"),
    **dict.fromkeys(("BytePairTokenizer", "WordPieceTokenizer"), "hub/test_texts.py"),
    **dict.fromkeys(("MultiSegmentPacker", "StartEndPacker"), "hub/test_texts.py"),
    **dict.fromkeys(("LocallyConnected1D", "LocallyConnected2D"), "Keras 2 only, in keras_side/test_keras2.py"),
    **dict.fromkeys(("RandomHeight", "RandomWidth"), "Keras 2 only, in keras_side/test_keras2.py"),
    "ThresholdedReLU": "Keras 2 only, in keras_side/test_keras2.py",
    "Equalization": "Keras cannot build a functional model with it: its own graph has a cycle",
    "GroupQueryAttention": "the class's name in Python; GroupedQueryAttention in Keras' files",
    **dict.fromkeys(("ops.Abs", "ops.Conj"), "names by which Keras itself makes ops.Absolute and ops.Conjugate"),
    "ops.Eig": "complex numbers, which no folder holds",
    **dict.fromkeys(("ops.Identity", "ops.Mish"), "an activation's name, of which this Keras has no operation"),
}
# A row of padding alone has a mean of nothing here, of which Keras makes NaN: another row stands in its place.
MEAN_OF_NOTHING = "sequences/through_dropout_and_dense"
# Two engines agree to twice the noise that each may have against Keras.
BETWEEN_ENGINES = 2e-5


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("key", CASES)
def test_layers_agree_with_keras(key: str, engine: str) -> None:
    case = CASES[key]
    if engine in case.refused:
        with pytest.raises(porting.Unsupported, match=case.refused[engine]):
            load(key, engine)
        return
    report = load(key, engine).check(case.tolerance)
    assert report.ok, str(report)


@pytest.mark.parametrize("key", [key for key, case in CASES.items() if not case.refused])
def test_engines_agree_at_shapes_without_references(key: str) -> None:
    by_numpy, by_neoml = (load(key, engine) for engine in ENGINES)
    for batch, length in ((5, 11), (2, 4)):
        inputs = {
            one.name: new_input(one, by_neoml.engine.id_limits.get(one.name), batch, length)
            for one in by_numpy.network.inputs
        }
        pairs = list(zip(flat(by_neoml.predict(inputs)), flat(by_numpy.predict(inputs))))
        refs = list(tensors_in(by_numpy.network.outputs))
        assert len(refs) == len(pairs)
        for ref, (got, want) in zip(refs, pairs):
            if needed_tolerance(got, want) > (CASES[key].tolerance or BETWEEN_ENGINES):
                assert got.dtype == want.dtype
                assert (np.abs(got - want) <= 2 * held_by_float32(by_numpy, inputs, ref)).all()


def held_by_float32(by_numpy: porting.PortedNetwork, inputs: dict[str, Any], ref: TensorRef) -> Any:
    """By how much an output may differ where its sums cancel, or are multiplied by 255."""
    made, masks = by_numpy.engine.run_with_masks(inputs)
    judge = Judge(by_numpy.network, by_numpy.engine.rules, None)
    return judge.allowed(Case("new", inputs, made, {ref: mask for ref, mask in masks.items() if mask is not None}), ref)


def new_input(one: Input, limit: Any, batch: int, length: int) -> Any:
    rng = np.random.default_rng(batch * 100 + length)
    shape = (batch, *(length if size is None else size for size in one.shape[1:]))
    if one.dtype == "string":
        return rng.choice(["red", "the cat sat", "Größe, über ALLES!", "семьи", ""], shape).astype(object)
    if one.dtype.startswith(("int", "uint")) or limit:
        return rng.integers(0, min(limit or 4, counted(one.dtype)), shape)
    return rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("key", [key for key, case in CASES.items() if case.long])
def test_long_references_are_there(key: str) -> None:
    cases = read_network(folder_of(key)).cases
    name = "samples, without 1 of 5 rows" if key == MEAN_OF_NOTHING else "samples"
    (samples,) = (case for case in cases if case.name == name)
    assert all(array.shape[:2] == CASES[key].long for array in samples.inputs.values())


def test_every_rule_has_a_case() -> None:
    """A rule without a case is a claim without a proof."""
    held = "".join((folder_of(key) / "network.json").read_text(encoding="utf-8") for key in CASES)
    recorded = set(re.findall(r'"class(?:_name)?": *"([^"]+)"', held))
    # What neither engine has is a reason, not a claim of numbers; some of it Keras itself runs on no batch.
    refused = {f"ops.{name}" for name in REASONS}
    rules = {name for name, rule in RULES.items() if rule.is_builtin and name not in refused}
    assert rules - recorded == UNRECORDED.keys()


def test_every_case_is_named_once() -> None:
    assert len(CASES) > 0
    assert all(isinstance(case, cases.Case) for case in CASES.values())
