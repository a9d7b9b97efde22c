"""What each input of a model must be like, from the layers that read its values as they were given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..layers.apply import rule_for
from ..layers.operation_kinds import whole_numbers
from ..network import Array, Call, Input, Layer, TensorRef, tensors_in
from ..text import TOKENIZERS
from ..text.byte_pairs import byte_letters
from .hard_texts import FOR_TOKENIZERS

# So many words of a vocabulary, half of them its last.
MOST_CHOICES = 50
WHOLE_TEXTS = (None, "None")
# A word of a text may be some tokens; rows of hard texts hold no more words.
TOKENS_A_WORD, MOST_KEPT = 4, 24
# Of two words of texts that are split into letters, where words are letters and marks stand beside them.
LETTERS = 5
# Layers that find words in texts.
SPLIT = {*TOKENIZERS, "TextVectorization"}


@dataclass(frozen=True)
class Need:
    """What an input must be like.

    Attributes:
        input: the network's input.
        ids: values are ids below this number; None where they are not ids.
        least: the smallest id.
        pads: padding is told from the values: ids, or numbers, of `mask_value`.
        mask_value: the padding value.
        is_mask: the input is itself a mask.
        choices: texts or numbers of a vocabulary, for an input that a lookup reads.
        closed: the lookup takes nothing but its vocabulary.
        sentences: texts are made of several words.
        words: of a sentence, as many as the layer keeps; None: all.
        further: what else than words a text may hold.
        span: the least and the largest number that is expected; None: about 0.
        mean, deviation: of the numbers that a Normalization expects, for the last axis or for all.
    """

    input: Input
    ids: int | None = None
    least: int = 0
    pads: bool = False
    mask_value: float = 0.0
    is_mask: bool = False
    choices: tuple[Any, ...] = ()
    closed: bool = False
    sentences: bool = False
    words: int | None = None
    further: tuple[str, ...] = ()
    span: tuple[float, float] | None = None
    mean: Array | float = 0.0
    deviation: Array | float = 1.0


@dataclass(frozen=True)
class _Way:
    """How an input's values came to a call: divided, then moved by numbers from `low` to `high`."""

    divisor: int = 1
    low: int = 0
    high: int = 0


_Ways = Mapping[str, _Way]


@dataclass
class _Trace:
    layers: Mapping[str, Layer]
    ways: dict[TensorRef, _Ways] = field(default_factory=dict)
    needs: dict[str, Need] = field(default_factory=dict)

    def of(self, argument: Any) -> _Ways:
        found: dict[str, _Way] = {}
        for ref in tensors_in(argument):
            found.update(self.ways.get(ref, {}))
        return found

    def change(self, names: Iterable[str], **changes: Any) -> None:
        for name in names:
            self.needs[name] = replace(self.needs[name], **changes)

    def limit(self, ways: _Ways, rows: int) -> None:
        """The values pick rows of a table."""
        for name, way in ways.items():
            need = self.needs[name]
            ids = max(1, (rows - way.high) * way.divisor)
            least = max(0, -way.low) * way.divisor
            self.change([name], ids=ids if need.ids is None else min(need.ids, ids), least=max(need.least, least))


def find_needs(
    inputs: Sequence[Input], calls: Sequence[Call], layers: Mapping[str, Layer], limits: Mapping[str, int]
) -> list[Need]:
    """What each input must be like, from the layers that it reaches.

    Args:
        inputs: the network's inputs.
        calls: its calls in running order.
        layers: its layers by name.
        limits: for layers whose config does not say it, below which number their ids must be.
    """
    kept = {f"{layer.name}/{name}": array for layer in layers.values() for name, array in layer.weights.items()}
    layers = {name: _with_shared(layer, kept) for name, layer in layers.items()}
    trace = _Trace(layers, {one.ref: {one.name: _Way()} for one in inputs}, {one.name: _named(one) for one in inputs})
    for call in calls:
        layer = layers[call.layer]
        reached = trace.of((call.inputs, [one for name, one in call.arguments.items() if "mask" not in name]))
        if layer.name in limits:
            trace.limit(reached, limits[layer.name])
        for config in _configs(layer.config):
            _take_tables(trace, reached, config)
        _take_values(trace, reached, call, layer)
        for name, argument in call.arguments.items():
            if "mask" in name:
                trace.change(trace.of(argument), is_mask=True)
        trace.ways.update(dict.fromkeys(call.refs(), _handed_on(trace, reached, call, layer)))
    return [trace.needs[given.name] for given in inputs]


def _with_shared(layer: Layer, kept: Mapping[str, Array]) -> Layer:
    """The layer with the weights that others keep for it."""
    shared = {name: kept[keeper] for name, keeper in layer.tied.items() if keeper in kept}
    return replace(layer, weights={**layer.weights, **shared}) if shared else layer


def _named(given: Input) -> Need:
    """An input of whole numbers that is called a mask is one, unless a table reads it."""
    return Need(given, is_mask="mask" in given.name.lower() and given.dtype.startswith(("int", "uint", "bool")))


def _configs(config: Any) -> Iterator[Mapping[str, Any]]:
    """A layer's config and those of the layers inside it: a wrapper's, a model's, a cell's."""
    if isinstance(config, Mapping):
        yield config
        for part in config.values():
            yield from _configs(part)
    elif isinstance(config, (list, tuple)):
        for part in config:
            yield from _configs(part)


def _take_tables(trace: _Trace, reached: _Ways, config: Mapping[str, Any]) -> None:
    for key, beside in (("input_dim", "output_dim"), ("num_tokens", "num_tokens")):
        if isinstance(config.get(key), int) and beside in config:
            trace.limit(reached, config[key])
    if config.get("mask_zero") is True:
        for name, way in reached.items():
            if way.low == way.high <= 0:
                trace.change([name], pads=True, mask_value=float(-way.low * way.divisor))


def _take_values(trace: _Trace, reached: _Ways, call: Call, layer: Layer) -> None:
    """What a layer itself says about the numbers, texts or ids that it is given."""
    if "vocabulary" in layer.weights:
        _take_vocabulary(trace, reached, layer)
    rule = rule_for(layer)
    if rule is None or rule.expects is None:
        return
    for name, way in reached.items():
        expected = dict(rule.expects(layer, call, trace.needs[name].input))
        rows = expected.pop("ids", None)
        if rows is not None:
            trace.limit({name: way}, rows)
        trace.change([name], **expected)


def _take_vocabulary(trace: _Trace, reached: _Ways, layer: Layer) -> None:
    words = [spelled(word, layer) for word in layer.weights["vocabulary"].tolist()]
    known = words if len(words) <= MOST_CHOICES else [*words[: MOST_CHOICES // 2], *words[-MOST_CHOICES // 2 :]]
    if layer.config.get("invert"):
        known = list(range(-1, len(known) + 2))
    is_text = layer.class_name in SPLIT
    trace.change(
        reached,
        choices=tuple(known),
        closed=not is_text and layer.config.get("num_oov_indices", 1) == 0,
        sentences=is_text and layer.config.get("split", True) not in WHOLE_TEXTS,
        words=_words_kept(layer) if is_text else None,
        further=_further(layer),
    )


def _further(layer: Layer) -> tuple[str, ...]:
    """What a tokenizer may take for something else, its special tokens between words first."""
    if layer.class_name not in TOKENIZERS:
        return ()
    special = [*layer.config.get("special_tokens", ()), *layer.config.get("unsplittable_tokens", ())]
    return (*(f"a{token}b {token} {token.lower()}" for token in special[:8]), *FOR_TOKENIZERS)


def _words_kept(layer: Layer) -> int | None:
    """How many words of a text a layer keeps at least, where it keeps so many tokens; None: all."""
    if layer.class_name == "TextVectorization":
        kept = layer.config.get("output_sequence_length")
        # Texts are made of words of a vocabulary, which are letters here, with marks beside them and a space.
        return max(1, 2 * kept // LETTERS) if kept and layer.config.get("split") == "character" else kept
    return min(MOST_KEPT, max(1, layer.config["sequence_length"] // TOKENS_A_WORD))


def spelled(word: Any, layer: Layer) -> Any:
    """A word of a vocabulary as it stands in a text."""
    if layer.class_name == "WordPieceTokenizer":
        return word.removeprefix(layer.config["suffix_indicator"])
    if layer.class_name == "BytePairTokenizer":
        bytes_of = {letter: byte for byte, letter in byte_letters().items()}
        return bytes(bytes_of.get(letter, ord("?")) for letter in word).decode("utf-8", "replace").strip()
    return word


def _handed_on(trace: _Trace, reached: _Ways, call: Call, layer: Layer) -> _Ways:
    """The inputs whose values are the outputs' values."""
    kind, rule = layer.class_name, rule_for(layer)
    hands_on = rule.hands_on if rule is not None else None
    if not kind.startswith("ops.") or hands_on is not None:
        return reached if hands_on else {}
    number = whole_numbers(call, layer)
    if number is None:
        return reached
    low, high = number
    if kind in ("ops.Add", "ops.Subtract"):
        low, high = (low, high) if kind == "ops.Add" else (-high, -low)
        return {name: replace(way, low=way.low + low, high=way.high + high) for name, way in reached.items()}
    if kind == "ops.FloorDivide" and low > 0 and not any(way.low or way.high for way in reached.values()):
        return {name: replace(way, divisor=way.divisor * low) for name, way in reached.items()}
    return {} if kind in ("ops.Multiply", "ops.FloorDivide", "ops.Mod", "ops.TrueDivide", "ops.Divide") else reached
