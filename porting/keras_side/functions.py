"""Functions that layers hold as activations, told apart by what they are and not by their names.

Keras writes a function into a config by its name: ``keras.ops.gelu`` becomes ``gelu``, which is another function of
`keras.activations`, and a function of a user's own that is called ``relu`` becomes ``relu``. So every function that is
none of `keras.activations` is described here, while a stand-in with a name of its own goes through ``get_config()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import Problem
from ..layers.operation_kinds import snake
from ..network import Constant, TensorRef
from .graph import CallGraph
from .keras_api import KerasApi
from .layers import check_layer, parts_of
from .tracing import Untraceable, trace
from .walking import walk

# A function of a user's own, and the layer that holds it.
OwnFunction = tuple[Callable[..., Any], Any]
Describe = Callable[[Any, str, KerasApi, list[Problem]], dict[str, Any]]
# By the name of the stand-in that is in the config.
OwnFunctions = Mapping[str, OwnFunction]

# Operations that are activations under other names, with the settings that these have.
SAME_AS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (snake(name), {}) for name in ("HardSigmoid", "Relu", "Relu6", "Selu", "Sigmoid", "Silu")},
    **{name: (snake(name), {}) for name in ("Softplus", "Softsign", "Tanh")},
    "Elu": ("elu", {"alpha": 1.0}),
    "Exp": ("exponential", {}),
    "Gelu": ("gelu", {"approximate": False}),
    "LeakyRelu": ("leaky_relu", {"negative_slope": 0.2}),
    "LogSoftmax": ("log_softmax", {"axis": -1}),
    "Softmax": ("softmax", {"axis": -1}),
}
# Shapes of different ranks and sizes: what is traced alike at both hangs on neither.
ANY_SHAPES = ((7,), (5, 9))
WAY_OUT = (
    "compute it with keras.ops on the whole tensor, or register it with "
    "@keras.saving.register_keras_serializable(package=…) and give a rule for it, see docs/custom_layers.md"
)


@contextmanager
def stand_ins(operation: Any, api: KerasApi) -> Iterator[dict[str, OwnFunction]]:
    """Put functions with names of their own where a layer, or one that it holds, has functions that are not Keras'.

    Yields:
        The functions and the layers that hold them, by the names that stand in ``get_config()`` meanwhile.
    """
    found: dict[str, OwnFunction] = {}
    places: list[tuple[dict[str, Any], str, Any]] = []
    if api.is_layer(operation):
        for part in parts_of(operation, api):
            for key, value in list(vars(part).items()):
                if key.endswith("activation") and _is_own(value, api):
                    name = f"function {len(found)} of porting"
                    found[name] = value, part
                    places.append((vars(part), key, value))
                    vars(part)[key] = _stand_in(name)
    try:
        yield found
    finally:
        for attributes, key, value in places:
            attributes[key] = value


def _is_own(value: Any, api: KerasApi) -> bool:
    return callable(value) and not api.is_layer(value) and not api.is_known_activation(value)


def _stand_in(name: str) -> Callable[..., Any]:
    def stands_in(x: Any) -> Any:
        return x

    stands_in.__name__ = name
    return stands_in


def describe_function(
    own: OwnFunction, where: str, key: str, api: KerasApi, problems: list[Problem], describe: Describe
) -> Any:
    """A function as a config value: an activation's name, a registered function's, or its operations as a model.

    Args:
        own: the function, and the layer that holds it.
        where: the layer in words.
        key: the config key of the function.
        api: its Keras.
        problems: what keeps it from being saved is added here.
        describe: the config of an operation, as `config.describe_config` gives it.
    """
    function, layer = own
    registered = api.registered_function(function)
    try:
        operations = _operations(function, layer, api, describe)
    except Untraceable as error:
        if registered is not None:
            return {"class_name": "function", "config": registered}
        problems.append(Problem(where, f"its {key} is {_shown(function)}, which Keras cannot trace: {error}", WAY_OUT))
        return None
    if registered is None or isinstance(operations, str):
        return operations
    return {"class_name": "function", "config": registered, "operations": operations}


def _shown(function: Any) -> str:
    """A function's name and place in words."""
    name = getattr(function, "__name__", type(function).__name__)
    said = "a lambda" if name == "<lambda>" else f"a function of your own, {name}"
    code = getattr(function, "__code__", None)
    return said if code is None else f"{said} ({code.co_filename}, line {code.co_firstlineno})"


def _operations(function: Any, layer: Any, api: KerasApi, describe: Describe) -> Any:
    """The name of the activation that a function is, or the graph of its operations.

    Raises:
        Untraceable: it cannot be called on symbolic tensors, or holds weights.
    """
    shapes = dict.fromkeys(shape[1:] for shape in api.shapes_made(layer)) or ANY_SHAPES
    found = [_described(function, shape, api, describe) for shape in shapes]
    if any(other != found[0] for other in found):
        raise Untraceable(f"it does not do the same for all shapes that {type(layer).__name__} may give it")
    return found[0]


def _described(function: Any, shape: tuple[Any, ...], api: KerasApi, describe: Describe) -> Any:
    given = api.input_tensor(shape)
    made = trace(function, api, given)
    if not api.is_symbolic(made):
        raise Untraceable(f"it returns a {type(made).__name__}")
    if api.history(made) == api.history(given):
        return "linear"
    graph = walk(api.model_between(given, made), api)
    if graph.problems:
        raise Untraceable("; ".join(problem.what for problem in graph.problems))
    name = getattr(function, "__name__", "function")
    return _as_activation(graph, api) or _as_model(graph, name, api, describe)


def _as_activation(graph: CallGraph, api: KerasApi) -> str | None:
    """The activation that a graph of one operation is."""
    if len(graph.steps) != 1 or len(graph.steps[0].call.inputs) != 1 or graph.steps[0].call.arguments:
        return None
    operation = graph.steps[0].operation
    name, settings = SAME_AS.get(api.class_name(operation).partition("ops.")[2], (None, {}))
    config = api.get_config(operation) if name else {}
    same = {key: value for key, value in config.items() if key not in ("name", "dtype")} == settings
    return name if same else None


def _as_model(graph: CallGraph, name: str, api: KerasApi, describe: Describe) -> dict[str, Any]:
    """A graph as Keras 3 describes a functional model; its operations named by their places."""
    problems: list[Problem] = []
    names = {graph.inputs[0].name: "x"}
    layers: dict[str, dict[str, Any]] = {"x": {"class_name": "InputLayer", "config": {"name": "x"}}}
    places: dict[str, tuple[str, int]] = {graph.inputs[0].name: ("x", 0)}
    for step in graph.steps:
        class_name = api.class_name(step.operation)
        layer = names.setdefault(step.call.layer, f"{class_name.rpartition('.')[2].lower()}_{len(names)}")
        if layer not in layers:
            check_layer(step.operation, class_name, api, problems)
            config = describe(step.operation, class_name, api, problems)
            if api.is_layer(step.operation) and step.operation.weights:
                problems.append(Problem("", f"it makes a layer with weights, {class_name}"))
            layers[layer] = {"class_name": class_name, "config": {**config, "name": layer}, "inbound_nodes": []}
        nodes = layers[layer]["inbound_nodes"]
        places[step.call.name] = layer, len(nodes)
        args = [_argument(value, places) for value in step.call.inputs]
        kwargs = {key: _argument(value, places) for key, value in step.call.arguments.items()}
        nodes.append({"args": args, "kwargs": kwargs})
    if problems:
        raise Untraceable("; ".join(problem.what for problem in problems))
    assert isinstance(graph.outputs, TensorRef)
    config = {
        "name": name,
        "layers": list(layers.values()),
        "input_layers": ["x", 0, 0],
        "output_layers": [*places[graph.outputs.call], graph.outputs.output],
    }
    return {"class_name": "Functional", "config": config}


def _argument(value: Any, places: Mapping[str, tuple[str, int]]) -> Any:
    if isinstance(value, TensorRef):
        history = [*places[value.call], value.output]
        return {"class_name": "__keras_tensor__", "config": {"keras_history": history}}
    if isinstance(value, Constant):
        raise Untraceable("it computes with an array or a weight that it does not get as an input")
    if isinstance(value, slice):
        parts = {key: _argument(getattr(value, key), places) for key in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if isinstance(value, Mapping):
        return {key: _argument(part, places) for key, part in value.items()}
    return [_argument(part, places) for part in value] if isinstance(value, tuple) else value
