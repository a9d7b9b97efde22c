"""The command line, run in this process."""

from __future__ import annotations

from click.testing import CliRunner

from porting.cli.commands import porting


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(porting, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output
