"""What learns in a network and what does not, its penalties, and what training cannot do as Keras does it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any, Optional, TypeVar

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..layers import RULES, Rule
from ..network import Array, Layer, Network, TensorRef
from .constraints import Constraint, constraint_of

Setting = TypeVar("Setting")
# What BatchNormalization keeps of the batches that it has seen.
MOVING = ("moving_mean", "moving_variance")
# Weights that no class of Keras' trains; what only some do not, their rules say.
UNTRAINED = frozenset({"seed_generator_state", *MOVING})
RANDOM_SETTINGS = ("rate", "stddev", "dropout", "recurrent_dropout", "drop_path_rate")
KERAS_NAMES = {"recurrent_kernel": "recurrent", "depthwise_kernel": "depthwise", "pointwise_kernel": "pointwise"}


@dataclass(frozen=True)
class Penalty:
    """What a Keras regularizer adds to the loss for one weight: l1 · Σ|w| + l2 · Σw²."""

    l1: float = 0.0
    l2: float = 0.0

    def value(self, weight: Array) -> float:
        total = np.float32(0)
        if self.l1:
            total += np.float32(self.l1) * np.abs(weight).sum(dtype=np.float32)
        if self.l2:
            total += np.float32(self.l2) * np.square(weight).sum(dtype=np.float32)
        return float(total)

    def gradient(self, weight: Array) -> Array:
        made = np.zeros_like(weight)
        if self.l1:
            made += np.float32(self.l1) * np.sign(weight)
        if self.l2:
            made += np.float32(2 * self.l2) * weight
        return made


@dataclass(frozen=True)
class Choice:
    """What a training run changes.

    Attributes:
        learns: weights by ``layer/weight``.
        moves: statistics that follow those of the batches.
        frozen: the others.
        penalties: of those that learn.
        constraints: of those that learn.
        activities: what the network's own tensors add to the loss, divided by the rows of a batch.
        rates: their own learning rates, for those that have one.
    """

    learns: tuple[str, ...]
    moves: tuple[str, ...]
    frozen: tuple[str, ...]
    penalties: Mapping[str, Penalty]
    constraints: Mapping[str, Constraint]
    activities: Mapping[TensorRef, Penalty]
    rates: Mapping[str, Any]


def choose(
    network: Network,
    frozen: Sequence[str] = (),
    learning_rates: Optional[Mapping[str, Any]] = None,
    rules: Mapping[str, Rule] = RULES,
) -> Choice:
    """Decide what learns.

    Args:
        network: the network.
        frozen: names or patterns (``encoder/*``) of layers, or of weights (``*/bias``), beside those that the network
            was saved with as not trainable.
        learning_rates: rates, or schedules, by such a name or pattern; the first that fits counts.
        rules: by class name; they say which weights Keras never trains.

    Raises:
        Mismatch: a pattern that fits nothing, or nothing learns.
        Unsupported: with every layer that would train in another way than in Keras.
    """
    weights = network.weights()
    problems = [_no_match(pattern) for pattern in [*frozen, *(learning_rates or {})] if not matching(weights, pattern)]
    held = {name for pattern in frozen for name in matching(weights, pattern)}
    fixed = held | set(_untrainable(network, rules))
    learns = tuple(name for name in weights if name not in fixed)
    moves = tuple(_moving(network, held))
    problems += _half_frozen(moves)
    if not learns:
        problems.append(Problem("weights", "none of them learns", "freeze less"))
    Mismatch.raise_for(problems)
    refusals = [problem for layer in network.layers.values() for problem in _refusals(layer)]
    refusals += _called_at_inference(network, moves)
    refusals += [problem for layer in network.layers.values() for problem in _unfolded(layer, learns)]
    Unsupported.raise_for(refusals)
    penalties = _settled(network, learns, "_regularizer", _read_penalty)
    constraints = _settled(network, learns, "_constraint", constraint_of)
    rates: dict[str, Any] = {}
    for pattern, rate in (learning_rates or {}).items():
        for name in matching(weights, pattern):
            rates.setdefault(name, rate)
    stay = tuple(name for name in weights if name in fixed and name not in moves)
    return Choice(learns, moves, stay, penalties, constraints, activities_of(network), rates)


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The weights of ``layer/weight`` that a name or pattern of a layer, of layers above it, or of a weight means."""

    def fits(name: str) -> bool:
        parts = name.split("/")
        return any(fnmatchcase("/".join(parts[:count]), pattern) for count in range(1, len(parts) + 1))

    return [name for name in names if fits(name)]


def _no_match(pattern: str) -> Problem:
    way_out = "net.weights() lists the names of weights, net.summary() and porting plan those of layers"
    return Problem(f"pattern {pattern!r}", "fits no layer and no weight", way_out)


def _untrainable(network: Network, rules: Mapping[str, Rule]) -> Iterator[str]:
    constants = {f"{call.layer}/{name}" for call in network.calls for name in call.constants()}
    for layer in network.layers.values():
        for name, array in layer.weights.items():
            full = f"{layer.name}/{name}"
            rule = rules.get(_parts(layer, name)[-1][0])
            if (
                not layer.trainable
                or full in constants
                or layer.class_name.startswith(("ops.", "porting>"))
                or name in layer.config.get("untrained", ())
                or name.rpartition("/")[2] in (UNTRAINED if rule is None else UNTRAINED | rule.untrained)
                or array.dtype.kind != "f"
                or _is_fixed(layer, name)
            ):
                yield full


def _moving(network: Network, frozen: Collection[str]) -> Iterator[str]:
    """The statistics of BatchNormalizations that are not frozen, and not called at inference."""
    in_training = {call.layer for call in network.calls if call.arguments.get("training") is not False}
    for layer in network.layers.values():
        if layer.name not in in_training:
            continue
        for name in layer.weights:
            full = f"{layer.name}/{name}"
            stays = full in frozen or not layer.trainable
            if name.rpartition("/")[2] in MOVING and not stays and not _is_fixed(layer, name):
                yield full


def _half_frozen(moves: Collection[str]) -> Iterator[Problem]:
    for layer, pair in groupby(moves, lambda name: name.rpartition("/")[0]):
        if len(list(pair)) < len(MOVING):
            yield Problem(layer, f"of {' and '.join(MOVING)} only one is frozen", "freeze both, or the layer")


def _called_at_inference(network: Network, moves: Collection[str]) -> Iterator[Problem]:
    """Calls told ``training=False`` of layers that would do here what they do in training."""
    for call in network.calls:
        layer = network.layers[call.layer]
        is_random = draws_random(layer.config)
        follows = any(name.startswith(f"{layer.name}/") for name in moves)
        if call.arguments.get("training") is False and (is_random or follows):
            what = "is called with training=False, and would not heed it in training"
            way_out = "build the model without it" if is_random else f"freeze it: frozen=[{layer.name!r}]"
            yield Problem(f"{layer.class_name} {call.name!r}", what, way_out)


def draws_random(config: Any) -> bool:
    """Whether a layer of this config, or one inside it, drops or adds noise in training."""
    return any(_is_set(config, key) for key in RANDOM_SETTINGS)


def _is_set(config: Any, key: str) -> bool:
    """Whether a setting of exactly this name is a number other than 0, in the config or in those inside."""
    if isinstance(config, Mapping):
        own = config.get(key)
        return (isinstance(own, (int, float)) and bool(own)) or any(_is_set(part, key) for part in config.values())
    return isinstance(config, (list, tuple)) and any(_is_set(part, key) for part in config)


def _is_fixed(layer: Layer, weight: str) -> bool:
    """Whether a config that the weight stands under says that it is not trained."""
    return any(config.get("trainable") is False for _, config in _parts(layer, weight))


def _parts(layer: Layer, weight: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The classes and configs that a weight stands under: the layer's, and those of the layers inside that hold it."""
    found: list[tuple[str, Mapping[str, Any]]] = [(layer.class_name, layer.config)]
    here: Any = layer.config
    for part in weight.split("/")[:-1]:
        if isinstance(here, list):
            here = here[int(part)] if part.isdigit() and int(part) < len(here) else None
        elif isinstance(here, Mapping):
            here = here.get(part, here.get("layer") if part == "forward_layer" else None)
        if isinstance(here, Mapping) and isinstance(here.get("config"), Mapping):
            found.append((str(here.get("class_name")), here["config"]))
            here = here["config"]
        elif not isinstance(here, list):
            break
    return found


def _settings(config: Any, ending: str) -> Iterator[tuple[str, Any]]:
    """Every setting with this ending, in the config and in those of the layers inside."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            if isinstance(key, str) and key.endswith(ending) and value is not None:
                yield key, value
            else:
                yield from _settings(value, ending)
    elif isinstance(config, (list, tuple)):
        for part in config:
            yield from _settings(part, ending)


def _settled(
    network: Network, weights: Iterable[str], ending: str, read: Callable[[Any, str, str], Setting]
) -> dict[str, Setting]:
    """What the layers' settings of this ending (``kernel_regularizer``) say, by weight."""
    found = {}
    for weight in weights:
        layer = next(layer for layer in network.layers.values() if _owns(layer, weight))
        name = weight[len(layer.name) + 1 :]
        last = name.rpartition("/")[2]
        key = f"{KERAS_NAMES.get(last, last)}{ending}"
        given = next((one[key] for _, one in reversed(_parts(layer, name)) if one.get(key) is not None), None)
        if given is not None:
            found[weight] = read(given, f"{layer.class_name} {layer.name!r}", key)
    return found


def activities_of(network: Network) -> dict[TensorRef, Penalty]:
    """The activity regularizers of the network's layers, by the tensors that they look at."""
    found = {}
    for call in network.calls:
        layer = network.layers[call.layer]
        given = layer.config.get("activity_regularizer")
        if layer.class_name == "ActivityRegularization":
            given = {"class_name": "L1L2", "config": {key: layer.config.get(key) for key in ("l1", "l2")}}
        if given is not None:
            penalty = _read_penalty(given, f"{layer.class_name} {layer.name!r}", "activity_regularizer")
            found.update(dict.fromkeys(call.refs(), penalty))
    return {ref: penalty for ref, penalty in found.items() if penalty != Penalty()}


def _owns(layer: Layer, weight: str) -> bool:
    return weight.startswith(f"{layer.name}/") and weight[len(layer.name) + 1 :] in layer.weights


def _read_penalty(value: Any, where: str, key: str) -> Penalty:
    if isinstance(value, str):
        named = {"l1": Penalty(l1=0.01), "l2": Penalty(l2=0.01), "l1_l2": Penalty(0.01, 0.01)}
        if value.lower() in named:
            return named[value.lower()]
    elif isinstance(value, Mapping) and value.get("class_name") in ("L1", "L2", "L1L2"):
        config = value.get("config", {})
        return Penalty(float(config.get("l1", 0.0) or 0.0), float(config.get("l2", 0.0) or 0.0))
    raise Unsupported(where, f"{key} {value!r} is not handled", "use L1, L2 or L1L2, or freeze this layer")


def _unfolded(layer: Layer, learns: Collection[str]) -> Iterator[Problem]:
    """What a layer that was unfolded does otherwise in training, or computed with when the network was saved."""
    where = f"{layer.class_name} {layer.name!r}"
    if "in_training" in layer.config:
        what = f"its code does otherwise in training, which is not followed: {layer.config['in_training']}"
        yield Problem(where, what, "train the network in Keras, or write the layer without it")
    for name in layer.config.get("computed_with", ()):
        if name in learns:
            what = f"computed with the weight {name} when the network was saved, and would not follow it"
            yield Problem(where, what, f"freeze the weight: frozen=[{name!r}]")


def _refusals(layer: Layer) -> Iterator[Problem]:
    where = f"{layer.class_name} {layer.name!r}"
    inside = {key: value for key, value in layer.config.items() if key != "activity_regularizer"}
    for key, value in _settings(inside, "activity_regularizer"):
        what = f"{key} {value!r} of a layer inside it is not handled in training"
        yield Problem(where, what, "build the layer without it")
