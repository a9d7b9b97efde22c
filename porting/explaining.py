"""One sample on its way through a network, layer by layer, to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np

from .front import Front
from .network import Array, Network
from .text import TextVectorization
from .text.rows import RowsOfTokens
from .text.strings import to_text

LONGEST_TEXT = 200


@dataclass(frozen=True)
class Token:
    """A piece of a text as it is looked up, and its id; None where the layer counts instead."""

    text: str
    id: Optional[int]
    known: bool

    def __str__(self) -> str:
        number = "" if self.id is None else f" {self.id}"
        return f"{self.text}{number}" if self.known else f"{self.text}{number} (unknown)"


@dataclass(frozen=True)
class Explanation:
    """Every layer's value for one sample; ``str`` shows it.

    Attributes:
        inputs: by name, without the batch axis.
        tokens: by call of a TextVectorization or a tokenizer, the tokens that it found, those beyond its length too.
        layers: by tensor (``dense:0``), what each layer made, without the batch axis.
        classes: the layers' Keras classes, by tensor.
    """

    inputs: Mapping[str, Any]
    tokens: Mapping[str, list[Token]]
    layers: Mapping[str, Array]
    classes: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<Explanation of {', '.join(self.inputs)}: {len(self.layers)} tensors>"

    def __getitem__(self, tensor: str) -> Array:
        """A layer's value by tensor, or by the layer's name where it has one output."""
        return self.layers[tensor] if tensor in self.layers else self.layers[f"{tensor}:0"]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "inputs": {name: _plain(value) for name, value in self.inputs.items()},
            "tokens": {call: [[one.text, one.id, one.known] for one in tokens] for call, tokens in self.tokens.items()},
            "layers": {
                name: {"class": self.classes[name], "shape": list(array.shape), "values": _plain(array)}
                for name, array in self.layers.items()
            },
        }

    def __str__(self) -> str:
        lines = [f"{name}: {_shown(value)}" for name, value in self.inputs.items()]
        for call, tokens in self.tokens.items():
            lines.append(f"{call}, {len(tokens)} tokens: " + (", ".join(map(str, tokens)) or "none"))
        for name, array in self.layers.items():
            lines.append(f"{name.removesuffix(':0')}: {self.classes[name]} {array.dtype}{list(array.shape)}")
            lines += [f"    {line}" for line in _shown(array).splitlines()]
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_text(value)
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _shown(value: Any) -> str:
    value = np.asarray(value, object) if isinstance(value, (str, bytes)) else value
    if value.dtype.kind == "O":
        texts = [repr(_plain(one)) for one in value.ravel()]
        return ", ".join(text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…" for text in texts)
    return np.array2string(value, precision=4, threshold=24, edgeitems=3, max_line_width=110)


def explain_row(
    network: Network, front: Optional[Front], inputs: Mapping[str, Array], outputs: Mapping[str, Array]
) -> Explanation:
    """The explanation of a batch of one.

    Args:
        network: what ran.
        front: its preprocessing, if there is any.
        inputs: checked, by name, a batch of one.
        outputs: every layer's output by tensor (``dense:0``).
    """
    calls = {call.name: network.layers[call.layer].class_name for call in network.calls if call.layer in network.layers}
    steps = {} if front is None else {step.call.name: step for step in front.steps}
    classes = {**{name: step.layer.class_name for name, step in steps.items()}, **calls}
    tokens = {}
    for name, step in steps.items():
        source = str(step.call.inputs[0]).rpartition(":")[0]
        if source in inputs and isinstance(step.run, (RowsOfTokens, TextVectorization)):
            tokens[name] = _tokens(step.run, inputs[source])
    ordered = [*(key for key in outputs if key.rpartition(":")[0] in steps)]
    ordered += [key for key in outputs if key not in ordered]
    return Explanation(
        {name: array[0] for name, array in inputs.items()},
        tokens,
        {name: outputs[name][0] for name in ordered},
        {name: classes.get(name.rpartition(":")[0], "") for name in ordered},
    )


def _tokens(layer: Union[RowsOfTokens, TextVectorization], texts: Array) -> list[Token]:
    found = layer.tokens(texts)[0]
    if isinstance(layer, RowsOfTokens):
        return [Token(token, number, layer.is_known(token)) for token, number in zip(found, layer.ids(found))]
    ids = layer.lookup.ids([token.encode("utf-8", "surrogateescape") for token in found]).tolist() if found else []
    return [Token(text, number, number >= layer.lookup.token_start) for text, number in zip(found, ids)]
