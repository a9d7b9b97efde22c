"""What each Keras layer means: one rule a layer, a file a family. Importing this registers them all."""

from . import (
    activation_layers,
    activations,
    applications,
    attention,
    categories,
    convolution,
    convolution_recurrent,
    core,
    merging,
    normalization,
    operation_arrays,
    operation_composed,
    operation_images,
    operation_layers,
    operation_shapes,
    operation_windows,
    pooling,
    products,
    recurrent,
    resizing,
    scaling,
    shaping,
    wrappers,
)
from .apply import apply_call, context_of, find_rule
from .rule import RULES, Context, LayerView, Refusal, Rule, rule

__all__ = [
    "RULES",
    "Context",
    "LayerView",
    "Refusal",
    "Rule",
    "activations",
    "apply_call",
    "context_of",
    "core",
    "find_rule",
    "merging",
    "recurrent",
    "rule",
    "shaping",
]
