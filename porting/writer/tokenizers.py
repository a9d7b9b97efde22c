"""keras-hub's tokenizers and packers in a standalone file: what finds their tokens here is copied, its tables stay."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Union

from ..network import Array
from ..text import BytePairTokenizer, MultiSegmentPacker, StartEndPacker, WordPieceTokenizer
from .functions import as_bytes, function_node, new_name, refused
from .trace import Term, Trace, Traced

Tokenizer = Union[BytePairTokenizer, WordPieceTokenizer]


def write_tokenizer(trace: Trace, layer: Tokenizer, x: Traced) -> Term:
    """The layer as a function of its own.

    Raises:
        Refusal: for texts of more axes than Keras tokenizes.
    """
    if x.rank > 2:
        raise refused(f"texts of {x.rank} axes")
    name = new_name(trace, "tokenize")
    if isinstance(layer, WordPieceTokenizer):
        what, made, helpers = word_pieces(trace, layer)
    else:
        what, made, helpers = byte_pairs(trace, layer)
    tokens = name.upper()
    length, fill = layer.sequence_length, layer.pad_value
    lines = [
        f"{tokens} = {made}",
        "",
        "",
        f"def {name}(texts):",
        f'    """Ids of {what}: rows of {length}, filled up with {fill}."""',
        f"    found = [{tokens}.tokens(to_bytes(text).decode()) for text in texts.ravel()]",
        f"    ids = [[{tokens}.id_of(token) for token in row] for row in found]",
        f"    return rows_of(ids, {length}, {fill})",
    ]
    return function_node(trace, name, lines, [x], [*helpers, "rows_of"], hint="tokens")


def words_in(trace: Trace, layer: Tokenizer, table: str) -> str:
    trace.arrays[f"{trace.scope}/{table}"] = as_bytes(layer.tables[table].tolist())
    return f'[word.decode() for word in strings(W["{trace.scope}/{table}"])]'


def class_in(trace: Trace, table: str, ranges: Array) -> str:
    trace.arrays[f"{trace.scope}/{table}"] = ranges
    return f'in_class(W["{trace.scope}/{table}"])'


def called(function: str, *arguments: str) -> str:
    return f"{function}(\n    " + ",\n    ".join(arguments) + ",\n)"


def word_pieces(trace: Trace, layer: WordPieceTokenizer) -> tuple[str, str, Sequence[str]]:
    trace.imports.update(("import re", "import unicodedata"))
    settings = layer.settings
    strips, lowers = settings["strip_accents"], settings["lowercase"]
    plain = ("oov_token", "suffix_indicator", "special_tokens", "split_on_cjk")
    made = called(
        "WordPieces",
        f"{{word: place for place, word in enumerate({words_in(trace, layer, 'vocabulary')})}}",
        *(repr(settings[name]) for name in plain),
        *(class_in(trace, name, layer.tables[name]) for name in ("blanks", "marks")),
        class_in(trace, "accents", layer.tables["accents"]) if strips else '""',
        words_in(trace, layer, "decomposed") if strips else "[]",
        words_in(trace, layer, "folds") if lowers else "[]",
    )
    return "the pieces of words", made, ["WordPieces", "in_class"]


def byte_pairs(trace: Trace, layer: BytePairTokenizer) -> tuple[str, str, Sequence[str]]:
    trace.imports.update(("import re", "from heapq import heapify, heappop, heappush"))
    special, prefix = (
        repr(list(layer.settings["unsplittable_tokens"])),
        " " if layer.settings["add_prefix_space"] else "",
    )
    in_graph = layer.settings["splits"] == "tensorflow"
    words = f"WholeText({special}, {prefix!r})"
    if in_graph:
        classes = ", ".join(class_in(trace, name, layer.tables[name]) for name in ("letters", "numbers"))
        words = f"RegexWords({special}, {prefix!r}, {classes})"
    trace.arrays[f"{trace.scope}/ids"] = layer.tables["ids"]
    made = called(
        "BytePairs",
        words,
        f'dict(zip({words_in(trace, layer, "vocabulary")}, W["{trace.scope}/ids"].tolist()))',
        words_in(trace, layer, "merges"),
        repr(in_graph),
    )
    return "pairs of bytes", made, ["BytePairs", *(["RegexWords", "in_class"] if in_graph else ["WholeText"])]


def write_packing(trace: Trace, function: partial[Any], xs: Sequence[Traced]) -> Term:
    """A call of a packer for one of its outputs."""
    packer: Union[MultiSegmentPacker, StartEndPacker] = function.func  # type: ignore[assignment]
    told = ", ".join(map(repr, (function.keywords["returns"], *packer.arguments())))
    places = ", ".join(f"{{{at}}}" for at in range(len(xs)))
    several = isinstance(packer, MultiSegmentPacker)
    helper, given = ("pack_segments", f"[{places}]") if several else ("pack_between", places)
    dtype = function.keywords["dtype"]
    code = f"{helper}({given}, {told})" + ("" if dtype == "int32" else f".astype(np.{dtype})")
    return trace.add(code, [x.term for x in xs], asks=0, hint=function.keywords["returns"], helpers=[helper])
