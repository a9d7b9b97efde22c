"""Saving a Keras model: its layers, weights and references, as a `Network` and as a folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Literal

from ..archive.folder import check_target
from ..archive.metadata import metadata_problems
from ..errors import Mismatch, Problem, Unsupported
from ..layers.rule import HELD
from ..network import Layer, Network
from ..text import LAYERS as PREPROCESSING
from .cases import Recorder, warn_of_insensitive
from .config import describe_config
from .graph import CallGraph
from .held import held_layers
from .hub import find_texts, put_in_front
from .keras_api import KerasApi
from .layers import check_layer, check_numbers_of, id_limit, is_code, parts_of
from .needs import find_needs
from .run import MaskLostError, Progress
from .samples import name_samples
from .text import preprocessing_config, preprocessing_weights
from .thinning import REFERENCES
from .unfolding import LONGEST, is_own, training_settings
from .walking import walk
from .weights import Weights, collect_weights
from .which_keras import keras_api_of


def save(
    model: Any,
    folder: str | os.PathLike[str] | None,
    samples: Any = None,
    *,
    overwrite: bool = False,
    name: str | None = None,
    progress: Progress | None = None,
    whole: Collection[str] = (),
    longest: int | None = None,
    noise: bool = True,
    metadata: Mapping[str, Any] | None = None,
    references: Literal["sampled", "all", "outputs", "none"] = "sampled",
    preprocessing: Any = None,
    segments: int = 1,
) -> Network:
    """Save a Keras model, its weights and reference outputs of every layer to a folder. Needs Keras.

    Args:
        model: a built Sequential or Functional model of Keras 3, or of Keras 2.
        folder: where to; must not exist unless ``overwrite=True``. None writes nothing.
        samples: inputs of the user's own to record references for, as `predict` takes them; or the path of an npz.
        overwrite: replace a saved network that is there.
        name: the network's; by default the model's.
        progress: called with what is done, what there is to do, and a text, as references are recorded.
        whole: classes of your own, with or without their package, that are kept as they are, for rules of your own;
            the code of the others is run on symbolic tensors, and what it does is saved in their place.
        longest: how many steps tables have that are made of sizes alone, such as positions, where no weight says it.
        noise: measure how far each tensor moves when numbers move by a last bit, which takes most of the time. Without,
            `check` allows what the numpy engine's own noise says.
        metadata: what people should know of the network, as JSON values: ``title``, ``version``, ``authors``,
            ``license``, ``labels`` (the names of its classes), ``notes``, and whatever else.
        references: what is kept of what Keras computed: of large tensors some numbers, so that the folder has about
            three times the bytes of the weights and 8 MB; all; the network's outputs alone, which prove no layer; or
            nothing.
        preprocessing: a tokenizer or preprocessor of keras-hub, so that the saved network takes texts; its ids are
            those that calling it gives. None: a task model's own, with the ids of the model's `predict`. False: none.
        segments: how many texts a sample has that the preprocessor packs into one row.

    Raises:
        Unsupported: listing everything in the model that cannot be described.
        Mismatch: samples that do not fit the inputs, or a model whose layers do not give its outputs.
        BadArchive: the folder exists or cannot be written.
    """
    if folder is not None:
        check_target(folder, overwrite)
    told = {} if metadata is None else metadata
    wrong = metadata_problems(told)
    Unsupported.raise_for(wrong)
    described = describe(
        model,
        samples,
        name=name,
        progress=progress,
        whole=whole,
        longest=LONGEST if longest is None else longest,
        noise=noise,
        references=references,
        preprocessing=preprocessing,
        segments=segments,
    )
    network = replace(described, metadata=told)
    if folder is not None:
        from ..archive import write_network

        write_network(network, folder, overwrite=overwrite)
    return network


def describe(
    model: Any,
    samples: Any = None,
    *,
    name: str | None = None,
    progress: Progress | None = None,
    whole: Collection[str] = (),
    longest: int = LONGEST,
    noise: bool = True,
    references: str = "sampled",
    preprocessing: Any = None,
    segments: int = 1,
) -> Network:
    """The network that `save` would write."""
    if references not in REFERENCES:
        raise Mismatch("references", f"is {references!r}", f"give one of {', '.join(REFERENCES)}")
    api = keras_api_of(model)
    check_is_graph(model, api)
    texts = find_texts(model, preprocessing, segments)
    arguments = (model, samples, name or model.name, progress or (lambda *told: None), api, noise, references)

    def walked(keep_masks: bool = False) -> CallGraph:
        graph = walk(model, api, keep_masks=keep_masks, whole=whole, longest=longest)
        if texts is not None and not graph.problems:
            put_in_front(graph, texts)
        return graph

    try:
        return _describe(walked(), *arguments)
    except MaskLostError:
        return _describe(walked(keep_masks=True), *arguments)


def _describe(
    graph: CallGraph,
    model: Any,
    samples: Any,
    name: str,
    progress: Progress,
    api: KerasApi,
    noise: bool,
    references: str,
) -> Network:
    # Keras 3 builds a layer that is another's activation as it first runs.
    parts = (part for layer in graph.layers.values() for part in parts_of(layer, api))
    unbuilt = [part for part in parts if api.is_layer(part) and not part.built]
    weights = collect_weights(graph, api)
    layers = _describe_layers(graph, api, weights)
    Unsupported.raise_for(graph.problems)
    limits = {name: limit for name, layer in graph.layers.items() if (limit := id_limit(layer, api)) is not None}
    needs = find_needs(graph.inputs, [step.call for step in graph.steps], layers, limits)
    given = None if samples is None else name_samples(samples, needs)
    variables = {name: list(named.values()) for name, named in weights.variables.items()}
    own = {name: list(weights.kept(name).values()) for name in weights.variables}
    steps = frozenset(
        ref for step in graph.steps if layers[step.call.layer].class_name in PREPROCESSING for ref in step.call.refs()
    )
    recorder = Recorder(model, graph, api, needs, progress, variables, own, noise, references, steps)
    cases = recorder.record_all(given)
    warn_of_insensitive(cases, graph)
    if unbuilt:
        weights = collect_weights(graph, api)
        layers = _describe_layers(graph, api, weights)
    return Network(
        name=name,
        inputs=graph.inputs,
        calls=tuple(replace(step.call, unmasked=recorder.unmasked.get(step.call.name, ())) for step in graph.steps),
        layers=layers,
        outputs=graph.outputs,
        cases=cases,
        origin=api.versions(),
        order=_order(model, layers, weights.full_names()),
    )


def _order(model: Any, layers: Mapping[str, Layer], names: Mapping[int, str]) -> tuple[str | None, ...]:
    """The weights' names as the model's ``get_weights`` lists them; None for one that is not saved."""
    saved = {f"{layer.name}/{weight}" for layer in layers.values() for weight in layer.weights}
    listed = [names.get(id(variable)) for variable in model.weights]
    return tuple(name if name in saved else None for name in listed)


def check_is_graph(model: Any, api: KerasApi) -> None:
    """Raises Unsupported for a model whose graph is Python code."""
    if not api.is_model(model):
        called = "subclassed" if api.dialect == 3 else "subclassed.call"
        way_out = (
            f"make it functional: inputs = keras.Input(…); model = keras.Model(inputs, {called}(inputs)). "
            "Its layers and weights stay the same"
        )
        what = f"is a subclassed model ({type(model).__name__}): its graph is Python code"
        raise Unsupported(f"model {model.name!r}", what, way_out)


def _describe_layers(graph: CallGraph, api: KerasApi, found: Weights) -> dict[str, Layer]:
    described = {}
    for name, operation in graph.layers.items():
        where = f"{api.class_name(operation)} {name!r}"
        check_layer(operation, where, api, graph.problems)
        if api.class_name(operation) in PREPROCESSING:
            described[name] = _describe_preprocessing(name, operation, api, graph)
            continue
        described[name] = Layer(
            name=name,
            class_name=api.class_name(operation),
            config={} if is_code(operation, api) else _described(operation, where, api, graph.problems),
            weights={key: api.to_numpy(value) for key, value in found.kept(name).items()},
            trainable=bool(getattr(operation, "trainable", True)),
            tied=found.ties.get(name, {}),
        )
    names = found.full_names()
    for name, layer in graph.holders.items():
        described[name] = _describe_holder(name, layer, found, api, graph, names)
    return described


def _described(operation: Any, where: str, api: KerasApi, problems: list[Problem]) -> dict[str, Any]:
    """An operation's config; that of a layer of a user's own has the layers that it holds beside, for its rule."""
    config = describe_config(operation, where, api, problems)
    if not is_own(operation, api):
        return config
    held: dict[str, Any] = {}
    for name, layer in held_layers(operation, api):
        beyond: list[Problem] = []
        described = _described(layer, name, api, beyond)
        if not beyond:
            held[name] = {"class_name": api.class_name(layer), "config": described}
    return {**config, HELD: held} if held else config


def _describe_holder(
    name: str, layer: Any, found: Weights, api: KerasApi, graph: CallGraph, names: Mapping[int, str]
) -> Layer:
    """A layer that is not called itself: what its weights are, and what its code does in training."""
    check_numbers_of(layer, f"{api.class_name(layer)} {name!r}", graph.problems)
    own = found.kept(name)
    remarks = dict(graph.remarks.get(name, {}))
    computed = sorted({names[id(variable)] for variable in graph.computed.get(name, ()) if id(variable) in names})
    if computed:
        remarks["computed_with"] = computed
    return Layer(
        name=name,
        class_name=api.class_name(layer),
        config={**remarks, **training_settings(own)},
        weights={key: api.to_numpy(value) for key, value in own.items()},
        trainable=bool(layer.trainable),
        tied=found.ties.get(name, {}),
    )


def _describe_preprocessing(name: str, operation: Any, api: KerasApi, graph: CallGraph) -> Layer:
    """A layer of text or categories: what it holds are tables rather than variables."""
    try:
        weights, config = preprocessing_weights(operation), preprocessing_config(operation)
    except Unsupported as error:
        graph.problems.extend(error.problems)
        weights, config = {}, {}
    return Layer(name, api.class_name(operation), config, weights, bool(operation.trainable))
