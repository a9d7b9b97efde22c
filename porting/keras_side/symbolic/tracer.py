"""Running a layer's ``call`` on symbolic tensors as ``Layer.__call__`` would run it, layers within it too."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from typing import Any

import keras
from keras.src import backend, tree
from keras.src.backend.common.keras_tensor import KerasTensor

from ...layers import RULES
from ..tracing import Untraceable, user_line
from .apart import put_together
from .layers import WithMask
from .loops import time_distributed
from .nodes import given_to, history, is_symbolic, node_of, tensors_in
from .patches import patched
from .running import Call, Running

# Layers that do nothing at inference.
ONLY_IN_TRAINING = frozenset(name for name, rule in RULES.items() if rule.only_in_training)


class Tracer(Running):
    """Unfolds the layers of one walk.

    Attributes:
        unfolds: whether a layer is to be unfolded.
    """

    def __init__(self, unfolds: Callable[[Any], bool], longest: int) -> None:
        super().__init__(longest)
        self.unfolds = unfolds
        self._as_trained: dict[int, Any] = {}

    def trace(self, layer: Any, args: Any, kwargs: Any) -> list[Any]:
        """What a layer's code returns, flat: symbolic tensors, and arrays that do not depend on its inputs.

        Raises:
            Untraceable: what it does cannot be said by operations; with the line that does it.
        """
        outputs = self._run(layer, args, kwargs, training=False)
        if any(self._takes_training(one) for one in layer._flatten_layers() if self.unfolds(one)):
            outputs = self._as_in_training(layer, args, kwargs, outputs)
        return outputs

    def _run(self, layer: Any, args: Any, kwargs: Any, training: bool) -> list[Any]:
        masks = [(one, backend.get_keras_mask(one)) for one in tensors_in((args, kwargs))]
        self._training = [training]
        try:
            with patched(self):
                self.active = True
                made = self._inline(layer, args, kwargs)
        except Untraceable as error:
            where = user_line(error.__traceback__)
            raise Untraceable(f"{_first_line(error)}{f' ({where})' if where else ''}", error.way_out) from error
        except Exception as error:  # whatever a user's code, or Keras in its hands, makes of symbolic tensors
            raise Untraceable(_said(error)) from error
        finally:
            self.active = False
            self._stack.clear()
            for tensor, mask in masks:  # MultiHeadAttention takes them off its inputs
                backend.set_keras_mask(tensor, mask)
        return list(tree.flatten(made))

    # ---- a layer's call

    def call(self, layer: Any, args: Any, kwargs: Any, plain: Call) -> Any:
        """A layer called by a layer: unfolded too, or noted as it is."""
        if self.unfolds(layer):
            return self._inline(layer, args, kwargs)
        if isinstance(layer, keras.Model) and any(self.unfolds(one) for one in layer._flatten_layers()):
            return self._inline(layer, args, kwargs)
        new = not layer.built and not any(layer is one for one in self._stack[-1]._flatten_layers())
        with self.resting():
            made = plain(layer, *args, **kwargs)
        self.callers.setdefault(id(layer), (layer, self._stack[-1]))
        if new and layer.variables:
            raise Untraceable(f"makes a {type(layer).__name__} layer as it runs", "make it in __init__ or build")
        return made

    def _inline(self, layer: Any, args: Any, kwargs: Any) -> Any:
        if not layer.built:
            with self.resting():
                layer(*args, **kwargs)
        args, kwargs = (self._converted(layer, part) for part in (tuple(args), dict(kwargs)))
        bound = _bind(layer, args, kwargs)
        training = self._given_training(layer, bound, kwargs)
        tensors = {name: value for name, value in bound.arguments.items() if _all_tensors(value)}
        for name, mask in _missing_masks(bound, tensors).items():
            bound.arguments[name] = mask
        first = next(iter(bound.arguments.values()), None)
        previous = bound.arguments.get("mask")
        if previous is None or "mask" not in layer._call_signature.parameters:
            previous = _masks(first)
        self._stack.append(layer)
        self._training.append(training)
        try:
            if type(layer) is keras.layers.TimeDistributed:
                outputs = time_distributed(self, layer, *bound.args, **bound.kwargs)
            else:
                outputs = layer.call(*bound.args, **bound.kwargs)
        finally:
            self._training.pop()
        outputs = self._masked(layer, first, outputs, previous)
        self._stack.pop()
        return outputs

    def _converted(self, layer: Any, structure: Any) -> Any:
        """Floats in the layer's own dtype, as Keras hands them over."""
        if not layer._convert_input_args:
            return structure

        def convert(x: Any) -> Any:
            if is_symbolic(x):
                return x
            return layer.dtype_policy.convert_input(x, layer.autocast, layer.input_dtype)

        return tree.map_structure(convert, structure)

    def _given_training(self, layer: Any, bound: inspect.BoundArguments, kwargs: Any) -> Any:
        """Whether the layer is told to train: by its caller, or as the layer around it."""
        if not self._takes_training(layer):
            return kwargs.get("training", self._training[-1])
        given = bound.arguments.get("training")
        if given is None or len(self._training) == 1:
            given = self._training[-1]
        bound.arguments["training"] = given
        return given

    @staticmethod
    def _takes_training(layer: Any) -> bool:
        return "training" in layer._call_signature.parameters

    def _masked(self, layer: Any, first: Any, outputs: Any, previous: Any) -> Any:
        """The outputs with the masks that the layer says they carry."""
        if not layer.supports_masking:
            return outputs
        flat = [one for one in tree.flatten(outputs) if is_symbolic(one)]
        before = [backend.get_keras_mask(one) for one in flat]
        layer._set_mask_metadata(first, outputs, previous)
        changed = {}
        for one, mask in zip(flat, before):
            now = backend.get_keras_mask(one)
            if now is not mask:
                backend.set_keras_mask(one, mask)
                changed[id(one)] = self._carrying(one, now)
        return tree.map_structure(lambda one: changed.get(id(one), one), outputs)

    def _carrying(self, tensor: Any, mask: Any) -> Any:
        made = self.put_in(WithMask(), tensor, carried=mask)
        backend.set_keras_mask(made, mask)
        return made

    def put_together(self, tensor: Any, meets: Any, stands_for: Any) -> Any:
        return put_together(self, tensor, meets, stands_for)

    def composes(self, operation: Any) -> bool:
        """Whether it is a function that is run as others: here each becomes operations as it is called."""
        return False

    # ---- training

    def was_told_to_train(self, tensor: Any) -> bool:
        """Whether an application stands for what the layer does at inference too, though it was noted in training."""
        return id(node_of(tensor)) in self._as_trained

    def _as_in_training(self, layer: Any, args: Any, kwargs: Any, outputs: list[Any]) -> list[Any]:
        """What the code does in training, where that is the same at inference; else it is noted that they differ."""
        kept, differing = dict(self.computed), dict(self.differing)
        try:
            other = self._run(layer, args, kwargs, training=True)
        except Untraceable as error:
            self.differ(layer, error.what)
            self.computed = kept
            return outputs
        given = {history(one) for one in tensors_in((args, kwargs))}
        as_it_is, as_trained = tensors_in(outputs), tensors_in(other)
        if _drawn(as_it_is, given, ()) == _drawn(as_trained, given, ()):
            self.computed = kept
            return outputs
        alike = _drawn(as_it_is, given, ONLY_IN_TRAINING) == _drawn(as_trained, given, ONLY_IN_TRAINING)
        if alike and not any(node.arguments.kwargs.get("training") is True for node in _nodes(as_it_is, given)):
            self._as_trained.update({id(node): node for node in _nodes(as_trained, given)})
            return other
        self.computed, self.differing = kept, differing
        self.differ(layer, "it computes otherwise with training=True")
        return outputs


def _first_line(error: Exception) -> str:
    """What an error says, without the frame and the colours that Keras gives it on its way."""
    lines = [line.strip() for line in re.sub("\x1b\\[[0-9]*m", "", str(error)).splitlines()]
    framing = ("Exception encountered", "Could not auto")
    return next((line for line in lines if line and not line.startswith(framing)), "")


def _said(error: Exception) -> str:
    where = user_line(error.__traceback__)
    return f"{type(error).__name__}: {_first_line(error)[:240]}{f' ({where})' if where else ''}"


def _bind(layer: Any, args: Any, kwargs: Any) -> inspect.BoundArguments:
    signature = layer._call_signature
    names = signature.parameters
    free = any(one.kind is one.VAR_KEYWORD for one in names.values())
    taken = {key: value for key, value in kwargs.items() if free or key in names or key != "training"}
    bound: inspect.BoundArguments = signature.bind(*args, **taken)
    bound.apply_defaults()
    return bound


def _all_tensors(value: Any) -> bool:
    if is_symbolic(value) or backend.is_tensor(value):
        return True
    if not tree.is_nested(value) or not len(value):
        return False
    return all(one is None or is_symbolic(one) or backend.is_tensor(one) for one in tree.flatten(value))


def _masks(value: Any) -> Any:
    return tree.map_structure(lambda one: backend.get_keras_mask(one) if is_symbolic(one) else None, value)


def _missing_masks(bound: inspect.BoundArguments, tensors: dict[str, Any]) -> dict[str, Any]:
    """The masks that Keras fills in, by argument."""
    wanted = (
        {"mask": next(iter(tensors.values()))}
        if len(tensors) == 1
        else {f"{name}_mask": x for name, x in tensors.items()}
    )
    return {name: _masks(x) for name, x in wanted.items() if name in bound.arguments and bound.arguments[name] is None}


def _drawn(outputs: list[Any], given: Collection[Any], skipped: Collection[str]) -> Any:
    """The operations between a layer's inputs and outputs but for some, in an order that two runs share."""
    numbers: dict[Any, int] = {}
    found: list[Any] = []
    waiting = list(reversed(outputs))
    while waiting:
        tensor = _behind(waiting.pop(), skipped)
        key = history(tensor)
        if key in given or key in numbers:
            found.append(numbers.get(key, -1))
            continue
        numbers[key] = len(numbers)
        node = node_of(tensor)
        if node is None:
            continue
        operation = node.operation
        settings = operation.name if isinstance(operation, keras.layers.Layer) else type(operation).__name__
        if type(operation).__module__.startswith("porting"):
            settings = type(operation).__name__
        found.append((settings, key[2], _plain(node.arguments.args), _plain(dict(node.arguments.kwargs))))
        waiting += reversed(given_to(node))
    return found


def _nodes(outputs: list[Any], given: Collection[Any]) -> list[Any]:
    """The nodes between a layer's inputs and outputs."""
    found: dict[int, Any] = {}
    waiting = list(outputs)
    while waiting:
        tensor = waiting.pop()
        node = node_of(tensor)
        if history(tensor) not in given and node is not None and id(node) not in found:
            found[id(node)] = node
            waiting += given_to(node)
    return list(found.values())


def _behind(tensor: Any, skipped: Collection[str]) -> Any:
    """The tensor that layers which are to be skipped were called on."""
    node = node_of(tensor)
    while node is not None and type(node.operation).__name__ in skipped:
        tensor = given_to(node)[0]
        node = node_of(tensor)
    return tensor


def _plain(structure: Any) -> Any:
    """A call's arguments without its tensors and what it is told of training."""
    if isinstance(structure, KerasTensor):
        return "tensor"
    if isinstance(structure, dict):
        return {key: _plain(part) for key, part in structure.items() if key != "training"}
    if isinstance(structure, (list, tuple)):
        return [_plain(part) for part in structure]
    return structure if isinstance(structure, (bool, int, float, str)) else type(structure).__name__
