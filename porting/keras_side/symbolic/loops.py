"""Keras' loops over time around a user's code: TimeDistributed of a layer, RNN of a cell."""

from __future__ import annotations

from typing import Any, Optional

import keras
from keras import ops
from keras.src import tree

from ..tracing import Untraceable
from .layers import RowsAsSteps, StepsAsRows
from .nodes import is_symbolic
from .running import Running


def time_distributed(
    tracer: Running, layer: Any, inputs: Any, training: Optional[bool] = None, mask: Any = None
) -> Any:
    """What ``TimeDistributed.call`` returns: its layer applied to every step as to a row of its own."""
    held = layer.layer
    if mask is not None and held._call_has_mask_arg:
        raise Untraceable(f"hands its mask on to every step of {type(held).__name__}", "unmask its input")
    if any(isinstance(one, keras.layers.BatchNormalization) for one in held._flatten_layers()):
        tracer.differ(layer, "a BatchNormalization in it goes by the statistics of every step")
    rows = tracer.put_in(StepsAsRows(), inputs)
    settings = {"training": training} if held._call_has_training_arg else {}
    made = held(rows, **settings)
    if not is_symbolic(made):
        raise Untraceable(f"its {type(held).__name__} returns several tensors", "give it one output")
    return tracer.put_in(RowsAsSteps(), made, inputs)


def unrolled(tracer: Running, step: Any, inputs: Any, initial_states: Any, settings: dict[str, Any]) -> Any:
    """What ``keras.backend.rnn`` returns, one step after the other: the last output, all outputs, the last states."""
    mask, backwards = settings.get("mask"), settings.get("go_backwards", False)
    if not is_symbolic(inputs) or settings.get("constants") or settings.get("time_major"):
        raise Untraceable("runs a cell over several tensors, with constants, or with time in front")
    if inputs._shape[1] is None:
        raise Untraceable("runs a cell of its own over an open time", "declare the length in keras.Input")
    if mask is not None and settings.get("unroll"):
        raise Untraceable("unrolls masked steps, whose outputs are others than without", "build it with unroll=False")
    states = [_of_the_data(tracer, state, inputs) for state in tree.flatten(initial_states)]
    outputs: list[Any] = []
    for at in range(inputs._shape[1]) if not backwards else reversed(range(inputs._shape[1])):
        output, new = step(inputs[:, at], tree.pack_sequence_as(initial_states, states))
        new = tree.flatten(new)
        if mask is not None:
            before = outputs[-1] if outputs and not settings.get("zero_output_for_mask") else ops.zeros_like(output)
            output = _where(mask[:, at], output, before)
            new = [_where(mask[:, at], one, other) for one, other in zip(new, states)]
        outputs.append(output)
        states = new
    return outputs[-1], ops.stack(outputs, axis=1), tree.pack_sequence_as(initial_states, states)


def _of_the_data(tracer: Running, state: Any, inputs: Any) -> Any:
    """A state made of the batch's size alone, such as zeros, as a tensor of the data.

    What the first step computes with it and with weights would else be numbers of the time when the network was saved.
    """
    if not is_symbolic(state) or not tracer.sizes.made_of_sizes(state) or len(inputs._shape) != 3:
        return state
    first = ops.cast(inputs[:, 0, :1], state.dtype)
    return ops.add(state, ops.zeros_like(first)) if len(state._shape) == 2 else state


def _where(mask: Any, one: Any, other: Any) -> Any:
    for _ in range(len(one._shape) - len(mask._shape)):
        mask = ops.expand_dims(mask, -1)
    return ops.where(mask, one, other)
