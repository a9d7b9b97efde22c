"""Text of a description: one way to write it, and a reader that takes nothing else.

The text is JSON in UTF-8. Every member of the outermost object has lines of its own; further in, a list or an object
is written on one line where that has at most 200 characters, and with a line for each part otherwise, two spaces
deeper. Floats are written as Python's ``repr`` writes them. The first lines name the format and its version; the
last member, ``sha256``, is the hash of every byte before its digits. A stored NeoML net has such a description too.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring
from typing import Any

from ..errors import BadArchive
from .limits import Limits

FORMAT = "porting saved network"
VERSION = 5
WIDTH = 200
SMALLEST, LARGEST = -(2**63), 2**64 - 1

_TAIL = re.compile(rb'\A([0-9a-f]{64})"\n\}\n\Z')
_TAIL_BYTES = 64 + len('"\n}\n')
_DIGEST_KEY = ',\n  "sha256": "'
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)
_SAVE_AGAIN = "copy it again from where it was saved, or save it again"


@dataclass(frozen=True)
class Kind:
    """What a description describes.

    Attributes:
        file: the description's name, for people.
        format: its first member.
        version: its second member, as it is written now; newer ones are refused.
    """

    file: str
    format: str
    version: int

    @cached_property
    def head(self) -> re.Pattern[bytes]:
        """The first lines of the text."""
        return re.compile(rb'\{\n  "format": "' + self.format.encode() + rb'",\n  "version": ([1-9][0-9]{0,8}),\n')

    def bad(self, what: str, way_out: str = _SAVE_AGAIN) -> BadArchive:
        return BadArchive(self.file, what, way_out)


NETWORK = Kind("network.json", FORMAT, VERSION)


def encode(description: Mapping[str, Any]) -> bytes:
    """The canonical text of a description (without its ``sha256``, which is added)."""
    members = ",\n".join(f"  {encode_basestring(key)}: {_lines(value, 2)}" for key, value in description.items())
    body = f"{{\n{members}{_DIGEST_KEY}".encode()
    return body + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def _lines(value: Any, indent: int) -> str:
    if isinstance(value, Mapping):
        parts = [f"{encode_basestring(key)}: {_lines(part, indent + 2)}" for key, part in value.items()]
        return _bracketed("{", parts, "}", indent)
    if isinstance(value, (list, tuple)):
        return _bracketed("[", [_lines(part, indent + 2) for part in value], "]", indent)
    return _scalar(value)


def _bracketed(left: str, parts: list[str], right: str, indent: int) -> str:
    length = indent + 2 * len(parts) + sum(map(len, parts))
    if length <= WIDTH and not any("\n" in part for part in parts):
        return f"{left}{', '.join(parts)}{right}"
    inner = "\n" + " " * (indent + 2)
    return f"{left}{inner}{f',{inner}'.join(parts)}\n{' ' * indent}{right}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float) and math.isfinite(value):
        return float.__repr__(value)
    raise ValueError(f"not a JSON value: {value!r}")


def parse(text: bytes, limits: Limits, kind: Kind = NETWORK) -> dict[str, Any]:
    """Read a description's text: first its version, then its hash, then its JSON.

    Returns:
        The outermost object, ``sha256`` left out.

    Raises:
        BadArchive: another format, another version, a hash that does not match, or JSON that is malformed, too deep
            or too large. Whether the text is canonical is for the caller to see, by encoding what it understood.
    """
    _check_version(text, kind)
    tail = _TAIL.match(text[-_TAIL_BYTES:])
    if tail is None:
        raise kind.bad("its last line is not the hash that ends a description: the file is cut short or was changed")
    found = hashlib.sha256(text[:-_TAIL_BYTES]).hexdigest()
    if found != tail[1].decode():
        raise kind.bad(f"its bytes have the sha256 {found}, the file says {tail[1].decode()}: the file was changed")
    try:
        characters = text.decode("utf-8")
        _check_size(characters, limits)
        parsed: dict[str, Any] = json.loads(
            characters,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        raise kind.bad(f"its JSON is not sound: {_short(str(error))}") from error
    parsed.pop("sha256", None)  # an object, as its head shows
    return parsed


def _short(text: str, length: int = 120) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def _check_version(text: bytes, kind: Kind) -> None:
    head = kind.head.match(text)
    if head is None:
        raise kind.bad(f"does not begin as a {kind.format!r} does", "give what porting has written")
    version = int(head[1])
    if version > kind.version:
        what = f"is of version {version} of the format; this porting reads up to version {kind.version}"
        raise kind.bad(what, "update porting, or save the network with an older one")


def _check_size(characters: str, limits: Limits) -> None:
    """Refuse by depth and number of values before anything is built. Malformed JSON is left to the parser."""
    depth = values = 0
    for token in _TOKEN.finditer(characters):
        mark = token[0]
        if mark in "[{":
            depth += 1
            values += 1
            if depth > limits.depth:
                raise ValueError(f"lists and objects nest deeper than {limits.depth} (Limits.depth)")
        elif mark in "]}":
            depth -= 1
        elif mark == ",":
            values += 1
            if values > limits.values:
                raise ValueError(f"it holds more than {limits.values} values (Limits.values)")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"the key {_short(repr(twice))} stands twice in one object")
    return made


def _integer(digits: str) -> int:
    if len(digits) > 20 or not SMALLEST <= int(digits) <= LARGEST:
        raise ValueError(f"an integer is outside 64 bits: {_short(digits)}")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits) if len(digits) <= 32 else math.inf
    if not math.isfinite(number):
        raise ValueError(f"a number is not a double in its shortest form: {_short(digits)}")
    return number


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
