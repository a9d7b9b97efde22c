"""What the attention example's own layer means: all that porting it takes.

Beside Keras' definition in attention_layer.py it reads almost line for line; it imports neither keras nor neoml.
"""

from __future__ import annotations

import porting

EPSILON = 1e-7


@porting.rule("scripts>WordAttention", mask="stop")
def word_attention(layer, x, ops, mask=None):
    e = ops.activation(ops.add(ops.matmul(x, layer.weight("kernel")), layer.weight("bias")), "tanh")
    a = ops.unary(e, "exp")
    if mask is not None:
        a = ops.multiply(a, ops.cast(ops.expand_dims(mask, -1), "float32"))
    a = ops.divide(a, ops.add(ops.reduce(a, "sum", [1], keepdims=True), EPSILON))
    result = ops.reduce(ops.multiply(x, a), "sum", [1])
    return [result, a] if layer.config["return_attention"] else result
