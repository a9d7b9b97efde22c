"""An engine behind what makes ids of texts is an engine for the whole network."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import porting
from porting.network import Array, TensorRef
from porting.preprocessing.engine import FrontedEngine
from tests.recorded_cases import ENGINES, load

KEYS = ("text/lstm", "text/text_beside_numbers", "text/strings")


def fronted(key: str, engine: str = "numpy") -> FrontedEngine:
    found = load(key, engine).engine
    assert isinstance(found, FrontedEngine)
    return found


def first_inputs(engine: FrontedEngine) -> dict[str, Array]:
    return dict(engine.network.cases[0].inputs)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("key", KEYS)
def test_a_run_is_the_front_and_then_the_core(key: str, engine: str) -> None:
    whole = fronted(key, engine)
    inputs = first_inputs(whole)
    tensors, given = whole.prepared(inputs)
    apart = {ref: array for ref, array in tensors.items() if ref.call not in inputs} | whole.core.run(given)
    together = whole.run(inputs)
    assert together.keys() == apart.keys()
    for ref, array in together.items():
        np.testing.assert_array_equal(array, apart[ref])


def test_what_the_front_alone_makes_needs_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fronted("text/lstm")
    ids = TensorRef("text_vectorization")

    def never(*given: object) -> None:
        raise AssertionError("the core ran")

    monkeypatch.setattr(whole.core, "run", never)
    np.testing.assert_array_equal(
        whole.run(first_inputs(whole), [ids])[ids], whole.network.cases[0].outputs[ids].astype(np.int64)
    )
    with pytest.raises(AssertionError, match="the core ran"):
        whole.run(first_inputs(whole))


@pytest.mark.parametrize("key", KEYS)
def test_every_call_runs_alone_as_keras_ran_it(key: str) -> None:
    whole = fronted(key)
    case = whole.network.cases[0]
    tensors = {**{one.ref: case.inputs[one.name] for one in whole.network.inputs}, **case.outputs}
    for step in whole.front.steps:
        made, masks = whole.run_alone(step.call, tensors, {})
        assert masks == [None]
        np.testing.assert_array_equal(made[0], case.outputs[TensorRef(step.call.name)])


def test_vocabularies_are_weights_of_their_layers() -> None:
    whole = fronted("text/lstm")
    own = whole.weights().keys() - whole.core.weights().keys()
    assert own == {"text_vectorization/vocabulary"}
    assert whole.weights().keys() == whole.network.weights().keys()


def test_ids_beyond_the_cores_table_are_refused_as_inputs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fronted("text/lstm")
    assert whole.id_limits == {}
    monkeypatch.setattr(whole.core, "id_limits", {"text_vectorization": 1})
    with pytest.raises(porting.Mismatch, match="text_vectorization"):
        whole.run(first_inputs(whole))


def test_a_copy_has_the_same_front_and_gives_the_same() -> None:
    whole = fronted("text/strings")
    copied = pickle.loads(pickle.dumps(whole))
    assert isinstance(copied, FrontedEngine)
    assert [step.call for step in copied.front.steps] == [step.call for step in whole.front.steps]
    for ref, array in whole.run(first_inputs(whole)).items():
        np.testing.assert_array_equal(copied.run(first_inputs(whole))[ref], array)


def test_texts_padded_to_the_longest_are_run_in_keras_batches() -> None:
    to_the_longest, to_a_length = fronted("text/lstm_to_the_longest"), fronted("text/lstm")
    assert to_the_longest.rows_at_once(first_inputs(to_the_longest), 1000) == 32
    assert to_a_length.rows_at_once(first_inputs(to_a_length), 1000) > 32
