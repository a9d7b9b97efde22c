"""Make the data of the descriptions example from Debian's own package lists.

    apt-cache dumpavail | python scripts/descriptions_extract.py

scripts/data/descriptions.csv.gz: package descriptions labelled by section. One text for each source package (its
packages describe each other), six sections, at most the same number from each. A source package is in the test set by a
hash of its name, so that a newer list keeps the split.

scripts/data/unlabelled.txt.gz: the descriptions of all packages but those of the test set, without labels; word vectors
are learned from them.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).parent / "data"
SECTIONS = ("games", "graphics", "net", "science", "sound", "text")
PER_SECTION = 1000
TEST_SHARE = 0.2


def packages(text: str) -> Iterator[dict[str, str]]:
    for block in text.split("\n\n"):
        yield dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", block, re.MULTILINE))


def source_of(package: dict[str, str]) -> str:
    return package.get("Source", package["Package"]).partition(" ")[0]


def share_of(name: str) -> float:
    """A number in [0, 1) that only the name decides."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def rows(text: str) -> list[tuple[str, str, str]]:
    """(split, section, description), sorted."""
    chosen: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    seen: set[str] = set()
    for package in sorted(packages(text), key=lambda one: one.get("Package", "")):
        section, description = package.get("Section", ""), package.get("Description", "")
        if section not in chosen or len(description.split()) < 3 or description.lower() in seen:
            continue
        source = source_of(package)
        if any(source in of_section for of_section in chosen.values()):
            continue
        seen.add(description.lower())
        chosen[section][source] = description
    found = []
    for section, by_source in chosen.items():
        kept = sorted(by_source, key=share_of)
        step = max(1.0, len(kept) / PER_SECTION)
        for number in range(min(PER_SECTION, len(kept))):
            source = kept[int(number * step)]
            split = "test" if share_of(f"split {source}") < TEST_SHARE else "train"
            found.append((split, section, by_source[source]))
    return sorted(found)


def unlabelled(text: str, labelled: list[tuple[str, str, str]]) -> list[str]:
    """All descriptions in lower case, once each, without those of the test set."""
    held_out = {description.lower() for split, _, description in labelled if split == "test"}
    every = {package.get("Description", "").lower() for package in packages(text)}
    return sorted(every - held_out - {""})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def main() -> None:
    given = sys.stdin.read()
    found = rows(given)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("split", "section", "description"))
    writer.writerows(found)
    write(DATA / "descriptions.csv.gz", text.getvalue())
    write(DATA / "unlabelled.txt.gz", "\n".join(unlabelled(given, found)) + "\n")
    print(
        f"{len(found)} labelled descriptions, {sum(row[0] == 'test' for row in found)} of them for testing, in {DATA}"
    )


if __name__ == "__main__":
    main()
