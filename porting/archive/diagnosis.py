"""What is wrong with a zip file that is not as long as it should be: a look at its directory, for people only."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence

from .zips import CENTRAL, END, Member

MOST_BYTES = 1 << 20
MOST_NAMES = 5


def explain(file: io.FileIO, members: Sequence[Member]) -> list[str]:
    """Members that are missing, unknown, there twice, compressed or encrypted; nothing where no directory is found.

    Raises:
        OSError: as the system reports it.
    """
    entries = list(_entries(_directory(file)))
    if not entries:
        return ["it has no zip directory at its end"]
    wanted = {member.name for member in members}
    counts = Counter(name.lower() for name, _, _ in entries)
    found = {
        "lacks the members": sorted(wanted - {name for name, _, _ in entries}),
        "holds members that its description does not list": sorted({name for name, _, _ in entries} - wanted),
        "holds members twice": sorted(name for name, count in counts.items() if count > 1),
        "holds compressed members": [name for name, _, method in entries if method != 0],
        "holds encrypted members": [name for name, flags, _ in entries if flags & 1],
    }
    return [f"{what}: {_listed(names)}" for what, names in found.items() if names]


def _listed(names: Sequence[bytes]) -> str:
    shown = ", ".join(repr(name[:80].decode("latin-1")) for name in names[:MOST_NAMES])
    return shown + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _directory(file: io.FileIO) -> bytes:
    """The zip directory's bytes; none where the file does not end in one of modest size."""
    size = file.seek(0, io.SEEK_END)
    if size < END.size:
        return b""
    file.seek(size - END.size)
    ending = file.read(END.size)
    if len(ending) < END.size or ending[:4] != b"PK\5\6":
        return b""
    length, start = END.unpack(ending)[5:7]
    if start + length > size or length > MOST_BYTES:
        return b""
    file.seek(start)
    return file.read(length)


def _entries(directory: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, flags and method of each entry, as far as the directory makes sense."""
    at = 0
    while at + CENTRAL.size <= len(directory) and directory[at : at + 4] == b"PK\1\2":
        fields = CENTRAL.unpack_from(directory, at)
        start = at + CENTRAL.size
        yield directory[start : start + fields[10]], fields[3], fields[4]
        at = start + fields[10] + fields[11] + fields[12]
