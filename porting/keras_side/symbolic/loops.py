"""TimeDistributed around a user's code."""

from __future__ import annotations

from typing import Any, Optional

import keras

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
