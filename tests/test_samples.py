"""Inputs chosen to expose faults, without Keras."""

import string

import numpy as np
import pytest

from porting.keras_side.hard_texts import SPACES, STRANGE_WORDS, hard_texts
from porting.keras_side.needs import Need, find_needs
from porting.keras_side.samples import ROW_KINDS, SPAN_KINDS, make_inputs, make_texts, name_samples, stretched
from porting.network import Call, Constant, Input, Layer, TensorRef

IDS = Input("ids", (None, None), "int32")


def need(shape=(None, None), dtype="float32", **settings):
    return Need(Input("x", shape, dtype), **settings)


def made(wanted, batch=5, length=6, **options):
    return make_inputs([wanted], batch, length, **options)[wanted.input.name]


@pytest.mark.parametrize("ids", [1, 2, 1000])
@pytest.mark.parametrize("pads", [False, True])
def test_ids_stay_below_their_limit_and_reach_it(ids, pads):
    values = made(need(dtype="int32", ids=ids, pads=pads))
    assert values.dtype == np.int32
    assert (values.min(), values.max()) == (0, ids - 1)


@pytest.mark.parametrize(("dtype", "most"), [("int8", 127), ("uint8", 255), ("float16", 2048), ("bool", 1)])
def test_ids_are_such_as_their_dtype_holds(dtype, most):
    values = made(need(dtype=dtype, ids=3000), batch=33)
    assert (values.min(), values.max()) == (0, most)


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


@pytest.mark.parametrize("kind", ["ops.ZerosLike", "ops.OnesLike", "ops.FullLike"])
def test_what_is_only_as_long_as_ids_says_nothing_of_them(kind):
    """Segments of a BERT may be zeros like its ids: their table holds two rows, that of the words more."""
    layers = {
        "words": Layer("words", "Embedding", {"input_dim": 50, "output_dim": 4}, {}),
        "like": Layer("like", kind, {}, {}),
        "segments": Layer("segments", "Embedding", {"input_dim": 2, "output_dim": 4}, {}),
    }
    read = {"words": TensorRef("ids"), "like": TensorRef("ids"), "segments": TensorRef("like")}
    (found,) = find_needs([IDS], [Call(name, name, (ref,)) for name, ref in read.items()], layers, {})
    assert found.ids == 50


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


EMBEDDING = {"class_name": "Embedding", "config": {"input_dim": 7, "output_dim": 2, "mask_zero": True}}
MODEL = {"class_name": "Functional", "config": {"layers": [{"class_name": "Dense", "config": {}}, EMBEDDING]}}


@pytest.mark.parametrize("held", [EMBEDDING, MODEL])
@pytest.mark.parametrize("wrapper", ["TimeDistributed", "Bidirectional", "tests>Mine"])
def test_ids_are_known_inside_whatever_holds_the_table(wrapper, held):
    (found,) = needs_of([IDS], (Layer("w", wrapper, {"layer": held}), [IDS.ref]))
    assert (found.ids, found.pads) == (7, True)


RECKONED = {
    "ops.Add": (2, lambda ids: ids + 2),
    "ops.Subtract": (1, lambda ids: ids - 1),
    "ops.FloorDivide": (10, lambda ids: ids // 10),
    "ops.Mod": (7, lambda ids: ids % 7),
}


@pytest.mark.parametrize("name", RECKONED)
@pytest.mark.parametrize("mask_zero", [False, True])
def test_ids_that_are_reckoned_with_first_stay_within_the_table(name, mask_zero):
    number, reckon = RECKONED[name]
    embedding = Layer("e", "Embedding", {"input_dim": 7, "output_dim": 2, "mask_zero": mask_zero})
    (found,) = needs_of([IDS], (Layer("r", name), [IDS.ref, number]), (embedding, [TensorRef("r")]))
    looked_up = reckon(made(found, batch=33))
    assert looked_up.max() == 6
    assert looked_up.min() == (2 if name == "ops.Add" else 0)


def test_ids_with_an_offset_for_each_column_stay_within_the_table():
    shift = Layer("r", "ops.Add", weights={"constant": np.array([0, 10, 30])})
    embedding = Layer("e", "Embedding", {"input_dim": 60, "output_dim": 2})
    (found,) = needs_of([IDS], (shift, [IDS.ref, Constant("constant")]), (embedding, [TensorRef("r")]))
    assert found.ids == 30


@pytest.mark.parametrize("comparison", ["ops.NotEqual", "ops.Equal", "ops.Greater"])
def test_ids_that_also_make_a_mask_are_ids(comparison):
    """Transformers and masks by hand: the mask is made of the ids, which are no mask themselves."""
    steps = [
        (Layer("e", "Embedding", {"input_dim": 50, "output_dim": 2}), [IDS.ref]),
        (Layer("m", comparison), [IDS.ref, 0]),
        (Layer("l", "LSTM"), [TensorRef("e")], {"mask": TensorRef("m")}),
    ]
    (found,) = needs_of([IDS], *steps)
    assert (found.ids, found.pads, found.is_mask) == (50, True, False)
    values = made(found)
    assert len(np.unique(values)) > 10
    assert not values[4].any()


def test_padding_may_have_another_number():
    values = made(need(dtype="int32", ids=9, pads=True, mask_value=1.0))
    assert (values[4] == 1).all()
    assert (values[0] != 1).all()


def test_an_input_called_a_mask_is_one_unless_it_is_looked_up():
    mask = Input("padding_mask", (None, None), "int32")
    assert needs_of([mask])[0].is_mask
    found = needs_of([mask], (Layer("e", "Embedding", EMBEDDING["config"]), [mask.ref]))[0]
    assert made(found).max() == 6


def test_masks_are_told_from_the_argument_that_they_reach():
    mask = Input("m", (None, None), "int32")
    step = (Layer("l", "LSTM"), [IDS.ref], {"mask": TensorRef("m"), "initial_state": (Constant("constant"),)})
    found = needs_of([IDS, mask], step)
    assert [one.is_mask for one in found] == [False, True]


def test_masking_says_its_value():
    x = Input("x", (None, None, 2))
    (found,) = needs_of([x], (Layer("m", "Masking", {"mask_value": -2}), [x.ref]))
    assert (found.pads, found.mask_value) == (True, -2.0)


X = Input("x", (None, 4))


def test_rows_are_positive_negative_zero_large_and_tiny():
    rows = made(need((None, 50)), batch=len(ROW_KINDS))
    sizes = np.abs(rows).max(axis=1)
    assert (rows > 0).all(axis=1).any()
    assert (rows < 0).all(axis=1).any()
    assert (rows == 0).all(axis=1).any()
    assert sizes.max() > 20
    assert 0 < sizes[sizes > 0].min() < 0.1


@pytest.mark.parametrize(
    ("layer", "low", "high"),
    [
        (Layer("r", "Rescaling", {"scale": 1 / 255, "offset": 0.0}), 0, 255),
        (Layer("r", "Rescaling", {"scale": 1 / 127.5, "offset": -1.0}), 0, 255),
        (Layer("r", "Discretization", {"bin_boundaries": [10.0, 20.0, 90.0]}), 9, 92),
        (Layer("r", "ops.OneHot", {"num_classes": 6}), 0, 6),
    ],
)
def test_numbers_are_those_that_the_first_layer_expects(layer, low, high):
    values = made(needs_of([X], (layer, [X.ref]))[0], batch=33)
    usual = values[np.arange(33) % len(SPAN_KINDS) < 5]
    assert (usual.min(), usual.max()) == pytest.approx((low, high))


def test_pixels_are_also_negative_tiny_and_too_large():
    layer = Layer("r", "Rescaling", {"scale": 1 / 255, "offset": 0.0})
    rows = made(needs_of([X], (layer, [X.ref]))[0], batch=len(SPAN_KINDS))
    assert [len(rows[where]) for where in ((rows < 0).all(axis=1), (rows > 255).any(axis=1))] == [1, 1]
    assert ((np.abs(rows).max(axis=1) < 0.01) & (rows != 0).all(axis=1)).sum() == 1


LEARNT = {"mean": np.array([[0.0, 50.0, 0.0, -900.0]]), "variance": np.full((1, 4), 4.0)}
GIVEN = {"mean": [0.0, 50.0, 0.0, -900.0], "variance": 4.0}


@pytest.mark.parametrize(("config", "weights"), [({}, LEARNT), (GIVEN, {})])
def test_numbers_have_the_statistics_of_a_normalization(config, weights):
    layer = Layer("n", "Normalization", config, weights)
    values = made(needs_of([X], (layer, [X.ref]))[0], batch=33)
    kinds = np.arange(33) % len(ROW_KINDS)
    np.testing.assert_allclose(values[kinds < 3].mean(axis=0), [0, 50, 0, -900], atol=8)
    assert (values[kinds == 3] > 0).all()
    assert (values[kinds == 4] < 0).all()
    assert np.abs(values[(kinds == 5) | (kinds == 7)]).max() < 0.01


def test_statistics_of_other_places_than_the_input_s_are_taken_together():
    layer = Layer("n", "Normalization", {"mean": [10.0, 20.0], "variance": [1.0, 1.0]})
    values = made(needs_of([X], (layer, [X.ref]))[0], batch=33)
    assert values[np.arange(33) % len(ROW_KINDS) < 3].mean() == pytest.approx(15, abs=2)


def test_texts_hold_every_hard_thing():
    words = [f"word{number}" for number in range(100)]
    texts = hard_texts(words, sentences=True, kept=None)
    together = "\n".join(texts)
    assert len(texts) < 25
    assert all(mark in together for mark in (*string.punctuation, *SPACES, *STRANGE_WORDS))
    for word in ("word0", "word99"):
        assert {word, word.title(), word.upper()} <= set(together.split())
    alone = {word[-1] for word in together.split() if word[:-1] in words}
    assert alone >= set(string.punctuation)
    assert any(len(word) == 40 for word in together.split())
    assert "" in texts


def test_texts_are_longer_than_what_is_kept_of_them():
    texts = hard_texts(["a", "b"], sentences=True, kept=5)
    assert max(len(text.split()) for text in texts) >= 15
    assert len(texts) <= 60


def test_texts_that_are_split_into_letters_are_not_cut_off():
    config = {"split": "character", "output_sequence_length": 20}
    layer = Layer("l", "TextVectorization", config, {"vocabulary": np.array([*"abck"], object)})
    text = Input("x", (None,), "string")
    texts = make_texts(needs_of([text], (layer, [text.ref])), 6)["x"]
    seen = {text[:20] for text in texts}
    assert all(any(mark in text for text in seen) for mark in (*string.punctuation, *SPACES))
    assert any("\u212a" in text for text in seen)


def test_a_text_holds_what_unicode_takes_to_small_letters_of_the_vocabulary():
    together = " ".join(hard_texts(["dark", "red"], sentences=True, kept=None))
    assert {"dark", "red"} <= set(together.split())
    assert any(word != "dark" and word.lower() == "dark" for word in together.split() if not word.isascii())


def test_batches_hold_every_id_before_any_comes_again():
    wanted = need((None, 5), "int32", ids=60, pads=True)
    batches = [made(wanted, batch=5, used=used) for used in (0, 17, 34, 51)]
    assert [int((batch != 0).sum()) for batch in batches] == [17, 17, 17, 17]
    assert {1, 59} <= set(batches[0].ravel())
    assert set(np.concatenate(batches).ravel()) == set(range(60))


def test_one_word_texts_fill_their_columns():
    need_of_words = need((None, 3), "string", choices=("red", "green"))
    texts = make_texts([need_of_words], 6)["x"]
    assert texts.shape[1] == 3
    assert {"red", "Red", "RED", "green", ""} <= set(texts.ravel())


def test_a_closed_vocabulary_gets_its_own_words_only():
    closed = need((None, 3), "string", choices=("red", "green"), closed=True)
    assert set(made(closed, batch=33).ravel()) == {"red", "green"}
    assert make_texts([closed], 6) is None
    numbers = needs_of(
        [IDS], (Layer("l", "IntegerLookup", {"num_oov_indices": 0}, {"vocabulary": np.array([3, 9])}), [IDS.ref])
    )
    assert set(made(numbers[0]).ravel()) == {3, 9}


def test_samples_are_stretched_along_open_axes_only():
    needs = [Need(Input("x", (None, None, 2)))]
    rows = np.arange(12.0).reshape(2, 3, 2)
    longer = stretched({"x": rows}, needs, 1, 2)["x"]
    np.testing.assert_array_equal(longer, rows[1:, [0, 1, 2, 0, 1]])


def test_samples_are_cut_to_a_few_rows():
    assert len(name_samples(np.zeros((100, 3), int), [Need(IDS, ids=5)])["ids"]) == 16


def test_an_npz_file_without_the_names_is_taken_in_order(tmp_path):
    np.savez(tmp_path / "rows.npz", np.ones((2, 3), int))
    np.testing.assert_array_equal(name_samples(tmp_path / "rows.npz", [Need(IDS)])["ids"], np.ones((2, 3)))
