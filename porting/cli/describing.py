"""What ``porting info`` says of a saved network or a stored net, without running it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from ..archive import read_network
from ..network import Array, Input, Network
from .console import say

Line = tuple[str, str]


def show_info(path: Path) -> None:
    """Say what a path holds, a line a fact."""
    lines = list(_of_net(path) if path.is_file() else _of_folder(path))
    wide = max(len(name) for name, _ in lines)
    for name, text in lines:
        first, *rest = text.splitlines() or [""]
        say(f"{name:{wide}}  {first}")
        for line in rest:
            say(f"{'':{wide}}  {line}")


def _of_folder(path: Path) -> Iterator[Line]:
    network = read_network(path)
    yield "saved network", f"{network.name}; all hashes match"
    yield from _told(network.metadata)
    yield from _shape_of(network.inputs, [_output(network, str(ref)) for ref in network.output_refs()])
    yield from _inside(network)


def _of_net(path: Path) -> Iterator[Line]:
    from ..neoml_side.stored.description import read_description
    from ..neoml_side.stored.network import network_path
    from ..neoml_side.stored.store import check_archive

    description = read_description(path)
    check_archive(path, description)
    yield "stored NeoML net", f"{description.name}; its archive of {_bytes(description.archive_bytes)} matches its hash"
    yield from _told(description.metadata)
    outputs = [f"{one.name} {one.keras_dtype}{list(one.shape)}" for one in description.sinks if one.ids_below is None]
    yield from _shape_of(description.inputs, outputs)
    if description.preprocessing:
        steps = ", ".join(layer.class_name for _, layer in description.preprocessing)
        yield "outside the archive", f"{steps}: porting runs them, a program of your own must"
    whole = description.whole
    if whole is None:
        yield "network", "not stored with it: it predicts, and does nothing else"
    elif not network_path(path).exists():
        yield "network", f"{network_path(path).name} is missing: it predicts, and does nothing else"
    else:
        yield "network", f"in {network_path(path).name}: it can be trained, checked and saved"
        yield from _inside(whole)


def _told(metadata: Mapping[str, Any]) -> Iterator[Line]:
    """What its makers say, a key a line."""
    for key, value in metadata.items():
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            yield key, ", ".join(value)
        else:
            yield key, json.dumps(value, ensure_ascii=False)


def _shape_of(inputs: Sequence[Input], outputs: Sequence[str]) -> Iterator[Line]:
    yield "inputs", "\n".join(f"{one.name} {one.dtype}{list(one.shape)}" for one in inputs)
    yield "outputs", "\n".join(outputs)


def _output(network: Network, ref: str) -> str:
    """An output with its type and sizes; None where the references have several."""
    made = [case.outputs[one] for case in network.cases for one in case.outputs if str(one) == ref]
    if not made:
        return f"{ref}, an input"
    sizes = [one if len(set(all_)) == 1 else None for all_ in zip(*(array.shape for array in made)) for one in all_[:1]]
    dtype = "string" if made[0].dtype == object else made[0].dtype
    return f"{ref} {dtype}{[None, *sizes[1:]]}"


def _inside(network: Network) -> Iterator[Line]:
    """Layers, weights and references; of a network or of its sketch, whose arrays are records."""
    kinds = Counter(network.layers[call.layer].class_name for call in network.calls)
    yield "layers", ", ".join(name if count == 1 else f"{count} {name}" for name, count in kinds.items())
    weights: list[Union[Array, Any]] = list(network.weights().values())
    yield "weights", f"{len(weights)} arrays, {sum(one.size for one in weights):,} numbers"
    frozen = [layer.name for layer in network.layers.values() if layer.weights and not layer.trainable]
    if frozen:
        yield "frozen", ", ".join(frozen)
    origin = dict(network.origin)
    references = origin.pop("references", "made by Keras")
    noise = "measured" if any(case.noise for case in network.cases) else "not measured"
    yield "references", f"{len(network.cases)} cases, {references}; float32 noise {noise}"
    yield "saved by", ", ".join(f"{key} {value}" for key, value in origin.items()) or "an unknown version"


def _bytes(count: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"


def say_stored(stored: Path) -> str:
    """A sentence that names what was written."""
    from ..neoml_side.stored.description import description_path
    from ..neoml_side.stored.network import network_path

    beside = [one.name for one in (description_path(stored), network_path(stored)) if one.exists()]
    return f"stored in {stored}; beside it: {', '.join(beside)}"
