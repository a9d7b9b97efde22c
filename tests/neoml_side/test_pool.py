"""Live nets and the threads that share them; large networks, of which there is one net at a time."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.neoml_side import engine
from porting.neoml_side.runtime import runner
from porting.neoml_side.runtime.pool import NetPool
from porting.neoml_side.stored import store as storing

TUTORIAL = Path(__file__).parent.parent.parent / "saved_weights" / "tutorial"
IDS = np.random.default_rng(0).integers(0, 5, (70, 6))


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Any:
    """How many nets there are; every network counts as large."""
    monkeypatch.setattr(engine, "LARGE_WEIGHTS", 0)
    monkeypatch.setattr(storing, "LARGE_WEIGHTS", 0)
    nets: weakref.WeakSet[Any] = weakref.WeakSet()
    make = runner.Runner.__init__

    def noted(self: Any, *arguments: Any) -> None:
        make(self, *arguments)
        nets.add(self)

    monkeypatch.setattr(runner.Runner, "__init__", noted)

    def count() -> int:
        gc.collect()
        return len(nets)

    return count


def test_a_large_network_has_one_net_at_a_time(alive: Any) -> None:
    net, arrays = porting.load(TUTORIAL, engine="neoml"), porting.load(TUTORIAL, engine="numpy")
    wanted = arrays.predict(IDS)
    for step in (net.predict, net.layer_outputs, net.predict):
        step(IDS)
        assert alive() == 1
    assert net.check().ok
    assert alive() == 1
    assert net.weights().keys() == arrays.weights().keys()
    assert alive() == 1
    for got, want in zip(net.predict(IDS, batch_size=5, threads=8), wanted):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert alive() == 1


def test_a_net_that_was_shown_is_kept(alive: Any) -> None:
    net = porting.load(TUTORIAL, engine="neoml")
    shown = net.dnn
    net.layer_outputs(IDS)
    assert alive() == 2
    net.check()
    assert net.dnn is shown


def test_threads_wait_for_the_only_net(alive: Any, tmp_path: Path) -> None:
    live = porting.load(TUTORIAL, engine="neoml")
    stored = porting.load(live.store(tmp_path / "net"))
    for net in (live, stored):
        batches = [IDS[at : at + 3] for at in range(0, 60, 3)]
        wanted = [net.predict(batch) for batch in batches]
        with ThreadPoolExecutor(8) as pool:
            for got, want in zip(pool.map(net.predict, batches), wanted):
                for one, other in zip(got, want):
                    np.testing.assert_array_equal(one, other)


def test_no_more_nets_are_made_than_there_may_be() -> None:
    made: list[object] = []

    class Net:
        def renew(self) -> None:
            pass

    def make() -> Net:
        made.append(Net())
        return made[-1]  # type: ignore[return-value]

    pool = NetPool(make, lambda: None, 2)
    at_once, most, lock = [0], [0], threading.Lock()

    def use(number: int) -> None:
        with pool.borrowed():
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            if number % 5 == 0:
                threading.Event().wait(0.002)
            with lock:
                at_once[0] -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(200)))
    assert most[0] <= 2
    assert len(made) <= 2
    for _ in range(5):
        with pytest.raises(ValueError, match="lost"), pool.borrowed():
            raise ValueError("lost")
    with pool.borrowed() as one, pool.borrowed() as other:
        assert one is not other


def test_a_net_that_cannot_be_copied_is_made_anew() -> None:
    class Net:
        def renew(self) -> None:
            raise RuntimeError("Assertion failed")

    pool = NetPool(Net, lambda: None)
    first = pool.first
    with pytest.raises(ValueError, match="lost"), pool.borrowed():
        raise ValueError("lost")
    assert pool.first is not first


@pytest.mark.parametrize("forked", [True, False])
def test_nets_of_the_process_before_a_fork_are_never_freed(forked: bool) -> None:
    """To free one may wait for a lock that a thread held there; dropped in their own process they are freed."""

    class Net:
        pass

    pool = NetPool(Net, lambda: None)
    first = weakref.ref(pool.first)
    if forked:
        pool._process, pool._lent = -1, 1
    else:
        pool.drop()
    assert pool.first is not None
    gc.collect()
    assert (first() is not None) is forked
    assert first() is not pool.first
