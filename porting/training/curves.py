"""The history of a run as a notebook shows it: curves where matplotlib is installed, and the numbers."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from html import escape

VALIDATION = "val_"


def history_html(epochs: Sequence[int], history: Mapping[str, Sequence[float]]) -> str:
    """A fragment of HTML.

    Args:
        epochs: their numbers, from 0.
        history: by name, a number for each epoch.
    """
    if not epochs:
        return "<p>no epoch was finished</p>"
    curves = _curves(epochs, history) if importlib.util.find_spec("matplotlib") else ""
    return f"<div class=porting-history>{curves}{_table(epochs, history)}</div>"


def _table(epochs: Sequence[int], history: Mapping[str, Sequence[float]]) -> str:
    whole = {name: numbers for name, numbers in history.items() if len(numbers) == len(epochs)}
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("epoch", *whole))
    rows = "".join(
        f"<tr><td>{epoch + 1}</td>{''.join(f'<td>{numbers[at]:.6g}</td>' for numbers in whole.values())}</tr>"
        for at, epoch in enumerate(epochs)
    )
    rest = "".join(
        f"<p>{escape(name)}, in some epochs: {', '.join(f'{one:.6g}' for one in numbers)}</p>"
        for name, numbers in history.items()
        if name not in whole
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"


def _curves(epochs: Sequence[int], history: Mapping[str, Sequence[float]]) -> str:
    """A picture for the loss and for each metric, training and validation in one, as SVG."""
    from matplotlib.figure import Figure

    names = [name for name in history if not name.startswith(VALIDATION)]
    figure = Figure(figsize=(3.4 * len(names), 2.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        for label, numbers in (("training", history[name]), ("validation", history.get(VALIDATION + name, ()))):
            if len(numbers) == len(epochs):
                axes.plot([epoch + 1 for epoch in epochs], numbers, label=label, marker="." if len(epochs) < 20 else "")
        axes.set(title=name, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    target = io.StringIO()
    figure.savefig(target, format="svg", metadata={"Title": f"{', '.join(names)} by epoch", "Date": None})
    text = target.getvalue()
    return text[text.index("<svg") :]
