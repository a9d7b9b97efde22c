"""Processes that die are made up for, to a point."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import pytest

from tests.parallel import ATTEMPTS, in_processes


def dies(folder: Path, times: int, key: str) -> str:
    """The key, once the process that was given ``b`` has died so many times."""
    if key == "b":
        died = len(list(folder.iterdir()))
        if died < times:
            (folder / str(died)).touch()
            os._exit(1)
    return key


def test_what_a_process_that_died_had_not_done_is_run_again(tmp_path: Path) -> None:
    assert sorted(in_processes(partial(dies, tmp_path, 1), "abc")) == ["a", "b", "c"]


def test_processes_that_die_again_and_again_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrokenProcessPool):
        list(in_processes(partial(dies, tmp_path, ATTEMPTS), "abc"))


def test_errors_come_through() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(in_processes(int, ["1", "x"]))
