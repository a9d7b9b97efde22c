"""The command that writes a stored net as C++."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["cpp"]


@click.command()
@click.argument("net", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace the files if they exist.")
def cpp(net: Path, out: Path, overwrite: bool) -> None:
    """Write NET, a stored NeoML net, as a C++ header and program in OUT.

    The header has a typed predict with Keras' names, the checks of inputs, and what happens to texts before they are
    ids. It needs NeoML alone. The program compares the net with Keras' outputs, which are written beside it.
    """
    from ..cpp import write_program

    written = write_program(net, out, overwrite)
    name = written.header.stem
    click.echo(f"wrote {written.header}, main.cpp, CMakeLists.txt, {name}.neoml and {name}.references")
    if written.batches:
        click.echo(f"the program's --check compares {written.batches} batches with Keras' outputs")
    else:
        click.echo("NET was stored without its network (--no-network): the program has nothing to be checked with")
