"""A corpus of texts on one and two workers: texts a second, memory a worker, efficiency.

    python benchmarks/corpus.py [--texts 2000000] [--engine neoml] [--page PAGE.md]

in an environment with porting[neoml,dask] writes the figures of benchmarks/corpus.md, those of a plan among them.

The network is the published filter (saved_weights/filter); texts are descriptions of Debian packages as in
text_to_score.py, again and again until there are enough, in files of 65,536. Workers are processes of one thread, of a
`LocalCluster` that is started before the clock; the network is made live within it.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import turns
from distributed import LocalCluster

import porting

ROOT = Path(__file__).parent.parent
FILE_ROWS, GROUP_ROWS = 1 << 16, 1 << 13
WORDS = 60
BILLION = 10**9
CORES, MACHINES = 8, (1, 6, 20, 100)


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

    def __init__(self, processes: list[psutil.Process]) -> None:
        super().__init__(daemon=True)
        self.processes = processes
        self.most = [0] * len(processes)
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            for at, process in enumerate(self.processes):
                self.most[at] = max(self.most[at], process.memory_info().rss)


@dataclass(frozen=True)
class Measured:
    """A run: of how many workers, its seconds, those of the workers' processors, and bytes of a worker's memory."""

    workers: int
    texts: int
    wall: float
    processor: float
    idle: int
    most: int

    @property
    def speed(self) -> float:
        return self.texts / self.wall

    @property
    def cost(self) -> float:
        """Seconds of a core a text."""
        return self.processor / self.texts


def measure(corpus: Path, out: Path, workers: int, engine: str) -> Measured:
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster:
        processes = [psutil.Process(worker.pid) for worker in cluster.workers.values()]
        idle = max(one.memory_info().rss for one in processes)
        watch = Watch(processes)
        watch.start()
        before = processor_of(processes)
        begun = time.perf_counter()
        summary = porting.predict_files(
            ROOT / "saved_weights" / "filter", corpus, out, "text", engine=engine, scheduler=cluster.scheduler_address
        )
        wall = time.perf_counter() - begun
        processor = processor_of(processes) - before
        watch.over.set()
    return Measured(workers, summary.rows, wall, processor, idle, max(watch.most))


def processor_of(processes: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


# ---- the page


def figures(runs: list[Measured], size: int, engine: str) -> str:
    alone = runs[0]
    words = f"{alone.texts:,} texts, {size / 2**20:.0f} MiB, engine {engine}. {turns.machine()}."
    heads = (
        "workers",
        "seconds",
        "texts a second",
        "processor µs a text",
        "MiB a worker, idle",
        "at most",
        "efficiency",
    )
    rows = [
        (
            str(one.workers),
            f"{one.wall:.1f}",
            f"{one.speed:,.0f}",
            f"{1e6 * one.cost:.1f}",
            f"{one.idle / 2**20:.0f}",
            f"{one.most / 2**20:.0f}",
            f"{one.speed / alone.speed / one.workers:.0%}",
        )
        for one in runs
    ]
    return f"{words}\n\n{table(heads, rows)}\n\n{plan(runs[-1], size / alone.texts)}"


def plan(measured: Measured, text_bytes: float) -> str:
    """What a billion such texts take at the cost a text that the most workers had."""
    hours = BILLION * measured.cost / 3600
    speed = text_bytes / measured.cost / 2**20
    words = (
        f"A billion such texts are {BILLION * text_bytes / 2**30:,.0f} GiB and {hours:.1f} core hours. A core takes "
        f"{speed:.0f} MiB of text a second; below that the file system is the limit."
    )
    heads = (f"machines of {CORES} cores", "minutes", "MiB a second read by all")
    rows = [(str(one), f"{60 * hours / CORES / one:.1f}", f"{speed * CORES * one:,.0f}") for one in MACHINES]
    return f"{words}\n\n{table(heads, rows)}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---:"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=2_000_000)
    parser.add_argument("--engine", choices=("neoml", "numpy"), default="neoml")
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus"
        size = write_corpus(corpus, told.texts)
        runs = []
        for workers in (1, 2):
            runs.append(measure(corpus, Path(scratch) / f"out{workers}", workers, told.engine))
            print(runs[-1], flush=True)
    turns.write_figures(told.page, figures(runs, size, told.engine))


if __name__ == "__main__":
    main()
