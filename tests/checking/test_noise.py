"""What float32 can hold: numbers move by a last bit, allowances follow, and a fault is not a noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from porting.checking import check_network
from porting.checking.noise import UNBOUNDED, generator, moves, nudged
from porting.checking.tolerance import TOLERANCE, Allowance, compare
from porting.checking.witness import Witness
from porting.engine_factory import make_engine
from porting.layers import RULES
from porting.network import Array, Call, Case, Input, Layer, Network, Noise, TensorRef
from tests.tampering import with_weight

ENGINES = ("numpy", "neoml")
X, Y = TensorRef("x"), TensorRef("dense")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_move_by_a_last_bit_and_data_stay(dtype: str) -> None:
    numbers = np.random.default_rng(1).normal(size=1000).astype(dtype)
    data = np.array([0, 1, -1, 0.5, 255, 7, np.inf, -np.inf, np.nan], dtype)
    last = max(np.finfo(dtype).eps, np.finfo(np.float32).eps)
    moved = nudged(numbers, generator(0))
    # Numbers that happen to be short stay, a few in float16.
    assert np.mean(moved != numbers) > 0.7
    assert np.all(np.abs(moved - numbers) <= last * np.abs(numbers))
    assert set(np.sign(moved - numbers).tolist()) == {-1.0, 0.0, 1.0} or dtype != "float16"
    assert np.array_equal(nudged(data, generator(0)), data, equal_nan=True)
    assert nudged(np.arange(3), generator(0)).tolist() == [0, 1, 2]
    assert np.array_equal(nudged(numbers, generator(0)), moved)


MOVED: dict[str, tuple[Array, Array, tuple[float, float]]] = {
    "nothing": (np.ones(3, np.float32), np.ones(3, np.float32), (0.0, 0.0)),
    "large numbers": (np.array([1001.0]), np.array([1000.0]), (1.0, 9.99e-4)),
    "small numbers": (np.array([2e-6]), np.array([1e-6]), (1e-6, 0.5)),
    "zeros": (np.zeros(2), np.zeros(2), (0.0, 0.0)),
    "a decision": (np.array([3]), np.array([1]), (2.0, 1.0)),
    "NaN": (np.array([np.nan]), np.array([1.0]), (UNBOUNDED, UNBOUNDED)),
    "NaN in the same place": (np.array([np.nan, 1.0]), np.array([np.nan, 1.0]), (0.0, 0.0)),
    "another shape": (np.zeros(2), np.zeros(3), (UNBOUNDED, UNBOUNDED)),
    "texts": (np.array(["a"], object), np.array(["b"], object), (UNBOUNDED, UNBOUNDED)),
}


@pytest.mark.parametrize("name", MOVED)
def test_moves(name: str) -> None:
    moved, kept, wanted = MOVED[name]
    assert moves(moved, kept) == pytest.approx(wanted, rel=1e-2)


def test_the_allowance_follows_noise_and_size() -> None:
    want = np.array([0.0, 1.0, 1000.0], np.float32)
    still = Allowance(0.0, (0.0, 0.0), 0.0).of(want)
    assert still[0] < 3e-6
    assert still[2] < 3e-3
    uneven = Allowance(0.0, (1e-3, 1e-3), 0.0).of(
        want
    )  # all of it at the small numbers: the large one has no right to more
    assert uneven[0] == pytest.approx(16e-3, rel=0.01)
    assert uneven[2] == pytest.approx(18e-3, rel=0.01)
    assert Allowance(TOLERANCE).of(want) == pytest.approx([1e-5, 2e-5, 1001e-5])
    assert Allowance(TOLERANCE, (0.0, 0.0)).of(np.array([1, 2])).tolist() == [0, 0]


def test_whole_numbers_that_keras_leaves_open_are_not_held_against_a_port() -> None:
    assert not compare(np.array([1, 2]), np.array([1, 3]), Allowance(TOLERANCE, (0.0, 0.0))).agrees
    assert compare(np.array([1, 2]), np.array([1, 3]), Allowance(TOLERANCE, (1.0, 1.0))).agrees


def dense(kernel: Array, inputs: list[Array], noise: bool) -> Network:
    """One Dense without bias; its references computed in float64 and rounded, their noise sampled as Keras' is."""
    layer = Layer(
        "dense", "Dense", {"units": kernel.shape[1], "activation": "linear", "use_bias": False}, {"kernel": kernel}
    )
    cases = []
    for number, x in enumerate(inputs):
        y = (x.astype(np.float64) @ kernel.astype(np.float64)).astype(np.float32)
        cases.append(Case(f"case {number}", {"x": x}, {Y: y}))
    inputs_of = (Input("x", (None, len(kernel))),)
    network = Network("net", inputs_of, (Call("dense", "dense", (X,)),), {"dense": layer}, Y, tuple(cases))
    if noise:
        witness, (call,) = Witness(network, RULES), network.calls
        measured = [Noise(witness.alone(call, case, Y), witness.chain(case, Y)) for case in cases]
        cases = [replace(case, noise={Y: one}) for case, one in zip(cases, measured)]
    return replace(network, cases=tuple(cases))


def cancelling(size: float) -> tuple[Array, list[Array]]:
    """Sums of terms of a size that cancel to about nothing."""
    random = np.random.default_rng(5)
    kernel = random.normal(size=(512, 8)).astype(np.float32)
    kernel = np.concatenate([kernel, -kernel * (1 + 0.01 * random.normal(size=kernel.shape))]).astype(np.float32)
    halves = [random.normal(size=(rows, 512)).astype(np.float32) * np.float32(size) for rows in (4, 1)]
    return kernel, [
        np.concatenate([x, x + np.float32(0.1 * size) * random.normal(size=x.shape).astype(np.float32)], 1)
        for x in halves
    ]


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_sums_that_cancel_are_exact(engine: str, noise: bool) -> None:
    network = dense(*cancelling(1000.0), noise)
    report = check_network(network, make_engine(network, engine, None))
    assert report.needed > TOLERANCE  # the negative control: what was allowed before does not do
    assert report.ok, str(report)
    assert report.proved
    assert bool(report.notes) != noise


FAULTS = {
    "rounded to float16": lambda kernel: kernel.astype(np.float16).astype(np.float32),
    "one weight by a hundredth": lambda kernel: (
        kernel * (1 + 0.01 * (np.arange(kernel.size) == 77).reshape(kernel.shape))
    ),
    "a row left out": lambda kernel: kernel * (np.arange(len(kernel)) != 3)[:, None],
}


@pytest.mark.parametrize("size", [1000.0, 1.0, 1e-3])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("engine", ENGINES)
def test_faults_do_not_hide_behind_noise(engine: str, fault: str, size: float) -> None:
    network = dense(*cancelling(size), noise=True)
    wrong = with_weight(network, "dense", "kernel", lambda kernel: FAULTS[fault](kernel).astype(np.float32))
    report = check_network(network, make_engine(wrong, engine, None))
    assert [layer.status for layer in report.layers] == ["departs"]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_keras_leaves_open_is_ill_conditioned_and_no_departure(engine: str) -> None:
    kernel, inputs = cancelling(1.0)
    network = dense(kernel, inputs, noise=True)
    chaotic = Noise((1.0, 1.0), (1.0, 1.0))
    cases = tuple(replace(case, noise={Y: chaotic}) for case in network.cases)
    report = check_network(replace(network, cases=cases), make_engine(network, engine, None))
    assert [layer.status for layer in report.layers] == ["ill-conditioned"]
    assert (report.ok, report.proved, report.counts["ill-conditioned"]) == (True, False, 1)
    assert "ill-conditioned" in str(report)
    # One calm case proves it, and the others are named.
    both = (network.cases[0], replace(cases[0], name="a wild one"))
    calm = check_network(replace(network, cases=both), make_engine(network, engine, None))
    assert calm.proved
    assert next(note for note in calm.remarks() if f"leaves {Y} open" in note).startswith("a wild one: ")


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_values_that_are_handed_on_are_allowed_what_they_were_allowed_before(engine: str, noise: bool) -> None:
    """Of few numbers no moves may have been found where a port's are."""
    network = followed_by(Layer("after", "Reshape", {"target_shape": [2, 4]}), (2, 4), noise)
    report = check_network(network, make_engine(network, engine, None))
    assert report.needed > TOLERANCE  # the negative control: it takes what was allowed before
    assert report.proved, str(report)
    other = followed_by(Layer("after", "Activation", {"activation": "linear"}), (8,), noise=True)
    report = check_network(other, make_engine(other, engine, None))
    assert [layer.status for layer in report.layers] == ["exact", "departs in the chain"]


def followed_by(after: Layer, shape: tuple[int, ...], noise: bool) -> Network:
    """Sums that cancel, and a layer that hands them on, which is said to have moved by nothing."""
    network = dense(*cancelling(1000.0), noise)
    ref = TensorRef("after")
    cases = tuple(
        replace(
            case,
            outputs={**case.outputs, ref: case.outputs[Y].reshape(-1, *shape)},
            noise={**case.noise, ref: Noise((0.0, 0.0), (0.0, 0.0))} if noise else {},
        )
        for case in network.cases
    )
    calls = (*network.calls, Call("after", "after", (Y,)))
    return replace(network, calls=calls, layers={**network.layers, "after": after}, outputs=ref, cases=cases)
