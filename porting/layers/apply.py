"""Applying rules to calls: arguments, masks, and the check that nothing was ignored.

What carries a mask where is decided here, as Keras' ``Layer.__call__`` decides it: a layer called on one
tensor is given that tensor's mask as ``mask``; called on several (``query``, ``value``), ``query_mask`` and
so on, so an LSTM with an ``initial_state`` walks masked steps in Keras 3. Keras 2 gave it the mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

import numpy as np

from ..dtypes import is_float
from ..errors import PortingError, Problem, Unsupported
from ..network import Call, Constant, Layer, Network, Shape, TensorRef, map_tensors
from ..operations import EngineOperations, T, Tensor
from ..text import LAYERS
from .rule import RULES, Context, LayerView, Refusal, Rule
from .weight_shapes import check_weight_shapes


def context_of(network: Network, rules: Mapping[str, Rule] = RULES) -> Context:
    """What the layers of a network are applied within."""
    return Context(rules, network.dialect, network.weights())


def find_rule(layer: Layer, rules: Mapping[str, Rule] = RULES) -> Rule:
    """The rule for a layer's class.

    Raises:
        Unsupported: there is none.
    """
    found = rule_for(layer, rules)
    if found is None:
        way_out = f'write one: @porting.rule("{layer.class_name}") in a file given as rules, see docs/custom_layers.md'
        raise Unsupported(f"{layer.class_name} {layer.name!r}", "no rule for this layer", way_out)
    return found


def rule_for(layer: Layer, rules: Mapping[str, Rule] = RULES) -> Optional[Rule]:
    """The rule for a layer's class, or for a function's name; None where there is none."""
    found = rules.get(layer.class_name)
    if found is None and ">" in layer.class_name:
        # A rule of the user's own may leave the package out; Keras' class of that name is another class.
        found = rules.get(layer.class_name.rpartition(">")[2])
        found = None if found is not None and found.is_builtin else found
    return found


def apply_call(
    call: Call,
    layer: Layer,
    tensors: Mapping[TensorRef, T],
    ops: EngineOperations[T],
    context: Optional[Context] = None,
) -> list[T]:
    """Apply a call's layer to its tensors.

    Args:
        call: what is called on what.
        layer: the layer called.
        tensors: the values made so far, at least those that the call refers to.
        ops: the engine.
        context: the rules and the network's weights.

    Returns:
        The call's outputs, each with the mask that Keras gives it.

    Raises:
        Unsupported: no rule, an argument, a setting or a weight that the rule does not heed, a weight of another
            shape than its configuration implies, a configuration that is none, or a refusal.
    """
    where = f"{layer.class_name} {call.name!r}"
    context = context or Context()
    found = find_rule(layer, context.rules)
    try:
        with np.errstate(all="ignore"):  # NaN and infinity are answers, as they are Keras'
            return _apply(found, call, layer, tensors, ops, context, where)
    except Refusal as refusal:
        raise Unsupported(where, refusal.what, refusal.way_out) from refusal
    except PortingError:
        raise
    except FAILURES as error:  # a configuration or sizes that the rule was not made for
        raise Unsupported(where, _failure(error), _WAY_OUT) from error


# What a rule raises over a configuration that it was not made for.
FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
_WAY_OUT = (
    "is its configuration as Keras writes it, and do its inputs fit together? For a rule of your own see the "
    "error that caused this one"
)


def _failure(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"its configuration, or what its rule looks into, lacks {error}"
    text = str(error).strip().partition("\n")[0][:300]
    return f"cannot be computed: {type(error).__name__}{': ' if text else ''}{text}"


def _apply(
    found: Rule,
    call: Call,
    layer: Layer,
    tensors: Mapping[TensorRef, T],
    ops: EngineOperations[T],
    context: Context,
    where: str,
) -> list[T]:
    view = LayerView(layer, context)
    if call.unmasked:
        bare: dict[TensorRef, T] = {ref: tensors[ref].with_mask(None) for ref in call.unmasked}
        tensors = {**tensors, **bare}
    inputs = [_value(argument, tensors, view, ops) for argument in call.inputs]
    arguments = {
        name: _value(argument, tensors, view, ops)
        for name, argument in call.arguments.items()
        if name != "training" or argument is not False  # which `porting.training.trainable` heeds
    }
    _check_arguments(found, inputs, arguments, where)
    _check_weights(found, layer, view, [*inputs, arguments.get("key")], where)
    given = {**dict(zip(found.inputs, inputs)), **arguments}
    previous_mask = _populate_masks(found, given, context.dialect)
    result = found.apply(view, *inputs, ops=ops) if found.variadic else found.apply(view, ops=ops, **given)
    outputs: list[T] = list(result) if isinstance(result, (list, tuple)) else [result]
    if call.outputs and len(outputs) != call.outputs:
        raise Refusal(f"the rule returns {len(outputs)} outputs, Keras returned {call.outputs}")
    masks = _output_masks(found, view, inputs, previous_mask, ops, outputs)
    view.check_read(found.irrelevant)
    for output in outputs:
        if 0 in output.shape:
            # Keras may go on; NeoML divides by such a size.
            raise Refusal(f"makes an empty tensor of shape {tuple(output.shape)}", "give longer inputs")
    return with_masks(outputs, masks)


def _check_weights(found: Rule, layer: Layer, view: LayerView, inputs: list[Any], where: str) -> None:
    if found.class_name != layer.class_name or (not layer.weights and not layer.tied):
        return  # another package's class of that name may have other weights
    shapes = list(shapes_of(inputs))
    problems = [
        Problem(where, what, "save the network again")
        for what in check_weight_shapes(found, layer.config, shapes, view.weight_shapes())
    ]
    Unsupported.raise_for(problems)


def shapes_of(value: Any) -> Iterator[Shape]:
    """The shapes of the tensors in lists of lists of them."""
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from shapes_of(part)
    elif hasattr(value, "shape"):
        yield value.shape


def _value(argument: Any, tensors: Mapping[TensorRef, T], view: LayerView, ops: EngineOperations[T]) -> Any:
    if isinstance(argument, Constant):
        weight = view.weight(argument.weight)
        # What an operation computes with has no batch in front; what a layer is called on has.
        return weight if view.class_name.startswith("ops.") else ops.constant(weight.value)
    if isinstance(argument, (tuple, list)):
        return [_value(part, tensors, view, ops) for part in argument]
    # Preprocessing layers compute in whole numbers and strings, and Keras casts to a layer's own floats only.
    if view.class_name.startswith("ops.") or view.class_name in LAYERS:
        return map_tensors(argument, tensors.__getitem__)
    return map_tensors(argument, lambda ref: autocast(tensors[ref], ops))


def autocast(x: T, ops: EngineOperations[T]) -> T:
    """Keras' layers, unlike its operations, are given floats as float32."""
    if not is_float(x.dtype) or x.dtype == "float32":
        return x
    return ops.cast(x, "float32").with_mask(x.mask)


def _check_arguments(found: Rule, inputs: list[Any], arguments: Mapping[str, Any], where: str) -> None:
    problems = []
    if len(inputs) != len(found.inputs) and not found.variadic:
        what = f"is called with {len(inputs)} positional arguments, its rule takes {', '.join(found.inputs)}"
        problems.append(Problem(where, what))
    problems += [
        Problem(where, f"call argument {name!r} is not handled", "call the layer without it")
        for name in arguments
        if name not in found.arguments
    ]
    Unsupported.raise_for(problems)


def _masks(value: Any) -> Any:
    """The masks of a tensor or of a list of tensors, in the same structure."""
    if isinstance(value, (list, tuple)):
        return [_masks(part) for part in value]
    return getattr(value, "mask", None)


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_tensor(part) for part in value)
    return hasattr(value, "with_mask")  # a protocol is slow to ask for


def _populate_masks(found: Rule, given: dict[str, Any], dialect: int) -> Any:
    """Hand masks to a rule that takes them; returns the mask that the outputs may inherit."""
    named = [name for name, value in given.items() if _holds_tensor(value)]
    first = next(iter(given.values()), None)
    if len(named) == 1 or dialect == 2:
        if "mask" in found.arguments and given.get("mask") is None and named:
            given["mask"] = _masks(first)
    if len(named) > 1:
        for name in named:
            key = f"{name}_mask"
            if key in found.arguments and given.get(key) is None:
                given[key] = _masks(given[name])
    explicit = given.get("mask")
    return explicit if explicit is not None else _masks(first)


def _output_masks(
    found: Rule, view: LayerView, inputs: list[Any], previous: Any, ops: EngineOperations[T], outputs: list[T]
) -> list[Optional[Tensor]]:
    if found.mask == "stop":
        return [None] * len(outputs)
    if found.mask == "own":
        return [output.mask for output in outputs]
    if found.mask == "keep":
        masks = previous
    else:
        assert callable(found.mask)
        masks = found.mask(view, inputs[0] if inputs else None, previous, ops)
    listed = masks if isinstance(masks, (list, tuple)) else [masks]
    return [*listed, *[None] * len(outputs)][: len(outputs)]


def with_masks(tensors: list[T], masks: list[Optional[Tensor]]) -> list[T]:
    """The tensors carrying these masks and no others."""
    return [tensor if tensor.mask is mask else tensor.with_mask(mask) for tensor, mask in zip(tensors, masks)]
