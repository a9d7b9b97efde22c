"""Train every recipe in Keras and keep losses and weights. Runs in the Keras environment."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

import porting
from porting.keras_side.walking import walk
from porting.keras_side.weights import collect_weights
from porting.keras_side.which_keras import keras_api_of
from tests.arguments import folders_and_names
from tests.parallel import in_processes
from tests.training.fits import FITS
from tests.training.recipes import KEPT_STEPS, NETS, RECIPES, Recipe, batches, kept_places
from tests.training.record_fits import record_fits


def made_loss(given: Any) -> Any:
    if isinstance(given, list):
        return [made_loss(one) for one in given]
    return getattr(keras.losses, given[0])(**given[1]) if isinstance(given, tuple) else given


def made_optimizer(recipe: Recipe) -> Any:
    name, settings = recipe.optimizer
    rate = settings["learning_rate"]
    if isinstance(rate, tuple):
        settings = {**settings, "learning_rate": getattr(keras.optimizers.schedules, rate[0])(**rate[1])}
    kind = getattr(keras.optimizers, name)
    return (with_dense_gradients(kind) if recipe.dense else kind)(**settings)


def with_dense_gradients(kind: Any) -> Any:
    """The optimizer, told the gradient of an embedding as one array."""

    class Dense(kind):
        def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
            return super().apply([tf.convert_to_tensor(one) for one in grads], trainable_variables)

    return Dense


def randomise(model: Any) -> None:
    rng = np.random.default_rng(3)
    for weight in model.weights:
        values = rng.normal(size=weight.shape) * 0.4
        weight.assign((0.5 + np.abs(values) if "variance" in weight.path else values).astype(np.float32))


@contextmanager
def known_dropout() -> Iterator[None]:
    """Recurrent cells drop what `kept_places` says."""

    def kept(cell: Any, step: Any, rate: float) -> Any:
        count = getattr(cell, "dropout_mask_count", None)
        size = step.shape[-1]
        made = [tf.ones_like(step) * kept_places(size, rate, gate) for gate in range(count or 1)]
        return made if count else made[0]

    with mock.patch.object(DropoutRNNCell, "_create_dropout_mask", kept):
        yield


def train(recipe: Recipe, model: Any) -> dict[str, np.ndarray]:
    """Losses of all steps, and all weights after some."""
    for layer in model.layers:
        layer.trainable = layer.name not in recipe.fixed
    model.compile(made_optimizer(recipe), made_loss(recipe.loss), **recipe.options, jit_compile=False)
    api = keras_api_of(model)
    variables = collect_weights(walk(model, api), api).variables
    kept: dict[str, np.ndarray] = {}
    losses = []
    for number, (x, y, weights) in enumerate(batches(recipe), 1):
        made = model.train_on_batch(x, y, sample_weight=weights, return_dict=True)
        model.reset_metrics()
        losses.append(float(made["loss"]))
        if number in KEPT_STEPS:
            for layer, held in variables.items():
                kept.update({f"{number}/{layer}/{name}": api.to_numpy(one) for name, one in held.items()})
    return {**kept, "losses": np.array(losses)}


def code_hash() -> str:
    here = Path(__file__).parent
    sources = [*here.glob("rec*.py"), here / "fits.py", *(Path(porting.__file__).parent / "keras_side").glob("*.py")]
    text = b"".join(path.read_bytes() for path in sorted(sources))
    return hashlib.sha256(text + keras.__version__.encode()).hexdigest()


def record_net(folder: Path, wanted: list[str], net: str) -> str:
    """A network, its recipes and its fits; tells which these were."""
    keras.utils.clear_session()
    model = NETS[net](keras)
    randomise(model)
    porting.save(model, folder / net, overwrite=True)
    start = model.get_weights()
    names = [name for name in wanted if name in RECIPES and RECIPES[name].net == net]
    for name in names:
        model.set_weights(start)
        with known_dropout() if RECIPES[name].drops else nullcontext():
            np.savez(folder / f"{name}.npz", **train(RECIPES[name], model))
    return "\n".join([*names, *record_fits(net, folder, wanted)])


def record(folder: Path, wanted: list[str]) -> None:
    stamp, code = folder / "recorded-by", code_hash()
    if not wanted and stamp.exists() and stamp.read_text() == code:
        return
    folder.mkdir(parents=True, exist_ok=True)
    kept = [name for name in [*RECIPES, *FITS] if not wanted or name in wanted]
    nets = {RECIPES[name].net if name in RECIPES else FITS[name].net for name in kept}
    for line in in_processes(partial(record_net, folder, kept), [net for net in NETS if net in nets]):
        print(line, flush=True)
    if not wanted:
        stamp.write_text(code)


if __name__ == "__main__":
    (target,), chosen = folders_and_names(__spec__, __doc__, ["folder"], "recipe", [*RECIPES, *FITS])
    record(target, chosen)
