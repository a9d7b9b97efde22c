"""The saved network in memory. It speaks Keras and knows no engine.

A network is a list of calls in running order. A call applies a layer to tensors; a shared layer
is a layer with several calls, a nested model is the calls of its layers under its name
(``encoder/dense``). A tensor is named by the call (or input) that makes it and its place among
that call's outputs: ``lstm:0``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Union

import numpy as np

Array = np.ndarray[Any, Any]
# Operations, and what stands for a user's code: what they keep as weights are constants.
OWN = ("ops.", "porting>")
Shape = tuple[Union[int, None], ...]


@dataclass(frozen=True, order=True)
class TensorRef:
    """Output number `output` of the call or input named `call`; written ``call:output``."""

    call: str
    output: int = 0

    def __str__(self) -> str:
        return f"{self.call}:{self.output}"

    @classmethod
    def parse(cls, text: str) -> TensorRef:
        """Read ``call:output``. Raises ValueError when the text has another form."""
        call, colon, output = text.rpartition(":")
        if not (colon and call and output.isascii() and output.isdigit()):
            raise ValueError(f"not a tensor: {text!r}")
        return cls(call, int(output))


@dataclass(frozen=True)
class Constant:
    """An array among a call's arguments; it is kept as the layer's weight `weight`."""

    weight: str


# A call's argument: JSON values, tensors, constants and slices, nested in tuples and dicts.
Argument = Union[
    None, bool, int, float, str, TensorRef, Constant, slice, tuple["Argument", ...], Mapping[str, "Argument"]
]


@dataclass(frozen=True)
class Layer:
    """A Keras layer.

    Attributes:
        name: unique; nested models put their own name in front (``encoder/dense``).
        class_name: ``Dense``; a Keras operation used as a layer is ``ops.Mean``; a user's
            registered class is ``package>Name``.
        config: Keras' own ``get_config()`` as JSON values, in the Keras 3 dialect.
        weights: arrays in Keras' orientation by Keras' variable name (``kernel``); weights of a
            layer held by another are under the attribute that holds it
            (``forward_layer/recurrent_kernel``, ``layer/kernel``).
        trainable: what Keras' ``layer.trainable`` said, per layer.
        tied: weights that this layer shares with another: its own name for the weight → ``layer/weight``
            where the array is kept. They are not among `weights`.
    """

    name: str
    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Array] = field(default_factory=dict)
    trainable: bool = True
    tied: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        weights = ", ".join(f"{name}{list(array.shape)}" for name, array in self.weights.items())
        return f"<Layer {self.name!r} ({self.class_name}): {weights or 'no weights'}>"


@dataclass(frozen=True)
class Call:
    """One application of a layer.

    Attributes:
        name: unique; the layer's name, and ``name@2``, ``name@3`` … for its further calls.
        layer: name of the layer.
        inputs: the positional arguments, those that Keras' ``call`` has no default for: one for
            most layers, two for ``Attention``'s kin (``query, value``); a merge has one, a tuple.
        arguments: the other arguments by Keras' name (``initial_state``, ``mask``), defaults left out.
            ``training`` is False here where the model was told so and heeds it in `fit`, as Keras 2 does.
            A ``mask`` stands here only when the model gave one on purpose; the masks that Keras
            passes on by itself follow from the layers.
        outputs: how many tensors the call returns; 0 where only its rule knows.
        unmasked: tensors that reach this call without the mask that they were made with. Keras 3's
            MultiHeadAttention takes the masks off its inputs, for whatever runs after it.
    """

    name: str
    layer: str
    inputs: tuple[Argument, ...]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    outputs: int = 1
    unmasked: tuple[TensorRef, ...] = ()

    def refs(self) -> tuple[TensorRef, ...]:
        """The tensors that it makes."""
        return tuple(TensorRef(self.name, index) for index in range(self.outputs))

    def reads(self) -> list[TensorRef]:
        """The tensors that it reads, those of its keyword arguments last."""
        return [*tensors_in(self.inputs), *tensors_in(self.arguments)]

    def constants(self) -> list[str]:
        """The weights of its layer that it is called with."""
        return [leaf.weight for leaf in leaves_in((self.inputs, self.arguments)) if isinstance(leaf, Constant)]


@dataclass(frozen=True)
class Input:
    """An input of the network; `shape` is Keras' with the batch in front, None where open."""

    name: str
    shape: Shape
    dtype: str = "float32"

    @property
    def ref(self) -> TensorRef:
        return TensorRef(self.name, 0)


@dataclass(frozen=True)
class Noise:
    """How far a tensor moves in Keras when the numbers behind it move by a last bit, up or down at random.

    Each is the largest move over several trials, and the largest move in relation to the number that moved, as
    `porting.checking.noise` relates it.

    Attributes:
        alone: the call's weights and what it reads have moved.
        chain: all weights, and what every call makes, have moved.
    """

    alone: tuple[float, float]
    chain: tuple[float, float]


@dataclass(frozen=True)
class Sampled:
    """Some numbers of a large tensor, the same places of each row.

    Attributes:
        shape: the tensor's.
        values: of shape (rows, places).
    """

    shape: tuple[int, ...]
    values: Array

    @classmethod
    def of(cls, array: Array, count: int) -> Sampled:
        """So many places of each row of an array; all where it has fewer."""
        rows = array.reshape(len(array), -1)
        return cls(array.shape, rows[:, places(rows.shape[1], count)])

    def same_of(self, array: Array) -> Array:
        """What another array of that shape holds in these places."""
        rows = array.reshape(len(array), -1)
        return np.asarray(rows[:, places(rows.shape[1], self.values.shape[1])])


def places(size: int, count: int) -> Array:
    """So many of the places 0 … size − 1, spread evenly: multiples, modulo `size`, of a step near its golden section.

    The step shares no factor with `size`, so no place comes twice, and each axis of a row has many of its indices.
    """
    step = max(1, round(size * 0.6180339887498949))
    while math.gcd(step, size) > 1:
        step += 1
    return np.sort(np.arange(min(count, size), dtype=np.int64) * step % size)


@dataclass(frozen=True)
class Case:
    """One run of the network in Keras: its inputs and every tensor and mask that it made.

    Attributes:
        name: what the case is made to show (``batch 3, length 7, holes``).
        inputs: arrays by input name.
        outputs: every call's outputs by tensor.
        masks: bool arrays by tensor, for the tensors (inputs too) that carried a mask in Keras.
        noise: what float32 can hold of the outputs; none where it was not measured.
        sampled: of outputs too large to be kept, some numbers; they are not among `outputs`.
        shifted: numbers of outputs of calls alone, with their layer's weights of one value or two shifted; see
            `porting.checking.shifted`.
    """

    name: str
    inputs: Mapping[str, Array]
    outputs: Mapping[TensorRef, Array]
    masks: Mapping[TensorRef, Array] = field(default_factory=dict)
    noise: Mapping[TensorRef, Noise] = field(default_factory=dict)
    sampled: Mapping[TensorRef, Sampled] = field(default_factory=dict)
    shifted: Mapping[TensorRef, Sampled] = field(default_factory=dict)

    def covered(self) -> set[TensorRef]:
        """The tensors that it knows the shape of."""
        return {*self.outputs, *self.sampled}

    def tells_of(self, ref: TensorRef) -> bool:
        """Whether it holds numbers of an output, or the input of that name."""
        if ref in self.sampled:
            return self.sampled[ref].values.size > 0
        return ref in self.outputs or ref.call in self.inputs

    def numbers(self, ref: TensorRef) -> Array:
        """What it holds of an input or an output; none where nothing was kept."""
        if ref in self.sampled:
            return self.sampled[ref].values
        return self.outputs.get(ref, self.inputs.get(ref.call, np.zeros(0, np.float32)))

    def shape(self, ref: TensorRef) -> tuple[int, ...]:
        """The shape of an output, kept whole or not."""
        return self.sampled[ref].shape if ref in self.sampled else self.outputs[ref].shape

    def stand_in(self, ref: TensorRef) -> Array:
        """An output, or zeros of its shape where it was not kept whole."""
        kept = self.outputs.get(ref)
        return np.broadcast_to(np.zeros((), self.dtype(ref)), self.shape(ref)) if kept is None else kept

    def dtype(self, ref: TensorRef) -> np.dtype[Any]:
        return self.sampled[ref].values.dtype if ref in self.sampled else self.outputs[ref].dtype

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}{list(array.shape)}" for name, array in self.inputs.items())
        return f"<Case {self.name!r}: {inputs}>"


@dataclass(frozen=True)
class Network:
    """A saved network.

    Attributes:
        name: the Keras model's name.
        inputs: in model order.
        calls: in running order.
        layers: by name.
        outputs: the structure that Keras' ``predict`` returns: a tensor, a tuple or a dict of them.
        cases: the references.
        origin: how it was saved: ``keras``, ``backend``, ``tensorflow`` versions.
        metadata: what its makers say of it: ``title``, ``version``, ``authors``, ``license``, ``labels`` (names of
            classes), ``notes``, and whatever else, as JSON values. Nothing is computed with it.
        order: the full names of weights, ``layer/weight``, as Keras' ``get_weights`` lists them; None in the place of
            one that no output hangs on, which is not saved. Empty where it is not known.
    """

    name: str
    inputs: tuple[Input, ...]
    calls: tuple[Call, ...]
    layers: Mapping[str, Layer]
    outputs: Argument
    cases: tuple[Case, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    order: tuple[Optional[str], ...] = ()

    def __repr__(self) -> str:
        inputs = ", ".join(f"{one.name}{list(one.shape)}" for one in self.inputs)
        return f"<Network {self.name!r}: {inputs}, {len(self.calls)} layers, {len(self.cases)} cases>"

    @property
    def dialect(self) -> int:
        """Which Keras saved it: 2 or 3."""
        return 2 if str(self.origin.get("keras", "3")).startswith("2.") else 3

    def is_chain(self) -> bool:
        """Whether each call reads the one before it alone, no layer is called twice, and none is made of constants."""
        before = {one.name for one in self.inputs}
        for call in self.calls:
            if {ref.call for ref in call.reads()} != before or self.layers[call.layer].class_name.startswith(OWN):
                return False
            before = {call.name}
        return len(self.inputs) == 1 and len({call.layer for call in self.calls}) == len(self.calls) == len(self.layers)

    def output_refs(self) -> tuple[TensorRef, ...]:
        """The network's output tensors, in the order of `outputs`."""
        return tuple(tensors_in(self.outputs))

    def made_outputs(self) -> set[TensorRef]:
        """The output tensors that calls make; the others are inputs."""
        return {ref for call in self.calls for ref in call.refs()} & set(self.output_refs())

    def weights(self) -> dict[str, Array]:
        """All weights by ``layer/weight``."""
        return {
            f"{layer.name}/{name}": array for layer in self.layers.values() for name, array in layer.weights.items()
        }

    def with_weights(self, weights: Mapping[str, Array]) -> Network:
        """The same network with other weights, by ``layer/weight``; those not given stay."""
        layers = {
            name: replace(layer, weights={key: weights.get(f"{name}/{key}", own) for key, own in layer.weights.items()})
            for name, layer in self.layers.items()
        }
        return replace(self, layers=layers)


def tensors_in(argument: Any) -> Iterator[TensorRef]:
    """All tensors of an argument structure, left to right; a dict in its own order."""
    return (leaf for leaf in leaves_in(argument) if isinstance(leaf, TensorRef))


def leaves_in(argument: Any) -> Iterator[Any]:
    """All that an argument structure holds, in the same order."""
    parts: Iterable[Any]
    if isinstance(argument, (tuple, list)):
        parts = argument
    elif isinstance(argument, Mapping):
        parts = argument.values()
    elif isinstance(argument, slice):
        parts = (argument.start, argument.stop, argument.step)
    else:
        yield argument
        return
    for part in parts:
        yield from leaves_in(part)


def only_tensors(structure: Any) -> bool:
    """Whether it is a tensor, or tuples and dicts of nothing but tensors."""
    if isinstance(structure, Mapping):
        return all(map(only_tensors, structure.values()))
    if isinstance(structure, (tuple, list)):
        return all(map(only_tensors, structure))
    return isinstance(structure, TensorRef)


def map_tensors(argument: Any, change: Callable[[TensorRef], Any]) -> Any:
    """The same structure with every tensor replaced by ``change(tensor)``; tuples become lists."""
    if isinstance(argument, TensorRef):
        return change(argument)
    if isinstance(argument, (tuple, list)):
        return [map_tensors(part, change) for part in argument]
    if isinstance(argument, Mapping):
        return {key: map_tensors(part, change) for key, part in argument.items()}
    if isinstance(argument, slice):
        return slice(*(map_tensors(part, change) for part in (argument.start, argument.stop, argument.step)))
    return argument
