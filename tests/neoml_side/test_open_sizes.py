"""Networks whose layers hang on open sizes: a net is built for each size that comes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from click.testing import CliRunner

import porting
from porting.archive import write_network
from porting.checking import needed_tolerance
from porting.cli.commands import porting as command_line
from porting.engine_factory import make_engine
from porting.errors import Problem
from porting.neoml_side.sized import LEAST_COST, ROOM, BySize
from porting.network import Call, Case, Input, Layer, Network, TensorRef
from porting.ported import PortedNetwork

SAME = {"padding": "same", "data_format": "channels_last"}
CONV = {**SAME, "strides": 2, "filters": 4, "kernel_size": 3, "dilation_rate": 1, "groups": 1, "use_bias": False}
SIZES = ((8, 8), (7, 9), (1, 1), (2, 13), (16, 3))
NOISE = 5e-6
# More than are kept.
OTHERS = tuple((n, n + 1) for n in range(4, 5 + ROOM // LEAST_COST))


def picture(size: Sequence[int], rows: int = 2) -> np.ndarray:
    return np.random.default_rng(sum(size)).normal(size=(rows, *size, 3)).astype("float32")


def network(window: int = 2, **changed: Any) -> Network:
    """A convolution of stride 2 with `same` padding, and a pool behind it; references at two sizes."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype("float32")
    pool = {**SAME, "pool_size": window, "strides": 2, **changed}
    layers = {
        "conv": Layer("conv", "Conv2D", {**CONV, "activation": "relu"}, {"kernel": kernel}),
        "pool": Layer("pool", "MaxPooling2D", pool),
    }
    x, conv, last = TensorRef("x"), TensorRef("conv"), TensorRef("pool")
    calls = (Call("conv", "conv", (x,)), Call("pool", "pool", (conv,)))
    net = Network("pictures", (Input("x", (None, None, None, 3)),), calls, layers, last)
    cases = []
    for size in ((8, 8), (5, 6)):
        outputs = make_engine(net, "numpy", None).run({"x": picture(size)})
        cases.append(Case(str(size), {"x": picture(size)}, outputs))
    return replace(net, cases=tuple(cases))


@pytest.fixture(scope="module")
def net() -> PortedNetwork:
    return on(network(), "neoml")


def on(whole: Network, engine: str) -> PortedNetwork:
    return PortedNetwork(whole, make_engine(whole, engine, None))


def by_numpy(x: np.ndarray) -> np.ndarray:
    made: np.ndarray = on(network(), "numpy").predict(x)
    return made


def agree(got: np.ndarray, x: np.ndarray) -> bool:
    return needed_tolerance(got, by_numpy(x)) < NOISE


def test_every_size_gives_what_numpy_gives(net: PortedNetwork) -> None:
    for size in (*SIZES, *OTHERS, *SIZES):
        assert agree(net.predict(picture(size)), picture(size)), size
        every = net.layer_outputs(picture(size))
        wanted = on(network(), "numpy").layer_outputs(picture(size))
        assert every.keys() == wanted.keys()
        assert all(needed_tolerance(every[name], wanted[name]) < NOISE for name in wanted)
    assert net.check().ok


def test_a_net_of_another_size_gives_other_numbers(net: PortedNetwork) -> None:
    """The negative control: what was built for (8, 8) pads another side of (7, 9)."""
    nets = net.engine._nets  # type: ignore[attr-defined]
    got = nets.run(nets.predicting, {"x": picture((7, 9))})[TensorRef("pool")]
    assert not agree(got, picture((7, 9)))


def test_threads_with_sizes_of_their_own() -> None:
    net = on(network(), "neoml")
    given = [picture(size, rows=9) for size in SIZES for _ in range(3)]
    found: list[Optional[np.ndarray]] = [None] * len(given)

    def run(at: int) -> None:
        found[at] = net.predict(given[at], batch_size=2, threads=2)

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(got is not None and agree(got, x) for got, x in zip(found, given))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_is_given_nets_while_a_thread_holds_the_lock(net: PortedNetwork) -> None:
    by_size = net.engine._by_size  # type: ignore[attr-defined]
    wanted = [by_numpy(picture(size)) for size in ((6, 6), (8, 8))]
    with by_size._lock:
        child = os.fork()
        if child == 0:
            got = [net.predict(picture(size), threads=1) for size in ((6, 6), (8, 8))]
            os._exit(0 if all(needed_tolerance(*pair) < 1e-6 for pair in zip(got, wanted)) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_sizes_asked_for_last_are_kept() -> None:
    made: list[Any] = []
    costs = {1: 3 * LEAST_COST, 2: 0, 3: 0, 9: 99 * LEAST_COST}

    def make(sizes: Any) -> Any:
        made.append(sizes[0][0])
        return sizes

    kept = BySize(make, lambda sizes: costs[sizes[0][0]], 5 * LEAST_COST)
    for number in (2, 1, 3, 1, 2):
        kept[(number,),]
    assert made == [2, 1, 3]
    kept[(9,),]
    assert list(kept) == [((9,),)]
    for number in (2, 1, 2, 3, 2):
        kept[(number,),]
    assert made == [2, 1, 3, 9, 2, 1, 3]
    assert list(kept) == [((1,),), ((3,),), ((2,),)]


def test_weights_are_the_same_whatever_was_run(net: PortedNetwork) -> None:
    wanted = network().weights()["conv/kernel"]
    for size in SIZES:
        net.predict(picture(size))
        np.testing.assert_array_equal(net.weights()["conv/kernel"], wanted)
    assert net.dnn is net.dnn


def test_weights_changed_by_hand_are_those_of_every_size(tmp_path: Path) -> None:
    import neoml

    net, kernel = on(network(), "neoml"), network().weights()["conv/kernel"]
    net.predict(picture((7, 9)))
    layer = net.dnn.layers["conv"]
    before = layer.filter.asarray(copy=True, keep_dims=True)
    for factor in (2, 3):
        layer.filter = neoml.Blob.asblob(net.engine.math_engine, factor * before, before.shape, True)  # type: ignore[attr-defined]
        wanted = on(network().with_weights({"conv/kernel": factor * kernel}), "numpy")
        stored = porting.load(net.store(tmp_path / str(factor), shape=(7, 9, 3)))
        for size in ((7, 9), (8, 8), (3, 4)):
            assert needed_tolerance(net.predict(picture(size)), wanted.predict(picture(size))) < NOISE
        assert needed_tolerance(stored.predict(picture((7, 9))), wanted.predict(picture((7, 9)))) < NOISE


def test_what_no_size_mends_is_what_is_named() -> None:
    whole = network()
    odd = {"conv": replace(whole.layers["conv"], config={**whole.layers["conv"].config, "brightness": 3})}
    with pytest.raises(porting.Unsupported, match="brightness=3") as caught:
        on(replace(whole, layers={**whole.layers, **odd}), "neoml")
    assert "open" not in str(caught.value)


def test_a_size_that_a_window_does_not_fit_is_refused() -> None:
    net = on(network(3, padding="valid"), "neoml")
    x = picture((6, 6))
    assert net.predict(x).shape == (2, 1, 1, 4)
    with pytest.raises(porting.Mismatch, match=r"inputs x \(None, 4, 9, 3\): MaxPooling2D 'pool': a window of 3"):
        net.predict(picture((4, 9)))
    np.testing.assert_array_equal(net.predict(x).shape, (2, 1, 1, 4))


def test_axes_that_are_one_only_when_a_net_runs_are_spread() -> None:
    """Two series of open lengths, of which one has a single step: the net for every length multiplies equal ones."""
    layers = {"times": Layer("times", "Multiply")}
    inputs = (Input("x", (None, None, 2)), Input("y", (None, None, 2)))
    calls = (Call("times", "times", ((TensorRef("x"), TensorRef("y")),)),)
    net = on(Network("product", inputs, calls, layers, TensorRef("times")), "neoml")
    rng = np.random.default_rng(0)
    for first, second in ((3, 3), (3, 1), (1, 3), (1, 1), (3, 3)):
        x, y = (rng.normal(size=(4, steps, 2)).astype("float32") for steps in (first, second))
        np.testing.assert_array_equal(net.predict([x, y]), x * y)
        np.testing.assert_array_equal(net.layer_outputs([x, y])["times:0"], x * y)
    with pytest.raises(porting.Mismatch, match="cannot run the network on these inputs"):
        net.predict([np.ones((4, 3, 2)), np.ones((4, 2, 2))])


def test_store_names_the_size_that_it_stores(net: PortedNetwork, tmp_path: Path) -> None:
    with pytest.raises(porting.Unsupported, match=r"an archive holds the net of one size.*\n.*shape=\(8, 8, 3\)"):
        net.store(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []
    stored = porting.load(net.store(tmp_path / "net", shape=(7, 9, 3)))
    assert stored.network.inputs[0].shape == (None, 7, 9, 3)
    assert agree(stored.predict(picture((7, 9), rows=5)), picture((7, 9), rows=5))
    with pytest.raises(porting.Mismatch, match=r"has shape \(2, 8, 8, 3\), needs \(any, 7, 9, 3\)"):
        stored.predict(picture((8, 8)))
    assert stored.check().ok
    again = porting.load(stored.store(tmp_path / "again", shape={"x": [8, 8, 3]}))
    assert agree(again.predict(picture((8, 8))), picture((8, 8)))


def test_a_net_for_every_size_may_be_stored_for_one(tmp_path: Path) -> None:
    whole = network(strides=1)
    ones = replace(whole.layers["conv"], config={**whole.layers["conv"].config, "strides": 1})
    net = on(replace(whole, layers={**whole.layers, "conv": ones}, cases=()), "neoml")
    assert porting.load(net.store(tmp_path / "open")).network.inputs[0].shape == (None, None, None, 3)
    fixed = porting.load(net.store(tmp_path / "fixed", shape=(7, 9, 3)))
    np.testing.assert_array_equal(fixed.predict(picture((7, 9))), net.predict(picture((7, 9))))


@pytest.mark.parametrize(
    "shape", [(7, 9), (7, 9, 4), (0, 9, 3), (7.0, 9, 3), (None, 9, 3), "7", 7, {"y": (7, 9, 3)}, [(7, 9, 3), (1,)], {}]
)
def test_shapes_that_are_none_are_refused(net: PortedNetwork, shape: Any, tmp_path: Path) -> None:
    with pytest.raises(porting.Mismatch) as caught:
        net.store(tmp_path / "net", shape=shape)
    assert all(isinstance(one, Problem) and one.where == "shape" for one in caught.value.problems)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_says_so_and_takes_a_shape(tmp_path: Path) -> None:
    folder, out = write_network(network(), tmp_path / "folder"), tmp_path / "net"

    def run(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(command_line, [str(word) for word in words])
        return done.exit_code, " ".join(done.output.split())

    code, text = run("plan", folder)
    assert code == 0
    assert "built anew for each size" in text
    assert "(None, 4, 4, 4)" in text
    code, text = run("build", folder, "--out", out)
    assert code == 2
    assert "--shape" in text
    for told, wanted in (("7,9", 1), ("x=7,9,3x", 2), ("x=7,9,3", 0)):
        assert run("build", folder, "--out", out, "--shape", told)[0] == wanted
    assert agree(porting.load(out).predict(picture((7, 9))), picture((7, 9)))


# ---- training


def with_dense(whole: Network) -> Network:
    """The mean over what is left of a picture, and a dense layer: one number a picture."""
    dense = {"units": 1, "activation": "linear", "use_bias": True}
    weights = {"kernel": np.full((4, 1), 0.5, np.float32), "bias": np.zeros(1, np.float32)}
    layers = {
        **whole.layers,
        "mean": Layer("mean", "GlobalAveragePooling2D", {"data_format": "channels_last", "keepdims": False}),
        "dense": Layer("dense", "Dense", dense, weights),
    }
    calls = (*whole.calls, Call("mean", "mean", (TensorRef("pool"),)), Call("dense", "dense", (TensorRef("mean"),)))
    return replace(whole, calls=calls, layers=layers, outputs=TensorRef("dense"))


def labels(rows: int) -> np.ndarray:
    return np.linspace(-1, 1, rows, dtype=np.float32)[:, None]


def trained(sizes: Sequence[Sequence[int]], **settings: Any) -> PortedNetwork:
    net = on(with_dense(network()), "neoml")
    net.compile(loss="mse", **settings)
    for size in sizes:
        net.train_on_batch(picture(size, rows=4), labels(4))
    return net


def same_weights(net: PortedNetwork, wanted: PortedNetwork, tolerance: float = 1e-6) -> bool:
    found = wanted.weights()
    return all(needed_tolerance(array, found[name]) < tolerance for name, array in net.weights().items())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_of_changing_sizes_are_one_training(optimizer: str, tmp_path: Path) -> None:
    """NeoML's solvers keep weights and momenta in a net; what is done step by step outside knows of one vector only."""
    sizes = [(8, 8), (7, 9), (7, 9), (8, 8), *OTHERS, (8, 8), (7, 9)]
    by_solvers, outside = (
        trained(sizes, optimizer=optimizer),
        trained(sizes, optimizer=optimizer, learning_rates={"conv": 0.01 if optimizer == "sgd" else 0.001}),
    )
    assert by_solvers._trainer is not None
    assert by_solvers._trainer.learner._last.steps_by_itself
    assert outside._trainer is not None
    assert not outside._trainer.learner._last.steps_by_itself
    assert same_weights(by_solvers, outside)
    stored = porting.load(by_solvers.store(tmp_path / "net", shape=(7, 9, 3)))
    np.testing.assert_array_equal(stored.predict(picture((7, 9))), by_solvers.predict(picture((7, 9))))
    assert not same_weights(by_solvers, trained(sizes[:-1], optimizer=optimizer))
    assert by_solvers.check().ok


def test_batches_of_one_size_learn_as_in_a_net_for_it() -> None:
    whole = with_dense(network())
    fixed = on(replace(whole, inputs=(Input("x", (None, 7, 9, 3)),), cases=()), "neoml")
    fixed.compile("adam", "mse")
    for _ in range(3):
        fixed.train_on_batch(picture((7, 9), rows=4), labels(4))
    assert same_weights(trained([(7, 9)] * 3, optimizer="adam"), fixed)


def test_fit_takes_batches_of_any_size_and_refuses_what_has_none() -> None:
    net = on(with_dense(network(3, padding="valid")), "neoml")
    batches = [(picture(size, rows=4), labels(4)) for size in ((6, 6), (12, 9), (9, 12))]
    history = net.fit(batches, epochs=3, verbose=0, loss="mse", optimizer="adam", validation_data=batches[:1])
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    before = net.weights()
    with pytest.raises(porting.Mismatch, match=r"inputs x \(None, 4, 9, 3\): MaxPooling2D 'pool': a window of 3"):
        net.train_on_batch(picture((4, 9), rows=4), labels(4))
    for name, array in net.weights().items():
        np.testing.assert_array_equal(array, before[name])
