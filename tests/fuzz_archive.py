"""Long fuzz of reading: ``python -m tests.fuzz_archive --mutations 200000 --seed 1``.

Every forged folder either reads as BadArchive, or as a network whose own writing is the forged folder byte for byte;
a folder forged without making its hashes good reads as the original or as BadArchive.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from porting.archive import read_network, write_network
from porting.errors import BadArchive
from porting.network import Network

from .archive.forging import BLIND, SEALED, Files, Forger
from .archive.helpers import ORDER, bytes_of, content, make_network, put

SECONDS = 5.0
HANG = 1200.0


class Fuzz:
    """A folder that is forged again and again, and what came of it.

    Attributes:
        outcomes: by forger's name, how often the folder was read as the original, as another network, or refused.
        slowest: processor seconds of the slowest reading.
    """

    def __init__(self, room: Path) -> None:
        self.folder = room / "forged"
        self.again = room / "again"
        write_network(make_network(order=ORDER), self.folder)
        self.files = bytes_of(self.folder)
        self.there: Mapping[str, bytes] = self.files
        self.content = content(read_network(self.folder))
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.slowest = 0.0

    def try_one(self, forger: Forger, seed: object) -> None:
        """Forge, read and judge. Raises AssertionError, or whatever reading should not have raised."""
        forged = forger(self.files, random.Random(f"{forger.__name__} {seed}"))
        put(self.folder, {name: forged[name] for name in forged if forged[name] is not self.there[name]})
        self.there = forged
        started = time.process_time()
        try:
            network = read_network(self.folder)
        except BadArchive as error:
            outcome = "out of memory" if "exhausted" in str(error) else "refused"
        else:
            outcome = self.judge(network, forged, forger)
        seconds = time.process_time() - started
        self.slowest = max(self.slowest, seconds)
        assert outcome != "out of memory", "more memory was asked for than the folder has bytes"
        assert seconds < SECONDS, f"{seconds:.1f} s to read"
        self.outcomes[forger.__name__, outcome] += 1

    def judge(self, network: Network, forged: Mapping[str, bytes], forger: Forger) -> str:
        if forged == self.files:
            assert content(network) == self.content, "the folder is the original, the network is not"
            return "original"
        assert forger in SEALED, "a folder was changed under its hashes, and was read"
        write_network(network, self.again, overwrite=True)
        written: Files = bytes_of(self.again)
        assert written == forged, "the network that was read is written in another way"
        return "another network"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    room = "/dev/shm" if Path("/dev/shm").is_dir() else None
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=room) as name:
        fuzz = Fuzz(Path(name))
        forgers = (*BLIND, *SEALED)
        for number in range(options.mutations):
            seed = f"{options.seed}.{number}"
            forger = forgers[number % len(forgers)]
            if number % 1000 == 0:  # arming it costs more than a reading
                faulthandler.dump_traceback_later(HANG, exit=True)
            if number % 10_000 == 0:
                print(f"{number:8} of {options.mutations}", file=sys.stderr, flush=True)
            try:
                fuzz.try_one(forger, seed)
            except BaseException:
                print(f"failed: {forger.__name__}, seed {seed!r}", file=sys.stderr)
                raise
        faulthandler.cancel_dump_traceback_later()
    for (forger_name, outcome), count in sorted(fuzz.outcomes.items()):
        print(f"{forger_name:15} {outcome:16} {count:8}")
    seconds, peak = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{options.mutations} mutations from seed {options.seed} in {seconds:.0f} s; no failure")
    print(f"slowest reading {1000 * fuzz.slowest:.0f} ms of processor time; memory at its peak {peak} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
