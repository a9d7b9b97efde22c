"""Cross-entropies as operations."""

from __future__ import annotations

from tests.cases.functions import of

CASES = [
    of(
        "binary_crossentropy",
        lambda ops, x, y: ops.binary_crossentropy(ops.sigmoid(x), ops.tanh(y) * 0.4 + 0.5),
        (3, 4),
        (3, 4),
    ),
    of(
        "binary_crossentropy_of_logits",
        lambda ops, x, y: ops.binary_crossentropy(ops.sigmoid(x), y * 20, from_logits=True),
        (3,),
        (3,),
    ),
    of("categorical_crossentropy", lambda ops, x, y: ops.categorical_crossentropy(x, ops.exp(y)), (3, 4), (3, 4)),
    of(
        "categorical_crossentropy_axis_1",
        # TensorFlow's gradient takes targets for shares that add up to 1.
        lambda ops, x, y: ops.categorical_crossentropy(ops.softmax(x, axis=1), y, from_logits=True, axis=1),
        (3, 4),
        (3, 4),
    ),
    of(
        "sparse_categorical_crossentropy",
        lambda ops, x, y: ops.sparse_categorical_crossentropy(ops.argmax(x, -1), ops.tanh(y) * 0.4 + 0.5),
        (3, 4),
        (3, 4),
    ),
    of(
        "sparse_categorical_crossentropy_of_logits",
        lambda ops, x, y: ops.sparse_categorical_crossentropy(ops.argmax(x, -1, keepdims=True), y, from_logits=True),
        (4,),
        (4,),
    ),
]
