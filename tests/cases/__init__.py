"""Cases as data: what to build in Keras, recorded there once, replayed in both engines.

A file a family. `record.py` (Keras environment) saves every case as a network with references; `test_cases.py`
(NeoML environment) loads, checks and runs them. Neither keras nor neoml is imported here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

__all__ = ["Case", "Spec", "all_cases", "layer"]


@dataclass(frozen=True)
class Spec:
    """A Keras object to construct: ``layer("LSTM", 3, return_sequences=True)``; specs nest."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def layer(name: str, *args: Any, **kwargs: Any) -> Spec:
    return Spec(name, args, kwargs)


@dataclass(frozen=True)
class Case:
    """One network to record.

    Attributes:
        name: unique in its family; letters, digits, ``_``.
        build: a layer, several layers in a row, or a function of the keras module that returns a model.
        inputs: shapes without the batch, None for an open axis.
        dtype: of all inputs. For ids, an Embedding(7, 4) stands in front unless the first layer takes ids itself.
        masked: a Masking layer (floats) or mask_zero (ids) stands in front.
        together: the inputs are handed to the layer as one list, as merges want it.
        call: further call arguments.
        refused: engine to a piece of the refusal that it gives by design.
        scale: of the random weights; smaller where a cell with unbounded gates would grow without end.
        long: rows and steps of one more reference, of ids below 30 or of numbers around 0.5, padded in every way.
        samples: one more reference, by input.
        rules: the file of rules for its own layers, from the root of the repository.
        tolerance: where float32 itself is worse than the default: with a comment that says why.
    """

    name: str
    build: Union[Spec, tuple[Spec, ...], Callable[[Any], Any]]
    inputs: tuple[tuple[Optional[int], ...], ...] = ()
    dtype: str = "float32"
    masked: bool = False
    together: bool = False
    call: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    scale: float = 0.5
    tolerance: Optional[float] = None
    rules: Optional[str] = None
    long: Optional[tuple[int, int]] = None
    samples: Optional[Mapping[str, Any]] = None


def all_cases() -> dict[str, Case]:
    """Every case by ``family/name``."""
    found: dict[str, Case] = {}
    for module in pkgutil.iter_modules(__path__):
        for case in getattr(importlib.import_module(f"{__name__}.{module.name}"), "CASES", ()):
            key = f"{module.name}/{case.name}"
            if key in found:
                raise ValueError(f"two cases are called {key}")
            found[key] = case
    return found
