"""What both environments multiply outputs with to have a loss, and the cases whose gradients are compared."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tests.cases import Spec

# Most recurrent cases differ in how they are called, not in what they compute.
ONE_IN = {"recurrent": 7}


# TensorFlow has no gradient of XlaDynamicUpdateSlice, and its gradients of these transforms fail.
NO_GRADIENT_IN_KERAS = {
    *("operation_shapes/slice_update", "operation_shapes/slice_update_inside"),
    *("operation_fourier/rfft", "operation_fourier/irfft_of_odd_length"),
    *("unfolded_tensorflow/contrast", "unfolded_tensorflow/choices"),
}


def chosen(key: str, case: Any) -> bool:
    """Whether a case's gradients are compared: there are none by texts."""
    family = key.split("/")[0]
    share = ONE_IN.get(family, 1)
    can_be = family != "text" and key not in NO_GRADIENT_IN_KERAS and "neoml" not in case.refused
    return can_be and zlib.crc32(key.encode()) % share == 0


def goes_by_batches(case: Any) -> bool:
    """Whether a layer of the case computes with the statistics of each batch in training."""

    def holds(build: Any) -> bool:
        parts = build if isinstance(build, tuple) else [build]
        found = [one for one in parts if isinstance(one, Spec)]
        return any(one.name == "BatchNormalization" or holds(one.args) for one in found)

    return holds(case.build)


def compared_case(network: Any) -> Any:
    """The reference whose gradients are compared: the first has the most rows, several steps, and every padding."""
    return network.cases[0]


def smooth_inputs(case: Any) -> dict[str, np.ndarray]:
    """A case's inputs, their floats moved a little: off the kinks where a derivative is a matter of taste.

    What a Masking(0.5) looks for stays.
    """
    rng = np.random.default_rng(13)
    made = {}
    for name, array in case.inputs.items():
        made[name] = array
        if array.dtype.kind == "f":
            moved = array + 0.05 * rng.normal(size=array.shape)
            made[name] = np.where(array == 0.5, array, moved).astype(np.float32)
    return made


def cotangents(network: Any, case: Any) -> dict[Any, np.ndarray]:
    """A random number for every number of every float output, by tensor."""
    rng = np.random.default_rng(11)
    made = {}
    for ref in dict.fromkeys(network.output_refs()):
        output = case.outputs[ref]
        if output.dtype.kind == "f" and np.isfinite(output).all():
            made[ref] = rng.normal(size=output.shape).astype(np.float32)
    return made
