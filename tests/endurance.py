"""One process for long: ``python -m tests.endurance`` loads again and again, runs ever new shapes, threads and forks.

Prints what the process's memory was after each quarter of the work. `--times 0.01` does a hundredth of it.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import porting

TUTORIAL = Path(__file__).parent.parent / "saved_weights" / "tutorial"
SECONDS_OF_A_CHILD = 30


def resident() -> float:
    """The memory of this process that is not shared with files, in MiB."""
    gc.collect()
    fields = Path("/proc/self/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 2**20


def in_quarters(what: str, count: int, step: Callable[[int], object]) -> list[float]:
    """Do a step `count` times; the memory after each quarter, in MiB."""
    started = time.perf_counter()
    found = []
    for number in range(count):
        step(number)
        if (number + 1) % max(1, count // 4) == 0:
            found.append(resident())
    shown = ", ".join(f"{one:.1f}" for one in found)
    print(f"{count:6} {what:34} {time.perf_counter() - started:6.1f} s; MiB after each quarter: {shown}", flush=True)
    return found


def ids_of(seed: int, rows: int, length: int) -> Any:
    return np.random.default_rng(seed).integers(0, 5, (rows, length))


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other))


def loads(source: Path, engine: str, count: int) -> list[float]:
    name = "stored net" if source.is_file() else f"folder, {engine}"
    return in_quarters(
        f"loads of a {name}", count, lambda number: porting.load(source, engine=engine).predict(ids_of(0, 3, 4))
    )


def shapes(net: porting.PortedNetwork, count: int) -> list[float]:
    """New shapes of up to 64 × 64, never one twice in a row."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 65, (count, 2))
    return in_quarters(
        f"shapes, {net.engine.name}", count, lambda number: net.predict(ids_of(number, *sizes[number]), threads=1)
    )


def threads(net: porting.PortedNetwork, count: int) -> list[float]:
    """Eight threads on one network; every answer is compared with that of one thread."""
    batches = [ids_of(seed, 1 + seed % 9, 1 + seed % 7) for seed in range(40)]
    wanted = [net.predict(batch, batch_size=4, threads=1) for batch in batches]

    def step(number: int) -> None:
        with ThreadPoolExecutor(8) as pool:
            for got, want in zip(pool.map(lambda batch: net.predict(batch, batch_size=4), batches), wanted):
                assert same(got, want)

    return in_quarters("rounds of 40 batches in 8 threads", count, step)


def forks(net: porting.PortedNetwork, count: int, busy: int = 2) -> list[float]:
    """Children of a process whose threads are predicting; each has to answer, and to answer the same."""
    ids = ids_of(1, 32, 6)
    wanted = net.predict(ids, batch_size=8, threads=1)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            net.predict(ids, batch_size=4, threads=2)

    def step(number: int) -> None:
        child = os.fork()
        if child == 0:
            signal.alarm(SECONDS_OF_A_CHILD)
            os._exit(0 if same(net.predict(ids, batch_size=8), wanted) else 1)
        assert os.waitpid(child, 0)[1] == 0

    workers = [threading.Thread(target=work) for _ in range(busy)]
    for worker in workers:
        worker.start()
    try:
        return in_quarters(f"forks beside {busy} busy threads", count, step)
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=float, default=1.0)
    times = parser.parse_args().times
    net, arrays = (porting.load(TUTORIAL, engine=engine) for engine in ("neoml", "numpy"))
    with tempfile.TemporaryDirectory() as room:
        stored = net.store(Path(room) / "net")
        for source, engine in ((TUTORIAL, "neoml"), (TUTORIAL, "numpy"), (stored, "neoml")):
            loads(source, engine, int(1000 * times))
        opened = porting.load(stored)
        for one in (net, arrays, opened):
            shapes(one, int(10_000 * times))
        threads(net, int(100 * times))
        threads(opened, int(100 * times))
    if hasattr(os, "fork"):
        forks(net, int(100 * times))


if __name__ == "__main__":
    main()
