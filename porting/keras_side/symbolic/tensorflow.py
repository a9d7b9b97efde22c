"""TensorFlow's functions and those of ``keras.backend`` in a layer's code, called on symbolic tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from keras.src import ops as kops
from tensorflow.python.eager.polymorphic_function import polymorphic_function
from tensorflow.python.ops import custom_gradient
from tensorflow.python.util import dispatch, tf_export

from ..tensorflow_functions import FUNCTIONS, UNHEEDED
from ..tracing import Untraceable
from . import sized
from .nodes import OF_TRAINING, tensors_in
from .running import Running
from .tensorflow_composed import COMPOSED, TopK

Function = Callable[..., Any]


def _split(value: Any, num_or_size_splits: Any, axis: int = 0, num: Any = None) -> Any:
    if isinstance(num_or_size_splits, int):
        return kops.split(value, num_or_size_splits, axis)
    return kops.split(value, np.cumsum(num_or_size_splits)[:-1].tolist(), axis)


def _gather(params: Any, indices: Any, axis: Any = None, batch_dims: int = 0) -> Any:
    if batch_dims:
        if axis not in (None, batch_dims) or len(indices.shape) != batch_dims + 1:
            raise Untraceable(f"calls tf.gather with batch_dims={batch_dims}", "use keras.ops.take_along_axis")
        for _ in params.shape[batch_dims + 1 :]:
            indices = kops.expand_dims(indices, -1)
        return kops.take_along_axis(params, indices, axis=batch_dims)
    return kops.take(params, indices, axis or 0)


def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    if not tensors_in(paddings):
        paddings = np.asarray(paddings).tolist()
    if mode.lower() == "constant":
        return kops.pad(tensor, paddings, "constant", constant_values or None)
    return kops.pad(tensor, paddings, mode.lower())


def _dot(x: Any, y: Any) -> Any:
    """`keras.backend.dot`: the last axis of one with the last but one of the other."""
    if len(y.shape) <= 2:
        return kops.matmul(x, y)
    return kops.tensordot(x, y, [[len(x.shape) - 1], [len(y.shape) - 2]])


# TensorFlow's functions whose arguments are not those of one Keras operation, by their canonical names.
OWN: dict[str, Function] = {
    **COMPOSED,
    **dict.fromkeys(("shape", "compat.v1.shape"), lambda input: kops.shape(input)),
    "rank": lambda input: len(input.shape),
    "einsum": lambda equation, inputs, **settings: kops.einsum(equation, *inputs),
    "math.add_n": lambda inputs: sum(inputs[1:], inputs[0]),
    "split": _split,
    **dict.fromkeys(("gather", "compat.v1.gather"), _gather),
    **dict.fromkeys(
        ("nn.embedding_lookup", "compat.v1.nn.embedding_lookup"), lambda params, ids: kops.take(params, ids, 0)
    ),
    **dict.fromkeys(("where", "compat.v1.where"), lambda condition, x=None, y=None: kops.where(condition, x, y)),
    "zeros_like": lambda input, dtype=None: kops.zeros_like(input, dtype=dtype),
    "ones_like": lambda input, dtype=None: kops.ones_like(input, dtype=dtype),
    "compat.v1.zeros_like": lambda tensor, dtype=None: kops.zeros_like(tensor, dtype=dtype),
    "compat.v1.ones_like": lambda tensor, dtype=None: kops.ones_like(tensor, dtype=dtype),
    **dict.fromkeys(("pad", "compat.v1.pad"), _pad),
    "nn.moments": lambda x, axes, keepdims=False: kops.moments(x, axes, keepdims),
    "tensordot": lambda a, b, axes: kops.tensordot(a, b, axes),
    "broadcast_to": lambda input, shape: kops.broadcast_to(input, shape),
    "tile": lambda input, multiples: kops.tile(input, multiples),
    "reverse": lambda tensor, axis: kops.flip(tensor, axis),
    "reshape": lambda tensor, shape: kops.reshape(tensor, shape),
    "identity": lambda input: input,
    "convert_to_tensor": lambda value, **settings: value,
    "stop_gradient": lambda input: kops.stop_gradient(input),
    "math.top_k": lambda input, k=1, sorted=True: TopK(*kops.top_k(input, k, sorted)),
    "slice": lambda input_, begin, size: kops.slice(input_, begin, size),
    "math.segment_sum": lambda data, segment_ids: kops.segment_sum(data, segment_ids),
    "math.unsorted_segment_sum": lambda data, segment_ids, num_segments: kops.segment_sum(
        data, segment_ids, num_segments
    ),
    "math.argmax": lambda input, axis=None, output_type="int64": kops.cast(
        kops.argmax(input, axis or 0), getattr(output_type, "name", output_type)
    ),
    "math.reduce_logsumexp": lambda input_tensor, axis=None, keepdims=False: kops.logsumexp(
        input_tensor, axis, keepdims
    ),
    "math.squared_difference": lambda x, y: kops.square(x - y),
    "norm": lambda tensor, ord="euclidean", axis=None, keepdims=None: kops.norm(
        tensor, None if ord == "euclidean" else ord, axis, bool(keepdims)
    ),
}  # fmt: skip

# Functions of shapes, which TensorFlow computes at once.
OF_SHAPES: dict[str, Function] = {
    "range": lambda start, limit=None, delta=1, dtype=None, name=None: kops.arange(
        *((0, start) if limit is None else (start, limit)), delta, dtype=getattr(dtype, "name", dtype) or "int32"
    ),
    "zeros": lambda shape, dtype="float32", name=None, layout=None: kops.zeros(shape, getattr(dtype, "name", dtype)),
    "ones": lambda shape, dtype="float32", name=None, layout=None: kops.ones(shape, getattr(dtype, "name", dtype)),
    "fill": lambda dims, value, name=None, layout=None: kops.full(dims, value),
    "eye": lambda num_rows, num_columns=None, batch_shape=None, dtype="float32", name=None: kops.eye(
        num_rows, num_columns, dtype=getattr(dtype, "name", dtype)
    ),
}  # fmt: skip


# Functions of `keras.backend` that ask more of a tensor than a symbolic one has.
LEGACY: dict[str, Function] = {
    "batch_flatten": lambda x: kops.reshape(x, (-1, int(np.prod(x.shape[1:])))),
    "dot": _dot,
    "int_shape": kops.shape,
    "mean": kops.mean,
    "repeat": lambda x, n: kops.repeat(kops.expand_dims(x, 1), n, axis=1),
    "repeat_elements": lambda x, rep, axis: kops.repeat(x, rep, axis=axis),
    "shape": kops.shape,
    "std": kops.std,
    "switch": sized.BRANCHES.chosen,
    "var": kops.var,
}

# TensorFlow's functions that are handed functions, and others that it does not dispatch.
HANDED_FUNCTIONS: tuple[tuple[Any, str, Function], ...] = (
    *((tf, name, function) for name, function in sized.BRANCHES.of_tensorflow().items()),
    (tf.nn, "conv1d", COMPOSED["compat.v1.nn.conv1d"]),
    (tf.signal, "rfft", COMPOSED["signal.rfft"]),
)


def _as_python(tracer: Running) -> Function:
    """What ``@tf.function`` makes of a function, as the function itself."""
    plain = polymorphic_function.Function.__call__

    def called(function: Any, *args: Any, **kwargs: Any) -> Any:
        if tracer.active and tensors_in((args, kwargs)):
            return function.python_function(*args, **kwargs)
        return plain(function, *args, **kwargs)

    return called


def _without_gradient(tracer: Running) -> Function:
    """What ``@tf.custom_gradient`` makes of a function, as its first result."""
    plain = custom_gradient._eager_mode_decorator

    def called(function: Any, args: Any, kwargs: Any) -> Any:
        if tracer.active and tensors_in((args, kwargs)):
            tracer.differ_here("has a gradient of its own")
            return function(*args, **kwargs)[0]
        return plain(function, args, kwargs)

    return called


@contextmanager
def dispatched(tracer: Running) -> Iterator[None]:
    """TensorFlow's functions on symbolic tensors as Keras' operations."""
    undo: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    for name, function in OF_SHAPES.items():
        put(tf, name, _with_sizes(tracer, getattr(tf, name), function))
    plain = tf.Tensor.__getitem__

    def item(constant: Any, key: Any, *more: Any) -> Any:
        if tracer.active and tensors_in([key]):
            return sized.item_of_weight(tracer, constant, key)
        return plain(constant, key, *more)

    put(tf.Tensor, "__getitem__", item)
    for module in _legacy_backends():
        for name, function in LEGACY.items():
            put(module, name, _with_sizes(tracer, getattr(module, name), function))
    for owner, name, function in HANDED_FUNCTIONS:
        put(owner, name, _with_sizes(tracer, getattr(owner, name), function))
    put(polymorphic_function.Function, "__call__", _as_python(tracer))
    put(custom_gradient, "_eager_mode_decorator", _without_gradient(tracer))
    catcher = _Dispatcher(tracer)
    dispatch._GLOBAL_DISPATCHERS.append(catcher)
    try:
        yield
    finally:
        dispatch._GLOBAL_DISPATCHERS.remove(catcher)
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)


def _legacy_backends() -> Iterator[Any]:
    """What a user's ``from tensorflow.keras import backend as K`` may be."""
    from keras._tf_keras.keras import backend

    yield backend


def _with_sizes(tracer: Running, plain: Function, function: Function) -> Function:
    def called(*args: Any, **kwargs: Any) -> Any:
        if tracer.active and tensors_in((args, kwargs)):
            return function(*args, **kwargs)
        return plain(*args, **kwargs)

    return called


# Functions that take lists of tensors; others take them for one tensor.
TAKING_LISTS = ("concat", "einsum", "math.add_n", "meshgrid", "stack")


def _packed(value: Any) -> Any:
    listed = type(value) in (list, tuple) and any(len(getattr(one, "shape", ())) for one in value)
    return kops.stack(list(value)) if listed and tensors_in(value) else value


class _Dispatcher(dispatch.GlobalOpDispatcher):  # type: ignore[misc]
    def __init__(self, tracer: Running) -> None:
        self.tracer = tracer

    def handle(self, op: Any, args: Any, kwargs: Any) -> Any:
        if not tensors_in((args, kwargs)):
            return self.NOT_SUPPORTED
        found = tf_export.get_canonical_name_for_symbol(op, add_prefix_to_v1_names=True)
        name = str(found or getattr(op, "__name__", op))
        if name.startswith("random."):
            raise Untraceable(f"draws random numbers (tf.{name})", OF_TRAINING)
        if name not in TAKING_LISTS:
            args, kwargs = tuple(map(_packed, args)), {key: _packed(value) for key, value in kwargs.items()}
        if name in OWN:
            return _own(name, op, args, kwargs)
        if name not in FUNCTIONS and all(map(self.tracer.sizes.made_of_sizes, tensors_in((args, kwargs)))):
            return _of_sizes(self.tracer, op, args, kwargs)
        return _translated(name, op, args, kwargs)


def _own(name: str, op: Any, args: Any, kwargs: Any) -> Any:
    """A function of `OWN`, told by their names what TensorFlow's is called with."""
    given = dict(inspect.signature(op).bind_partial(*args, **kwargs).arguments)
    given.update(given.pop("kwargs", {}))
    told = {key: value for key, value in given.items() if key not in UNHEEDED}
    taken = inspect.signature(OWN[name]).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
        rest = {key: told.pop(key) for key in told.keys() - taken.keys()}
        _refuse_unknown(name, {key: value for key, value in rest.items() if value is not None})
    return OWN[name](**told)


def _refuse_unknown(name: str, settings: dict[str, Any]) -> None:
    if settings:
        raise Untraceable(f"calls tf.{name} with {settings}", "use keras.ops in its place")


def _of_sizes(tracer: Running, function: Function, args: Any, kwargs: Any) -> Any:
    """Any function of sizes, constants and weights: what it makes is computed, whatever it does."""
    found = tracer.noted(function, (), "float32", args, kwargs)
    found._shape, found._dtype = tracer.tables.described(found)
    return found


def _translated(name: str, op: Any, args: Any, kwargs: Any) -> Any:
    """The Keras operation that the exporter's table has for a function."""
    meaning = FUNCTIONS.get(name)
    if meaning is None:
        raise Untraceable(f"calls tf.{name}, for which no Keras operation is known", "use keras.ops in its place")
    signature = inspect.signature(op)
    bound = signature.bind(*args, **kwargs)
    said = {key: value for key, value in bound.arguments.items() if value is not signature.parameters[key].default}
    bound.apply_defaults()
    given = bound.arguments
    chosen = [one for one in meaning.instead if given.get(one) is True]
    meaning = meaning.instead[chosen[0]] if chosen else meaning
    known = {*chosen, *meaning.parameters, "name"}
    _refuse_unknown(
        name, {key: value for key, value in said.items() if key not in known and value not in (None, False, "CONSTANT")}
    )
    plain = {key: value.numpy().tolist() if isinstance(value, tf.Tensor) else value for key, value in given.items()}
    settings = meaning.config(plain)
    kind = vars(kops).get(meaning.class_name) or vars(kops.image)[meaning.class_name]
    tensors = [given[one] for one in (*meaning.tensors, *meaning.named.values())]
    if meaning.class_name == "Einsum":
        return kops.einsum(settings["subscripts"], *tensors)
    return kind(**settings)(*tensors)
