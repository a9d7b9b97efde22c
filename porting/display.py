"""A network to be looked at: a table of its layers, in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .network import Array, Call, Layer, Network, TensorRef

STYLE = (
    ".porting-network{border-collapse:collapse;font:14px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums}"
    ".porting-network th,.porting-network td{text-align:left;padding:.1rem .9rem .1rem 0;overflow-wrap:anywhere}"
    ".porting-network td:last-child,.porting-network th:last-child{text-align:right}"
    ".porting-network caption{text-align:left;font-weight:600}"
)
HEAD = ("layer", "class", "output", "weights")


def summary(network: Network) -> str:
    """A line for each call: layer, class, the shape of what it makes, how many numbers its weights hold."""
    rows = [HEAD, *_rows(network)]
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    lines = [
        f"{name:{widths[0]}}  {kind:{widths[1]}}  {shape:{widths[2]}}  {count:>{widths[3]}}"
        for name, kind, shape, count in rows
    ]
    return "\n".join([f"{network.name}: {_inputs(network)}", *lines, _total(network)])


def network_html(network: Network, where: str) -> str:
    """The same as a table of HTML; `where`: what the network runs on."""
    head = "".join(f'<th scope="col">{one}</th>' for one in HEAD)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(one)}</td>' for one in row)}</tr>" for row in _rows(network))
    told = f"{escape(network.name)} on {escape(where)}: {escape(_inputs(network))}"
    foot = f"<tfoot><tr><td colspan=4>{_total(network)}</td></tr></tfoot>"
    table = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>{foot}"
    return f"<style>{STYLE}</style><table class=porting-network><caption>{told}</caption>{table}</table>"


def _rows(network: Network) -> list[tuple[str, str, str, str]]:
    counted: set[str] = set()
    unfolded = opened(network)
    rows = []
    for call in network.calls:
        for around in unfolded.get(call.name, ()):
            rows.append((around.name, around.class_name, "unfolded:", f"{_numbers(around.weights.values()):,}"))
        layer = network.layers[call.layer]
        own = layer.weights.values() if layer.name not in counted else ()
        counted.add(layer.name)
        shapes = ", ".join(_shape(network, ref) for ref in _made(network, call)) or "?"
        rows.append((call.name, layer.class_name, shapes, f"{_numbers(own):,}"))
    return rows


def opened(network: Network) -> dict[str, list[Layer]]:
    """The layers of a user's own whose code was unfolded, outer ones first, by the first call that stands for them."""
    called = {call.layer for call in network.calls}
    waiting = sorted((name for name in network.layers if name not in called), key=lambda name: name.count("/"))
    found: dict[str, list[Layer]] = {}
    for call in network.calls:
        begun = [name for name in waiting if call.name.startswith(f"{name}/")]
        if begun:
            found[call.name] = [network.layers[name] for name in begun]
            waiting = [name for name in waiting if name not in begun]
    return found


def _made(network: Network, call: Call) -> list[TensorRef]:
    """What a call makes; where only its rule knows how much, what the references hold."""
    if call.outputs or not network.cases:
        return list(call.refs())
    return sorted(ref for ref in network.cases[0].outputs if ref.call == call.name)


def _shape(network: Network, ref: TensorRef) -> str:
    """The shape of a tensor as the references show it; a size that differs among them is open."""
    shapes = [case.outputs[ref].shape for case in network.cases if ref in case.outputs]
    if not shapes or len({len(shape) for shape in shapes}) > 1:
        return "?"
    sizes = [str(found[0]) if len(set(found)) == 1 else "None" for found in zip(*shapes)]
    return f"({', '.join(['None', *sizes[1:]])})"


def _inputs(network: Network) -> str:
    return ", ".join(f"{one.name} {one.dtype}{list(one.shape)}" for one in network.inputs)


def _numbers(arrays: Iterable[Array]) -> int:
    """How many numbers; the strings of a vocabulary are none."""
    return sum(array.size for array in arrays if array.dtype.kind not in "OUS")


def _total(network: Network) -> str:
    return f"{_numbers(network.weights().values()):,} numbers in weights"
