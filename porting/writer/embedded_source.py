"""A user's own text functions in a standalone file: copied as they stand, with what they use."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .functions import new_name, refused
from .trace import Trace

# What a machine with Python and numpy has.
MODULES = ("collections", "functools", "html", "itertools", "json", "math", "numpy", "re", "string", "unicodedata")


def write_own(trace: Trace, function: Callable[..., Any]) -> str:
    """Keep a function's source, and the modules and constants that it uses; its name in the file.

    Raises:
        Refusal: its source cannot be read, or it uses what the file cannot hold.
    """
    called = getattr(function, "__name__", repr(function))
    try:
        source = textwrap.dedent(inspect.getsource(function))
        (tree,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError) as error:
        raise refused(f"the source of the function {called!r} cannot be read") from error
    if not isinstance(tree, ast.FunctionDef) or function.__closure__ or tree.name != called:
        raise refused(f"the function {called!r} is not a plain function")
    name = new_name(trace, called)
    lines = source.splitlines()[tree.lineno - 1 :]
    lines[0] = lines[0].replace(f"def {called}(", f"def {name}(", 1)
    before = [line for other in sorted(_names_from_outside(tree)) for line in _brought(trace, function, other)]
    trace.code[name] = "\n".join([*before, *(["", ""] if before else []), *lines]).rstrip()
    return name


def _names_from_outside(tree: ast.FunctionDef) -> set[str]:
    names = [one for one in ast.walk(tree) if isinstance(one, ast.Name)]
    own = {one.id for one in names if isinstance(one.ctx, ast.Store)} | {
        one.arg for one in ast.walk(tree) if isinstance(one, ast.arg)
    }
    decorators = {one.id for part in tree.decorator_list for one in ast.walk(part) if isinstance(one, ast.Name)}
    annotations = [one.annotation for one in ast.walk(tree) if isinstance(one, ast.arg)] + [tree.returns]
    annotated = {
        one.id for part in annotations if part is not None for one in ast.walk(part) if isinstance(one, ast.Name)
    }
    return {one.id for one in names} - own - decorators - annotated - set(dir(builtins))


def _brought(trace: Trace, function: Callable[..., Any], name: str) -> list[str]:
    """The line that gives the file a name that the function uses."""
    value = function.__globals__.get(name, refused)
    if isinstance(value, ModuleType) and value.__name__.partition(".")[0] in MODULES:
        trace.imports.add(f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}"))
        return []
    if isinstance(value, re.Pattern):
        trace.imports.add("import re")
        return _kept(trace, name, f"re.compile({value.pattern!r}, {value.flags})")
    if is_literal(value):
        return _kept(trace, name, repr(value))
    raise refused(
        f"the function {function.__name__!r} uses {name!r}, which is neither a constant nor a module of Python's"
    )


def _kept(trace: Trace, name: str, code: str) -> list[str]:
    """A constant's line; none where it stands already."""
    line = f"{name} = {code}"
    known = [one for code in trace.code.values() for one in code.splitlines() if one.startswith(f"{name} = ")]
    if name in trace.taken or any(one != line for one in known):
        raise refused(f"the name {name!r} of a constant means something else in the file")
    return [] if known else [line]


def is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (SyntaxError, ValueError):
        return False
