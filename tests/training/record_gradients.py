"""Record Keras' gradients for cases of tests/cases, beside what tests/record has saved. Runs in the Keras environment.

    python -m tests.training.record_gradients CASES FOLDER [FAMILY …]

The loss is the sum of all outputs times random numbers; kept are its gradients by every trainable weight, and by
every float input. Where a layer computes with the statistics of each batch in training, a second file has the gradients
in training, and the statistics after that step.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from porting.archive import read_network
from porting.keras_side.graph import walk
from porting.keras_side.restore import restore
from porting.keras_side.weights import collect_weights
from porting.keras_side.which_keras import front_of
from tests.cases import all_cases
from tests.parallel import in_processes
from tests.record import build, code_hash, kept_whole
from tests.training.cotangents import chosen, compared_case, cotangents, goes_by_batches, smooth_inputs


def weight_variables(model: Any, whole: Collection[str]) -> dict[str, Any]:
    """Trainable variables by ``layer/weight``, each once."""
    front = front_of(model)
    trainable = {id(variable) for variable in model.trainable_variables}
    found: dict[int, tuple[str, Any]] = {}
    for layer, held in collect_weights(walk(model, front, whole=whole), front).variables.items():
        for name, variable in held.items():
            if id(variable) in trainable:
                found.setdefault(id(variable), (f"{layer}/{name}", variable))
    return dict(found.values())


def gradients(model: Any, network: Any, whole: Collection[str], training: bool = False) -> dict[str, np.ndarray]:
    case = compared_case(network)
    moved = smooth_inputs(case)
    fed = {one.name: tf.convert_to_tensor(moved[one.name]) for one in network.inputs}
    floats = {name: tensor for name, tensor in fed.items() if tensor.dtype.is_floating}
    variables = weight_variables(model, whole)
    made = cotangents(network, case)
    with tf.GradientTape() as tape:
        for tensor in floats.values():
            tape.watch(tensor)
        inputs = list(fed.values())
        outputs = keras.tree.flatten(model(inputs if len(inputs) > 1 else inputs[0], training=training))
        pairs = zip(network.output_refs(), outputs)
        loss = tf.add_n([tf.reduce_sum(output * made[ref]) for ref, output in pairs if ref in made])
    names = [*(f"weight/{name}" for name in variables), *(f"input/{name}" for name in floats)]
    sources = [*(variable.value for variable in variables.values()), *floats.values()]
    found = tape.gradient(loss, sources)
    return {name: tf.convert_to_tensor(one).numpy() for name, one in zip(names, found) if one is not None}


def moved_statistics(model: Any, whole: Collection[str]) -> dict[str, np.ndarray]:
    front = front_of(model)
    held = collect_weights(walk(model, front, whole=whole), front).variables
    return {
        f"moved/{layer}/{name}": front.to_numpy(variable)
        for layer, variables in held.items()
        for name, variable in variables.items()
        if "moving_" in name
    }


def record_one(cases: Path, folder: Path, key: str) -> None:
    saved = cases / key.replace("/", "--")
    network = read_network(saved)
    if not cotangents(network, compared_case(network)):
        return
    keras.utils.clear_session()
    case = all_cases()[key]
    whole = kept_whole(case)
    model = build(case)
    restore(network, model)
    np.savez(folder / f"{saved.name}.npz", **gradients(model, network, whole))
    if goes_by_batches(all_cases()[key]):
        made = gradients(model, network, whole, training=True)
        np.savez(folder / f"{saved.name}--training.npz", **made, **moved_statistics(model, whole))


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
    for _ in in_processes(partial(record_one, cases, folder), keys):
        pass
    if not families:
        stamp.write_text(code)


if __name__ == "__main__":
    record(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
