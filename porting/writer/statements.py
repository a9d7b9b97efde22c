"""From traced expressions to statements: what needs a name gets one, the rest stands where it is used."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Optional, Union

from .helpers import HELPERS
from .trace import Node

__all__ = ["Names", "Statements", "identifier"]

# What the file itself calls by these names.
TAKEN = frozenset(
    {
        *("np", "W", "layers", "predict", "check", "main", "strings", "to_bytes", "json", "sys", "Path", "read"),
        *("parts", "part", "at", "made", "name", "outputs", "batch_size", "given", "options", "parser"),
        *("FILE", "Array", "LOWER", "NONCHARACTERS", "PUNCTUATION"),
    }
)
WIDEST = 96
LONGEST = 112
CALL = re.compile(r"(.* = [\w.]+\()(.*)\)")
PLACE = re.compile(r"\{(\d+)\}")


def identifier(text: str) -> str:
    """A Python name made of a layer's."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "x"
    return f"x_{name}" if name[0].isdigit() else name


class Names:
    """Names that no two values share."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*TAKEN, *HELPERS, *keyword.kwlist, *dir(builtins), *taken}

    def new(self, wanted: str) -> str:
        """The name, or the name with a number behind it."""
        number, name = 1, wanted
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


class Statements:
    """Statements by the call that they belong to.

    Args:
        nodes: all that were traced, in order.
        roots: those whose values are asked for, by the name that each shall have.
        names: for those that need one besides.
    """

    def __init__(self, nodes: list[Node], roots: Mapping[Node, str], names: Names) -> None:
        self.blocks: dict[str, list[str]] = {}
        self._names = names
        self._needed = _needed(nodes, roots)
        self._uses = _uses(node for node in nodes if node in self._needed)
        self._within = {operand: node.scope for node in nodes if node in self._needed for operand in node.nodes()}
        self._waiting: dict[Node, str] = {}
        for node, name in roots.items():
            node.name = node.name or name
        self._roots = roots
        for node in nodes:
            if node in self._needed:
                self._place(node)

    @property
    def needed(self) -> set[Node]:
        return self._needed

    def _place(self, node: Node) -> None:
        if node.items:
            return self._unpack(node)
        owner = next(node.nodes(), None)
        if owner is not None and owner.items:
            return None
        if not node.operands and node.name is not None:  # an input
            return None
        text = self._rendered(node)
        alone = self._uses[node] == 1 and self._within.get(node) == node.scope
        plain = node.code == "{0}" and isinstance(node.operands[0], str)
        if node not in self._roots and (alone or plain):
            self._waiting[node] = text
            return None
        node.name = node.name or self._names.new(node.hint or "x")
        self._write(node, f"{node.name} = {text}")
        return None

    def _unpack(self, node: Node) -> None:
        text = self._rendered(node)
        parts = {one.code.rpartition(".")[2]: one for one in self._needed if node in one.operands}
        targets = []
        for item in node.items:
            part = parts.get(item)
            if part is None:
                targets.append("_")
                continue
            part.name = part.name or self._names.new(identifier(f"{node.scope.rpartition('/')[2]}_{part.hint}"))
            targets.append(part.name)
        while len(targets) > 2 and targets[-2:] == ["_", "_"]:
            targets.pop()
        if targets[-1] == "_" and len(targets) < len(node.items):
            targets[-1] = "*_"
        self._write(node, f"{', '.join(targets)} = {text}")

    def _rendered(self, node: Node) -> str:
        waiting = [one for one in node.nodes() if one in self._waiting]
        text = _filled(node, self._waiting)
        for operand in sorted(waiting, key=lambda one: -len(self._waiting[one])):
            if len(text) <= WIDEST:
                break
            operand.name = self._names.new(operand.hint or "x")
            self._write(operand, f"{operand.name} = {self._waiting.pop(operand)}")
            text = _filled(node, self._waiting)
        return text

    def _write(self, node: Node, line: str) -> None:
        self.blocks.setdefault(node.scope, []).extend(folded(line))


def folded(line: str) -> list[str]:
    """A statement over several lines where it is long: an argument a line of one call, or an operand a line."""
    if len(line) <= LONGEST:
        return [line]
    found = CALL.fullmatch(line)
    arguments = _split(found.group(2), ", ") if found else None
    if found is not None and arguments is not None:
        return [found.group(1), *(f"    {one}," for one in arguments), ")"]
    target, _, code = line.partition(" = ")
    for operator in (" + ", " / ", " * ", " @ "):
        operands = _split(code, operator)
        if operands is not None and len(operands) > 1:
            first, *rest = operands
            return [f"{target} = (", f"    {first}", *(f"    {operator.strip()} {one}" for one in rest), ")"]
    return [line]


def _split(code: str, mark: str) -> Optional[list[str]]:
    """The parts of code between marks outside all brackets; None where a bracket closes that did not open."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(code):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return None
        if depth == 0 and code.startswith(mark, at):
            parts.append(code[start:at])
            start = at + len(mark)
    return [*parts, code[start:]]


def _needed(nodes: list[Node], roots: Iterable[Node]) -> set[Node]:
    found = set(roots)
    for node in reversed(nodes):
        if node in found:
            found.update(node.nodes())
    return found


def _uses(nodes: Iterable[Node]) -> Counter[Node]:
    counts: Counter[Node] = Counter()
    for node in nodes:
        for place in PLACE.findall(node.code):
            operand = node.operands[int(place)]
            if isinstance(operand, Node):
                counts[operand] += 1
    return counts


def _filled(node: Node, waiting: Mapping[Node, str]) -> str:
    def code(at: int) -> str:
        operand: Union[Node, str] = node.operands[at]
        if isinstance(operand, str):
            return f"({operand})" if operand.startswith("-") and node.asks[at] > 0 else operand
        if operand.name is not None:
            return operand.name
        text = waiting[operand]
        return f"({text})" if operand.binds < node.asks[at] else text

    filled = PLACE.sub(lambda found: code(int(found.group(1))), node.code)
    return filled.replace("{{", "{").replace("}}", "}")
