"""Keras' TextVectorization as small plain Python, written for the settings of the layer at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..text import TextVectorization
from .embedded_source import write_own
from .functions import as_bytes, function_node, new_name, refused
from .trace import Term, Trace, Traced

STANDARDIZED: dict[Any, tuple[str, str]] = {
    None: ("as they stand", ""),
    "lower": ("with A–Z lowered", ".translate(LOWER)"),
    "strip_punctuation": ("without punctuation", ".translate(None, PUNCTUATION)"),
    "lower_and_strip_punctuation": ("with A–Z lowered, without punctuation", ".translate(LOWER, PUNCTUATION)"),
}
LOWER = 'LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")'
NONCHARACTERS = [
    "NONCHARACTERS = dict.fromkeys([*range(0xFDD0, 0xFDF0), *range(0xFFFE, 0x110000, 0x10000)], 0xFFFD)",
    "NONCHARACTERS.update(dict.fromkeys(range(0xFFFF, 0x110000, 0x10000), 0xFFFD))",
]
PUNCTUATION = 'PUNCTUATION = b"!\\"#$%&\'()*+,-./:;<=>?@[\\\\]^_`{|}~"'


def write_vectorization(trace: Trace, layer: TextVectorization, x: Traced) -> Term:
    """The layer as a function of its own.

    Raises:
        Refusal: for what Keras gives no plain rows of tokens to, and for functions of a user that cannot be copied.
    """
    if layer.split is None and (x.rank < 2 or (x.rank > 2 and layer.output_mode != "int")):
        raise refused(f"split=None with texts of {x.rank} axes")
    name = new_name(trace, "vectorize")
    trace.arrays[f"{trace.scope}/vocabulary"] = as_bytes(layer.vocabulary)
    if layer.output_mode == "tf_idf" and layer.idf_weights is not None:
        trace.arrays[f"{trace.scope}/idf_weights"] = layer.idf_weights
    constants = [
        f'{name.upper()}_IDS = {{word: place for place, word in enumerate(strings(W["{trace.scope}/vocabulary"]), '
        f"{layer.lookup.token_start})}}"
    ]
    if makes_empty_tokens(layer) and layer.output_mode == "int":
        constants.append(f'{name.upper()}_IDS[b""] = 0')
    if layer.standardize in ("lower", "lower_and_strip_punctuation"):
        constants.append(LOWER)
    if layer.standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
        constants.append(PUNCTUATION)
    if layer.split == "character" and not layer.keeps_noncharacters:
        constants += NONCHARACTERS
    known = "\n".join(trace.code.values())
    split = tokens_code(trace, layer)
    body = [f"    {line}".rstrip() for line in function_body(layer, name, trace.scope, x.rank, split)]
    lines = [*(line for line in constants if line not in known), "", "", f"def {name}(texts):", *body]
    own = ["to_text"] if callable(layer.standardize) or callable(layer.split) else []
    return function_node(trace, name, lines, [x], own)


def makes_empty_tokens(layer: TextVectorization) -> bool:
    """Whether a token may be empty: the mask's, which has the id 0 and counts nowhere."""
    return layer.split is None or callable(layer.split)


def tokens_code(trace: Trace, layer: TextVectorization) -> tuple[str, str]:
    """From a text to its tokens, in words and in code."""
    if callable(layer.standardize):
        name = write_own(trace, layer.standardize)
        words, text = f"after {name}", f"to_bytes({name}(to_text(to_bytes(text))))"
    else:
        words, call = STANDARDIZED[layer.standardize]
        text = f"to_bytes(text){call}"
    if callable(layer.split):
        name = write_own(trace, layer.split)
        return f"{words}, split by {name}", f"[to_bytes(one) for one in {name}(to_text({text}))]"
    if layer.split is None:
        return f"{words}, each a token", f"[{text} for text in row]"
    if layer.split == "whitespace":
        return f"{words}, split at blanks", f"{text}.split()"
    characters = f'{text}.decode("utf-8", "replace")'
    if not layer.keeps_noncharacters:
        characters = f"{characters}.translate(NONCHARACTERS)"
    return f"{words}, split into characters", f"[one.encode() for one in {characters}]"


def ngrams_code(layer: TextVectorization) -> tuple[str, list[str]]:
    if layer.ngrams is None:
        return "", []
    widths = tuple(range(1, layer.ngrams + 1) if isinstance(layer.ngrams, int) else layer.ngrams)
    grams = "zip(*(words[at:] for at in range(width)))"
    line = f'words = [b" ".join(ngram) for width in {widths} for ngram in {grams}]'
    return f", n-grams of {' and '.join(map(str, widths))}", [line]


def function_body(layer: TextVectorization, name: str, scope: str, rank: int, tokens_of: tuple[str, str]) -> list[str]:
    said, split = tokens_of
    more, join = ngrams_code(layer)
    said += more
    rows = "texts" if rank == 2 else "texts.reshape(-1, texts.shape[-1])"
    each = f"row in {rows}" if layer.split is None else "text in texts.ravel()"
    tokens = [f"    words = {split}", *(f"    {line}" for line in join)]
    if layer.output_mode == "int":
        return ids_body(layer, name, said, each, tokens, rank)
    return counts_body(layer, name, scope, said, each, tokens)


def ids_body(layer: TextVectorization, name: str, said: str, each: str, tokens: Sequence[str], rank: int) -> list[str]:
    unknown, length = layer.lookup.oov_start, layer.output_sequence_length
    width = "max(map(len, rows))" if length is None else str(length)
    cut = "" if length is None else f"[:{length}]"
    return [
        f'"""Ids of words: texts {said}.',
        "",
        f"{unknown} is an unknown word, 0 fills up {'to the longest' if length is None else f'to {length}'}.",
        '"""',
        "rows = []",
        f"for {each}:",
        *tokens,
        f"    rows.append([{name.upper()}_IDS.get(word, {unknown}) for word in words{cut}])",
        f"ids = np.zeros((len(rows), {width}), np.int64)",
        "for row, found in zip(ids, rows):",
        "    row[: len(found)] = found",
        "return ids" if rank < 3 else f"return ids.reshape(*texts.shape[:{rank - 1}], ids.shape[1])",
    ]


def counts_body(
    layer: TextVectorization, name: str, scope: str, said: str, each: str, tokens: Sequence[str]
) -> list[str]:
    unknown = layer.lookup.oov_start
    what = {"multi_hot": "Which words stand in a text", "count": "Counts of words", "tf_idf": "Weighed counts of words"}
    kept = " if word" if makes_empty_tokens(layer) else ""
    mark = "counts[ids] = 1" if layer.output_mode == "multi_hot" else "np.add.at(counts, ids, 1)"
    lines = [
        f'"""{what[layer.output_mode]}: texts {said}.',
        "",
        f"Column {unknown} is of unknown words.",
        '"""',
        f"rows = np.zeros((len(texts), {layer.lookup.depth}), np.{layer.output_dtype})",
        f"for counts, {each.replace(' in ', ' in zip(rows, ')}):",
        *tokens,
        f"    ids = [{name.upper()}_IDS.get(word, {unknown}) for word in words{kept}]",
        f"    {mark}",
    ]
    if layer.idf_weights is None or layer.output_mode != "tf_idf":
        return [*lines, "return rows"]
    weights = f'W["{scope}/idf_weights"]'
    return [*lines, f"return rows.astype({weights}.dtype) * {weights}"]
