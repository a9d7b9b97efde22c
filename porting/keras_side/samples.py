"""Inputs made to hurt: what a port gets wrong must show in the references.

Where anything masks, a batch holds rows padded on the right, on the left, with holes, and all through. Ids include
0 and the largest. Numbers are negative, zero, and moderately large. All are made from a fixed seed.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import Mismatch, Problem
from ..inputs import check_inputs
from ..network import Array, Call, Constant, Input, Layer, TensorRef, tensors_in

__all__ = ["GENTLENESS", "Need", "find_needs", "make_inputs", "name_samples"]

# Calls that hand their input's values on, so what their output must be, their input must be.
HANDING_ON = frozenset(
    {
        "ActivityRegularization",
        "Dropout",
        "Flatten",
        "Identity",
        "Permute",
        "RepeatVector",
        "Reshape",
        "SpatialDropout1D",
        "Concatenate",
        "ZeroPadding1D",
        "Cropping1D",
    }
)
# Words that references are made of, and what else a text may hold: none of it in any vocabulary.
MOST_CHOICES = 50
STRANGE_WORDS = ("Zyzzyva!", "STRASSE", "über", "Ёлка", "don't", "...", "a\u00a0b", "\U0001f600")
# A folder holds references, not a data set.
MOST_ROWS = 16
TEXT_WORDS = 9
PADDINGS = ("none", "right", "left", "holes", "full")
# How gentle inputs are made: as hard as can be; no row masked all through; small and positive besides.
GENTLENESS = ("hard", "no full padding", "small and positive")


@dataclass(frozen=True)
class Need:
    """What an input must be like.

    Attributes:
        input: the network's input.
        ids: values are ids below this number; None where they are not ids.
        pads: padding is told from the values: ids of 0, or `mask_value`.
        mask_value: the padding value of numbers.
        is_mask: the input is itself a mask.
        choices: texts or numbers of a vocabulary, for an input that a lookup reads.
        sentences: texts are made of several of them.
    """

    input: Input
    ids: int | None = None
    pads: bool = False
    mask_value: float = 0.0
    is_mask: bool = False
    choices: tuple[Any, ...] = ()
    sentences: bool = False


@dataclass
class _Trace:
    origins: dict[TensorRef, frozenset[str]] = field(default_factory=dict)
    needs: dict[str, Need] = field(default_factory=dict)

    def of(self, argument: Any) -> frozenset[str]:
        return frozenset().union(*(self.origins.get(ref, frozenset()) for ref in tensors_in(argument)))

    def change(self, names: Iterable[str], **changes: Any) -> None:
        for name in names:
            self.needs[name] = replace(self.needs[name], **changes)

    def limit(self, names: Iterable[str], ids: int) -> None:
        for name in names:
            known = self.needs[name].ids
            self.change([name], ids=ids if known is None else min(known, ids))


def find_needs(
    inputs: Sequence[Input], calls: Sequence[Call], layers: Mapping[str, Layer], limits: Mapping[str, int]
) -> list[Need]:
    """What each input must be like, from the layers that it reaches.

    Args:
        inputs: the network's inputs.
        calls: its calls in running order.
        layers: its layers by name.
        limits: for layers whose config does not say it, below which number their ids must be.
    """
    trace = _Trace(
        {given.ref: frozenset({given.name}) for given in inputs}, {given.name: Need(given) for given in inputs}
    )
    for call in calls:
        layer = layers[call.layer]
        reached = trace.of((call.inputs, call.arguments))
        if layer.name in limits:
            trace.limit(reached, limits[layer.name])
        _take_config(trace, reached, layer.config)
        if layer.class_name == "ops.Take" and call.inputs and isinstance(call.inputs[0], Constant):
            trace.limit(reached, len(layer.weights[call.inputs[0].weight]))
        if "vocabulary" in layer.weights:
            known = tuple(layer.weights["vocabulary"][:MOST_CHOICES].tolist())
            if layer.config.get("invert"):
                known = tuple(range(-1, len(known) + 2))
            trace.change(reached, choices=known, sentences=layer.class_name == "TextVectorization")
        for name, argument in call.arguments.items():
            if "mask" in name:
                trace.change(trace.of(argument), is_mask=True)
        if layer.class_name in HANDING_ON or layer.class_name.startswith("ops."):
            trace.origins.update(dict.fromkeys(call.refs(), reached))
        elif layer.class_name == "Masking":
            trace.origins.update(dict.fromkeys(call.refs(), reached))
            trace.change(reached, pads=True, mask_value=float(layer.config.get("mask_value", 0.0)))
    return [trace.needs[given.name] for given in inputs]


def _take_config(trace: _Trace, reached: Iterable[str], config: Mapping[str, Any]) -> None:
    for key in ("input_dim", "num_tokens"):
        if isinstance(config.get(key), int) and ("output_dim" in config or key == "num_tokens"):
            trace.limit(reached, config[key])
    if config.get("mask_zero"):
        trace.change(reached, pads=True)


def make_inputs(
    needs: Sequence[Need], batch: int, length: int, spread: bool = False, gentleness: int = 0, seed: int = 0
) -> dict[str, Array]:
    """One batch of inputs.

    Args:
        needs: what the inputs must be like.
        batch: rows.
        length: the size of open axes.
        spread: give every open axis a size of its own, from `length` upwards.
        gentleness: index into `GENTLENESS`.
        seed: for other values of the same kind.
    """
    generator = np.random.default_rng([2024, seed, batch, length])
    open_axes = 0
    made = {}
    for place, need in enumerate(needs):
        shape = [batch]
        for size in need.input.shape[1:]:
            shape.append(length + (open_axes if spread else 0) if size is None else size)
            open_axes += size is None
        made[need.input.name] = _make(need, tuple(shape), place, gentleness, generator)
    return made


def _make(need: Need, shape: tuple[int, ...], place: int, gentleness: int, generator: np.random.Generator) -> Array:
    if need.input.dtype == "string":
        return _texts(need, shape, gentleness, generator)
    dtype = np.dtype(need.input.dtype)
    kept = _kept(shape, place, gentleness, generator)
    if need.choices:
        chosen = generator.choice(np.array([*need.choices, max(need.choices) + 1]), shape)
        return chosen.astype(dtype)
    if need.is_mask or dtype == np.bool_:
        return np.broadcast_to(_fit(kept, len(shape)), shape).astype(dtype)
    if need.ids is not None:
        return _ids(need, shape, kept, generator).astype(dtype)
    if dtype.kind in "iu":
        return generator.integers(0, 256 if dtype == np.uint8 else 5, shape).astype(dtype)
    values = _numbers(shape, gentleness, generator)
    if need.pads:
        values = np.where(_fit(kept, len(shape)), np.where(values == need.mask_value, 0.5, values), need.mask_value)
    return values.astype(dtype)


def _kept(shape: tuple[int, ...], place: int, gentleness: int, generator: np.random.Generator) -> Array:
    """Which steps are no padding, (batch, time); every input's rows are padded otherwise than the next's."""
    batch, time = shape[0], shape[1] if len(shape) > 1 else 1
    patterns = PADDINGS if gentleness == 0 else PADDINGS[:-1]
    kept = np.ones((batch, time), bool)
    for row in range(batch):
        pattern = patterns[(row + place) % len(patterns)]
        padded = max(1, time // 3) if time > 1 else 0
        if pattern == "right":
            kept[row, time - padded :] = False
        elif pattern == "left":
            kept[row, :padded] = False
        elif pattern == "holes" and time > 2:
            kept[row, generator.choice(np.arange(1, time - 1), max(1, (time - 2) // 3), replace=False)] = False
        elif pattern == "full":
            kept[row] = False
    return kept


def _fit(kept: Array, rank: int) -> Array:
    """(batch, time) with axes of 1 behind, so that it broadcasts to tensors of that rank."""
    return kept[:, 0] if rank == 1 else kept.reshape(*kept.shape, *[1] * (rank - 2))


def _texts(need: Need, shape: tuple[int, ...], gentleness: int, generator: np.random.Generator) -> Array:
    """Words of the vocabulary in several cases, strange ones between them; the second text is empty."""
    words = [str(word) for word in need.choices] or ["text"]
    strange = [] if gentleness else list(STRANGE_WORDS)
    texts = np.empty(int(np.prod(shape)), object)
    for place in range(texts.size):
        count = int(generator.integers(1, TEXT_WORDS + 1)) if need.sentences else 1
        chosen = [str(word) for word in generator.choice(words, count)]
        if strange and (need.sentences or place % 3 == 2):
            chosen[int(generator.integers(count))] = str(generator.choice(strange))
        text = " ".join(chosen)
        texts[place] = "" if place == 1 and not gentleness else text.upper() if place % 4 == 3 else text
    return texts.reshape(shape)


def _ids(need: Need, shape: tuple[int, ...], kept: Array, generator: np.random.Generator) -> Array:
    assert need.ids is not None
    lowest = 1 if need.pads and need.ids > 1 else 0
    ids = generator.integers(lowest, need.ids, shape)
    taken = np.broadcast_to(_fit(kept, len(shape)), shape) if need.pads else np.ones(shape, bool)
    places = generator.permutation(np.flatnonzero(taken))
    ids.flat[places[:1]] = need.ids - 1
    if not need.pads:
        ids.flat[places[1:2]] = 0
    return np.where(taken, ids, 0)


def _numbers(shape: tuple[int, ...], gentleness: int, generator: np.random.Generator) -> Array:
    if gentleness >= 2:
        return generator.uniform(0.1, 1.0, shape)
    values = generator.standard_normal(shape)
    scales = np.resize([1.0, 3.0, 0.3], shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    values *= scales
    values[generator.random(shape) < 0.1] = 0.0
    return np.where(generator.random(shape) < 0.02, values * 5, values)


def name_samples(samples: Any, needs: Sequence[Need]) -> dict[str, Array]:
    """A user's samples by input name, at most `MOST_ROWS` rows.

    Args:
        samples: an array, a list in the order of the inputs, a dict by input name, or the path of an npz file.
        needs: the network's inputs and what they must be like.

    Raises:
        Mismatch: a file that cannot be read, or arrays that do not fit.
    """
    if isinstance(samples, (str, os.PathLike)):
        samples = _read_npz(samples, {need.input.name for need in needs})
    limits = {need.input.name: need.ids for need in needs if need.ids is not None}
    arrays = check_inputs(samples, [need.input for need in needs], limits)
    return {name: array[:MOST_ROWS] for name, array in arrays.items()}


def _read_npz(path: str | os.PathLike[str], names: set[str]) -> Any:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise Mismatch(Problem(str(path), f"is no npz file of arrays: {error}", "write it with numpy.savez")) from error
    if set(arrays) & names:
        return arrays
    return list(arrays.values())
