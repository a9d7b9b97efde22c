"""What holds of every sound saved network: its graph, and its references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional, cast

import numpy as np

from ..errors import Problem
from ..network import Array, Case, Input, Network, Shape, TensorRef, only_tensors
from .arrays import STRINGS, Record
from .limits import Limits, bad_archive
from .metadata import metadata_problems
from .sketch import fill, records_of

FEWEST_CASES = 2
CHUNK = 1 << 18
_SAVE_AGAIN = "save the network again"


def check_sketch(sketch: Network, limits: Limits, kept: Optional[Collection[TensorRef]] = None) -> list[Problem]:
    """All problems of a network's graph, members and references that show without looking into arrays.

    `kept`: the tensors that its cases cover; None for all of them.
    """
    return [
        *_check_layers(sketch),
        *_check_order(sketch),
        *_check_calls(sketch),
        *_check_outputs(sketch),
        *_check_members(sketch, limits),
        *_check_cases(sketch, kept),
        *metadata_problems(sketch.metadata),
    ]


def _check_layers(sketch: Network) -> Iterator[Problem]:
    called = {call.layer for call in sketch.calls}
    unfolded = set(_unfolded(sketch))
    weights: set[str] = set()
    for layer in sketch.layers.values():
        where = f"layer {layer.name!r}"
        if layer.name not in called and layer.name not in unfolded:
            yield Problem(where, "is called nowhere", "leave it out")
        for name in layer.weights:
            if f"{layer.name}/{name}" in weights:
                yield Problem(where, f"its weight {name!r} has the full name of another layer's", "rename the layer")
            weights.add(f"{layer.name}/{name}")
    for layer in sketch.layers.values():
        for name, target in layer.tied.items():
            where = f"layer {layer.name!r}"
            if name in layer.weights:
                yield Problem(where, f"its weight {name!r} is tied and has an array too", _SAVE_AGAIN)
            if target not in weights:
                yield Problem(where, f"its weight {name!r} is tied to {target!r}, which is not an array", _SAVE_AGAIN)


def _check_order(sketch: Network) -> Iterator[Problem]:
    known = sketch.weights()
    for name, count in Counter(name for name in sketch.order if name is not None).items():
        if count > 1:
            yield Problem("order", f"names the weight {name!r} {count} times", _SAVE_AGAIN)
        if name not in known:
            yield Problem("order", f"names {name!r}, which is no weight of the network", _SAVE_AGAIN)


def _unfolded(sketch: Network) -> Iterator[str]:
    """Layers that need no call: others stand under their names, or they under theirs, or share their weights; or all
    that their code does, it does in training.
    """
    called = {call.layer for call in sketch.calls}
    above = {name for layer in called for name in _above(layer)}
    keepers = {keeper.rpartition("/")[0] for layer in sketch.layers.values() for keeper in layer.tied.values()}
    for name, layer in sketch.layers.items():
        if name in above or name in keepers or above.intersection(_above(name)) or "in_training" in layer.config:
            yield name


def _above(name: str) -> Iterator[str]:
    parts = name.split("/")
    yield from ("/".join(parts[:count]) for count in range(1, len(parts)))


def _check_calls(sketch: Network) -> Iterator[Problem]:
    known = {given.name: 1 for given in sketch.inputs}
    for call in sketch.calls:
        where = f"call {call.name!r}"
        if call.layer not in sketch.layers:
            yield Problem(where, f"its layer {call.layer!r} is not among the layers", _SAVE_AGAIN)
        else:
            layer = sketch.layers[call.layer]
            for name in call.constants():
                if name not in layer.weights and name not in layer.tied:
                    yield Problem(where, f"its constant {name!r} is not a weight of its layer", _SAVE_AGAIN)
        read = call.reads()
        for ref in read:
            yield from _check_ref(ref, known, where)
        for ref in call.unmasked:
            if ref not in read:
                yield Problem(where, f"'{ref}' reaches it unmasked, but it does not read it", _SAVE_AGAIN)
        if len(set(call.unmasked)) < len(call.unmasked):
            yield Problem(where, "a tensor is among its unmasked ones twice", _SAVE_AGAIN)
        known[call.name] = call.outputs


def _check_ref(ref: TensorRef, known: Mapping[str, int], where: str) -> Iterator[Problem]:
    if ref.call not in known:
        yield Problem(where, f"reads '{ref}', which no input and no earlier call makes", _SAVE_AGAIN)
    elif ref.output >= known[ref.call]:
        yield Problem(where, f"reads '{ref}', but {ref.call!r} makes {known[ref.call]} tensors", _SAVE_AGAIN)


def _check_outputs(sketch: Network) -> Iterator[Problem]:
    if not sketch.inputs:
        yield Problem("inputs", "the network has none", _SAVE_AGAIN)
    if not sketch.output_refs() or not only_tensors(sketch.outputs):
        yield Problem("outputs", "are not a tensor, a tuple or a dict of tensors", _SAVE_AGAIN)
    known = {given.name: 1 for given in sketch.inputs}
    known.update((call.name, call.outputs) for call in sketch.calls)
    for ref in sketch.output_refs():
        yield from _check_ref(ref, known, "outputs")
    needed = {ref.call for ref in sketch.output_refs()}
    for call in reversed(sketch.calls):
        if call.name in needed:
            needed.update(ref.call for ref in call.reads())
        else:
            yield Problem(f"call {call.name!r}", "contributes to no output of the network", "leave it out")


def _check_members(sketch: Network, limits: Limits) -> Iterator[Problem]:
    count = 0
    for file in ("weights.npz", "references.npz"):
        folded: set[str] = set()
        records = records_of(sketch, file)
        count += len(records)
        for record in records:
            if record.member.casefold() in folded:
                what = f"two arrays have the member {record.member!r}, upper and lower case taken for the same"
                yield Problem(file, what, _SAVE_AGAIN)
            folded.add(record.member.casefold())
        total = sum(record.bytes for record in records)
        if total > limits.file_bytes:
            what = f"its arrays have {total} bytes, more than {limits.file_bytes}"
            yield Problem(file, what, "raise Limits.file_bytes")
    if count > limits.arrays:
        yield Problem("network.json", f"lists {count} arrays, more than {limits.arrays}", "raise Limits.arrays")


def _check_cases(sketch: Network, kept: Optional[Collection[TensorRef]]) -> Iterator[Problem]:
    if len(sketch.cases) < FEWEST_CASES:
        what = f"there are {len(sketch.cases)} of at least {FEWEST_CASES}"
        yield Problem("cases", what, "record references with Keras at two batch sizes or more")
    inputs = {given.name: given for given in sketch.inputs}
    outputs = [ref for call in sketch.calls for ref in call.refs()]
    tensors = {given.ref for given in sketch.inputs}.union(outputs)
    for case in sketch.cases:
        where = f"case {case.name!r}"
        yield from _compare_keys(case.inputs, inputs, f"{where}, inputs")
        known: dict[TensorRef, Any] = {**case.sampled, **case.outputs}
        yield from _compare_keys(known, outputs if kept is None else kept, f"{where}, outputs")
        for ref in case.sampled.keys() & case.outputs.keys():
            yield Problem(f"{where}, outputs", f"'{ref}' is kept whole and in part", _SAVE_AGAIN)
        for name in case.inputs.keys() & inputs.keys():
            yield from _check_input(inputs[name], cast(Record, case.inputs[name]), f"{where}, input {name!r}")
        for ref, record in case.masks.items():
            if ref not in tensors:
                yield Problem(f"{where}, masks", f"'{ref}' is not a tensor of the network", _SAVE_AGAIN)
            if cast(Record, record).dtype != "bool":
                what = f"is of {cast(Record, record).dtype}, masks are of bool"
                yield Problem(f"{where}, mask '{ref}'", what, _SAVE_AGAIN)
        yield from _check_what_is_told(case, known, where)
    yield from _compare_cases(sketch.cases)


def _check_what_is_told(case: Case, known: Collection[TensorRef], where: str) -> Iterator[Problem]:
    """Of tensors beside what they hold: their noise, and what they are with shifted weights."""
    for kind, told in (("noise", case.noise), ("shifted", case.shifted)):
        for ref in told:
            if ref not in known:
                yield Problem(f"{where}, {kind}", f"'{ref}' has no reference in this case", _SAVE_AGAIN)
    for ref, shifted in case.shifted.items():
        if ref in known and shifted.shape != case.shape(ref):
            what = f"'{ref}' has the shape {list(shifted.shape)}, and {list(case.shape(ref))} unshifted"
            yield Problem(f"{where}, shifted", what, _SAVE_AGAIN)


def _compare_keys(found: Mapping[Any, Any], wanted: Any, where: str) -> Iterator[Problem]:
    for key in wanted:
        if key not in found:
            yield Problem(where, f"'{key}' is missing: a case covers every tensor", _SAVE_AGAIN)
    known = set(wanted)
    for key in found:
        if key not in known:
            yield Problem(where, f"'{key}' is not one of the network's", _SAVE_AGAIN)


def _check_input(given: Input, record: Record, where: str) -> Iterator[Problem]:
    if not _fits(record.shape, given.shape):
        yield Problem(where, f"has the shape {list(record.shape)}, the input is {list(given.shape)}", _SAVE_AGAIN)
    elif record.size == 0:
        yield Problem(where, f"is empty: its shape is {list(record.shape)}", _SAVE_AGAIN)
    wanted = STRINGS if given.dtype in ("string", "object") else given.dtype
    if record.dtype != wanted:
        yield Problem(where, f"is of {record.dtype}, the input is of {wanted}", _SAVE_AGAIN)


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(size in (None, has) for size, has in zip(wanted, shape))


def _compare_cases(cases: tuple[Case, ...]) -> Iterator[Problem]:
    """What a tensor is does not change from case to case: its dtype, its rank, whether it carries a mask."""
    for case in cases[1:]:
        first = cases[0]
        for ref in case.covered() & first.covered():
            (dtype, rank), (firstly, at_first) = _kind(case, ref), _kind(first, ref)
            if (dtype, rank) != (firstly, at_first):
                what = f"is of {dtype} and rank {rank}, of {firstly} and rank {at_first} in the first case"
                yield Problem(f"case {case.name!r}, output '{ref}'", what, _SAVE_AGAIN)
        for ref in sorted(case.masks.keys() ^ first.masks.keys()):
            what = "carries a mask in one case and none in another"
            yield Problem(f"cases {first.name!r} and {case.name!r}, '{ref}'", what, _SAVE_AGAIN)


def _kind(case: Case, ref: TensorRef) -> tuple[str, int]:
    """A tensor's dtype and rank in the sketch of a case."""
    record = cast(Record, case.sampled[ref].values if ref in case.sampled else case.outputs[ref])
    return record.dtype, len(case.shape(ref))


def sound_network(sketch: Network, arrays: Iterable[Array], problems: Sequence[Problem]) -> Network:
    """The network of a sketch and its arrays.

    Raises:
        BadArchive: listing `problems`, where the arrays had some, or references that are not finite.
    """
    if problems:
        raise bad_archive(problems)
    network = fill(sketch, iter(arrays))
    found = check_numbers(network)
    if found:
        raise bad_archive(found)
    return network


def check_numbers(network: Network) -> list[Problem]:
    """All references that are not finite where they must be.

    Inputs are finite. Outputs may hold NaN or infinity where Keras computes them (the average over a row that is
    masked entirely, the padding of a maximum), and a number in some case: a tensor without any would prove nothing.
    """
    problems = []
    hopeless: dict[TensorRef, bool] = {}
    for case in network.cases:
        for name, array in case.inputs.items():
            found = {kind for part in _parts(array) for kind in _kinds(part)} - {"number"}
            if found:
                what = f"holds {' and '.join(sorted(found))}"
                problems.append(Problem(f"case {case.name!r}, input {name!r}", what, "record it with finite inputs"))
        for ref, one in case.shifted.items():
            if not np.isfinite(one.values).all():
                what = "is not finite with shifted weights"
                problems.append(Problem(f"case {case.name!r}, shifted '{ref}'", what, _SAVE_AGAIN))
        for ref, array in [*case.outputs.items(), *((ref, one.values) for ref, one in case.sampled.items())]:
            found = {kind for part in _parts(array) for kind in _kinds(part)}
            hopeless[ref] = bool(found) and "number" not in found and hopeless.get(ref, True)
    for ref, nothing in hopeless.items():
        if nothing:
            way_out = "record the network with inputs that keep its numbers finite"
            problems.append(Problem(f"output '{ref}'", "is NaN or infinite throughout, in every case", way_out))
    return problems


def _parts(array: Array) -> Iterator[Array]:
    """An array's elements, some at a time: large arrays are not copied."""
    if array.dtype.kind == "f":
        flat = array.reshape(-1)
        for start in range(0, flat.size, CHUNK):
            yield flat[start : start + CHUNK]


def _kinds(numbers: Array) -> Iterator[str]:
    finite, infinite = np.isfinite(numbers), np.isinf(numbers)
    if finite.any():
        yield "number"
    if infinite.any():
        yield "infinity"
    if not (finite | infinite).all():
        yield "NaN"
