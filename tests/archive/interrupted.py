"""Writing over a saved network, ended at one line of the writer after the other, or at a random moment.

``python -m tests.archive.interrupted ROOM HOW STEP``: HOW is ``kill`` (the process ends there and then) or
``interrupt`` (KeyboardInterrupt), at every STEP-th line; or ``random``: killed at STEP random moments. Prints JSON: by
state of the folder afterwards, how often it was found; and how many temporary folders were left behind.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from porting import archive
from porting.archive import array_files, folder, read_network, write_network
from porting.errors import BadArchive

from .helpers import content, make_network

TRACED = {archive.__file__, array_files.__file__, folder.__file__}
OLD = make_network()
NEW = replace(OLD, name="the new one")
# Functions that write nothing; their lines are passed over.
PURE = {"_understand", "_checked_sketch", "_check_length", "with_digests", "path_of", "<listcomp>", "<genexpr>"}


def tracer(stop_at: int, stop: Callable[[], None]) -> tuple[Any, list[int]]:
    """A trace function that calls `stop` at the line numbered `stop_at`, and the count of lines."""
    count = [0]

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in TRACED or frame.f_code.co_name in PURE:
            return None
        if event == "line":
            count[0] += 1
            if count[0] == stop_at:
                stop()
        return trace

    return trace, count


def write(target: Path, overwrite: bool, stop_at: int, stop: Callable[[], None]) -> int:
    trace, count = tracer(stop_at, stop)
    sys.settrace(trace)
    try:
        write_network(NEW, target, overwrite=overwrite)
    finally:
        sys.settrace(None)
    return count[0]


def in_child(target: Path, overwrite: bool, stop_at: int, how: str) -> None:
    """Write in a process of its own, which ends at the line."""
    child = os.fork()
    if child == 0:
        try:
            write(target, overwrite, stop_at, (lambda: os._exit(9)) if how == "kill" else _interrupt)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _interrupt() -> None:
    raise KeyboardInterrupt


def state_of(target: Path) -> str:
    if not target.exists():
        return "absent"
    try:
        found = content(read_network(target))
    except BadArchive as error:
        return str(error)
    return "old" if found == content(OLD) else "new" if found == content(NEW) else "another"


def main(room: Path, how: str, step: int) -> None:
    warnings.simplefilter("ignore")  # Python 3.12 warns of forks where numpy has threads
    os.fsync = lambda fd: None  # an ended process loses nothing that it has written
    states: Counter[str] = Counter()
    left = 0
    for overwrite in (False, True):
        target = room / "net"
        begin(target, overwrite)
        lines = write(target, overwrite, 0, _interrupt)
        for number in range(1, lines + 1, step):
            begin(target, overwrite)
            in_child(target, overwrite, number, how)
            states[f"{'overwrite' if overwrite else 'new'}: {state_of(target)}"] += 1
            left += len(os.listdir(room)) - target.exists()
    print(json.dumps({"states": states, "left": left, "exchanges": exchanges(room)}))


def at_random_moments(room: Path, count: int) -> None:
    """Kill a process that writes now the old network and now the new one, within the time of its first few writings."""
    generator = random.Random(count)
    target = room / "net"
    begin(target, True)
    started = time.perf_counter()
    write_network(NEW, target, overwrite=True)
    longest = 4 * (time.perf_counter() - started)
    states: Counter[str] = Counter()
    left = 0
    for number in range(count):
        overwrite = number % 4 != 0
        begin(target, overwrite)
        child = os.fork()
        if child == 0:
            write_without_end(target, overwrite)
        time.sleep(generator.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        states[f"{'overwrite' if overwrite else 'new'}: {state_of(target)}"] += 1
        left += len(os.listdir(room)) - target.exists()
    print(json.dumps({"states": states, "left": left, "exchanges": exchanges(room)}))


def write_without_end(target: Path, overwrite: bool) -> None:
    try:
        while True:
            for network in (NEW, OLD):
                write_network(network, target, overwrite=overwrite)
                overwrite = True
    finally:
        os._exit(1)


def begin(target: Path, overwrite: bool) -> None:
    """An empty room, or one with the old network in it."""
    for entry in target.parent.iterdir():
        shutil.rmtree(entry)
    if overwrite:
        write_network(OLD, target)


def exchanges(room: Path) -> bool:
    """Whether this system exchanges two folders in one step."""
    one, other = room / "one", room / "other"
    one.mkdir()
    other.mkdir()
    return folder._exchange(one, other)


if __name__ == "__main__":
    if sys.argv[2] == "random":
        at_random_moments(Path(sys.argv[1]), int(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
