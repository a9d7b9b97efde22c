"""The commands of `porting`, and those that look at a network, build it and write it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import click

import porting as api

from .console import progress_bar, say, show_table
from .cpp import cpp
from .group import Commands
from .options import (
    FOLDER,
    NEW_FILE,
    NEW_FOLDER,
    FiniteRange,
    device_option,
    engine_option,
    overwrite_option,
    rules_option,
    shape_option,
)
from .predict import predict
from .report import check_and_show, report_options
from .saving import port, restore, save
from .tune import tune
from .wrong_calls import suggestion

if TYPE_CHECKING:
    from ..engine import EngineName


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(api.__version__, prog_name="porting")
def porting() -> None:
    """Trained Keras networks, running in NeoML and in plain numpy, proved layer by layer.

    Where Keras and NeoML share an environment, `porting port` does everything. Otherwise `save` where Keras is, then
    check, build and use the saved network where NeoML or numpy is.

    \b
    Exit codes:
      0    all is well
      1    something departs from Keras, or data do not fit
      2    the call is wrong, something it needs is missing,
           or the network contains what is not supported
      3    a file or folder cannot be read or written
      4    not everything is proved (--strict)
      5    not finished; the same command goes on (--parquet)
      130  stopped by Ctrl-C
    """


for command in (port, save, predict, tune, restore, cpp):
    porting.add_command(command)


@porting.command()
@click.argument("path", type=FOLDER)
def info(path: Path) -> None:
    """Describe PATH, a saved folder or a stored NeoML net: metadata, inputs, outputs, layers, weights.

    Everything is read and compared with its hashes; nothing is run, and neither Keras nor NeoML is needed.
    """
    from .describing import show_info

    show_info(path)


@porting.command()
@click.argument("folder", type=FOLDER)
@rules_option
def plan(folder: Path, rules: Any) -> None:
    """Show what each layer of FOLDER becomes in NeoML, and every problem at once. Builds nothing."""
    from ..archive import read_network
    from ..display import opened
    from ..front import split_front
    from ..layers.rule_files import gather_rules
    from ..neoml_side.plan import plan_network
    from ..neoml_side.sized import planned
    from ..padded import REBUILT, Padding
    from ..padding import padding_of
    from ..text.functions import functions_in

    network, gathered = read_network(folder), gather_rules(rules)
    front, core = split_front(network, functions_in(gathered))
    found, hangs_on_sizes = planned(core, lambda it: plan_network(it, gathered))
    becomes = found.needed_nodes(core)
    before = [] if front is None else [step.call for step in front.steps]
    rows = [(call.name, network.layers[call.layer].class_name, "", "runs before NeoML") for call in before]
    unfolded = opened(core)
    for call in core.calls:
        rows += [(layer.name, layer.class_name, "", "unfolded:") for layer in unfolded.get(call.name, ())]
        shapes = ", ".join(str(found.tensors[ref].shape) for ref in call.refs())
        kinds = ", ".join(node.kind for node in becomes[call.name]) or "–"
        rows.append((call.name, core.layers[call.layer].class_name, shapes, kinds))
    show_table(("layer", "class", "output shape", "NeoML layers"), rows, network.name)
    padding = padding_of(core, gathered)
    say(str(Padding(why=REBUILT) if padding and hangs_on_sizes else padding))
    for one in hangs_on_sizes.problems if hangs_on_sizes else ():
        say(f"built anew for each size, here one of the references': {one.where}: {one.what}")


@porting.command()
@click.argument("folder", type=FOLDER)
@click.option("--out", required=True, type=NEW_FILE, help="The NeoML archive to write.")
@overwrite_option
@click.option("--check/--no-check", "checked", default=True, help="Prove every layer first [default: yes].")
@click.option(
    "--network/--no-network",
    "with_network",
    default=True,
    help="Store what training and checking need too, in OUT.network.npz [default: yes].",
)
@shape_option
@device_option
@rules_option
def build(
    folder: Path,
    out: Path,
    overwrite: bool,
    checked: bool,
    with_network: bool,
    shape: Any,
    device: str,
    rules: Any,
) -> None:
    """Build FOLDER in NeoML and store it as a native archive that any NeoML program loads."""
    from ..neoml_side.stored.store import check_free_net
    from .describing import say_stored

    check_free_net(out, overwrite)
    net = api.load(folder, engine="neoml", device=device, rules=rules)
    if checked:
        with progress_bar("checking") as report:
            net.check(progress=report).raise_if_bad()
    say(f"{net.network.name}: {say_stored(net.store(out, overwrite, with_network, shape))}")


@porting.command()
@click.argument("folder", type=FOLDER)
@engine_option
@device_option
@report_options
@rules_option
def check(
    folder: Path,
    engine: Optional[EngineName],
    device: str,
    reporting: dict[str, Any],
    rules: Any,
) -> None:
    """Compare every layer of FOLDER (or of a stored NeoML net) with its references, alone and in the chain.

    What predict runs is compared too, and every weight that is read back.
    """
    _, code = check_and_show(api.load(folder, engine, device, rules), **reporting)
    if code:
        raise click.exceptions.Exit(code)


@porting.command()
@click.argument("folder", type=FOLDER)
@click.argument("out", type=NEW_FOLDER)
@overwrite_option
@click.option(
    "--tolerance", type=FiniteRange(0), help="What the file's own --check allows [default: what float32 can hold]."
)
@click.option(
    "--references",
    type=click.Choice(["all", "outputs", "none"]),
    default="all",
    show_default=True,
    help="Which references go into the file.",
)
@rules_option
def standalone(
    folder: Path,
    out: Path,
    overwrite: bool,
    tolerance: Optional[float],
    references: Literal["all", "outputs", "none"],
    rules: Any,
) -> None:
    """Write FOLDER as one Python file and one npz in OUT that need numpy alone, not even porting."""
    written = api.standalone(folder, out, rules, overwrite, tolerance, references)
    say(f"wrote {written} and {written.with_suffix('.npz').name}; python {written} --check compares with Keras")


@porting.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--markdown", is_flag=True, help="As the table in docs/support.md.")
def layers(names: tuple[str, ...], markdown: bool) -> None:
    """List every Keras layer that has a rule and what is refused, or those whose name holds a NAME."""
    from .support import as_markdown, support_rows

    if markdown:
        if names:
            raise click.UsageError("--markdown is of all layers; leave the names out")
        click.echo(as_markdown())
        return
    rows = support_rows()
    unknown = [name for name in names if not any(name.casefold() in row[0].casefold() for row in rows)]
    if unknown:
        hints = [f"no layer has {name!r} in its name.{suggestion(name, [row[0] for row in rows])}" for name in unknown]
        raise click.UsageError("\n".join(hints))
    wanted = [row for row in rows if not names or any(name.casefold() in row[0].casefold() for name in names)]
    show_table(("layer", "numpy", "NeoML", "trains in NeoML", "remarks"), wanted)
