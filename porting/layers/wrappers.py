"""Layers that hold a layer or a model and apply it to every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from ..network import Call, Layer, TensorRef, tensors_in
from ..operations import Operations, Tensor
from .apply import apply_call
from .normalization import by_each_batch
from .operation_shapes import picked
from .rule import RULES, Context, LayerView, Refusal, Rule, makes_mask, only_tensor, rule
from .weight_shapes import held_weights

MODELS = frozenset({"Functional", "Sequential", "Model"})
# Operations by which Keras writes the masks that it passes on by itself into a model's graph.
MASK_OPERATIONS = frozenset({"NotEqual", "Any", "ops.NotEqual", "ops.Any"})


@rule(
    "TimeDistributed",
    note="of any layer or model",
    weights=lambda config, inputs: held_weights("layer", config["layer"], [(inputs[0][0], *inputs[0][2:])]),
)
def time_distributed(layer: LayerView, x: Tensor, ops: Operations, mask: Optional[Tensor] = None) -> Tensor:
    held = layer.held("layer")
    if layer.dialect == 2 and makes_mask(held.config):
        way_out = "hold the layers that read the mask in one model with it: TimeDistributed(keras.Model(ids, states))"
        raise layer.refuse(f"the mask that TimeDistributed({held.class_name}) hands on in Keras 2", way_out)
    moving = any(name.startswith(f"{held.name}/") for name in (ops.training.moving if ops.training else ()))
    if moving and layer.dialect == 3:
        if ops.training is not None and mask is None and held.class_name == "BatchNormalization":
            return by_each_batch(layer.inner("layer"), x, ops.training, by_steps=True)
        return step_by_step(layer, held, x, ops, mask)
    found = layer.context.rules.get(held.class_name)
    heeds_masks = found is not None and "mask" in found.arguments
    if mask is not None and heeds_masks and (moving or held.class_name != "BatchNormalization"):
        raise layer.refuse(f"a mask over the steps of TimeDistributed({held.class_name})", "unmask its input")
    if found is not None and takes_steps_alone(found, held) and not moving:
        return apply_held(held, [x], ops, layer.context)[0]
    (y,) = apply_held(held, [ops.time_to_batch(x)], ops, layer.context)
    return ops.batch_to_time(y, like=x)


def step_by_step(layer: LayerView, held: Layer, x: Tensor, ops: Operations, mask: Optional[Tensor]) -> Tensor:
    """Every step by its own statistics, one after the other, as Keras 3 does it."""
    if x.shape[1] is None:
        way_out = f"fix the time in the Input, or freeze it: frozen=[{layer.name!r}]"
        raise layer.refuse(f"{held.class_name} by the statistics of each batch over a time of open size", way_out)
    outputs = []
    for at in range(x.shape[1]):
        step = picked(x, 1, at, ops)
        kept = None if mask is None else picked(mask, 1, at, ops)
        (y,) = apply_held(held, [step.with_mask(kept)], ops, layer.context)
        outputs.append(ops.expand_dims(y, 1))
    return ops.concatenate(outputs, 1)


def takes_steps_alone(found: Rule, held: Layer) -> bool:
    """Whether the layer does the same to every step as it is, so that time need not be moved into the batch."""
    by_layer = isinstance(held.config.get("activation"), Mapping)
    return found.pointwise and not by_layer and held.config.get("axis", -1) in (-1, [-1], (-1,))


@rule("Pipeline", mask="stop", note="of layers of image preprocessing, as they are at inference")
def pipeline(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    tensors = [x]
    for at in range(len(layer.config["layers"])):
        tensors = apply_held(layer.held("layers", f"pipeline_layers/{at}", at), tensors, ops, layer.context)
    return only_tensor(tensors[0])


def apply_held(held: Layer, inputs: list[Tensor], ops: Operations, context: Context) -> list[Tensor]:
    """Apply a layer or a model that another layer holds.

    Args:
        held: the layer; a model's config lists its layers, and its weights are named ``inner layer/weight``.
        inputs: the tensors that it is called on.
        ops: the engine.
        context: the rules and weights around the layer that holds it.
    """
    if held.class_name == "Sequential":
        for part in parts_of(held).values():
            inputs = apply_held(part, inputs, ops, context)
        return inputs
    if held.class_name in MODELS:
        return apply_graph(held, inputs, ops, context)
    refs = tuple(TensorRef(f"input {number}") for number in range(len(inputs)))
    call = Call(held.name, held.name, refs if len(refs) == 1 else (refs,), outputs=0)
    return apply_one(call, held, dict(zip(refs, inputs)), ops, context)


def apply_to(layer: Layer, inputs: Sequence[Any], ops: Operations, context: Context) -> Any:
    """What a layer makes of its positional arguments, tensors or lists of them: a tensor, or a list of several."""
    tensors: dict[TensorRef, Tensor] = {}

    def noted(tensor: Tensor) -> TensorRef:
        ref = TensorRef(f"input {len(tensors)}")
        tensors[ref] = tensor
        return ref

    given = tuple(tuple(map(noted, one)) if isinstance(one, (list, tuple)) else noted(one) for one in inputs)
    made = apply_one(Call(layer.name, layer.name, given, outputs=0), layer, tensors, ops, context)
    return made[0] if len(made) == 1 else made


LayerView.apply_to = staticmethod(apply_to)


def apply_one(
    call: Call, layer: Layer, tensors: Mapping[TensorRef, Tensor], ops: Operations, context: Context
) -> list[Tensor]:
    if layer.class_name in MODELS:
        inputs = [tensors[ref] for ref in tensors_in(call.inputs)]
        return apply_held(layer, inputs, ops, context)
    return apply_call(call, layer, tensors, ops, context)


def parts_of(model: Layer) -> dict[str, Layer]:
    """A model's layers by name, without its inputs."""
    parts = {}
    for described in model.config["layers"]:
        if described["class_name"] == "InputLayer":
            continue
        name = described["config"]["name"]
        weights = {key[len(name) + 1 :]: value for key, value in model.weights.items() if key.startswith(f"{name}/")}
        class_name = described["class_name"]
        config = described["config"]
        known = class_name if class_name in RULES or class_name in MODELS else f"ops.{class_name}"
        parts[name] = Layer(f"{model.name}/{name}", known if known in RULES else class_name, config, weights)
    return parts


def apply_graph(model: Layer, inputs: list[Tensor], ops: Operations, context: Context) -> list[Tensor]:
    """Apply a functional model: the calls that its outputs need, in the order of their inputs."""
    layers = parts_of(model)
    calls = {call.name: call for call in calls_of(model)}
    tensors = dict(zip(refs_of(model.config["input_layers"]), inputs))
    wanted = refs_of(model.config["output_layers"])
    for name in needed(calls, wanted, {ref.call for ref in tensors}):
        call = calls[name]
        made = apply_one(call, layers[call.layer], tensors, ops, context)
        tensors.update((TensorRef(name, place), only_tensor(tensor)) for place, tensor in enumerate(made))
    return [tensors[ref] for ref in wanted]


def refs_of(described: Any) -> list[TensorRef]:
    """Keras' ``[layer, node, tensor]``, alone, in a list or in a dict, as refs."""
    if isinstance(described, Mapping):
        described = list(described.values())
    if described and isinstance(described[0], str):
        described = [described]
    return [ref_of(*one) for one in described]


def ref_of(layer: str, node: int, tensor: int) -> TensorRef:
    return TensorRef(f"{layer}@{node}", tensor)


def calls_of(model: Layer) -> Iterator[Call]:
    """A functional model's calls as Keras 3 describes them in a config."""
    producers = {described["config"]["name"]: described["class_name"] for described in model.config["layers"]}
    for described in model.config["layers"]:
        if described["class_name"] == "InputLayer":
            continue
        name = described["config"]["name"]
        for number, node in enumerate(described.get("inbound_nodes", ())):
            if not isinstance(node, Mapping):
                raise Refusal("a functional model of Keras 2 inside another layer", "save it with Keras 3")
            inputs = tuple(argument_of(part) for part in node["args"])
            arguments = {key: argument_of(part) for key, part in node["kwargs"].items() if part is not None}
            arguments.pop("training", None)
            if is_own_mask(arguments.get("mask"), producers):
                del arguments["mask"]
            yield Call(f"{name}@{number}", name, inputs, arguments, outputs=0)


def is_own_mask(mask: Any, producers: Mapping[str, str]) -> bool:
    """Whether a mask is what Keras passes on by itself."""
    return any(producers[ref.call.rpartition("@")[0]] in MASK_OPERATIONS for ref in tensors_in(mask))


def argument_of(described: Any) -> Any:
    if isinstance(described, Mapping):
        if described.get("class_name") == "__keras_tensor__":
            return ref_of(*described["config"]["keras_history"])
        if described.get("class_name") == "__slice__":
            return slice(*(argument_of(described["config"][key]) for key in ("start", "stop", "step")))
        return {key: argument_of(part) for key, part in described.items()}
    return tuple(map(argument_of, described)) if isinstance(described, list) else described


def needed(calls: Mapping[str, Call], wanted: list[TensorRef], given: set[str]) -> list[str]:
    """The names of the calls that the wanted tensors need, each after those that feed it."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in order or name in given:
            return
        if name not in calls:
            raise Refusal("a model inside another layer was saved without its graph", "save the network again")
        for ref in [*tensors_in(calls[name].inputs), *tensors_in(calls[name].arguments)]:
            visit(ref.call)
        order[name] = None

    for ref in wanted:
        visit(ref.call)
    return list(order)
