"""The words behind a script of the tests: its folders, then names of what is wanted, all of it where none is given."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Optional

__all__ = ["folders_and_names"]


def folders_and_names(
    script: Any,
    about: Optional[str],
    folders: Sequence[str],
    what: str = "",
    known: Collection[str] = (),
    words: Optional[Sequence[str]] = None,
) -> tuple[list[Path], list[str]]:
    """What a script is told. It ends the process where that is a call for help, or cannot be meant.

    Args:
        script: the ``__spec__`` of the module that is run.
        about: its docstring.
        folders: what its folders are called.
        what: what its names name; "" where it takes none.
        known: the names that there are.
        words: those of the command line by default.
    """

    def name(word: str) -> str:
        if word in known:
            return word
        meant = get_close_matches(word, known, 1)
        raise argparse.ArgumentTypeError(f"no {what} is called {word!r}; {f'is it {meant[0]}?' if meant else 'see -h'}")

    parser = argparse.ArgumentParser(
        f"python -m {script.name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for folder in folders:
        parser.add_argument(folder, type=Path, metavar=folder.upper())
    if what:
        listed = ", ".join(sorted(known))
        parser.add_argument("names", nargs="*", type=name, metavar=what.upper(), help=f"only these; of {listed}")
    given = vars(parser.parse_args(words))
    return [given[folder] for folder in folders], given.get("names", [])
