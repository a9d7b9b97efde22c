"""The commands behind `porting.cli`. What each does is imported when it runs, so that help comes at once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Optional

import click

import porting as api

from ..errors import Mismatch, PortingError, Problem, Unsupported
from .options import FOLDER, device_option, engine_option, rules_option
from .tune import tune

if TYPE_CHECKING:
    from ..engine import EngineName

__all__ = ["porting"]

# What --out of texts may end in.
SUFFIXES = (".csv", ".jsonl")
# Of `check --strict`: nothing departs, and not everything is proved.
NOT_PROVED = 4


class Commands(click.Group):
    """Turns the three families of errors into their exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PortingError as error:
            click.echo(str(error), err=True)
            ctx.exit(error.exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(api.__version__, prog_name="porting")
def porting() -> None:
    """Trained Keras networks, running in NeoML and in plain numpy, proved layer by layer.

    Save a network where Keras is, then check, build and use it where NeoML or numpy is. Exit codes: 0 well,
    1 departs, 2 not supported, 3 not a sound saved network, 4 not proved (check --strict).
    """


porting.add_command(tune)


@porting.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--samples", type=click.Path(exists=True, dir_okay=False), help="An npz of real inputs by input name.")
@click.option("--overwrite", is_flag=True, help="Replace the folder if it exists.")
@click.option("--name", help="The network's name [default: the model's].")
@click.option(
    "--custom",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="A Python file of your own that defines custom layers; it is run.",
)
@click.option("--whole", multiple=True, help="A class of your own to keep as it is, for a rule of your own.")
@click.option("--longest", type=click.IntRange(1), help="Steps of tables that are made of sizes alone [default: 512].")
@click.option("--noise/--no-noise", default=True, help="Measure how far float32 leaves each tensor open [default: do].")
@click.option("--trust-lambda", is_flag=True, help="Let code inside the model file run (Lambda layers).")
def save(
    model: Path,
    folder: Path,
    samples: Optional[str],
    overwrite: bool,
    name: Optional[str],
    custom: tuple[str, ...],
    whole: tuple[str, ...],
    longest: Optional[int],
    noise: bool,
    trust_lambda: bool,
) -> None:
    """Save MODEL (.keras, .h5 or a SavedModel folder) with references to FOLDER. Needs Keras."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from .screen import progress_bar

    try:
        from ..keras_side.load import load_model_file
    except ImportError as error:
        what = f"Keras cannot be imported: {error}"
        raise Unsupported(Problem("porting save", what, "pip install 'porting[keras]'")) from error
    loaded = load_model_file(model, custom=custom, trust_lambda=trust_lambda)
    with progress_bar("recording references") as report:
        told: dict[str, Any] = {"name": name, "whole": whole, "noise": noise, "longest": longest or None}
        network = api.save(loaded, folder, samples, progress=report, overwrite=overwrite, **told)
    click.echo(f"saved {network.name}: {len(network.calls)} calls, {len(network.cases)} cases, to {folder}")


@porting.command()
@click.argument("folder", type=FOLDER)
@rules_option
def plan(folder: Path, rule_files: tuple[str, ...]) -> None:
    """Show what each layer of FOLDER becomes in NeoML, and every problem at once. Builds nothing."""
    from ..archive import read_network
    from ..layers.rule_files import gather_rules
    from .screen import show_plan

    show_plan(read_network(folder), gather_rules(rule_files))


@porting.command()
@click.argument("folder", type=FOLDER)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The NeoML archive to write.")
@click.option("--overwrite", is_flag=True, help="Replace the archive if it exists.")
@click.option("--check/--no-check", "checked", default=True, help="Prove every layer first [default: yes].")
@click.option(
    "--network/--no-network",
    "with_network",
    default=True,
    help="Store what training and checking need too, in OUT.network.npz [default: yes].",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    help="Of the inputs, without the batch, where the net is built for one size: 64,64,3 or INPUT=64,64,3.",
)
@device_option
@rules_option
def build(
    folder: Path,
    out: Path,
    overwrite: bool,
    checked: bool,
    with_network: bool,
    shapes: tuple[str, ...],
    device: str,
    rule_files: tuple[str, ...],
) -> None:
    """Build FOLDER in NeoML and store it as a native archive that any NeoML program loads."""
    from ..neoml_side.stored.description import description_path
    from ..neoml_side.stored.network import network_path
    from .screen import progress_bar

    net = api.load(folder, engine="neoml", device=device, rules=rule_files)
    if checked:
        with progress_bar("checking") as report:
            net.check(progress=report).raise_if_bad()
    stored = net.store(out, overwrite, with_network, read_shapes(shapes))
    beside = [one.name for one in (description_path(stored), network_path(stored)) if one.exists()]
    click.echo(f"stored {net.network.name} in {stored}; beside it: {', '.join(beside)}")


def read_shapes(texts: tuple[str, ...]) -> Any:
    """Shapes as `PortedNetwork.store` takes them: None, one, or a dict by input. Raises Mismatch for what is none."""
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        parts = [part.strip() for part in sizes.strip("()").split(",") if part.strip()]
        if not parts or not all(part.isdecimal() for part in parts):
            raise Mismatch(Problem("--shape", f"{text!r} is no shape", "give sizes as 64,64,3 or INPUT=64,64,3"))
        found[name] = tuple(map(int, parts))
    return None if not found else found[""] if list(found) == [""] else found


@porting.command()
@click.argument("folder", type=FOLDER)
@engine_option
@device_option
@click.option(
    "--tolerance", type=float, help="Allowed t in |a − b| ≤ t + t·|b| everywhere [default: what float32 can hold]."
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here too.")
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="Write it as a page, too.")
@click.option("--strict", is_flag=True, help="Exit with 4 where it is exact, but a layer or a weight is not proved.")
@click.option("--weights", "shown", is_flag=True, help="Find the weights that no reference shows; takes longer.")
@rules_option
def check(
    folder: Path,
    engine: Optional[EngineName],
    device: str,
    tolerance: Optional[float],
    json_file: Optional[Path],
    html_file: Optional[Path],
    strict: bool,
    shown: bool,
    rule_files: tuple[str, ...],
) -> None:
    """Compare every layer of FOLDER (or of a stored NeoML net) with its references, alone and in the chain.

    What predict runs is compared too, and every weight that is read back.
    """
    from .screen import progress_bar, show_report

    net = api.load(folder, engine, device, rule_files)
    with progress_bar("checking") as report:
        verdict = net.check(tolerance, report, weights=shown)
    if json_file is not None:
        json_file.write_text(json.dumps(verdict.to_json(), indent=1) + "\n", encoding="utf-8")
    if html_file is not None:
        html_file.write_text(verdict.to_html(), encoding="utf-8")
    show_report(verdict)
    if not verdict.ok:
        raise click.exceptions.Exit(Mismatch.exit_code)
    if strict and not verdict.proved:
        raise click.exceptions.Exit(NOT_PROVED)


@porting.command()
@click.argument("network", type=FOLDER)
@click.argument("inputs", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--text", type=click.File("rb"), help="Texts instead of INPUTS, one a line; - is standard input.")
@click.option("--column", help="The texts are in this column of a csv.")
@click.option("--field", help="The texts are in this field of a jsonl.")
@click.option("--explain", is_flag=True, help="Show every layer's value for each text.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write outputs to this npz; those of texts to this csv or jsonl [default: print].",
)
@engine_option
@device_option
@click.option("--batch-size", type=click.IntRange(1), help="Rows a run.")
@click.option("--threads", type=click.IntRange(1), help="Batches run side by side [default: all cores].")
@click.option("--layers", is_flag=True, help="Give every layer's output, not only the network's.")
@rules_option
def predict(
    network: Path,
    inputs: Optional[Path],
    text: Optional[BinaryIO],
    column: Optional[str],
    field: Optional[str],
    explain: bool,
    out: Optional[Path],
    engine: Optional[EngineName],
    device: str,
    batch_size: Optional[int],
    threads: Optional[int],
    layers: bool,
    rule_files: tuple[str, ...],
) -> None:
    """Run NETWORK (a saved folder or a stored NeoML net) on INPUTS, an npy or an npz by input name, or on texts.

    Texts are read and written row by row, so files may be of any size; a row that cannot be read is reported
    with its line on standard error, the rest goes on, and the exit code is 1 in the end.
    """
    check_words(inputs, text, column, field, explain, layers, out)
    from .predicting import predict_arrays, predict_texts

    net = api.load(network, engine, device, rule_files)
    if inputs is not None:
        predict_arrays(net, inputs, out, layers, batch_size, threads)
    elif text is not None:
        bad = predict_texts(net, text, column, field, explain, out, batch_size, threads)
        if bad:
            click.echo(f"{bad} row{'' if bad == 1 else 's'} could not be used", err=True)
            raise click.exceptions.Exit(Mismatch.exit_code)


def check_words(
    inputs: Optional[Path],
    text: Optional[BinaryIO],
    column: Optional[str],
    field: Optional[str],
    explain: bool,
    layers: bool,
    out: Optional[Path],
) -> None:
    """Refuse what does not go together."""
    if (inputs is None) == (text is None):
        raise click.UsageError("give INPUTS, or --text FILE")
    if text is None and (column or field or explain):
        raise click.UsageError("--column, --field and --explain go with --text")
    if column is not None and field is not None:
        raise click.UsageError("--column is of a csv and --field of a jsonl; give one of them")
    if text is not None and layers:
        raise click.UsageError("--layers gives arrays; with --text, say --explain")
    if text is not None and out is not None and (explain or out.suffix not in SUFFIXES):
        raise click.UsageError("--out of texts ends in .csv or .jsonl; --explain prints")


@porting.command()
@click.argument("folder", type=FOLDER)
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace the files if they exist.")
@click.option("--tolerance", type=float, default=1e-5, show_default=True, help="What the file's own --check allows.")
@rules_option
def standalone(folder: Path, out: Path, overwrite: bool, tolerance: float, rule_files: tuple[str, ...]) -> None:
    """Write FOLDER as one Python file and one npz in OUT that need numpy alone, not even porting."""
    written = api.standalone(folder, out, rule_files, overwrite, tolerance)
    click.echo(f"wrote {written} and {written.with_suffix('.npz').name}; python {written} --check compares with Keras")


@porting.command()
@click.option("--markdown", is_flag=True, help="As the table in docs/support.md.")
def layers(markdown: bool) -> None:
    """List every Keras layer that has a rule, and what is refused."""
    from .support import as_markdown, support_rows

    if markdown:
        click.echo(as_markdown())
        return
    from .screen import show_support

    show_support(support_rows())
