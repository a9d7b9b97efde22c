"""Memory stays with the process between batches."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Page faults of some rounds that each fill and free as many arrays as a batch of pictures does.
ROUNDS = """
import resource
import numpy as np
from porting.memory import keep_memory
{keep}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def round():
    [np.ones(size, np.uint8) for size in (2**22, 2**21, 2**20)]
    kept = [np.ones(2**20, np.uint8) for _ in range(8)]
round()
before = faults()
for _ in range(10):
    round()
print(faults() - before)
"""
FEW, MANY = 200, 5000


def faults(keep: str) -> int:
    made = subprocess.run([sys.executable, "-c", ROUNDS.format(keep=keep)], check=True, stdout=subprocess.PIPE)
    return int(made.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives memory back")
def test_what_a_batch_has_left_serves_the_next() -> None:
    assert faults("") > MANY
    assert faults("keep_memory()") < FEW
