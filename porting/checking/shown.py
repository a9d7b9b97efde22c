"""Which weights the references show: each slice is changed by a tenth, and the layer is run alone in numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..engine_factory import make_engine
from ..errors import PortingError
from ..layers import Rule
from ..network import Array, Call, Case, Layer, Network, TensorRef
from ..numpy_side.engine import NumpyEngine
from ..text import LAYERS
from .judging import comparable
from .shifted import has_few_values
from .tolerance import TOLERANCE, Allowance, allowance_alone, measure


def of_one_value(network: Network, but: Collection[str] = ()) -> Iterator[str]:
    """Weights whose numbers are all the same, as in a fresh model: another order of them would not show.

    `but` are layers that were run with these weights shifted.
    """
    for layer in network.layers.values():
        for name, array in layer.weights.items() if layer.name not in but else ():
            if array.dtype.kind == "f" and array.size > 1 and bool((array == array.flat[0]).all()):
                yield f"{layer.name} {name} ({array.flat[0]:g})"


def whole_tensors(network: Network, rules: Mapping[str, Rule]) -> list[dict[TensorRef, Array]]:
    """Of each case, its tensors; those that were not kept whole are made by the numpy engine."""
    engine = make_engine(network, "numpy", None, rules) if any(case.sampled for case in network.cases) else None
    found = []
    for case in network.cases:
        made = engine.run(case.inputs) if engine is not None and case.sampled else {}
        found.append({**{TensorRef(name): array for name, array in case.inputs.items()}, **made, **case.outputs})
    return found


def unshown(
    network: Network,
    call: Call,
    rules: Mapping[str, Rule],
    tensors: Sequence[Mapping[TensorRef, Array]],
    shifted: bool = False,
) -> list[str]:
    """The weights of a call's layer, or how many slices of them, whose change by a tenth no reference shows.

    A slice is all that has one index on the last axis: a unit, a gate's unit, a filter, a feature. `tensors` are those
    of each case, whole; `shifted`: weights of one value or two were shown otherwise (`porting.checking.shifted`).
    """
    layer = network.layers[call.layer]
    if layer.class_name in LAYERS:
        return []
    found = []
    for name, array in layer.weights.items():
        if array.dtype.kind != "f" or not array.size or (shifted and has_few_values(array)):
            continue
        places = range(array.shape[-1] if array.ndim else 1)
        hidden = [at for at in places if not _shows(network, call, layer, name, _changed(array, at), rules, tensors)]
        if hidden:
            what = "zeros throughout" if not array.any() else f"{len(hidden)} of {len(places)} slices"
            found.append(f"{name} ({what})")
    return found


def _changed(array: Array, at: int) -> Array:
    changed = np.atleast_1d(array.copy())
    changed[..., at] *= 1.1
    return changed.reshape(array.shape)


def _shows(
    network: Network,
    call: Call,
    layer: Layer,
    name: str,
    changed: Array,
    rules: Mapping[str, Rule],
    tensors: Sequence[Mapping[TensorRef, Array]],
) -> bool:
    """Whether some reference departs from what the layer makes with a changed weight."""
    if np.array_equal(changed, layer.weights[name]):
        return False
    other = replace(layer, weights={**layer.weights, name: changed})
    engine = NumpyEngine(replace(network, layers={**network.layers, layer.name: other}, calls=(call,), cases=()), rules)
    return any(_departs(engine, call, layer, case, known) for case, known in zip(network.cases, tensors))


def _departs(engine: NumpyEngine, call: Call, layer: Layer, case: Case, known: Mapping[TensorRef, Array]) -> bool:
    tensors = {ref: known[ref] for ref in call.reads()}
    try:
        outputs, _ = engine.run_alone(call, tensors, {ref: case.masks[ref] for ref in tensors if ref in case.masks})
    except PortingError:
        return True
    for ref, got in zip(call.refs(), outputs):
        noise = case.noise.get(ref)
        allowance = Allowance(TOLERANCE) if noise is None else allowance_alone(layer, noise.alone)
        if case.tells_of(ref) and not measure(*comparable(case, ref, got), allowance).agrees:
            return True
    return False
