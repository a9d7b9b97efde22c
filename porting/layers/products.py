"""Layers that multiply along chosen axes: Dot and EinsumDense, and the projections of attention."""

from __future__ import annotations

from math import prod
from typing import Optional

from ..network import Shape
from ..operations import Operations, Tensor, Weight
from .activations import activation
from .reshaped import kept
from .rule import Config, LayerView, WeightShapes, rule
from .scaling import unit_norm

LETTERS = "abcdefghijkl"


def project(x: Tensor, kernel: Weight, bias: Optional[Weight], ops: Operations, contracted: int = 1) -> Tensor:
    """Dense over the last axes: kernel (*inputs, *outputs) with as many inputs as `contracted`, bias (*outputs)."""
    inputs, outputs = kernel.shape[:contracted], kernel.shape[contracted:]
    free = x.shape[1 : len(x.shape) - contracted]
    if contracted > 1:
        x = ops.reshape(x, (*kept(free), prod(inputs)))
    flat = None if bias is None else bias.arranged(shape=(-1,))
    y = ops.dense(x, kernel.arranged(shape=(prod(inputs), -1)), flat)
    return y if len(outputs) == 1 else ops.reshape(y, (*kept(free), *outputs))


def trailing_axes(equation: str, bias_axes: Optional[str]) -> Optional[int]:
    """How many last axes a projection sums over; None where the equation is not a projection."""
    left, _, output = equation.partition("->")
    x, _, kernel = left.partition(",")
    summed = "".join(letter for letter in kernel if letter in x)
    free = kernel[len(summed) :]
    plain = kernel.startswith(summed) and x.endswith(summed) and output == x[: len(x) - len(summed)] + free
    return len(summed) if plain and summed and free and bias_axes in (None, free) else None


def einsum_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    """Sizes of letters: those of the input from its shape, the others from ``output_shape``."""
    equation = config["equation"].replace(" ", "")
    left, _, output = equation.partition("->")
    x, _, kernel = left.partition(",")
    given = config["output_shape"]
    # Without its batch, and without the axes of an ellipsis; a scalar stands for the last axis.
    after = list(given) if isinstance(given, (list, tuple)) else [given]
    letters = output.replace(".", "")
    sizes = {**dict(zip(letters, after if output.startswith(".") else [None, *after])), **sizes_of(x, inputs[0])}
    bias_axes = config["bias_axes"]
    shapes: WeightShapes = {"kernel": tuple(sizes.get(letter) for letter in kernel)}
    if bias_axes:
        first = min(letters.index(letter) for letter in bias_axes)
        shapes["bias"] = tuple(sizes.get(one) if one in bias_axes else 1 for one in letters[first:])
    return shapes


def sizes_of(term: str, shape: Shape) -> dict[str, Optional[int]]:
    """The size of each letter; an ellipsis in front or behind stands for the axes that are left."""
    letters = term.replace(".", "")
    if term.startswith("."):
        return dict(zip(reversed(letters), reversed(shape)))
    return dict(zip(letters, shape))


@rule("EinsumDense", mask="stop", weights=einsum_weights, linear=True, sizes="kept but the last")
def einsum_dense(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("output_shape", "gptq_unpacked_column_size")
    kernel, bias = layer.weight("kernel"), layer.weight("bias", if_config="bias_axes")
    equation = layer.config["equation"].replace(" ", "")
    contracted = trailing_axes(equation, layer.config["bias_axes"])
    if contracted is not None:
        return activation(layer, project(x, kernel, bias, ops, contracted), ops)
    y = ops.einsum(equation, [x, kernel])
    return activation(layer, y if bias is None else ops.add(y, bias), ops)


@rule("Dot", mask="stop")
def dot(layer: LayerView, xs: list[Tensor], ops: Operations) -> Tensor:
    axes = layer.config["axes"]
    first, second = (
        axis % len(x.shape) for axis, x in zip(axes if isinstance(axes, (list, tuple)) else (axes, axes), xs)
    )
    x, y = xs
    if layer.config["normalize"]:
        # `normalize` of keras.utils has Keras' epsilon.
        x, y = unit_norm(x, [first], 1e-7, ops), unit_norm(y, [second], 1e-7, ops)
    left = list(LETTERS[: len(x.shape)])
    right = [left[0], *LETTERS[len(left) : len(left) + len(y.shape) - 1]]
    right[second] = left[first]
    output = [one for one in left if one != left[first]] + [one for one in right[1:] if one != left[first]]
    made = ops.einsum(f"{''.join(left)},{''.join(right)}->{''.join(output)}", [x, y])
    return made if len(output) > 1 else ops.expand_dims(made, 1)
