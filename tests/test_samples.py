"""Inputs made to hurt, without Keras."""

import numpy as np
import pytest

from porting.keras_side.needs import Need, find_needs
from porting.keras_side.samples import make_inputs, name_samples
from porting.network import Call, Constant, Input, Layer, TensorRef

IDS = Input("ids", (None, None), "int32")


def need(shape=(None, None), dtype="float32", **settings):
    return Need(Input("x", shape, dtype), **settings)


def made(wanted, batch=5, length=6, **options):
    return make_inputs([wanted], batch, length, **options)["x"]


@pytest.mark.parametrize("ids", [1, 2, 1000])
@pytest.mark.parametrize("pads", [False, True])
def test_ids_stay_below_their_limit_and_reach_it(ids, pads):
    values = made(need(dtype="int32", ids=ids, pads=pads))
    assert values.dtype == np.int32
    assert (values.min(), values.max()) == (0, ids - 1)


def test_every_padding_is_in_one_batch():
    kept = made(need(dtype="int32", ids=9, pads=True)) != 0
    assert kept[0].all()
    assert kept[1, 0]
    assert not kept[1, -1]
    assert kept[2, -1]
    assert not kept[2, 0]
    assert kept[3, 0]
    assert kept[3, -1]
    assert not kept[3].all()
    assert not kept[4].any()
    assert (made(need(dtype="int32", ids=9, pads=True), gentleness=1) != 0).any(axis=1).all()


def test_numbers_are_padded_over_all_features():
    values = made(need((None, None, 3), pads=True, mask_value=-1.0))
    padded = (values == -1.0).all(axis=-1)
    assert padded[4].all()
    assert not (values[~padded] == -1.0).any()


def test_two_inputs_are_padded_otherwise():
    needs = [Need(Input(name, (None, None), "int32"), ids=9, pads=True) for name in "ab"]
    both = make_inputs(needs, 5, 6)
    assert ((both["a"] == 0) != (both["b"] == 0)).any()


@pytest.mark.parametrize(("dtype", "shape"), [("bool", (None, 4, 4)), ("int32", (None, None)), ("float32", (None,))])
def test_masks_are_zeros_and_ones(dtype, shape):
    values = made(need(shape, dtype, is_mask=True))
    assert values.dtype == np.dtype(dtype)
    assert set(np.unique(values.astype(int))) == {0, 1} if len(shape) > 1 else {0, 1} >= set(values.astype(int))


def test_images_and_other_integers():
    image = made(need((None, 4, 4, 3), "uint8"), length=1)
    assert image.shape == (5, 4, 4, 3)
    assert image.max() > 200
    assert 0 <= made(need(dtype="int64")).min() <= made(need(dtype="int64")).max() < 5


def test_open_axes_may_get_sizes_of_their_own():
    assert made(need((None, None, None, 3)), batch=2, length=4, spread=True).shape == (2, 4, 5, 3)
    assert made(need((None, None, None, 3)), batch=2, length=4).shape == (2, 4, 4, 3)


def test_gentle_numbers_are_small_and_positive():
    values = made(need(), gentleness=2)
    assert (values > 0).all()
    assert (values <= 1).all()


def test_values_repeat_and_seeds_differ():
    np.testing.assert_array_equal(made(need()), made(need()))
    assert (made(need()) != made(need(), seed=1)).any()


def needs_of(inputs, *steps, limits=None):
    """Needs of a chain of (layer, inputs, arguments)."""
    layers = {layer.name: layer for layer, *_ in steps}
    calls = [Call(layer.name, layer.name, tuple(given), dict(*arguments)) for layer, given, *arguments in steps]
    return find_needs(inputs, calls, layers, limits or {})


def test_needs_are_traced_through_layers_that_hand_values_on():
    embedding = Layer("e", "Embedding", {"input_dim": 7, "output_dim": 2, "mask_zero": True})
    steps = [(Layer("r", "Reshape"), [IDS.ref]), (Layer("g", "ops.GetItem"), [TensorRef("r"), (0,)])]
    (found,) = needs_of([IDS], *steps, (embedding, [TensorRef("g")]))
    assert (found.ids, found.pads) == (7, True)
    (found,) = needs_of([IDS], (Layer("d", "Dense"), [IDS.ref]), (embedding, [TensorRef("d")]))
    assert (found.ids, found.pads) == (None, False)


def test_the_smallest_table_counts():
    tables = [
        (Layer(name, "Embedding", {"input_dim": size, "output_dim": 2}), [IDS.ref]) for name, size in zip("ab", (9, 4))
    ]
    assert needs_of([IDS], *tables)[0].ids == 4
    assert needs_of([IDS], (Layer("mine", "tests>Mine"), [IDS.ref]), limits={"mine": 3})[0].ids == 3
    assert needs_of([IDS], (Layer("c", "CategoryEncoding", {"num_tokens": 6}), [IDS.ref]))[0].ids == 6


def test_masks_are_told_from_the_argument_that_they_reach():
    mask = Input("m", (None, None), "int32")
    step = (Layer("l", "LSTM"), [IDS.ref], {"mask": TensorRef("m"), "initial_state": (Constant("constant"),)})
    found = needs_of([IDS, mask], step)
    assert [one.is_mask for one in found] == [False, True]


def test_masking_says_its_value():
    x = Input("x", (None, None, 2))
    (found,) = needs_of([x], (Layer("m", "Masking", {"mask_value": -2}), [x.ref]))
    assert (found.pads, found.mask_value) == (True, -2.0)


def test_samples_are_cut_to_a_few_rows():
    assert len(name_samples(np.zeros((100, 3), int), [Need(IDS, ids=5)])["ids"]) == 16


def test_an_npz_file_without_the_names_is_taken_in_order(tmp_path):
    np.savez(tmp_path / "rows.npz", np.ones((2, 3), int))
    np.testing.assert_array_equal(name_samples(tmp_path / "rows.npz", [Need(IDS)])["ids"], np.ones((2, 3)))
