"""Attention: who looks at whom. See https://keras.io/api/layers/attention_layers/."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod, sqrt
from typing import Any, Optional

from ..network import Shape
from ..operations import Operations, Tensor, Weight
from .activation_layers import masked_softmax
from .products import project
from .reshaped import with_one_open
from .rule import Config, LayerView, WeightShapes, rule

Masks = Optional[Sequence[Optional[Tensor]]]
# What Keras takes off the scores of padding, and what its fused attention puts in their place.
PADDING = 1e9
FUSED_PADDING = -2.372671e38


def query_mask_of(layer: LayerView, x: Any, masks: Masks, ops: Operations) -> Optional[Tensor]:
    return masks[0] if masks else None


def both(masks: Sequence[Optional[Tensor]], ops: Operations) -> Optional[Tensor]:
    """All masks joined with and; None where there is none."""
    given = [mask for mask in masks if mask is not None]
    return reduce(ops.logical_and, given) if given else None


def rows_and_columns(query: Tensor, value: Tensor, axis: int, ops: Operations) -> tuple[Tensor, Tensor]:
    """The positions of queries as (…, Tq, 1) and of values as (…, 1, Tv)."""
    rows, columns = ops.positions(query, axis), ops.positions(value, axis)
    axes = range(1, len(query.shape))
    for one in reversed([one for one in axes if one != axis]):
        rows, columns = ops.squeeze(rows, one), ops.squeeze(columns, one)
    return ops.expand_dims(rows, 2), ops.expand_dims(columns, 1)


def causal_mask(query: Tensor, value: Tensor, axis: int, ops: Operations) -> Tensor:
    """No query sees a value behind it: (…, Tq, Tv)."""
    rows, columns = rows_and_columns(query, value, axis, ops)
    return ops.compare(rows, columns, "greater_equal")


def dropped(layer: LayerView, weights: Tensor, ops: Operations) -> Tensor:
    """The layer's dropout, for nets that learn."""
    rate = layer.config.get("dropout")
    return ops.training.dropout(weights, rate) if rate and ops.training else weights


# ---- Attention and AdditiveAttention: one head without projections


def all_pairs(query: Tensor, key: Tensor, ops: Operations) -> Tensor:
    """(…, Tq, Tv, features): every query plus every key."""
    rank = len(query.shape)
    return ops.add(ops.expand_dims(query, rank - 1), ops.expand_dims(key, rank - 2))


def times_scalar(x: Tensor, scale: Weight, ops: Operations) -> Tensor:
    """A product with a weight of one number: a dense layer of one feature and one unit."""
    return ops.squeeze(ops.dense(ops.expand_dims(x, len(x.shape)), scale.arranged(shape=(1, 1))), -1)


def dot_scores(layer: LayerView, query: Tensor, key: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("score_mode")
    scores = ops.matmul(query, key, transpose_b=True)
    scale = layer.weight("scale", if_config="use_scale")
    return scores if scale is None else times_scalar(scores, scale, ops)


def concat_scores(layer: LayerView, query: Tensor, key: Tensor, ops: Operations) -> Tensor:
    pairs = all_pairs(query, key, ops)
    scale = layer.weight("scale", if_config="use_scale")
    pairs = ops.activation(pairs if scale is None else times_scalar(pairs, scale, ops), "tanh")
    return times_scalar(ops.reduce(pairs, "sum", (-1,)), layer.weight("concat_score_weight"), ops)


def additive_scores(layer: LayerView, query: Tensor, key: Tensor, ops: Operations) -> Tensor:
    pairs = ops.activation(all_pairs(query, key, ops), "tanh")
    scale = layer.weight("scale", if_config="use_scale")
    if scale is None:
        return ops.reduce(pairs, "sum", (-1,))
    return ops.squeeze(ops.dense(pairs, scale.arranged(shape=(-1, 1))), -1)


@rule(
    "Attention",
    "AdditiveAttention",
    mask=query_mask_of,
    weights={
        "Attention": lambda config, inputs: {"scale": (), "concat_score_weight": ()},
        "AdditiveAttention": lambda config, inputs: {"scale": (inputs[0][-1],)},
    },
)
def attention(
    layer: LayerView,
    inputs: Sequence[Tensor],
    ops: Operations,
    mask: Masks = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) > 2 else value
    query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
    if layer.class_name == "AdditiveAttention":
        scores = additive_scores(layer, query, key, ops)
    else:
        scored = concat_scores if layer.config["score_mode"] == "concat" else dot_scores
        scores = scored(layer, query, key, ops)
    seen = None if value_mask is None else ops.expand_dims(value_mask, 1)
    causal = causal_mask(query, value, len(query.shape) - 2, ops) if use_causal_mask else None
    allowed = both([seen, causal], ops)
    if allowed is not None:
        for _ in range(len(scores.shape) - len(allowed.shape)):
            allowed = ops.expand_dims(allowed, 1)
        scores = ops.where(allowed, scores, ops.subtract(scores, PADDING))
    weights = dropped(layer, ops.softmax(scores, (-1,)), ops)
    output = ops.matmul(weights, value)
    if query_mask is not None:
        output = ops.where(ops.expand_dims(query_mask, 2), output, 0.0)
    return [output, weights] if return_attention_scores else output


# ---- MultiHeadAttention and GroupedQueryAttention


def attention_mask_of(
    layer: LayerView,
    query: Tensor,
    value: Tensor,
    masks: Sequence[Optional[Tensor]],
    attention_mask: Optional[Tensor],
    use_causal_mask: bool,
    ops: Operations,
) -> Optional[Tensor]:
    """Which query may see which value, (batch, Tq, Tv): the masks of query, value and key, and what is asked for."""
    query_mask, *others = (None if mask is None else ops.cast(mask, "bool") for mask in masks)
    found = [None if query_mask is None else ops.expand_dims(query_mask, 2)]
    found += [None if mask is None else ops.expand_dims(mask, 1) for mask in others]
    window = layer.config.get("sliding_window")
    if use_causal_mask:
        found.append(causal_mask(query, value, 1, ops))
    if window is not None:
        distance = ops.unary(ops.subtract(*rows_and_columns(query, value, 1, ops)), "abs")
        found.append(ops.compare(distance, window, "less"))
    if attention_mask is None:
        return both(found, ops)
    own = both(found, ops)
    if layer.dialect == 2 and own is None:
        return attention_mask  # numbers between 0 and 1 hide a value in part
    asked = ops.cast(attention_mask, "bool")
    if own is None:
        return asked
    for _ in range(len(asked.shape) - len(own.shape)):
        own = ops.expand_dims(own, 1)
    return ops.logical_and(asked, own)


def scores_to_weights(scores: Tensor, mask: Optional[Tensor], fused: bool, ops: Operations, dialect: int) -> Tensor:
    """Softmax over the last axis. Where all is masked, Keras' fused attention is uniform and its Softmax layer 0."""
    if mask is None:
        return ops.softmax(scores, (-1,))
    for _ in range(len(scores.shape) - len(mask.shape)):
        mask = ops.expand_dims(mask, len(mask.shape) - 2)
    if fused:
        return ops.softmax(ops.where(mask, scores, FUSED_PADDING), (-1,))
    # The Softmax layer within passes its mask on.
    return masked_softmax(scores, mask, [len(scores.shape) - 1], ops, dialect).with_mask(mask)


class Heads:
    """How (batch, …, heads, features) is turned so that every head's steps stand before its features.

    Attention may run over several axes; they count as one long axis. The others, and the heads, stand before them.
    """

    def __init__(self, rank: int, attention_axes: Sequence[int]) -> None:
        self.attended = [axis % rank for axis in attention_axes]
        others = [axis for axis in range(rank - 1) if axis not in self.attended]
        self.order = [*others, rank - 1, *self.attended, rank]

    def turn(self, x: Tensor, ops: Operations) -> Tensor:
        turned = ops.transpose(x, self.order)
        if len(self.attended) == 1:
            return turned
        before = turned.shape[1 : len(turned.shape) - len(self.attended) - 1]
        steps = self.steps(x)
        joined = None if None in steps else prod(size for size in steps if size is not None)
        return ops.reshape(turned, with_one_open((*before, joined, x.shape[-1])))

    def steps(self, x: Tensor) -> list[Optional[int]]:
        return [x.shape[axis] for axis in self.attended]

    def turn_back(self, y: Tensor, like: Tensor, ops: Operations) -> Tensor:
        """Undo `turn`; `like` has the steps that `y` has."""
        if len(self.attended) > 1:
            before = y.shape[1 : len(y.shape) - 2]
            y = ops.reshape(y, with_one_open((*before, *self.steps(like), y.shape[-1])))
        return ops.transpose(y, [self.order.index(axis) for axis in range(len(self.order))])

    def shape_scores(self, weights: Tensor, query: Tensor, value: Tensor, ops: Operations) -> Tensor:
        """(…, Tq, Tv) with the steps of queries and values on axes of their own."""
        if len(self.attended) == 1:
            return weights
        before = weights.shape[1 : len(weights.shape) - 2]
        return ops.reshape(weights, with_one_open((*before, *self.steps(query), *self.steps(value))))


def attend(
    layer: LayerView,
    heads: Heads,
    projected: Sequence[Tensor],
    mask: Optional[Tensor],
    fused: bool,
    ops: Operations,
    scale: Optional[float] = None,
) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention of projected (batch, …, heads, features): its output, and its weights."""
    query, key, value = projected
    scaled = ops.multiply(heads.turn(query, ops), 1 / sqrt(query.shape[-1] or 1) if scale is None else scale)
    scores = ops.matmul(scaled, heads.turn(key, ops), transpose_b=True)
    if mask is not None and len(heads.attended) > 1:
        raise layer.refuse("masks over several attention_axes are not handled", "reshape them to one axis before")
    weights = scores_to_weights(scores, mask, fused, ops, layer.dialect)
    output = ops.matmul(dropped(layer, weights, ops), heads.turn(value, ops))
    return heads.turn_back(output, query, ops), weights


def projection(layer: LayerView, name: str, x: Tensor, ops: Operations, contracted: int = 1) -> Tensor:
    return project(x, layer.weight(f"{name}/kernel"), layer.optional_weight(f"{name}/bias"), ops, contracted)


def by_heads(layer: LayerView, query: Tensor, value: Tensor, key: Optional[Tensor], ops: Operations) -> list[Tensor]:
    """Queries, keys and values by heads; keys are made of the value where no key is given."""
    given = {"query": query, "key": value if key is None else key, "value": value}
    return [projection(layer, f"{name}_dense", x, ops) for name, x in given.items()]


def joined_heads(layer: LayerView, output: Tensor, query: Tensor, ops: Operations) -> Tensor:
    """What the heads found, gated where the layer has a gate, as one row with the query's mask."""
    if layer.config.get("use_gate"):
        output = ops.multiply(output, ops.activation(projection(layer, "gate_dense", query, ops), "sigmoid"))
    return projection(layer, "output_dense", output, ops, contracted=2).with_mask(query.mask)


def multi_head_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    heads, key_dim = config["num_heads"], config["key_dim"]
    value_dim, made = config.get("value_dim") or key_dim, config.get("output_shape")
    outputs = [inputs[0][-1]] if not made else [made] if isinstance(made, int) else made
    return projections(inputs, (heads, key_dim), (heads, key_dim), (heads, value_dim), (heads, value_dim), outputs)


def grouped_query_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    queries, pairs = ((config[name], config["head_dim"]) for name in ("num_query_heads", "num_key_value_heads"))
    return projections(inputs, queries, pairs, pairs, queries, [inputs[0][-1]])


def projections(
    inputs: list[Shape], query: Shape, key: Shape, value: Shape, gate: Shape, outputs: Sequence[Optional[int]]
) -> WeightShapes:
    """Kernels (features, heads, size of a head) of query, key and value, and back."""
    features, of_value = inputs[0][-1], inputs[1][-1]
    of_key = inputs[2][-1] if len(inputs) > 2 else of_value
    sizes = {"query": (features, query), "key": (of_key, key), "value": (of_value, value), "gate": (features, gate)}
    shapes: WeightShapes = {"output_dense/kernel": (*gate, *outputs), "output_dense/bias": tuple(outputs)}
    for name, (size, head) in sizes.items():
        shapes[f"{name}_dense/kernel"], shapes[f"{name}_dense/bias"] = (size, *head), tuple(head)
    return shapes


@rule(
    "MultiHeadAttention",
    mask="own",
    weights=multi_head_weights,
    irrelevant=(
        *("num_heads", "key_dim", "value_dim", "use_bias", "output_shape"),
        *("query_shape", "key_shape", "value_shape"),  # what Keras 2 was built for
    ),
    note="masks over several attention_axes are refused",
    sizes="kept but the last",
)
@rule(
    "GroupQueryAttention",
    "GroupedQueryAttention",
    mask="own",
    weights=grouped_query_weights,
    irrelevant=("head_dim", "num_query_heads", "num_key_value_heads", "use_bias"),
    sizes="kept but the last",
)
def attention_of_heads(
    layer: LayerView,
    query: Tensor,
    value: Tensor,
    ops: Operations,
    key: Optional[Tensor] = None,
    query_mask: Optional[Tensor] = None,
    value_mask: Optional[Tensor] = None,
    key_mask: Optional[Tensor] = None,
    attention_mask: Optional[Tensor] = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    rank, grouped = len(query.shape), layer.class_name.startswith("Group")
    axes = [1] if grouped else layer.config["attention_axes"] or range(1, rank - 1)
    if layer.dialect == 2 and min(axes) < 0:
        raise layer.refuse("negative attention_axes count in Keras 2 from behind the heads", "count from the front")
    heads = Heads(rank, axes)
    # Keras' MultiHeadAttention takes the mask that the query carries, whatever query_mask says.
    masks = [query_mask if grouped else query.mask, value_mask, key_mask]
    mask = attention_mask_of(layer, query, value, masks, attention_mask, use_causal_mask, ops)
    queries, *pairs = by_heads(layer, query, value, key, ops)
    if grouped:
        times = (queries.shape[2] or 1) // (pairs[0].shape[2] or 1)
        pairs = [ops.repeat(x, times, axis=2) for x in pairs]
    fused = layer.dialect == 3 and not (layer.config["dropout"] or return_attention_scores or rank != 3)
    output, weights = attend(layer, heads, [queries, *pairs], mask, fused, ops)
    output = joined_heads(layer, output, query, ops)
    if not return_attention_scores:
        return output
    return [output, heads.shape_scores(weights, queries, pairs[0], ops)]
