"""Keras' layers of texts and categories as C++: what happens to inputs before the net sees numbers.

Each layer is a statement that calls what stands in ``templates/``; its tables stand at the end of the header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

from ..errors import PortingError, Unsupported
from ..network import Array, Call, Layer, TensorRef, tensors_in
from ..text import (
    LAYERS,
    CategoryEncoding,
    Discretization,
    HashedCrossing,
    Hashing,
    IntegerLookup,
    StringLookup,
    TextVectorization,
)
from ..text.categories import CROSSING_KEY, as_compared
from ..text.encoding import DROPPED
from ..text.strings import to_bytes
from .names import TYPES, literal, number

TEMPLATES = ("encoding", "lookup", "text", "hashes")
WIDTH = 110


@dataclass(frozen=True)
class CppTensor:
    """A tensor that stands in a C++ expression.

    Attributes:
        code: the expression.
        dtype: as Keras names it; ``string`` for texts.
        rank: how many axes it has.
    """

    code: str
    dtype: str
    rank: int


@dataclass
class Preprocessing:
    """The C++ of a net's preprocessing.

    Attributes:
        tensors: what is known, by tensor: inputs, and what the steps so far have made.
        statements: of the steps, in order.
        declared, tables: of the tables that the statements read.
        needs: the templates that they call.
    """

    tensors: dict[TensorRef, CppTensor]
    statements: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)

    def add(self, name: str, call: Call, layer: Layer) -> None:
        """A step, whose tensor is `name` in C++.

        Raises:
            Unsupported: for what plain C++ does not do exactly.
        """
        where = f"{layer.class_name} {layer.name!r}"
        try:
            built = LAYERS[layer.class_name](layer.config, layer.weights)
        except PortingError as error:
            raise refused(where, "is given a setting or a function of your own that C++ does not have") from error
        if type(built) not in WRITERS:
            raise refused(where, "is keras-hub's")
        if call.arguments:
            raise refused(where, f"is called with {', '.join(call.arguments)}")
        made = WRITERS[type(built)](self, name, built, [self.tensors[ref] for ref in tensors_in(call.inputs)], where)
        if made.dtype not in TYPES:
            raise refused(where, f"makes {made.dtype}, which C++ has no type for")
        self.statements.append(f"const Array<{TYPES[made.dtype]}> made_{name} = {made.code};")
        self.tensors[TensorRef(call.name)] = CppTensor(f"made_{name}", made.dtype, made.rank)

    def sources(self) -> list[str]:
        """The templates that are needed, in order."""
        return [one for one in TEMPLATES if one in self.needs]

    # ---- tables

    def words(self, name: str, layer: Union[StringLookup, IntegerLookup]) -> str:
        """The lookup of a vocabulary."""
        self.needs.update(("encoding", "lookup"))
        is_text = isinstance(layer, StringLookup)
        token, stored = ("std::string", "Word") if is_text else ("std::int64_t", "std::int64_t")
        spell: Callable[[Any], str] = _word if is_text else _whole
        rows = [spell(one) for one in layer.vocabulary]
        mask = "" if layer.mask_token is None else f".with({spell(layer.mask_token)}, {_whole(layer.mask_id)})"
        head = f"inline const Lookup<{token}>& {name}_words()"
        known = f"Lookup<{token}>({name}_tokens, {len(rows)}, {layer.oov_start}, {layer.num_oov_indices}){mask}"
        self.declared.append(f"{head};")
        self.tables += [
            f"const {stored} {name}_tokens[] = {{{_wrapped(rows or [spell(to_bytes('') if is_text else 0)])}}};",
            f"{head}\n{{\n    static const Lookup<{token}> words = {known};\n    return words;\n}}",
        ]
        return f"detail::{name}_words()"

    def floats(self, name: str, values: Array) -> str:
        """A table of numbers."""
        ctype = TYPES[values.dtype.name]
        rows = [number(float(value), ctype) for value in values]
        self.declared.append(f"const {ctype} {name}[] = {{{_wrapped(rows or ['0'])}}};")
        return f"detail::{name}"


def refused(where: str, what: str) -> Unsupported:
    way_out = "make its output in front of the program, and port the network behind it; or predict in Python"
    return Unsupported(where, f"{what}: not in C++", way_out)


def _word(text: Union[str, bytes]) -> str:
    data = to_bytes(text)
    return f"{{{literal(data)}, {len(data)}}}"


def _whole(value: int) -> str:
    if value == DROPPED:
        return "dropped"
    return "INT64_MIN" if value == -(1 << 63) else f"{value}" if abs(value) < 1 << 31 else f"INT64_C({value})"


def _wrapped(cells: Sequence[str]) -> str:
    lines, line = [], "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {cell},"
    return "\n" + "\n".join([*lines, line]) + "\n"


# ---- the layers

Written = Callable[[Preprocessing, str, Any, Sequence[CppTensor], str], CppTensor]
MODES = {"int": "as_int", "tf_idf": "count"}


def mode_of(mode: str) -> str:
    return f"detail::Mode::{MODES.get(mode, mode)}"


def encoded(ids: CppTensor, mode: str, depth: int, dtype: str) -> CppTensor:
    """Indices in an output mode."""
    if mode != "int" and ids.rank < 1:
        raise AssertionError("a batch has an axis")
    ctype = TYPES.get(dtype, dtype)
    return CppTensor(f"detail::encoded<{ctype}>({ids.code}, {mode_of(mode)}, {depth})", dtype, ids.rank)


def weighed(writing: Preprocessing, name: str, counts: str, layer: Any, rank: int) -> CppTensor:
    weights = writing.floats(f"{name}_idf", layer.idf_weights)
    return CppTensor(f"detail::weighed({counts}, {weights})", layer.idf_weights.dtype.name, rank)


def lookup_output(writing: Preprocessing, name: str, layer: Any, ids: CppTensor) -> CppTensor:
    if layer.output_mode != "tf_idf":
        return encoded(ids, layer.output_mode, layer.depth, layer.output_dtype)
    counts = encoded(ids, "count", layer.depth, "int64")
    return weighed(writing, name, counts.code, layer, ids.rank)


def bin_of(writing: Preprocessing, text: str, bins: int, salt: Any) -> str:
    """The bin of a string."""
    writing.needs.add("hashes")
    if salt is None:
        return f"detail::farm_bin({text}, {bins}u)"
    keys = [value & (1 << 64) - 1 for value in ((salt, salt) if isinstance(salt, int) else salt)]
    return f"detail::sip_bin({text}, {bins}u, {keys[0]}u, {keys[1]}u)"


def integers(one: CppTensor) -> str:
    return one.code if one.dtype == "int64" else f"detail::to_integers({one.code})"


def vectorization(
    writing: Preprocessing, name: str, layer: TextVectorization, inputs: Sequence[CppTensor], where: str
) -> CppTensor:
    writing.needs.add("text")
    (texts,) = inputs
    if callable(layer.standardize) or callable(layer.split):
        raise refused(where, "calls a function of your own")
    tokenizer = tokenizer_code(layer)
    words = writing.words(name, layer.lookup)
    length = -1 if layer.output_sequence_length is None else layer.output_sequence_length
    if layer.split is None:
        find = f"[](const std::string& one) {{ return {words}.find(one); }}"
        tokens = f"detail::tokens_of_axis({texts.code}, {tokenizer})"
        ids = CppTensor(f"detail::looked_up({tokens}, {find})", "int64", texts.rank)
        if layer.output_mode != "int":
            return lookup_output(writing, name, layer.lookup, ids)
        return ids if length < 0 else CppTensor(f"detail::fitted({ids.code}, {length})", "int64", texts.rank)
    given = f"{texts.code}, {tokenizer}, {words}"
    if layer.output_mode == "int":
        return CppTensor(f"detail::ids_of_texts({given}, {length})", "int64", 2)
    mode, depth = mode_of(layer.output_mode), layer.lookup.depth
    if layer.output_mode == "tf_idf":
        counts = f"detail::counts_of_texts<std::int64_t>({given}, {mode}, {depth})"
        return weighed(writing, name, counts, layer, 2)
    ctype = TYPES.get(layer.output_dtype, "")
    return CppTensor(f"detail::counts_of_texts<{ctype}>({given}, {mode}, {depth})", layer.output_dtype, 2)


def tokenizer_code(layer: TextVectorization) -> str:
    """The tokenizer of a layer, as an initializer."""
    lowers = layer.standardize in ("lower", "lower_and_strip_punctuation")
    strips = layer.standardize in ("strip_punctuation", "lower_and_strip_punctuation")
    ngrams = list(layer.tokenizer.ngrams or ())
    flags = [str(flag).lower() for flag in (lowers, strips, layer.keeps_noncharacters)]
    split = f"detail::Tokenizer::Split::{layer.split or 'none'}"
    return f"detail::Tokenizer{{{flags[0]}, {flags[1]}, {split}, {{{', '.join(map(str, ngrams))}}}, {flags[2]}}}"


def string_lookup(
    writing: Preprocessing, name: str, layer: StringLookup, inputs: Sequence[CppTensor], where: str
) -> CppTensor:
    (texts,) = inputs
    if layer.invert:
        raise refused(where, "gives strings (invert=True)")
    words = writing.words(name, layer)
    find = f"{words}.find(one)"
    if layer.num_oov_indices > 1:
        bin_ = bin_of(writing, "token", layer.num_oov_indices, layer.salt)
        find = f"{words}.find(one, [](const std::string& token) {{ return {bin_}; }})"
    ids = f"detail::looked_up({texts.code}, [](const std::string& one) {{ return {find}; }})"
    return lookup_output(writing, name, layer, CppTensor(ids, "int64", texts.rank))


def integer_lookup(
    writing: Preprocessing, name: str, layer: IntegerLookup, inputs: Sequence[CppTensor], where: str
) -> CppTensor:
    (values,) = inputs
    if layer.invert:
        raise refused(where, "is inverted")
    words = writing.words(name, layer)
    find, bins = f"{words}.find(one)", layer.num_oov_indices
    if bins > 1:
        bin_ = f"(token % {bins} + {bins}) % {bins}"
        if layer.oov_method != "floormod":
            bin_ = bin_of(writing, "std::to_string(token)", bins, layer.salt)
        find = f"{words}.find(one, [](std::int64_t token) {{ return {bin_}; }})"
    ids = f"detail::looked_up({integers(values)}, [](std::int64_t one) {{ return {find}; }})"
    return lookup_output(writing, name, layer, CppTensor(ids, "int64", values.rank))


def category_encoding(
    writing: Preprocessing, name: str, layer: CategoryEncoding, inputs: Sequence[CppTensor], where: str
) -> CppTensor:
    writing.needs.add("encoding")
    (values,) = inputs
    ids = CppTensor(integers(values), "int64", values.rank)
    return encoded(ids, layer.output_mode, layer.num_tokens, layer.dtype)


def discretization(
    writing: Preprocessing, name: str, layer: Discretization, inputs: Sequence[CppTensor], where: str
) -> CppTensor:
    writing.needs.add("encoding")
    (values,) = inputs
    boundaries = as_compared(np.asarray(layer.bin_boundaries))
    table = writing.floats(f"{name}_boundaries", boundaries)
    ids = CppTensor(f"detail::discretized({values.code}, {table}, {len(boundaries)})", "int64", values.rank)
    return encoded(ids, layer.output_mode, len(boundaries) + 1, layer.made_dtype)


def hashing(writing: Preprocessing, name: str, layer: Hashing, inputs: Sequence[CppTensor], where: str) -> CppTensor:
    writing.needs.add("encoding")
    (values,) = inputs
    masks = layer.mask_value is not None and layer.num_bins > 1
    bin_ = bin_of(writing, "detail::key_of(one)", layer.num_bins - masks, layer.salt)
    if masks:
        bin_ = f"one == {mask_code(layer.mask_value, values, where)} ? 0 : 1 + {bin_}"
    ctype = TYPES[values.dtype]
    ids = f"detail::hashed({values.code}, [](const {ctype}& one) -> std::int64_t {{ return {bin_}; }})"
    return encoded(CppTensor(ids, "int64", values.rank), layer.output_mode, layer.num_bins, layer.dtype)


def mask_code(mask: Union[str, int, float, None], values: CppTensor, where: str) -> str:
    if isinstance(mask, str) != (values.dtype == "string"):
        raise refused(where, f"has the mask {mask!r} for values of {values.dtype}")
    if isinstance(mask, str):
        data = to_bytes(mask)
        return f"std::string({literal(data)}, {len(data)})"
    return f"static_cast<{TYPES[values.dtype]}>({number(float(mask or 0), 'double')})"


def hashed_crossing(
    writing: Preprocessing, name: str, layer: HashedCrossing, inputs: Sequence[CppTensor], where: str
) -> CppTensor:
    writing.needs.update(("encoding", "hashes"))
    first = inputs[0].code
    prints = f"prints_{name}"
    writing.statements.append(f"std::vector<std::uint64_t> {prints}({first}.values.size(), {CROSSING_KEY}u);")
    writing.statements += [f"detail::cross({prints}, {one.code});" for one in inputs]
    ids = CppTensor(f"detail::crossed({first}.shape, {prints}, {layer.num_bins}u)", "int64", inputs[0].rank)
    return encoded(ids, layer.output_mode, layer.num_bins, layer.dtype)


WRITERS: Mapping[type, Written] = {
    CategoryEncoding: category_encoding,
    Discretization: discretization,
    HashedCrossing: hashed_crossing,
    Hashing: hashing,
    IntegerLookup: integer_lookup,
    StringLookup: string_lookup,
    TextVectorization: vectorization,
}
