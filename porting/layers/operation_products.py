"""Keras' operations that multiply tensors and sum: products of matrices, einsum, attention."""

from __future__ import annotations

from typing import Any, Optional

from ..operations import Operations, Tensor, promoted_type
from .attention import Heads, attend, both, causal_mask
from .operation_kinds import as_bool, as_float, as_list, known, operation, promoted
from .products import LETTERS
from .rule import LayerView

# Only these whole numbers are multiplied as such, and only by tensordot.
WIDE = ("int32", "int64")


def product_type(*operands: Any) -> str:
    """The dtype of a product: Keras computes those of whole numbers in float32, and of int8 in int32."""
    dtype = promoted_type(*operands)
    return "int32" if dtype == "int8" else dtype


@operation("Matmul")
def matmul(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.cast(ops.matmul(as_float(x1, ops), as_float(x2, ops)), product_type(x1, x2))


@operation("Dot")
def dot(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    if isinstance(x2, Tensor):
        raise layer.refuse("dot of two tensors mixes the rows of a batch", "use matmul or the Dot layer")
    return ops.cast(ops.matmul(as_float(x1, ops), as_float(x2, ops)), promoted_type(x1, x2))


@operation("Tensordot")
def tensordot(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    axes = layer.config["axes"]
    ranks = len(x1.shape), len(x2.shape)
    if isinstance(axes, int):
        axes = (range(ranks[0] - axes, ranks[0]), range(axes))
    first, second = ([one % rank for one in as_list(part)] for part, rank in zip(axes, ranks))
    left, right = list(LETTERS[: ranks[0]]), list(LETTERS[ranks[0] : sum(ranks)])
    for one, other in zip(first, second):
        right[other] = left[one]
    summed = {left[one] for one in first}
    output = [one for one in (*left, *right) if one not in summed]
    equation = f"{''.join(left)},{''.join(right)}->{''.join(output)}"
    dtype, exact = promoted([x1, x2], ops)
    return ops.cast(ops.einsum(equation, exact if dtype in WIDE else [as_float(x, ops) for x in exact]), dtype)


@operation("DotProductAttention", note="without bias and soft caps")
def dot_product_attention(
    layer: LayerView,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ops: Operations,
    bias: Optional[Tensor] = None,
    mask: Optional[Tensor] = None,
    scale: Optional[float] = None,
) -> Tensor:
    layer.irrelevant("flash_attention")
    if bias is not None or layer.config["attn_logits_soft_cap"] is not None:
        raise layer.refuse("dot_product_attention with a bias or a soft cap is not handled", "use MultiHeadAttention")
    causal = causal_mask(query, key, 1, ops) if layer.config["is_causal"] else None
    if causal is not None:
        causal = ops.expand_dims(causal, 1)
    times = known(query, 2) // known(key, 2)
    shared = [ops.repeat(x, times, axis=2) for x in (key, value)]
    allowed = both([None if mask is None else as_bool(mask, ops), causal], ops)
    output, _ = attend(layer, Heads(3, [1]), [query, *shared], allowed, True, ops, scale)
    return output


@operation("Einsum")
def einsum(layer: LayerView, *operands: Any, ops: Operations) -> Tensor:
    made = ops.einsum(layer.config["subscripts"], [as_float(x, ops) for x in operands])
    return ops.cast(made, product_type(*operands))
