"""Rules of a user's own, as `porting.load` takes them: a mapping, a Python file, or several."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Optional, Union

from ..errors import Problem, Unsupported
from ..network import Network
from ..text.functions import TEXT_FILES, TEXT_FUNCTIONS
from . import RULES, Rule
from .rule import RULE_FILES

RulesGiven = Optional[Union[Mapping[str, Rule], str, Path, Iterable[Union[str, Path]]]]


class Rules(dict[str, Rule]):
    """Rules by class name.

    Attributes:
        text_functions: those of `porting.text_function`, by the functions' names in Keras.
        files: the files that some of them come from, the last of which counts most.
    """

    def __init__(self, rules: Mapping[str, Rule], text_functions: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(rules)
        self.text_functions = dict(text_functions)
        self.files: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without the built-in rules; those of a file as its path, for the file to be run again."""
        modules = {_module_of(path) for path in self.files}
        own = {name: one for name, one in self.items() if not one.is_builtin and one.apply.__module__ not in modules}
        functions = {name: one for name, one in self.text_functions.items() if one.__module__ not in modules}
        return _unpickled, (own, functions, self.files)


def _unpickled(own: Mapping[str, Rule], functions: Mapping[str, Callable[..., Any]], files: tuple[str, ...]) -> Rules:
    return _with_files(Rules({**RULES, **own}, {**TEXT_FUNCTIONS, **functions}), files)


def portable(rules: Mapping[str, Rule]) -> Rules:
    """The same rules in a form that can be pickled."""
    return rules if isinstance(rules, Rules) else gather_rules(rules)


def gather_rules(given: RulesGiven = None) -> Rules:
    """The registered rules and text functions, and those given before them.

    Args:
        given: rules by class name, the path of a Python file with ``@porting.rule`` functions, or several paths, of
            which a later one counts more.

    Raises:
        Unsupported: a path that is not a file, or a file that holds neither rule nor text function.
    """
    found = Rules(RULES, TEXT_FUNCTIONS)
    if given is None:
        return found
    if isinstance(given, Mapping):
        found.update(given)
        found.text_functions.update(given.text_functions if isinstance(given, Rules) else {})
        return found
    return _with_files(found, [given] if isinstance(given, (str, Path)) else given)


def _with_files(found: Rules, paths: Iterable[Union[str, Path]]) -> Rules:
    for path in paths:
        own = rules_in(path)
        found.update(own)
        found.text_functions.update(own.text_functions)
        found.files += (str(Path(path).resolve()),)
    return found


def check_rules_are_asked(network: Network, rules: Mapping[str, Rule]) -> None:
    """Raises Unsupported for a rule of the user's own whose layer was unfolded when the network was saved."""
    called = {call.layer for call in network.calls}
    problems = []
    for layer in network.layers.values():
        names = (layer.class_name, layer.class_name.rpartition(">")[2])
        own = any(name in rules and not rules[name].is_builtin for name in names)
        if layer.name not in called and own and not any(name in RULES and RULES[name].is_builtin for name in names):
            where = f"{layer.class_name} {layer.name!r}"
            what = "was unfolded when the network was saved, so nothing asks for your rule"
            problems.append(Problem(where, what, f"save it again with whole=[{names[1]!r}], or leave the rule out"))
    Unsupported.raise_for(problems)


def _module_of(path: Union[str, Path]) -> str:
    """The module name that a rule file runs under."""
    return f"rules in {Path(path).resolve()}"


def rules_in(path: Union[str, Path]) -> Rules:
    """Run a Python file of the user's own; the rules that it defines, by class name, and the text functions.

    They are registered nowhere: whoever imports the file as a module registers them for every network.

    Raises:
        Unsupported: the path is not a file, or the file holds neither. What the file itself raises passes through.
    """
    path = Path(path)
    if not path.is_file():
        raise Unsupported(f"rules {str(path)!r}", "is not a file", "give the Python file that holds your rules")
    name = _module_of(path)
    found: dict[str, Rule] = {}
    functions: dict[str, Callable[..., Any]] = {}
    RULE_FILES[name], TEXT_FILES[name] = found, functions
    try:
        runpy.run_path(str(path), run_name=name)
    finally:
        del RULE_FILES[name], TEXT_FILES[name]
    if not found and not functions:
        way_out = 'put @porting.rule("package>Name") over a function (layer, x, ops), see docs/custom_layers.md'
        raise Unsupported(f"rules {str(path)!r}", "holds no rule", way_out)
    return Rules(found, functions)
