"""A rule says what one Keras layer means, in terms of operations.

::

    @rule("Dense")
    def dense(layer, x, ops):
        y = ops.dense(x, layer.weight("kernel"), layer.weight("bias", if_config="use_bias"))
        return activation(layer, y, ops)

The parameters between `layer` and `ops` are Keras' positional call arguments, those after `ops` are
its optional ones under Keras' names. A rule that takes `mask` (or ``query_mask`` …) is given the masks
that Keras would give. A config key, weight or call argument that a rule neither reads nor declares
irrelevant is a refusal.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional, TypeVar, Union

from ..errors import Problem, Unsupported
from ..network import Array, Call, Input, Layer, Shape
from ..operations import Operations, Tensor, Weight

# What a layer's outputs carry as masks: "keep" hands on the mask of the first input, "stop" ends it
# (as Keras does for layers that do not support masking), "own" leaves it to the rule, a function computes it.
MaskOf = Union[str, Callable[..., Any]]
Config = Mapping[str, Any]
# By weight's name; a size is None where it is open, and then any size will do.
WeightShapes = dict[str, tuple[Optional[int], ...]]
# From a layer's configuration and the shapes of what it is called on, the batch in front, None where open.
WeightsOf = Callable[[Config, list[Shape]], WeightShapes]
# From a layer, its call and an input that reaches it, what the input's values must be, by the names of
# `porting.keras_side.needs.Need`.
Expects = Callable[[Layer, Call, Input], Mapping[str, Any]]

# Where the exporter puts the layers that a user's own layer holds, by attribute.
HELD = "held_layers"
# Keys that say how weights begin or what training adds; they change no output.
IRRELEVANT = frozenset(
    {"name", "trainable", "dtype", "quantization_config", "seed", "autocast", "lora_rank", "lora_alpha", HELD}
)
IRRELEVANT_ENDINGS = ("_initializer", "_regularizer", "_constraint")

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class Refusal(Exception):
    """Raised by a rule or an operation that cannot do what a layer asks."""

    def __init__(self, what: str, way_out: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.way_out = way_out


@dataclass(frozen=True)
class Rule:
    """How to apply the layers of one class.

    Attributes:
        class_name: Keras' class, ``ops.Name`` or ``package>Name``.
        apply: the rule's function.
        mask: see `MaskOf`.
        irrelevant: config keys that change no output.
        note: for the support table: what is refused, and why.
        neoml: for the support table: ``exact``, ``partly`` or ``refused`` there, as `note` explains.
        numpy: the same of the numpy engine.
        learns: for the support table: ``yes`` where weights before it and its own learn in NeoML, or what does not.
        hands_on: the outputs hold values of the input (and zeros), so what they must be, the input must be. False of an
            operation whose numbers are others: truths, places, counts; None where nothing is said.
        only_in_training: at inference the layer does nothing.
        linear: without an activation it computes sums and products alone.
        picks: the weight whose rows its ids pick, as they are, where it has no call arguments.
        of_sizes: its numbers go by the sizes of what it reads, not by the values.
        sizes: whose sizes the output's open axes have: ``kept`` are those of the first input, or ``kept but the last``;
            ``steps kept`` where only the time of sequences is; ``spread`` are those of inputs that spread over each
            other; empty where only a run tells.
        pointwise: it does the same to every vector of features, wherever that stands; with a setting ``axis``, where
            that is the last one.
        weights: the shapes that its weights have in Keras, those of the rule that is replaced where nothing is said; a
            weight of another shape is refused before the rule is applied.
        untrained: names of weights that Keras never trains.
        expects: what it asks of the values of an input that reaches it, so that samples are made of such values.
    """

    class_name: str
    apply: Callable[..., Any]
    mask: MaskOf = "keep"
    irrelevant: frozenset[str] = frozenset()
    note: str = ""
    neoml: str = "exact"
    learns: str = "yes"
    hands_on: Optional[bool] = None
    only_in_training: bool = False
    linear: bool = False
    sizes: str = ""
    pointwise: bool = False
    weights: Optional[WeightsOf] = None
    untrained: frozenset[str] = frozenset()
    expects: Optional[Expects] = None
    numpy: str = "exact"
    of_sizes: bool = False
    picks: str = ""
    inputs: tuple[str, ...] = field(init=False)
    variadic: bool = field(init=False)
    arguments: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parameters = inspect.signature(self.apply).parameters
        names = list(parameters)
        if len(names) < 2 or names[0] != "layer" or "ops" not in names:
            raise TypeError(f"the rule for {self.class_name} must take (layer, …inputs, ops, …arguments), not {names}")
        at = names.index("ops")
        object.__setattr__(self, "inputs", tuple(names[1:at]))
        object.__setattr__(self, "variadic", any(one.kind is one.VAR_POSITIONAL for one in parameters.values()))
        object.__setattr__(self, "arguments", frozenset(names[at + 1 :]))
        if self.weights is None and self.class_name in RULES:
            object.__setattr__(self, "weights", RULES[self.class_name].weights)

    @property
    def family(self) -> str:
        return self.apply.__module__.rpartition(".")[2]

    @property
    def is_builtin(self) -> bool:
        """Whether the rule came with porting."""
        return self.apply.__module__.startswith(f"{__package__}.")


RULES: dict[str, Rule] = {}
# Rules of a user's file that is being run for one network only, by the module name that it runs under.
RULE_FILES: dict[str, dict[str, Rule]] = {}


@dataclass(frozen=True)
class Context:
    """What a layer is applied within.

    Attributes:
        rules: by class name.
        dialect: 2 or 3, the Keras whose mask passing counts.
        weights: all weights of the network by ``layer/weight``, for layers that share another's.
    """

    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)
    dialect: int = 3
    weights: Mapping[str, Array] = field(default_factory=dict)


def rule(
    *class_names: str,
    mask: MaskOf = "keep",
    irrelevant: Sequence[str] = (),
    note: str = "",
    neoml: str = "exact",
    learns: Union[str, Mapping[str, str]] = "yes",
    hands_on: Optional[bool] = None,
    only_in_training: bool = False,
    linear: bool = False,
    sizes: str = "",
    pointwise: bool = False,
    weights: Union[WeightsOf, Mapping[str, WeightsOf], None] = None,
    untrained: Sequence[str] = (),
    expects: Optional[Expects] = None,
    numpy: str = "exact",
    of_sizes: bool = False,
    picks: str = "",
) -> Callable[[AnyFunction], AnyFunction]:
    """Register a function as the rule for one or more Keras classes.

    A user's own file may register a rule for ``package>Name`` or for a built-in class; the later one counts. Imported,
    it is for every network; given to `porting.load` as a path, for that network only. `Rule` tells what the arguments
    say of a layer; `learns` and `weights` may name the classes that they are for.

    Raises:
        TypeError: when the function does not take ``(layer, …inputs, ops, …arguments)``.
        ValueError: when porting itself has a rule for the class twice.
    """

    def register(function: AnyFunction) -> AnyFunction:
        registry = RULE_FILES.get(function.__module__, RULES)
        for class_name in class_names:
            made = Rule(
                class_name,
                function,
                mask,
                frozenset(irrelevant),
                note,
                neoml,
                _of_class(learns, class_name) or "yes",
                hands_on,
                only_in_training,
                linear,
                sizes,
                pointwise,
                _of_class(weights, class_name),
                frozenset(untrained),
                expects,
                numpy,
                of_sizes,
                picks,
            )
            if made.is_builtin and class_name in registry:
                raise ValueError(f"two rules for {class_name}")
            registry[class_name] = made
        return function

    return register


def _of_class(given: Any, class_name: str) -> Any:
    """What is said of a class, or of every class."""
    return given.get(class_name) if isinstance(given, Mapping) else given


class ReadNotes(Mapping[str, Any]):
    """A mapping that notes which keys are read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            self.read.add(key)
        return key in self._values


class LayerView:
    """A layer as its rule sees it.

    Attributes:
        name: the layer's name.
        class_name: Keras' class.
        config: Keras' config; reading a key counts as heeding it.
        context: the rules and weights around it.
        dialect: 2 or 3, the Keras whose mask passing counts.
        apply_to: applies another layer by its rule; `wrappers`, which builds on rules, puts it here.
    """

    apply_to: ClassVar[Callable[[Layer, Sequence[Any], Operations, Context], Any]]

    def __init__(self, layer: Layer, context: Optional[Context] = None) -> None:
        self.name = layer.name
        self.class_name = layer.class_name
        self.config = ReadNotes(layer.config)
        self.context = context or Context()
        self.dialect = self.context.dialect
        self._tied = layer.tied
        shared = {name: self.context.weights[keeper] for name, keeper in layer.tied.items()}
        self._weights = ReadNotes({**layer.weights, **shared})
        self._inner: list[LayerView] = []

    def weight(self, name: str, if_config: Optional[str] = None) -> Any:
        """The weight of that name as a `Weight`; None when the config key `if_config` is false.

        A weight that this layer shares with another has the name that the other gave it.
        """
        if if_config is not None and not self.config[if_config]:
            return None
        if name not in self._weights:
            have = ", ".join(sorted(self._weights)) or "none"
            raise Refusal(f"has no weight {name!r} (it has {have})", "save the network again from a built model")
        return Weight(self._tied.get(name, f"{self.name}/{name}"), self._weights[name])

    def weight_names(self) -> tuple[str, ...]:
        """The names of all weights that the layer was saved with."""
        return tuple(self._weights)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all weights, shared ones too, by name."""
        return {name: tuple(array.shape) for name, array in self._weights._values.items()}

    def optional_weight(self, name: str) -> Optional[Weight]:
        """The weight of that name, or None where the layer was saved without it."""
        return self.weight(name) if name in self._weights else None

    def apply(self, name: str, *inputs: Any, ops: Operations) -> Any:
        """What a layer that this one holds makes of tensors, by the rule for its class.

        Args:
            name: the attribute that holds it, as in the names of its weights: ``dense``, ``blocks/0``.
            inputs: what it is called on: tensors, or lists of them.
            ops: the operations.
        """
        return LayerView.apply_to(self.held(name), inputs, ops, self.context)

    def keras(self, class_name: str, *inputs: Any, ops: Operations, **config: Any) -> Any:
        """What an operation of Keras, or a layer without weights, makes of tensors, by its rule.

        Args:
            class_name: ``ops.Pad``, ``UpSampling2D``.
            inputs: what it is called on: tensors, or lists of them.
            ops: the operations.
            config: all of its settings, as Keras' class names them.
        """
        return LayerView.apply_to(Layer(f"{self.name}/{class_name}", class_name, config), inputs, ops, self.context)

    def base(self, class_name: str, *inputs: Any, ops: Operations, own: Sequence[str] = ()) -> Any:
        """What the class of Keras that this layer's class derives from makes of tensors: ``super().call(…)``.

        Args:
            class_name: the class in Keras: ``LSTM``.
            inputs: what it is called on: tensors, or lists of them.
            ops: the operations.
            own: settings and weights that Keras' class does not have.
        """
        config = {key: value for key, value in self.config._values.items() if key not in own}
        weights = {name: array for name, array in self._weights._values.items() if name not in {*own, *self._tied}}
        tied = {name: keeper for name, keeper in self._tied.items() if name not in own}
        self.config.read.update(config)
        self._weights.read.update((*weights, *tied))
        return LayerView.apply_to(Layer(self.name, class_name, config, weights, tied=tied), inputs, ops, self.context)

    def held(self, key: str, weights: Optional[str] = None, at: Optional[int] = None) -> Layer:
        """The layer that this one holds, as `inner` finds it; whoever applies it sees that its settings are heeded."""
        if key not in self.config and key in self.config.get(HELD, {}):
            described = self.config[HELD][key]
        else:
            described = self.config[key] if at is None else self.config[key][at]
        prefix = f"{weights or key}/"
        held = {name[len(prefix) :]: self._weights[name] for name in self._weights if name.startswith(prefix)}
        tied = {name[len(prefix) :]: keeper for name, keeper in self._tied.items() if name.startswith(prefix)}
        own = {name: array for name, array in held.items() if name not in tied}
        return Layer(f"{self.name}/{prefix[:-1]}", described["class_name"], described["config"], own, tied=tied)

    def inner(self, key: str, weights: Optional[str] = None, at: Optional[int] = None) -> LayerView:
        """The layer that this one holds under config key, or in the attribute, `key` (``layer``, ``cell``).

        Its weights are those under the prefix `weights` (by default `key`); `at` picks one of a list.
        """
        layer = self.held(key, weights, at)
        view = LayerView(layer, self.context)
        self._inner.append(view)
        return view

    def irrelevant(self, *keys: str) -> None:
        """Declare config keys that change no output."""
        self.config.read.update(keys)

    def refuse(self, what: str, way_out: str = "") -> Refusal:
        return Refusal(what, way_out)

    def unread(self, irrelevant: frozenset[str] = frozenset()) -> list[Problem]:
        """A problem for every key and weight that nobody read."""
        known = self.config.read | IRRELEVANT | irrelevant
        problems = [
            Problem(
                f"{self.class_name} {self.name!r}",
                f"setting {key}={self.config._values[key]!r} is not handled",
                "set it to its default, or give a rule for this layer",
            )
            for key in self.config
            if key not in known and not key.endswith(IRRELEVANT_ENDINGS)
        ]
        problems += [
            Problem(f"{self.class_name} {self.name!r}", f"weight {name!r} is not handled", "give a rule for this layer")
            for name in self._weights
            if name not in self._weights.read
        ]
        for view in self._inner:
            problems += view.unread(irrelevant)
        return problems

    def check_read(self, irrelevant: frozenset[str]) -> None:
        """Raises Unsupported listing every key and weight that nobody read."""
        problems = self.unread(irrelevant)
        Unsupported.raise_for(problems)


def only_tensor(value: Any) -> Tensor:
    """The tensor, where a layer takes exactly one."""
    if isinstance(value, (list, dict)):
        raise Refusal("is called on several tensors, but takes one")
    found: Tensor = value
    return found


def makes_mask(config: Config) -> bool:
    """Whether a layer of this config tells padding from values."""
    return bool(config.get("mask_zero")) or "mask_value" in config


def kept_by_keras_3(layer: LayerView, x: Any, mask: Any, ops: Any) -> Any:
    """The mask of the input, which the layer ends in Keras 2."""
    return None if layer.dialect == 2 else mask
