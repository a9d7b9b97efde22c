"""What is put in Keras' place while a layer's code runs on symbolic tensors, and taken away again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src import backend, tree
from keras.src import ops as kops
from keras.src.backend.common import global_state
from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.ops.operation import Operation

from ..open_sizes.formulas import FIX_IT
from ..open_sizes.unrolling import unrolled
from ..tracing import ADDS_A_LOSS, CHANGES, Untraceable, is_library
from . import sized
from .moved import applied_in_front, called_in_front
from .nodes import OF_TRAINING, tensors_in
from .running import Running
from .sizes import shape_for

Put = Callable[[Any, str, Any], None]
# Python's operators of a weight and a tensor, which Keras' variables do not know.
OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "matmul": "matmul", "pow": "power",
    "floordiv": "floor_divide", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
}  # fmt: skip
NAMES = "object_name_uids"
DECIDED_OTHERWISE = "use keras.ops.where, or declare the size in keras.Input"


@contextmanager
def patched(tracer: Running) -> Iterator[None]:
    """Keras as the tracer needs it; whatever is asked of it by Keras' own code stays as it was."""
    undo: list[tuple[Any, str, Any, bool]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        undo.append((owner, name, vars(owner).get(name), name in vars(owner)))
        setattr(owner, name, value)

    numbers = dict(global_state.get_global_attribute(NAMES) or {})
    _put_tensors(put, tracer)
    _put_calls(put, tracer)
    _put_makers(put, tracer)
    _put_variables(put, tracer)
    _put_random(put, tracer)
    _put_loop(put, tracer)
    for kind in (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN):
        _put_recurrent(put, tracer, kind)
    try:
        with _tensorflow(tracer):
            yield
    finally:
        for owner, name, value, had in reversed(undo):
            if had:
                setattr(owner, name, value)
            else:
                delattr(owner, name)
        counters = global_state.get_global_attribute(NAMES)
        if counters is not None:  # layers made later are numbered as if nothing had been traced
            counters.clear()
            counters.update(numbers)


@contextmanager
def _tensorflow(tracer: Running) -> Iterator[None]:
    if backend.backend() != "tensorflow":
        yield
        return
    from .tensorflow import dispatched

    with dispatched(tracer):
        yield


def _put_tensors(put: Put, tracer: Running) -> None:
    getitem, plain_bool = KerasTensor.__getitem__, KerasTensor.__bool__

    def shape(tensor: Any) -> Any:
        return tensor._shape if not tracer.active else shape_for(sys._getframe(1), tensor, tracer.sizes)

    def get_shape(tensor: Any) -> Any:
        return shape_for(sys._getframe(1), tensor, tracer.sizes)

    def item(tensor: Any, key: Any) -> Any:
        return sized.get_item(tracer, tensor, key, getitem) if tracer.active else getitem(tensor, key)

    def equal(tensor: Any, other: Any) -> Any:
        if tensor is other or not tracer.active or is_library(sys._getframe(1)) or other is None:
            return tensor is other
        return kops.equal(tensor, other)

    put(KerasTensor, "shape", property(shape))
    put(KerasTensor, "get_shape", get_shape)

    def decide(tensor: Any) -> Any:
        if tracer.active:
            raise Untraceable("decides by a size or by values of its inputs (`if`, `and`, `or`)", DECIDED_OTHERWISE)
        return plain_bool(tensor)

    put(KerasTensor, "__bool__", decide)
    put(KerasTensor, "__getitem__", item)
    put(KerasTensor, "__eq__", equal)
    put(KerasTensor, "__hash__", lambda tensor: id(tensor))
    put(KerasTensor, "__array_ufunc__", None)  # numpy leaves its operators to the tensor


def _put_calls(put: Put, tracer: Running) -> None:
    symbolic_call, call, add_loss = Operation.symbolic_call, keras.layers.Layer.__call__, keras.layers.Layer.add_loss

    def applied(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if not tracer.active:
            return symbolic_call(operation, *args, **kwargs)
        made = applied_in_front(tracer, operation, args, kwargs)
        special = sized.SPECIAL.get(type(operation).__name__)
        if made is NotImplemented and special is not None:
            made = special(tracer, operation, *args, **kwargs)
        if made is NotImplemented:
            with tracer.resting(), _sizes_named(operation):
                made = symbolic_call(operation, *args, **kwargs)
        tracer.own(operation)
        return made

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not tracer.active:
            return call(layer, *args, **kwargs)
        if not tensors_in((args, kwargs)):
            return tracer.call_on_constants(layer, args, kwargs, call)
        made = called_in_front(layer, args, kwargs, called)
        return tracer.call(layer, args, kwargs, call) if made is NotImplemented else made

    def noted(layer: Any, loss: Any) -> None:
        if tracer.active:
            tracer.differ(layer, ADDS_A_LOSS)
        else:
            add_loss(layer, loss)

    put(Operation, "symbolic_call", applied)
    put(keras.layers.Layer, "__call__", called)
    put(keras.layers.Layer, "add_loss", noted)


@contextmanager
def _sizes_named(operation: Any) -> Iterator[None]:
    """What Keras says of a setting that is an open size, in words."""
    try:
        yield
    except (TypeError, ValueError) as error:
        found = next((key for key, value in vars(operation).items() if tensors_in([value])), None)
        if found is None:
            raise
        what = f"gives {type(operation).__name__} an open size as {found}"
        raise Untraceable(what, FIX_IT) from error


def _put_makers(put: Put, tracer: Running) -> None:
    """Functions that make arrays of given sizes."""
    for name, shape_of in sized.MAKERS.items():
        module = backend.core if name == "slice" else backend.numpy
        plain = getattr(module, name)

        def maker(*args: Any, plain: Any = plain, shape_of: Any = shape_of, **kwargs: Any) -> Any:
            if tracer.active and tensors_in((args, kwargs)):
                return sized.made(tracer, plain, shape_of, args, kwargs)
            return plain(*args, **kwargs)

        put(module, name, maker)
    for name in sized.ARRANGING:
        plain = vars(backend.numpy)[name]

        def arranged(x: Any, *args: Any, plain: Any = plain, **kwargs: Any) -> Any:
            if tracer.active and isinstance(x, keras.Variable):
                return sized.arranged_weight(tracer, plain, x, args, kwargs)
            return plain(x, *args, **kwargs)

        put(backend.numpy, name, arranged)


def _put_variables(put: Put, tracer: Running) -> None:
    kind = keras.Variable
    base = next(one for one in kind.__mro__ if "value" in vars(one))
    value, getitem = vars(base)["value"], base.__getitem__
    to_tensor = backend.convert_to_tensor

    def read(variable: Any) -> Any:
        if tracer.active:
            tracer.computed_with(variable)
        return value.fget(variable)

    def item(variable: Any, key: Any) -> Any:
        if tracer.active:
            return sized.item_of_weight(tracer, variable, key)
        return getitem(variable, key)

    def as_tensor(x: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        if tracer.active and isinstance(x, KerasTensor):
            return x if dtype is None else kops.cast(x, dtype)
        if tracer.active and isinstance(x, kind) and dtype in (None, x.dtype):
            return x
        return to_tensor(x, dtype, *args, **kwargs)

    put(base, "assign", _assigning(tracer, base.assign))
    put(base, "value", property(read))
    put(base, "__getitem__", item)
    for owner in (backend, backend.core):
        put(owner, "convert_to_tensor", as_tensor)
    for operator, name in OPERATORS.items():
        for side in (operator, f"r{operator}"):
            plain = getattr(base, f"__{side}__", None)
            if plain is not None:
                put(base, f"__{side}__", _operator(tracer, plain, getattr(kops, name), side.startswith("r")))


def _assigning(tracer: Running, plain: Any) -> Any:
    """What code changes at inference is changed, as whenever the model runs; what it would in training alone is not.

    Either is noted, since a port changes nothing.
    """

    def assigned(variable: Any, *given: Any, **settings: Any) -> Any:
        if not tracer.active:
            return plain(variable, *given, **settings)
        if tensors_in((given, settings)):
            raise Untraceable("changes a weight by its inputs (assign)", "change weights in training only")
        tracer.differ_here(CHANGES)
        return variable if tracer.is_training else plain(variable, *given, **settings)

    return assigned


def _operator(tracer: Running, plain: Any, function: Any, swapped: bool) -> Any:
    def operator(variable: Any, other: Any) -> Any:
        if isinstance(other, KerasTensor):
            return function(other, variable) if swapped else function(variable, other)
        return plain(variable, other)

    return operator


def _put_loop(put: Put, tracer: Running) -> None:
    plain = backend.rnn

    def rnn(step_function: Any, inputs: Any, initial_states: Any, **settings: Any) -> Any:
        if not tracer.active:
            return plain(step_function, inputs, initial_states, **settings)
        return unrolled(tracer, step_function, inputs, initial_states, settings, kops, tree)

    put(backend, "rnn", rnn)


def _put_recurrent(put: Put, tracer: Running, kind: Any) -> None:
    """What a class derived from Keras' own asks of its parent's call stands in the graph as Keras' own layer."""
    plain = kind.call

    def called(layer: Any, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False) -> Any:
        if not tracer.active:
            return plain(layer, sequences, initial_state=initial_state, mask=mask, training=training)
        parent = kind.from_config(kind.get_config(layer))
        parent.cell = layer.cell
        parent.built = True
        given = {} if mask is None or mask is backend.get_keras_mask(sequences) else {"mask": mask}
        return tracer.put_in(parent, sequences, initial_state=initial_state, **given)

    put(kind, "call", called)


def _put_random(put: Put, tracer: Running) -> None:
    for name in ("beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "shuffle") + (
        "truncated_normal",
        "uniform",
    ):
        plain = getattr(backend.random, name)

        def drawn(*args: Any, plain: Any = plain, name: str = name, **kwargs: Any) -> Any:
            if tracer.active:
                raise Untraceable(f"draws random numbers (keras.random.{name})", OF_TRAINING)
            return plain(*args, **kwargs)

        put(backend.random, name, drawn)
