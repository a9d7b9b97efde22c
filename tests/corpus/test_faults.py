"""A dask cluster whose workers are killed, whose scheduler goes away, that lacks what it needs: each row once."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from distributed import Client, KilledWorker, LocalCluster

import porting
from porting.cli.commands import porting as commands
from porting.corpus.cluster import MOST_DEATHS, _Run
from porting.corpus.connection import Unfinished
from porting.corpus.scored_parts import Failed
from porting.training import callbacks

from .files import SAVED, assert_same, texts, write_corpus

FILTER = SAVED / "filter"
FILES, ROWS = 12, 100


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "in", FILES, ROWS)


@pytest.fixture(scope="module")
def undisturbed(corpus: Path) -> Path:
    """What one process makes of it."""
    out = corpus.with_name("undisturbed")
    assert score(corpus, out).rows == FILES * ROWS
    return out


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def started(words: str, code: str = "") -> Any:
    """A scheduler or a worker of its own."""
    run = f"{code}\nimport sys; sys.argv[1:] = {words.split()!r}\nfrom dask.__main__ import main; main()"
    return subprocess.Popen([sys.executable, "-c", run], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ended(*processes: Any) -> None:
    for process in processes:
        process.kill()
        process.wait()


class Cluster:
    """A scheduler and two workers of one thread each; one that is killed has another come in its place."""

    def __init__(self) -> None:
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = started(f"scheduler --host 127.0.0.1 --port {port} --dashboard-address :0")
        self.workers = [self._worker() for _ in range(2)]

    def _worker(self) -> Any:
        return started(f"worker {self.address} --nthreads 1 --no-nanny")

    def wait(self) -> None:
        """Until both are there."""
        with Client(self.address, timeout=300) as client:
            client.wait_for_workers(2, timeout=300)

    def kill(self, number: int) -> None:
        ended(self.workers[number])
        self.workers[number] = self._worker()

    def end(self) -> None:
        ended(*self.workers, self.scheduler)


@pytest.fixture(scope="module")
def two() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.end()


@pytest.fixture
def cluster(two: Cluster) -> Cluster:
    two.wait()
    return two


def score(corpus: Path, out: Path, **options: Any) -> Any:
    return porting.predict_files(FILTER, corpus, out, **{"column": "text", "patience": 60.0, **options})


def test_two_runs_at_a_time_take_nothing_from_each_other(
    corpus: Path, undisturbed: Path, cluster: Cluster, tmp_path: Path
) -> None:
    outs = [tmp_path / "one", tmp_path / "other"]
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda out: score(corpus, out, scheduler=cluster.address), outs)
        assert [run.rows for run in runs] == [FILES * ROWS] * 2
    for out in outs:
        assert_same(out, undisturbed)


@pytest.mark.parametrize("seed", [0, 1])
def test_workers_are_killed_at_random_moments(
    corpus: Path, undisturbed: Path, cluster: Cluster, tmp_path: Path, seed: int
) -> None:
    random = np.random.default_rng(seed)
    moments = set(random.choice(np.arange(1, FILES - 1), 2, replace=False).tolist())
    killed = []

    def report(run: Any) -> None:
        if run.done in moments:
            moments.discard(run.done)
            time.sleep(random.uniform(0, 0.2))
            cluster.kill(int(random.integers(2)))
            killed.append(run.done)

    summary = score(corpus, tmp_path / "out", scheduler=cluster.address, progress=report)
    assert len(killed) == 2
    assert (summary.rows, summary.bad, dict(summary.failed)) == (FILES * ROWS, 0, {})
    assert_same(tmp_path / "out", undisturbed)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parquet and csv files of ragged texts, with rows and a file that cannot be used."""
    folder = write_corpus(tmp_path_factory.mktemp("mixed") / "in", 6, ROWS)
    (folder / "deep").mkdir()
    for at in range(3):
        bad = [None if row % 17 == at else text for row, text in enumerate(texts(ROWS, 50 + at))]
        pq.write_table(pa.table({"id": range(ROWS), "text": bad}), folder / "deep" / f"n{at}.parquet")
        lines = [
            b"1,\xff\xfe" if row % 13 == at else b'%d,"%s"' % (row, text.encode())
            for row, text in enumerate(texts(ROWS, 70 + at))
        ]
        (folder / f"c{at}.csv").write_bytes(b"\n".join([b"id,text", *lines, b"7", b'8,"never closed']))
    (folder / "torn.parquet").write_bytes((folder / "p0.parquet").read_bytes()[:-50])
    return folder


@pytest.fixture(scope="module")
def mixed_undisturbed(mixed: Path) -> Path:
    out = mixed.with_name("undisturbed")
    summary = score(mixed, out)
    assert summary.bad == 3 * 2 + sum(row % 17 == at for at in range(3) for row in range(ROWS)) + sum(
        row % 13 == at for at in range(3) for row in range(ROWS)
    )
    assert list(summary.failed) == ["torn-00000.parquet"]
    return out


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_run_itself_and_its_workers_are_killed_at_random_moments(
    mixed: Path, mixed_undisturbed: Path, cluster: Cluster, tmp_path: Path, seed: int
) -> None:
    """Begun again until it ends, it leaves what one undisturbed process leaves, bad rows too."""
    random = np.random.default_rng(seed)
    words = ["predict", FILTER, "--parquet", mixed, tmp_path / "out", "--column", "text"]
    words += ["--scheduler", cluster.address, "--patience", "300"]
    command = [sys.executable, "-m", "porting", *map(str, words)]
    for runs_killed in range(3):
        wanted = int(random.integers(0, 4)) + runs_killed * 4
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            while run.poll() is None and len(list(tmp_path.rglob("done/**/*.json"))) < wanted:
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.3))
            cluster.kill(int(random.integers(2)))
            time.sleep(random.uniform(0, 0.3))
            run.kill()
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 1
    assert_same(tmp_path / "out", mixed_undisturbed)
    assert (tmp_path / "out" / "_errors.jsonl").read_bytes() == (mixed_undisturbed / "_errors.jsonl").read_bytes()
    assert not list((tmp_path / "out").rglob(".*writing*"))


def test_a_scheduler_goes_away_and_comes_back(corpus: Path, undisturbed: Path, tmp_path: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    here = (
        f"scheduler --host 127.0.0.1 --port {port} --dashboard-address :0",
        f"worker {address} --nthreads 1 --no-nanny",
    )
    running = [started(words) for words in here]
    gone = []

    def report(run: Any) -> None:
        if run.done >= 2 and not gone:
            gone.append(run.done)
            ended(*running)
            running[:] = [started(words) for words in here]

    try:
        summary = score(corpus, tmp_path / "out", scheduler=address, progress=report)
    finally:
        ended(*running)
    assert gone
    assert (summary.rows, dict(summary.failed)) == (FILES * ROWS, {})
    assert_same(tmp_path / "out", undisturbed)


def test_a_scheduler_that_stays_away_ends_the_run_and_it_goes_on_here(
    corpus: Path, undisturbed: Path, tmp_path: Path
) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    running = [
        started(f"scheduler --host 127.0.0.1 --port {port} --dashboard-address :0"),
        started(f"worker {address} --nthreads 1 --no-nanny"),
    ]

    def report(run: Any) -> None:
        if run.done == 1:
            ended(*running)

    # As long as a scheduler takes to start, here too.
    try:
        with pytest.raises(Unfinished, match=r"no scheduler answers there(.|\n)*start the same run again"):
            score(corpus, tmp_path / "out", scheduler=address, patience=30.0, progress=report)
    finally:
        ended(*running)
    done = len(list(tmp_path.rglob("done/*.json")))
    assert 1 <= done < FILES
    assert score(corpus, tmp_path / "out").progress.scored == ROWS * (FILES - done)
    assert_same(tmp_path / "out", undisturbed)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("neoml", "neoml cannot be imported(.|\n)*pip install"),
        ("porting", "cannot run the network(.|\n)*install the same"),
    ],
)
def test_a_worker_that_lacks_something_is_named(corpus: Path, tmp_path: Path, missing: str, words: str) -> None:
    with LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        blocked = f"import sys; sys.modules[{missing!r}] = None"
        worker = started(f"worker {empty.scheduler_address} --nthreads 1 --no-nanny", blocked)
        try:
            with pytest.raises(porting.Unsupported, match=f"worker tcp(.|\n)*{words}"):
                score(corpus, tmp_path / "out", scheduler=empty.scheduler_address, engine="neoml")
        finally:
            ended(worker)
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_a_cluster_without_workers_ends_the_run(corpus: Path, tmp_path: Path) -> None:
    with LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        words = ["--parquet", corpus, tmp_path / "out", "--column", "text", "--scheduler", empty.scheduler_address]
        ran = CliRunner().invoke(commands, ["predict", str(FILTER), *map(str, words), "--patience", "1"])
    assert ran.exit_code == Unfinished.exit_code
    assert "has no workers after 1 seconds" in ran.output


def test_a_part_that_kills_its_workers_is_given_up() -> None:
    class Part:
        name, shown = "a-00000.parquet", "a.parquet"

    run = _Run(None, None, [], 1.0)  # type: ignore[arg-type]
    death = KilledWorker("key", None, 3)
    outcomes = [run._failed(death, Part()) for _ in range(MOST_DEATHS)]  # type: ignore[arg-type]
    assert outcomes[:-1] == [None] * (MOST_DEATHS - 1)
    assert len(run.waiting) == MOST_DEATHS - 1
    assert isinstance(outcomes[-1], Failed)
    assert "a.parquet: the workers that it was given to died" in outcomes[-1].why


def test_a_cluster_of_its_own(corpus: Path, undisturbed: Path, tmp_path: Path) -> None:
    words = ["--parquet", corpus, tmp_path / "out", "--column", "text", "--workers", "2"]
    ran = CliRunner().invoke(commands, ["predict", str(FILTER), *map(str, words)])
    assert ran.exit_code == 0, ran.output
    assert_same(tmp_path / "out", undisturbed)


# ---- training


def trained(epochs: int = 2, **told: Any) -> Any:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 32)).astype(np.float32), rng.integers(0, 10, 50)
    net = porting.load(SAVED / "plain", engine="neoml")
    net.compile("adam", "sparse_categorical_crossentropy")
    net.fit(x, y, batch_size=10, epochs=epochs, verbose=0, **told)
    return net


class AtStep(callbacks.Callback):
    """Do something before a step, or after it."""

    def __init__(self, step: int, act: Callable[[], Any]) -> None:
        self.step, self.act = step, act

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.params["steps"] * self.run.epoch + batch == self.step:
            self.act()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_worker_is_killed_in_the_middle_of_a_training(cluster: Cluster, seed: int) -> None:
    """The weights are the same to the bit: no step is made twice, and none is lost."""
    random = np.random.default_rng(seed)
    wanted = trained(scheduler=cluster.address)
    killed = []

    def kill() -> None:
        killed.append(int(random.integers(2)))
        threading.Timer(random.uniform(0, 0.05), cluster.kill, killed[-1:]).start()

    net = trained(scheduler=cluster.address, callbacks=[AtStep(int(random.integers(10)), kill)])
    assert len(killed) == 1
    for name, array in wanted.weights().items():
        np.testing.assert_array_equal(net.weights()[name], array)
    alone = trained().weights()
    assert max(float(np.abs(net.weights()[name] - array).max()) for name, array in alone.items()) <= 1e-6


def test_a_scheduler_that_goes_away_ends_a_training_which_goes_on_here(tmp_path: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    running = [
        started(f"scheduler --host 127.0.0.1 --port {port} --dashboard-address :0"),
        started(f"worker {address} --nthreads 1 --no-nanny"),
    ]
    kept = callbacks.Checkpoint(tmp_path / "state.npz", every_steps=1)
    try:
        with pytest.raises(Unfinished, match="start the same run again"):
            trained(scheduler=address, callbacks=[kept, AtStep(7, lambda: ended(*running))])
    finally:
        ended(*running)
    net = trained(resume=tmp_path / "state.npz", callbacks=[kept])
    wanted = trained().weights()
    assert max(float(np.abs(net.weights()[name] - array).max()) for name, array in wanted.items()) <= 1e-6


def test_a_worker_without_the_engine_is_named_before_a_step() -> None:
    with LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        blocked = "import sys; sys.modules['neoml'] = None"
        worker = started(f"worker {empty.scheduler_address} --nthreads 1 --no-nanny", blocked)
        try:
            with pytest.raises(porting.Unsupported, match=r"worker tcp(.|\n)*neoml cannot be imported"):
                trained(scheduler=empty.scheduler_address)
        finally:
            ended(worker)


def test_processes_of_its_own_train() -> None:
    wanted = trained().weights()
    made = trained(workers=2).weights()
    assert max(float(np.abs(made[name] - array).max()) for name, array in wanted.items()) <= 1e-6
