"""What calls make with their layers' weights of one value or two shifted: see `porting.checking.shifted`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..checking.noise import size_of
from ..checking.shifted import has_few_values, shift
from ..network import Array, Case, Sampled, TensorRef, tensors_in
from .graph import CallGraph, Step
from .keras_api import KerasApi
from .noise import Variables, changed_weights
from .run import Unmasked, run_step
from .thinning import LARGE, PLACES

# Of what moves by more of its size when numbers move by a last bit, a shift shows little.
STEADY = 1e-4


def with_shifted(case: Case, graph: CallGraph, api: KerasApi, own: Variables, unmasked: Unmasked) -> Case:
    """The case with what each layer's first call makes of shifted weights.

    Args:
        case: every tensor whole, with its noise.
        graph: what is run.
        api: its Keras.
        own: by layer name, its variables and constants that no other layer holds. They are as they were when this ends.
        unmasked: by call, the tensors that reach it without the mask that they were made with.
    """
    found: dict[TensorRef, Sampled] = {}
    seen: set[str] = set()
    for step in graph.steps:
        held = [one for one in own.get(step.call.layer, ()) if has_few_values(np.asarray(api.to_numpy(one)))]
        if held and step.call.layer not in seen and all(api.is_variable(one) for one in held):
            found.update(_shifted(step, case, api, held, unmasked.get(step.call.name, ())))
        seen.add(step.call.layer)
    return replace(case, shifted=found)


def _shifted(
    step: Step, case: Case, api: KerasApi, held: list[Any], unmasked: tuple[TensorRef, ...]
) -> Mapping[TensorRef, Sampled]:
    """What a call makes; nothing where it does not go by these weights, or is not finite."""
    read = {ref: _tensor(case, ref, api, ref not in unmasked) for ref in tensors_in((step.args, step.kwargs))}
    with changed_weights(held, api, shift):
        made = [np.asarray(api.to_numpy(value)) for value in run_step(step, read, api)]
    told = {ref: array for ref, array in zip(step.call.refs(), made) if _tells(array, case, ref)}
    return {ref: Sampled.of(array, LARGE if array[0].size <= LARGE else PLACES) for ref, array in told.items()}


def _tells(array: Array, case: Case, ref: TensorRef) -> bool:
    kept = case.outputs[ref]
    if array.dtype.kind != "f" or array.shape != kept.shape or not np.isfinite(array).all():
        return False
    return not np.array_equal(array, kept) and case.noise[ref].alone[0] <= STEADY * size_of(array)


def _tensor(case: Case, ref: TensorRef, api: KerasApi, masked: bool) -> Any:
    array = case.outputs[ref] if ref in case.outputs else case.inputs[ref.call]
    mask = case.masks.get(ref) if masked else None
    dtype = "string" if array.dtype.kind in "OUS" else array.dtype.name
    return api.with_mask(api.to_tensor(array, dtype), None if mask is None else api.to_tensor(mask, "bool"))
