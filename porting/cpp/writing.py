"""The header, the program and what lies beside them, from a stored net."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from ..archive.limits import LIMITS
from ..checking.judging import Judge
from ..errors import BadArchive, Problem, Unsupported
from ..layers import RULES, Rule
from ..neoml_side.stored.description import StoredDescription, read_description
from ..neoml_side.stored.network import network_path, read_stored
from ..neoml_side.stored.store import check_archive
from ..neoml_side.values import Terminal
from ..network import Input, Shape, TensorRef
from .names import TYPES, Names, identifier, literal, sizes, spelt_shape
from .preprocessing import CppTensor, Preprocessing
from .references import encode_references, fitting

TEMPLATES = Path(__file__).parent / "templates"
NEOML = "2.0.210"
# The first version of descriptions that names greatest sizes and Keras' outputs.
TELLS_ALL = 4
INDENT = " " * 4
EXAMPLE_ROWS, EXAMPLE_STEPS = 2, 7


@dataclass(frozen=True)
class Program:
    """What was written.

    Attributes:
        header: the header's path; the other files lie beside it.
        batches: how many batches ``--check`` compares with Keras.
    """

    header: Path
    batches: int


def write_program(
    net: Union[str, Path], out: Union[str, Path], overwrite: bool = False, rules: Mapping[str, Rule] = RULES
) -> Program:
    """Write a stored net as a C++ header and program; needs neither NeoML nor a compiler.

    Args:
        net: path of the archive; its description is beside it.
        out: the folder for ``NAME.h``, ``main.cpp``, ``CMakeLists.txt``, ``NAME.neoml`` and ``NAME.references``.
        overwrite: replace what is there.
        rules: where the references hold no noise, it is measured by these.

    Raises:
        BadArchive: no sound stored net, or files that exist or cannot be written.
        Unsupported: listing every input, output and preprocessing layer that C++ does not have exactly.
    """
    net, out = Path(net), Path(out)
    description = read_description(net)
    check_archive(net, description)
    if description.version < TELLS_ALL:
        what = f"its description is of version {description.version}, which does not say all that a program checks"
        raise Unsupported(str(net), what, "store the net again")
    header = Header(description)
    references, batches = _references(net, description, [one.ref for one in header.outputs], rules)
    name = header.name
    texts = {
        f"{name}.h": header.source(),
        "main.cpp": header.program(),
        "CMakeLists.txt": filled("CMakeLists.txt", {"NAME": name}),
    }
    files: dict[str, Union[bytes, Path]] = {each: text.encode() for each, text in texts.items()}
    files[f"{name}.references"] = references
    files[f"{name}.neoml"] = net
    _write(files, out, overwrite)
    return Program(out / f"{name}.h", batches)


def _references(
    net: Path, description: StoredDescription, outputs: Sequence[TensorRef], rules: Mapping[str, Rule]
) -> tuple[bytes, int]:
    """The file of references, and how many batches it has: none where the net was stored without its network."""
    sketch, arrays = description.whole, network_path(net)
    if sketch is None or not arrays.exists():
        return encode_references(description.archive_sha256, (), (), (), None), 0
    try:
        network = read_stored(arrays, sketch, LIMITS)
    except OSError as error:
        raise BadArchive(str(arrays), f"cannot be read: {error.strerror or error}", "store the net again") from error
    cases = fitting(network.cases, description.sources, outputs)
    judge = Judge(network, rules, None)
    return encode_references(description.archive_sha256, cases, description.inputs, outputs, judge), len(cases)


def _write(files: Mapping[str, Union[bytes, Path]], out: Path, overwrite: bool) -> None:
    """Write or copy files into a folder, each whole or not at all."""
    there = [
        Problem(str(out / name), "exists", "give another folder, or overwrite=True")
        for name in files
        if os.path.lexists(out / name)
    ]
    if there and not overwrite:
        raise BadArchive(there)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=out) as scratch:
            for name, content in files.items():
                if isinstance(content, bytes):
                    (Path(scratch) / name).write_bytes(content)
                else:
                    shutil.copyfile(content, Path(scratch) / name)
            for name in files:
                os.replace(Path(scratch) / name, out / name)
    except OSError as error:
        raise BadArchive(str(out), f"cannot be written: {error}", "check the folder and the disk") from error


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with every ``@KEY@`` replaced."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    return re.sub("@([A-Z_0-9]+)@", lambda key: values[key[1]], text)


@dataclass(frozen=True)
class Output:
    """A field of ``Outputs``.

    Attributes:
        field: its name in C++.
        label: Keras' name.
        ref: the tensor.
        dtype, shape: as Keras has them.
        code: the expression that reads it.
    """

    field: str
    label: str
    ref: TensorRef
    dtype: str
    shape: Shape
    code: str


def labelled(outputs: Any, label: str = "") -> Iterator[tuple[str, TensorRef]]:
    """Keras' names of a structure's tensors: the keys of a dict, else the layers."""
    if isinstance(outputs, TensorRef):
        yield label or (f"{outputs.call}:{outputs.output}" if outputs.output else outputs.call), outputs
    elif isinstance(outputs, Mapping):
        for key, part in outputs.items():
            yield from labelled(part, f"{label}.{key}" if label else str(key))
    else:
        for at, part in enumerate(outputs):
            yield from labelled(part, f"{label}.{at}" if label else "")


class Header:
    """A stored net's header and program.

    Raises:
        Unsupported: listing everything that C++ does not have exactly.
    """

    def __init__(self, description: StoredDescription) -> None:
        self.description = description
        self.name = identifier(description.name)
        self.problems: list[Problem] = []
        fields, self._things = Names(), Names()
        self.fields = {one.name: fields.new(one.name) for one in description.inputs}
        self.sources = {one.name: one for one in description.sources}
        self.ids = {one.name: self._things.new(f"source_{one.name}") for one in description.sources}
        self.front = Preprocessing({one.ref: self._given(one) for one in description.inputs})
        self._add_steps()
        self.guards = [one for one in description.sinks if one.ids_below is not None]
        self.sinks = {one.name: one for one in description.sinks if one.ids_below is None}
        self.ids.update((one.name, self._things.new(f"sink_{one.name}")) for one in description.sinks)
        names = Names()
        found = list(labelled(description.outputs)) if not self.problems else []
        self.outputs = [self._output(names.new(label), label, ref) for label, ref in found]
        Unsupported.raise_for(self.problems)

    def _given(self, one: Input) -> CppTensor:
        if one.dtype not in TYPES:
            self._refuse(f"input {one.name!r}", one.dtype)
        return CppTensor(f"inputs.{self.fields[one.name]}", one.dtype, len(one.shape))

    def _refuse(self, where: str, dtype: str) -> None:
        way_out = "let the network take or give another dtype, and store it again; or predict in Python"
        self.problems.append(Problem(where, f"is of {dtype}, which this header has no type for", way_out))

    def _add_steps(self) -> None:
        for call, layer in self.description.preprocessing:
            if any(ref not in self.front.tensors for ref in call.reads()):
                continue  # what it reads was refused
            try:
                self.front.add(self._things.new(call.name), call, layer)
            except Unsupported as error:
                self.problems += error.problems

    def _output(self, field: str, label: str, ref: TensorRef) -> Output:
        sink = self.sinks.get(str(ref))
        shape: Shape
        if sink is None:
            made = self.front.tensors[ref]
            dtype, shape, code = made.dtype, (None,) * made.rank, made.code
        else:
            dtype, shape = sink.keras_dtype, sink.shape
            types = f"{stored_type(sink)}, {TYPES.get(dtype, '')}"
            code = f"detail::read<{types}>(*dnn, detail::{self.ids[sink.name]}())"
        if dtype not in TYPES or dtype == "string":
            self._refuse(f"output {label!r}", dtype)
        return Output(field, label, ref, dtype, shape, code)

    # ---- the header

    def source(self) -> str:
        lines = {
            "EXAMPLE": [f"//     inputs.{self.fields[one.name]} = {example(one)};" for one in self.description.inputs],
            "INPUTS": [line for one in self.description.inputs for line in self._input_field(one)],
            "OUTPUTS": [line for one in self.outputs for line in output_field(one)],
            "CHECKS": indented(self._checks(), 2),
            "FEED": indented(map(self._feed, self.description.sources), 2),
            "READ": indented((f"outputs.{one.field} = {one.code};" for one in self.outputs), 2),
        }
        blocks = {
            "PREPARE": indented(self._prepare(), 2),
            "GUARDS": indented(self._check_guards(), 2),
            "TERMINALS": self._terminals(),
            "TABLES": self._tables(),
        }
        return filled(
            "net.h",
            {
                **{key: "\n".join(value) for key, value in lines.items()},
                **{key: "".join(f"{line}\n" for line in value) for key, value in blocks.items()},
                "RUNTIME": "\n".join(filled(f"{one}.h", {}) for one in ("runtime", *self.front.sources())),
                "INCLUDES": "#include <unordered_map>\n" if self.front.needs else "",
                "SHA256": self.description.archive_sha256,
                "LABEL": literal(self.description.name),
                "NEOML": NEOML,
                "NAME": self.name,
            },
        )

    def _input_field(self, one: Input) -> list[str]:
        shape = self.sources[one.name].shape if one.name in self.sources else one.shape
        said = f"{literal(one.name)}: {one.dtype} {spelt_shape(tuple(shape))}"
        below = self.sources[one.name].ids_below if one.name in self.sources else None
        said += "" if below is None else f", ids 0 ... {below - 1}"
        said += ", UTF-8" if one.dtype == "string" else ""
        return [f"{INDENT}/// {said}", f"{INDENT}Array<{TYPES[one.dtype]}> {self.fields[one.name]};"]

    def _checks(self) -> Iterator[str]:
        for one in self.description.inputs:
            given = f"inputs.{self.fields[one.name]}"
            if one.name in self.sources:
                yield f"detail::check_source(detail::{self.ids[one.name]}(), {given}, problems);"
            else:
                yield f"detail::check_shape({literal(one.name)}, {given}, {sizes(one.shape)}, problems);"
        if len(self.description.inputs) > 1:
            yield "detail::raise_if_any(problems);"
            rows = [
                f"{{{literal(one.name)}, inputs.{self.fields[one.name]}.shape[0]}}" for one in self.description.inputs
            ]
            yield f"detail::check_batch({{{', '.join(rows)}}}, problems);"

    def _prepare(self) -> Iterator[str]:
        yield from self.front.statements
        made = [one for one in self.description.sources if one.name not in self.fields]
        for one in made:
            code = self.front.tensors[TensorRef(one.name)].code
            yield f"detail::check_source(detail::{self.ids[one.name]}(), {code}, problems);"
        if made:
            yield "detail::raise_if_any(problems);"

    def _feed(self, source: Terminal) -> str:
        code = self.front.tensors[TensorRef(source.name)].code
        return f"detail::feed<{stored_type(source)}>(*dnn, detail::{self.ids[source.name]}(), {code});"

    def _check_guards(self) -> Iterator[str]:
        for one in self.guards:
            yield f"detail::check_guard(*dnn, detail::{self.ids[one.name]}(), problems);"
        if self.guards:
            yield "detail::raise_if_any(problems);"

    def _terminals(self) -> Iterator[str]:
        yield "namespace detail {\n"
        for one in (*self.description.sources, *self.description.sinks):
            yield f"inline const Terminal& {self.ids[one.name]}()\n{{"
            yield f"{INDENT}static const Terminal terminal{terminal(one)};\n{INDENT}return terminal;\n}}\n"
        yield from self.front.declared
        yield "} // namespace detail\n"

    def _tables(self) -> Iterator[str]:
        if self.front.tables:
            yield "\nnamespace detail {\n"
            yield from self.front.tables
            yield "\n} // namespace detail"

    # ---- the program

    def program(self) -> str:
        values = {
            "READ_INPUTS": indented(
                (
                    f"inputs.{self.fields[one.name]} = file.array<{TYPES[one.dtype]}>();"
                    for one in self.description.inputs
                ),
                1,
            ),
            "JUDGE": indented(
                (
                    f"judge(file.name, {literal(one.label)}, outputs.{one.field}, file, verdict);"
                    for one in self.outputs
                ),
                2,
            ),
            "SHOW": indented((f"show({literal(one.label)}, outputs.{one.field}, file);" for one in self.outputs), 1),
        }
        return filled("main.cpp", {**{key: "\n".join(lines) for key, lines in values.items()}, "NAME": self.name})


def stored_type(one: Terminal) -> str:
    return "int" if one.dtype == "int32" else "float"


def terminal(one: Terminal) -> str:
    fields = [sizes(one.shape), sizes(one.at_least), sizes(one.at_most), str(one.ids_below or 0)]
    return f"{{{literal(one.name)}, {literal(one.layout)}, {', '.join(fields)}}}"


def example(one: Input) -> str:
    shape = [EXAMPLE_ROWS, *(EXAMPLE_STEPS if size is None else size for size in one.shape[1:])]
    values = "…" if one.dtype != "string" else ", ".join(['"a text"'] * EXAMPLE_ROWS)
    return f"{{{sizes(shape)}, {{{values}}}}}"


def output_field(one: Output) -> list[str]:
    said = f"{literal(one.label)}: {one.dtype} {spelt_shape(one.shape)}"
    return [f"{INDENT}/// {said}", f"{INDENT}Array<{TYPES[one.dtype]}> {one.field};"]


def indented(lines: Any, depth: int) -> list[str]:
    return [INDENT * depth + line for line in lines]
