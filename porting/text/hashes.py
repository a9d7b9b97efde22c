"""The two hashes that Keras puts strings into bins with, on many strings at once.

- FarmHash's ``Fingerprint64`` (the ``farmhashna`` variant), behind ``tf.strings.to_hash_bucket_fast`` and
  ``tf.sparse.cross_hashed``: https://github.com/google/farmhash.
- SipHash-2-4, behind ``tf.strings.to_hash_bucket_strong``: Aumasson and Bernstein, "SipHash: a fast short-input
  PRF", 2012.

Both read 64-bit little-endian words and wrap around at 2⁶⁴. Strings of equal length take the same steps, so each
length is one computation on columns. Checked against TensorFlow at every length from 0 to 300 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..network import Array

WORD = (1 << 64) - 1
# FarmHash: k0, k1, k2 are primes between 2⁶³ and 2⁶⁴.
K0 = np.uint64(0xC3A5C85C97CB3127)
K1 = np.uint64(0xB492B66FBE98F273)
K2 = np.uint64(0x9AE16A3B2F90404F)
COMBINE = np.uint64(0xC6A4A7935BD1E995)
# SipHash: "somepseudorandomlygeneratedbytes".
SIP = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def fingerprint64(strings: Sequence[bytes]) -> Array:
    """FarmHash's fingerprint of each string: uint64, shape (len(strings),)."""
    return _by_length(strings, _fingerprint)


def siphash64(strings: Sequence[bytes], key: tuple[int, int]) -> Array:
    """SipHash-2-4 of each string under a key of two integers (taken modulo 2⁶⁴): uint64, shape (len(strings),)."""
    return _by_length(strings, lambda columns: _siphash(columns, key))


def combine_fingerprints(first: Array, second: Array) -> Array:
    """TensorFlow's ``FingerprintCat64`` of two uint64 arrays of one shape; the order matters."""
    mixed = (first ^ COMBINE) ^ (_shift_mix(second * COMBINE) * COMBINE)
    mixed = _shift_mix(mixed * COMBINE) * COMBINE
    return _shift_mix(mixed)


class _Columns:
    """Strings of one length, read as little-endian words; negative places count from the end."""

    def __init__(self, strings: Sequence[bytes]) -> None:
        self.count = len(strings)
        self.length = len(strings[0])
        self._bytes = np.frombuffer(b"".join(strings), np.uint8).reshape(self.count, self.length)

    def word(self, place: int, width: int = 8) -> Array:
        start = place if place >= 0 else self.length + place
        part = np.ascontiguousarray(self._bytes[:, start : start + width])
        return part.view(f"<u{width}")[:, 0].astype(np.uint64)

    def constant(self, value: int) -> Array:
        return np.full(self.count, value & WORD, np.uint64)


def _by_length(strings: Sequence[bytes], hash_of: Callable[[_Columns], Array]) -> Array:
    hashes = np.empty(len(strings), np.uint64)
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        hashes[places] = hash_of(_Columns([strings[place] for place in places.tolist()]))
    return hashes


def _rotate_right(words: Array, bits: int) -> Array:
    rotated: Array = (words >> np.uint64(bits)) | (words << np.uint64(64 - bits))
    return rotated


def _shift_mix(words: Array) -> Array:
    mixed: Array = words ^ (words >> np.uint64(47))
    return mixed


def _hash_pair(first: Array, second: Array, factor: Array) -> Array:
    mixed = _shift_mix((first ^ second) * factor)
    hashed: Array = _shift_mix((second ^ mixed) * factor) * factor
    return hashed


def _fingerprint(columns: _Columns) -> Array:
    if columns.length <= 16:
        return _fingerprint_to_16(columns)
    if columns.length <= 32:
        return _fingerprint_to_32(columns)
    if columns.length <= 64:
        return _fingerprint_to_64(columns)
    return _fingerprint_long(columns)


def _fingerprint_to_16(columns: _Columns) -> Array:
    length, word = columns.length, columns.word
    factor = columns.constant(int(K2) + 2 * length)
    if length >= 8:
        a, b = word(0) + K2, word(-8)
        c = _rotate_right(b, 37) * factor + a
        d = (_rotate_right(a, 25) + b) * factor
        return _hash_pair(c, d, factor)
    if length >= 4:
        first = columns.constant(length) + (word(0, 4) << np.uint64(3))
        return _hash_pair(first, word(-4, 4), factor)
    if length > 0:
        y = word(0, 1) + (word(length // 2, 1) << np.uint64(8))
        z = columns.constant(length) + (word(-1, 1) << np.uint64(2))
        hashed: Array = _shift_mix((y * K2) ^ (z * K0)) * K2
        return hashed
    return columns.constant(int(K2))


def _fingerprint_to_32(columns: _Columns) -> Array:
    word = columns.word
    factor = columns.constant(int(K2) + 2 * columns.length)
    a, b, c, d = word(0) * K1, word(8), word(-8) * factor, word(-16) * K2
    first = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    return _hash_pair(first, a + _rotate_right(b + K2, 18) + c, factor)


def _fingerprint_to_64(columns: _Columns) -> Array:
    word = columns.word
    factor = columns.constant(int(K2) + 2 * columns.length)
    a, b, c, d = word(0) * K2, word(8), word(-8) * factor, word(-16) * K2
    y = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    z = _hash_pair(y, a + _rotate_right(b + K2, 18) + c, factor)
    e, f = word(16) * factor, word(24)
    g, h = (y + word(-32)) * factor, (z + word(-24)) * factor
    first = _rotate_right(e + f, 43) + _rotate_right(g, 30) + h
    return _hash_pair(first, e + _rotate_right(f + a, 18) + g, factor)


_Pair = tuple[Array, Array]


def _weak_pair(columns: _Columns, place: int, a: Array, b: Array) -> _Pair:
    """32 bytes from `place` mixed into two seeds."""
    w, x, y, z = (columns.word(place + step) for step in (0, 8, 16, 24))
    a = a + w
    b = _rotate_right(b + a + z, 21)
    sum_ = a + x + y
    return sum_ + z, b + _rotate_right(sum_, 44) + a


def _fingerprint_long(columns: _Columns) -> Array:
    length, word = columns.length, columns.word
    seed = 81
    x: Array = columns.constant(seed) * K2 + word(0)
    y: Array = columns.constant(seed * int(K1) + 113)
    z: Array = _shift_mix(y * K2 + np.uint64(113)) * K2
    zero = columns.constant(0)
    v: _Pair = (zero, zero)
    w: _Pair = (zero, zero)

    def step(place: int, factor: Array, nines: int) -> None:
        nonlocal x, y, z, v, w
        x = _rotate_right(x + y + v[0] + word(place + 8), 37) * factor
        y = _rotate_right(y + v[1] + word(place + 48), 42) * factor
        x = x ^ (w[1] * np.uint64(nines))
        y = y + v[0] * np.uint64(nines) + word(place + 40)
        z = _rotate_right(z + w[0], 33) * factor
        v = _weak_pair(columns, place, v[1] * factor, x + w[0])
        w = _weak_pair(columns, place + 32, z + w[1], y + word(place + 16))
        x, z = z, x

    for place in range(0, (length - 1) // 64 * 64, 64):
        step(place, columns.constant(int(K1)), 1)
    factor = columns.constant(int(K1)) + ((z & np.uint64(0xFF)) << np.uint64(1))
    w = (w[0] + np.uint64((length - 1) % 64), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    step(length - 64, factor, 9)
    first = _hash_pair(v[0], w[0], factor) + _shift_mix(y) * K0 + z
    return _hash_pair(first, _hash_pair(v[1], w[1], factor) + x, factor)


def _siphash(columns: _Columns, key: tuple[int, int]) -> Array:
    v0, v1, v2, v3 = (columns.constant(key[index % 2] ^ start) for index, start in enumerate(SIP))

    def rounds(count: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0, v2 = v0 + v1, v2 + v3
            v1, v3 = _rotate_right(v1, 64 - 13) ^ v0, _rotate_right(v3, 64 - 16) ^ v2
            v0, v2 = _rotate_right(v0, 32) + v3, v2 + v1
            v1, v3 = _rotate_right(v1, 64 - 17) ^ v2, _rotate_right(v3, 64 - 21) ^ v0
            v2 = _rotate_right(v2, 32)

    whole = columns.length // 8
    words = [columns.word(8 * index) for index in range(whole)]
    last = columns.constant(columns.length << 56)
    for index in range(columns.length % 8):
        last = last | (columns.word(8 * whole + index, 1) << np.uint64(8 * index))
    for word in (*words, last):
        v3 = v3 ^ word
        rounds(2)
        v0 = v0 ^ word
    v2 = v2 ^ np.uint64(0xFF)
    rounds(4)
    hashed: Array = v0 ^ v1 ^ v2 ^ v3
    return hashed
