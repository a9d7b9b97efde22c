"""What a built preprocessing layer of Keras holds, as arrays and a JSON config, for `porting.text` and the rules.

Vocabularies are read from the layers' lookup tables. ``get_vocabulary()`` decodes them with the layer's `encoding`,
which TensorFlow's tables never use, cuts off NULs at the end of tokens, and fails on bytes that are no UTF-8.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import Unsupported
from ..network import Array
from ..text import LOOKUPS

# What the weights hold, or what only tells Keras how to build the layer again.
NOT_IN_CONFIG = frozenset({"build_config", "idf_weights", "input_mean", "input_variance", "vocabulary"})


class Described(ABC):
    """A layer that says itself what `porting.text` makes its function of."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Its config, as JSON values."""

    @abstractmethod
    def tables(self) -> dict[str, Array]:
        """Its arrays by name."""


def preprocessing_weights(layer: Any) -> dict[str, Array]:
    """The arrays that a preprocessing layer works with, by name.

    - ``TextVectorization``, ``StringLookup``: ``vocabulary``, an object array of str in the order of the indices,
      without mask and unknown tokens: the first has the layer's first index behind those. Bytes that are no UTF-8
      stand in the str as lone surrogates (``errors="surrogateescape"``).
    - ``IntegerLookup``: ``vocabulary``, int64, likewise.
    - all three, with ``tf_idf``: ``idf_weights``, (depth,), for every index of the output.
    - ``Normalization``: ``mean`` and ``variance``, broadcast to the input's rank, as the layer applies them.
    - ``Discretization``: ``bin_boundaries``, float64; TensorFlow compares them as float32.
    - other layers: nothing.

    Raises:
        Unsupported: for a layer that is not adapted, or not built.
    """
    if isinstance(layer, Described):
        return layer.tables()
    kind = _keras_class(layer)
    if kind in LOOKUPS:
        return _lookup_weights(layer)
    if kind == "Normalization":
        if getattr(layer, "mean", None) is None:
            raise _not_ready(layer, "has no mean and variance yet", "adapt it, or call it once")
        return {"mean": _array(layer.mean), "variance": _array(layer.variance)}
    if kind == "Discretization":
        if layer.bin_boundaries is None:
            raise _not_ready(layer, "has no bin_boundaries yet", "adapt it")
        return {"bin_boundaries": np.asarray(layer.bin_boundaries, np.float64).reshape(-1)}
    return {}


def preprocessing_config(layer: Any) -> dict[str, Any]:
    """The layer's config as JSON values, without what `preprocessing_weights` says.

    A dtype policy is its name. A lookup of Keras 2 gets an `output_dtype`, since it counts in floats; that of Keras 3
    gives int64, whatever its dtype. So does a Discretization, whose bins are int32 in Keras 3. A vectorizer says
    ``keeps_noncharacters: False`` where this TensorFlow replaces them as it splits text into characters. A callable is
    ``{"class_name": "function", "config": its name}``: whoever ports the layer gives a function in its place.
    """
    if isinstance(layer, Described):
        return layer.settings()
    config = {key: _json(value) for key, value in layer.get_config().items() if key not in NOT_IN_CONFIG}
    if _keras_class(layer) in {"Discretization", "Normalization"}:
        for key in ("bin_boundaries", "mean", "variance"):
            config.pop(key, None)
    if _keras_class(layer) in {"Discretization", *LOOKUPS} and _is_keras_2(layer):
        config["output_dtype"] = str(getattr(layer, "_lookup_layer", layer).compute_dtype)
    if config.get("split") == "character" and not _keeps_noncharacters():
        config["keeps_noncharacters"] = False
    return config


def _keras_class(layer: Any) -> str:
    """The name of the Keras class that the layer is of, for a user's subclass too."""
    for kind in type(layer).__mro__:
        if kind.__module__.partition(".")[0] in {"keras", "tf_keras"}:
            return str(kind.__name__)
    return type(layer).__name__


def _keeps_noncharacters() -> bool:
    import tensorflow as tf

    return bool(tf.strings.unicode_split("\uffff", "UTF-8")[0] == "\uffff")


def _is_keras_2(layer: Any) -> bool:
    packages = {kind.__module__.partition(".")[0] for kind in type(layer).__mro__} & {"keras", "tf_keras"}
    return any(sys.modules[package].__version__.startswith("2.") for package in packages)


def _lookup_weights(layer: Any) -> dict[str, Array]:
    lookup = getattr(layer, "_lookup_layer", layer)
    weights = {"vocabulary": _vocabulary(layer, lookup)}
    if lookup.output_mode == "tf_idf":
        if getattr(lookup, "idf_weights_const", None) is None:
            raise _not_ready(layer, "has no idf_weights yet", "adapt it, or give them with the vocabulary")
        weights["idf_weights"] = _array(lookup.idf_weights_const)
    return weights


def _vocabulary(layer: Any, lookup: Any) -> Array:
    if int(lookup.lookup_table.size()) == 0:
        raise _not_ready(layer, "has no vocabulary", "adapt it, or give it a vocabulary, before it is saved")
    keys, values = (np.asarray(part) for part in lookup.lookup_table.export())
    tokens, indices = (values, keys) if lookup.invert else (keys, values)
    order = np.argsort(indices)
    first = lookup._token_start_index()
    if not np.array_equal(indices[order], np.arange(first, first + len(order))):
        raise _not_ready(layer, "has a vocabulary with gaps", "give it a vocabulary without repeated tokens")
    if tokens.dtype != object:
        return tokens[order].astype(np.int64)
    texts = [token.decode("utf-8", "surrogateescape") for token in tokens[order]]
    vocabulary = np.empty(len(texts), object)
    vocabulary[:] = texts
    return vocabulary


def _array(values: Any) -> Array:
    return np.asarray(values.numpy() if hasattr(values, "numpy") else values)


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("class_name") == "DTypePolicy":
            return value["config"]["name"]
        return {str(key): _json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(part) for part in value]
    if isinstance(value, np.ndarray):
        return _json(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if callable(value):
        return {"class_name": "function", "config": getattr(value, "__qualname__", type(value).__name__)}
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _not_ready(layer: Any, what: str, way_out: str) -> Unsupported:
    return Unsupported(str(layer.name), f"{type(layer).__name__} {what}", way_out)
