"""What each Keras layer means: one rule a layer, a file a family. Importing this registers them all."""

from . import activations, core, merging, recurrent, shaping
from .apply import apply_call, find_rule
from .rule import RULES, LayerView, Refusal, Rule, rule

__all__ = [
    "RULES",
    "LayerView",
    "Refusal",
    "Rule",
    "activations",
    "apply_call",
    "core",
    "find_rule",
    "merging",
    "recurrent",
    "rule",
    "shaping",
]
