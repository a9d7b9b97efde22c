"""Ported networks in pickles, copies and pools of processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting

ROOT = Path(__file__).parent.parent
SAVED = ROOT / "saved_weights"
RULES = ROOT / "scripts" / "attention_rules.py"
TEXTS = ["an arcade game", "a library for numbers", "чатбот"]
QUIET = {"verbose": 0}


def ids(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, (6, 7)).astype(np.int32)


def tutorial(engine: str) -> porting.PortedNetwork:
    return porting.load(SAVED / "tutorial", engine=engine)


def texts(engine: str) -> porting.PortedNetwork:
    return porting.load(SAVED / "filter", engine=engine)


def by_own_rules(engine: str) -> porting.PortedNetwork:
    return porting.load(SAVED / "attention", engine=engine, rules=RULES)


def inputs_of(net: porting.PortedNetwork) -> Any:
    return net.network.cases[0].inputs if net.network.cases else None


def same(one: Any, other: Any) -> None:
    left, right = (made if isinstance(made, list) else [made] for made in (one, other))
    assert len(left) == len(right)
    for a, b in zip(left, right):
        assert a.tobytes() == b.tobytes()


WAYS: list[Callable[[Any], Any]] = [lambda net: pickle.loads(pickle.dumps(net)), copy.deepcopy, copy.copy]


@pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy", "copy"])
@pytest.mark.parametrize("engine", ["numpy", "neoml"])
@pytest.mark.parametrize("make", [tutorial, texts, by_own_rules], ids=lambda make: make.__name__)
def test_a_copy_is_the_same_network(
    make: Callable[[str], porting.PortedNetwork], engine: str, way: Callable[[Any], Any]
) -> None:
    net = make(engine)
    made = way(net)
    assert (made.engine.name, made.engine.device) == (engine, "cpu")
    same(made.predict(inputs_of(net)), net.predict(inputs_of(net)))
    assert made.check().proved


def tuned() -> porting.PortedNetwork:
    net = porting.load(SAVED / "sentiment", engine="neoml")
    x = np.random.default_rng(1).integers(1, 100, (16, 9)).astype(np.int32)
    net.fit(x, np.ones((16, 1), np.float32), loss="binary_crossentropy", optimizer="sgd", **QUIET)
    return net


@pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy", "copy"])
def test_what_was_learnt_goes_along(way: Callable[[Any], Any]) -> None:
    net = tuned()
    x = np.random.default_rng(2).integers(1, 100, (5, 6)).astype(np.int32)
    made = way(net)
    assert (net.predict(x) != porting.load(SAVED / "sentiment", engine="neoml").predict(x)).any()
    same(made.predict(x), net.predict(x))
    for name, array in net.weights().items():
        assert made.weights()[name].tobytes() == array.tobytes(), name
    assert made.history.history == net.history.history
    # Its references are Keras' no more: they are computed anew, as before the copy.
    assert made.check().ok
    with pytest.raises(porting.Unsupported, match="loss: is missing"):
        made.fit(x, np.ones((5, 1), np.float32), **QUIET)


def test_copies_learn_apart() -> None:
    net = tuned()
    made = copy.deepcopy(net)
    before = net.weights()
    x = np.random.default_rng(2).integers(1, 100, (8, 6)).astype(np.int32)
    made.fit(x, np.zeros((8, 1), np.float32), loss="binary_crossentropy", **QUIET)
    assert any((made.weights()[name] != array).any() for name, array in before.items())
    for name, array in net.weights().items():
        assert array.tobytes() == before[name].tobytes(), name


def test_weights_changed_by_hand_go_along() -> None:
    import neoml

    net = tutorial("neoml")
    layer = net.dnn.layers["dense"]
    moved = layer.weights.asarray(copy=True, keep_dims=True) + 1
    layer.weights = neoml.Blob.asblob(net.engine.math_engine, moved, moved.shape, True)  # type: ignore[attr-defined]
    made = pickle.loads(pickle.dumps(net))
    same(made.predict(ids()), net.predict(ids()))
    assert not made.check().ok


@pytest.mark.parametrize("with_network", [True, False], ids=["whole", "alone"])
@pytest.mark.parametrize("name", ["tutorial", "filter"])
def test_a_stored_net_needs_its_files_no_more(name: str, with_network: bool, tmp_path: Path) -> None:
    source = porting.load(SAVED / name, engine="neoml")
    net = porting.load(source.store(tmp_path / "net", with_network=with_network))
    given = inputs_of(source)
    wanted, row_by_row = net.predict(given), net.predict(given, batch_size=1)
    packed = pickle.dumps(net)
    for path in tmp_path.iterdir():
        path.unlink()
    made = pickle.loads(packed)
    same(made.predict(given), wanted)
    again = pickle.loads(pickle.dumps(made))
    same(again.predict(given, batch_size=1, threads=2), row_by_row)
    if with_network:
        assert made.check().ok
        return
    with pytest.raises(porting.Unsupported, match="came out of a pickle without its network"):
        made.weights()


def test_an_archive_that_was_changed_is_not_pickled(tmp_path: Path) -> None:
    path = tutorial("neoml").store(tmp_path / "net", with_network=False)
    net = porting.load(path)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(porting.BadArchive, match="sha256 differs"):
        pickle.dumps(net)


def test_rules_that_were_registered_go_along(tmp_path: Path) -> None:
    """A module of rules is imported where the pickle is opened, as pickle imports any function's module."""
    (tmp_path / "own_rules_for_pickles.py").write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")
    head = f"import pickle, sys; sys.path.insert(0, {str(tmp_path)!r}); import porting; "
    folder, kept = str(SAVED / "attention"), str(tmp_path / "kept")
    run = [
        f"import own_rules_for_pickles; net = porting.load({folder!r}, 'numpy'); "
        f"pickle.dump(net, open({kept!r}, 'wb'))",
        f"print(pickle.load(open({kept!r}, 'rb')).check().proved)",
    ]
    for code in run:
        done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"


def test_a_rule_file_that_is_gone_is_named(tmp_path: Path) -> None:
    rules = tmp_path / "rules.py"
    rules.write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")
    packed = pickle.dumps(porting.load(SAVED / "attention", engine="numpy", rules=rules))
    rules.unlink()
    with pytest.raises(porting.Unsupported, match="is not a file"):
        pickle.loads(packed)


def predicted(given: tuple[porting.PortedNetwork, np.ndarray]) -> Any:
    net, x = given
    return net.predict(x)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", sorted({"spawn", "fork"} & set(multiprocessing.get_all_start_methods())))
@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_networks_go_to_the_processes_of_a_pool(engine: str, method: str) -> None:
    net = tutorial(engine)
    batches = [ids(seed) for seed in range(4)]
    wanted = [net.predict(batch) for batch in batches]
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        for made, want in zip(pool.map(predicted, [(net, batch) for batch in batches]), wanted):
            same(made, want)


KEPT: dict[str, porting.PortedNetwork] = {}


def predicted_by_kept(x: np.ndarray) -> Any:
    return KEPT["net"].predict(x)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_forked_processes_share_a_network_that_has_run(engine: str) -> None:
    net = KEPT["net"] = tutorial(engine)
    batches = [ids(seed) for seed in range(4)]
    wanted = [net.predict(batch, threads=2, batch_size=3) for batch in batches]
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        for made, want in zip(pool.map(predicted_by_kept, batches), wanted):
            same(made, want)
