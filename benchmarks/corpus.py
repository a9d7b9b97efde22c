"""A corpus of texts on one and two workers: texts a second, memory a worker, efficiency.

    python benchmarks/corpus.py [TEXTS]          from the repository's root, in an environment with porting[neoml,dask]

The network is the published filter (saved_weights/filter); texts are descriptions of Debian packages as in
text_to_score.py, again and again until there are TEXTS (2,000,000 unless said), in files of 65,536. Workers are
processes of one thread, of a `LocalCluster` that is started before the clock; the network is made live within it.
"""

from __future__ import annotations

import gzip
import itertools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import LocalCluster

import porting

ROOT = Path(__file__).parent.parent
FILE_ROWS, GROUP_ROWS = 1 << 16, 1 << 13
WORDS = 60


def texts() -> Iterator[str]:
    """Descriptions, joined to texts of `WORDS` words or a few more, without end."""
    with gzip.open(ROOT / "scripts" / "data" / "unlabelled.txt.gz", "rt", encoding="utf-8") as lines:
        lines_without_end = itertools.cycle([line.strip() for line in lines])
    while True:
        text = next(lines_without_end)
        while text.count(" ") < WORDS:
            text += ". " + next(lines_without_end)
        yield text


def write_corpus(folder: Path, count: int) -> int:
    """Write the corpus; its bytes in memory."""
    folder.mkdir()
    given, size = texts(), 0
    for at, start in enumerate(range(0, count, FILE_ROWS)):
        rows = list(itertools.islice(given, min(FILE_ROWS, count - start)))
        table = pa.table({"id": range(start, start + len(rows)), "text": rows})
        pq.write_table(table, folder / f"{at:05d}.parquet", row_group_size=GROUP_ROWS)
        size += table.nbytes
    return size


class Watch(threading.Thread):
    """The most memory that each process had."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self.processes = [psutil.Process(pid) for pid in pids]
        self.most = [0] * len(pids)
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            for at, process in enumerate(self.processes):
                self.most[at] = max(self.most[at], process.memory_info().rss)


def measure(corpus: Path, out: Path, workers: int) -> dict[str, Any]:
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]
        idle = max(psutil.Process(pid).memory_info().rss for pid in pids)
        watch = Watch(pids)
        watch.start()
        begun = time.perf_counter()
        processor = sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)
        summary = porting.predict_files(
            ROOT / "saved_weights" / "filter", corpus, out, "text", scheduler=cluster.scheduler_address
        )
        wall = time.perf_counter() - begun
        processor = sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids) - processor
        watch.over.set()
    return {"rows": summary.rows, "wall": wall, "processor": processor, "most": max(watch.most), "idle": idle}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus"
        size = write_corpus(corpus, count)
        print(f"{count} texts, {size / 2**20:.0f} MiB, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print(
            "| workers | seconds | texts a second | processor µs a text | MiB a worker, idle | at most | efficiency |"
        )
        print("|---:|---:|---:|---:|---:|---:|---:|")
        alone = 0.0
        for workers in (1, 2):
            found = measure(corpus, Path(scratch) / f"out{workers}", workers)
            speed = found["rows"] / found["wall"]
            alone = alone or speed
            cells = [
                *(
                    str(workers),
                    f"{found['wall']:.1f}",
                    f"{speed:.0f}",
                    f"{1e6 * found['processor'] / found['rows']:.0f}",
                ),
                *(f"{found['idle'] / 2**20:.0f}", f"{found['most'] / 2**20:.0f}", f"{speed / alone / workers:.0%}"),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
