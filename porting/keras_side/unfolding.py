"""Layers of a user's own in a walk: what their code does stands in the graph in their place, under their names.

A layer that another holds is named by the attribute that holds it (``block/ffn/0``), an operation by the layer whose
code calls it (``block/matmul``); neither goes by Keras' counters, so equal blocks are named alike in every session.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from ..layers.rule import RULES
from ..network import Array, TensorRef, tensors_in
from ..text import LAYERS as PREPROCESSING
from .graph import CallGraph
from .held import held_layers
from .keras_api import History, KerasApi, NodeView
from .layers import is_code
from .tracing import Untraceable

# How many steps a table has that is made of sizes alone.
LONGEST = 512
OWN = "porting>"


def is_own(operation: Any, api: KerasApi) -> bool:
    """Whether a layer is a user's code: a Lambda, or of a class that is not Keras'."""
    if not api.is_layer(operation) or api.is_model(operation) or api.class_name(operation).startswith(OWN):
        return False
    if any(kind.__name__ in PREPROCESSING and kind.__module__.startswith("keras.") for kind in type(operation).__mro__):
        return False
    return api.is_lambda(operation) or not api.is_builtin(operation)


def holds_own_code(operation: Any, api: KerasApi) -> bool:
    """Whether a layer of Keras' holds a layer of a user's own."""
    if not api.is_layer(operation) or api.is_model(operation) or api.class_name(operation).startswith(OWN):
        return False
    return any(True for _ in _own_layers(operation, api))


def _own_layers(operation: Any, api: KerasApi) -> Iterator[Any]:
    """The layers of a user's own that a layer holds, in layers and models of Keras' too."""
    for _, held in held_layers(operation, api):
        if is_own(held, api):
            yield held
        else:
            yield from _own_layers(held, api)


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Walking(Protocol):
    """What unfolding asks of the walk that it is a part of."""

    @property
    def graph(self) -> CallGraph: ...
    def problem(self, where: str, what: str, way_out: str = "") -> None: ...
    def arguments(self, node: NodeView) -> tuple[dict[str, Any], list[Any]]: ...
    def symbolic(self, structure: Any) -> list[Any]: ...
    def apply(self, node: NodeView, values: dict[History, TensorRef], path: str) -> list[TensorRef]: ...
    def held_name(self, operation: Any, path: str) -> str: ...


class Unfolder:
    """The unfolding of one walk.

    Attributes:
        walk: the walk.
        whole: classes, by name, that stay as they are.
        places: names of layers by id: by who holds them.
        unfolded: the layers whose code was run, by id.
    """

    def __init__(self, walk: Walking, api: KerasApi, whole: Collection[str], longest: int) -> None:
        self.walk = walk
        self.api = api
        self.whole = set(whole)
        self.places: dict[int, str] = {}
        self.unfolded: dict[int, Any] = {}
        self.tracer = api.tracer(self.unfolds, longest)
        self._reserved: set[int] = set()
        self._unmade: dict[TensorRef, Any] = {}
        self._tables: dict[tuple[Any, ...], Any] = {}
        self._arrays: dict[tuple[Any, ...], Array] = {}
        self._decided: dict[int, tuple[Any, bool]] = {}

    def reserve(self, model: Any) -> None:
        """The layers of a model's own graph keep their names, whoever holds them."""
        for layer in model.layers:
            if id(layer) not in self._reserved:
                self._reserved.add(id(layer))
                if self.api.is_model(layer):
                    self.reserve(layer)

    def unfolds(self, operation: Any) -> bool:
        """Whether a layer's code is run instead of keeping the layer whole."""
        if self.tracer is None:
            return False
        if id(operation) not in self._decided:
            self._decided[id(operation)] = operation, self._decide(operation)
        return self._decided[id(operation)][1]

    def _decide(self, operation: Any) -> bool:
        if not self.api.is_layer(operation):
            return False
        if self.tracer.composes(operation):
            return True
        name = self.api.class_name(operation)
        bare = name.rpartition(">")[2]
        if name in self.whole or bare in self.whole:
            return False
        if is_own(operation, self.api):
            return not any(one in RULES and not RULES[one].is_builtin for one in (name, bare))
        return holds_own_code(operation, self.api) and not self._holds_whole(operation)

    def _holds_whole(self, operation: Any) -> bool:
        """Whether what a layer of Keras' holds is kept whole."""
        own = list(_own_layers(operation, self.api))
        return bool(own) and not any(self.unfolds(held) for held in own)

    # ---- names

    def name(self, operation: Any, path: str) -> str:
        """The name of a layer or an operation, not yet made unique."""
        if id(operation) in self.places:
            return self.places[id(operation)]
        owner = None if self.tracer is None else self.tracer.owners.get(id(operation))
        if owner is not None and id(operation) not in self._reserved:
            place = self.places.get(id(owner[1]), f"{path}{owner[1].name}")
            return f"{place}/{self._kind(operation)}"
        return f"{path}{operation.name}"

    def _kind(self, operation: Any) -> str:
        if self.api.class_name(operation).startswith(OWN):
            return str(operation.name)
        return snake(getattr(operation, "class_name", type(operation).__name__))

    def _place_held(self, layer: Any, place: str) -> None:
        waiting = [(layer, place)]
        while waiting:
            current, own = waiting.pop(0)
            for name, held in _held_by_place(current, self.api):
                if id(held) not in self.places and id(held) not in self._reserved:
                    self.places[id(held)] = f"{own}/{name}"
                    waiting.append((held, f"{own}/{name}"))

    # ---- unfolding

    def apply(self, node: NodeView, values: dict[History, TensorRef], path: str) -> list[TensorRef]:
        """What a layer's code does, in the graph; gives what stands for the layer's outputs."""
        operation = node.operation
        name = self.walk.held_name(operation, path)
        self.places.setdefault(id(operation), name)
        self._place_held(operation, name)
        assert self.tracer is not None
        try:
            outputs = self.tracer.trace(operation, node.args, dict(node.kwargs))
            self.walk.graph.holders[name] = operation
            made = [None if self._is_fixed(tensor) else tensor for tensor in outputs]
            self._make([tensor for tensor in made if tensor is not None], values, f"{name}/")
        except Untraceable as error:
            self.walk.problem(*self._refusal(operation, name, error))
            return [TensorRef(name, at) for at in range(len(node.outputs))]
        self.unfolded[id(operation)] = operation
        refs = [TensorRef(name, at) for at in range(len(made))]
        self._unmade.update({ref: operation for ref, tensor in zip(refs, made) if tensor is None})
        return [ref if tensor is None else self._result(tensor, values) for ref, tensor in zip(refs, made)]

    def _refusal(self, operation: Any, name: str, error: Any) -> tuple[str, str, str]:
        class_name = self.api.class_name(operation)
        rule = f"or keep it whole, with a rule: save(…, whole=[{class_name!r}]), see docs/custom_layers.md"
        if is_code(operation, self.api):
            rule = "or make it a layer class of your own, with a rule, see docs/custom_layers.md"
        way_out = f"{error.way_out}; {rule}" if error.way_out else f"write it with keras.ops, {rule}"
        return f"{class_name} {name!r}", f"cannot be unfolded: {error.what}", way_out

    def _is_fixed(self, tensor: Any) -> bool:
        """Whether an output is an array that no input changes."""
        assert self.tracer is not None
        if not self.api.is_symbolic(tensor):
            return True
        if not self.tracer.sizes.made_of_sizes(tensor):
            return False
        return not self.api.is_symbolic(self._stands_for(tensor, self.tracer.alone))

    def _result(self, tensor: Any, values: Mapping[History, TensorRef]) -> TensorRef:
        assert self.tracer is not None
        if self.tracer.sizes.made_of_sizes(tensor):
            tensor = self._stands_for(tensor, self.tracer.alone)
        return values[self.api.history(tensor)]

    def _make(self, tensors: list[Any], values: dict[History, TensorRef], path: str) -> None:
        """Apply what tensors need that is not there yet. A stack of its own: graphs are deeper than Python's."""
        assert self.tracer is not None
        waiting = [self._alone(tensor) for tensor in tensors]
        while waiting:
            tensor = waiting[-1]
            if self.api.history(tensor) in values:
                waiting.pop()
                continue
            view = self.api.node(tensor)
            if view is None:
                raise Untraceable("uses a tensor of another model")
            if self.tracer.was_told_to_train(tensor):
                view = replace(view, kwargs={key: one for key, one in view.kwargs.items() if key != "training"})
            view = self._with_tables(view)
            needed = self.walk.symbolic(self.walk.arguments(view)[0])
            missing = [one for one in needed if self.api.history(one) not in values]
            if missing:
                waiting += missing
                continue
            refs = self.walk.apply(view, values, path)
            values.update((self.api.history(output), ref) for output, ref in zip(view.outputs, refs))

    def _alone(self, tensor: Any) -> Any:
        assert self.tracer is not None
        if not self.tracer.sizes.made_of_sizes(tensor):
            return tensor
        return self._stands_for(tensor, self.tracer.alone)

    def _with_tables(self, view: NodeView) -> NodeView:
        """An application whose tensors of sizes are tables, with as many axes as the others."""
        assert self.tracer is not None
        sizes = self.tracer.sizes
        found = self.walk.symbolic((view.args, dict(view.kwargs)))
        of_sizes = [one for one in found if sizes.made_of_sizes(one)]
        if not of_sizes:
            return view
        beside = next((one for one in found if not sizes.made_of_sizes(one)), None)
        product = self._with_turned_weight(view) or self._with_tables_in_subscripts(view, beside)
        if product is not None:
            return product
        meets = self.tracer.meeting(view.operation, max(len(one.shape) for one in found), beside)

        def put(part: Any) -> Any:
            if self.api.is_symbolic(part):
                return self._stands_for(part, meets) if sizes.made_of_sizes(part) else part
            if isinstance(part, (list, tuple)):
                return type(part)(put(one) for one in part)
            return {key: put(one) for key, one in part.items()} if isinstance(part, dict) else part

        return replace(view, args=put(tuple(view.args)), kwargs=put(dict(view.kwargs)))

    def _with_turned_weight(self, view: NodeView) -> NodeView | None:
        """A matrix product with a transposed weight, such as a word table, keeps the weight as it is."""
        assert self.tracer is not None
        if self.api.class_name(view.operation) != "ops.Matmul" or not self.api.is_symbolic(view.args[-1]):
            return None
        x, weight = view.args
        if not self.api.is_symbolic(x) or not self.tracer.sizes.made_of_sizes(weight):
            return None
        made = self.tracer.tables.make(weight, self.tracer.product(x))
        if not made.turned:
            return None
        product = self.tracer.turned_product(view.operation, len(x.shape))
        return NodeView(product, (x, made.value), {}, view.outputs)

    def _with_tables_in_subscripts(self, view: NodeView, beside: Any) -> NodeView | None:
        """An einsum whose tables have an axis for the batch, as the tensor beside them."""
        assert self.tracer is not None
        if self.api.class_name(view.operation) != "ops.Einsum" or beside is None:
            return None
        left, arrow, output = self.api.get_config(view.operation)["subscripts"].replace(" ", "").partition("->")
        if "." in left:
            return None
        terms = left.split(",")
        batch = next(term[0] for term, one in zip(terms, view.args) if one is beside)
        args = list(view.args)
        for at, one in enumerate(args):
            if self.api.is_symbolic(one) and self.tracer.sizes.made_of_sizes(one):
                own = terms[at].startswith(batch)
                args[at] = self._stands_for(one, self.tracer.beside(beside, len(one.shape) + (not own)))
                terms[at] = terms[at] if own or not self.api.is_symbolic(args[at]) else batch + terms[at]
        made = self.tracer.einsum_instead(view.operation, f"{','.join(terms)}{arrow}{output}")
        return NodeView(made, tuple(args), {}, view.outputs)

    def _stands_for(self, tensor: Any, meets: Any) -> Any:
        """What stands for a tensor of sizes: a table's output, an array or a weight."""
        assert self.tracer is not None
        beside = None if meets.beside is None else self.api.history(meets.beside)[:2]
        key = self.api.history(tensor), meets.rank, meets.spreads, meets.given, beside
        if key not in self._tables:
            self._tables[key] = self._table_for(tensor, meets)
        return self._tables[key]

    def _table_for(self, tensor: Any, meets: Any) -> Any:
        assert self.tracer is not None
        try:
            made = self.tracer.tables.make(tensor, meets)
        except Untraceable:
            held = self.tracer.put_together(tensor, meets, self._stands_for)
            if held is None:
                raise
            return held
        held = self.shared(made.table.held if made.table is not None else made.value)
        self.tracer.follow(tensor, held)
        if made.table is not None:
            made.table.hold(held)
            held = self.tracer.plain_call(made.table, *made.reads)
        return held

    def shared(self, value: Any) -> Any:
        """One array for all that are equal."""
        if not isinstance(value, np.ndarray):
            return value
        key = value.shape, value.dtype.str, value.tobytes()
        return self._arrays.setdefault(key, value)

    # ---- weights

    def tables_of(self, operation: Any) -> dict[str, Any]:
        """What a table of this package holds, as a weight."""
        return {"table": operation.held} if self.api.class_name(operation) == f"{OWN}Table" else {}

    def finish(self, graph: CallGraph) -> None:
        """Note what unfolded layers say of training, and the layers whose weights are used without a call."""
        if self.tracer is None:
            return
        for layer, variable in self.tracer.computed.values():
            graph.computed.setdefault(self.places[id(layer)], []).append(variable)
            graph.holders.setdefault(self.places[id(layer)], layer)
        for layer, how in self.tracer.differing.values():
            if id(layer) in self.places:
                graph.holders.setdefault(self.places[id(layer)], layer)
                graph.remarks[self.places[id(layer)]] = {"in_training": how}
        for _, layer in (*self.tracer.owners.values(), *self.tracer.callers.values()):
            if id(layer) in self.places and is_own(layer, self.api):
                graph.holders.setdefault(self.places[id(layer)], layer)
        self._check_used(graph)
        self._check_rows(graph)
        used = {id(value) for named in graph.constants.values() for value in named.values()} | graph.computed_ids()
        called = {id(operation) for operation in graph.layers.values()}
        empty = [name for name in graph.holders if not any(one.startswith(f"{name}/") for one in graph.layers)]
        for name in set(empty) - graph.remarks.keys():
            del graph.holders[name]  # its code makes nothing new
        for place, layer in self._held():
            if id(layer) not in called and any(id(one) in used for one in self.api.own_variables(layer)):
                graph.holders.setdefault(place, layer)

    def _check_used(self, graph: CallGraph) -> None:
        """A layer may return an array that no input changes, such as an empty one, where nobody reads it."""
        read = [
            *tensors_in(graph.outputs),
            *(ref for step in graph.steps for ref in tensors_in((step.args, step.kwargs))),
        ]
        for ref in dict.fromkeys(read):
            if ref in self._unmade and self.tracer is not None:
                what = f"output {ref.output} does not depend on its inputs"
                way_out = "return it from a function beside the model"
                error = Untraceable(what, way_out)
                self.walk.problem(*self._refusal(self._unmade[ref], ref.call, error))

    def _check_rows(self, graph: CallGraph) -> None:
        """What became rows of the batch has to come back: an output's rows are those of the inputs."""
        assert self.tracer is not None
        merged = rows_made(graph, self.api)
        for made in dict.fromkeys(merged[ref] for ref in tensors_in(graph.outputs) if ref in merged):
            _, layer = self.tracer.owners[id(made)]
            what = f"its rows, of which each of the batch has become several, reach the outputs ({made.line})"
            way_out = "reshape them back, (batch, steps, …), before they are returned"
            self.walk.problem(*self._refusal(layer, self.places[id(layer)], Untraceable(what, way_out)))

    def _held(self) -> Iterator[tuple[str, Any]]:
        """All layers that unfolded layers hold, by place."""
        seen: set[int] = set()
        waiting = list(self.unfolded.values())
        while waiting:
            current = waiting.pop()
            if id(current) not in seen and id(current) in self.places:
                seen.add(id(current))
                yield self.places[id(current)], current
                waiting += [held for _, held in held_layers(current, self.api)]


def _held_by_place(layer: Any, api: KerasApi) -> Iterator[tuple[str, Any]]:
    """The layers that a layer holds; those of a model by place, or by the name that a user gave them."""
    if not api.is_model(layer):
        yield from held_layers(layer, api)
        return
    counts: dict[str, int] = {}
    for at, held in enumerate(layer.layers):
        kind = snake(type(held).__name__)
        if api.is_sequential(layer):
            yield str(at), held
        elif re.fullmatch(rf"{kind}(_\d+)?", held.name):  # Keras' own name, which counts the whole session's layers
            counts[kind] = counts.get(kind, 0) + 1
            yield kind if counts[kind] == 1 else f"{kind}_{counts[kind]}", held
        else:
            yield held.name, held


def rows_made(graph: CallGraph, api: KerasApi) -> dict[TensorRef, Any]:
    """The tensors whose rows are steps or places of the batch's, each with what made its rows of them."""
    found: dict[TensorRef, Any] = {}
    tables: set[TensorRef] = set()
    for step in graph.steps:
        name = api.class_name(step.operation)
        given = list(tensors_in((step.args, step.kwargs)))
        if name == f"{OWN}RowsAsSteps":
            given = given[1:]
        elif name == f"{OWN}Table":
            tables.update(step.call.refs())
        else:
            given = [ref for ref in given if ref not in tables] or given
        rows = [found[ref] for ref in given if ref in found and step.shapes.get(ref) != ()]
        made = [step.operation] if name == f"{OWN}StepsAsRows" else rows
        found.update((ref, made[0]) for ref in step.call.refs() if made)
    return found


def training_settings(named: Mapping[str, Any]) -> dict[str, Any]:
    """What a layer says of how its own weights are trained, as Keras' layers say it in their settings."""
    found: dict[str, Any] = {}
    for name, variable in named.items():
        for key in ("regularizer", "constraint"):
            value = getattr(variable, key, None)
            if value is not None:
                found[f"{name}_{key}"] = {"class_name": type(value).__name__, "config": value.get_config()}
    untrained = [name for name, variable in named.items() if not variable.trainable]
    return {**found, "untrained": untrained} if untrained else found
