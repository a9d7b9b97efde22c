"""Gradients of every rule, out of NeoML, against Keras' own: by every weight and by every float input.

An input has no gradient in NeoML, so a dense layer that changes nothing is put before each: the gradient by its
kernel is the product of the input and the gradient by the input.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest

from porting.errors import Problem, Unsupported
from porting.layers import RULES
from porting.network import Array, Network
from porting.training.gradients import total
from tests.training.cotangents import compared_case, cotangents, goes_by_batches, smooth_inputs
from tests.training.exceptions import REFUSED, REFUSED_BY_BATCHES, WITHOUT_CASES
from tests.training.recorded_gradients import (
    CASES,
    GRADIENTS,
    PROBE,
    file_of,
    is_random_in_keras,
    learning_net,
    network_of,
    recorded,
    rules_of,
    with_probes,
)

COMPARED = [key for key in CASES if key not in REFUSED]
# Classes whose rules say that nothing before them learns, whatever their settings.
NEVER = {name for name, rule in RULES.items() if rule.learns.partition(":")[0] == "no"}
BY_BATCHES = [key for key in COMPARED if goes_by_batches(CASES[key])]
# How far a gradient may be from Keras': a share of its largest number, and some of its own float32 noise. That is what
# it moves by when the weights that learn change in their last bits. Where a gradient is the small rest of large terms,
# as those by the biases of an attention's keys are, nothing closer can be asked of float32.
SHARE, NOISES = 2e-5, 8
LAST_BIT = np.float32(2.0**-23)


def of_probe(fed: Array, gradient: Array) -> Array:
    """What Keras' gradient by an input makes of the kernel of the dense layer behind it."""
    size = fed.shape[-1]
    return fed.reshape(-1, size).T @ gradient.reshape(-1, size)


class Gradients:
    """A case's gradients in NeoML.

    Attributes:
        found: by weight of the probed network.
        noise: how far each moves when the weights change in their last bits.
    """

    def __init__(self, network: Network, wanted: set[str], rules: Any, moving: Collection[str] = ()) -> None:
        case = compared_case(network)
        made = cotangents(network, case)
        self.net = learning_net(network, wanted, rules, moving)
        self.inputs = smooth_inputs(case)
        self.derivatives = {ref: lambda output, mask, made=made[ref]: made for ref in made}
        self.found = self.step()
        again = self.step()
        for name, array in self.found.items():
            np.testing.assert_array_equal(array, again[name], "a step leaves something behind")
        self.noise = self._noise()

    def step(self) -> dict[str, Array]:
        found = self.net.gradients(self.inputs, self.derivatives)
        return {name: np.array(total(one)) for name, one in found.items()}

    def _noise(self) -> dict[str, float]:
        vector = self.net.theta.vector
        start = vector.copy()
        noise = dict.fromkeys(self.found, 0.0)
        for seed in range(2):
            steps = np.random.default_rng(seed).integers(-1, 2, start.shape).astype(np.float32)
            vector[...] = start * (1 + steps * LAST_BIT)
            for name, moved in self.step().items():
                apart = np.abs(moved - self.found[name]).max(initial=0)
                noise[name] = max(noise[name], float(apart))
        return noise


def departures(network: Network, made: Gradients, keras: dict[str, Array]) -> list[str]:
    """What of NeoML's gradients is not Keras'."""
    probes = with_probes(network).weights()
    found = []
    for name, theirs in keras.items():
        kind, _, which = name.partition("/")
        if kind == "input":
            if f"{PROBE}{which}/kernel" not in probes:
                continue
            which, theirs = f"{PROBE}{which}/kernel", of_probe(made.inputs[which], theirs)
        if not np.isfinite(theirs).all():
            continue
        if which not in made.found:
            found += [f"{name}: no gradient, Keras has one"] if theirs.any() else []
            continue
        largest = np.abs(theirs).max(initial=0)
        apart = np.abs(made.found[which] - theirs).max(initial=0)
        if not apart <= SHARE * largest + NOISES * made.noise[which]:
            what = f"{apart:.1e} apart, the largest is {largest:.1e}, its noise {made.noise[which]:.1e}"
            found.append(f"{name}: {what}")
    return found


@pytest.mark.parametrize("key", COMPARED)
def test_gradients_agree_with_keras(key: str) -> None:
    """Where an output has a derivative; those of what is random in training are compared in test_randomness.

    A layer that never learns may be refused, and nothing else for its sake.
    """
    network = network_of(key)
    if not cotangents(network, compared_case(network)):
        assert not file_of(key).exists()
        return
    network, keras, wanted = recorded(key)
    make: Any = learning_net if is_random_in_keras(key) else Gradients
    try:
        made = make(network, wanted, rules_of(key))
    except Unsupported as refusal:
        if all(classes and classes <= NEVER for classes in map(named_by(network), refusal.problems)):
            return
        raise
    if make is learning_net:
        assert made.is_random
        return
    assert made.found or not wanted
    assert not departures(network, made, keras)


@pytest.mark.parametrize("key", [key for key in CASES if key in REFUSED])
def test_what_cannot_learn_is_refused(key: str) -> None:
    network, _, wanted = recorded(key)
    with pytest.raises(Unsupported, match=REFUSED[key]):
        Gradients(network, wanted, rules_of(key))


def test_the_support_table_says_what_does_not_learn() -> None:
    refused = set().union(*(named_in_refusal(key) for key in CASES if may_be_refused(key)))
    without_row = {name for name in refused if RULES[name].family == "categories"}
    assert refused - without_row | WITHOUT_CASES == {name for name, rule in RULES.items() if rule.learns != "yes"}


def may_be_refused(key: str) -> bool:
    """Whether a case is refused for a layer's sake, or holds one that never learns.

    Too many axes for a loss an output of any layer may have; the documentation says so.
    """
    if key in REFUSED:
        return "losses take" not in REFUSED[key]
    network = network_of(key)
    never = any(layer.class_name in NEVER for layer in network.layers.values())
    return never and bool(cotangents(network, compared_case(network)))


def named_in_refusal(key: str) -> set[str]:
    """The classes of the layers that the case's refusal names, where it is refused."""
    network, _, wanted = recorded(key)
    try:
        learning_net(network, wanted, rules_of(key))
    except Unsupported as refusal:
        return set().union(*map(named_by(network), refusal.problems))
    return set()


def named_by(network: Network) -> Callable[[Problem], set[str]]:
    """What tells the classes of the layers that a problem names."""

    def classes(problem: Problem) -> set[str]:
        return {
            network.layers[call.layer].class_name
            for call in network.calls
            if problem.where == call.name or problem.where.endswith(repr(call.layer))
        }

    return classes


@pytest.mark.parametrize(
    "key", ["core/dense_softmax", "recurrent/lstm_sequences", "attention/multi_head", "convolutions/conv2d_same"]
)
def test_a_wrong_gradient_is_found(key: str) -> None:
    """Each gradient but those that are noise: a thousandth larger in one number, without its smaller half, reversed."""
    network, keras, wanted = recorded(key)
    made = Gradients(network, wanted, rules_of(key))
    assert not departures(network, made, keras)
    changed = 0
    for name, right in keras.items():
        if np.abs(right).max() < 1e-5:
            assert name.endswith("key_dense/bias")
            continue
        larger = np.where(np.abs(right) == np.abs(right).max(), right * np.float32(1.001), right)
        halved = np.where(np.abs(right) < np.median(np.abs(right)), 0, right)
        for wrong in (larger, halved, -right):
            assert departures(network, made, {**keras, name: wrong}), name
        changed += 1
    assert changed >= 3


@pytest.mark.parametrize("key", [key for key in COMPARED if zlib.crc32(key.encode()) % 5 == 0])
def test_what_learns_has_the_same_gradient_where_the_rest_is_frozen(key: str) -> None:
    """NeoML builds, wakes and stores other layers for each choice of what learns."""
    if not file_of(key).exists() or is_random_in_keras(key):
        return
    network, _, wanted = recorded(key)
    names = sorted(wanted)
    if len(names) < 2:
        return
    whole = Gradients(network, wanted, rules_of(key))
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    part = set(rng.choice(names, rng.integers(1, len(names)), replace=False).tolist())
    alone = Gradients(network, part, rules_of(key))
    assert part <= set(alone.found) or not part & set(whole.found)
    for name, found in alone.found.items():
        largest = np.abs(whole.found[name]).max(initial=0)
        apart = np.abs(found - whole.found[name]).max(initial=0)
        assert apart <= SHARE * largest + NOISES * whole.noise[name], name


def statistics_in(network: Network) -> dict[str, Array]:
    return {name: array for name, array in network.weights().items() if "/moving_" in name}


@pytest.mark.parametrize("key", BY_BATCHES)
def test_gradients_by_the_statistics_of_a_batch_agree_with_keras(key: str) -> None:
    network, _, wanted = recorded(key)
    with np.load(GRADIENTS / f"{key.replace('/', '--')}--training.npz") as file:
        keras = dict(file)
    after = {name[len("moved/") :]: keras.pop(name) for name in list(keras) if name.startswith("moved/")}
    if key in REFUSED_BY_BATCHES:
        with pytest.raises(Unsupported, match=REFUSED_BY_BATCHES[key]):
            Gradients(network, wanted, rules_of(key), statistics_in(network))
        return
    made = Gradients(network, wanted, rules_of(key), statistics_in(network))
    assert not departures(network, made, keras)
    if "_masked_" not in key:
        assert departures(network, Gradients(network, wanted, rules_of(key)), keras), "its stored statistics do as well"
    net = learning_net(network, wanted, rules_of(key), statistics_in(network))
    net.gradients(made.inputs, made.derivatives)
    for name, array in after.items():
        np.testing.assert_allclose(net.theta.arrays[name], array, rtol=2e-6, atol=2e-7, err_msg=name)
        assert not np.allclose(statistics_in(network)[name], array, rtol=1e-5), name
