"""Rules of a user's own, as `porting.load` takes them: a mapping, a Python file, or several."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Optional, Union

from .errors import Problem, Unsupported
from .layers import RULES, Rule
from .layers.rule import RULE_FILES

__all__ = ["RulesGiven", "gather_rules", "rules_in"]

RulesGiven = Optional[Union[Mapping[str, Rule], str, Path, Iterable[Union[str, Path]]]]


def gather_rules(given: RulesGiven = None) -> dict[str, Rule]:
    """The registered rules, and those given before them.

    Args:
        given: rules by class name, the path of a Python file with ``@porting.rule`` functions, or several paths, of
            which a later one counts more.

    Raises:
        Unsupported: a path that is no file, or a file that holds no rule.
    """
    if given is None:
        return dict(RULES)
    if isinstance(given, Mapping):
        return {**RULES, **given}
    found = dict(RULES)
    for path in [given] if isinstance(given, (str, Path)) else given:
        found.update(rules_in(path))
    return found


def rules_in(path: Union[str, Path]) -> dict[str, Rule]:
    """Run a Python file of the user's own; the rules that it defines, by class name.

    They are registered nowhere: whoever imports the file as a module registers them for every network.

    Raises:
        Unsupported: the path is no file, or the file holds no rule. What the file itself raises passes through.
    """
    path = Path(path)
    if not path.is_file():
        raise Unsupported(Problem(f"rules {str(path)!r}", "is no file", "give the Python file that holds your rules"))
    name = f"rules in {path.resolve()}"
    found: dict[str, Rule] = {}
    RULE_FILES[name] = found
    try:
        runpy.run_path(str(path), run_name=name)
    finally:
        del RULE_FILES[name]
    if not found:
        way_out = 'put @porting.rule("package>Name") over a function (layer, x, ops), see docs/custom_layers.md'
        raise Unsupported(Problem(f"rules {str(path)!r}", "holds no rule", way_out))
    return found
