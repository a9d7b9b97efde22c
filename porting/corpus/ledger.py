"""What a run over a corpus has done, kept beside its outputs, so that it goes on where it stood.

``_porting/run.json`` says what is run: the network, how it is read and written. For each part that is done
``_porting/done/NAME.json`` holds its counts, and ``_porting/errors/NAME.jsonl`` its bad rows. A part's record is
written after its outputs, so a part that has one is whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from ..archive.folder import as_bad_archive
from ..errors import BadArchive, Mismatch, Problem
from .part_files import WRITING, new_file, write_json
from .parts import Part

FORMAT = {"format": "porting run over a corpus", "version": 1}


@dataclass(frozen=True)
class Done:
    """A part that is done.

    Attributes:
        part: its name.
        file, fingerprint, groups: where its rows come from.
        rows: how many were written.
        bad: how many were not.
        bytes: of the file that was written.
    """

    part: str
    file: str
    fingerprint: str
    groups: Optional[list[int]]
    rows: int
    bad: int
    bytes: int

    def is_of(self, part: Part) -> bool:
        """Whether it is of that part, of a file that has not changed."""
        groups = None if self.groups is None else tuple(self.groups)
        return (self.fingerprint, groups) == (part.fingerprint, part.groups)


@dataclass(frozen=True)
class Ledger:
    """The records of a run, below the folder that its outputs are written to."""

    out: Path

    @property
    def notes(self) -> Path:
        return self.out / "_porting"

    def output(self, part: str) -> Path:
        return self.out / part

    def errors(self, part: str) -> Path:
        return self.notes / "errors" / f"{part}.jsonl"

    def record(self, part: str) -> Path:
        return self.notes / "done" / f"{part}.json"

    # ---- one run at a time

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else's while the block runs; the system lets go of it when the process ends in any way.

        Raises:
            BadArchive: another run holds it.
        """
        import fcntl

        with contextlib.ExitStack() as stack:
            with as_bad_archive(self.out, "cannot be written"):
                self.notes.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(open(self.notes / "lock", "w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                what = "another run is writing here"
                raise BadArchive(str(self.out), what, "let it end, or write to another folder") from error
            yield

    # ---- beginning, and going on

    def begin(self, told: Mapping[str, Any], parts: Iterable[Part], overwrite: bool) -> dict[str, Done]:
        """Start a run, or go on with the one that stands here; what is done, by the parts' names.

        Raises:
            Mismatch: what stands here is another run's, or of files that have changed since.
            BadArchive: something else stands here, or it cannot be written.
        """
        kept = self.notes / "run.json"
        if not kept.exists():
            self._check_empty()
        elif overwrite:
            self._clear()
        else:
            self._check_same(_read(kept), told)
        self._clean()
        done = {one.part: one for one in self._records()}
        self._check_unchanged(done, parts)
        if not kept.exists():
            write_json(kept, {**FORMAT, **told})
        return done

    def _check_empty(self) -> None:
        foreign = sorted(path.name for path in self.out.iterdir() if path != self.notes)
        if foreign:
            what = f"holds what no run wrote: {', '.join(foreign[:5])}"
            raise BadArchive(str(self.out), what, "choose an empty folder, or a new one")

    def _check_same(self, before: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        wanted = {**FORMAT, **told}
        way_out = "start it as it was, write to another folder, or begin anew: overwrite=True"
        problems = [
            Problem(f"{self.out}: {name}", f"was {before.get(name)!r}, is {wanted.get(name)!r}", way_out)
            for name in sorted({*before, *wanted})
            if before.get(name) != wanted.get(name)
        ]
        Mismatch.raise_for(problems)

    def _check_unchanged(self, done: Mapping[str, Done], parts: Iterable[Part]) -> None:
        now = {part.name: part for part in parts}
        problems = []
        for name, one in done.items():
            part = now.get(name)
            if part is None or not one.is_of(part):
                what = "is gone" if part is None else "has changed"
                way_out = "put it back, write to another folder, or begin anew: overwrite=True"
                problems.append(Problem(one.file, f"{what} since it was scored", way_out))
        if problems:
            raise Mismatch(problems[:20])

    def _records(self) -> Iterator[Done]:
        for path in sorted(self.notes.glob("done/**/*.json")):
            done = self._record_at(path)
            if done is not None:
                yield done

    def _record_at(self, path: Path) -> Optional[Done]:
        """The record of a part whose output stands as it was written."""
        done = Done(**_read(path))
        output = self.output(done.part)
        return done if output.is_file() and output.stat().st_size == done.bytes else None

    def _clean(self) -> None:
        """Files that a killed process was writing."""
        for path in self.out.rglob(f".*{WRITING}*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _clear(self) -> None:
        """All that the run that stands here wrote, its head last, so that a clearing can be begun again."""
        with as_bad_archive(self.out, "cannot be cleared"):
            for path in self.notes.glob("done/**/*.json"):
                with contextlib.suppress(FileNotFoundError):
                    self.output(_read(path)["part"]).unlink()
            with contextlib.suppress(FileNotFoundError):
                (self.out / "_errors.jsonl").unlink()
            for name in ("errors", "done"):
                shutil.rmtree(self.notes / name, ignore_errors=True)
            (self.notes / "run.json").unlink()

    # ---- a part's end

    def finish(self, part: Part, rows: int, bad: int) -> Done:
        """Record a part whose files have been written. Raises BadArchive."""
        size = os.path.getsize(self.output(part.name))
        groups = None if part.groups is None else list(part.groups)
        done = Done(part.name, part.shown, part.fingerprint, groups, rows, bad, size)
        write_json(self.record(part.name), asdict(done))
        return done

    def recorded(self, part: Part) -> Optional[Done]:
        """What was recorded of a part that is done, and whose file is as it was."""
        path = self.record(part.name)
        done = self._record_at(path) if path.is_file() else None
        return done if done is not None and done.is_of(part) else None

    # ---- the end

    def gather_errors(self, parts: Iterable[Part], failed: Mapping[str, str], any_bad: bool) -> Optional[Path]:
        """All bad rows, and the parts that could not be read, in one file: ``_errors.jsonl``; None without any.

        Raises:
            BadArchive: it cannot be written.
        """
        path = self.out / "_errors.jsonl"
        if not any_bad and not failed:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return None
        with new_file(path) as file:
            for part in parts:
                if part.name in failed:
                    entry = {"file": part.shown, "part": part.name, "why": failed[part.name]}
                    file.write((json.dumps(entry, ensure_ascii=False) + "\n").encode())
                elif self.errors(part.name).exists():
                    with open(self.errors(part.name), "rb") as own:
                        shutil.copyfileobj(own, file)
        return path


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = f"cannot be read: {error}"
        raise BadArchive(str(path), what, "write to another folder, or take this file away") from error
    if not isinstance(read, dict):
        raise BadArchive(str(path), "is not a record", "write to another folder, or take this file away")
    return read
