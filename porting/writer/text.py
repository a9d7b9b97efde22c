"""Keras' preprocessing layers as small plain Python, written for the settings of the layer at hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np

from ..layers.rule import Refusal
from ..network import Array
from ..text import CategoryEncoding, Discretization, IntegerLookup, StringLookup, TextVectorization
from ..text.strings import to_text
from .trace import ATOM, Node, Trace, Traced

__all__ = ["as_bytes", "write_preprocessing"]

WAY_OUT = "use the saved folder with porting itself; its numpy engine needs numpy alone"


def write_preprocessing(trace: Trace, function: Callable[..., Any], inputs: Sequence[Any]) -> Node:
    """The function in the trace's code, and the expression that calls it.

    Raises:
        Refusal: a layer or a setting that no short function does exactly.
    """
    for kind, write in WRITERS.items():
        if isinstance(function, kind):
            if len(inputs) != 1 or not isinstance(inputs[0], Traced):
                raise refused("is called on several tensors")
            return write(trace, function, inputs[0])
    kind_name = type(function).__name__
    raise refused(f"{kind_name} has no short form in plain numpy")


def refused(what: str) -> Refusal:
    return Refusal(f"{what}; it is not written into a standalone file", WAY_OUT)


def as_bytes(strings: Sequence[Any]) -> Array:
    """Strings as an array that an npz without pickles holds: JSON, bytes that are no UTF-8 as lone surrogates."""
    listed = [to_text(one) if isinstance(one, bytes) else str(one) for one in strings]
    return np.frombuffer(json.dumps(listed).encode(), np.uint8)


def new_name(trace: Trace, wanted: str) -> str:
    number = 1
    while (name := wanted if number == 1 else f"{wanted}_{number}") in trace.code:
        number += 1
    return name


def function_node(trace: Trace, name: str, code: str, x: Node, helpers: Sequence[str] = (), hint: str = "ids") -> Node:
    trace.code[name] = code
    return trace.add(f"{name}({{0}})", [x], asks=0, hint=hint, helpers=helpers)


# ---- TextVectorization

STANDARDIZED: dict[Any, tuple[str, str]] = {
    None: ("as they stand", ""),
    "lower": ("with A–Z lowered", ".translate(LOWER)"),
    "strip_punctuation": ("without punctuation", ".translate(None, PUNCTUATION)"),
    "lower_and_strip_punctuation": ("with A–Z lowered, without punctuation", ".translate(LOWER, PUNCTUATION)"),
}
LOWER = 'LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")'
PUNCTUATION = 'PUNCTUATION = b"!\\"#$%&\'()*+,-./:;<=>?@[\\\\]^_`{|}~"'


def write_vectorization(trace: Trace, layer: TextVectorization, x: Traced) -> Node:
    problems = [name for name in ("standardize", "split") if callable(getattr(layer, name))]
    if problems:
        raise refused(f"{' and '.join(problems)} of your own")
    if layer.split is None:
        raise refused("split=None, where every string is a token,")
    if x.rank > 2:
        raise refused(f"texts of {x.rank} axes")
    name = new_name(trace, "vectorize")
    constants = name.upper()
    trace.arrays[f"{trace.scope}/vocabulary"] = as_bytes(layer.vocabulary)
    lookup = layer.lookup
    if layer.idf_weights is not None and layer.output_mode == "tf_idf":
        trace.arrays[f"{trace.scope}/idf_weights"] = layer.idf_weights
    words = f"""{constants}_IDS = {{word: place for place, word in enumerate(strings(W["{trace.scope}/vocabulary"]), \
{lookup.token_start})}}"""
    before = [words]
    if layer.standardize in ("lower", "lower_and_strip_punctuation"):
        before.append(LOWER)
    if layer.standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
        before.append(PUNCTUATION)
    known = "\n".join(trace.code.values())
    before = [line for line in before if line not in known]
    body = vectorization_body(layer, constants, trace.scope)
    code = "\n".join([*before, "", "", f"def {name}(texts):", *(f"    {line}" if line else "" for line in body)])
    return function_node(trace, name, code, x.node)


def tokens_code(layer: TextVectorization) -> tuple[str, str]:
    """From a text to its tokens, in words and in code."""
    words, call = STANDARDIZED[layer.standardize]
    text = f"to_bytes(text){call}"
    if layer.split == "whitespace":
        return f"{words}, split at blanks", f"{text}.split()"
    return f"{words}, split into characters", f'[one.encode() for one in {text}.decode("utf-8", "replace")]'


def vectorization_body(layer: TextVectorization, constants: str, scope: str) -> list[str]:
    words, split = tokens_code(layer)
    ngrams = range(1, layer.ngrams + 1) if isinstance(layer.ngrams, int) else layer.ngrams
    unknown, length = layer.lookup.oov_start, layer.output_sequence_length
    cut = f"[:{length}]" if layer.output_mode == "int" and length is not None else ""
    ids = f"[{constants}_IDS.get(word, {unknown}) for word in words{cut}]"
    loop = [f"    words = {split}"]
    if ngrams is not None:
        widths = tuple(ngrams)
        joined = 'b" ".join(ngram)'
        loop += [
            f"    words = [{joined} for width in {widths} for ngram in zip(*(words[at:] for at in range(width)))]",
        ]
        words += f", n-grams of {' and '.join(map(str, widths))}"
    if layer.output_mode == "int":
        fills = "to the longest" if length is None else f"to {length}"
        width = "max(map(len, rows))" if length is None else str(length)
        return [
            f'"""Ids of words: texts {words}; {unknown} is an unknown word, 0 fills up {fills}."""',
            "rows = []",
            "for text in texts.ravel():",
            *loop,
            f"    rows.append({ids})",
            f"ids = np.zeros((len(rows), {width}), np.int64)",
            "for row, found in zip(ids, rows):",
            "    row[: len(found)] = found",
            "return ids",
        ]
    mark = "row[ids] = 1" if layer.output_mode == "multi_hot" else "np.add.at(row, ids, 1)"
    what = {"multi_hot": "Which words stand in a text", "count": "Counts of words", "tf_idf": "Weighed counts of words"}
    lines = [
        f'"""{what[layer.output_mode]}: texts {words}; column {unknown} counts unknown words."""',
        f"rows = np.zeros((texts.size, {layer.lookup.depth}), np.int64)",
        "for row, text in zip(rows, texts.ravel()):",
        *loop,
        f"    ids = {ids}",
        f"    {mark}",
    ]
    if layer.output_mode != "tf_idf":
        return [*lines, "return rows"]
    assert layer.idf_weights is not None
    weights = f'W["{scope}/idf_weights"]'
    return [*lines, f"return rows.astype({weights}.dtype) * {weights}"]


# ---- lookups and categories


def encoded(trace: Trace, node: Node, mode: str, depth: int, dtype: str, rank: int) -> Node:
    """Indices as the output mode has them."""
    if mode == "int":
        return node
    if mode == "one_hot":
        return trace.add(
            f"one_hot({{0}}, {depth}).astype(np.{dtype})", [node], asks=0, hint="one_hot", helpers=["one_hot"]
        )
    if rank != 2:
        raise refused(f"output_mode={mode!r} of {rank} axes")
    code = f"count({{0}}, {depth})" if mode == "count" else f"(count({{0}}, {depth}) > 0)"
    return trace.add(f"{code}.astype(np.{dtype})", [node], asks=0, hint="counts", helpers=["count"])


def write_string_lookup(trace: Trace, layer: StringLookup, x: Traced) -> Node:
    if layer.invert or layer.num_oov_indices > 1:
        what = "invert=True" if layer.invert else f"num_oov_indices={layer.num_oov_indices}, which hashes,"
        raise refused(what)
    name = new_name(trace, "look_up")
    constants = f"{name.upper()}_IDS"
    trace.arrays[f"{trace.scope}/vocabulary"] = as_bytes(layer.vocabulary)
    lines = [
        f'{constants} = {{token: place for place, token in enumerate(strings(W["{trace.scope}/vocabulary"]), '
        f"{layer.token_start})}}"
    ]
    if layer.mask_token is not None:
        mask = layer.mask_token if isinstance(layer.mask_token, bytes) else layer.mask_token.encode()
        lines.append(f"{constants}[{mask!r}] = {layer.mask_id}")
    found = (
        f"{constants}.get(to_bytes(text), {layer.oov_start})"
        if layer.num_oov_indices
        else f"{constants}[to_bytes(text)]"
    )
    said = "unknown ones have an index of their own" if layer.num_oov_indices else "unknown ones are a KeyError"
    lines += [
        "",
        "",
        f"def {name}(texts):",
        f'    """Indices of strings; {said}."""',
        f"    return np.array([{found} for text in texts.ravel()], np.int64).reshape(texts.shape)",
    ]
    node = function_node(trace, name, "\n".join(lines), x.node)
    return lookup_encoded(trace, layer, node, x.rank)


def write_integer_lookup(trace: Trace, layer: IntegerLookup, x: Traced) -> Node:
    if layer.invert or (layer.num_oov_indices > 1 and layer.oov_method != "floormod"):
        raise refused("invert=True" if layer.invert else "oov_method='farmhash'")
    name = new_name(trace, "look_up")
    constants = f"{name.upper()}_IDS"
    stored = trace.keep(f"{trace.scope}/vocabulary", np.asarray(layer.vocabulary, np.int64))
    lines = [f"{constants} = {{value: place for place, value in enumerate({stored}.tolist(), {layer.token_start})}}"]
    if layer.mask_token is not None:
        lines.append(f"{constants}[{layer.mask_token}] = {layer.mask_id}")
    unknown = str(layer.oov_start)
    if layer.num_oov_indices > 1:
        unknown = f"{layer.oov_start} + value % {layer.num_oov_indices}"
    found = f"{constants}.get(value, {unknown})" if layer.num_oov_indices else f"{constants}[value]"
    lines += [
        "",
        "",
        f"def {name}(values):",
        '    """Indices of whole numbers."""',
        f"    ids = [{found} for value in values.astype(np.int64).ravel().tolist()]",
        "    return np.array(ids, np.int64).reshape(values.shape)",
    ]
    node = function_node(trace, name, "\n".join(lines), x.node)
    return lookup_encoded(trace, layer, node, x.rank)


def lookup_encoded(trace: Trace, layer: Any, node: Node, rank: int) -> Node:
    if layer.output_mode != "tf_idf":
        return encoded(trace, node, layer.output_mode, layer.depth, "int64", rank)
    weights: Optional[Array] = layer.idf_weights
    assert weights is not None
    counts = encoded(trace, node, "count", layer.depth, str(weights.dtype), rank)
    kept = trace.keep(f"{trace.scope}/idf_weights", weights)
    return trace.add("{0} * {1}", [counts, kept], binds=3, asks=(3, ATOM), hint="weighed")


def write_category_encoding(trace: Trace, layer: CategoryEncoding, x: Traced) -> Node:
    return encoded(trace, x.node, layer.output_mode, layer.num_tokens, layer.dtype, x.rank)


def write_discretization(trace: Trace, layer: Discretization, x: Traced) -> Node:
    boundaries = np.asarray(layer.bin_boundaries).astype(np.float32)
    boundaries = np.where(np.abs(boundaries) < np.finfo(np.float32).tiny, np.float32(0), boundaries)
    kept = trace.keep(f"{trace.scope}/bin_boundaries", boundaries)
    code = 'np.searchsorted({1}, as_compared({0}), side="right").astype(np.int32)'
    node = trace.add(code, [x.node, kept], asks=0, hint="bins", helpers=["as_compared"])
    return encoded(trace, node, layer.output_mode, len(boundaries) + 1, layer.dtype, x.rank)


WRITERS: dict[type, Callable[[Trace, Any, Traced], Node]] = {
    TextVectorization: write_vectorization,
    StringLookup: write_string_lookup,
    IntegerLookup: write_integer_lookup,
    CategoryEncoding: write_category_encoding,
    Discretization: write_discretization,
}
