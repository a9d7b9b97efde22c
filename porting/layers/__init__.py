"""What each Keras layer means: one rule a layer, a file a family. Importing this registers them all."""

from . import activations, convolution, core, merging, normalization, pooling, recurrent, resizing, shaping, wrappers
from .apply import apply_call, find_rule
from .rule import RULES, LayerView, Refusal, Rule, rule

__all__ = [
    "RULES",
    "LayerView",
    "Refusal",
    "Rule",
    "activations",
    "apply_call",
    "convolution",
    "core",
    "find_rule",
    "merging",
    "normalization",
    "pooling",
    "recurrent",
    "resizing",
    "rule",
    "shaping",
    "wrappers",
]
