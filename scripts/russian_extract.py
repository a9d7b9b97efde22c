"""Make scripts/data/russian.csv.gz: Russian package descriptions, labelled as libraries or not.

    apt-get -o Acquire::Languages=ru -o Dir::State::Lists=LISTS update
    lz4 -dc LISTS/*Translation-ru.lz4 | python scripts/russian_extract.py

The translations are Debian's; sections come from `apt-cache dumpavail`. One text for each package; in the test set by a
hash of its name.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys

from descriptions_extract import DATA, packages, share_of, write

LIBRARIES = frozenset({"libs", "libdevel", "devel", "oldlibs", "perl", "python", "java", "haskell", "debug"})
LONGEST, MOST, TEST_SHARE = 60, 2400, 0.25


def main() -> None:
    listing = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    sections = {package.get("Package", ""): package.get("Section", "") for package in packages(listing)}
    rows = []
    for block in sys.stdin.read().split("\n\n"):
        found = re.match(r"Package: (\S+)\n.*?Description-ru: (.*)", block, re.DOTALL)
        if found is None or not sections.get(found[1]):
            continue
        words = found[2].replace("\n .", " ").split()[:LONGEST]
        split = "test" if share_of(f"split {found[1]}") < TEST_SHARE else "train"
        rows.append((share_of(found[1]), split, int(sections[found[1]] in LIBRARIES), " ".join(words)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("split", "library", "description"))
    writer.writerows(row[1:] for row in sorted(rows)[:MOST])
    write(DATA / "russian.csv.gz", text.getvalue())
    print(f"{min(len(rows), MOST)} descriptions of {len(rows)}, {sum(row[2] for row in rows)} of them of libraries")


if __name__ == "__main__":
    main()
