"""Functions that are handed functions: choices and loops, said by operations where they can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from .tracing import Untraceable

MOST_TURNS = 1000
ON_ALL_ROWS = "write it on the whole batch"


def _is_symbolic(value: Any) -> bool:
    return hasattr(value, "_keras_history")


def _result(choice: Any) -> Any:
    return choice() if callable(choice) else choice


class Branches:
    """Choices and loops of one generation of Keras.

    Attributes:
        ops: its functions `expand_dims`, `stack` and `where`.
        tree: its functions of structures.
    """

    def __init__(self, ops: Any, tree: Any) -> None:
        self.ops = ops
        self.tree = tree

    def chosen(self, condition: Any, if_true: Any, if_false: Any) -> Any:
        """One of two results, or functions that return them: where a tensor decides, both are computed."""
        if not _is_symbolic(condition):
            return _result(if_true if condition else if_false)
        one, other = _result(if_true), _result(if_false)
        rank = max((len(x.shape) for x in self.tree.flatten(one) if _is_symbolic(x)), default=0)
        if len(condition.shape):
            for _ in range(rank - len(condition.shape)):
                condition = self.ops.expand_dims(condition, -1)
        return self.tree.map_structure(lambda a, b: self.ops.where(condition, a, b), one, other)

    def repeated(self, lower: Any, upper: Any, body: Callable[[Any, Any], Any], state: Any) -> Any:
        """``fori_loop``, turn after turn."""
        if _is_symbolic(lower) or _is_symbolic(upper):
            raise Untraceable("loops over an open size", "declare the size in keras.Input")
        for turn in range(int(lower), int(upper)):
            state = body(turn, state)
        return state

    def looped(self, condition: Callable[..., Any], body: Callable[..., Any], state: Any, most: Any = None) -> Any:
        """``while_loop``, turn after turn, where no tensor decides how many there are."""
        several = isinstance(state, (tuple, list))
        for _ in range(MOST_TURNS if most is None else int(most)):
            given = state if several else (state,)
            goes_on = condition(*given)
            if _is_symbolic(goes_on):
                what = "loops for as long as a size or its values say"
                raise Untraceable(what, "loop a number of times that is known")
            if not bool(goes_on):
                return state
            state = body(*given)
        if most is None:
            raise Untraceable(f"loops more than {MOST_TURNS} times", "say it by operations on whole tensors")
        return state

    def switched(self, index: Any, branches: Any, *operands: Any) -> Any:
        if _is_symbolic(index):
            raise Untraceable("picks one of several functions by a tensor", "use keras.ops.where")
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)

    def scanned(
        self, function: Any, init: Any, xs: Any = None, length: Any = None, reverse: bool = False, unroll: Any = 1
    ) -> Any:
        """``scan``, step after step: the last state, and what each step gives."""
        steps = range(self._steps(xs, "scan") if xs is not None else int(length))
        given: list[Any] = []
        for at in reversed(steps) if reverse else steps:
            init, made = function(init, None if xs is None else self._at(xs, at))
            given.append(made)
        return init, self._stacked(given[::-1] if reverse else given)

    def folded(self, function: Any, elems: Any, initializer: Any = None, reverse: bool = False) -> list[Any]:
        """The states of TensorFlow's ``scan`` and ``foldl``, in the order in which they are made."""
        steps = list(range(self._steps(elems, "scan")))
        steps = steps[::-1] if reverse else steps
        made = []
        if initializer is None:
            initializer = self._at(elems, steps.pop(0))
            made.append(initializer)
        for at in steps:
            initializer = function(initializer, self._at(elems, at))
            made.append(initializer)
        return made

    def for_every_row(self, function: Any, elems: Any, *given: Any, **settings: Any) -> Any:
        """``map``: a function of each entry of a known axis in front."""
        return self._stacked([function(self._at(elems, at)) for at in range(self._steps(elems, "map"))])

    def of_tensorflow(self) -> dict[str, Callable[..., Any]]:
        """TensorFlow's functions of that kind, by name."""

        def while_loop(cond: Any, body: Any, loop_vars: Any, *given: Any, **settings: Any) -> Any:
            return self.looped(cond, body, loop_vars, settings.get("maximum_iterations"))

        def scan(fn: Any, elems: Any, initializer: Any = None, *given: Any, reverse: bool = False, **_: Any) -> Any:
            made = self.folded(fn, elems, initializer, reverse)
            return self._stacked(made[::-1] if reverse else made)

        return {
            "cond": lambda pred, true_fn=None, false_fn=None, name=None: self.chosen(pred, true_fn, false_fn),
            "foldl": lambda fn, elems, initializer=None, *given, **_: self.folded(fn, elems, initializer)[-1],
            "foldr": lambda fn, elems, initializer=None, *given, **_: self.folded(fn, elems, initializer, True)[-1],
            "map_fn": self.for_every_row,
            "scan": scan,
            "vectorized_map": self.for_every_row,
            "while_loop": while_loop,
        }

    def _steps(self, elems: Any, name: str) -> int:
        first: Optional[Any] = next(iter(self.tree.flatten(elems)), None)
        steps = (*getattr(first, "shape", ()), None)[0]
        if not isinstance(steps, int):
            what = f"runs a function for every row of the batch, or step of an open axis, by itself ({name})"
            raise Untraceable(what, ON_ALL_ROWS)
        if steps > MOST_TURNS:
            raise Untraceable(f"runs a function more than {MOST_TURNS} times", "say it by operations on whole tensors")
        return steps

    def _at(self, elems: Any, place: int) -> Any:
        return self.tree.map_structure(lambda one: one[place], elems)

    def _stacked(self, made: list[Any]) -> Any:
        return self.tree.map_structure(lambda *parts: self.ops.stack(parts, axis=0), *made)
