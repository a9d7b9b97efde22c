"""Put what `test_way_back` trained in NeoML into Keras models and compare. Runs in the Keras environment.

Every weight must be NeoML's to the bit, and the models' outputs NeoML's to float32 noise.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np

import porting
from porting.archive import read_network
from porting.keras_side.save import describe
from tests.arguments import folders_and_names
from tests.training.recipes import NETS
from tests.training.record import randomise

TOLERANCE = 1e-5


def compare(folder: Path, net: str) -> list[str]:
    """What departs."""
    keras.utils.clear_session()
    model = NETS[net](keras)
    randomise(model)
    before = model.get_weights()
    porting.restore(folder / net, model)
    tuned, now = read_network(folder / net).weights(), describe(model).weights()
    departures = [f"{net}: {name} is not NeoML's" for name in tuned if tuned[name].tobytes() != now[name].tobytes()]
    if all((one == other).all() for one, other in zip(before, model.get_weights())):
        departures.append(f"{net}: nothing was trained")
    with np.load(folder / f"{net}.npz") as file:
        made = model.predict([file[f"input {at}"] for at in range(len(model.inputs))], verbose=0)
        for at, output in enumerate(made if isinstance(made, list) else [made]):
            apart = np.abs(output - file[f"output {at}"]).max()
            print(f"{net}: {len(tuned)} weights to the bit, output {at} {apart:.1e} apart")
            if not apart <= TOLERANCE * max(1, np.abs(output).max()):
                departures.append(f"{net}: output {at} is {apart:.1e} apart")
    return departures


if __name__ == "__main__":
    (target,), _ = folders_and_names(__spec__, __doc__, ["folder"])
    found = [one for net in NETS for one in compare(target, net)]
    sys.exit("\n".join(found) or 0)
