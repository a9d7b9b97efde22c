"""Short runs of `tests.endurance`: threads, forks, loads and shapes, without growth."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import porting

from . import endurance
from .endurance import TUTORIAL, ids_of, same

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
# What a quarter may add: a leak of a net of 10 KB a time would add more.
MOST_MIB = 2.0


@pytest.fixture(params=["neoml", "numpy", "stored"])
def net(request: pytest.FixtureRequest, tmp_path: Path) -> porting.PortedNetwork:
    return porting.load(*source_of(request.param, tmp_path))


def source_of(kind: str, folder: Path) -> tuple[Path, str]:
    """What to load, and the engine."""
    if kind == "stored":
        return porting.load(TUTORIAL, engine="neoml").store(folder / "net"), "neoml"
    return TUTORIAL, kind


def alone(work: Callable[..., list[float]], *arguments: Any) -> list[float]:
    """Work in a process of its own: what others have freed in this one would hide what is not given back."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def shapes(source: Path, engine: str, count: int) -> list[float]:
    return endurance.shapes(porting.load(source, engine=engine), count)


def leaks(count: int) -> list[float]:
    kept: list[bytearray] = []
    return endurance.in_quarters("leaks", count, lambda number: kept.append(bytearray(1 << 18)))


def grows(quarters: list[float]) -> bool:
    return quarters[-1] - quarters[0] > MOST_MIB


@pytest.mark.parametrize("kind", ["neoml", "numpy", "stored"])
def test_loading_again_and_again_takes_no_more_memory(kind: str, tmp_path: Path) -> None:
    assert not grows(alone(endurance.loads, *source_of(kind, tmp_path), 60))


@pytest.mark.parametrize("kind", ["neoml", "numpy", "stored"])
def test_ever_new_shapes_take_no_more_memory(kind: str, tmp_path: Path) -> None:
    assert not grows(alone(shapes, *source_of(kind, tmp_path), 200))


def test_growth_is_seen() -> None:
    """The negative control."""
    assert grows(alone(leaks, 40))


def test_eight_threads_get_what_one_gets(net: porting.PortedNetwork) -> None:
    endurance.threads(net, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_children_of_a_busy_process_predict(net: porting.PortedNetwork) -> None:
    endurance.forks(net, 4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_does_not_wait_for_what_a_thread_held(tmp_path: Path) -> None:
    """A thread is in the middle of a run, and holds the pool's lock, as the process forks."""
    net = porting.load(TUTORIAL, engine="neoml")
    ids = ids_of(0, 5, 3)
    wanted = net.predict(ids)
    inside, leave = threading.Event(), threading.Event()
    pool = net.engine._nets.predicting  # type: ignore[attr-defined]

    def hold() -> None:
        with pool.borrowed(), pool._changed:
            inside.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(60)
    child = os.fork()
    if child == 0:
        endurance.signal.alarm(30)
        os._exit(0 if same(net.predict(ids), wanted) else 1)
    status = os.waitpid(child, 0)[1]
    leave.set()
    holder.join()
    assert status == 0
