"""Functions that are handed functions: choices and loops, said by operations where they can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras.src import ops as kops
from keras.src import tree

from ..tracing import Untraceable
from .nodes import is_symbolic

MOST_TURNS = 1000
ON_ALL_ROWS = "write it on the whole batch"


def _result(choice: Any) -> Any:
    return choice() if callable(choice) else choice


def chosen(condition: Any, if_true: Any, if_false: Any) -> Any:
    """One of two results, or functions that return them: where a tensor decides, both are computed."""
    if not is_symbolic(condition):
        return _result(if_true if condition else if_false)
    one, other = _result(if_true), _result(if_false)
    rank = max((len(x.shape) for x in tree.flatten(one) if is_symbolic(x)), default=0)
    if len(condition._shape):
        for _ in range(rank - len(condition._shape)):
            condition = kops.expand_dims(condition, -1)
    return tree.map_structure(lambda a, b: kops.where(condition, a, b), one, other)


def repeated(lower: Any, upper: Any, body: Callable[[Any, Any], Any], state: Any) -> Any:
    """``fori_loop``, turn after turn."""
    if is_symbolic(lower) or is_symbolic(upper):
        raise Untraceable("loops over an open size", "declare the size in keras.Input")
    for turn in range(int(lower), int(upper)):
        state = body(turn, state)
    return state


def looped(condition: Callable[..., Any], body: Callable[..., Any], state: Any, most: Any = None) -> Any:
    """``while_loop``, turn after turn, where no tensor decides how many there are."""
    several = isinstance(state, (tuple, list))
    for _ in range(MOST_TURNS if most is None else int(most)):
        given = state if several else (state,)
        goes_on = condition(*given)
        if is_symbolic(goes_on):
            raise Untraceable("loops for as long as a size or its values say", "loop a number of times that is known")
        if not bool(goes_on):
            return state
        state = body(*given)
    if most is None:
        raise Untraceable(f"loops more than {MOST_TURNS} times", "say it by operations on whole tensors")
    return state


def switched(index: Any, branches: Any, *operands: Any) -> Any:
    if is_symbolic(index):
        raise Untraceable("picks one of several functions by a tensor", "use keras.ops.where")
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


def scanned(*given: Any, **settings: Any) -> Any:
    raise Untraceable("runs a function step after step (scan)", "loop in Python over an axis of fixed size")


def for_every_row(*given: Any, **settings: Any) -> Any:
    raise Untraceable("runs a function for every row by itself (map)", ON_ALL_ROWS)
