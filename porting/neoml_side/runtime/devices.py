"""NeoML's math engines. On a GPU NeoML wants CUDA 11's libraries loaded before it is first imported."""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import os
import sys
from functools import cache
from typing import Any

from ...errors import Unsupported
from ...memory import keep_memory, never_free

CUDA_LIBRARIES = ("libcublasLt.so.11", "libcublas.so.11", "libcusparse.so.11")
HOW_TO_HAVE_IT = (
    "in a checkout of porting: pip install '.[neoml]' (Python 3.8 to 3.11, no arm64 Macs); or use engine='numpy'"
)
HOW_TO_INSTALL = "pip install nvidia-cusparse-cu11 nvidia-cublas-cu11, beside a driver that has libcuda.so.1"


def preload_cuda() -> list[str]:
    """Load CUDA 11's libraries from NVIDIA's PyPI packages, where installed; returns those loaded.

    Must run before the first ``import neoml``: NeoML looks for them by name once, when it is imported.
    """
    found = importlib.util.find_spec("nvidia")
    folders = list(found.submodule_search_locations or []) if found else []
    loaded = []
    for name in CUDA_LIBRARIES:
        for path in sorted(path for folder in folders for path in glob.glob(os.path.join(folder, "*", "lib", name))):
            try:
                ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
            except OSError:
                continue
            loaded.append(path)
    return loaded


def _neoml() -> Any:
    if "neoml" not in sys.modules:
        preload_cuda()
    try:
        import neoml
    except ImportError as error:
        raise Unsupported("engine 'neoml'", f"neoml cannot be imported: {error}", HOW_TO_HAVE_IT) from error
    return neoml


def math_engine_for(device: Any) -> Any:
    """The math engine of ``cpu``, ``gpu`` (the first) or ``gpu:1``.

    Raises:
        Unsupported: another name, no neoml, or no such GPU.
    """
    neoml = _neoml()
    kind, _, number = str(device).partition(":")
    if kind == "cpu" and not number:
        keep_memory()
        return neoml.MathEngine.CpuMathEngine()
    if kind != "gpu" or (number and not number.isdigit()):
        raise Unsupported(f"device {device!r}", "is not known", "use 'cpu', 'gpu' or 'gpu:1'")
    found = len(list(neoml.MathEngine.enum_gpu()))
    index = int(number or 0)
    if index >= found:
        raise Unsupported(f"device {device!r}", f"NeoML finds {found} GPUs", HOW_TO_INSTALL)
    return neoml.MathEngine.GpuMathEngine(index)


@cache
def has_avx512() -> bool:
    """Whether the processor has AVX-512, as far as Linux tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return "avx512f" in file.read(1 << 13)
    except OSError:
        return False


def math_engine_of_fork(left: Any, device: Any) -> Any:
    """A math engine for a process that was forked: locks in the one left may be held by threads that are not here.

    Raises:
        Unsupported: CUDA does not outlive a fork.
    """
    if device != "cpu":
        way_out = "load the network in the process that uses it: multiprocessing's start method 'spawn'"
        raise Unsupported(f"device {device!r}", "a GPU cannot be used after a fork", way_out)
    never_free(left)
    return math_engine_for(device)
