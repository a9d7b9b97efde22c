"""A dask cluster: made or found, its workers looked at, and what it made of what it was given."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from typing import Any, Optional

from ..errors import PortingError, Problem, Unsupported
from ..inputs import whole_number

POLL_SECONDS = 1.0
# A scheduler that knows a future answers at once what became of it.
ANSWER_SECONDS = 10.0
SAME_PORTING = "install the same porting on all workers, with its engine"


class Unfinished(PortingError):
    """A run over a corpus, or a training on a cluster, that ended before all was done. What is done stays."""

    exit_code = 5
    headline = "the run is not finished ({count} problem{s}):"


class Lost(Exception):
    """The scheduler, or what it knew, is gone."""


def unfinished(where: str, what: str) -> Unfinished:
    return Unfinished(Problem(where, what, "see to it, and start the same run again: it goes on where it stood"))


def lacks(where: str, error: BaseException) -> Unsupported:
    """Of a worker that cannot import what it is to run."""
    return Unsupported(where, f"a worker cannot run it: {type(error).__name__}: {error}", SAME_PORTING)


def check_told(scheduler: Optional[str], workers: Optional[int]) -> None:
    """Refuse a scheduler beside workers, and no whole number of them."""
    if scheduler is not None and workers is not None:
        raise Unsupported("workers", "are given beside a scheduler, which has its own", "give one of them")
    if workers is not None:
        whole_number("workers", workers)


def _check_installed() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        what = f"dask cannot be imported: {error}"
        raise Unsupported(
            "workers", what, "in a checkout of porting: pip install '.[dask]'; or leave workers out"
        ) from error


@contextmanager
def a_cluster(scheduler: Optional[str], workers: Optional[int], threads: Optional[int] = None) -> Iterator[str]:
    """The address of a scheduler: of the one that is given, or of a cluster of this machine's, made for the block.

    Args:
        scheduler: an address.
        workers: processes of the cluster's that is made; one by default.
        threads: of each; by default they share the cores.

    Raises:
        Unsupported: dask is not installed.
    """
    _check_installed()
    if scheduler is not None:
        yield scheduler
        return
    from distributed import LocalCluster

    count = workers or 1
    each = threads or max(1, (os.cpu_count() or 1) // count)
    with LocalCluster(n_workers=count, threads_per_worker=each, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@contextmanager
def connected(address: str, patience: float) -> Iterator[Any]:
    """A client of the scheduler, once it answers.

    Raises:
        Unfinished: it does not.
        Unsupported: the address is none.
        Lost: it went away again.
    """
    from distributed import Client

    _wait_for(address, patience)
    with ExitStack() as stack:
        with asking():
            client = Client(address, timeout=max(1.0, patience), set_as_default=False)
        # A client whose scheduler is gone would wait for its goodbye.
        stack.callback(client.close, timeout=2)
        stack.enter_context(client.as_current())
        yield client


def _wait_for(address: str, patience: float) -> None:
    from distributed.comm.addressing import get_address_host_port

    until = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(get_address_host_port(address), timeout=max(1.0, patience)).close()
            return
        except ValueError as error:
            raise Unsupported("scheduler", f"{address!r} is not an address", "give one as tcp://HOST:PORT") from error
        except OSError as error:
            if time.monotonic() > until:
                raise unfinished(address, f"no scheduler answers there: {error}") from error
        time.sleep(POLL_SECONDS)


@contextmanager
def asking() -> Iterator[None]:
    """Turns what a client raises whose scheduler is gone into Lost."""
    try:
        yield
    except (OSError, asyncio.TimeoutError, asyncio.CancelledError, CancelledError) as error:
        raise Lost(f"the scheduler went away: {str(error) or type(error).__name__}") from error


def check_workers(client: Any, ready: Callable[[], Any], patience: float) -> None:
    """Every worker makes the network live before it is given any work.

    Raises:
        Unfinished: there are none.
        Unsupported: listing the workers that cannot, and why.
    """
    with asking():
        try:
            client.wait_for_workers(1, timeout=patience)
        except asyncio.TimeoutError as error:
            raise unfinished(client.scheduler.address, f"has no workers after {patience:g} seconds") from error
        answers = client.run(_is_ready, ready, on_error="return")
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
    Unsupported.raise_for(problems)


def _is_ready(ready: Callable[[], Any]) -> bool:
    ready()
    return True


class Workers:
    """The workers of the scheduler that a client was connected to first."""

    def __init__(self, client: Any, patience: float) -> None:
        self.client = client
        self.patience = patience
        self._alive = time.monotonic()
        self._scheduler: Optional[str] = None

    def threads(self) -> list[str]:
        """The addresses of those that there are now, each as often as it has threads; none while all are away.

        Raises:
            Lost: the scheduler went away, or another came in its place.
            Unfinished: there have been none for too long.
        """
        if self.client.status != "running":
            raise Lost(f"the scheduler went away: the client is {self.client.status}")
        with asking():
            info = self.client.scheduler_info(n_workers=-1)
        if self._scheduler not in (None, info["id"]):
            raise Lost("another scheduler has come in the place of the first")
        self._scheduler = info["id"]
        workers: dict[str, Any] = info["workers"]
        if workers:
            self._alive = time.monotonic()
        elif time.monotonic() - self._alive > self.patience:
            raise unfinished(self.client.scheduler.address, f"has had no workers for {self.patience:g} seconds")
        return [address for address in sorted(workers) for _ in range(workers[address]["nthreads"])]


# ---- futures


def finished(futures: Collection[Any]) -> list[Any]:
    """Those that came to an end, whichever, after a second at most. Raises Lost."""
    from distributed import wait

    with asking():
        try:
            wait(list(futures), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
        except asyncio.TimeoutError:
            return []
    return [future for future in futures if future.done()]


def error_of(future: Any) -> Optional[BaseException]:
    """What a future that came to an end has failed with; None where it has not. Raises Lost."""
    if future.status == "finished":
        return None
    if future.status != "error":
        raise Lost("the scheduler forgot what it was given")
    with asking():
        error: BaseException = future.exception(timeout=ANSWER_SECONDS)
    return error


def result_of(future: Any) -> Any:
    """What a future without an error has made. Raises Lost."""
    with asking():
        return future.result(timeout=ANSWER_SECONDS)
