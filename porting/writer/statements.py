"""From traced expressions to statements: what needs a name gets one, the rest stands where it is used."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Optional, Union

from .helpers import HELPERS
from .trace import Term

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
        terms: all that were traced, in order.
        roots: those whose values are asked for, by the name that each shall have.
        names: for those that need one besides.
    """

    def __init__(self, terms: list[Term], roots: Mapping[Term, str], names: Names) -> None:
        self.blocks: dict[str, list[str]] = {}
        self._names = names
        self.needed = _needed(terms, roots)
        self._uses = _uses(term for term in terms if term in self.needed)
        self._within = {operand: term.scope for term in terms if term in self.needed for operand in term.terms()}
        self._waiting: dict[Term, str] = {}
        for term, name in roots.items():
            term.name = term.name or name
        self._roots = roots
        for term in terms:
            if term in self.needed:
                self._place(term)

    def _place(self, term: Term) -> None:
        if term.items:
            return self._unpack(term)
        owner = next(term.terms(), None)
        if owner is not None and owner.items:
            return None
        if not term.operands and term.name is not None:  # an input
            return None
        text = self._rendered(term)
        alone = self._uses[term] == 1 and self._within.get(term) == term.scope
        plain = term.code == "{0}" and isinstance(term.operands[0], str)
        if term not in self._roots and (alone or plain):
            self._waiting[term] = text
            return None
        term.name = term.name or self._names.new(term.hint or "x")
        self._write(term, f"{term.name} = {text}")
        return None

    def _unpack(self, term: Term) -> None:
        text = self._rendered(term)
        parts = {one.code.rpartition(".")[2]: one for one in self.needed if term in one.operands}
        targets = []
        for item in term.items:
            part = parts.get(item)
            if part is None:
                targets.append("_")
                continue
            part.name = part.name or self._names.new(identifier(f"{term.scope.rpartition('/')[2]}_{part.hint}"))
            targets.append(part.name)
        while len(targets) > 2 and targets[-2:] == ["_", "_"]:
            targets.pop()
        if targets[-1] == "_" and len(targets) < len(term.items):
            targets[-1] = "*_"
        self._write(term, f"{', '.join(targets)} = {text}")

    def _rendered(self, term: Term) -> str:
        waiting = [one for one in term.terms() if one in self._waiting]
        text = _filled(term, self._waiting)
        for operand in sorted(waiting, key=lambda one: -len(self._waiting[one])):
            if len(text) <= WIDEST:
                break
            operand.name = self._names.new(operand.hint or "x")
            self._write(operand, f"{operand.name} = {self._waiting.pop(operand)}")
            text = _filled(term, self._waiting)
        return text

    def _write(self, term: Term, line: str) -> None:
        self.blocks.setdefault(term.scope, []).extend(folded(line))


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


def _needed(terms: list[Term], roots: Iterable[Term]) -> set[Term]:
    found = set(roots)
    for term in reversed(terms):
        if term in found:
            found.update(term.terms())
    return found


def _uses(terms: Iterable[Term]) -> Counter[Term]:
    counts: Counter[Term] = Counter()
    for term in terms:
        for place in PLACE.findall(term.code):
            operand = term.operands[int(place)]
            if isinstance(operand, Term):
                counts[operand] += 1
    return counts


def _filled(term: Term, waiting: Mapping[Term, str]) -> str:
    def code(at: int) -> str:
        operand: Union[Term, str] = term.operands[at]
        if isinstance(operand, str):
            return f"({operand})" if operand.startswith("-") and term.asks[at] > 0 else operand
        if operand.name is not None:
            return operand.name
        text = waiting[operand]
        return f"({text})" if operand.binds < term.asks[at] else text

    filled = PLACE.sub(lambda found: code(int(found.group(1))), term.code)
    return filled.replace("{{", "{").replace("}}", "}")
