"""Memory that stays with the process: from one batch to the next, and what a fork must not free."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

# A little less than the largest block from which glibc's malloc learns.
BLOCK = 2**25 - 2**14


def keep_memory() -> None:
    """Let malloc keep what a batch has left, up to some 64 MiB.

    glibc gives free memory back to the system as soon as there is more of it than a threshold, and is given it again
    page by page, filled with zeros: a fifth of a step of training, a third of a convolution in numpy. Whenever a block
    is freed that is larger than any before, the threshold becomes twice its size (mallopt(3), M_MMAP_THRESHOLD). This
    block is never written to, so it takes no memory; other systems' allocators take no notice of it.
    """
    np.empty(BLOCK, np.uint8)


def never_free(*things: Any) -> None:
    """Keep things of the process that this one was forked from until it ends.

    To free a net takes a lock of its math engine, which a thread that is not here any more may have held.
    """
    for thing in things:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
