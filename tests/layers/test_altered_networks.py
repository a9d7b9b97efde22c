"""Saved networks whose weights or configurations were altered: refused with every problem, never computed by chance."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.archive import read_network
from porting.layers import RULES
from porting.neoml_side.plan import plan_network
from porting.network import Array, Layer, Network
from porting.numpy_side.engine import NumpyEngine
from tests.recorded_cases import CASES, folder_of, load

# Their weights belong to layers inside them, to constants of a graph, or to nothing that is computed.
WITHOUT_SHAPES = (
    "ops.",
    "porting>",
    "TextVectorization",
    "Lookup",
    "Discretization",
)
BAD_SIZES = ("a size more", "one size", "an axis more", "transposed")


def with_layer(network: Network, layer: Layer) -> Network:
    return replace(network, layers={**network.layers, layer.name: layer})


def first_of_each_class() -> dict[str, tuple[str, str]]:
    """By class of Keras with weights, the first case that has one and the layer's name there."""
    found: dict[str, tuple[str, str]] = {}
    for key, case in CASES.items():
        if case.refused or case.rules:
            continue
        for layer in json.loads((folder_of(key) / "network.json").read_bytes())["layers"]:
            kind = layer["class"]
            has_rule = kind in RULES  # what was unfolded into operations holds weights only
            if has_rule and layer["weights"] and not any(part in kind for part in WITHOUT_SHAPES):
                found.setdefault(kind, (key, layer["name"]))
    return found


PLACES = first_of_each_class()


def altered(array: Array) -> Iterator[Array]:
    """The same numbers, or fewer or more of them, in other shapes: those that would broadcast among them."""
    yield array[None]
    for axis, size in enumerate(array.shape):
        yield np.concatenate([array, array], axis)
        if size > 1:
            yield np.take(array, [0], axis)
    if array.ndim > 1 and array.T.shape != array.shape:
        yield np.ascontiguousarray(array.T)


def test_every_class_with_weights_says_what_shapes_they_have() -> None:
    assert [kind for kind in PLACES if RULES[kind].weights is None] == []
    assert len(PLACES) > 30


@pytest.mark.parametrize("class_name", PLACES)
def test_promise_12_weights_have_the_shapes_that_the_configuration_implies(class_name: str) -> None:
    key, name = PLACES[class_name]
    network = read_network(folder_of(key))
    layer = network.layers[name]
    NumpyEngine(network)
    plan_network(network)
    for weight, array in layer.weights.items():
        for other in altered(array):
            changed = with_layer(network, replace(layer, weights={**layer.weights, weight: other}))
            for use in (NumpyEngine, plan_network):
                with pytest.raises(porting.Unsupported) as refusal:
                    use(changed)
                assert f"weight {weight!r} has the shape" in str(refusal.value)


def test_promise_12_a_configuration_that_says_something_else_is_refused_too() -> None:
    key, name = PLACES["Dense"]
    network = read_network(folder_of(key))
    layer = network.layers[name]
    changed = with_layer(network, replace(layer, config={**layer.config, "units": layer.config["units"] + 1}))
    with pytest.raises(porting.Unsupported) as refusal:
        NumpyEngine(changed)
    assert [problem.what.split("'")[1] for problem in refusal.value.problems] == ["kernel", "bias"]


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in list(keys):
        yield (*path, key)
        yield from places(tree[key], (*path, key))


VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 3, 2**63 - 1, 0.5, -1.5, "", "relu", "same", "no such", "__class__", "a,b->c",
    [], [0], [1, 2], [-1], [None], {}, {"class_name": "Dense", "config": {}}, {"class_name": "x"}, {"config": None},
)  # fmt: skip


def with_value(tree: Any, path: tuple[Any, ...], value: Any, drop: bool) -> Any:
    changed = copy.deepcopy(tree)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if drop:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


# Growing a picture or a table beyond memory is what such a configuration asks for; see docs/security.md.
HUGE = ("resizing/", "sequences/", "convolutions/", "shaping/", "wrappers/")


@pytest.mark.parametrize("key", [key for key, case in CASES.items() if not case.rules][::23])
def test_promise_11_any_configuration_is_understood_or_refused(key: str) -> None:
    network = read_network(folder_of(key))
    generator = random.Random(key)
    for layer in network.layers.values():
        config = dict(layer.config)
        paths = list(places(config))
        for _ in range(min(12, len(paths))):
            path, value, drop = generator.choice(paths), generator.choice(VALUES), generator.random() < 0.3
            if value == 2**63 - 1 and key.startswith(HUGE):
                continue
            changed = with_layer(network, replace(layer, config=with_value(config, path, value, drop)))
            for use in (NumpyEngine, plan_network):
                with contextlib.suppress(porting.Unsupported, porting.Mismatch):
                    use(changed)


def test_inputs_that_do_not_fit_each_other_are_a_mismatch() -> None:
    net = load("merging/add_sequences", "numpy")
    first, second = net.network.cases[0].inputs.items()
    wrong = {first[0]: first[1][:, :1].repeat(9, 1), second[0]: second[1]}
    with pytest.raises(porting.Mismatch, match=r"inputs input_0 \(.*could not be broadcast"):
        net.predict(wrong)


def test_a_rule_that_fails_names_its_layer_and_keeps_the_cause(tmp_path: Path) -> None:
    rules = tmp_path / "rules.py"
    rules.write_text(
        'import porting\n@porting.rule("Dense")\ndef dense(layer, x, ops):\n    return {}[layer.config["units"]]\n'
    )
    with pytest.raises(porting.Unsupported, match=r"Dense 'dense.*lacks") as refusal:
        porting.load(folder_of(PLACES["Dense"][0]), engine="numpy", rules=rules)
    cause = refusal.value.__cause__
    assert cause is not None
    assert isinstance(cause.__cause__, KeyError)
