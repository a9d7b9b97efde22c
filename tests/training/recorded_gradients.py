"""Gradients as Keras has recorded them, and the nets that NeoML makes of the same cases."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from porting.archive import read_network
from porting.layers import RULES
from porting.network import Array, Call, Layer, Network, TensorRef
from porting.training.trainable import choose
from tests.cases import all_cases
from tests.recorded_cases import RECORDED, ROOT
from tests.training.cotangents import chosen, compared_case, cotangents

GRADIENTS = Path(os.environ.get("PORTING_RECORDED_GRADIENTS", ROOT / "out" / "recorded-gradients"))
CASES = {key: case for key, case in all_cases().items() if chosen(key, case)}
PROBE = "probe of "


def file_of(key: str) -> Path:
    return GRADIENTS / f"{key.replace('/', '--')}.npz"


def with_probes(network: Network) -> Network:
    """The network with a dense layer of an identity kernel behind each float input that has features.

    Where a mask is made of an input, nothing can learn before it.
    """
    masking = {
        ref for call in network.calls if network.layers[call.layer].class_name == "Masking" for ref in call.inputs
    }
    probed = [
        one
        for one in network.inputs
        if one.dtype.startswith("float") and one.shape[-1] and len(one.shape) > 1 and one.ref not in masking
    ]
    moved = {one.ref: TensorRef(PROBE + one.name) for one in probed}

    def change(value: Any) -> Any:
        if isinstance(value, TensorRef):
            return moved.get(value, value)
        if isinstance(value, (tuple, list)):
            return tuple(change(part) for part in value)
        if isinstance(value, dict):
            return {key: change(part) for key, part in value.items()}
        return value

    calls = [
        replace(call, inputs=change(call.inputs), arguments=change(dict(call.arguments))) for call in network.calls
    ]
    layers = dict(network.layers)
    for one in probed:
        name = PROBE + one.name
        config = {"units": one.shape[-1], "activation": "linear", "use_bias": False}
        layers[name] = Layer(name, "Dense", config, {"kernel": np.eye(one.shape[-1], dtype=np.float32)})
        calls.insert(0, Call(name, name, (one.ref,)))
    return replace(network, calls=tuple(calls), layers=layers)


def learning_net(network: Network, wanted: set[str], rules: Any, moving: Collection[str] = ()) -> Any:
    """The network behind its probes in NeoML, with a loss on every output of floats; for one size if need be.

    Raises:
        Unsupported: with what does not learn as in Keras.
    """
    from porting.neoml_side.learning.net import LearningNet
    from porting.neoml_side.runtime.devices import math_engine_for
    from porting.neoml_side.sized import planned

    probed = with_probes(network)
    learns = [name for name in probed.weights() if name in wanted or name.startswith(PROBE)]
    if learns:
        choose(probed, frozen=sorted({*probed.weights()} - {*learns, *moving}))
    heads = dict.fromkeys(cotangents(network, compared_case(network)), ())
    engine = math_engine_for("cpu")
    return planned(probed, lambda it: LearningNet(it, learns, heads, engine, rules, moving=tuple(moving)))[0]


def network_of(key: str) -> Network:
    return read_network(RECORDED / key.replace("/", "--"))


def is_random_in_keras(key: str) -> bool:
    with np.load(file_of(key)) as file:
        return bool(file["random"])


def recorded(key: str) -> tuple[Network, dict[str, Array], set[str]]:
    """The case, Keras' gradients, and the weights that they are by."""
    with np.load(file_of(key)) as file:
        keras = {name: file[name] for name in file.files if name != "random"}
    wanted = {name[len("weight/") :] for name in keras if name.startswith("weight/")}
    return network_of(key), keras, wanted


def rules_of(key: str) -> Any:
    given = CASES[key].rules
    if given is None:
        return RULES
    from porting.layers.rule_files import gather_rules

    return gather_rules(ROOT / given)
