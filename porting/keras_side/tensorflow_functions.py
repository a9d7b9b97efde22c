"""TensorFlow functions in a Keras 2 graph as the Keras 3 operations of the same meaning.

``x * 2``, ``tf.reduce_mean(x, axis=1)`` and ``x[:, 0]`` stand in a Keras 2 graph as layers that call a TensorFlow
function; Keras 3 has operations for them. Those listed here are saved under Keras 3's names.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..layers.operation_kinds import snake


@dataclass(frozen=True)
class _Meaning:
    """What a TensorFlow function is called in Keras 3.

    Attributes:
        class_name: the operation.
        tensors: the function's parameters that are tensors.
        settings: the function's other parameters, by the operation's config keys, with TensorFlow's defaults.
        instead: by a parameter that has another value than TensorFlow's default, what the function then means.
        written: by config key, how its value stands there.
        named: the function's further tensors, by the operation's names for them.
    """

    class_name: str
    tensors: tuple[str, ...] = ("x",)
    settings: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    instead: Mapping[str, _Meaning] = field(default_factory=dict)
    written: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> set[str]:
        """The function's parameters that are understood."""
        return {*self.tensors, *self.named.values(), *(parameter for parameter, _ in self.settings.values())}

    def config(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The operation's config, as the function's arguments say it."""
        made = {}
        for key, (name, default) in self.settings.items():
            value = arguments.get(name)
            value = default if value is None else value
            value = self.written[key](value) if key in self.written else value
            made[key] = getattr(value, "name", value)
        return made


def _ends(sizes: Any) -> Any:
    """Where parts of these sizes end, but for the last; a number of equal parts as it is."""
    return np.cumsum(sizes)[:-1].tolist() if isinstance(sizes, (list, tuple)) else sizes


def _of_places(sizes: Any) -> Any:
    """Of a number for each axis of a picture, those of height and width."""
    return list(sizes[1:3])


def _order_of_axes(letters: str) -> str:
    return "channels_last" if letters in ("NHWC", "NWC", "NDHWC") else "channels_first"


def _of_window(sizes: Any) -> Any:
    """A window's size or steps: one number, one for each axis, or one for the batch and the features too."""
    return list(sizes[1:-1]) if isinstance(sizes, (list, tuple)) and len(sizes) > 2 else sizes


EINSUM = "einsum"
# What TensorFlow's functions are told and that changes no number here.
UNHEEDED = {
    *("name", "validate_indices", "use_cudnn_on_gpu", "layout", "optimize", "shift", "conjugate"),
    *("index_type", "out_type", "partition_strategy"),
}
_PAIR = ("x", "y")
OF_TWO = (
    *("Add", "Subtract", "Multiply", "Divide", "DivideNoNan", "Maximum", "Minimum", "Equal", "NotEqual", "Greater"),
    *("GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "LogicalXor"),
)
OF_ONE = (
    *("Negative", "Exp", "Expm1", "Log", "Log1p", "Sqrt", "Rsqrt", "Square", "Reciprocal", "Tanh", "Sigmoid"),
    *("LogSigmoid", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Floor", "Ceil", "Round", "Sign", "Erf", "Erfc", "Erfinv"),
    "LogicalNot",
)
REDUCTIONS = {
    **{name.lower(): name for name in ("Mean", "Sum", "Max", "Min", "Std", "Any", "All", "Logsumexp")},
    "variance": "Var",
}
# In place of a parameter's name: what the function cannot be told.
_FIXED = ""
_REDUCED = {"axis": ("axis", None), "keepdims": ("keepdims", False)}
_PLACE = {"axis": ("axis", 0), "keepdims": (_FIXED, False), "dtype": ("output_type", "int64")}
_CHANNELS_LAST = {"data_format": (_FIXED, "channels_last")}
_WINDOW = {
    "pool_size": ("ksize", None),
    "strides": ("strides", None),
    "padding": ("padding", "VALID"),
    "data_format": ("data_format", "NHWC"),
}
_WRITTEN_WINDOW = {"pool_size": _of_window, "strides": _of_window, "padding": str.lower, "data_format": _order_of_axes}


def _product(subscripts: str, **instead: _Meaning) -> _Meaning:
    return _Meaning("Einsum", ("a", "b"), {"subscripts": (_FIXED, subscripts)}, instead)


_TRANSPOSED = {
    "transpose_a": _product("...ji,...jk->...ik", transpose_b=_product("...ji,...kj->...ik")),
    "transpose_b": _product("...ij,...kj->...ik"),
}
_PADDED = {"pad_width": ("paddings", None), "mode": ("mode", "constant")}
_CONSTANT = {"constant_values": "constant_values"}


def _convolution(*tensors: str, strides: str = "strides", **instead: _Meaning) -> _Meaning:
    return _Meaning(
        "Conv",
        tensors,
        {
            "strides": (strides, 1),
            "padding": ("padding", "VALID"),
            "data_format": ("data_format", "NHWC"),
            "dilation_rate": ("dilations", 1),
        },
        instead,
        written={
            **dict.fromkeys(("strides", "dilation_rate"), _of_window),
            "padding": str.lower,
            "data_format": _order_of_axes,
        },
    )


FUNCTIONS = {
    "__operators__.add": _Meaning("Add", _PAIR),
    **{f"math.{snake(name)}": _Meaning(name, _PAIR) for name in OF_TWO},
    **{f"math.{snake(name)}": _Meaning(name) for name in OF_ONE},
    "math.truediv": _Meaning("Divide", _PAIR),
    "math.pow": _Meaning("Power", _PAIR),
    "math.abs": _Meaning("Absolute"),
    "nn.relu": _Meaning("Relu", ("features",)),
    "nn.softmax": _Meaning("Softmax", ("logits",), {"axis": ("axis", -1)}),
    **{f"math.reduce_{what}": _Meaning(name, ("input_tensor",), _REDUCED) for what, name in REDUCTIONS.items()},
    "linalg.matmul": _Meaning("Matmul", ("a", "b"), instead=_TRANSPOSED),
    "concat": _Meaning("Concatenate", ("values",), {"axis": ("axis", None)}),
    "stack": _Meaning("Stack", ("values",), {"axis": ("axis", 0)}),
    "expand_dims": _Meaning("ExpandDims", ("input",), {"axis": ("axis", None)}),
    "squeeze": _Meaning("Squeeze", ("input",), {"axis": ("axis", None)}),
    "transpose": _Meaning("Transpose", ("a",), {"axes": ("perm", None)}),
    "reshape": _Meaning("Reshape", ("tensor",), {"newshape": ("shape", None)}),
    "cast": _Meaning("Cast", ("x",), {"dtype": ("dtype", None)}),
    "identity": _Meaning("Identity", ("input",)),
    **{f"nn.{name.lower()}": _Meaning(name, ("features",)) for name in ("Relu6", "Selu", "Softsign")},
    "nn.elu": _Meaning("Elu", ("features",), {"alpha": (_FIXED, 1.0)}),
    "math.softplus": _Meaning("Softplus", ("features",)),
    "nn.silu": _Meaning("Silu", ("features",)),
    "nn.gelu": _Meaning("Gelu", ("features",), {"approximate": ("approximate", False)}),
    "nn.leaky_relu": _Meaning("LeakyRelu", ("features",), {"negative_slope": ("alpha", 0.2)}),
    "nn.bias_add": _Meaning("Add", ("value", "bias")),
    **dict.fromkeys(("nn.conv2d", "nn.convolution"), _convolution("input", "filters")),
    "nn.conv1d": _convolution("input", "filters", strides="stride"),
    "compat.v1.nn.conv1d": _convolution(
        "value", "filters", strides="stride", input=_convolution("input", "filters", strides="stride")
    ),
    "compat.v1.nn.conv2d": _convolution("input", "filter", filters=_convolution("input", "filters")),
    **{name: _Meaning("FloorDivide", _PAIR) for name in ("math.floordiv", "compat.v1.floor_div")},
    "math.floormod": _Meaning("Mod", _PAIR),
    "math.cumsum": _Meaning("Cumsum", ("x",), {"axis": ("axis", 0)}),
    # TensorFlow's epsilon, 1e-12, is for the squares.
    "math.l2_normalize": _Meaning(
        "Normalize", ("x",), {"axis": ("axis", None), "order": (_FIXED, 2), "epsilon": (_FIXED, 1e-6)}
    ),
    "clip_by_value": _Meaning("Clip", ("t",), {"x_min": ("clip_value_min", None), "x_max": ("clip_value_max", None)}),
    "tile": _Meaning("Tile", ("input",), {"repeats": ("multiples", None)}),
    "one_hot": _Meaning(
        "OneHot", ("indices",), {"num_classes": ("depth", None), "axis": ("axis", -1), "dtype": ("dtype", None)}
    ),
    "compat.v1.transpose": _Meaning("Transpose", ("a",), {"axes": ("perm", None)}),
    "compat.v1.squeeze": _Meaning("Squeeze", ("input",), {"axis": ("axis", None)}),
    "compat.v1.gather": _Meaning("Take", ("params", "indices"), {"axis": ("axis", 0)}),
    "compat.v1.pad": _Meaning(
        "Pad",
        ("tensor",),
        _PADDED,
        {"constant_values": _Meaning("Pad", ("tensor",), _PADDED, written={"mode": str.lower}, named=_CONSTANT)},
        {"mode": str.lower},
    ),
    **{
        f"keras.backend.{name}": _Meaning(
            "".join(map(str.capitalize, name.split("_"))),
            ("target", "output"),
            {"from_logits": ("from_logits", False), "axis": ("axis", -1)},
        )
        for name in ("categorical_crossentropy", "sparse_categorical_crossentropy")
    },
    # Of probabilities Keras 2 computes it otherwise than Keras 3.
    "keras.backend.binary_crossentropy": _Meaning(
        "",
        (_FIXED,),
        instead={"from_logits": _Meaning("BinaryCrossentropy", ("target", "output"), {"from_logits": (_FIXED, True)})},
    ),
    "image.resize": _Meaning(
        "Resize",
        ("images",),
        {
            "size": ("size", None),
            "interpolation": ("method", "bilinear"),
            "antialias": ("antialias", False),
            "data_format": (_FIXED, "channels_last"),
        },
    ),
    EINSUM: _Meaning("Einsum"),  # see the class of that name
    "reverse": _Meaning("Flip", ("tensor",), {"axis": ("axis", None)}),
    "roll": _Meaning("Roll", ("input",), {"shift": ("shift", None), "axis": ("axis", None)}),
    "repeat": _Meaning("Repeat", ("input",), {"repeats": ("repeats", None), "axis": ("axis", None)}),
    "split": _Meaning(
        "Split",
        ("value",),
        {"indices_or_sections": ("num_or_size_splits", None), "axis": ("axis", 0)},
        written={"indices_or_sections": _ends},
    ),
    "unstack": _Meaning("Unstack", ("value",), {"num": ("num", None), "axis": ("axis", 0)}),
    "zeros_like": _Meaning("ZerosLike", ("input",)),
    "ones_like": _Meaning("OnesLike", ("input",)),
    "tensordot": _Meaning("Tensordot", ("a", "b"), {"axes": ("axes", None)}),
    "math.top_k": _Meaning("TopK", ("input",), {"k": ("k", 1), "sorted": ("sorted", True)}),
    "compat.v1.norm": _Meaning(
        "Norm",
        ("tensor",),
        {"ord": ("ord", "euclidean"), **_REDUCED},
        written={"ord": lambda order: None if order == "euclidean" else order, "keepdims": bool},
    ),
    "math.reduce_prod": _Meaning("Prod", ("input_tensor",), {**_REDUCED, "dtype": (_FIXED, None)}),
    "math.atan2": _Meaning("Arctan2", ("y", "x")),
    **{f"math.{short}": _Meaning(f"Arc{short[1:]}") for short in ("asin", "acos", "atan", "asinh", "acosh", "atanh")},
    **{f"math.is_{kind}": _Meaning(f"Is{kind}") for kind in ("nan", "inf", "finite")},
    "nn.log_softmax": _Meaning("LogSoftmax", ("logits",), {"axis": ("axis", -1)}),
    "image.extract_patches": _Meaning(
        "ExtractPatches",
        ("images",),
        {
            "size": ("sizes", None),
            "strides": ("strides", None),
            "dilation_rate": ("rates", None),
            "padding": ("padding", None),
            "data_format": (_FIXED, "channels_last"),
        },
        written={**dict.fromkeys(("size", "strides", "dilation_rate"), _of_places), "padding": str.lower},
    ),
    **{
        f"nn.{name}": _Meaning(
            "".join(map(str.capitalize, name.split("_"))),
            ("input",),
            {"block_size": ("block_size", None), "data_format": ("data_format", "NHWC")},
            written={"data_format": _order_of_axes},
        )
        for name in ("depth_to_space", "space_to_depth")
    },
    "math.cumprod": _Meaning("Cumprod", ("x",), {"axis": ("axis", 0)}),
    "math.argmax": _Meaning("Argmax", ("input",), _PLACE),
    "math.argmin": _Meaning("Argmin", ("input",), _PLACE),
    "math.reduce_euclidean_norm": _Meaning("Norm", ("input_tensor",), {**_REDUCED, "ord": (_FIXED, None)}),
    "math.rint": _Meaning("Round", settings={"decimals": (_FIXED, 0)}),
    "sort": _Meaning("Sort", ("values",), {"axis": ("axis", -1)}),
    "argsort": _Meaning("Argsort", ("values",), {"axis": ("axis", -1)}),
    "slice": _Meaning("Slice", ("input_", "begin"), {"shape": ("size", None)}),
    "where": _Meaning("Where", ("condition",), named={"x1": "x", "x2": "y"}),
    "stop_gradient": _Meaning("StopGradient", ("input",)),
    "linalg.inv": _Meaning("Inv", ("input",)),
    "linalg.det": _Meaning("Det", ("input",)),
    "linalg.trace": _Meaning("Trace", settings={"offset": (_FIXED, 0), "axis1": (_FIXED, -2), "axis2": (_FIXED, -1)}),
    **{
        f"nn.{name}_pool{rank}d": _Meaning(class_name, ("input",), _WINDOW, written=_WRITTEN_WINDOW)
        for name, class_name in {"max": "MaxPool", "avg": "AveragePool"}.items()
        for rank in (1, 2)
    },
    "image.flip_left_right": _Meaning("Flip", ("image",), {"axis": (_FIXED, -2)}),
    "image.flip_up_down": _Meaning("Flip", ("image",), {"axis": (_FIXED, -3)}),
    "image.rgb_to_grayscale": _Meaning("RGBToGrayscale", ("images",), _CHANNELS_LAST),
    "image.rgb_to_hsv": _Meaning("RGBToHSV", ("images",), _CHANNELS_LAST),
    "image.hsv_to_rgb": _Meaning("HSVToRGB", ("images",), _CHANNELS_LAST),
    "__operators__.getitem": _Meaning("GetItem", ("tensor", "slice_spec")),
}


class TensorFlowFunction:
    """A TensorFlow function applied in a graph, in the shape of a Keras 3 operation.

    Attributes:
        name: the name of the layer that calls it.
        class_name: the Keras 3 operation.
        config: that operation's config.
        tensors: its arguments, symbolic tensors and constants.
        named: those that it is given by name.
    """

    def __init__(self, layer: Any, meaning: _Meaning, arguments: dict[str, Any]) -> None:
        self.name = layer.name
        self.class_name = meaning.class_name
        self._layer = layer
        self._meaning = meaning
        self.tensors = tuple(_tensor(arguments.pop(name), name) for name in meaning.tensors)
        self.named = _named(meaning, arguments)
        self._rest = {name: value for name, value in arguments.items() if name not in meaning.named.values()}
        self.config = {"name": layer.name, **meaning.config(arguments)}

    def call(self, *tensors: Any, **named: Any) -> Any:
        by_name = {self._meaning.named[key]: value for key, value in named.items()}
        return self._layer(**dict(zip(self._meaning.tensors, tensors)), **by_name, **self._rest)

    __call__ = call


class Shaped(TensorFlowFunction):
    """tf.reshape by sizes that ``tf.shape`` told: of every row by itself, see `porting.layers.unfolded`."""

    def __init__(self, layer: Any, x: Any, target: Sequence[int]) -> None:
        self.name = layer.name
        self.class_name = "porting>Shaped"
        self.tensors = (x,)
        self.named = {}
        self.config = {"name": layer.name, "target": list(target)}
        self._layer = layer

    def call(self, *tensors: Any, **named: Any) -> Any:
        (x,) = tensors
        return self._layer(x, (len(x), *self.config["target"]))

    __call__ = call


class Einsum(TensorFlowFunction):
    """tf.einsum, whose tensors have no names."""

    def __init__(self, name: str, function: Callable[..., Any], equation: str, operands: Sequence[Any] = ()) -> None:
        self.name = name
        self.class_name = "Einsum"
        self.tensors = tuple(operands)
        self.named = {}
        self.config = {"name": name, "subscripts": equation}
        self._layer = function

    def call(self, *tensors: Any, **named: Any) -> Any:
        return self._layer(self.config["subscripts"], *tensors)

    __call__ = call


def translate(
    layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], is_eager: Callable[[Any], bool]
) -> TensorFlowFunction | None:
    """The operation that a function layer applies; None where Keras 3 has none of that name here.

    Args:
        layer: Keras 2's layer around the function.
        args, kwargs: what it is called on.
        is_eager: whether a value is a tensor that holds numbers.
    """
    name = str(layer.get_config().get("function"))
    if name == EINSUM:
        return Einsum(layer.name, layer, args[0], args[1:])
    parameters = inspect.signature(layer.call).parameters
    arguments = {**dict(zip(parameters, args)), **kwargs}
    if name == "__operators__.getitem":
        names = list(arguments)
        arguments = {"tensor": arguments[names[0]], "slice_spec": arguments[names[1]]}
    sizes = arguments.get("shape") if name == "reshape" else None
    if _is_symbolic(sizes) or (isinstance(sizes, (list, tuple)) and any(map(_is_symbolic, sizes))):
        target = _of_each_row(sizes, arguments["tensor"].shape[1:])
        return None if target is None else Shaped(layer, arguments["tensor"], target)
    meaning = _meaning(name, arguments)
    if meaning is None:
        return None
    for parameter, _ in meaning.settings.values():
        if is_eager(arguments.get(parameter)):
            arguments[parameter] = np.asarray(arguments[parameter]).tolist()
    return TensorFlowFunction(layer, meaning, arguments)


def _is_symbolic(value: Any) -> bool:
    return hasattr(value, "_keras_history")


def _of_each_row(sizes: Any, given: Sequence[Any]) -> list[int] | None:
    """The sizes behind the batch, one of them the rest; None where that is not all that they say.

    Args:
        sizes: of all axes.
        given: those of the tensor behind its first axis, which may hold other rows than the batch's.
    """
    if _is_symbolic(sizes) or not len(sizes):
        return None
    found = [_size(one) for one in sizes]
    if found[0] not in ("batch", -1) or "batch" in found[1:]:
        return None
    target = [-1 if one is None else int(one) for one in found[1:]]
    if None not in given and (None in found[1:] or (-1 not in target and math.prod(target) != math.prod(given))):
        return None
    return target if target.count(-1) <= (found[0] == "batch") else None


def _size(value: Any) -> Any:
    """A size as a number, "batch", or None for one that is open; -1 as it is."""
    if not _is_symbolic(value):
        return value
    read = size_read(value)
    if read is None:
        return None
    tensor, axis = read
    size = tensor.shape[axis]
    return "batch" if size is None and axis % len(tensor.shape) == 0 else size


def size_read(value: Any) -> tuple[Any, int] | None:
    """The tensor and its axis whose size a symbolic number is, ``tf.shape(x)[1]``; None of another."""
    layer, node_index, tensor_index = value._keras_history
    node, name = layer._inbound_nodes[node_index], str(layer.get_config().get("function"))
    given = list(node.call_args) + list(node.call_kwargs.values())
    axis = {"__operators__.getitem": given[1] if len(given) > 1 else None, "unstack": tensor_index}.get(name)
    made_by = getattr(given[0], "_keras_history", None) if given else None
    if not isinstance(axis, int) or made_by is None or "shape" not in str(made_by[0].get_config().get("function")):
        return None
    tensor = made_by[0]._inbound_nodes[made_by[1]].call_args[0]
    return tensor, axis % len(tensor.shape)


class Understood(NamedTuple):
    """A TensorFlow function's Keras 3 operation: its class, its tensors, those given by name, and its config."""

    class_name: str
    tensors: tuple[Any, ...]
    named: dict[str, Any]
    config: dict[str, Any]


def understand(name: str, arguments: Mapping[str, Any]) -> Understood | None:
    """What a TensorFlow function means with these arguments; None where no operation is known here."""
    if name == EINSUM:
        return Understood("Einsum", tuple(arguments["inputs"]), {}, {"subscripts": arguments["equation"]})
    meaning = _meaning(name, arguments)
    if meaning is None:
        return None
    tensors = tuple(_tensor(arguments[parameter], parameter) for parameter in meaning.tensors)
    return Understood(meaning.class_name, tensors, _named(meaning, arguments), meaning.config(arguments))


def _named(meaning: _Meaning, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _tensor(arguments[name], name) for key, name in meaning.named.items() if name in arguments}


def _meaning(name: str, arguments: Mapping[str, Any]) -> _Meaning | None:
    """What a function means with these arguments; None where one of them is not understood."""
    meaning = FUNCTIONS.get(name)
    if meaning is None:
        return None
    known = set(meaning.parameters)
    while chosen := [parameter for parameter in meaning.instead if not _is_default(arguments.get(parameter))]:
        meaning = meaning.instead[chosen[0]]
        known = {*known, chosen[0], *meaning.parameters}
    if not set(meaning.tensors) <= set(arguments):
        return None
    rest = {parameter: value for parameter, value in arguments.items() if parameter not in (known | UNHEEDED)}
    if any(not _is_default(value) for value in rest.values()):
        return None
    return meaning


def _is_default(value: Any) -> bool:
    return value is None or (
        isinstance(value, (bool, int, float, str)) and value in (0, "CONSTANT", "ASCENDING", "NHWC", "NWC")
    )


def _tensor(value: Any, name: str) -> Any:
    """A constant that a file turned into lists as an array again, and a subscript as slices."""
    if name == "slice_spec":
        return _subscript(value)
    if name != "values" and isinstance(value, (list, tuple)):
        array = np.asarray(value)
        return array.astype(np.float32) if array.dtype == np.float64 else array
    return value


def _subscript(value: Any) -> Any:
    if isinstance(value, Mapping):
        return slice(value.get("start"), value.get("stop"), value.get("step"))
    if isinstance(value, (list, tuple)):
        return tuple(_subscript(part) for part in value)
    return value
