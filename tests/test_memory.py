"""Memory stays with the process between batches."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MIB = 2**20

# How many bytes of a block stay with a process that has filled and freed it.
A_BLOCK = """
import mmap
import numpy as np
from porting.memory import keep_memory
{keep}
def resident():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * mmap.PAGESIZE
before = resident()
np.ones({size}, np.uint8)
print(resident() - before)
"""


def stays(keep: str) -> int:
    program = A_BLOCK.format(keep=keep, size=24 * MIB)
    return int(subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives memory back")
def test_what_a_batch_has_left_serves_the_next() -> None:
    assert stays("") < 2 * MIB
    assert stays("keep_memory()") > 20 * MIB
