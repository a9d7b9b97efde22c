"""A corpus of twenty times the memory that a worker may take goes through it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster

import porting

from .files import SAVED, write_wide_rows

# Python, dask, Arrow and NeoML take about 200 MiB of it before there is any row; above four fifths dask gives no work.
LIMIT = 384 << 20
TIMES = 20
ROW = 64 << 10


@pytest.fixture
def client() -> Iterator[Any]:
    """Of one worker, which its nanny kills where it takes more."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit=LIMIT, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def process(client: Any) -> tuple[int, int]:
    """The worker's process, and the most memory that it has had."""
    ((number, status),) = client.run(lambda: (os.getpid(), Path("/proc/self/status").read_text())).values()
    return number, int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10


def held(client: Any, before: int) -> None:
    """The worker is the one that it was, and has stayed below its limit."""
    number, most = process(client)
    print(f"at most {most >> 20} of {LIMIT >> 20} MiB")
    assert number == before
    assert most < LIMIT


@pytest.mark.parametrize("dictionary", [False, True])
def test_files(client: Any, tmp_path: Path, dictionary: bool) -> None:
    """Rows of 64 KiB beside their texts; a value that stands in a file once is no smaller in memory."""
    rows = TIMES * LIMIT // ROW
    write_wide_rows(tmp_path / "in", rows, ROW, group=4096, dictionary=dictionary)
    before, _ = process(client)
    address = client.scheduler.address
    summary = porting.predict_files(SAVED / "filter", tmp_path / "in", tmp_path / "out", "text", scheduler=address)
    assert (summary.rows, summary.bad, dict(summary.failed)) == (rows, 0, {})
    held(client, before)


def test_arrays(client: Any) -> None:
    net = porting.load(SAVED / "plain", "numpy")
    rows = TIMES * LIMIT // (32 * 4)
    given = da.ones((rows, 32), dtype=np.float32, chunks=(1 << 16, 32))
    before, _ = process(client)
    made = net.predict(given).mean(axis=0).compute()
    np.testing.assert_allclose(made, net.predict(np.ones((1, 32), np.float32))[0], rtol=1e-3)
    held(client, before)
