"""Keras' preprocessing layers and keras-hub's tokenizers: the same ids on any text, with Python and numpy alone.

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
from .byte_pairs import BytePairTokenizer
from .categories import CategoryEncoding, Discretization, HashedCrossing, Hashing
from .lookup import IntegerLookup, StringLookup
from .packing import MultiSegmentPacker, StartEndPacker
from .vectorization import TextVectorization
from .wordpiece import WordPieceTokenizer

__all__ = [
    "LAYERS",
    "LOOKUPS",
    "PACKERS",
    "TOKENIZERS",
    "BytePairTokenizer",
    "CategoryEncoding",
    "Discretization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "MultiSegmentPacker",
    "StartEndPacker",
    "StringLookup",
    "TextVectorization",
    "WordPieceTokenizer",
]

# From Keras' class name to what makes its function of a config and weights.
Makers = Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Array]], Callable[..., Array]]]


def _by_name(*classes: Any) -> Makers:
    return {one.__name__: one.from_layer for one in classes}


LOOKUPS = _by_name(IntegerLookup, StringLookup, TextVectorization)
# keras-hub's.
TOKENIZERS = _by_name(BytePairTokenizer, WordPieceTokenizer)
PACKERS = _by_name(MultiSegmentPacker, StartEndPacker)
LAYERS: Makers = {
    **_by_name(CategoryEncoding, Discretization, HashedCrossing, Hashing),
    **LOOKUPS,
    **TOKENIZERS,
    **PACKERS,
}
