"""Calls that cannot be carried out as they stand, and hints in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from ..errors import Mismatch, PortingError, Problem, did_you_mean

# The exit code after Ctrl-C, as shells have it.
STOPPED = 130


class WrongCall(PortingError):
    """The command itself is at fault, or lacks here what it needs; nothing was done."""

    exit_code = 2
    headline = "cannot be run like this ({count} problem{s}):"


@contextmanager
def as_wrong_call() -> Iterator[None]:
    """Names and shapes that came from options and do not fit are the call's fault, not a verdict."""
    try:
        yield
    except Mismatch as error:
        raise WrongCall(error.problems) from error


def suggestion(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'check'?`` behind a sentence, where a known word is close."""
    found = did_you_mean(word, known).strip()
    return f" {found[0].upper()}{found[1:]}" if found else ""


# An argument with its value, as hints for Python have it: engine='numpy', whole=['Mine'], shape=(64, 64, 3).
_VALUE = r"""True|False|'[^']*'|"[^"]*"|\[[^\]]*\]|\([^)]*\)|[\w./…]+"""
_ARGUMENT = re.compile(rf"\b([a-z_]+)=({_VALUE})")
# A call whose arguments have become options: save(…, --whole Mine).
_CALL = re.compile(r"(?<![\w.])(?:porting\.|net\.)?([a-z_]+)\((?:…, )?(--[^()]*)\)")


def as_options(error: PortingError, commands: Iterable[click.Command]) -> PortingError:
    """The same error, with the Python arguments in its hints as options of the commands; earlier commands win.

    An option stands for the argument of its parameter's name.
    """
    options: dict[str, click.Option] = {}
    commands = list(commands)
    for command in commands:
        for one in command.params:
            if isinstance(one, click.Option) and one.name is not None:
                options.setdefault(one.name, one)

    def spoken(found: re.Match[str]) -> str:
        option = options.get(found[1])
        return found[0] if option is None else _spoken(option, found[2])

    def called(found: re.Match[str]) -> str:
        return f"porting {found[1]} … {found[2].replace(', --', ' --')}" if found[1] in names else found[0]

    names = {command.name for command in commands}
    changed = [
        Problem(one.where, one.what, _CALL.sub(called, _ARGUMENT.sub(spoken, one.way_out))) for one in error.problems
    ]
    return type(error)(changed)


def _spoken(option: click.Option, value: str) -> str:
    if option.is_flag or option.secondary_opts:
        return option.secondary_opts[0] if value == "False" and option.secondary_opts else option.opts[0]
    values = [part.strip().strip("'\"") for part in value.strip("[]()").split(",") if part.strip()]
    if value.startswith("("):
        values = [",".join(values)]
    return " ".join(f"{option.opts[0]} {one}" for one in values)
