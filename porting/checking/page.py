"""A report as one page of HTML that needs nothing else: for a browser, a phone, a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Optional

import numpy as np

from ..network import Array
from .pictures import data_url, diverging, png, view_of_worst
from .verdicts import Evidence, Findings, LayerVerdict

MARKS = {
    "exact": ("✓", "good"),
    "insensitive": ("○", "weak"),
    "ill-conditioned": ("≈", "weak"),
    "not recorded": ("–", "weak"),
    "not checked": ("?", "weak"),
    "departs in the chain": ("↓", "follows"),
    "departs": ("✗", "bad"),
}
MEANINGS = {
    "exact": "the same numbers as Keras, alone and in the chain, and a wrong port would have shown",
    "insensitive": "agrees, but the references hardly vary: a wrong port could hide",
    "ill-conditioned": "agrees, but Keras' own float32 leaves the answer open: nothing is proved",
    "not recorded": "the folder was saved without references of this layer",
    "not checked": "nothing was compared",
    "departs in the chain": "right on Keras' own inputs, wrong after the layers before it",
    "departs": "wrong on Keras' own inputs: the fault is in this layer",
}
SUBJECT = "A network that was trained in Keras and rebuilt in {engine}, compared with Keras layer by layer."
SHIFTED = {True: "shifted in Keras and here: the same", False: "shifted in Keras and here: not the same"}
INTRODUCTION = (
    "Keras recorded what every layer makes of some inputs. Each layer is run here on what Keras gave it (alone), and "
    "the whole network from its inputs on (the chain). A number a that should be b is off by t where "
    "|a − b| = t + t·|b|. What is allowed is what float32 can hold: how far Keras' own numbers move when inputs and "
    "weights move by a last bit, and a margin."
)
STYLE = """
.porting{--ink:#1c1e21;--soft:#5c6470;--line:#d9dde3;--good:#1a7f4b;--weak:#8a6100;--follows:#b3541e;--bad:#b42318;
font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:#fff;max-width:62rem;margin:0 auto;padding:1rem}
.porting *{box-sizing:border-box}
.porting h1{font-size:1.35rem;margin:.2rem 0}
.porting h2{font-size:1.05rem;margin:1.6rem 0 .5rem}
.porting p{margin:.3rem 0}
.porting ul{margin:.3rem 0;padding-left:1.2rem}
.porting .verdict{border-left:.4rem solid var(--good);padding:.7rem 1rem;background:#f4f7f5;border-radius:.3rem}
.porting .verdict.weak{border-color:#d99a00;background:#fdf8ec}
.porting .verdict.bad{border-color:var(--bad);background:#fdf3f2}
.porting .soft{color:var(--soft)}
.porting .good{color:var(--good)}
.porting .weak{color:var(--weak)}
.porting .follows{color:var(--follows)}
.porting .bad{color:var(--bad)}
.porting .verdict.weak,.porting .verdict.bad{color:var(--ink)}
.porting .bar{display:flex;height:.7rem;border-radius:.35rem;overflow:hidden;margin:.7rem 0 .3rem}
.porting i.good{background:var(--good)}
.porting i.weak{background:#d99a00}
.porting i.follows{background:#e08b57}
.porting i.bad{background:var(--bad)}
.porting details{border:1px solid var(--line);border-radius:.35rem;background:#fff;margin:.25rem 0}
.porting details details{margin:.25rem .6rem .5rem}
.porting summary{cursor:pointer;padding:.4rem .7rem;display:flex;gap:.6rem;align-items:baseline;flex-wrap:wrap}
.porting summary b{font-weight:600;overflow-wrap:anywhere}
.porting summary .mark{width:1.1rem;font-weight:700}
.porting summary .end{margin-left:auto}
.porting .turn::before{content:"▸"}
.porting details[open]>summary .turn::before{content:"▾"}
.porting summary::-webkit-details-marker{display:none}
.porting .body{padding:.1rem .9rem .8rem}
.porting table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.porting td,.porting th{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top;font-weight:400}
.porting th{color:var(--soft)}
.porting td,.porting li,.porting .why{overflow-wrap:anywhere}
.porting .why{background:#fdf3f2;border-radius:.3rem;padding:.4rem .6rem}
.porting .pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:1rem;margin:.7rem 0}
.porting figure{margin:0;min-width:0}
.porting img{width:100%;image-rendering:pixelated;border:1px solid var(--line);display:block;max-height:18rem}
.porting figcaption{font-size:.85rem;color:var(--soft)}
@media(max-width:34rem){
.porting{padding:.6rem;font-size:14px}
.porting .runs tr{display:grid;grid-template-columns:1.7rem 1fr;border-bottom:1px solid var(--line);padding:.3rem 0}
.porting .runs td{padding:0}
.porting .runs td:nth-child(n+3){grid-column:2;color:var(--soft)}
.porting .runs td:empty{display:none}
.porting img{max-height:11rem}
.porting summary .kind{order:3;flex-basis:100%;padding-left:1.7rem}
}
"""


def page(report: Findings) -> str:
    """The whole page."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    title = f"<title>{escape(report.name)}: {escape(report.verdict())}</title>"
    return f"<!doctype html>\n<html lang=en><head>{head}{title}</head>\n<body>{fragment(report)}</body></html>\n"


def fragment(report: Findings) -> str:
    """What stands in the page's body, and in a notebook's cell."""
    parts = [_verdict(report), _runs(report), _layers(report), _remarks(report), _words()]
    return f"<style>{STYLE}</style>\n<div class=porting>{''.join(parts)}</div>"


def _verdict(report: Findings) -> str:
    kind = "bad" if not report.ok else "" if report.proved else "weak"
    first, run = report.first_departure, next((run for run in report.runs if not run.ok), None)
    told = ""
    if first is not None:
        where = f"<b>{escape(first.call)}</b> ({escape(first.class_name)})"
        told = f"<p>First at {where}: {escape(first.why or first.status)}</p>"
    elif run is not None:
        told = f"<p>It predicts otherwise <b>{escape(run.name)}</b>: {escape(run.why)}</p>"
    allowed = "what float32 can hold" if report.tolerance is None else f"{report.tolerance:.0e}"
    needed = f"tolerance needed {report.needed:.1e}, allowed {allowed}"
    where = f"{report.engine} ({report.device}), {report.cases} cases, {needed}"
    bar = "".join(
        f'<i class={shown} style="flex:{count}" title="{count} {status}"></i>'
        for status, (_, shown) in MARKS.items()
        if (count := len(report.having(status)))
    )
    return (
        f"<h1>{escape(report.name)}</h1><p class=soft>{SUBJECT.format(engine=escape(report.engine))}</p>"
        f'<div class="verdict {kind}"><p><b>{escape(report.verdict())}</b></p><p>{_in_words(report)}</p>{told}'
        f"<div class=bar>{bar}</div><p class=soft>{escape(where)}</p></div>"
    )


def _in_words(report: Findings) -> str:
    """What the verdict means, for whoever sees one for the first time."""
    if not report.compared:
        return "Nothing is known of this port."
    if report.proved:
        return "The port gives Keras' numbers, and a fault in any of its layers would have shown."
    if report.ok:
        return "The port gives Keras' numbers wherever they were compared, but not all is proved."
    alone, behind = len(report.having("departs")), len(report.having("departs in the chain"))
    said = ["The port does not give Keras' numbers."]
    if alone:
        said.append(f"{_layers_are(alone)} wrong on Keras' own inputs: look there.")
    if behind:
        said.append(f"{_layers_are(behind)} right alone, and wrong behind others.")
    if not alone and not behind:
        said.append("Its layers do, but not all that predict runs.")
    return " ".join(said)


def _layers_are(count: int) -> str:
    return "One layer is" if count == 1 else f"{count} layers are"


def _runs(report: Findings) -> str:
    if not report.runs:
        return ""
    rows = []
    for run in report.runs:
        mark, kind = ("✓", "good") if run.ok and run.tried else ("✗", "bad") if not run.ok else ("?", "weak")
        needed = "" if run.outcome is None else _of(run.outcome.needed, run.outcome.allowed)
        cells = f"<td>{escape(run.name)}</td><td>{needed}</td><td>{escape(run.why)}</td>"
        rows.append(f"<tr><td class={kind}>{mark}</td>{cells}</tr>")
    told = "<p class=soft>The network's outputs, when it predicts as its users let it.</p>"
    return f"<h2>What predict runs</h2>{told}<table class=runs>{''.join(rows)}</table>"


def _layers(report: Findings) -> str:
    first = report.first_departure
    return f"<h2>Layers</h2>{_tree(report.layers, '', first, report.groups)}"


def _tree(layers: Sequence[LayerVerdict], prefix: str, first: Optional[LayerVerdict], groups: Mapping[str, str]) -> str:
    """Layers in running order; those of a nested model, whose names begin with the model's, below one heading."""
    parts, at = [], 0
    while at < len(layers):
        name = layers[at].call[len(prefix) :]
        group = name.split("/")[0] if "/" in name else ""
        end = at + 1
        while group and end < len(layers) and layers[end].call.startswith(f"{prefix}{group}/"):
            end += 1
        if not group:
            parts.append(_layer(layers[at], name, layers[at] is first))
        else:
            inner = layers[at:end]
            opened = " open" if any(one is first for one in inner) else ""
            proved = f"{sum(one.proved for one in inner)} of {len(inner)} proved"
            kind = "good" if all(one.ok for one in inner) else "bad"
            kind_of = escape(groups.get(f"{prefix}{group}", "model"))
            named = f"<b>{escape(group)}</b><span class='soft kind'>{kind_of}</span>"
            head = f"<span class='mark turn'></span>{named}<span class='end {kind}'>{proved}</span>"
            below = _tree(inner, f"{prefix}{group}/", first, groups)
            parts.append(f"<details{opened}><summary>{head}</summary>{below}</details>")
        at = end
    return "".join(parts)


def _layer(layer: LayerVerdict, name: str, is_first: bool) -> str:
    mark, kind = MARKS[layer.status]
    named = f"<b>{escape(name)}</b><span class='soft kind'>{escape(layer.class_name)}</span>"
    head = f"<span class='mark {kind}'>{mark}</span>{named}<span class='end {kind}'>{layer.status}</span>"
    rows = [
        ("on Keras' own inputs", _of(layer.alone, layer.allowed)),
        ("in the chain", _of(layer.chain, layer.allowed_in_chain)),
        ("float32 noise", "not measured" if layer.noise is None else f"{layer.noise:.1e}"),
        ("references vary by", "nothing: it goes by sizes alone" if layer.of_sizes else f"{layer.varies:.1e}"),
        ("masks", {None: "none", True: "Keras'", False: "differ"}[layer.all_masks]),
        ("weights, read back", {None: "none", True: "as saved, to the bit", False: "differ"}[layer.weights]),
        *([("weights of one value or two", SHIFTED[layer.shifted])] if layer.shifted is not None else []),
        *([("weights nothing shows", ", ".join(layer.unshown) or "none")] if layer.unshown is not None else []),
    ]
    table = "".join(f"<tr><th>{escape(what)}</th><td>{escape(value)}</td></tr>" for what, value in rows)
    why = f"<p class=why>{escape(layer.why)}</p>" if layer.why else ""
    why += f"<p>{_blame(layer)}</p>" if layer.status.startswith("departs") else ""
    seen = _pictures(layer.evidence) if is_first and layer.evidence is not None else ""
    opened = " open" if is_first else ""
    body = f"<p class=soft>{MEANINGS[layer.status]}</p>{why}{seen}<table>{table}</table>"
    return f"<details{opened}><summary>{head}</summary><div class=body>{body}</div></details>"


def _blame(layer: LayerVerdict) -> str:
    """What to look at."""
    if layer.status == "departs in the chain":
        lost = layer.masks_in_chain is False and layer.chain_outcome is not None and layer.chain_outcome.agrees
        return "Its mask is Keras' alone, and is lost between the layers." if lost else "Look at the layers before it."
    if layer.weights is False:
        return "What runs does not hold the weights that were saved: look at how this layer's weights are placed."
    if layer.shifted is False:
        return (
            "It leaves out weights that are zeros or ones here, or takes them in another order: training would show it."
        )
    alone = layer.alone_outcome
    if layer.masks is False and (alone is None or alone.agrees):
        return "Its numbers are right, its mask is not: look at what it does with masks."
    held = "Its weights are those that were saved, to the bit. " if layer.weights else ""
    return f"{held}What it computes with them is not what Keras computes: look at its rule and its settings."


def _of(needed: Optional[float], allowed: Optional[float]) -> str:
    if needed is None or allowed is None:
        return "not compared"
    if not np.isfinite(needed):
        return "no tolerance would do"
    if 0 < allowed < needed:
        return f"off by {needed:.1e}, {_times(needed / allowed)} the {allowed:.1e} that is allowed"
    return f"off by {needed:.1e}, {allowed:.1e} is allowed"


def _times(factor: float) -> str:
    return f"{factor:,.0f} times" if factor >= 10 else f"{factor:.1f} times"


def _pictures(evidence: Evidence) -> str:
    """Both arrays and their difference, in the same places."""
    if not all(array.dtype.kind in "fiub" for array in (evidence.got, evidence.want)):
        return ""
    if evidence.got.shape != evidence.want.shape or not evidence.want.size:
        return f"<p>shape {evidence.got.shape} instead of {evidence.want.shape}</p>"
    with np.errstate(invalid="ignore"):
        view = view_of_worst(evidence.got.astype(np.float64) - evidence.want)
        got, want = view.of(evidence.got), view.of(evidence.want)
        apart = got - want
    both = max(_largest(got), _largest(want))
    shown = (("Keras", want, both), ("the port", got, both), ("the difference", apart, _largest(apart)))
    figures = "".join(
        f'<figure><img alt="{what}" src="{data_url(png(diverging(grid, largest)))}">'
        f"<figcaption>{what}: blue −{largest:.3g}, red {largest:.3g}</figcaption></figure>"
        for what, grid, largest in shown
    )
    shape = " x ".join(map(str, evidence.want.shape))
    told = f"{evidence.where}; of {shape} values those about the worst: {view.words}"
    return f"<div class=pictures>{figures}</div><p class=soft>{escape(told)}</p>"


def _largest(grid: Array) -> float:
    finite = np.abs(grid[np.isfinite(grid)])
    return float(finite.max(initial=0.0))


def _remarks(report: Findings) -> str:
    # What predict does stands further up.
    found = [one for one in report.remarks() if not one.startswith("predict ")]
    return f"<h2>To be known</h2><ul>{''.join(f'<li>{escape(one)}</li>' for one in found)}</ul>" if found else ""


def _words() -> str:
    rows = "".join(
        f"<tr><th class={MARKS[one][1]}>{MARKS[one][0]} {one}</th><td>{what}</td></tr>"
        for one, what in MEANINGS.items()
    )
    return f"<h2>How to read this</h2><p class=soft>{INTRODUCTION}</p><table>{rows}</table>"
