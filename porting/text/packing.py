"""Token ids between their special tokens: keras-hub's MultiSegmentPacker and StartEndPacker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import Unsupported
from ..network import Array
from .settings import Setting, at_least, is_flag, is_whole, one_of, read_settings

# Fills up a row of tokens in front of a packer; no token has it.
NO_TOKEN = -2


def kept_sizes(sizes: Sequence[int], room: int, truncate: str) -> list[int]:
    """How much is kept of each segment: of the first ones as much as goes, or a token of each in turn."""
    kept = [0] * len(sizes)
    while room > 0 and kept != list(sizes):
        for at, size in enumerate(sizes):
            more = min(size - kept[at], room, room if truncate == "waterfall" else 1)
            kept[at] += more
            room -= more
    return kept


def place_row(row: Array, values: Sequence[int], side: str) -> None:
    """Put numbers at the beginning of a row, or at its end where padding stands on the left."""
    if side == "right":
        row[: len(values)] = values
    else:
        row[len(row) - len(values) :] = values


def pack_segments(
    segments: Sequence[Array],
    returns: str,
    length: int,
    start: Sequence[int],
    between: Sequence[int],
    end: Sequence[int],
    pad: int,
    truncate: str,
    side: str,
) -> Array:
    """int32 (batch, length): rows of one or more segments, cut to fit; the ids, which are not `pad`, or of which."""
    rows = np.full((len(segments[0]), length), 0 if returns == "segment_ids" else pad, np.int32)
    room = length - len(start) - len(between) * (len(segments) - 1) - len(end)
    for row, *given in zip(rows, *segments):
        found = [tokens[tokens != NO_TOKEN].tolist() for tokens in given]
        kept = kept_sizes([len(tokens) for tokens in found], room, truncate)
        parts = [tokens[:size] for tokens, size in zip(found, kept)]
        parts = [[*part, *(between if at < len(parts) - 1 else end)] for at, part in enumerate(parts)]
        parts[0] = [*start, *parts[0]]
        if returns == "segment_ids":
            parts = [[at] * len(part) for at, part in enumerate(parts)]
        place_row(row, [one for part in parts for one in part], side)
    return (rows != pad).astype(np.int32) if returns == "padding_mask" else rows


def pack_between(
    tokens: Array, returns: str, length: int, start: Sequence[int], end: Sequence[int], pad: int, side: str, drop: int
) -> Array:
    """int32 (batch, length - drop): rows between a start and an end, cut to fit; the ids, or where they stand."""
    rows = np.full((len(tokens), length), 0 if returns == "padding_mask" else pad, np.int32)
    for row, given in zip(rows, tokens):
        found = given[given != NO_TOKEN].tolist()[: length - len(start) - len(end)]
        packed = [*start, *found, *end]
        place_row(row, [1] * len(packed) if returns == "padding_mask" else packed, side)
    return rows[:, : length - drop]


def _are_ids(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(is_whole, value))


COMMON = {
    "sequence_length": Setting(None, at_least(1)),
    "start_value": Setting((), _are_ids),
    "end_value": Setting((), _are_ids),
    "pad_value": Setting(0, is_whole),
    "padding_side": Setting("right", one_of("right", "left")),
}
SEGMENTS = Setting(1, at_least(1))


def _check_room(kind: str, config: Mapping[str, Any], length: int, special: int) -> None:
    if length < special:
        what = f"has a sequence_length of {length} for {special} special tokens"
        raise Unsupported(str(config.get("name", kind)), what, "give it a longer one")


@dataclass(frozen=True, eq=False)
class MultiSegmentPacker:
    """keras-hub's ``MultiSegmentPacker``, with the padding mask that text classifiers are given."""

    settings: Mapping[str, Any]

    @classmethod
    def from_layer(cls, config: Mapping[str, Any], weights: Mapping[str, Array]) -> MultiSegmentPacker:
        """From its settings. Raises Unsupported for those that are not done exactly."""
        truncate = Setting("round_robin", one_of("round_robin", "waterfall"))
        settings = {**COMMON, "sep_value": Setting((), _are_ids), "truncate": truncate, "segments": SEGMENTS}
        values = read_settings("MultiSegmentPacker", config, settings)
        special = len(values["start_value"]) + len(values["end_value"])
        special += len(values["sep_value"]) * (values["segments"] - 1)
        _check_room("MultiSegmentPacker", config, values["sequence_length"], special)
        return cls(values)

    def __call__(self, segments: Sequence[Array], returns: str = "token_ids", dtype: str = "int32") -> Array:
        """Rows of tokens, one array for each segment, to (batch, `sequence_length`).

        Args:
            segments: int32 (batch, tokens), filled up with `NO_TOKEN`.
            returns: ``token_ids``, ``padding_mask`` or ``segment_ids``.
            dtype: of what is returned.
        """
        return pack_segments(segments, returns, *self.arguments()).astype(dtype)

    def arguments(self) -> tuple[Any, ...]:
        """Of `pack_segments`, those that the settings give."""
        names = ("sequence_length", "start_value", "sep_value", "end_value", "pad_value", "truncate", "padding_side")
        return tuple(self.settings[name] for name in names)


@dataclass(frozen=True, eq=False)
class StartEndPacker:
    """keras-hub's ``StartEndPacker``; with ``drops_last``, as a preprocessor of causal language models uses it."""

    settings: Mapping[str, Any]

    @classmethod
    def from_layer(cls, config: Mapping[str, Any], weights: Mapping[str, Array]) -> StartEndPacker:
        """From its settings. Raises Unsupported for those that are not done exactly."""
        values = read_settings("StartEndPacker", config, {**COMMON, "drops_last": Setting(False, is_flag)})
        special = len(values["start_value"]) + len(values["end_value"])
        _check_room("StartEndPacker", config, values["sequence_length"], special)
        return cls(values)

    def __call__(self, segments: Sequence[Array], returns: str = "token_ids", dtype: str = "int32") -> Array:
        """Rows of tokens, one array, to rows of `sequence_length`, see `MultiSegmentPacker`."""
        (tokens,) = segments
        return pack_between(tokens, returns, *self.arguments()).astype(dtype)

    def arguments(self) -> tuple[Any, ...]:
        """Of `pack_between`, those that the settings give."""
        names = ("sequence_length", "start_value", "end_value", "pad_value", "padding_side", "drops_last")
        return tuple(int(value) if isinstance(value := self.settings[name], bool) else value for name in names)
