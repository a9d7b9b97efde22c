"""The rules for the layers of `custom`, as a user would write them."""

from __future__ import annotations

import porting


@porting.rule("tests>Scale", mask="keep")
def scale(layer, x, ops):
    """A weight beside a tensor in every operation of two."""
    y = ops.multiply(x, layer.weight("gamma"))
    y = ops.add(layer.weight("beta"), y)
    y = ops.maximum(y, layer.weight("floor"))
    y = ops.minimum(y, layer.weight("ceiling"))
    y = ops.subtract(y, layer.weight("beta"))
    return ops.divide(y, layer.weight("divisor"))


def first_feature_above(layer, x, mask, ops):
    """The mask that the layer computes: what was masked before, and steps whose first feature is small."""
    above = ops.compare(ops.squeeze(ops.slice(x, -1, 0, 1), -1), layer.config["threshold"], "greater")
    return above if mask is None else ops.logical_and(above, mask)


@porting.rule("tests>MaskSmall", mask=first_feature_above)
def mask_small(layer, x, ops):
    return ops.multiply(x, 2.0)


@porting.rule("tests>TiedLogits", mask="stop", irrelevant=["embedding"])
def tied_logits(layer, x, ops):
    logits = ops.matmul(x, layer.weight("embedding/embeddings"), transpose_b=True)
    return ops.softmax(ops.add(logits, layer.weight("bias")), [-1])


@porting.rule("tests>Mixer", mask="stop")
def mixer(layer, x, ops):
    x = ops.add(x, ops.table(layer.weight("positions"), x, [((x, 1), "first", 0)]))
    x = layer.apply("norm", x, ops=ops)
    x = ops.add(x, layer.apply("attention", x, x, ops=ops))
    for at in range(layer.config["depth"]):
        x = layer.apply(f"blocks/{at}", x, ops=ops)
    around = layer.held("convolution").config["kernel_size"][0] // 2
    x = layer.keras("ops.Pad", x, ops=ops, pad_width=((0, 0), (around, around), (0, 0)), mode="reflect")
    return layer.apply("convolution", x, ops=ops)


@porting.rule("tests>ScaledReversal")
def scaled_reversal(layer, x, ops):
    made = ops.flip(layer.base("LSTM", x, ops=ops, own=["factor", "scale"]), 1)
    return ops.multiply(ops.multiply(made, layer.weight("scale")), layer.config["factor"])


@porting.rule("PlainlyNamed")
def plainly_named(layer, x, ops):
    return ops.matmul(x, layer.weight("kernel"))


@porting.rule("tests>leaky_and_capped")
def leaky_and_capped(layer, x, ops):
    """A rule for a function: what a layer's registered activation means."""
    return ops.minimum(ops.activation(x, "leaky_relu", negative_slope=0.1), 0.5)
