"""The folder on disk: opened so that nothing but plain files is read, replaced whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import os
import secrets
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

from ..errors import BadArchive, MissingFile, PortingError, Problem
from .strangers import file_for_folder, told_apart

StrPath = Union[str, "os.PathLike[str]"]
FILES = ("network.json", "weights.npz", "references.npz")
_MOST_EXTRA = 5
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_WAYS_OUT = {
    errno.ENOSPC: "free space on that disk, or write to another",
    errno.EDQUOT: "free space on that disk, or write to another",
    errno.EACCES: "choose a folder that you may read and write",
    errno.EPERM: "choose a folder that you may read and write",
    errno.EROFS: "choose a disk that can be written",
    errno.ENOENT: "check the spelling; a folder to write in has to be there",
    errno.ENOTDIR: "give the path of a folder",
}


def path_of(folder: StrPath) -> Path:
    """The path as given. Raises BadArchive for text that can be no path."""
    path = os.fspath(folder)
    try:
        if "\0" in path or not path:
            raise ValueError("it is empty or holds a NUL")
        os.fsencode(path)
    except ValueError as error:
        raise BadArchive(repr(path), f"is not a path: {error}", "give the path of a folder") from error
    return Path(path)


@contextlib.contextmanager
def as_bad_archive(where: object, doing: str) -> Iterator[None]:
    """Turn what the system reports into BadArchive."""
    try:
        yield
    except PortingError:
        raise
    except OSError as error:
        way_out = _WAYS_OUT.get(error.errno or 0, "see to what the system reports, and try again")
        kind = MissingFile if isinstance(error, FileNotFoundError) else BadArchive
        raise kind(Problem(str(where), f"{doing}: {error.strerror or error}", way_out)) from error
    except MemoryError as error:
        raise BadArchive(str(where), f"{doing}: memory is exhausted", "use a machine with more") from error
    except RecursionError as error:
        raise BadArchive(str(where), f"{doing}: it nests too deep", "lower Limits.depth") from error


@contextlib.contextmanager
def open_files(folder: Path) -> Iterator[dict[str, io.FileIO]]:
    """Open the three files of a saved network, all at once so that they are of one writing.

    Each may be a link to a plain file, as hubs keep them; a device or a pipe is not waited for. What else is in the
    folder (a README, hidden files) is never opened; a UserWarning names it.

    Raises:
        BadArchive: for every file that is missing or not a plain file.
    """
    with contextlib.ExitStack() as stack, as_bad_archive(folder, "cannot be read"):
        handle = _open_folder(folder)
        if handle is not None:
            stack.callback(os.close, handle)
        problems = []
        files = {}
        for name in FILES:
            try:
                files[name] = stack.enter_context(_open_file(folder, handle, name))
            except OSError as error:
                problems.append(Problem(name, str(error.strerror), "give the folder as it was saved"))
        if len(problems) == len(FILES):
            raise BadArchive(told_apart(folder) or problems)
        BadArchive.raise_for(problems)
        _warn_of_others(folder, handle)
        yield files


def _open_folder(folder: Path) -> Optional[int]:
    if folder.is_file():
        raise BadArchive(file_for_folder(folder))
    if not stat.S_ISDIR(os.stat(folder).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if os.open not in os.supports_dir_fd or os.scandir not in os.supports_fd:
        return None
    return os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))


def _warn_of_others(folder: Path, handle: Optional[int]) -> None:
    """Name what lies beside the three files and is none of them."""
    others = []
    with os.scandir(folder if handle is None else handle) as entries:
        for entry in entries:
            if entry.name not in FILES:
                others.append(entry.name)
            if len(others) > _MOST_EXTRA:
                break
    if others:
        more = " and more" if len(others) > _MOST_EXTRA else ""
        names = ", ".join(repr(name)[1:-1] for name in sorted(others)[:_MOST_EXTRA])
        warnings.warn(f"{folder}: not part of the saved network, and ignored: {names}{more}", stacklevel=2)


def _open_file(folder: Path, handle: Optional[int], name: str) -> io.FileIO:
    number = os.open(folder / name, _READ) if handle is None else os.open(name, _READ, dir_fd=handle)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "is not a plain file")
        return io.FileIO(number, "rb")
    except BaseException:
        os.close(number)
        raise


def open_plain(path: Path) -> io.FileIO:
    """Open a file for reading; a link is followed, a device or a pipe is not waited for. Raises OSError."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = io.FileIO(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is not a plain file", str(path))
    return file


@contextlib.contextmanager
def new_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary folder beside `folder` to write in; it takes the folder's place when the block ends well.

    The block has to sync its files. When it raises, the temporary folder is removed and nothing has changed.

    Raises:
        BadArchive: something is there and `overwrite` is false, or is not a saved network; and what the system
            reports.
    """
    with as_bad_archive(folder, "cannot be written"):
        target = Path(os.path.realpath(folder))
        _check_target(target, overwrite)
        temporary = target.with_name(f".{target.name[:40]}.writing-{secrets.token_hex(8)}")
        try:
            os.mkdir(temporary)
            yield temporary
            sync_folder(temporary)
            _replace(temporary, target, overwrite)
        finally:
            _remove(temporary)
        with contextlib.suppress(OSError):
            sync_folder(target.parent)


def check_target(folder: StrPath, overwrite: bool) -> None:
    """Refuse to replace what may not be replaced: anything at all, or with `overwrite` all but a saved network.

    Raises:
        BadArchive: something is there, or there is no folder to put it into.
    """
    with as_bad_archive(folder, "cannot be written"):
        _check_target(Path(os.path.realpath(path_of(folder))), overwrite)


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise BadArchive(str(target.parent), "is not a folder", "create it first, and check the spelling")
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise BadArchive(str(target), "is a file, not a folder", "choose another name")
    names = sorted(os.listdir(target))
    foreign = [name for name in names if name not in FILES or not stat.S_ISREG(os.lstat(target / name).st_mode)]
    if foreign:
        what = f"holds more than a saved network, which replacing it would remove: {', '.join(foreign[:5])}"
        raise BadArchive(str(target), what, "choose another name, and move the three files here afterwards")
    if names and not overwrite:
        raise BadArchive(str(target), "is there already", "choose another name, or overwrite=True")


def _replace(temporary: Path, target: Path, overwrite: bool) -> None:
    """Put the new folder in the place of the old one, which is left under the temporary name."""
    if not overwrite or not os.path.lexists(target):
        _move_to_nothing(temporary, target)
        return
    if _exchange(temporary, target):
        return
    old = temporary.with_name(temporary.name.replace(".writing-", ".old-"))
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(old, target)
        raise
    os.rename(old, temporary)


def _move_to_nothing(temporary: Path, target: Path) -> None:
    try:
        if os.name == "nt" and target.is_dir():
            os.rmdir(target)
        os.rename(temporary, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            what = "has been made by somebody else in the meantime"
            raise BadArchive(str(target), what, "choose another name, or overwrite=True") from error
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, where Linux can: renameat2 with RENAME_EXCHANGE. False where it cannot."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    at_cwd, exchange = -100, 2
    return bool(renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0)


def sync_folder(folder: Path) -> None:
    """See that what was moved into a folder is on the disk. Raises OSError."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _remove(folder: Path) -> None:
    """Remove a folder that holds nothing but a saved network's files; what cannot be removed stays."""
    for name in FILES:
        with contextlib.suppress(OSError):
            os.unlink(folder / name)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
