"""Memory that stays with the process from one batch to the next."""

from __future__ import annotations

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
