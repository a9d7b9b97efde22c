"""Walking a Keras graph: from a model's output tensors back to its inputs, into calls in running order.

Nested models are unfolded: their layers' calls stand in the outer list, under the nested model's name. Masks
that Keras passes on by itself are left out, and with them the operations that only compute such masks.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..errors import Problem
from ..network import Argument, Call, Constant, Input, Shape, TensorRef, tensors_in
from ..text import LAYERS
from .graph import CallGraph, Step, refs_of
from .keras_api import BY_OPERATIONS, History, KerasApi, ModelGraph, NodeView
from .masks import bind, without_implicit_masks
from .unfolding import LONGEST, Unfolder


def walk(
    model: Any, api: KerasApi, keep_masks: bool = False, whole: Collection[str] = (), longest: int = LONGEST
) -> CallGraph:
    """Walk a model's graph. Problems are collected in the result, not raised.

    Args:
        model: a model with a graph.
        api: its Keras.
        keep_masks: keep the masks that Keras put into the graph by itself, see `run.MaskLostError`.
        whole: classes of layers that are kept as they are, though they are a user's own.
        longest: how many steps tables have that are made of sizes alone.
    """
    return Walk(api, keep_masks, whole, longest).run(model)


# What Keras computes in and numpy does not have.
NOT_OF_NUMPY = frozenset({"bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"})


class Walk:
    """One walk; `walk` is what others call."""

    def __init__(self, api: KerasApi, keep_masks: bool, whole: Collection[str], longest: int) -> None:
        self.api = api
        self.keep_masks = keep_masks
        self.unfolder = Unfolder(self, api, whole, longest)
        self.graph = CallGraph()
        self.layer_names: dict[int, str] = {}
        self.call_names: set[str] = set()
        self.calls_of: dict[str, int] = {}
        self.at_inference = False

    def run(self, model: Any) -> CallGraph:
        found = self.api.graph(model)
        if found is None:
            way_out = f"call it on data, or {model.name}.build(input_shape), before saving"
            self.problem(f"model {model.name!r}", "has no graph: it has not been built", way_out)
            return self.graph
        self.graph.inputs = tuple(self.input(tensor) for tensor in found.inputs)
        self.call_names.update(given.name for given in self.graph.inputs)
        self.unfolder.reserve(model)
        self.graph.outputs = self.unfold(found, "", [given.ref for given in self.graph.inputs])
        self.leave_out_what_no_output_needs()
        self.unfolder.finish(self.graph)
        return self.graph

    def leave_out_what_no_output_needs(self) -> None:
        """A nested model makes all of its outputs, the model around it may use one."""
        needed = {ref.call for ref in tensors_in(self.graph.outputs)}
        kept = []
        for step in reversed(self.graph.steps):
            if step.call.name in needed:
                kept.append(step)
                needed.update(ref.call for ref in (*tensors_in((step.args, step.kwargs)), *step.implied))
        self.graph.steps = kept[::-1]
        used = {step.call.layer for step in kept}
        self.graph.layers = {name: layer for name, layer in self.graph.layers.items() if name in used}
        self.graph.constants = {name: held for name, held in self.graph.constants.items() if name in used}

    def problem(self, where: str, what: str, way_out: str = "") -> None:
        problem = Problem(where, what, way_out)
        if problem not in self.graph.problems:
            self.graph.problems.append(problem)

    def input(self, tensor: Any) -> Input:
        name = self.api.input_name(tensor)
        dtype = "string" if tensor.dtype == "string" else self.api.dtype_name(tensor)
        if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
            self.problem(f"input {name!r}", "is sparse or ragged", "declare it dense and feed it padded arrays")
        self.check_stored(f"input {name!r}", [tensor])
        return Input(name, tuple(None if size is None else int(size) for size in tensor.shape), dtype)

    def unfold(self, found: ModelGraph, path: str, inputs: list[TensorRef]) -> Argument:
        """The calls of one model's graph, applied to `inputs`; returns the structure of its outputs."""
        values: dict[History, TensorRef] = {self.api.history(t): ref for t, ref in zip(found.inputs, inputs)}
        needed = self.needed(found)
        for node in found.nodes:
            if self.api.history(node.outputs[0])[:2] in needed:
                refs = self.apply(node, values, path)
                values.update((self.api.history(output), ref) for output, ref in zip(node.outputs, refs))
        return self.argument(self.replace(found.outputs, values), "")

    def needed(self, found: ModelGraph) -> set[tuple[int, int]]:
        """The applications that the outputs need. A stack of its own: graphs are deeper than Python's."""
        given = {self.api.history(tensor) for tensor in found.inputs}
        needed: set[tuple[int, int]] = set()
        waiting = self.symbolic(found.outputs)
        while waiting:
            history = self.api.history(waiting[-1])
            node = self.api.node(waiting.pop())
            if history in given or history[:2] in needed:
                continue
            assert node is not None, "the graph is cut"
            needed.add(history[:2])
            waiting += self.symbolic(self.arguments(node)[0])
        return needed

    def arguments(self, node: NodeView) -> tuple[dict[str, Any], list[Any]]:
        """An application's arguments by parameter, and the tensors whose masks were left out of them."""
        return bind(node, self.api) if self.keep_masks else without_implicit_masks(node, self.api)

    def symbolic(self, structure: Any) -> list[Any]:
        return [leaf for leaf in self.api.flatten(structure) if self.api.is_symbolic(leaf)]

    def replace(self, structure: Any, values: Mapping[History, TensorRef]) -> Any:
        """The structure with its symbolic tensors replaced by references; lists and tuples become tuples."""
        if self.api.is_symbolic(structure):
            return values[self.api.history(structure)]
        if isinstance(structure, (list, tuple)):
            return tuple(self.replace(part, values) for part in structure)
        if isinstance(structure, Mapping):
            return {key: self.replace(part, values) for key, part in structure.items()}
        return structure

    def apply(self, node: NodeView, values: dict[History, TensorRef], path: str) -> list[TensorRef]:
        """What stands for an application's outputs; adds to the graph what makes them."""
        if self.unfolder.unfolds(node.operation):
            return self.unfolder.apply(node, values, path)
        arguments, masked = self.arguments(node)
        if self.api.is_model(node.operation) and "inputs" in arguments:
            arguments["inputs"] = self.as_declared(node.operation, arguments["inputs"], values, path)
        given = {name: self.replace(value, values) for name, value in arguments.items()}
        if self.api.is_model(node.operation):
            return self.apply_model(node.operation, given, path)
        layer = self.layer_name(node.operation, path)
        implied = tuple(values[self.api.history(tensor)] for tensor in masked)
        shapes = {values[self.api.history(one)]: tuple(one.shape) for one in self.symbolic(arguments)}
        return self.apply_layer(layer, given, node, implied, shapes)

    def apply_model(self, model: Any, given: dict[str, Any], path: str) -> list[TensorRef]:
        where = self.unfolder.name(model, path)
        inputs = given.pop("inputs", None)
        stays = self.stays_at_inference(given)
        self.check_training(f"model {where!r}", given)
        for name in given:
            way_out = "give it as an input of the nested model, and hand it to the layers that need it"
            self.problem(f"model {where!r}", f"is called with the argument {name!r}", way_out)
        found = self.api.graph(model)
        if found is None:
            self.problem(f"model {where!r}", "has no graph", "build it from keras.Input and keras.Model")
            return [TensorRef(where)]
        refs = self.api.flatten(self.in_order(model, inputs))
        before, self.at_inference = self.at_inference, stays
        made = refs_of(self.unfold(found, f"{where}/", refs))
        self.at_inference = before
        return made

    def as_declared(self, model: Any, inputs: Any, values: dict[History, TensorRef], path: str) -> Any:
        """The inputs of a nested model in the dtypes that it declares, as Keras casts them; adds the casts."""
        found = self.api.graph(model)
        if found is None:
            return inputs
        tensors = self.api.flatten(self.in_order(model, inputs))
        if len(tensors) != len(found.inputs) or not all(map(self.api.is_symbolic, tensors)):
            return inputs
        made = []
        for tensor, declared in zip(tensors, found.inputs):
            dtypes = [self.api.dtype_name(one) for one in (tensor, declared)]
            if dtypes[0] != dtypes[1] and "string" not in dtypes and not self.looked_up(declared, found):
                tensor = self.api.cast(tensor, dtypes[1])
                node = self.api.node(tensor)
                assert node is not None
                values[self.api.history(tensor)] = self.apply(node, values, path)[0]
            made.append(tensor)
        return made

    def looked_up(self, tensor: Any, found: ModelGraph) -> bool:
        """Whether nothing but lookups, layers for categories and models take an input, which cast it themselves."""
        history = self.api.history(tensor)
        takers = [
            node.operation
            for node in found.nodes
            if any(self.api.history(one) == history for one in self.symbolic([*node.args, *node.kwargs.values()]))
        ]
        return all(type(one).__name__ in ("Embedding", *LAYERS) or self.api.is_model(one) for one in takers)

    def in_order(self, model: Any, inputs: Any) -> Any:
        """Inputs by name in the order of the model's own inputs."""
        found = self.api.graph(model)
        if isinstance(inputs, Mapping) and found is not None:
            names = [self.api.input_name(tensor) for tensor in found.inputs]
            if set(names) == set(inputs):
                return [inputs[name] for name in names]
        return inputs

    def apply_layer(
        self,
        layer: str,
        given: dict[str, Any],
        node: NodeView,
        implied: tuple[TensorRef, ...],
        shapes: Mapping[TensorRef, Shape],
    ) -> list[TensorRef]:
        operation = node.operation
        where = f"{self.api.class_name(operation)} {layer!r}"
        parameters = self.api.signature(operation).parameters
        if "training" in parameters and parameters["training"].default is True:
            # The layers that alter images write their own default into the call; a model overrides it.
            given.pop("training", None)
        self.check_stored(where, node.outputs)
        stays = "training" in parameters and self.stays_at_inference(given)
        self.check_training(where, given)
        inputs, arguments = _split(given, parameters)
        if stays:
            arguments["training"] = False
        if self.api.class_name(operation) == "ops.GetItem" and inputs:
            rank = len(node.args[0].shape) if node.args else 0
            inputs = (inputs[0], *(_without_ellipsis(key, rank) for key in inputs[1:]))
        call = Call(
            name=self.call_name(layer),
            layer=layer,
            inputs=tuple(self.argument(value, layer) for value in inputs),
            arguments={name: self.argument(value, layer) for name, value in arguments.items()},
            outputs=len(node.outputs),
        )
        self.graph.steps.append(Step(call, operation, inputs, arguments, implied, shapes))
        return list(call.refs())

    def stays_at_inference(self, given: Mapping[str, Any]) -> bool:
        """Whether a call, or the model around it, was told ``training=False``: in Keras 2 `fit` heeds that."""
        return self.api.dialect == 2 and (self.at_inference or given.get("training") is False)

    def check_stored(self, where: str, tensors: Collection[Any]) -> None:
        """Numpy has no array for some dtypes that Keras computes in."""
        for dtype in sorted({self.api.dtype_name(tensor) for tensor in tensors} & NOT_OF_NUMPY):
            self.problem(
                where, f"is {dtype}, of which numpy has no arrays", "make it float32, with cast or by its dtype"
            )

    def check_training(self, where: str, given: dict[str, Any]) -> None:
        if given.pop("training", None) is True:
            self.problem(where, "is called with training=True", "build the model for inference without it")

    def layer_name(self, operation: Any, path: str) -> str:
        known = self.held_name(operation, path)
        self.graph.layers.setdefault(known, operation)
        for name, value in self.unfolder.tables_of(operation).items():
            self.graph.constants.setdefault(known, {})[name] = value
        return known

    def held_name(self, operation: Any, path: str) -> str:
        """The name of a layer that need not be called."""
        known = self.layer_names.get(id(operation))
        if known is None:
            known = _unique(self.unfolder.name(operation, path), {*self.graph.layers, *self.graph.holders})
            self.layer_names[id(operation)] = known
        return known

    def call_name(self, layer: str) -> str:
        count = self.calls_of.get(layer, 0)
        name = layer
        while count == 0 or name in self.call_names:
            count += 1
            name = layer if count == 1 else f"{layer}@{count}"
            if name not in self.call_names:
                break
        self.calls_of[layer] = count
        self.call_names.add(name)
        return name

    def argument(self, value: Any, layer: str) -> Argument:
        """A call argument as `network` describes it; arrays become weights of the layer."""
        if value is None or isinstance(value, (bool, int, float, str, TensorRef)):
            return value
        if isinstance(value, np.generic):
            return self.argument(value.item(), layer)
        if isinstance(value, (list, tuple)):
            return tuple(self.argument(part, layer) for part in value)
        if isinstance(value, Mapping):
            return {str(key): self.argument(part, layer) for key, part in value.items()}
        if isinstance(value, slice):
            return slice(*(self.argument(part, layer) for part in (value.start, value.stop, value.step)))
        if self.api.is_variable(value) or self.api.is_eager(value):
            return self.constant(value, layer)
        if hasattr(value, "as_numpy_dtype"):  # a dtype of TensorFlow's
            return str(value.name)
        if callable(value):
            self.problem(f"layer {layer!r}", "is given a Python function, which runs step by step", BY_OPERATIONS)
            return None
        self.problem(f"layer {layer!r}", f"is called with {value!r}, a {type(value).__name__}", "call it with arrays")
        return None

    def constant(self, value: Any, layer: str) -> Argument:
        if not self.api.is_variable(value):
            array = self.api.to_numpy(value)
            if array.ndim == 0:
                return self.argument(array[()], layer)
            value = self.unfolder.shared(array)
        held = self.graph.constants.setdefault(layer, {})
        for name, known in held.items():
            if known is value:
                return Constant(name)
        name = f"constant_{len(held)}" if held else "constant"
        held[name] = value
        return Constant(name)


def _split(
    given: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by parameter name as (positional inputs, other arguments); defaults are left out."""
    inputs: list[Any] = []
    arguments: dict[str, Any] = {}
    for name, value in given.items():
        parameter = parameters[name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            inputs.extend(value)
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update({key: part for key, part in value.items() if part is not None})
        elif parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            inputs.append(value)
        elif value is not None and not _same(value, parameter.default):
            arguments[name] = value
    return tuple(inputs), arguments


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and isinstance(value, (bool, int, float, str)) and value == default


def _without_ellipsis(key: Any, rank: int) -> Any:
    """A subscript with `...` written out as whole slices."""
    parts = list(key) if isinstance(key, (tuple, list)) else [key]
    at: int | None = next((index for index, part in enumerate(parts) if part is Ellipsis), None)
    if at is None:
        return key
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    parts[at : at + 1] = [slice(None)] * (rank - taken)
    return tuple(parts)


def _unique(name: str, taken: Collection[str]) -> str:
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    return found
