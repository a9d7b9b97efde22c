"""Writing is atomic, and never overwrites silently."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting.archive
from porting.archive import array_files, folder, read_network, write_network
from porting.archive.folder import FILES
from porting.errors import BadArchive

from .helpers import bytes_of, content, make_network, refusal
from .interrupted import NEW, OLD, state_of

ROOT = Path(__file__).parent.parent.parent
fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
unprivileged = pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write everywhere")


def writing_refusal(target: Any, **options: Any) -> str:
    with pytest.raises(BadArchive) as caught:
        write_network(NEW, target, **options)
    assert all(problem.way_out for problem in caught.value.problems)
    return str(caught.value)


@fork
@pytest.mark.parametrize(("how", "step"), [("kill", 2), ("interrupt", 5)])
def test_promise_16_a_writer_that_is_ended_at_any_line_leaves_the_old_folder_the_new_one_or_none(
    tmp_path: Path, how: str, step: int
) -> None:
    command = [sys.executable, "-m", "tests.archive.interrupted", str(tmp_path), how, str(step)]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    told = json.loads(ran.stdout)
    states = set(told["states"])
    expected = {"new: absent", "new: new", "overwrite: old", "overwrite: new"}
    assert states <= expected | (set() if told["exchanges"] else {"overwrite: absent"}), states
    assert states >= expected
    assert sum(told["states"].values()) > 150 // step


@fork
def test_promise_16_a_writer_that_is_killed_at_a_random_moment_leaves_the_old_folder_or_the_new_one(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "tests.archive.interrupted", str(tmp_path), "random", "40"]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    states = json.loads(ran.stdout)["states"]
    assert set(states) <= {"new: absent", "new: new", "new: old", "overwrite: old", "overwrite: new"}
    assert sum(states.values()) == 40


FALLIBLE = ("mkdir", "rename", "open", "fsync", "listdir")


class Faults:
    """Makes call number `at` of the system fail: those of `os`, opening a file, and writing to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, error: int) -> None:
        self.count, self.at, self.error = 0, at, error
        for name in FALLIBLE:
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))
        for module in (porting.archive, array_files):
            monkeypatch.setattr(module, "open", self.open, raising=False)

    def wrap(self, function: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.tick()
            return function(*arguments, **keywords)

        return call

    def tick(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise OSError(self.error, os.strerror(self.error))

    def open(self, path: Path, mode: str) -> Any:
        self.tick()
        return _FaultyWriter(open(path, mode), self)


class _FaultyWriter:
    def __init__(self, file: Any, faults: Faults) -> None:
        self.file, self.faults = file, faults

    def __enter__(self) -> _FaultyWriter:
        return self

    def __exit__(self, *arguments: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        self.faults.tick()
        return getattr(self.file, name)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_promise_16_a_system_that_fails_at_any_call_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool, error: int
) -> None:
    target = tmp_path / "net"
    if overwrite:
        write_network(OLD, target)
    before = "old" if overwrite else "absent"
    refused = 0
    for at in range(1, 10_000):
        with monkeypatch.context() as patch:
            faults = Faults(patch, at, error)
            told = ""
            try:
                write_network(NEW, target, overwrite=overwrite)
            except BadArchive as caught:
                told = str(caught)
        failed = told != ""
        assert not failed or os.strerror(error) in told
        assert not failed or error != errno.ENOSPC or "free space" in told
        assert os.listdir(tmp_path) == ([] if state_of(target) == "absent" else ["net"])
        assert state_of(target) == (before if failed else "new")
        refused += failed
        if not failed and faults.count < at:
            break
        if not failed:
            assert at > faults.count - 3, "only the last calls, after the rename, may fail unseen"
            for name in FILES:
                (target / name).unlink()
            target.rmdir()
            if overwrite:
                write_network(OLD, target)
    assert refused > 50


def test_a_disk_quota_is_reported_and_nothing_is_left(tmp_path: Path) -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "from tests.archive.interrupted import NEW, write_network\n"
        f"write_network(NEW, {str(tmp_path / 'net')!r})\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "BadArchive" in ran.stderr
    assert "File too large" in ran.stderr
    assert os.listdir(tmp_path) == []


def test_promise_16_nothing_is_overwritten_silently(tmp_path: Path) -> None:
    target = write_network(OLD, tmp_path / "net")
    before = bytes_of(target)
    assert "is there already" in writing_refusal(target)
    assert bytes_of(target) == before
    write_network(NEW, target, overwrite=True)
    assert state_of(target) == "new"
    assert os.listdir(tmp_path) == ["net"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_promise_16_what_is_no_saved_network_is_never_overwritten(tmp_path: Path, overwrite: bool) -> None:
    target = write_network(OLD, tmp_path / "net")
    (target / "thesis.tex").write_text("")
    assert "which replacing it would remove: thesis.tex" in writing_refusal(target, overwrite=overwrite)
    (target / "thesis.tex").unlink()
    (target / FILES[0]).rename(tmp_path / "elsewhere")
    (target / FILES[0]).symlink_to(tmp_path / "elsewhere")
    assert "holds more than a saved network" in writing_refusal(target, overwrite=overwrite)
    file = tmp_path / "file"
    file.write_text("")
    assert "is a file, not a folder" in writing_refusal(file, overwrite=overwrite)
    assert "is not a folder" in writing_refusal(file / "net", overwrite=overwrite)
    assert "create it first" in writing_refusal(tmp_path / "missing" / "net", overwrite=overwrite)
    assert not (tmp_path / "missing").exists()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    target = tmp_path / "net"
    target.mkdir()
    assert write_network(OLD, target) == target
    assert state_of(target) == "old"


def test_a_link_to_a_folder_is_written_through(tmp_path: Path) -> None:
    target = write_network(OLD, tmp_path / "net")
    link = tmp_path / "link"
    link.symlink_to(target)
    write_network(NEW, link, overwrite=True)
    assert link.is_symlink()
    assert state_of(target) == "new"
    (tmp_path / "dangling").symlink_to(tmp_path / "later")
    write_network(OLD, tmp_path / "dangling")
    assert state_of(tmp_path / "later") == "old"


def test_a_folder_that_appears_meanwhile_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "net"
    sync = folder.sync_folder

    def meanwhile(path: Path) -> None:
        if not target.exists():
            write_files(target)
        sync(path)

    def write_files(path: Path) -> None:
        path.mkdir()
        (path / "mine").write_text("")

    monkeypatch.setattr(folder, "sync_folder", meanwhile)
    assert "made by somebody else in the meantime" in writing_refusal(target)
    assert os.listdir(target) == ["mine"]
    assert os.listdir(tmp_path) == ["net"]


def test_without_an_exchange_the_folder_is_replaced_in_two_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    target = write_network(OLD, tmp_path / "net")
    write_network(NEW, target, overwrite=True)
    assert state_of(target) == "new"
    assert os.listdir(tmp_path) == ["net"]
    rename, calls = os.rename, []

    def failing(one: Any, other: Any) -> None:
        calls.append(other)
        if len(calls) == 2:
            raise OSError(errno.EIO, "input/output error")
        rename(one, other)

    monkeypatch.setattr(os, "rename", failing)
    assert "input/output error" in writing_refusal(target, overwrite=True)
    assert state_of(target) == "new"
    assert os.listdir(tmp_path) == ["net"]


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800" if os.name == "posix" else "\0"])
def test_text_that_can_be_no_path_is_refused(path: str) -> None:
    assert "is not a path" in writing_refusal(path)
    with pytest.raises(BadArchive, match="is not a path"):
        read_network(path)


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "File name too long" in writing_refusal(tmp_path / ("x" * 300))
    assert "File name too long" in refusal(tmp_path / ("x" * 300))
    assert os.listdir(tmp_path) == []
    assert state_of(write_network(OLD, tmp_path / ("x" * 255))) == "old"


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    assert "is a file, not a saved network's folder" in refusal(tmp_path / "file")
    (tmp_path / "file.json").touch()
    assert "is a stored net, not a saved network" in refusal(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert "Not a directory" in refusal(tmp_path / "pipe")
    assert "a folder without network.json" in refusal(tmp_path)


def test_what_lies_beside_is_named_briefly_and_never_opened(saved: Path) -> None:
    """Hubs and DVC put files of their own into a folder."""
    os.mkfifo(saved / ".gitattributes")
    (saved / "README.md").symlink_to("nowhere")
    (saved / "line\nbreak").mkdir()
    with pytest.warns(UserWarning, match=r"and ignored: .gitattributes, README.md, line\\nbreak"):
        assert content(read_network(saved)) == content(make_network())
    for number in range(100):
        (saved / f"{number}").write_text("")
    with pytest.warns(UserWarning, match="and more") as caught:
        read_network(saved)
    assert len(str(caught[0].message)) < len(str(saved)) + 200


@pytest.mark.parametrize("many", [1, 2000])
def test_a_folder_without_a_network_is_told_briefly(tmp_path: Path, many: int) -> None:
    assert "is an empty folder" in refusal(tmp_path)
    for number in range(many):
        (tmp_path / f"{number}\n").write_text("")
    assert "a folder without network.json: not a saved network" in refusal(tmp_path)


def test_a_folder_of_saved_networks_and_a_saved_model_are_told(saved: Path, tmp_path: Path) -> None:
    assert f"holds saved networks and is none itself: {saved.name}" in refusal(saved.parent)
    other = tmp_path / "other"
    other.mkdir()
    (other / "saved_model.pb").write_bytes(b"")
    assert "is a SavedModel" in refusal(other)


@unprivileged
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    target = write_network(OLD, tmp_path / "net")
    (target / FILES[1]).chmod(0)
    assert f"{FILES[1]}: Permission denied" in refusal(target)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert "choose a folder that you may read and write" in writing_refusal(tmp_path / "other")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errno.EROFS, "choose a disk that can be written"),
        (errno.EACCES, "choose a folder"),
        (errno.EDQUOT, "free space"),
    ],
)
def test_systems_refusals_come_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, told: str
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "mkdir", refuse)
    assert told in writing_refusal(tmp_path / "net")


def test_exhausted_memory_is_a_refusal(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*arguments: Any, **keywords: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", exhausted)
    assert "memory is exhausted" in refusal(saved)


def test_readers_see_a_whole_network_while_it_is_written(tmp_path: Path) -> None:
    """A reader gets the old network or the new one; at worst the folder it opened has just been removed, or there is
    none between the two renames."""
    target = write_network(OLD, tmp_path / "net")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            write_network(NEW, target, overwrite=True)
            write_network(OLD, target, overwrite=True)

    writer = threading.Thread(target=write)
    writer.start()
    states = set()
    try:
        for _ in range(60):
            states.add(state_of(target))
    finally:
        stop.set()
        writer.join()
    assert all(state in ("old", "new", "absent") or "No such file" in state for state in states), states
    assert states & {"old", "new"}


def test_a_folder_is_read_from_a_read_only_file(saved: Path) -> None:
    for name in FILES:
        (saved / name).chmod(stat.S_IRUSR)
    assert content(read_network(saved)) == content(make_network())
    assert replace(make_network(), name="x").name == "x"
