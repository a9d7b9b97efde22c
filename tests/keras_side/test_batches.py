"""`predict` on what Keras' own `predict` takes batches from."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from porting import Mismatch, load
from porting.keras_side.save import describe

ROWS = np.random.default_rng(0).normal(size=(10, 4)).astype("float32")
LABELS = np.arange(10)


@pytest.fixture(scope="module")
def both():
    given = keras.Input((4,), name="x")
    model = keras.Model(given, layers.Dense(3, activation="tanh")(given))
    return model, load(describe(model, noise=False), engine="numpy")


class Numbered(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, at):
        return ROWS[3 * at : 3 * at + 3], LABELS[3 * at : 3 * at + 3]


def sliced(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(3)


FORMS = {
    "tf.data": lambda: sliced(ROWS),
    "tf.data with labels": lambda: sliced(ROWS, LABELS),
    "PyDataset": Numbered,
    "tensor": lambda: tf.constant(ROWS),
}


@pytest.mark.parametrize("form", FORMS)
def test_batches_give_what_keras_gives(both, form):
    model, net = both
    np.testing.assert_allclose(
        net.predict(FORMS[form]()), model.predict(FORMS[form](), verbose=0), rtol=1e-5, atol=1e-6
    )


def test_a_generator_gives_what_its_rows_give(both):
    """Keras warns of a generator that ends."""
    model, net = both
    batches = ((ROWS[at : at + 3],) for at in range(0, 10, 3))
    np.testing.assert_allclose(net.predict(batches), model.predict(ROWS, verbose=0), rtol=1e-5, atol=1e-6)


def test_a_dataset_without_end_gives_some_steps(both):
    model, net = both
    endless = sliced(ROWS).repeat()
    np.testing.assert_allclose(net.predict(endless, steps=5), model.predict(endless, steps=5, verbose=0), rtol=1e-5)


def test_texts_come_as_tensors():
    vectorizer = layers.TextVectorization(output_mode="multi_hot")
    vectorizer.adapt(["a game", "a library"])
    given = keras.Input((1,), dtype="string", name="text")
    model = keras.Model(given, layers.Dense(2)(vectorizer(given)))
    texts = np.array([["a game"], ["library"], ["чатбот"]])
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(2)
    net = load(describe(model, noise=False), engine="numpy")
    np.testing.assert_allclose(net.predict(batches), model.predict(batches, verbose=0), rtol=1e-5)
    with pytest.raises(Mismatch, match="has shape"):
        net.predict(batches.map(lambda one: one[:, 0][None]))
