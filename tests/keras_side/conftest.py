"""TensorFlow quiet and on the CPU; warnings are errors save those of third parties."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import pytest

keras = pytest.importorskip("keras")

THIRD_PARTY = (
    "ignore::DeprecationWarning:tensorflow.*",
    "ignore::DeprecationWarning:keras.*",
    "ignore:Layer .* was passed an input with a mask attached:UserWarning",
    "ignore:.*np.object.*:FutureWarning",
    "ignore:In the future `np.object` will be defined:FutureWarning",
)


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("error"))
        for line in THIRD_PARTY:
            item.add_marker(pytest.mark.filterwarnings(line))


@pytest.fixture(autouse=True)
def seeded():
    """Every test begins with fresh layer names and the same random numbers."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    np.random.seed(7)
