"""Lookups, bins and hashes as small plain Python, written for the settings of the layer at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Union

import numpy as np

from ..text import (
    BytePairTokenizer,
    CategoryEncoding,
    Discretization,
    HashedCrossing,
    Hashing,
    IntegerLookup,
    StringLookup,
    TextVectorization,
    WordPieceTokenizer,
)
from ..text.categories import CROSSING_KEY
from ..text.strings import to_bytes
from .functions import as_bytes, function_node, new_name, refused
from .text import write_vectorization
from .tokenizers import write_packing, write_tokenizer
from .trace import ATOM, PRODUCT, Term, Trace, Traced


def write_preprocessing(trace: Trace, function: Callable[..., Any], inputs: Sequence[Any]) -> Term:
    """The function in the trace's code, and the expression that calls it.

    Raises:
        Refusal: a layer or a setting that no short function does exactly.
    """
    xs = inputs[0] if isinstance(inputs[0], list) else list(inputs)
    if isinstance(function, HashedCrossing):
        return write_crossing(trace, function, xs)
    if isinstance(function, partial):
        return write_packing(trace, function, xs)
    if isinstance(function, CategoryEncoding):
        return write_category_encoding(trace, function, *xs)
    for kind, write in WRITERS.items():
        if isinstance(function, kind):
            return write(trace, function, *xs)
    raise refused(f"{type(function).__name__} has no short form in plain numpy")


def is_text(x: Traced) -> bool:
    return x.values[0].value.dtype.kind in "OUS"


def encoded(trace: Trace, term: Term, mode: str, depth: int, dtype: str, rank: int) -> Term:
    """Indices as the output mode has them."""
    if mode == "int":
        return term
    if mode == "one_hot":
        code = f"one_hot({{0}}, {depth}).astype(np.{dtype})"
        return trace.add(code, [term], asks=0, hint="one_hot", helpers=["one_hot"])
    if rank < 2:
        raise refused(f"output_mode={mode!r} of {rank} axes")
    code = f"count({{0}}, {depth})" if mode == "count" else f"(count({{0}}, {depth}) > 0)"
    return trace.add(f"{code}.astype(np.{dtype})", [term], asks=0, hint="counts", helpers=["count"])


# ---- lookups


def write_string_lookup(trace: Trace, layer: StringLookup, x: Traced) -> Term:
    name = new_name(trace, "look_up")
    trace.arrays[f"{trace.scope}/vocabulary"] = as_bytes(layer.vocabulary)
    vocabulary = f'strings(W["{trace.scope}/vocabulary"])'
    if layer.invert:
        first = [f"{to_bytes(layer.oov_token)!r}"] * layer.token_start
        if layer.mask_token is not None and first:
            first[0] = f"{to_bytes(layer.mask_token)!r}"
        listed = f"[{', '.join([*first, f'*{vocabulary}', repr(to_bytes(layer.oov_token))])}]"
        return write_inversion(trace, name, f"[to_text(token) for token in {listed}]", "object", x, ["to_text"])
    lines = [f"{name.upper()}_IDS = {{token: place for place, token in enumerate({vocabulary}, {layer.token_start})}}"]
    if layer.mask_token is not None:
        lines.append(f"{name.upper()}_IDS[{to_bytes(layer.mask_token)!r}] = {layer.mask_id}")
    return write_lookup(trace, layer, name, lines, "tokens = [to_bytes(text) for text in texts.ravel()]", x)


def write_integer_lookup(trace: Trace, layer: IntegerLookup, x: Traced) -> Term:
    name = new_name(trace, "look_up")
    stored = trace.keep(f"{trace.scope}/vocabulary", np.asarray(layer.vocabulary, np.int64))
    if layer.invert:
        first = [str(layer.oov_token)] * layer.token_start
        if layer.mask_token is not None and first:
            first[0] = str(layer.mask_token)
        return write_inversion(
            trace, name, f"[{', '.join([*first, f'*{stored}', str(layer.oov_token)])}]", "np.int64", x
        )
    lines = [
        f"{name.upper()}_IDS = {{value: place for place, value in enumerate({stored}.tolist(), {layer.token_start})}}"
    ]
    if layer.mask_token is not None:
        lines.append(f"{name.upper()}_IDS[{layer.mask_token}] = {layer.mask_id}")
    return write_lookup(trace, layer, name, lines, "tokens = values.astype(np.int64).ravel().tolist()", x)


def write_lookup(
    trace: Trace,
    layer: Union[StringLookup, IntegerLookup],
    name: str,
    constants: Sequence[str],
    read: str,
    x: Traced,
) -> Term:
    """A function from tokens, which `read` reads, to indices, and the indices as the output mode has them."""
    said, find, helpers = lookup_code(layer, f"{name.upper()}_IDS")
    argument, kind = ("texts", "strings") if isinstance(layer, StringLookup) else ("values", "whole numbers")
    lines = [
        *constants,
        "",
        "",
        f"def {name}({argument}):",
        f'    """Indices of {kind}; {said}."""',
        *(f"    {line}" for line in [read, *find]),
        f"    return np.array(ids, np.{layer.output_dtype if layer.output_mode == 'int' else 'int64'})"
        f".reshape({argument}.shape)",
    ]
    term = function_node(trace, name, lines, [x], helpers)
    if layer.output_mode != "tf_idf":
        return encoded(trace, term, layer.output_mode, layer.depth, layer.output_dtype, x.rank)
    weights = layer.idf_weights
    assert weights is not None
    counts = encoded(trace, term, "count", layer.depth, str(weights.dtype), x.rank)
    kept = trace.keep(f"{trace.scope}/idf_weights", weights)
    return trace.add("{0} * {1}", [counts, kept], binds=PRODUCT, asks=(PRODUCT, ATOM), hint="weighed")


def lookup_code(layer: Union[StringLookup, IntegerLookup], table: str) -> tuple[str, list[str], list[str]]:
    """What happens to unknown tokens in words, the code, and its helpers."""
    bins, start = layer.num_oov_indices, layer.oov_start
    if bins == 0:
        return "unknown ones are a KeyError", [f"ids = [{table}[token] for token in tokens]"], []
    if bins == 1:
        return f"{start} is an unknown one", [f"ids = [{table}.get(token, {start}) for token in tokens]"], []
    last = start + bins - 1
    if isinstance(layer, IntegerLookup) and layer.oov_method == "floormod":
        said = f"unknown ones are spread over {start} … {last} by their remainder"
        return said, [f"ids = [{table}.get(token, {start} + token % {bins}) for token in tokens]"], []
    hashed = "tokens" if isinstance(layer, StringLookup) else '[b"%d" % token for token in tokens]'
    lines = [
        f"spread = hash_bins({hashed}, {bins}, {salt_code(layer.salt)}) + {start}",
        f"ids = [{table}.get(token, unknown) for token, unknown in zip(tokens, spread.tolist())]",
    ]
    return f"unknown ones are spread over {start} … {last} by their hash", lines, ["hash_bins"]


def write_inversion(trace: Trace, name: str, tokens: str, dtype: str, x: Traced, helpers: Sequence[str] = ()) -> Term:
    lines = [
        f"{name.upper()}_TOKENS = np.array({tokens}, {dtype})",
        "",
        "",
        f"def {name}(ids):",
        '    """Tokens of indices; what is not an index is the unknown token, the last."""',
        f"    last = len({name.upper()}_TOKENS) - 1",
        f"    return {name.upper()}_TOKENS[np.where((ids < 0) | (ids > last), last, ids)]",
    ]
    return function_node(trace, name, lines, [x], helpers, hint="tokens")


# ---- categories


def write_category_encoding(trace: Trace, layer: CategoryEncoding, x: Traced, *weights: Traced) -> Term:
    if not weights:
        return encoded(trace, x.term, layer.output_mode, layer.num_tokens, layer.dtype, x.rank)
    if x.rank != 2:
        raise refused(f"count_weights of {x.rank} axes")
    code = f"count_weighed({{0}}, {layer.num_tokens}, {{1}}.astype(np.{layer.dtype}))"
    return trace.add(code, [x.term, weights[0].term], asks=(0, ATOM), hint="counts", helpers=["count_weighed"])


def write_discretization(trace: Trace, layer: Discretization, x: Traced) -> Term:
    boundaries = np.asarray(layer.bin_boundaries).astype(np.float32)
    boundaries = np.where(np.abs(boundaries) < np.finfo(np.float32).tiny, np.float32(0), boundaries)
    kept = trace.keep(f"{trace.scope}/bin_boundaries", boundaries)
    dtype = layer.output_dtype if layer.output_mode == "int" else "int32"
    code = f'np.searchsorted({{1}}, as_compared({{0}}), side="right").astype(np.{dtype})'
    term = trace.add(code, [x.term, kept], asks=0, hint="bins", helpers=["as_compared"])
    return encoded(trace, term, layer.output_mode, len(boundaries) + 1, layer.dtype, x.rank)


# ---- hashes


def salt_code(salt: Union[int, Sequence[int], None]) -> str:
    return repr(salt if salt is None or isinstance(salt, int) else tuple(salt))


def hashed_strings(x: Traced, values: str) -> str:
    """Code for the strings that are hashed: texts as they are, numbers by their digits."""
    kind = x.values[0].value.dtype.kind
    if is_text(x):
        return f"[to_bytes(text) for text in {values}.ravel()]"
    if kind == "b":
        return f'[b"true" if value else b"false" for value in {values}.ravel()]'
    whole = f"{values}.astype(np.int64)" if kind == "f" else values
    return f'[b"%d" % value for value in {whole}.ravel().tolist()]'


def write_hashing(trace: Trace, layer: Hashing, x: Traced) -> Term:
    name = new_name(trace, "hash_values")
    masks = layer.mask_value is not None and layer.num_bins > 1
    bins = layer.num_bins - 1 if masks else layer.num_bins
    method = "FarmHash" if layer.salt is None else "SipHash"
    lines = [
        f"def {name}(values):",
        f'    """Bins of values by their {method}{f"; bin 0 is of {layer.mask_value!r}" if masks else ""}."""',
        f"    strings_of = {hashed_strings(x, 'values')}",
        f"    bins = hash_bins(strings_of, {bins}, {salt_code(layer.salt)}).reshape(values.shape)",
    ]
    if not masks:
        lines.append("    return bins")
    elif is_text(x):
        lines += [
            f"    masked = [text == {to_bytes(str(layer.mask_value))!r} for text in strings_of]",
            "    return np.where(np.reshape(masked, values.shape), 0, bins + 1)",
        ]
    else:
        lines.append(f"    return np.where(values == values.dtype.type({layer.mask_value!r}), 0, bins + 1)")
    term = function_node(trace, name, lines, [x], ["hash_bins"], hint="bins")
    if layer.output_mode == "int" and layer.dtype != "int64":
        return trace.add(f"{{0}}.astype(np.{layer.dtype})", [term], asks=ATOM, hint="bins")
    return encoded(trace, term, layer.output_mode, layer.num_bins, layer.dtype, x.rank)


def write_crossing(trace: Trace, layer: HashedCrossing, xs: Sequence[Traced]) -> Term:
    name = new_name(trace, "cross")
    names = [f"feature_{at}" for at in range(1, len(xs) + 1)]
    lines = [
        f"def {name}({', '.join(names)}):",
        '    """Bins of features that are combined one after the other."""',
        f"    crossed = np.full(len({names[0]}), {CROSSING_KEY:#X}, np.uint64)",
    ]
    for one, x in zip(names, xs):
        prints = (
            f"fingerprint64({hashed_strings(x, one)})"
            if is_text(x)
            else f"{one}.astype(np.int64).astype(np.uint64).ravel()"
        )
        lines.append(f"    crossed = combine_fingerprints(crossed, {prints})")
    lines.append(f"    return (crossed % np.uint64({layer.num_bins})).astype(np.int64).reshape({names[0]}.shape)")
    term = function_node(trace, name, lines, xs, ["combine_fingerprints", "fingerprint64"], hint="bins")
    if layer.output_mode == "int" and layer.dtype != "int64":
        return trace.add(f"{{0}}.astype(np.{layer.dtype})", [term], asks=ATOM, hint="bins")
    return encoded(trace, term, layer.output_mode, layer.num_bins, layer.dtype, xs[0].rank)


WRITERS: dict[type, Callable[..., Term]] = {
    TextVectorization: write_vectorization,
    BytePairTokenizer: write_tokenizer,
    WordPieceTokenizer: write_tokenizer,
    StringLookup: write_string_lookup,
    IntegerLookup: write_integer_lookup,
    Discretization: write_discretization,
    Hashing: write_hashing,
}
