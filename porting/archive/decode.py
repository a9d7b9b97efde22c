"""JSON values of network.json → the sketch of a network, with every departure from the format noted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Optional, TypeVar, cast

from ..errors import Problem
from ..network import Argument, Array, Call, Case, Constant, Input, Layer, Network, Noise, Sampled, TensorRef
from .arrays import DTYPES, STRINGS, Record
from .limits import Limits, bad_archive

T = TypeVar("T")
_PART = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.@-]+"
NAME = re.compile(rf"{_PART}(?:/{_PART})*\Z")
MEMBER = re.compile(rf"{_PART}(?:/{_PART})*(?:~[1-9][0-9]*)?\Z")
KEYWORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
DIGEST = re.compile(r"[0-9a-f]{64}\Z")
TEXT = re.compile("[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+\\Z")
SURROGATE = re.compile("[\ud800-\udfff]")
# Numbers that JSON has no word for, from version 4 on: {"float": "-inf"}.
FLOATS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
# What a zip file can hold, with some left for ".npy".
LONGEST_MEMBER = 65_000
NAME_RULE = "is not a name: letters, digits and _ . - @ in parts joined by /, no part . or .."


def decode(description: Any, limits: Limits) -> Network:
    """The sketch that a description holds.

    Raises:
        BadArchive: listing everything that is not as the format has it.
    """
    decoder = Decoder(limits)
    sketch = decoder.network(description)
    if decoder.problems:
        raise bad_archive(decoder.problems)
    return sketch


class Decoder:
    """Takes JSON values apart; `problems` lists what is not as the format has it."""

    file = "network.json"

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.problems: list[Problem] = []
        self.version = 0

    # Values. Each takes the value and where it stands, and gives something of its type even when it complains.

    def refuse(self, where: str, what: str, way_out: str = "save it again; it is not for editing") -> None:
        self.problems.append(Problem(where, what, way_out))

    def record(self, value: Any, where: str, *keys: str) -> dict[str, Any]:
        """An object with exactly these keys."""
        if not isinstance(value, dict):
            self.refuse(where, f"is not an object but {_shown(value)}")
            return dict.fromkeys(keys)
        for key in keys:
            if key not in value:
                self.refuse(where, f"lacks the key {key!r}")
        for key in value:
            if key not in keys:
                self.refuse(where, f"has the key {_shown(key)}, which the format does not know")
        return {key: value.get(key) for key in keys}

    def items(self, value: Any, where: str, cap: str) -> list[Any]:
        if not isinstance(value, list):
            self.refuse(where, f"is not a list but {_shown(value)}")
            return []
        most = getattr(self.limits, cap)
        if len(value) > most:
            self.refuse(where, f"has {len(value)} parts, more than {most}", f"raise Limits.{cap}")
            return []
        return value

    def each(self, value: Any, where: str, cap: str, part: Callable[[Any, str], T]) -> list[T]:
        return [part(one, f"{where}[{index}]") for index, one in enumerate(self.items(value, where, cap))]

    def sizes(self, value: Any, where: str, least: int, may_be_open: bool = False) -> tuple[Optional[int], ...]:
        return tuple(
            None if size is None and may_be_open else self.integer(size, where, least, self.limits.dimension)
            for size in self.items(value, where, "rank")
        )

    def shape(self, value: Any, where: str, least: int) -> tuple[int, ...]:
        return tuple(size or 0 for size in self.sizes(value, where, least))

    def matching(self, value: Any, where: str, pattern: re.Pattern[str], rule: str, most: int = 0) -> str:
        most = most or self.limits.name_length
        if not isinstance(value, str):
            self.refuse(where, f"is not a string but {_shown(value)}")
            return ""
        if len(value) > most:
            self.refuse(where, f"has {len(value)} characters, more than {most}", "shorten it")
        elif not pattern.match(value):
            self.refuse(where, f"{_shown(value)} {rule}", "rename it")
        return value

    def name(self, value: Any, where: str) -> str:
        return self.matching(value, where, NAME, NAME_RULE)

    def text(self, value: Any, where: str) -> str:
        return self.matching(value, where, TEXT, "is empty or holds control characters")

    def integer(self, value: Any, where: str, least: int, most: int) -> int:
        if type(value) is not int or not least <= value <= most:
            self.refuse(where, f"is {_shown(value)}, needs an integer from {least} to {most}")
            return least
        return value

    def ref(self, value: Any, where: str) -> TensorRef:
        try:
            ref = TensorRef.parse(value if len(value) <= self.limits.name_length + 10 else "")
            if str(ref) == value:
                return TensorRef(self.name(ref.call, where), ref.output)
        except (ValueError, TypeError, AttributeError):
            pass
        self.refuse(where, f"{_shown(value)} is not a tensor: a name, a colon and a number")
        return TensorRef("", 0)

    def plain(self, value: Any, where: str) -> Any:
        """A configuration's value: as the parser gave it, but for numbers that JSON has no word for."""
        if isinstance(value, str):
            self.string(value, where)
        elif isinstance(value, list):
            return [self.plain(part, where) for part in value]
        elif isinstance(value, dict):
            if self.version > 3 and is_float(value):
                return FLOATS[value["float"]]
            for key in value:
                self.string(key, where)
            return {key: self.plain(part, where) for key, part in value.items()}
        return value

    def string(self, value: str, where: str) -> None:
        if len(value) > self.limits.string_length:
            what = f"holds a string of {len(value)} characters, more than {self.limits.string_length}"
            self.refuse(where, what, "raise Limits.string_length")
        elif SURROGATE.search(value):
            self.refuse(where, f"holds the string {_shown(value)}, which is not Unicode text")

    def mapping(self, value: Any, where: str, part: Callable[[Any, str], T]) -> dict[str, T]:
        if not isinstance(value, dict):
            self.refuse(where, f"is not an object but {_shown(value)}")
            return {}
        for key in value:
            self.string(key, where)
        return {key: part(one, f"{where}, {_shown(key)}") for key, one in value.items()}

    def unique(self, names: list[Any], where: str, kind: str) -> None:
        seen: set[Any] = set()
        for name in names:
            if name in seen:
                self.refuse(where, f"two {kind} have the name {_shown(str(name))}", "rename one of them")
            seen.add(name)

    # Parts of a network.

    def network(self, value: Any) -> Network:
        parts = self.record(
            value,
            self.file,
            *("format", "version", "name", "origin", "inputs", "calls", "layers", "outputs", "cases"),
            *(("metadata",) if value["version"] > 2 else ()),
            *(("order",) if value["version"] > 4 and "order" in value else ()),
        )
        self.version = parts["version"]
        inputs = self.each(parts["inputs"], "inputs", "inputs", self.input)
        calls = self.each(parts["calls"], "calls", "calls", self.call)
        layers = self.each(parts["layers"], "layers", "layers", self.layer)
        cases = self.each(parts["cases"], "cases", "cases", self.case)
        self.unique([one.name for one in inputs] + [call.name for call in calls], self.file, "inputs or calls")
        self.unique([layer.name for layer in layers], self.file, "layers")
        self.unique([case.name for case in cases], self.file, "cases")
        return Network(
            name=self.text(parts["name"], "name"),
            inputs=tuple(inputs),
            calls=tuple(calls),
            layers={layer.name: layer for layer in layers},
            outputs=self.argument(parts["outputs"], "outputs"),
            cases=tuple(cases),
            origin=self.mapping(parts["origin"], "origin", self.text),
            metadata=self.mapping(parts.get("metadata", {}), "metadata", self.plain),
            order=self.order(parts.get("order", [])),
        )

    def order(self, value: Any) -> tuple[Optional[str], ...]:
        names = self.items(value, "order", "arrays")
        return tuple(None if name is None else self.name(name, "order") for name in names)

    def input(self, value: Any, where: str) -> Input:
        parts = self.record(value, where, "name", "shape", "dtype")
        name = self.name(parts["name"], f"{where} name")
        where = f"input {name!r}"
        shape = self.sizes(parts["shape"], f"{where} shape", 1, may_be_open=True)
        dtype = parts["dtype"]
        if not isinstance(dtype, str) or dtype not in (*DTYPES, "string", "object"):
            self.refuse(f"{where} dtype", f"{_shown(dtype)} is none of {', '.join(DTYPES)}, string")
        return Input(name, shape, str(dtype))

    def call(self, value: Any, where: str) -> Call:
        parts = self.record(value, where, "name", "layer", "inputs", "arguments", "outputs", "unmasked")
        name = self.name(parts["name"], f"{where} name")
        where = f"call {name!r}"
        arguments = self.mapping(parts["arguments"], f"{where} arguments", self.argument)
        for key in arguments:
            self.matching(key, f"{where} arguments", KEYWORD, "is not a name of an argument")
        return Call(
            name=name,
            layer=self.name(parts["layer"], f"{where} layer"),
            inputs=tuple(self.each(parts["inputs"], f"{where} inputs", "values", self.argument)),
            arguments=arguments,
            outputs=self.integer(parts["outputs"], f"{where} outputs", 1, self.limits.call_outputs),
            unmasked=tuple(
                self.ref(one, f"{where} unmasked")
                for one in self.items(parts["unmasked"], f"{where} unmasked", "values")
            ),
        )

    def layer(self, value: Any, where: str) -> Layer:
        parts = self.record(value, where, "name", "class", "config", "trainable", "tied", "weights")
        name = self.name(parts["name"], f"{where} name")
        where = f"layer {name!r}"
        if type(parts["trainable"]) is not bool:
            self.refuse(f"{where} trainable", f"is {_shown(parts['trainable'])}, needs true or false")
        tied = self.mapping(parts["tied"], f"{where} tied", self.name)
        for key in tied:
            self.name(key, f"{where} tied")
        return Layer(
            name=name,
            class_name=self.text(parts["class"], f"{where} class"),
            config=self.mapping(parts["config"], f"{where} config", self.plain),
            weights=cast("dict[str, Array]", self.arrays(parts["weights"], f"{where} weight", self.name)),
            trainable=bool(parts["trainable"]),
            tied=tied,
        )

    def case(self, value: Any, where: str) -> Case:
        # What came with version 2, 4 and 5.
        further = [key for since, key in ((2, "noise"), (4, "sampled"), (5, "shifted")) if self.version >= since]
        keys = ("name", "inputs", "outputs", "masks", *further)
        parts = self.record(value, where, *keys)
        name = self.text(parts["name"], f"{where} name")
        where = f"case {name!r}"
        noise = [self.noise(one, f"{where}, noise") for one in self.items(parts.get("noise", []), where, "arrays")]
        self.unique([ref for ref, _ in noise], f"{where}, noise", "tensors")
        sampled, shifted = (
            [self.sampled(one, f"{where}, {kind}") for one in self.items(parts.get(kind, []), where, "arrays")]
            for kind in ("sampled", "shifted")
        )
        for kind, found in (("sampled", sampled), ("shifted", shifted)):
            self.unique([ref for ref, _ in found], f"{where}, {kind}", "tensors")
        return Case(
            name=name,
            inputs=cast("dict[str, Array]", self.arrays(parts["inputs"], f"{where}, input", self.name)),
            outputs=cast("dict[TensorRef, Array]", self.arrays(parts["outputs"], f"{where}, output", self.ref)),
            masks=cast("dict[TensorRef, Array]", self.arrays(parts["masks"], f"{where}, mask", self.ref)),
            noise=dict(noise),
            sampled=dict(sampled),
            shifted=dict(shifted),
        )

    def sampled(self, value: Any, where: str) -> tuple[TensorRef, Sampled]:
        """Some numbers of a tensor, whose shape is the key ``of``."""
        given = value if isinstance(value, dict) else {}
        ref, record = self.array({key: part for key, part in given.items() if key != "of"}, where, self.ref)
        shape = self.shape(given.get("of"), f"{where} of", 1)
        whole = Record("", "", shape, "", 0).size
        row = whole // shape[0] if shape else 0
        if len(record.shape) != 2 or record.shape[:1] != shape[:1] or record.shape[1] > row:
            self.refuse(where, f"has the shape {list(record.shape)}, which is no choice of rows of {list(shape)}")
        if record.dtype == STRINGS or whole * 8 > self.limits.array_bytes:
            self.refuse(where, f"is of {record.dtype}, {list(shape)}: too large, or no numbers")
        return ref, Sampled(shape, cast(Array, record))

    def noise(self, value: Any, where: str) -> tuple[TensorRef, Noise]:
        parts = self.record(value, where, "name", "alone", "chain")
        ref = self.ref(parts["name"], f"{where} name")
        where = f"{where} '{ref}'"
        return ref, Noise(self.moves(parts["alone"], f"{where} alone"), self.moves(parts["chain"], f"{where} chain"))

    def moves(self, value: Any, where: str) -> tuple[float, float]:
        if isinstance(value, list) and len(value) == 2 and all(type(one) is float and one >= 0 for one in value):
            return value[0], value[1]
        self.refuse(where, f"is {_shown(value)}, needs two numbers from 0.0 up")
        return 0.0, 0.0

    def arrays(self, value: Any, where: str, key: Callable[[Any, str], T]) -> dict[T, Record]:
        found = [self.array(one, where, key) for one in self.items(value, f"{where}s", "arrays")]
        self.unique([name for name, _ in found], f"{where}s", "arrays")
        return dict(found)

    def array(self, value: Any, where: str, key: Callable[[Any, str], T]) -> tuple[T, Record]:
        strings = isinstance(value, dict) and value.get("dtype") == STRINGS
        parts = self.record(
            value, where, *("name", "member", "dtype", "shape", *(["bytes"] if strings else []), "sha256")
        )
        name = key(parts["name"], f"{where} name")
        where = f"{where} '{name}'"
        longest = min(2 * self.limits.name_length + 40, LONGEST_MEMBER)
        member = self.matching(parts["member"], f"{where} member", MEMBER, NAME_RULE, longest)
        if not isinstance(parts["sha256"], str) or not DIGEST.match(parts["sha256"]):
            self.refuse(f"{where} sha256", f"{_shown(parts['sha256'])} is not a sha256 in hexadecimal")
        if not isinstance(parts["dtype"], str) or parts["dtype"] not in (*DTYPES, STRINGS):
            self.refuse(f"{where} dtype", f"{_shown(parts['dtype'])} is none of {', '.join(DTYPES)}, {STRINGS}")
            return name, Record(member, "bool", (), "", 1)
        shape = self.shape(parts["shape"], f"{where} shape", 0)
        record = Record(member, parts["dtype"], shape, str(parts["sha256"]), 0)
        size = self.bytes_of(record, parts, where)
        return name, Record(member, record.dtype, shape, record.sha256, size)

    def bytes_of(self, record: Record, parts: dict[str, Any], where: str) -> int:
        """Stored bytes, an unbounded integer, of an array that is no larger than the cap."""
        # Sizes of 1 in the place of 0: numpy multiplies the others even where the array is empty.
        extent = Record("", "", tuple(max(1, size) for size in record.shape), "", 0).size
        if record.dtype == STRINGS:
            extent, size = 4 * extent, self.integer(parts["bytes"], f"{where} bytes", 0, self.limits.array_bytes)
            if record.size > self.limits.strings:
                self.refuse(
                    where, f"holds {record.size} strings, more than {self.limits.strings}", "raise Limits.strings"
                )
        else:
            width = int(DTYPES[record.dtype][2:])
            extent, size = width * extent, width * record.size
        if extent > self.limits.array_bytes:
            what = f"has the shape {list(record.shape)}: {extent} bytes, more than {self.limits.array_bytes}"
            self.refuse(where, what, "raise Limits.array_bytes")
        return size

    def argument(self, value: Any, where: str) -> Argument:
        """A call's argument: what is not a JSON value is an object with one key."""
        if isinstance(value, list):
            return tuple(self.argument(part, where) for part in value)
        if not isinstance(value, dict):
            return cast(Argument, self.plain(value, where))
        kind, content = next(iter(value.items())) if len(value) == 1 else (None, None)
        if kind == "tensor":
            return self.ref(content, where)
        if kind == "constant":
            return Constant(self.name(content, where))
        if kind == "dict":
            return self.mapping(content, where, self.argument)
        if kind == "slice":
            return self.slice(content, where)
        if self.version > 3 and is_float(value):
            return FLOATS[value["float"]]
        known = "tensor, constant, slice, dict, float"
        self.refuse(where, f"has an object with the keys {_shown(list(value))}; it has one of {known}")
        return None

    def slice(self, value: Any, where: str) -> slice:
        if isinstance(value, list) and len(value) == 3:
            parts = [self.argument(part, where) for part in value]
            if all(part is None or type(part) is int or isinstance(part, (TensorRef, Constant)) for part in parts):
                return slice(*parts)
        self.refuse(where, f"has the slice {_shown(value)}, needs three of null, integers, tensors and constants")
        return slice(None)


def is_float(value: Mapping[Any, Any]) -> bool:
    """Whether an object is a number that JSON has no word for."""
    return len(value) == 1 and isinstance(value.get("float"), str) and value["float"] in FLOATS


def _shown(value: Any) -> str:
    """A value in an error's text, cut short before it is written out."""
    if isinstance(value, str):
        return repr(value[:60]) + ("…" if len(value) > 60 else "")
    if isinstance(value, (list, dict)):
        kind = "list" if isinstance(value, list) else "object"
        return f"{list(value)[:3]!r}"[:60] if len(value) <= 3 else f"a {kind} of {len(value)} parts"
    return repr(value)[:60]
