"""Live nets as bytes of an archive, and back."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Union

import neoml


def stored(dnn: Any, with_solver: bool = False) -> bytes:
    """A net as NeoML stores it; `with_solver`: as a checkpoint.

    NeoML does not notice that a disk is full, and stores half an archive.
    """
    with _file() as path:
        (dnn.store_checkpoint if with_solver else dnn.store)(path)
        with open(path, "rb") as file:
            archive = file.read()
    check_file_limit(len(archive))
    return archive


def check_file_limit(size: int) -> None:
    """Raises OSError for a file as large as this process may write: NeoML does not notice where it was cut."""
    try:
        import resource
    except ImportError:  # a system without such limits
        return
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit not in (resource.RLIM_INFINITY, -1) and size >= limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def loaded(archive: Union[bytes, bytearray], math_engine: Any, random: Any = None, with_solver: bool = False) -> Any:
    """The net that an archive holds. The bytes must be our own: NeoML may crash on others.

    Random numbers are no part of an archive: without `random` every net begins with the same ones.
    """
    dnn = neoml.Dnn.Dnn(math_engine, random)
    with _file() as path:
        with open(path, "wb") as file:
            file.write(archive)
        (dnn.load_checkpoint if with_solver else dnn.load)(path)
    return dnn


def opened(path: str, math_engine: Any) -> Any:
    """The net of an archive on the disk, which must be our own as in `loaded`."""
    dnn = neoml.Dnn.Dnn(math_engine)
    dnn.load(path)
    return dnn


@contextmanager
def _file() -> Iterator[str]:
    """The path of a file for a moment, in memory where there are such files."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with open(os.memfd_create("net"), "rb") as memory:
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.TemporaryDirectory() as made:
        yield os.path.join(made, "net")


def copy_of(dnn: Any, math_engine: Any) -> Any:
    """A net with the same layers and weights that has not run yet."""
    teach_wrappers()
    return loaded(stored(dnn), math_engine)


def teach_wrappers() -> None:
    """Let ``dnn.layers`` work on nets that hold cells.

    It looks for the class `neoml.PythonWrapper.X` for each layer of NeoML's class X, and there is none for these.
    """
    for name in ("Recurrent", "BackLink", "CaptureSink", "Composite", "CompositeSource", "CompositeSink"):
        if not hasattr(neoml.PythonWrapper, name):
            setattr(neoml.PythonWrapper, name, _PlainLayer)


class _PlainLayer:
    """Makes the general handle of a layer that has no class of its own."""

    def __init__(self, internal: Any) -> None:
        self.internal = internal

    def create_python_object(self) -> Any:
        return neoml.Dnn.Layer(self.internal)
