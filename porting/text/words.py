"""Finding many byte strings in a vocabulary at once.

A dictionary looks up one word at a time, and making the words as Python objects costs more than looking them up.
Here the words stay where they are, as places in one buffer; they are read eight bytes at a time, hashed in columns,
and found in an open-addressing table. A hit is compared byte by byte before it counts, so the result is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..network import Array

# A word may be read up to eight bytes past its last byte.
PADDING = bytes(8)
MASKS = np.array([(1 << (8 * count)) - 1 for count in range(9)], np.uint64)
# Knuth's multiplicative hashing: 2⁶⁴ over the golden ratio.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
SLOTS_PER_WORD = 8


@dataclass(frozen=True)
class Words:
    """Words as places in a buffer.

    Attributes:
        buffer: all their bytes, and at least `PADDING` behind the last word.
        starts: int64 (words,), each word's first byte.
        lengths: int64 (words,), in bytes.
    """

    buffer: bytes
    starts: Array
    lengths: Array

    @classmethod
    def join(cls, words: Sequence[bytes]) -> Words:
        """The words, one behind the other."""
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        return cls(b"".join([*words, PADDING]), np.cumsum(lengths) - lengths, lengths)

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, places: Array) -> Words:
        return Words(self.buffer, self.starts[places], self.lengths[places])

    def eight_bytes(self, step: int) -> Array:
        """Bytes 8·step … 8·step + 7 of every word as uint64, zero behind its end; every word must reach there."""
        at_any_place: Array = np.ndarray((len(self.buffer) - 7,), "<u8", self.buffer, strides=(1,))
        inside = np.minimum(self.lengths - 8 * step, 8)
        masked: Array = at_any_place[self.starts + 8 * step] & MASKS[inside]
        return masked

    @cached_property
    def beginnings(self) -> Array:
        """The first eight bytes of every word."""
        return self.eight_bytes(0)

    def hashes(self) -> Array:
        """uint64 (words,), of all bytes and the length."""
        hashes: Array = (self.lengths.astype(np.uint64) ^ self.beginnings) * GOLDEN
        step, longer = 1, np.flatnonzero(self.lengths > 8)
        while longer.size:
            hashes[longer] = (hashes[longer] ^ self.take(longer).eight_bytes(step)) * GOLDEN
            step += 1
            longer = longer[self.lengths[longer] > 8 * step]
        return hashes

    def equals(self, other: Words) -> Array:
        """bool (words,): is each word the other's word in the same place, byte by byte?"""
        equal: Array = self.lengths == other.lengths
        step, left = 0, np.flatnonzero(equal)
        while left.size:
            same = self.take(left).eight_bytes(step) == other.take(left).eight_bytes(step)
            equal[left[~same]] = False
            step += 1
            left = left[same & (self.lengths[left] > 8 * step)]
        return equal


class WordTable:
    """A fixed set of byte strings and their places in it. Raises ValueError when one stands twice."""

    def __init__(self, words: Sequence[bytes]) -> None:
        if len(set(words)) != len(words):
            raise ValueError("a word stands twice")
        self._longest = max(map(len, words), default=0)
        bits = max(SLOTS_PER_WORD * len(words), 2).bit_length()
        self._shift = np.uint64(64 - bits)
        self._empty = len(words)
        self._slots = np.full(1 << bits, self._empty, np.int32)
        joined = Words.join(words)
        for place, slot in enumerate(self._first_slots(joined).tolist()):
            while self._slots[slot] != self._empty:
                slot = (slot + 1) % len(self._slots)
            self._slots[slot] = place
        # What an empty slot points to: a word of no bytes that equals none, for its length.
        self._words = Words(joined.buffer, np.append(joined.starts, 0), np.append(joined.lengths, -1))
        self._beginnings = np.append(joined.beginnings, np.uint64(0))

    def _first_slots(self, words: Words) -> Array:
        slots: Array = (words.hashes() >> self._shift).astype(np.int64)
        return slots

    def find(self, words: Words) -> Array:
        """int64 (words,): each word's place in the set, -1 for those that are not in it."""
        found = np.full(len(words), -1, np.int64)
        left = np.flatnonzero(words.lengths <= self._longest)
        words = words.take(left)
        slots = self._first_slots(words)
        while left.size:
            place = self._slots[slots]
            same = self._equals(words, place)
            found[left] = np.where(same, place, -1)
            further = np.flatnonzero(~same & (place != self._empty))
            left, words = left[further], words.take(further)
            slots = (slots[further] + 1) % len(self._slots)
        return found

    def _equals(self, words: Words, places: Array) -> Array:
        """Is each word the set's word in that place? Up to eight bytes, the beginning and the length say so."""
        same: Array = (self._words.lengths[places] == words.lengths) & (self._beginnings[places] == words.beginnings)
        longer = np.flatnonzero(same & (words.lengths > 8))
        same[longer] = words.take(longer).equals(self._words.take(places[longer]))
        return same
