"""Keras' preprocessing layers without TensorFlow: the same ids on any text, with Python and numpy alone.

::

    vectorize = TextVectorization.from_layer(config, weights)
    ids = vectorize(["one text", "another"])

Every class is named after its Keras layer and made from the layer's config and weights; calling it maps inputs to
arrays. Settings that are not done exactly are refused. Measured against TensorFlow 2.21 and Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..network import Array
from .categories import CategoryEncoding, Discretization, HashedCrossing, Hashing
from .lookup import IntegerLookup, StringLookup
from .vectorization import TextVectorization

__all__ = [
    "LAYERS",
    "CategoryEncoding",
    "Discretization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "StringLookup",
    "TextVectorization",
]

# From Keras' class name to what makes its function of a config and weights.
LAYERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Array]], Callable[..., Array]]] = {
    "CategoryEncoding": CategoryEncoding.from_layer,
    "Discretization": Discretization.from_layer,
    "HashedCrossing": HashedCrossing.from_layer,
    "Hashing": Hashing.from_layer,
    "IntegerLookup": IntegerLookup.from_layer,
    "StringLookup": StringLookup.from_layer,
    "TextVectorization": TextVectorization.from_layer,
}
