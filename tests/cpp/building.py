"""A compiler for the tests of C++, and binary records for their programs."""

from __future__ import annotations

import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest

__all__ = ["HERE", "compile_to", "number", "text"]

HERE = Path(__file__).parent
FLAGS = ("-std=c++14", "-O0", "-pedantic", "-Wall", "-Wextra", "-Werror")


@cache
def compiler() -> str:
    found = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if found is None:
        pytest.skip("no C++ compiler here: install g++")
    return found


def compile_to(program: Path, source: Path, *include: Path) -> Path:
    """Compile a source against the stand-in of NeoML and headers in more folders; a warning is an error."""
    folders = [word for folder in (HERE / "standin", *include) for word in ("-I", str(folder))]
    made = subprocess.run(
        [compiler(), *FLAGS, *folders, str(source), "-o", str(program)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return program


def number(value: int) -> bytes:
    return struct.pack("<I", value)


def text(data: bytes) -> bytes:
    return number(len(data)) + data
