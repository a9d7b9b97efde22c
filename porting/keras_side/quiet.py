"""Keras imported without the wall of messages that TensorFlow writes as it is loaded."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# TensorFlow's C++ reads them as it is loaded: errors are raised in Python, too.
SETTINGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR"}
STDERR = 2


def import_keras() -> None:
    """Import Keras, or tf_keras where it is alone, and its backend; nothing is written unless that fails.

    Raises:
        ImportError: there is neither, or its backend is missing.
    """
    name = "keras" if importlib.util.find_spec("keras") or not importlib.util.find_spec("tf_keras") else "tf_keras"
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    with stderr_kept_back():
        importlib.import_module(name)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].get_logger().setLevel("ERROR")


@contextmanager
def stderr_kept_back() -> Iterator[None]:
    """Keep back what the process writes to its standard error, C++ included; it is shown where the block raises."""
    sys.stderr.flush()
    try:
        own = os.dup(STDERR)
    except OSError:  # it is closed
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), STDERR)
        try:
            yield
        except ImportError:
            raise
        except BaseException:
            kept.seek(0)
            os.write(own, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(own, STDERR)
            os.close(own)
