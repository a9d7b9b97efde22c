"""What all benchmarks share: each side in a process of its own, the sides in turn, the smallest time of all turns.

A benchmark names its sides, and for each the environment of nox in which it runs::

    if __name__ == "__main__":
        turns.main(__file__, {"keras": keras_side, "neoml": neoml_side}, report)

Its sides are functions of a scratch folder and a number of threads that give numbers by name; so one script is both the
command that is called and what it calls in the environments. Where the machine does other work, the smallest of several
turns is what least of it met.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parent.parent
LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}

Numbers = dict[str, float]
Side = Callable[[Path, int], Numbers]
# By side and threads, the smallest number of each name.
Best = dict[tuple[str, int], Numbers]


def python_of(environment: str) -> str:
    """The Python of an environment that nox made; ENVIRONMENT_PYTHON of the shell stands before it."""
    made = ROOT / ".nox" / f"env-{environment}" / "bin" / "python"
    return os.environ.get(f"{environment.upper()}_PYTHON", str(made))


def smallest(run: Callable[[], Any], runs: int, clock: Callable[[], float] = time.process_time) -> float:
    """Milliseconds of the quickest of some runs, after one to warm up."""
    run()
    times = []
    for _ in range(runs):
        start = clock()
        run()
        times.append(clock() - start)
    return 1e3 * min(times)


def smallest_within(parts: Sequence[tuple[Any, str, int]], run: Callable[[], Any], runs: int) -> float:
    """As `smallest`, of the time that passes in some methods.

    Args:
        parts: classes and names of methods, with 1; or with −1, where another one calls it and it is not to count.
    """
    spent = 0.0

    def counted(method: Callable[..., Any], sign: int) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            nonlocal spent
            start = time.process_time()
            made = method(*given)
            spent += sign * (time.process_time() - start)
            return made

        return timed

    found = []
    with ExitStack() as stack:
        for owner, name, sign in parts:
            stack.enter_context(patch.object(owner, name, counted(getattr(owner, name), sign)))
        for _ in range(runs + 1):
            spent = 0.0
            run()
            found.append(spent)
    return 1e3 * min(found[1:])


def run_side(script: str, side: str, environment: str, scratch: Path, threads: int) -> Numbers:
    command = [python_of(environment), script, side, str(scratch), str(threads)]
    # A port's threads run batches side by side; numpy's own would wait for each other.
    limits = dict.fromkeys(LIBRARIES, "1" if environment == "neoml" else str(threads))
    # What is measured is what stands beside the script.
    own = {**os.environ, **QUIET, **limits, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=own)
    return dict(json.loads(made.stdout.splitlines()[-1]))


def take_turns(
    script: str, environments: Mapping[str, str], scratch: Path, turns: int, threads: Sequence[int] = (1,)
) -> Best:
    """Run every side as often as there are turns, and keep each number's smallest."""
    best: Best = {}
    for turn in range(turns):
        for count in threads:
            for side, environment in environments.items():
                load = f"load {os.getloadavg()[0]:.1f}"
                print(f"turn {turn + 1} of {turns}, {side}, {count} threads, {load}", file=sys.stderr, flush=True)
                kept = best.setdefault((side, count), {})
                for name, value in run_side(script, side, environment, scratch, count).items():
                    kept[name] = min(value, kept.get(name, value))
    return best


def main(
    script: str,
    sides: Mapping[str, Side],
    report: Callable[[Best], None],
    environments: Mapping[str, str] | None = None,
    turns: int = 4,
    threads: Sequence[int] = (1,),
) -> None:
    """Be a side, or run all of them and report; sides of no other environment run in the one of their name."""
    if sys.argv[1:2] and sys.argv[1] in sides:
        side, scratch, count = sys.argv[1:]
        print(json.dumps(sides[side](Path(scratch), int(count))))
        return
    with tempfile.TemporaryDirectory() as made:
        report(take_turns(script, environments or {side: side for side in sides}, Path(made), turns, threads))


def write_figures(path: Path, figures: str) -> None:
    """Put figures between the marks of a page; what it says around them stays."""
    before, start, rest = path.read_text(encoding="utf-8").partition("<!-- figures -->\n")
    _, end, after = rest.partition("<!-- end of figures -->\n")
    assert end, f"{path} has no marks for its figures"
    path.write_text(f"{before}{start}{figures.rstrip()}\n{end}{after}", encoding="utf-8")


def machine() -> str:
    """Words on what it ran on."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = model[0].partition(": ")[2] if model else "unknown processor"
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} beside it"
