"""The shapes that a layer's weights have in Keras, compared before its rule is applied.

A weight of another shape would be broadcast, or cut, or multiplied by chance: the number that comes out is none of
Keras'. The shapes follow from a layer's configuration and what it is called on; its rule says how (`Rule.weights`).

Source: ``build`` of each layer, https://github.com/keras-team/keras/tree/master/keras/src/layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from ..network import Shape
from .rule import RULES, Config, Rule, WeightShapes


def check_weight_shapes(
    rule: Rule, config: Config, inputs: list[Shape], found: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """What is wrong with each weight of another shape than the configuration implies."""
    for name, wanted in ({} if rule.weights is None else rule.weights(config, inputs)).items():
        if name in found and not _fits(found[name], wanted):
            shown = ", ".join("any" if size is None else str(size) for size in wanted)
            yield f"weight {name!r} has the shape {tuple(found[name])}, its configuration and input say ({shown})"


def _fits(found: tuple[int, ...], wanted: tuple[Optional[int], ...]) -> bool:
    return len(found) == len(wanted) and all(want is None or has == want for has, want in zip(found, wanted))


def times(size: Optional[int], factor: int) -> Optional[int]:
    return None if size is None else size * factor


def features_of(config: Config, shape: Shape, in_front: int = 1) -> Optional[int]:
    """The size of the axis that a convolution sums over; `in_front` axes are no axes of an image."""
    return shape[in_front if config.get("data_format") == "channels_first" else -1]


def listed(axis: Any) -> list[int]:
    return sorted(axis) if isinstance(axis, (list, tuple)) else [axis]


def held_weights(prefix: str, described: Mapping[str, Any], inputs: list[Shape]) -> WeightShapes:
    """The weights of a layer inside another one, under their names there."""
    found = RULES.get(described["class_name"])
    shapes = found.weights(described["config"], inputs) if found is not None and found.weights is not None else {}
    return {f"{prefix}/{name}": shape for name, shape in shapes.items()}
