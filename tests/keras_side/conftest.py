"""TensorFlow quiet and on the CPU. Without Keras there is nothing to collect here."""

import importlib.util
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("keras") else ["test_*.py"]

# Keras says so when a nested model or a layer without mask support is made; its behaviour is what is tested.
MASK_WARNING = "ignore:Layer .* was passed an input with a mask attached:UserWarning"


def pytest_collection_modifyitems(items):
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.filterwarnings(MASK_WARNING))


@pytest.fixture(autouse=True)
def seeded():
    """Every test begins with fresh layer names and the same random numbers."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
