"""A sketch of a network: the network with a `Record` in the place of every array.

Writing turns a network into its sketch and the sketch into JSON values; reading goes the other way. What can be
checked without looking into arrays is checked on the sketch, in both directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from ..errors import Problem
from ..network import Array, Call, Case, Constant, Layer, Network, Sampled, TensorRef
from .arrays import STRINGS, Record, record_of
from .canonical import FORMAT, LARGEST, SMALLEST, VERSION
from .decode import is_float
from .limits import Limits, bad_archive


@dataclass(frozen=True)
class ArrayPlace:
    """The place of an array in a network.

    Attributes:
        file: ``weights.npz`` or ``references.npz``.
        where: for people.
        member: the name that its member has unless another differs from it by case only.
        array: the array, or its record.
    """

    file: str
    where: str
    member: str
    array: Any


def array_places(network: Network) -> Iterator[ArrayPlace]:
    """Every array of a network, in the order in which the files hold them."""
    for layer in network.layers.values():
        for name, array in layer.weights.items():
            yield ArrayPlace("weights.npz", f"weight '{layer.name}/{name}'", f"{layer.name}/{name}", array)
    for number, case in enumerate(network.cases):
        for name, array in case.inputs.items():
            yield ArrayPlace("references.npz", f"case {case.name!r}, input {name!r}", f"{number}/inputs/{name}", array)
        for kind, arrays in (("output", case.outputs), ("mask", case.masks)):
            for ref, array in arrays.items():
                where = f"case {case.name!r}, {kind} '{ref}'"
                yield ArrayPlace("references.npz", where, f"{number}/{kind}s/{ref.call}/{ref.output}", array)
        for kind, parts in (("sampled", case.sampled), ("shifted", case.shifted)):
            for ref, part in parts.items():
                where = f"case {case.name!r}, {kind} '{ref}'"
                yield ArrayPlace("references.npz", where, f"{number}/{kind}/{ref.call}/{ref.output}", part.values)


def fill(network: Network, arrays: Iterator[Any]) -> Network:
    """The same network with other arrays (or records), given in the order of `array_places`."""

    def filled(old: Mapping[Any, Any]) -> dict[Any, Any]:
        return {key: next(arrays) for key in old}

    layers = {name: replace(layer, weights=filled(layer.weights)) for name, layer in network.layers.items()}
    cases = []
    for case in network.cases:
        inputs, outputs, masks = filled(case.inputs), filled(case.outputs), filled(case.masks)
        sampled, shifted = (
            {ref: replace(one, values=next(arrays)) for ref, one in parts.items()}
            for parts in (case.sampled, case.shifted)
        )
        cases.append(replace(case, inputs=inputs, outputs=outputs, masks=masks, sampled=sampled, shifted=shifted))
    return replace(network, layers=layers, cases=tuple(cases))


def records_of(sketch: Network, file: str) -> list[Record]:
    """The records of one file, in the order of its members."""
    return [cast(Record, place.array) for place in array_places(sketch) if place.file == file]


def in_order(network: Network) -> Network:
    """The network with its layers by first call, and each case's arrays in the order of inputs and calls.

    What is named by no call comes last: the checks will complain of it.
    """
    called = dict.fromkeys(call.layer for call in network.calls)
    names = [*(name for name in called if name in network.layers), *(n for n in network.layers if n not in called)]
    inputs = [given.name for given in network.inputs]
    refs = [ref for call in network.calls for ref in call.refs()]
    tensors = [given.ref for given in network.inputs] + refs
    cases = tuple(
        Case(
            case.name,
            _sorted(case.inputs, inputs),
            _sorted(case.outputs, refs),
            _sorted(case.masks, tensors),
            _sorted(case.noise, refs),
            _sorted(case.sampled, refs),
            _sorted(case.shifted, refs),
        )
        for case in network.cases
    )
    return replace(network, layers={name: network.layers[name] for name in names}, cases=cases)


def _sorted(mapping: Mapping[Any, Any], order: list[Any]) -> dict[Any, Any]:
    first = {key: mapping[key] for key in order if key in mapping}
    return {**first, **{key: value for key, value in mapping.items() if key not in first}}


def _member_name(name: str, taken: set[str]) -> str:
    """A name of its own where upper and lower case are taken for the same: ``~2``, ``~3`` are added where needed."""
    count, chosen = 1, name
    while chosen.casefold() in taken:
        count += 1
        chosen = f"{name}~{count}"
    taken.add(chosen.casefold())
    return chosen


def sketch_of(network: Network) -> Network:
    """The sketch of a network that is in order.

    Raises:
        BadArchive: listing all arrays that cannot be stored.
    """
    problems: list[Problem] = []
    records = [_record(place, problems) for place in array_places(network)]
    if problems:
        raise bad_archive(problems)
    return with_member_names(fill(network, iter(records)))


def with_member_names(sketch: Network) -> Network:
    """A sketch in order with the member names that this format gives."""
    taken: dict[str, set[str]] = {"weights.npz": set(), "references.npz": set()}
    named = [replace(one.array, member=_member_name(one.member, taken[one.file])) for one in array_places(sketch)]
    return fill(sketch, iter(named))


def with_digests(sketch: Network, digests: Sequence[str]) -> Network:
    """The sketch with the hashes of its arrays, given in the order of `array_places`."""
    records: list[Any] = [place.array for place in array_places(sketch)]
    return fill(sketch, iter([replace(record, sha256=digest) for record, digest in zip(records, digests)]))


def _record(place: ArrayPlace, problems: list[Problem]) -> Record:
    try:
        return record_of(place.array)
    except ValueError as error:
        way_out = "store it as float16 … float64, int8 … int64, uint8 … uint64, bool or strings"
        problems.append(Problem(place.where, str(error), way_out))
        return Record("", "bool", (), "", 1)


def describe_sketch(sketch: Network, limits: Limits, version: int = VERSION) -> dict[str, Any]:
    """The JSON values of network.json, ``sha256`` left out, from a sketch in order, as a version of the format has it.

    Raises:
        BadArchive: listing every value that JSON does not hold.
    """
    plain = Plain(limits, version > 3)
    description = {
        "format": FORMAT,
        "version": version,
        "name": sketch.name,
        "origin": plain.value(sketch.origin, "origin"),
        **({"metadata": plain.value(sketch.metadata, "metadata")} if version > 2 else {}),
        "inputs": [{"name": one.name, "shape": list(one.shape), "dtype": one.dtype} for one in sketch.inputs],
        "calls": [_call(call, plain) for call in sketch.calls],
        "layers": [_layer(layer, plain) for layer in sketch.layers.values()],
        "outputs": plain.argument(sketch.outputs, "outputs"),
        "cases": [_case(case, plain, version) for case in sketch.cases],
        **({"order": list(sketch.order)} if sketch.order and version > 4 else {}),
    }
    if plain.problems:
        raise bad_archive(plain.problems)
    return description


def _call(call: Call, plain: Plain) -> dict[str, Any]:
    where = f"call {call.name!r}"
    return {
        "name": call.name,
        "layer": call.layer,
        "inputs": [plain.argument(one, where) for one in call.inputs],
        "arguments": plain.arguments(call.arguments, where),
        "outputs": call.outputs,
        "unmasked": [str(ref) for ref in call.unmasked],
    }


def _layer(layer: Layer, plain: Plain) -> dict[str, Any]:
    where = f"layer {layer.name!r}"
    return {
        "name": layer.name,
        "class": layer.class_name,
        "config": plain.value(layer.config, where),
        "trainable": layer.trainable,
        "tied": plain.value(layer.tied, where),
        "weights": [_described(name, record) for name, record in layer.weights.items()],
    }


def _case(case: Case, plain: Plain, version: int) -> dict[str, Any]:
    described = {
        "name": case.name,
        "inputs": [_described(name, record) for name, record in case.inputs.items()],
        "outputs": [_described(str(ref), record) for ref, record in case.outputs.items()],
        "masks": [_described(str(ref), record) for ref, record in case.masks.items()],
    }
    if version == 1:
        return described
    noise = [
        {
            "name": str(ref),
            "alone": plain.value(one.alone, f"case {case.name!r}, noise '{ref}'"),
            "chain": plain.value(one.chain, f"case {case.name!r}, noise '{ref}'"),
        }
        for ref, one in case.noise.items()
    ]
    if version < 4:
        return {**described, "noise": noise}
    described.update(noise=noise, sampled=_parts_of(case.sampled))
    return {**described, "shifted": _parts_of(case.shifted)} if version > 4 else described


def _parts_of(sampled: Mapping[TensorRef, Sampled]) -> list[dict[str, Any]]:
    return [{**_described(str(ref), one.values), "of": list(one.shape)} for ref, one in sampled.items()]


def _described(name: str, record: Record | Array) -> dict[str, Any]:
    record = cast(Record, record)
    described: dict[str, Any] = {
        "name": name,
        "member": record.member,
        "dtype": record.dtype,
        "shape": list(record.shape),
    }
    if record.dtype == STRINGS:
        described["bytes"] = record.bytes
    return {**described, "sha256": record.sha256}


class Plain:
    """Turns configurations and arguments into JSON values; `problems` lists what is none.

    Attributes:
        all_floats: whether infinity and NaN have a form, as from version 4 on: ``{"float": "-inf"}``.
    """

    def __init__(self, limits: Limits, all_floats: bool = True) -> None:
        self.limits = limits
        self.all_floats = all_floats
        self.count = 0
        self.problems: list[Problem] = []

    def refuse(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what, "give values that JSON holds: numbers, strings, lists and dicts"))

    def too_large(self, where: str, depth: int) -> bool:
        """Whether there is too much of it already: lists can hold themselves."""
        self.count += 1
        if self.count > self.limits.values:
            if self.count == self.limits.values + 1:
                self.refuse(where, f"there are more than {self.limits.values} values (Limits.values)")
            return True
        if depth > self.limits.depth:
            self.refuse(where, f"nests deeper than {self.limits.depth} (Limits.depth)")
            return True
        return False

    def scalar(self, value: Any, where: str) -> Any:
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            if not SMALLEST <= value <= LARGEST:
                self.refuse(where, "holds an integer outside 64 bits")
            return int(value)
        if isinstance(value, float):
            if value - value == 0:
                return float(value)
            if self.all_floats:
                return {"float": repr(float(value))}
            self.refuse(where, f"holds {value}")
            return 0.0
        self.refuse(where, f"holds a {type(value).__name__}")
        return None

    def value(self, value: Any, where: str, depth: int = 0) -> Any:
        """A configuration's value; tuples become lists, keys are sorted."""
        if self.too_large(where, depth):
            return None
        if isinstance(value, (list, tuple)):
            return [self.value(part, where, depth + 1) for part in value]
        if isinstance(value, Mapping):
            if self.all_floats and is_float(value):
                self.refuse(where, f"has the value {dict(value)}, which here is the number")
            return {key: self.value(value[key], where, depth + 1) for key in self.keys(value, where)}
        return self.scalar(value, where)

    def keys(self, mapping: Mapping[Any, Any], where: str) -> list[str]:
        bad = [key for key in mapping if not isinstance(key, str)]
        if bad:
            self.refuse(where, f"has the key {bad[0]!r}, which is not a string")
        return sorted(key for key in mapping if isinstance(key, str))

    def argument(self, value: Any, where: str, depth: int = 0) -> Any:
        """A call's argument: what is not a JSON value is an object with one key."""
        if self.too_large(where, depth):
            return None
        if isinstance(value, TensorRef):
            return {"tensor": str(value)}
        if isinstance(value, Constant):
            return {"constant": value.weight}
        if isinstance(value, slice):
            parts = (value.start, value.stop, value.step)
            return {"slice": [self.argument(part, where, depth + 1) for part in parts]}
        if isinstance(value, (list, tuple)):
            return [self.argument(part, where, depth + 1) for part in value]
        if isinstance(value, Mapping):
            self.keys(value, where)  # their order is what the model returns them in
            return {"dict": {str(key): self.argument(part, where, depth + 2) for key, part in value.items()}}
        return self.scalar(value, where)

    def arguments(self, mapping: Mapping[Any, Any], where: str, depth: int = 0) -> dict[str, Any]:
        return {key: self.argument(mapping[key], where, depth + 1) for key in self.keys(mapping, where)}
