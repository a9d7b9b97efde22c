"""The commands that need Keras: save, port, restore."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import click

import porting as api

from .console import progress_bar, say
from .options import (
    FOLDER,
    NEW_FILE,
    NEW_FOLDER,
    as_one_dict,
    check_free,
    device_option,
    overwrite_option,
    rules_option,
    shape_option,
    written_whole,
)
from .report import STDOUT, check_and_show, report_options
from .wrong_calls import WrongCall

if TYPE_CHECKING:
    from ..network import Network

MODEL = click.Path(exists=True, path_type=Path)
KERAS_HERE = "run it where Keras is; in a checkout of porting: pip install '.[keras,cli]'"
NEOML_HERE = "pip install '.[neoml,cli]' (Python 3.8 to 3.11; no wheel for arm64 Macs)"

custom_option = click.option(
    "--custom",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="A Python file of your own that defines custom layers; its code is run.",
)
trust_option = click.option("--trust-lambda", is_flag=True, help="Let code inside the model file run (Lambda layers).")
save_options = as_one_dict(
    "saving",
    click.option(
        "--samples", type=click.Path(exists=True, dir_okay=False), help="An npz of real inputs, by input name."
    ),
    click.option("--overwrite", is_flag=True, help="Replace the saved network in FOLDER."),
    click.option("--name", help="The network's name [default: the model's]."),
    click.option(
        "--metadata",
        "metadata",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A JSON file: title, version, authors, license, labels, notes …; `porting info` shows them.",
    ),
    custom_option,
    click.option("--whole", multiple=True, help="A class of your own to keep as it is, for a rule of your own."),
    click.option(
        "--longest", type=click.IntRange(1), help="Longest input that tables made of sizes alone cover [default: 512]."
    ),
    click.option("--noise/--no-noise", default=True, help="Measure Keras' own float32 noise [default: yes]."),
    click.option(
        "--references",
        type=click.Choice(["sampled", "all", "outputs", "none"]),
        default="sampled",
        show_default=True,
        help="Which of Keras' outputs to keep for checking: some numbers of the large ones, all, the network's own, or "
        "none.",
    ),
    click.option(
        "--preprocessing/--no-preprocessing",
        default=True,
        help="Let a task model of keras-hub take texts, by its own preprocessor [default: yes].",
    ),
    click.option(
        "--segments", type=click.IntRange(1), help="How many texts of a sample it packs into one row [default: 1]."
    ),
    trust_option,
)


@click.command()
@click.argument("model", type=MODEL)
@click.argument("folder", type=NEW_FOLDER)
@save_options
def save(model: Path, folder: Path, saving: dict[str, Any]) -> None:
    """Save MODEL (.keras, .h5 or a SavedModel folder) with its references to FOLDER.

    Needs Keras.
    """
    from ..archive.folder import check_target

    check_target(folder, saving["overwrite"])
    import_keras("porting save")
    say(saved(model, folder, saving))


@click.command()
@click.argument("model", type=MODEL)
@click.argument("folder", type=NEW_FOLDER)
@click.option("--out", type=NEW_FILE, help="Store the proved net here, as a native NeoML archive.")
@save_options
@report_options
@shape_option
@device_option
@rules_option
def port(
    model: Path,
    folder: Path,
    out: Optional[Path],
    saving: dict[str, Any],
    reporting: dict[str, Any],
    shape: Any,
    device: str,
    rules: Any,
) -> None:
    """Port MODEL in one go: save it to FOLDER, prove every layer in NeoML, and store the net with --out.

    Needs Keras and NeoML in one environment (TensorFlow below 2.20). Where they are apart, run `porting save` in
    one, `porting check` and `porting build` in the other.
    """
    from ..archive.folder import check_target
    from ..neoml_side.stored.store import check_free_net
    from .describing import say_stored

    if reporting["json_file"] == STDOUT:
        raise click.UsageError("--json - is of porting check, since porting port prints its steps; name a file")
    overwrite = saving["overwrite"]
    check_target(folder, overwrite)
    if out is not None:
        check_free_net(out, overwrite)
    check_both_are_here(model, folder, out)
    import_keras("porting port")
    steps = 2 if out is None else 3
    say(f"1/{steps} saving {model}", "bold")
    say(f"    {saved(model, folder, saving)}")
    say(f"2/{steps} checking every layer in NeoML", "bold")
    net = api.load(folder, engine="neoml", device=device, rules=rules)
    report, code = check_and_show(net, **reporting)
    if code:
        if out is not None:
            say(f"not stored: {report.verdict()}", "red")
        raise click.exceptions.Exit(code)
    if out is not None:
        say(f"3/{steps} storing the net", "bold")
        say(f"    {say_stored(net.store(out, overwrite, shape=shape))}")


def check_both_are_here(model: Path, folder: Path, out: Optional[Path]) -> None:
    """Raises WrongCall with what to run where, when Keras or NeoML is not in this environment."""
    here = {
        "Keras": any(map(find_spec, ("keras", "tf_keras"))),
        "NeoML": find_spec("neoml") is not None,
    }
    missing = [name for name, is_here in here.items() if not is_here]
    if not missing:
        return
    build = "" if out is None else f", then porting build {folder} --out {out}"
    apart = (
        f"where Keras is (pip install '.[keras,cli]'): porting save {model} {folder}\n"
        f"    → where NeoML is ({NEOML_HERE}): porting check {folder}{build}"
    )
    what = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in this environment"
    raise WrongCall("porting port", what, apart)


def import_keras(command: str) -> None:
    """Raises WrongCall where Keras cannot be imported."""
    from ..keras_side.quiet import import_keras

    try:
        import_keras()
    except ImportError as error:
        raise WrongCall(command, f"Keras cannot be imported: {error}", KERAS_HERE) from error


def saved(model: Path, folder: Path, options: dict[str, Any]) -> str:
    """Save a model file; a sentence that says what was saved."""
    from ..keras_side.load import load_model_file

    given = dict(options)
    metadata = None if given["metadata"] is None else read_metadata(given["metadata"])
    loaded = load_model_file(model, custom=given.pop("custom"), trust_lambda=given.pop("trust_lambda"))
    kept = {name: value for name, value in given.items() if value is not None}
    kept["preprocessing"] = None if given["preprocessing"] else False
    with progress_bar("recording references") as report:
        network = api.save(loaded, folder, **{**kept, "metadata": metadata, "progress": report})
    return f"saved {network.name}: {_counted(network)}, to {folder}"


def _counted(network: Network) -> str:
    calls, cases = len(network.calls), len(network.cases)
    return f"{calls} layer{'' if calls == 1 else 's'}, {cases} cases"


def read_metadata(path: Path) -> Any:
    """A JSON file's value. Raises WrongCall for what is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise WrongCall(str(path), f"is not JSON: {error}", 'write {"title": "…", …} as UTF-8') from error


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("model", type=MODEL)
@click.option("--out", required=True, type=NEW_FILE, help="The model file to write: .keras or .h5.")
@overwrite_option
@custom_option
@trust_option
def restore(folder: Path, model: Path, out: Path, overwrite: bool, custom: tuple[str, ...], trust_lambda: bool) -> None:
    """Put the weights of FOLDER, a saved network, into MODEL's layers and write the model to --out.

    FOLDER is what `porting tune` wrote, for instance; MODEL is the file that was saved once. Needs Keras.
    """
    if out.suffix not in (".keras", ".h5"):
        raise click.BadParameter("a model file ends in .keras or .h5.", param_hint="'--out'")
    check_free(out, overwrite)
    import_keras("porting restore")
    from ..keras_side.load import load_model_file

    loaded = load_model_file(model, custom=custom, trust_lambda=trust_lambda)
    count = api.restore(folder, loaded)
    with written_whole(out) as made:
        loaded.save(str(made))
    say(f"restored {count} weights into {loaded.name}, written to {out}")
