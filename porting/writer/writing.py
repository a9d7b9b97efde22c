"""The standalone file as a whole: a readable Python file and an npz beside it."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Optional

import numpy as np

from ..checking.noise import larger
from ..errors import BadArchive, Problem, Unsupported
from ..front import split_front, with_functions
from ..layers import RULES, Rule
from ..layers.execution import walk
from ..network import Array, Call, Input, Network, TensorRef, map_tensors
from ..numpy_side.engine import NumpyEngine
from ..numpy_side.values import Value
from ..text.functions import functions_in
from .categories import is_text
from .functions import as_bytes
from .helpers import HELPERS, joined, sources_of
from .operations import StatementOperations
from .statements import TAKEN, Names, Statements, identifier
from .trace import Trace, Traced

WIDTH = 112
References = Literal["all", "outputs", "none"]


class Written:
    """A network written as numpy statements.

    Attributes:
        source: the Python file.
        arrays: what the npz holds.

    Raises:
        Unsupported: listing every layer that cannot be written.
    """

    def __init__(
        self,
        network: Network,
        rules: Mapping[str, Rule] = RULES,
        tolerance: Optional[float] = None,
        references: References = "all",
    ) -> None:
        if not network.cases:
            raise Unsupported(network.name, "has no references to be checked with", "save the network again")
        self.network = network
        self.tolerance = tolerance
        self.references = references
        self.arguments = self._arguments()
        self.trace = Trace(taken=frozenset([*self.arguments.values(), *TAKEN, *HELPERS]))
        self.tensors = self._traced(rules)
        self.front, core = split_front(network, functions_in(rules))
        self.id_limits = NumpyEngine(core, rules).id_limits
        self.statements, self.roots = self._statements()
        self.source = self._source()
        self.arrays = {**self.trace.arrays, **self._references()}

    def _arguments(self) -> dict[str, str]:
        names = Names(identifier(call.name) for call in self.network.calls)
        return {one.name: names.new(identifier(one.name)) for one in self.network.inputs}

    def _traced(self, rules: Mapping[str, Rule]) -> dict[TensorRef, Any]:
        network, trace = self.network, self.trace
        ops = StatementOperations(trace, len(network.cases), network.weights())
        inputs: dict[TensorRef, Any] = {}
        for one in network.inputs:
            term = trace.add(self.arguments[one.name])
            term.name = self.arguments[one.name]
            inputs[one.ref] = Traced(term, tuple(Value(case.inputs[one.name]) for case in network.cases))

        def stand_in(ref: TensorRef) -> Traced:
            values = tuple(Value(case.stand_in(ref)) for case in network.cases)
            masks = [case.masks.get(ref) for case in network.cases]
            mask = None
            if all(one is not None for one in masks):
                mask = Traced(trace.add("mask"), tuple(Value(one) for one in masks if one is not None))
            return Traced(trace.add("unknown"), values, mask)

        def enter(call: Call) -> None:
            trace.scope = call.name

        layers = {name: with_functions(layer, functions_in(rules)) for name, layer in network.layers.items()}
        found = walk(replace(network, layers=layers), ops, inputs, rules, stand_in=stand_in, before=enter)
        return {ref: tensor for ref, tensor in found.items() if ref not in inputs}

    def _statements(self) -> tuple[Statements, dict[TensorRef, Traced]]:
        roots: dict[Any, str] = {}
        names = Names([*self.arguments.values(), *self.trace.code])
        for ref, tensor in self.tensors.items():
            if tensor.term not in roots and tensor.term.name is None:
                roots[tensor.term] = names.new(identifier(ref.call) + (f"_{ref.output}" if ref.output else ""))
        return Statements(self.trace.terms, roots, names), dict(self.tensors)

    # ---- the source

    def _source(self) -> str:
        helpers = sorted({name for term in self.statements.needed for name in term.helpers})
        sources = sources_of([*helpers, "share_of_allowed", *(["places"] if self._has_samples() else [])])
        body = "\n\n\n".join([joined(list(sources.values())), *self.trace.code.values()])
        parts = [self._head(body), body, self._layers(), self._predict(), self._check()]
        return "\n\n\n".join(part.strip("\n") for part in [*parts, self._main()]) + "\n"

    def _head(self, body: str) -> str:
        network = self.network
        layers = " → ".join(dict.fromkeys(plain(network.layers[call.layer].class_name) for call in network.calls))
        described = "\n".join(textwrap.wrap(f"{layers}.", WIDTH))
        text = HEAD.format(
            name=network.name,
            layers=described,
            origin=f"Keras {plain(network.origin.get('keras', ''))}".strip(),
            usage=self._usage(),
        )
        imports = ["import argparse", "import sys", "from pathlib import Path"]
        imports += ["import json"] if self._has_texts() else []
        imports += ["import math"] if "math." in body else []
        imports += [one for one in self.trace.imports if one not in (*imports, "import numpy as np")]
        tools = [*(["islice"] if self._takes_lines() else []), *(["product"] if "product(" in body else [])]
        imports += [f"from itertools import {', '.join(tools)}"] if tools else []
        collected = [one for one in ("Callable", "Iterable", "Iterator", "Mapping", "Sequence") if f"{one}[" in body]
        imports += [f"from collections.abc import {', '.join(collected)}"] if collected else []
        typing = [one for one in ("Any", "Optional", "Union") if re.search(rf"\b{one}\b", body)]
        imports += [f"from typing import {', '.join(typing)}"] if typing else []
        imports.sort(key=lambda line: (line.startswith("from"), line))
        text = text.replace("@IMPORTS@", "\n".join(imports))
        return text + (STRINGS if self._has_texts() else "")

    def _has_texts(self) -> bool:
        return any(one.dtype == "string" for one in self.network.inputs) or "strings(" in "".join(
            self.trace.code.values()
        )

    def _takes_lines(self) -> bool:
        return len(self.network.inputs) == 1 and self.network.inputs[0].dtype == "string"

    def _usage(self) -> str:
        if self._takes_lines():
            return "texts.txt     scores for every line (- is standard input)"
        return "inputs.npz    outputs for arrays by input name"

    def _layers(self) -> str:
        lines = [
            '@np.errstate(all="ignore")',
            f"def layers({', '.join(self.arguments.values())}):",
            '    """Every layer\'s output, by its name in Keras."""',
        ]
        for call in self.network.calls:
            lines += [f"    # {self._comment(call)}"]
            lines += [f"    {line}" for line in self.statements.blocks.get(call.name, [])]
        lines.append("    return {")
        lines += [f"        {quoted(str(ref))}: {tensor.term.name}," for ref, tensor in self.tensors.items()]
        return "\n".join([*lines, "    }"])

    def _comment(self, call: Call) -> str:
        layer = self.network.layers[call.layer]
        shapes = [self.tensors[ref].shape[1:] for ref in call.refs()]
        sizes = ", ".join("batch × " + " × ".join("any" if n is None else str(n) for n in one) for one in shapes)
        same = "" if self.statements.blocks.get(call.name) else "; changes nothing"
        text = f"{call.name}: {plain(layer.class_name)}, {sizes}".replace(" × ,", ",").removesuffix(" × ")
        return text + same

    def _predict(self) -> str:
        arguments = list(self.arguments.values())
        batch_size = 32 if self.front is not None and self.front.pads_to_longest else 256
        lines = [f"def predict({', '.join(arguments)}, batch_size={batch_size}):"]
        lines.append(f'    """What Keras\' predict returns. {"; ".join(map(self._wanted, self.network.inputs))}."""')
        for one in self.network.inputs:
            lines += [f"    {line}" for line in self._read(one)]
        lines += [f"    if not len({arguments[0]}):", '        raise ValueError("there are no rows")']
        cut = ", ".join(f"{name}[at : at + batch_size]" for name in arguments)
        refs = list(dict.fromkeys(map(str, self.network.output_refs())))
        lines += [
            "    parts = []",
            f"    for at in range(0, len({arguments[0]}), batch_size):",
            f"        made = layers({cut})",
            f"        parts.append([made[name] for name in {json.dumps(refs)}])",
            "    outputs = [np.concatenate(part) for part in zip(*parts)]",
            f"    return {self._returned(refs)}",
        ]
        return "\n".join(lines)

    def _returned(self, refs: list[str]) -> str:
        def code(value: Any) -> str:
            if isinstance(value, list):
                return f"[{', '.join(map(code, value))}]"
            if isinstance(value, dict):
                return "{" + ", ".join(f"{quoted(key)}: {code(part)}" for key, part in value.items()) + "}"
            return str(value)

        return code(map_tensors(self.network.outputs, lambda ref: f"outputs[{refs.index(str(ref))}]"))

    def _wanted(self, one: Input) -> str:
        name = self.arguments[one.name]
        if one.dtype == "string":
            return f"{name}: strings, one a row"
        sizes = ", ".join(["batch", *("any" if size is None else str(size) for size in one.shape[1:])])
        return f"{name}: {one.dtype} ({sizes})"

    def _read(self, one: Input) -> list[str]:
        name = self.arguments[one.name]
        if one.dtype == "string":
            rest = "".join(f", {size}" for size in one.shape[1:] if size is not None)
            return [f"{name} = np.asarray({name}, object).reshape(-1{rest})"]
        if one.dtype.startswith(("int", "uint")):
            lines = [
                f"{name} = np.asarray({name})",
                f"if ({name} != {name}.astype(np.{one.dtype})).any():",
                f'    raise ValueError("{name} must hold whole numbers of {one.dtype}")',
                f"{name} = {name}.astype(np.{one.dtype})",
            ]
        else:
            lines = [f"{name} = np.asarray({name}, {'bool' if one.dtype == 'bool' else 'np.float32'})"]
        limit = self.id_limits.get(one.name)
        if limit is not None:
            lines += [
                f"if not ({name}.min() > -1 and {name}.max() < {limit}):",
                f'    raise ValueError("{name} must hold ids from 0 to {limit - 1}")',
            ]
        return lines

    def _check(self) -> str:
        texts = [one for one in self.network.inputs if one.dtype == "string"]
        read = "references[key]"
        if texts:
            shapes = {self.arguments[one.name]: (-1, *one.shape[1:]) for one in texts}
            read = "read(name, references[key])"
        code = CHECK.format(tolerance=self.tolerance, read=read, wanted=self._wanted_code())
        if texts:
            listed = "\n".join(
                f'    if name == "{name}":\n        return np.array(strings(array), object).reshape{shape}'.replace(
                    ",)", ")"
                )
                for name, shape in shapes.items()
            )
            code = READ.replace("@TEXTS@", listed) + code
        return code

    def _main(self) -> str:
        arguments = list(self.arguments.values())
        if self._takes_lines():
            return MAIN_OF_LINES.replace("@OUTPUTS@", ", ".join(output_paths(self.network.outputs)))
        reads = "\n".join(f"    {name} = given[{quoted(key)}]" for key, name in self.arguments.items())
        if len(arguments) == 1:
            only = f"given[{quoted(self.network.inputs[0].name)}]"
            reads = f"    {arguments[0]} = given if isinstance(given, np.ndarray) else {only}"
        return MAIN_OF_ARRAYS.replace("@READS@", reads).replace("@ARGUMENTS@", ", ".join(arguments))

    def _references(self) -> dict[str, Array]:
        arrays: dict[str, Array] = {}
        outputs = self.network.output_refs()
        kept = {"all": list(self.tensors), "outputs": [ref for ref in self.tensors if ref in outputs], "none": []}[
            self.references
        ]
        if not kept:
            return arrays
        for number, case in enumerate(self.network.cases):
            for one in self.network.inputs:
                arrays[f"reference {number} input {self.arguments[one.name]}"] = without_objects(case.inputs[one.name])
            for ref in kept:
                if ref in case.outputs:
                    arrays[f"reference {number} output {ref}"] = without_objects(case.outputs[ref])
                elif case.tells_of(ref):
                    arrays[f"reference {number} some of {ref}"] = case.sampled[ref].values
                if ref in case.noise:
                    moved = larger(case.noise[ref].chain, case.noise[ref].alone)
                    arrays[f"reference {number} noise {ref}"] = np.array(moved)
        return arrays

    def _wanted_code(self) -> str:
        """Code that finds the reference of what is not a plain array of numbers."""
        samples = WANTED_SAMPLES if self._has_samples() else ""
        return samples + (WANTED_TEXTS if any(map(is_text, self.tensors.values())) else "")

    def _has_samples(self) -> bool:
        return self.references == "all" and any(case.sampled for case in self.network.cases)


def output_paths(structure: Any, path: str = "made") -> list[str]:
    """Code for each array of what `predict` gives."""
    if isinstance(structure, (list, tuple)):
        parts: list[tuple[Any, Any]] = list(enumerate(structure))
    elif isinstance(structure, dict):
        parts = [(quoted(key), part) for key, part in structure.items()]
    else:
        return [path]
    return [one for key, part in parts for one in output_paths(part, f"{path}[{key}]")]


def without_objects(array: Array) -> Array:
    """Numbers as they are; of strings, the JSON."""
    return as_bytes(array.ravel().tolist()) if array.dtype.kind in "OUS" else array


def plain(text: str) -> str:
    """Text that may stand in a comment or a docstring, whoever wrote the saved network."""
    return re.sub(r"[^\w.,:>+ -]", "?", text, flags=re.ASCII)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def write_standalone(
    network: Network,
    out: Path,
    rules: Mapping[str, Rule] = RULES,
    overwrite: bool = False,
    tolerance: Optional[float] = None,
    references: References = "all",
) -> Path:
    """Write a network to a folder as ``NAME.py`` and ``NAME.npz``, which need numpy alone.

    Args:
        network: with its references.
        out: the folder.
        rules: by class.
        overwrite: replace files that exist.
        tolerance: what the file's check allows; None: what float32 can hold, as the references say.
        references: which of them go into the file.

    Returns:
        the Python file.

    Raises:
        Unsupported: listing every layer that cannot be written.
        BadArchive: the files exist, or cannot be written.
    """
    written = Written(network, rules, tolerance, references)
    name = identifier(network.name)
    files = [out / f"{name}.py", out / f"{name}.npz"]
    problems = [
        Problem(str(path), "exists", "give overwrite=True") for path in files if path.exists() and not overwrite
    ]
    BadArchive.raise_for(problems)
    try:
        out.mkdir(parents=True, exist_ok=True)
        half = out / f".{name}.{os.getpid()}.npz"
        with half.open("wb") as stream:
            np.savez_compressed(stream, **written.arrays)
        half.replace(files[1])
        files[0].write_text(written.source, encoding="utf-8")
    except OSError as error:
        raise BadArchive(str(out), f"cannot be written: {error}") from error
    return files[0]


HEAD = '''
"""{name}: a network trained in {origin}, in numpy alone.

{layers}

    python {name}.py {usage}
    python {name}.py --check       every layer against the outputs that Keras had; exit code 1 if one departs

Weights and references are in the npz of the same name beside this file.
"""

from __future__ import annotations

@IMPORTS@

import numpy as np

Array = np.ndarray
FILE = Path(__file__).with_suffix(".npz")
with np.load(FILE) as arrays:
    W = {{name: arrays[name] for name in arrays.files if not name.startswith("reference ")}}
'''

STRINGS = '''

def strings(array):
    """Strings as bytes, from the JSON that an array holds."""
    return [to_bytes(text) for text in json.loads(array.tobytes())]


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
'''

READ = '''
def read(name, array):
    """An input of the references."""
@TEXTS@
    return array

'''

CHECK = '''
def check(tolerance={tolerance}):
    """Compare every layer with what Keras gave for the same inputs; whether all agree."""
    with np.load(FILE) as arrays:
        references = {{name: arrays[name] for name in arrays.files if name.startswith("reference ")}}
    cases = sorted({{int(key.split()[1]) for key in references}})
    used = {{}}
    for case in cases:
        start = f"reference {{case}} input "
        given = {{key[len(start) :]: key for key in references if key.startswith(start)}}
        made = layers(**{{name: {read} for name, key in given.items()}})
        for name, output in made.items():
            want = references.get(f"reference {{case}} output {{name}}")
            noise = references.get(f"reference {{case}} noise {{name}}")
{wanted}            if want is not None:
                used[name] = max(used.get(name, 0.0), share_of_allowed(output, want, noise, tolerance))
    for name, share in used.items():
        print(f"{{'agrees ' if share <= 1 else 'DEPARTS'}}  {{name}}  {{share:.1e}} of what is allowed")
    agree = bool(used) and all(share <= 1 for share in used.values())
    print(f"{{len(used)}} layers in {{len(cases)}} cases: {{'all agree' if agree else 'NOT all agree'}}")
    return agree
'''

WANTED_SAMPLES = """\
            some = references.get(f"reference {case} some of {name}")
            if some is not None:
                rows = output.reshape(len(output), -1)
                output, want = rows[:, places(rows.shape[1], some.shape[1])], some
"""

WANTED_TEXTS = """\
            if want is not None and output.dtype == object:
                want = np.array(json.loads(want.tobytes()), object).reshape(output.shape)
"""

MAIN_OF_LINES = """
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="texts, one a line; - is standard input")
    parser.add_argument("--check", action="store_true", help="compare every layer with Keras' outputs")
    options = parser.parse_args()
    if options.check:
        return 0 if check() else 1
    if options.file is None:
        parser.error("give a file of texts, or --check")
    path = sys.stdin.fileno() if options.file == "-" else options.file
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="\\n") as lines:
        while texts := [line.removesuffix("\\n").removesuffix("\\r") for line in islice(lines, 1024)]:
            made = predict(texts)
            outputs = [@OUTPUTS@]
            for row in range(len(texts)):
                print(",".join(str(value) for output in outputs for value in output[row].ravel()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
"""

MAIN_OF_ARRAYS = """
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="an npz of arrays by input name, or an npy")
    parser.add_argument("--check", action="store_true", help="compare every layer with Keras' outputs")
    options = parser.parse_args()
    if options.check:
        return 0 if check() else 1
    if options.file is None:
        parser.error("give an npz or npy, or --check")
    given = np.load(options.file, allow_pickle=False)
@READS@
    print(predict(@ARGUMENTS@))
    return 0


if __name__ == "__main__":
    sys.exit(main())
"""
