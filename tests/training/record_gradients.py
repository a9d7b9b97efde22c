"""Record Keras' gradients for cases of tests/cases, beside what tests/record has saved. Runs in the Keras environment.

The loss is the sum of all outputs times random numbers; kept are its gradients by every trainable weight, and by
every float input, and whether the network is random in training. Where a layer computes with the statistics of each
batch in training, a second file has the gradients in training, and the statistics after that step.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from porting.archive import read_network
from porting.keras_side.restore import restore
from porting.keras_side.walking import walk
from porting.keras_side.weights import collect_weights
from porting.keras_side.which_keras import keras_api_of
from porting.network import Network
from tests.arguments import folders_and_names
from tests.cases import all_cases
from tests.parallel import in_processes
from tests.record import code_hash, fresh_model, kept_whole
from tests.training.cotangents import chosen, compared_case, cotangents, goes_by_batches, smooth_inputs

# oneDNN's gradient by the kernel of its 1×1 convolution with strides is wrong (TensorFlow 2.19 and 2.21 on AMD's
# processors; differences of the loss agree with TensorFlow without it, whose gradients of some pools are wrong).
WITHOUT_ONEDNN = {"networks/u_net"}


def weight_variables(model: Any, network: Network, whole: Collection[str]) -> dict[str, Any]:
    """Trainable variables by ``layer/weight``, each once, under the name that the network has for it."""
    api = keras_api_of(model)
    trainable = {id(variable) for variable in model.trainable_variables}
    saved, found = network.weights(), {}
    for layer, held in collect_weights(walk(model, api, whole=whole), api).variables.items():
        for name, variable in held.items():
            if id(variable) in trainable and f"{layer}/{name}" in saved:
                found.setdefault(id(variable), (f"{layer}/{name}", variable))
    return dict(found.values())


def called(model: Any, fed: dict[str, Any], training: bool) -> list[Any]:
    """The model's outputs, one after the other, for inputs in its order."""
    inputs = list(fed.values())
    return keras.tree.flatten(model(inputs if len(inputs) > 1 else inputs[0], training=training))


def gradients(model: Any, network: Any, whole: Collection[str], training: bool = False) -> dict[str, np.ndarray]:
    case = compared_case(network)
    moved = smooth_inputs(case)
    fed = {one.name: tf.convert_to_tensor(moved[one.name]) for one in network.inputs}
    floats = {name: tensor for name, tensor in fed.items() if tensor.dtype.is_floating}
    variables = weight_variables(model, network, whole)
    made = cotangents(network, case)
    with tf.GradientTape() as tape:
        for tensor in floats.values():
            tape.watch(tensor)
        pairs = zip(network.output_refs(), called(model, fed, training))
        loss = tf.add_n([tf.reduce_sum(output * made[ref]) for ref, output in pairs if ref in made])
    names = [*(f"weight/{name}" for name in variables), *(f"input/{name}" for name in floats)]
    sources = [*(variable.value for variable in variables.values()), *floats.values()]
    found = tape.gradient(loss, sources)
    return {name: tf.convert_to_tensor(one).numpy() for name, one in zip(names, found) if one is not None}


def outputs_of(model: Any, network: Network, training: bool) -> list[np.ndarray]:
    case = compared_case(network)
    fed = {one.name: tf.convert_to_tensor(case.inputs[one.name]) for one in network.inputs}
    return [tf.convert_to_tensor(one).numpy() for one in called(model, fed, training)]


def is_random(model: Any, network: Network) -> bool:
    """Whether the same inputs give other outputs each time in training."""
    if not any("seed" in variable.path for variable in model.variables):
        return False
    first, *others = (outputs_of(model, network, training=True) for _ in range(3))
    return not all(np.array_equal(a, b, equal_nan=True) for other in others for a, b in zip(first, other))


def moved_statistics(model: Any, whole: Collection[str]) -> dict[str, np.ndarray]:
    api = keras_api_of(model)
    held = collect_weights(walk(model, api, whole=whole), api).variables
    return {
        f"moved/{layer}/{name}": api.to_numpy(variable)
        for layer, variables in held.items()
        for name, variable in variables.items()
        if "moving_" in name
    }


def record_one(cases: Path, folder: Path, key: str) -> None:
    saved = cases / key.replace("/", "--")
    network = read_network(saved)
    if not cotangents(network, compared_case(network)):
        return
    case = all_cases()[key]
    whole = kept_whole(case)
    model = fresh_model(key, case)
    outputs_of(model, network, training=False)  # the first run builds the layers that are others' activations
    restore(network, model)
    made = gradients(model, network, whole)
    random = is_random(model, network)
    if goes_by_batches(case):
        restore(network, model)
        by_batches = gradients(model, network, whole, training=True)
        np.savez(folder / f"{saved.name}--training.npz", **by_batches, **moved_statistics(model, whole))
    np.savez(folder / f"{saved.name}.npz", **made, random=random)


def record(cases: Path, folder: Path, families: list[str]) -> None:
    stamp = folder / "recorded-by"
    code = code_hash() + Path(__file__).read_text() + Path(__file__).with_name("cotangents.py").read_text()
    if not families and stamp.exists() and stamp.read_text() == code:
        return
    folder.mkdir(parents=True, exist_ok=True)
    keys = [
        key
        for key, case in all_cases().items()
        if chosen(key, case)
        and (not families or key.split("/")[0] in families)
        and (cases / key.replace("/", "--")).is_dir()
    ]
    for onednn in (False, True):
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(onednn))  # read by the processes that are started
        for _ in in_processes(
            partial(record_one, cases, folder), [key for key in keys if (key in WITHOUT_ONEDNN) != onednn]
        ):
            pass
    if not families:
        stamp.write_text(code)


if __name__ == "__main__":
    families = {key.split("/")[0] for key in all_cases()}
    (recorded, target), wanted = folders_and_names(__spec__, __doc__, ["cases", "folder"], "family", families)
    record(recorded, target, wanted)
