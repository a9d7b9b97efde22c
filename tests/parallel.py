"""Many runs in processes of their own, one on each core."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

__all__ = ["in_processes"]

Result = TypeVar("Result")
ATTEMPTS = 3


def started(function: Callable[[str], Result]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), keep_what_is_imported, (function,))


def keep_what_is_imported(_: Callable[[str], Result]) -> None:
    """Once in each process, when it has the function and so what that imports: Keras goes through all objects of a
    process whenever it clears a session, a third of the time of a small case."""
    gc.freeze()


def in_processes(function: Callable[[str], Result], keys: Iterable[str]) -> Iterator[Result]:
    """What a function gives for each key, in the order in which it is done.

    TensorFlow's processes die now and then, of memory that it has spoiled; what they had not done is run again.

    Raises:
        BrokenProcessPool: it happened several times.
        Whatever the function raises.
    """
    left = list(dict.fromkeys(keys))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with started(function) as pool:
                futures = {pool.submit(function, key): key for key in left}
                for future in as_completed(futures):
                    result = future.result()
                    left.remove(futures[future])
                    yield result
            return
        except BrokenProcessPool:
            if attempt == ATTEMPTS:
                raise
            print(f"a process died; {len(left)} cases are run again", flush=True)
