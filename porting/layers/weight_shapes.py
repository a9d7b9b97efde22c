"""The shapes that a layer's weights have in Keras, from its configuration and from what it is called on.

A weight of another shape would be broadcast, or cut, or multiplied by chance: the number that comes out is none of
Keras'. So every weight of a layer that Keras knows is compared before its rule is applied.

Source: ``build`` of each layer, https://github.com/keras-team/keras/tree/master/keras/src/layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional

from ..network import Shape
from .windows import per_axis

__all__ = ["check_weight_shapes", "weight_shapes"]

Config = Mapping[str, Any]
# By weight's name; a size is None where it is open, and then any size will do.
Shapes = dict[str, tuple[Optional[int], ...]]
ShapesOf = Callable[[Config, list[Shape]], Shapes]

SHAPES: dict[str, ShapesOf] = {}


def weights_of(*class_names: str) -> Callable[[ShapesOf], ShapesOf]:
    def register(function: ShapesOf) -> ShapesOf:
        SHAPES.update(dict.fromkeys(class_names, function))
        return function

    return register


def weight_shapes(class_name: str, config: Config, inputs: list[Shape]) -> Shapes:
    """The shapes of a layer's weights by name; none for classes whose weights Keras does not fix.

    Args:
        class_name: Keras' class.
        config: Keras' configuration.
        inputs: shapes of the tensors that the layer is called on, the batch in front, None where open.
    """
    return SHAPES[class_name](config, inputs) if class_name in SHAPES else {}


def check_weight_shapes(
    class_name: str, config: Config, inputs: list[Shape], found: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """What is wrong with each weight of another shape than the configuration implies."""
    for name, wanted in weight_shapes(class_name, config, inputs).items():
        if name in found and not _fits(found[name], wanted):
            shown = ", ".join("any" if size is None else str(size) for size in wanted)
            yield f"weight {name!r} has the shape {tuple(found[name])}, its configuration and input say ({shown})"


def _fits(found: tuple[int, ...], wanted: tuple[Optional[int], ...]) -> bool:
    return len(found) == len(wanted) and all(want is None or has == want for has, want in zip(found, wanted))


def _times(size: Optional[int], factor: int) -> Optional[int]:
    return None if size is None else size * factor


def _features(config: Config, shape: Shape) -> Optional[int]:
    """The size of the axis that a convolution sums over."""
    return shape[1 if config.get("data_format") == "channels_first" else -1]


def _listed(axis: Any) -> list[int]:
    return sorted(axis) if isinstance(axis, (list, tuple)) else [axis]


@weights_of("Dense")
def dense(config: Config, inputs: list[Shape]) -> Shapes:
    units = config["units"]
    return {"kernel": (inputs[0][-1], units), "bias": (units,)}


@weights_of("Embedding")
def embedding(config: Config, inputs: list[Shape]) -> Shapes:
    return {"embeddings": (config["input_dim"], config["output_dim"])}


@weights_of("ReversibleEmbedding")
def reversible_embedding(config: Config, inputs: list[Shape]) -> Shapes:
    rows, columns = config["input_dim"], config["output_dim"]
    return {"embeddings": (rows, columns), "reverse_embeddings": (columns, rows)}


@weights_of("EinsumDense")
def einsum_dense(config: Config, inputs: list[Shape]) -> Shapes:
    """Sizes of letters: those of the input from its shape, the others from ``output_shape``."""
    equation = config["equation"].replace(" ", "")
    left, _, output = equation.partition("->")
    x, _, kernel = left.partition(",")
    given = config["output_shape"]
    # Without its batch, and without the axes of an ellipsis; a scalar stands for the last axis.
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    sizes_after = listed if output.startswith(".") else [None, *listed]
    sizes = {**dict(zip(output.replace(".", ""), sizes_after)), **_letters(x, inputs[0])}
    bias_axes = config["bias_axes"]
    shapes: Shapes = {"kernel": tuple(sizes.get(letter) for letter in kernel)}
    if bias_axes:
        letters = output.replace(".", "")
        first = min(letters.index(letter) for letter in bias_axes)
        shapes["bias"] = tuple(sizes.get(one) if one in bias_axes else 1 for one in letters[first:])
    return shapes


def _letters(term: str, shape: Shape) -> dict[str, Optional[int]]:
    """The size of each letter; an ellipsis in front or behind stands for the axes that are left."""
    letters = term.replace(".", "")
    if term.startswith("."):
        return dict(zip(reversed(letters), reversed(shape)))
    return dict(zip(letters, shape))


@weights_of("Conv1D", "Conv2D", "Conv3D")
def convolution(config: Config, inputs: list[Shape]) -> Shapes:
    features, filters = _features(config, inputs[0]), config["filters"]
    window = per_axis(config["kernel_size"], len(inputs[0]) - 2)
    each = None if features is None else features // config["groups"]
    return {"kernel": (*window, each, filters), "bias": (filters,)}


@weights_of("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise_convolution(config: Config, inputs: list[Shape]) -> Shapes:
    features, times = _features(config, inputs[0]), config["depth_multiplier"]
    kernel = (*per_axis(config["kernel_size"], len(inputs[0]) - 2), features, times)
    return {"kernel": kernel, "depthwise_kernel": kernel, "bias": (_times(features, times),)}


@weights_of("SeparableConv1D", "SeparableConv2D")
def separable_convolution(config: Config, inputs: list[Shape]) -> Shapes:
    features, times, filters = _features(config, inputs[0]), config["depth_multiplier"], config["filters"]
    window = per_axis(config["kernel_size"], len(inputs[0]) - 2)
    return {
        "depthwise_kernel": (*window, features, times),
        "pointwise_kernel": (*[1] * len(window), _times(features, times), filters),
        "bias": (filters,),
    }


@weights_of("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed_convolution(config: Config, inputs: list[Shape]) -> Shapes:
    window, filters = per_axis(config["kernel_size"], len(inputs[0]) - 2), config["filters"]
    return {"kernel": (*window, filters, _features(config, inputs[0])), "bias": (filters,)}


def _gated(config: Config, features: Optional[int], gates: int) -> Shapes:
    """Kernels whose gates stand side by side."""
    units = config["units"]
    width = gates * units
    return {"kernel": (features, width), "recurrent_kernel": (units, width), "bias": (width,)}


@weights_of("LSTM", "LSTMCell")
def lstm(config: Config, inputs: list[Shape]) -> Shapes:
    return _gated(config, inputs[0][-1], 4)


@weights_of("GRU", "GRUCell")
def gru(config: Config, inputs: list[Shape]) -> Shapes:
    shapes = _gated(config, inputs[0][-1], 3)
    return {**shapes, "bias": (2, *shapes["bias"])} if config["reset_after"] else shapes


@weights_of("SimpleRNN", "SimpleRNNCell")
def simple_rnn(config: Config, inputs: list[Shape]) -> Shapes:
    return _gated(config, inputs[0][-1], 1)


@weights_of("StackedRNNCells")
def stacked_cells(config: Config, inputs: list[Shape]) -> Shapes:
    shapes: Shapes = {}
    for number, cell in enumerate(config["cells"]):
        shapes.update(_held(f"cells/{number}", cell, inputs))
        inputs = [(*inputs[0][:-1], cell["config"]["units"])]
    return shapes


@weights_of("RNN")
def rnn(config: Config, inputs: list[Shape]) -> Shapes:
    return _held("cell", config["cell"], inputs)


@weights_of("Bidirectional")
def bidirectional(config: Config, inputs: list[Shape]) -> Shapes:
    forward = _held("forward_layer", config["layer"], inputs)
    return {**forward, **_held("backward_layer", config["backward_layer"], inputs)}


def _held(prefix: str, described: Mapping[str, Any], inputs: list[Shape]) -> Shapes:
    """The weights of a layer inside another one."""
    shapes = weight_shapes(described["class_name"], described["config"], inputs)
    return {f"{prefix}/{name}": shape for name, shape in shapes.items()}


@weights_of("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def convolutional_lstm(config: Config, inputs: list[Shape]) -> Shapes:
    features = inputs[0][2 if config.get("data_format") == "channels_first" else -1]
    window, filters = per_axis(config["kernel_size"], len(inputs[0]) - 3), config["filters"]
    return {
        "kernel": (*window, features, 4 * filters),
        "recurrent_kernel": (*window, filters, 4 * filters),
        "bias": (4 * filters,),
    }


@weights_of("STFTSpectrogram")
def stft_spectrogram(config: Config, inputs: list[Shape]) -> Shapes:
    """Bins up to the half of ``fft_length``, which is the next power of two where it is not given."""
    length = config["frame_length"]
    bins = (config["fft_length"] or 1 << (length - 1).bit_length()) // 2 + 1
    return dict.fromkeys(("real_kernel", "imag_kernel"), (length, 1, bins))


@weights_of("BatchNormalization")
def batch_normalization(config: Config, inputs: list[Shape]) -> Shapes:
    shape = tuple(inputs[0][axis] for axis in _listed(config["axis"]))
    return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), shape)


@weights_of("Normalization")
def normalization(config: Config, inputs: list[Shape]) -> Shapes:
    axis, rank = config["axis"], len(inputs[0])
    kept = [] if axis is None else sorted(one % rank for one in _listed(axis))
    shape = tuple(inputs[0][axis] for axis in kept)
    return {"mean": shape, "variance": shape, "count": ()}


@weights_of("LayerNormalization", "GroupNormalization", "RMSNormalization")
def normalization_of_rows(config: Config, inputs: list[Shape]) -> Shapes:
    shape = tuple(inputs[0][axis] for axis in _listed(config["axis"]))
    return dict.fromkeys(("gamma", "beta", "scale"), shape)


@weights_of("LayerScale")
def layer_scale(config: Config, inputs: list[Shape]) -> Shapes:
    return {"gamma": (config["projection_dim"],)}


@weights_of("PReLU")
def prelu(config: Config, inputs: list[Shape]) -> Shapes:
    shared = config["shared_axes"] or ()
    return {"alpha": tuple(1 if axis in shared else size for axis, size in enumerate(inputs[0][1:], 1))}


@weights_of("Attention")
def attention(config: Config, inputs: list[Shape]) -> Shapes:
    return {"scale": (), "concat_score_weight": ()}


@weights_of("AdditiveAttention")
def additive_attention(config: Config, inputs: list[Shape]) -> Shapes:
    return {"scale": (inputs[0][-1],)}


@weights_of("MultiHeadAttention")
def multi_head_attention(config: Config, inputs: list[Shape]) -> Shapes:
    heads, key_dim = config["num_heads"], config["key_dim"]
    value_dim, made = config.get("value_dim") or key_dim, config.get("output_shape")
    outputs = [inputs[0][-1]] if not made else [made] if isinstance(made, int) else made
    return _projections(inputs, (heads, key_dim), (heads, key_dim), (heads, value_dim), (heads, value_dim), outputs)


@weights_of("GroupedQueryAttention", "GroupQueryAttention")
def grouped_query_attention(config: Config, inputs: list[Shape]) -> Shapes:
    queries, pairs = ((config[name], config["head_dim"]) for name in ("num_query_heads", "num_key_value_heads"))
    return _projections(inputs, queries, pairs, pairs, queries, [inputs[0][-1]])


def _projections(
    inputs: list[Shape], query: Shape, key: Shape, value: Shape, gate: Shape, outputs: Sequence[Optional[int]]
) -> Shapes:
    """Kernels (features, heads, size of a head) of query, key and value, and back."""
    features, of_value = inputs[0][-1], inputs[1][-1]
    of_key = inputs[2][-1] if len(inputs) > 2 else of_value
    sizes = {"query": (features, query), "key": (of_key, key), "value": (of_value, value), "gate": (features, gate)}
    shapes: Shapes = {"output_dense/kernel": (*gate, *outputs), "output_dense/bias": tuple(outputs)}
    for name, (size, head) in sizes.items():
        shapes[f"{name}_dense/kernel"], shapes[f"{name}_dense/bias"] = (size, *head), tuple(head)
    return shapes
