"""Running a user's code on Keras 2's symbolic tensors, whose graph notes TensorFlow's functions by itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from .branches import Branches
from .keras2_composed import COMPOSED
from .keras2_graph import Keras2Graph, function_of
from .keras_api import KerasApi
from .layers import TENSORFLOW_CODE
from .open_sizes import rows
from .open_sizes.following import FollowedCode
from .open_sizes.subscripts import taken_by_sizes
from .open_sizes.unrolling import unrolled
from .own_layers import OwnLayer
from .tensorflow_functions import Einsum, translate
from .tracing import ADDS_A_LOSS, CHANGES, Untraceable, first_line, line_in

FUNCTION_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceProperty", "InstanceMethod"})
Call = Callable[..., Any]


class Keras2Tracer(FollowedCode):
    """Unfolds the layers of one walk, functions being layers; what `symbolic.tracer.Tracer` is for Keras 3."""

    def __init__(self, api: KerasApi, unfolds: Callable[[Any], bool], longest: int) -> None:
        super().__init__(Keras2Graph(api), longest)
        self.api = api
        self.unfolds = unfolds
        self._training: Any = None
        self._tensorflow = importlib.import_module("tensorflow")

    def trace(self, layer: Any, args: Any, kwargs: Any) -> list[Any]:
        """What a layer's code returns, flat.

        Raises:
            Untraceable: what it does cannot be said by operations; with the line that does it.
        """
        outputs = self._run(layer, args, kwargs, training=None)
        given = {self.api.history(one) for one in self._symbolic((args, kwargs))}
        drawn = self._drawn(outputs, given)
        weights = [one for one in layer.weights if one.dtype.is_floating]
        if weights and self._drawn_with_others(weights, given, layer, args, kwargs) != drawn:
            for one in weights:
                if self._drawn_with_others([one], given, layer, args, kwargs) != drawn:
                    self.computed_with(one, layer)
        if any(self.api.takes_training(one) for one in layer._flatten_layers() if self.unfolds(one)):
            try:
                trained = self._run(layer, args, kwargs, training=True)
            except Untraceable as error:
                self.differ(layer, error.what)
            else:
                if self._drawn(trained, given) != drawn:
                    self.differ(layer, "it computes otherwise with training=True")
        return outputs

    def _drawn_with_others(self, weights: list[Any], given: set[Any], layer: Any, args: Any, kwargs: Any) -> list[Any]:
        """What the code does where weights have other numbers: constants that it computes with them are others then."""
        kept = [self.api.to_numpy(one) for one in weights]
        try:
            for one, numbers in zip(weights, kept):
                one.assign(numbers * 1.5 + 0.25)
            return self._drawn(self._run(layer, args, kwargs, training=None), given)
        finally:
            for one, numbers in zip(weights, kept):
                one.assign(numbers)

    def was_told_to_train(self, tensor: Any) -> bool:
        return False

    def _run(self, layer: Any, args: Any, kwargs: Any, training: Any) -> list[Any]:
        self._training, self._stack = training, []
        try:
            with self._patched():
                self.active = True
                return self.api.flatten(self._inline(layer, args, kwargs))
        except Untraceable as error:
            where = line_in(error.__traceback__)
            raise Untraceable(f"{error.what}{f' ({where})' if where else ''}", error.way_out) from error
        except Exception as error:  # whatever a user's code, or Keras in its hands, makes of symbolic tensors
            where = line_in(error.__traceback__)
            raise Untraceable(f"{first_line(error)}{f' ({where})' if where else ''}") from error
        finally:
            self.active = False

    # ---- a layer's call

    def _called(self, plain: Call, layer: Any, args: Any, kwargs: Any) -> Any:
        """A layer called by a layer: unfolded too, or noted as it is."""
        is_function = type(layer).__name__ in TENSORFLOW_CODE
        data = [one for one in self._symbolic((args, kwargs)) if not self.sizes.made_of_sizes(one)]
        if is_function and data:
            made = self._by_sizes(layer, *args, **kwargs)
            if made is not None:
                return made
        if data and self.composes(layer) and translate(layer, args, kwargs, self.api.is_eager) is None:
            return self._inline(layer, args, kwargs)
        own = self.unfolds(layer) and not is_function
        if own or (isinstance(layer, self.api.keras.Model) and any(map(self.unfolds, layer._flatten_layers()))):
            return self._inline(layer, args, kwargs)
        if is_function:
            self.owners.setdefault(id(layer), (layer, self._stack[-1]))
        else:
            self.callers.setdefault(id(layer), (layer, self._stack[-1]))
        new = not layer.built and not any(layer is one for one in self._stack[-1]._flatten_layers())
        given = {key: one for key, one in kwargs.items() if key != "training" or one is not None}
        with self.resting():
            made = plain(layer, *args, **given)
        if new and layer.weights:
            raise Untraceable(f"makes a {type(layer).__name__} layer as it runs", "make it in __init__ or build")
        return made

    def _by_sizes(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """A reshape or a subscript of data by sizes, or of the batch; None of other functions and numbers."""
        name = function_of(layer)
        if name == "reshape":
            return self._reshaped(*args, **{key: one for key, one in kwargs.items() if key != "name"})
        if name == "__operators__.getitem" and len(args) == 2 and self._symbolic(args[1]):
            return self._item(*args)
        return None

    def _reshaped(self, tensor: Any, shape: Any) -> Any:
        if not isinstance(shape, (list, tuple)) or not shape or self.sizes.made_of_sizes(tensor):
            return None
        own = self.sizes.shape(tensor)
        if not self._symbolic([*shape, *own[1:]]) and rows.fills_batch(own, shape):
            return None
        return rows.reshaped(self, tensor, own, shape)

    def _item(self, x: Any, key: Any) -> Any:
        parts = [
            slice(*part.values()) if isinstance(part, dict) else part
            for part in (key if isinstance(key, (list, tuple)) else [key])
        ]
        if self.sizes.made_of_sizes(x) or any(part is Ellipsis or part is None for part in parts):
            return None
        for axis, part in enumerate(parts):
            if self._symbolic([part.start, part.stop, part.step] if isinstance(part, slice) else part):
                x, parts[axis] = taken_by_sizes(self, x, axis, part)
        with self.resting():
            return x[tuple(parts)]

    def _einsum(self, subscripts: str) -> Any:
        return Einsum("einsum", self._tensorflow.einsum, subscripts)

    def composes(self, operation: Any) -> bool:
        """Whether it is a TensorFlow function that others of TensorFlow's compute."""
        return type(operation).__name__ in TENSORFLOW_CODE and function_of(operation) in COMPOSED

    def _inline(self, layer: Any, args: Any, kwargs: Any) -> Any:
        if self.composes(layer):
            self._stack.append(layer)
            made = COMPOSED[function_of(layer)](*args, **kwargs)
            self._stack.pop()
            return made
        if not layer.built:
            with self.resting():
                layer(*args, **kwargs)
        parameters = self.api.signature(layer).parameters
        free = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        given = {key: one for key, one in kwargs.items() if free or key in parameters}
        first = args[0] if args else next(iter(given.values()), None)
        self._stack.append(layer)
        before = self._masks(first)
        if "mask" in parameters and given.get("mask") is None and len(args) < 2:
            given["mask"] = before
        if "training" in parameters and given.get("training") is None:
            given["training"] = self._training
        outputs = layer.call(*args, **given)
        if layer.supports_masking and self._symbolic(first):
            outputs = self._masked(layer, first, outputs, given.get("mask", before))
        self._stack.pop()
        return outputs

    def _masked(self, layer: Any, first: Any, outputs: Any, before: Any) -> Any:
        """The outputs with the masks that the layer says they carry."""
        after = self.api.flatten(layer.compute_mask(first, before))
        flat = self.api.flatten(outputs)
        if all(one is None for one in after):
            return outputs
        if len(after) != len(flat):
            raise Untraceable("hands on fewer masks than it has outputs", "give compute_mask one for each")
        made = [x if mask is None else self._carrying(x, mask) for x, mask in zip(flat, after)]
        return self._tensorflow.nest.pack_sequence_as(outputs, made)

    def _carrying(self, x: Any, mask: Any) -> Any:
        return self.put_in(self.sizes.graph.kinds.WithMask(), x, carried=mask)

    def _masks(self, value: Any) -> Any:
        """The masks that tensors carry, as functions of the model's tensors."""
        if isinstance(value, (list, tuple)):
            found = [self._masks(one) for one in value]
            return found if any(one is not None for one in found) else None
        if not self.api.is_symbolic(value) or self.api.mask(value) is None:
            return None
        layer, node_index, tensor_index = value._keras_history
        first = layer._inbound_nodes[node_index].call_args[0]
        if type(layer).__name__ == "WithMask":
            return layer._inbound_nodes[node_index].call_kwargs["carried"]
        masks = self.api.flatten(layer.compute_mask(first, self._masks(first)))
        return masks[tensor_index if len(masks) > 1 else 0]

    # ---- Keras while the code runs

    @contextmanager
    def _patched(self) -> Iterator[None]:
        tensorflow = self._tensorflow
        inner = importlib.import_module(self.api.keras.backend.dot.__module__)
        backends = {id(one): one for one in (self.api.keras.backend, tensorflow.keras.backend, inner)}.values()
        undo = []

        def put(owner: Any, name: str, make: Callable[[Call], Call]) -> None:
            plain = getattr(owner, name)
            undo.append((owner, name, plain))
            setattr(owner, name, make(plain))

        put(self.api.keras.layers.Layer, "__call__", self._calling)
        put(self.api.keras.layers.Layer, "add_loss", self._leaving_losses)
        variable = importlib.import_module("tensorflow.python.ops.resource_variable_ops").ResourceVariable
        for name in ("assign", "assign_add", "assign_sub"):
            put(variable, name, self._assigning)
        for name, function in Branches(tensorflow, tensorflow.nest).of_tensorflow().items():
            put(tensorflow, name, partial(self._replacing, function))
        for owner in (tensorflow, *backends):
            put(owner, "shape", self._shaping)
        for owner in backends:
            put(owner, "batch_flatten", partial(self._replacing, COMPOSED["keras.backend.batch_flatten"]))
            put(owner, "dot", partial(self._replacing, self._product))
            put(owner, "rnn", partial(self._replacing, self._unrolled))
        try:
            yield
        finally:
            for owner, name, plain in reversed(undo):
                setattr(owner, name, plain)

    def _calling(self, plain: Call) -> Call:
        def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.active or not self._symbolic((args, kwargs)):
                return plain(layer, *args, **kwargs)
            return self._called(plain, layer, args, kwargs)

        return called

    def _replacing(self, function: Call, plain: Call) -> Call:
        """A function that is called on symbolic tensors as another."""

        def called(*args: Any, **kwargs: Any) -> Any:
            return (function if self.active and self._symbolic((args, kwargs)) else plain)(*args, **kwargs)

        return called

    def _leaving_losses(self, plain: Call) -> Call:
        def noted(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.active:
                return plain(layer, *args, **kwargs)
            return self.differ_here(ADDS_A_LOSS)

        return noted

    def _assigning(self, plain: Call) -> Call:
        """What code changes at inference is changed, as whenever the model runs; what it would in training is not."""

        def assigned(variable: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.active:
                return plain(variable, *args, **kwargs)
            if not self._training and self._symbolic((args, kwargs)):
                raise Untraceable("changes a weight by its inputs (assign)", "change weights in training only")
            self.differ_here(CHANGES)
            return variable if self._training else plain(variable, *args, **kwargs)

        return assigned

    def _shaping(self, plain: Call) -> Call:
        """A shape with a number for every axis that has one."""

        def shape(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.active or not self.api.is_symbolic(tensor) or args or kwargs:
                return plain(tensor, *args, **kwargs)
            return self.sizes.shape(tensor)

        return shape

    def _unrolled(
        self, step: Any, inputs: Any, states: Any, go_backwards: bool = False, mask: Any = None, **settings: Any
    ) -> Any:
        given = {**settings, "go_backwards": go_backwards, "mask": mask}
        return unrolled(self, step, inputs, states, given, self._tensorflow, self._tensorflow.nest)

    def _product(self, x: Any, y: Any) -> Any:
        return self._tensorflow.tensordot(x, y, [[len(x.shape) - 1], [len(y.shape) - 2]])

    # ---- what was noted

    def _symbolic(self, structure: Any) -> list[Any]:
        return [one for one in self.api.flatten(structure) if self.api.is_symbolic(one)]

    def _drawn(self, outputs: Any, given: set[Any]) -> list[Any]:
        """The applications between a layer's inputs and outputs, in an order that two runs share."""
        numbers: dict[Any, int] = {}
        found: list[Any] = []
        waiting = list(reversed(self._symbolic(outputs)))
        while waiting:
            tensor = waiting.pop()
            key = self.api.history(tensor)
            node = self.sizes.graph.node_of(tensor)
            if key in given or key in numbers or node is None:
                found.append(numbers.get(key, -1))
                continue
            numbers[key] = len(numbers)
            is_function = type(node.operation).__name__ in TENSORFLOW_CODE
            name = function_of(node.operation) if is_function else node.operation.name
            settings = node.operation.get_config() if isinstance(node.operation, OwnLayer) else {}
            rest = {name: one for name, one in node.kwargs.items() if name not in ("name", "training")}
            called_on = [self._plain(one) for one in self.api.flatten((node.args, rest))]
            found.append((name, key[2], repr(settings), called_on))
            waiting += reversed(node.given)
        return found

    def _plain(self, part: Any) -> Any:
        if self.api.is_symbolic(part) or self.api.is_variable(part):
            return "tensor"
        return self.api.to_numpy(part).tobytes() if self.api.is_eager(part) else repr(part)
