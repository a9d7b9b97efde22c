"""TensorFlow quiet and on the CPU. Without Keras there is nothing to collect here."""

import gc
import importlib.metadata
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest


def _keras() -> int:
    """The generation of the installed Keras; 0 without."""
    try:
        return int(importlib.metadata.version("keras").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


collect_ignore_glob = {0: ["test_*.py"], 2: ["test_[!k]*.py"], 3: ["test_keras2*.py"]}[_keras()]

# Keras says so when a nested model or a layer without mask support is made; its behaviour is what is tested.
THIRD_PARTY = (
    "ignore:Layer .* was passed an input with a mask attached:UserWarning",
    # Keras 2 on Python 3.11
    "ignore:non-integer arguments to randrange:DeprecationWarning",
)


def pytest_collection_modifyitems(items):
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.filterwarnings(*THIRD_PARTY))


def pytest_collection_finish():
    gc.freeze()  # clearing a session goes through all objects, of which most are what was imported


@pytest.fixture(autouse=True)
def seeded():
    """Every test begins with fresh layer names and the same random numbers."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
