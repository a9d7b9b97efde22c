"""Parts on a dask cluster: every part to its end, through workers that die and a scheduler that comes back."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from typing import Any, Optional, Union

from ..errors import PortingError, Problem, Unsupported
from .carrying import Carried
from .ledger import Done
from .parts import Part
from .scored_parts import Failed, PartScorer

__all__ = ["Unfinished", "on_cluster"]

# Parts that are with the cluster at a time, for each of its threads.
IN_FLIGHT = 3
# How often a part is given to the cluster again whose workers died; dask itself has tried four by then.
MOST_DEATHS = 3
POLL_SECONDS = 1.0
# A scheduler that knows a future answers at once what became of it.
ANSWER_SECONDS = 10.0


class Unfinished(PortingError):
    """A run over a corpus that ended before all was done. What is done stays."""

    exit_code = 5
    headline = "the run is not finished ({count} problem{s}):"


class _Lost(Exception):
    """The scheduler, or what it knew, is gone."""


def on_cluster(
    scorer: PartScorer, parts: Sequence[Part], scheduler: Optional[str], workers: Optional[int], patience: float
) -> Iterator[Union[Done, Failed]]:
    """The outcome of every part, once, as they come.

    Args:
        scorer: what is done with a part.
        parts: what is left.
        scheduler: the address of the cluster's; None for a cluster of this machine's, made for the run.
        workers: processes of that cluster.
        patience: seconds that are waited for a scheduler, or for workers, that do not answer.

    Raises:
        Unfinished: scheduler or workers stay away.
        Unsupported: workers that cannot run the network.
        BadArchive: outputs that cannot be written, a network that a worker cannot read.
    """
    _check_installed()
    left = {part.name: part for part in parts}
    with _cluster(scheduler, workers) as address:
        waiting_since = time.monotonic()
        while left:
            try:
                with _client(address, patience) as client:
                    _check_workers(client, scorer.carried, patience)
                    for outcome in _Run(client, scorer, list(left.values()), patience).outcomes():
                        waiting_since = time.monotonic()
                        del left[outcome.part]
                        yield outcome
            except _Lost as lost:
                if time.monotonic() - waiting_since > patience:
                    raise _unfinished(address, str(lost)) from lost
                time.sleep(POLL_SECONDS)


def _check_installed() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        what = f"dask cannot be imported: {error}"
        raise Unsupported(Problem("workers", what, "pip install 'porting[dask]', or leave workers out")) from error


def _unfinished(where: str, what: str) -> Unfinished:
    return Unfinished(Problem(where, what, "see to it, and start the same run again: it goes on where it stood"))


@contextmanager
def _cluster(scheduler: Optional[str], workers: Optional[int]) -> Iterator[str]:
    if scheduler is not None:
        yield scheduler
        return
    from distributed import LocalCluster

    count = workers or 1
    threads = max(1, (os.cpu_count() or 1) // count)
    with LocalCluster(n_workers=count, threads_per_worker=threads, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@contextmanager
def _client(address: str, patience: float) -> Iterator[Any]:
    """A client of the scheduler, once it answers.

    Raises:
        Unfinished: it does not.
    """
    from distributed import Client

    _wait_for(address, patience)
    with ExitStack() as stack:
        with _asking():
            client = Client(address, timeout=max(1.0, patience), set_as_default=False)
        # A client whose scheduler is gone would wait for its goodbye.
        stack.callback(client.close, timeout=2)
        stack.enter_context(client.as_current())
        yield client


def _wait_for(address: str, patience: float) -> None:
    from distributed.comm.addressing import get_address_host_port

    try:
        place = get_address_host_port(address)
    except ValueError as error:
        raise Unsupported(
            Problem("scheduler", f"{address!r} is not an address", "give one as tcp://HOST:PORT")
        ) from error
    until = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(place, timeout=max(1.0, patience)).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise _unfinished(address, f"no scheduler answers there: {error}") from error
        time.sleep(POLL_SECONDS)


@contextmanager
def _asking() -> Iterator[None]:
    """Turns what a client raises whose scheduler is gone into _Lost."""
    try:
        yield
    except (OSError, asyncio.TimeoutError, asyncio.CancelledError, CancelledError) as error:
        raise _Lost(f"the scheduler went away: {str(error) or type(error).__name__}") from error


def _check_workers(client: Any, carried: Carried, patience: float) -> None:
    """Every worker makes the network live before it is given any part.

    Raises:
        Unfinished: there are none.
        Unsupported: listing the workers that cannot, and why.
    """
    with _asking():
        try:
            client.wait_for_workers(1, timeout=patience)
        except asyncio.TimeoutError as error:
            raise _unfinished(client.scheduler.address, f"has no workers after {patience:g} seconds") from error
        answers = client.run(_is_live, carried, on_error="return")
    problems = []
    for worker, answer in answers.items():
        if isinstance(answer, PortingError):
            problems += [
                Problem(f"worker {worker}", f"{one.where}: {one.what}", one.way_out) for one in answer.problems
            ]
        elif isinstance(answer, OSError):  # it died meanwhile
            continue
        elif answer is not True:
            what = f"cannot run the network: {type(answer).__name__}: {answer}"
            problems.append(Problem(f"worker {worker}", what, "install the same porting there, with its engine"))
    if problems:
        raise Unsupported(problems)


def _is_live(carried: Carried) -> bool:
    carried.live()
    return True


class _Run:
    """Parts with a scheduler, a few at a time."""

    def __init__(self, client: Any, scorer: PartScorer, parts: list[Part], patience: float) -> None:
        self.name = uuid.uuid4().hex
        self.client = client
        self.scorer = scorer
        self.waiting = deque(parts)
        self.patience = patience
        self.pending: dict[Any, Part] = {}
        self.deaths: dict[str, int] = {}
        self.alive = time.monotonic()
        self.scheduler: Optional[str] = None

    def outcomes(self) -> Iterator[Union[Done, Failed]]:
        """Raises as `on_cluster`, and _Lost."""
        while self.waiting or self.pending:
            self._fill()
            for future in self._finished():
                outcome = self._outcome(future, self.pending.pop(future))
                if outcome is not None:
                    yield outcome

    def _fill(self) -> None:
        threads = sum(one["nthreads"] for one in self._workers().values())
        while self.waiting and len(self.pending) < IN_FLIGHT * max(1, threads):
            part = self.waiting.popleft()
            # Of two tasks with one key a scheduler runs one, whoever has sent them.
            key = f"porting-{self.name}-{part.name}-{self.deaths.get(part.name, 0)}"
            self.pending[self.client.submit(self.scorer, part, key=key, pure=False)] = part

    def _workers(self) -> dict[str, Any]:
        """Those that the scheduler knows; raises where there have been none for too long."""
        if self.client.status != "running":
            raise _Lost(f"the scheduler went away: the client is {self.client.status}")
        with _asking():
            info = self.client.scheduler_info(n_workers=-1)
        if self.scheduler not in (None, info["id"]):
            raise _Lost("another scheduler has come in the place of the first")
        self.scheduler = info["id"]
        found: dict[str, Any] = info["workers"]
        if found:
            self.alive = time.monotonic()
        elif time.monotonic() - self.alive > self.patience:
            raise _unfinished(self.client.scheduler.address, f"has had no workers for {self.patience:g} seconds")
        return found

    def _finished(self) -> list[Any]:
        from distributed import wait

        with _asking():
            try:
                wait(list(self.pending), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
            except asyncio.TimeoutError:
                return []
        return [future for future in self.pending if future.done()]

    def _outcome(self, future: Any, part: Part) -> Optional[Union[Done, Failed]]:
        """What became of a part; None where it is to be tried again."""
        if future.status == "finished":
            with _asking():
                outcome: Union[Done, Failed] = future.result(timeout=ANSWER_SECONDS)
            return outcome
        if future.status != "error":
            raise _Lost("the scheduler forgot what it was given")
        with _asking():
            error = future.exception(timeout=ANSWER_SECONDS)
        return self._failed(error, part)

    def _failed(self, error: BaseException, part: Part) -> Optional[Failed]:
        from distributed import KilledWorker

        if isinstance(error, PortingError):
            raise error
        if isinstance(error, ImportError):
            what = f"a worker cannot run it: {type(error).__name__}: {error}"
            raise Unsupported(Problem(part.shown, what, "install the same porting on all workers, with its engine"))
        if not isinstance(error, KilledWorker):
            return Failed(part.name, f"{part.shown}: ended with {type(error).__name__}: {error}")
        deaths = self.deaths[part.name] = self.deaths.get(part.name, 0) + 1
        if deaths < MOST_DEATHS:
            self.waiting.append(part)
            return None
        what = "the workers that it was given to died, of too little memory or by hand"
        return Failed(part.name, f"{part.shown}: {what}")
