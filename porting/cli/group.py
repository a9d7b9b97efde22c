"""The group of commands: what goes wrong becomes a sentence and an exit code, a typo a question."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import click

from ..errors import PortingError
from .console import note
from .wrong_calls import STOPPED, as_options, suggestion

# The system refuses a file.
NOT_READ_OR_WRITTEN = 3


class Commands(click.Group):
    """Commands that end in sentences, not in tracebacks."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[Optional[str], Optional[click.Command], list[str]]:
        word = str(args[0])
        if self.get_command(ctx, word) is None and not word.startswith("-") and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            hint = suggestion(word, known) or f" The commands are {', '.join(known)}."
            ctx.fail(f"there is no command {word!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _warnings_as_notes():
            try:
                return super().invoke(ctx)
            except PortingError as error:
                own = self.get_command(ctx, ctx.invoked_subcommand or "")
                told = as_options(error, [*([own] if own else []), *self.commands.values()])
                click.echo(str(told), err=True)
                ctx.exit(error.exit_code)
            except KeyboardInterrupt:
                click.echo("stopped by Ctrl-C", err=True)
                ctx.exit(STOPPED)
            except OSError as error:
                if error.errno == errno.EPIPE:
                    raise
                click.echo(f"{error.filename or 'a file'}: {error.strerror or error}", err=True)
                ctx.exit(NOT_READ_OR_WRITTEN)
            except MemoryError:
                click.echo("memory is exhausted: use a machine with more, or fewer rows at once", err=True)
                ctx.exit(NOT_READ_OR_WRITTEN)


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Warnings meant for users are told in a line; those for programmers are not."""

    def told(message: Any, *_: Any, **__: Any) -> None:
        note(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = told
        yield
