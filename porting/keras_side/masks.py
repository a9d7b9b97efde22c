"""Which mask arguments of a Keras graph Keras would have passed on by itself.

In Keras 3 the masks that layers hand to each other are tensors of the graph: ``lstm(x, mask=not_equal(ids, 0))``
stands there although the user wrote ``lstm(x)``. Such an argument is left out again, since every engine of this
package derives it from the layers. A model that was loaded from a file holds rebuilt mask operations, so masks
are compared by what computes them and not by identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .keras_api import KerasApi, NodeView


def bind(node: NodeView, api: KerasApi) -> tuple[dict[str, Any], list[Any]]:
    """The arguments of an application by parameter name, without masks of None; no mask is taken as implied."""
    bound = api.signature(node.operation).bind(*node.args, **_accepted(node, api))
    arguments = {
        name: value
        for name, value in bound.arguments.items()
        if not (_is_mask(name) and all(leaf is None for leaf in api.flatten(value)))
    }
    return arguments, []


def without_implicit_masks(node: NodeView, api: KerasApi) -> tuple[dict[str, Any], list[Any]]:
    """The arguments without those masks that Keras fills in itself, and the tensors that carry these."""
    arguments, masked = bind(node, api)
    if not api.is_layer(node.operation):
        return arguments, masked
    tensors = [name for name, value in arguments.items() if _holds_symbolic(value, api) and not _is_mask(name)]
    implied = {"mask": tensors[0]} if len(tensors) == 1 else {f"{name}_mask": name for name in tensors}
    for mask_name, name in implied.items():
        given = arguments.get(mask_name)
        if given is not None and _same(given, _masks(arguments[name], api), api):
            del arguments[mask_name]
            masked += [leaf for leaf in api.flatten(arguments[name]) if api.mask(leaf) is not None]
    return arguments, masked


def _accepted(node: NodeView, api: KerasApi) -> dict[str, Any]:
    """The keyword arguments that ``call`` takes; Keras itself drops a `training` that it does not take."""
    parameters = api.signature(node.operation).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(node.kwargs)
    return {name: value for name, value in node.kwargs.items() if name in parameters or name != "training"}


def _is_mask(name: str) -> bool:
    return name == "mask" or name.endswith("_mask")


def _holds_symbolic(value: Any, api: KerasApi) -> bool:
    return any(api.is_symbolic(leaf) for leaf in api.flatten(value))


def _masks(value: Any, api: KerasApi) -> Any:
    if isinstance(value, (list, tuple)):
        return [_masks(part, api) for part in value]
    if isinstance(value, Mapping):
        return {key: _masks(part, api) for key, part in value.items()}
    return api.mask(value)


def _same(one: Any, other: Any, api: KerasApi) -> bool:
    """Whether two argument structures are computed alike from the same inputs."""
    if one is other:
        return True
    if api.is_symbolic(one) or api.is_symbolic(other):
        return api.is_symbolic(one) and api.is_symbolic(other) and _same_tensor(one, other, api)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(_same(a, b, api) for a, b in zip(one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key], api) for key in one)
    if api.is_eager(one) or api.is_eager(other):
        return np.array_equal(np.asarray(one), np.asarray(other))
    return type(one) is type(other) and bool(one == other)


def _same_tensor(one: Any, other: Any, api: KerasApi) -> bool:
    if not (hasattr(one, "_keras_history") and hasattr(other, "_keras_history")):
        return False
    if api.history(one) == api.history(other):
        return True
    first, second = api.node(one), api.node(other)
    if first is None or second is None or api.history(one)[2] != api.history(other)[2]:
        return False
    return (
        _same_operation(first.operation, second.operation, api)
        and _same(first.args, second.args, api)
        and _same(dict(first.kwargs), dict(second.kwargs), api)
    )


def _same_operation(one: Any, other: Any, api: KerasApi) -> bool:
    if one is other:
        return True
    if api.is_layer(one) or api.is_layer(other) or type(one) is not type(other):
        return False
    return _settings(one) == _settings(other)


def _settings(operation: Any) -> dict[str, Any]:
    return {key: value for key, value in operation.get_config().items() if key != "name"}
