"""Gradients of every rule, out of NeoML, against Keras' own: by every weight and by every float input.

An input has no gradient in NeoML, so a dense layer that changes nothing is put before each: the gradient by its
kernel is the product of the input and the gradient by the input.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from porting.archive import read_network
from porting.errors import Unsupported
from porting.layers import RULES
from porting.network import Array, Call, Layer, Network, TensorRef
from porting.training.gradients import total
from tests.cases import all_cases
from tests.training.cotangents import chosen, cotangents, smooth_inputs

pytest.importorskip("neoml")

ROOT = Path(__file__).parents[2]
RECORDED = Path(os.environ.get("PORTING_RECORDED", ROOT / "out" / "recorded"))
GRADIENTS = Path(os.environ.get("PORTING_RECORDED_GRADIENTS", ROOT / "out" / "recorded-gradients"))
CASES = {key: case for key, case in all_cases().items() if chosen(key, case)}
# Of the largest number of a gradient, or of a tenth where all are smaller: they are sums of numbers of that size.
TOLERANCE = 3e-5
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


def of_probe(fed: Array, gradient: Array) -> Array:
    """What Keras' gradient by an input makes of the kernel of the dense layer behind it."""
    size = fed.shape[-1]
    return fed.reshape(-1, size).T @ gradient.reshape(-1, size)


def neoml_gradients(network: Network, wanted: set[str], rules: Any) -> dict[str, Array]:
    from porting.neoml_side.devices import math_engine_for
    from porting.neoml_side.learning import LearningNet

    case = network.cases[-1]
    made = cotangents(network, case)
    probed = with_probes(network)
    learns = [name for name in probed.weights() if name in wanted or name.startswith(PROBE)]
    net = LearningNet(probed, learns, dict.fromkeys(made), math_engine_for("cpu"), rules)
    if net.is_random:
        pytest.skip("random by design; its expectation is tested with dropout")
    derivatives = {ref: lambda output, mask, made=made[ref]: made for ref in made}
    inputs = smooth_inputs(case)
    found = {name: total(one) for name, one in net.gradients(inputs, derivatives).items()}
    again = {name: total(one) for name, one in net.gradients(inputs, derivatives).items()}
    assert all((found[name] == again[name]).all() for name in found), "a step leaves something behind"
    return found


@pytest.mark.parametrize("key", CASES)
def test_gradients_agree_with_keras(key: str) -> None:
    if not file_of(key).exists():
        pytest.skip("no gradients recorded")
    with np.load(file_of(key)) as file:
        keras = dict(file)
    network = read_network(RECORDED / key.replace("/", "--"))
    wanted = {name[len("weight/") :] for name in keras if name.startswith("weight/")}
    rules = rules_of(key)
    try:
        found = neoml_gradients(network, wanted, rules)
    except Unsupported as refusal:
        pytest.skip(f"refused by name: {refusal.problems[0]}")
    inputs = smooth_inputs(network.cases[-1])
    for name in keras:
        kind, _, which = name.partition("/")
        if kind == "weight":
            mine, theirs = found.get(which), keras[name]
        else:
            mine, theirs = found.get(f"{PROBE}{which}/kernel"), of_probe(inputs[which], keras[name])
            if f"{PROBE}{which}/kernel" not in with_probes(network).weights():
                continue
        if not np.isfinite(theirs).all():
            continue
        if mine is None:
            assert not theirs.any(), f"{name}: no gradient, Keras has one"
            continue
        largest = np.abs(theirs).max(initial=0)
        apart = np.abs(mine - theirs).max(initial=0)
        assert apart <= TOLERANCE * max(largest, 0.1), f"{name}: {apart:.1e} apart, the largest is {largest:.1e}"


def rules_of(key: str) -> Any:
    given = CASES[key].rules
    if given is None:
        return RULES
    from porting.rule_files import gather_rules

    return gather_rules(ROOT / given)
