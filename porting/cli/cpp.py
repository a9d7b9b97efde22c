"""The command that writes a stored net as C++."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .console import say
from .options import FOLDER, NEW_FOLDER, overwrite_option, rules_option


@click.command()
@click.argument("net", type=FOLDER)
@click.argument("out", type=NEW_FOLDER)
@overwrite_option
@rules_option
def cpp(net: Path, out: Path, overwrite: bool, rules: Any) -> None:
    """Write NET, a stored NeoML net, as a C++ header and program in OUT.

    The header has a typed predict with Keras' names, the checks of inputs, and what happens to texts before they are
    ids. It needs NeoML alone. The program compares the net with Keras' outputs, which are written beside it.
    """
    from ..cpp import write_program
    from ..layers import RULES

    if net.is_dir():
        raise click.UsageError(f"{net} is a folder; store its net first: porting build {net} --out {net.name}.neoml")
    written = write_program(net, out, overwrite, RULES if rules is None else {**RULES, **rules})
    name = written.header.stem
    say(f"wrote {written.header}, main.cpp, CMakeLists.txt, {name}.neoml and {name}.references")
    if written.batches:
        say(f"the program's --check compares {written.batches} batches with Keras' outputs")
    else:
        say("NET was stored without its network (--no-network): the program has nothing to be checked with")
