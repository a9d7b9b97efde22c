"""Functions of the user's own for text layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# A user's own functions in place of a TextVectorization's custom `standardize` and `split`, by their names in Keras.
TEXT_FUNCTIONS: dict[str, Callable[..., Any]] = {}
# Those of a user's file that is being run for one network only, by the module name that it runs under.
TEXT_FILES: dict[str, dict[str, Callable[..., Any]]] = {}


Functions = Mapping[str, Callable[..., Any]]


def text_function(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function for a TextVectorization whose `standardize` or `split` is a function of that name.

    It takes a str and returns the standardized str, or the list of its tokens.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        TEXT_FILES.get(function.__module__, TEXT_FUNCTIONS)[name] = function
        return function

    return register


def functions_in(rules: Any) -> Functions:
    """The text functions that came with rules given for one network, before those that are registered."""
    return getattr(rules, "text_functions", TEXT_FUNCTIONS)
