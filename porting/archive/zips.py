"""The npz files: zip files of stored members whose every byte follows from the description.

The description gives every member's name, header and length, and with them the whole zip file but the members' data
and their CRCs. So nothing of a zip file is parsed: it is compared, and whatever departs is refused.

Source: APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..network import Array
from .arrays import Record, stored_header

CHUNK = 1 << 20
_LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_FIRST_OF_1980 = 0x21


@dataclass(frozen=True)
class Member:
    """One array in a zip file.

    Attributes:
        record: what the description says of the array.
        offset: where the member's local header begins.
    """

    record: Record
    offset: int

    @cached_property
    def name(self) -> bytes:
        return f"{self.record.member}.npy".encode("ascii")

    @cached_property
    def header(self) -> bytes:
        """The npy header."""
        return stored_header(self.record)

    @cached_property
    def size(self) -> int:
        """Bytes of the member: npy header and data."""
        return len(self.header) + self.record.bytes

    @property
    def needs64(self) -> bool:
        return self.size >= _FULL32

    @cached_property
    def end(self) -> int:
        """Where the next member begins."""
        return self.offset + len(self.local(0)) + self.record.bytes

    def local(self, crc: int) -> bytes:
        """The local header and the npy header."""
        size = _FULL32 if self.needs64 else self.size
        extra = struct.pack("<2H2Q", 1, 16, self.size, self.size) if self.needs64 else b""
        version = 45 if self.needs64 else 20
        fixed = _LOCAL.pack(b"PK\3\4", version, 0, 0, 0, _FIRST_OF_1980, crc, size, size, len(self.name), len(extra))
        return fixed + self.name + extra + self.header

    def central(self, crc: int) -> bytes:
        """The member's entry in the directory."""
        large = [self.size, self.size] if self.needs64 else []
        large += [self.offset] if self.offset >= _FULL32 else []
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        version = 45 if large else 20
        size = _FULL32 if self.needs64 else self.size
        offset = min(self.offset, _FULL32)
        fixed = CENTRAL.pack(
            b"PK\1\2", version, version, 0, 0, 0, _FIRST_OF_1980, crc, size, size, len(self.name), len(extra),
            0, 0, 0, 0, offset,
        )  # fmt: skip
        return fixed + self.name + extra


def place(records: Sequence[Record]) -> list[Member]:
    """The members of a zip file, one behind the other."""
    members: list[Member] = []
    for record in records:
        members.append(Member(record, members[-1].end if members else 0))
    return members


def expected_bytes(members: Sequence[Member]) -> int:
    """The zip file's length, an unbounded integer."""
    return (members[-1].end if members else 0) + len(directory(members, [0] * len(members)))


def directory(members: Sequence[Member], crcs: Sequence[int]) -> bytes:
    """Everything behind the last member."""
    start = members[-1].end if members else 0
    entries = b"".join(member.central(crc) for member, crc in zip(members, crcs))
    count, length = len(members), len(entries)
    ending = b""
    if count >= _FULL16 or start >= _FULL32 or length >= _FULL32:
        ending = _END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start)
        ending += _LOCATOR64.pack(b"PK\6\7", 0, start + length, 1)
    few = min(count, _FULL16)
    ending += END.pack(b"PK\5\6", 0, 0, few, few, min(length, _FULL32), min(start, _FULL32), 0)
    return entries + ending


def write_member(file: io.BufferedWriter, member: Member, stored: Array) -> tuple[str, int]:
    """Write a member; `stored` is (n,) uint8. Returns the data's sha256 and the member's CRC."""
    file.write(member.local(0))
    digest = hashlib.sha256()
    crc = zlib.crc32(member.header)
    for start in range(0, stored.size, CHUNK):
        chunk = stored[start : start + CHUNK].data
        digest.update(chunk)
        crc = zlib.crc32(chunk, crc)
        file.write(chunk)
    file.seek(member.offset)
    file.write(member.local(crc))
    file.seek(member.end)
    return digest.hexdigest(), crc


def write_tail(file: io.BufferedWriter, members: Sequence[Member], crcs: Sequence[int]) -> None:
    file.write(directory(members, crcs))


def read_member(file: io.FileIO, member: Member) -> tuple[Array, int]:
    """Read a member's stored bytes, (n,) uint8, from an unbuffered file that stands at any place.

    Returns:
        The bytes and the member's CRC.

    Raises:
        ValueError: what departs from the description.
        OSError, MemoryError: as the system reports them.
    """
    expected = member.local(0)
    file.seek(member.offset)
    found = _read(file, len(expected))
    stored = np.empty(member.record.bytes, np.uint8)
    digest = hashlib.sha256()
    crc = zlib.crc32(member.header)
    view = stored.data
    for start in range(0, stored.size, CHUNK):
        chunk = view[start : start + CHUNK]
        _fill(file, chunk)
        digest.update(chunk)
        crc = zlib.crc32(chunk, crc)
    _compare_headers(found, member, crc)
    if digest.hexdigest() != member.record.sha256:
        raise ValueError(f"its data has the sha256 {digest.hexdigest()}, its description says {member.record.sha256}")
    return stored, crc


def read_tail(file: io.FileIO, members: Sequence[Member], crcs: Sequence[int]) -> None:
    """Compare what stands behind the last member. Raises ValueError where it departs."""
    expected = directory(members, crcs)
    file.seek(members[-1].end if members else 0)
    if _read(file, len(expected) + 1) != expected:
        raise ValueError("its zip directory is not that of the arrays that its description lists")


def _read(file: io.FileIO, count: int) -> bytes:
    parts = []
    while count > 0:
        part = file.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _fill(file: io.FileIO, view: memoryview) -> None:
    filled = 0
    while filled < len(view):
        count = file.readinto(view[filled:])
        if not count:
            raise ValueError("the file ends in the middle of its data")
        filled += count


def _compare_headers(found: bytes, member: Member, crc: int) -> None:
    expected = member.local(crc)
    if found == expected:
        return
    if len(found) < len(expected) or found[:4] != b"PK\3\4":
        raise ValueError("no zip member begins where it should")
    fields, wanted = _LOCAL.unpack_from(found), _LOCAL.unpack_from(expected)
    if fields[2] & 1:
        raise ValueError("is encrypted in the zip file")
    if fields[3] != 0:
        raise ValueError(f"is compressed in the zip file (method {fields[3]}); arrays are stored as they are")
    end = _LOCAL.size + len(member.name)
    if fields[9] != wanted[9] or found[_LOCAL.size : end] != member.name:
        raise ValueError(f"another zip member stands in its place: {found[_LOCAL.size : end]!r}")
    if found[len(found) - len(member.header) :] != member.header:
        raise ValueError("its npy header is not that of the dtype and shape in its description")
    if fields[6] != crc and fields[:6] + fields[7:] == wanted[:6] + wanted[7:]:
        raise ValueError(f"its zip CRC is {fields[6]:08x}, its data has {crc:08x}")
    raise ValueError("its zip header has other flags, times, lengths or extra fields than this format writes")
