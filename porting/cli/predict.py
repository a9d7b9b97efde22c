"""The command ``porting predict``: arrays or texts in, a network's outputs out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Optional

import click

import porting as api

from ..errors import Mismatch
from .corpus import corpus_options, score_corpus
from .options import FOLDER, NEW_FILE, check_free, device_option, engine_option, rules_option

if TYPE_CHECKING:
    from ..engine import EngineName
    from ..layers.rule_files import Rules

# What --out of texts may end in.
SUFFIXES = (".csv", ".jsonl")


@click.command()
@click.argument("network", type=FOLDER)
@click.argument("inputs", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--text", type=click.File("rb"), help="Texts instead of INPUTS, one a line; - is standard input.")
@click.option("--column", help="The texts are in this column of a csv, the inputs in this one of --parquet.")
@click.option("--field", help="The texts are in this field of a jsonl.")
@click.option("--explain", is_flag=True, help="Show every layer's value for each text.")
@click.option("--out", type=NEW_FILE, help="Write outputs to this .npz, those of texts to this .csv or .jsonl.")
@click.option("--overwrite", is_flag=True, help="Replace the file that --out names; begin a run with --parquet anew.")
@engine_option
@device_option
@click.option("--batch-size", type=click.IntRange(1), help="Rows in each batch [default: the engine's].")
@click.option("--threads", type=click.IntRange(1), help="Batches that run at the same time [default: all cores].")
@click.option("--layers", is_flag=True, help="Give every layer's output, not only the network's.")
@corpus_options
@rules_option
def predict(
    network: Path,
    inputs: Optional[Path],
    text: Optional[BinaryIO],
    column: Optional[str],
    field: Optional[str],
    explain: bool,
    out: Optional[Path],
    overwrite: bool,
    engine: Optional[EngineName],
    device: str,
    batch_size: Optional[int],
    threads: Optional[int],
    layers: bool,
    corpus: Optional[tuple[Path, Path]],
    prefix: str,
    scheduler: Optional[str],
    workers: Optional[int],
    patience: Optional[float],
    rules: Optional[Rules],
) -> None:
    """Run NETWORK (a saved folder or a stored NeoML net) on INPUTS, an npy or an npz by input name, or on texts.

    Texts are read and written row by row, so files may be of any size. Rows that
    cannot be used are reported on standard error with their lines; the others are scored, and the exit code is 1. With
    --parquet a whole folder is scored, by this process, by several or by a cluster; run again, it continues where it
    stopped.
    """
    running = {"prefix": prefix, "scheduler": scheduler, "workers": workers, "patience": patience}
    if corpus is not None:
        if inputs or text or field or explain or out or layers or threads:
            raise click.UsageError(
                "--parquet goes with none of INPUTS, --text, --field, --explain, --out, --layers, --threads"
            )
        told = {"engine": engine, "device": device, "batch_size": batch_size, "overwrite": overwrite}
        given = {key: value for key, value in running.items() if value is not None}
        score_corpus(network, corpus, column=column, rules=() if rules is None else rules.files, **given, **told)
        return
    if any(value not in (None, "") for value in running.values()):
        raise click.UsageError("--prefix, --scheduler, --workers and --patience go with --parquet")
    check_words(inputs, text, column, field, explain, layers, out)
    if out is not None:
        check_free(out, overwrite)
    from .predicting import predict_arrays, predict_texts

    net = api.load(network, engine, device, rules)
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
    if text is None and out is not None and out.suffix != ".npz":
        raise click.UsageError("--out of arrays ends in .npz")
