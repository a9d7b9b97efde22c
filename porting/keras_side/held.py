"""The layers that a layer holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .keras_api import KerasApi

# Keras' bookkeeping, which also refers to layers.
BOOKKEEPING = frozenset(
    {"_layers", "_tracker", "_inbound_nodes", "_outbound_nodes", "_metrics", "_functional", "_modules"}
)


def held_layers(layer: Any, api: KerasApi) -> Iterator[tuple[str, Any]]:
    """The layers that a layer holds, by attribute; lists by place, dicts by key. A model's layers by their names."""
    if api.is_model(layer):
        yield from ((held.name, held) for held in layer.layers)
        return
    # Over torch, a layer is a torch module, which keeps the layers among its attributes apart.
    for name, value in {**vars(layer), **vars(layer).get("_modules", {})}.items():
        if name not in BOOKKEEPING and not name.startswith("_self_") and not api.is_variable(value):
            yield from _held_in(name.lstrip("_"), value, api)


def _held_in(name: str, value: Any, api: KerasApi) -> Iterator[tuple[str, Any]]:
    if api.is_layer(value):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _held_in(f"{name}/{index}", part, api)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if isinstance(key, (str, int)):
                yield from _held_in(f"{name}/{key}", part, api)
