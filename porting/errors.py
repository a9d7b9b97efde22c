"""The three families of errors. Each lists every problem it found and says what to do about each.

Exit codes on the command line: `Mismatch` 1, `Unsupported` 2, `BadArchive` 3.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: the layer, file, array, input or key at fault.
        what: what is wrong with it, with the offending value.
        way_out: what the user can do about it; may be empty.
    """

    where: str
    what: str
    way_out: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n    → {self.way_out}" if self.way_out else text


class PortingError(Exception):
    """Base of the three families.

    Args:
        problems: every problem found; or the `where` of the only one, with its `what` and `way_out` behind it.

    Attributes:
        problems: all of them.
    """

    exit_code = 1
    headline = "{count} problem{s}"

    def __init__(self, problems: Problem | Iterable[Problem] | str, what: str = "", way_out: str = "") -> None:
        given = Problem(problems, what, way_out) if isinstance(problems, str) else problems
        self.problems = (given,) if isinstance(given, Problem) else tuple(given)
        if not self.problems:
            raise ValueError("an error needs at least one problem")
        count = len(self.problems)
        headline = self.headline.format(count=count, s="" if count == 1 else "s")
        super().__init__("\n".join([headline, *(f"  {problem}" for problem in self.problems)]))

    def __reduce__(self) -> tuple[type[PortingError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)

    @classmethod
    def raise_for(cls, problems: Iterable[Problem]) -> None:
        """Raise an error of all these problems, if there are any."""
        listed = tuple(problems)
        if listed:
            raise cls(listed)


class BadArchive(PortingError):
    """A saved network or a stored net cannot be read, or cannot be written, as promised."""

    exit_code = 3
    headline = "cannot be read or written ({count} problem{s}):"


class MissingFile(BadArchive, FileNotFoundError):
    """A BadArchive of a file or folder that is not there."""

    def __init__(self, problems: Problem | Iterable[Problem] | str, what: str = "", way_out: str = "") -> None:
        super().__init__(problems, what, way_out)
        self.errno = errno.ENOENT


class Unsupported(PortingError, ValueError):
    """A layer, a setting or an input that the port does not take; nothing was converted."""

    exit_code = 2
    headline = "cannot be ported as it is ({count} problem{s}):"


class Mismatch(PortingError, ValueError):
    """Outputs that depart from the references, or inputs that do not fit the network."""

    exit_code = 1
    headline = "does not match ({count} problem{s}):"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """``did you mean 'neoml'? `` where a known word is much like this one, upper and lower case aside; else nothing."""
    by_folded = {one.casefold(): one for one in known}
    close = get_close_matches(str(word).casefold(), by_folded, n=1)
    return f"did you mean {by_folded[close[0]]!r}? " if close else ""


def problem_in_code(path: str, error: Exception) -> Problem:
    """What a Python file of the user's own raised, and on which of its lines."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    where = path if line is None else f"{path}, line {line}"
    return Problem(where, f"{type(error).__name__}: {error}", "correct the file, and try again")
