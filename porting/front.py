"""Text and categories in front of a network: what happens to inputs before the engine sees numbers.

Keras' preprocessing layers are computed by `porting.text`, in Python and numpy, for every engine. The calls of such
layers that hang on nothing but the network's inputs are its front; what they make are inputs of the core, which is what
an engine builds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np

from .errors import PortingError, Problem, Unsupported
from .network import Array, Call, Case, Input, Layer, Network, Shape, TensorRef, map_tensors
from .text import LAYERS
from .text.functions import TEXT_FUNCTIONS, Functions

# Keras' predict hands the vectorizer so many texts at a time; where rows are padded to the longest, it shows.
KERAS_BATCH_SIZE = 32


@dataclass(frozen=True)
class Step:
    """A call of a preprocessing layer.

    Attributes:
        call: in the network; it has one output.
        layer: what is called.
        run: from the input's values to the output.
    """

    call: Call
    layer: Layer
    run: Callable[..., Array]

    def __call__(self, tensors: Mapping[TensorRef, Array]) -> Array:
        given = [map_tensors(argument, tensors.__getitem__) for argument in self.call.inputs]
        more = {name: map_tensors(argument, tensors.__getitem__) for name, argument in self.call.arguments.items()}
        return self.run(*given, **more)


def make_step(call: Call, layer: Layer, own: Functions = TEXT_FUNCTIONS) -> Step:
    """The step of a call. Raises Unsupported for a setting that is not done exactly.

    Args:
        call, layer: what is called.
        own: a user's functions in the place of a vectorizer's callables, by name.
    """
    try:
        return Step(call, layer, LAYERS[layer.class_name](with_functions(layer, own).config, layer.weights))
    except PortingError:
        raise
    except Exception as error:
        what = f"its configuration and tables make none: {type(error).__name__}: {error}"
        raise Unsupported(f"{layer.class_name} {layer.name!r}", what, "save the network again") from error


def with_functions(layer: Layer, own: Functions) -> Layer:
    """The layer with a user's functions in the place of a vectorizer's callables. Raises Unsupported without them."""
    config: dict[str, Any] = dict(layer.config)
    problems = []
    for key in ("standardize", "split"):
        named = config.get(key)
        if layer.class_name != "TextVectorization" or not isinstance(named, Mapping):
            continue
        name = str(named.get("config"))
        config[key] = own.get(name)
        if name not in own:
            function = f'@porting.text_function("{name}") over a function of one str'
            way_out = f"give it in a file, rules='my_rules.py': {function}"
            problems.append(Problem(f"{layer.class_name} {layer.name!r}", f"{key} is the function {name!r}", way_out))
    Unsupported.raise_for(problems)
    return replace(layer, config=config)


@dataclass(frozen=True)
class Front:
    """The preprocessing calls that hang on inputs alone, in running order.

    Attributes:
        steps: the calls.
        core_inputs: the inputs of what is left.
    """

    steps: tuple[Step, ...]
    core_inputs: tuple[Input, ...]

    @property
    def pads_to_longest(self) -> bool:
        """Whether rows depend on the others of their batch."""
        return any(_is_open(step.layer) for step in self.steps)

    def run(self, inputs: Mapping[str, Array]) -> dict[TensorRef, Array]:
        """Inputs by name to every tensor of the front, and the inputs themselves."""
        tensors = {TensorRef(name): array for name, array in inputs.items()}
        for step in self.steps:
            tensors[TensorRef(step.call.name)] = step(tensors)
        return tensors


def _is_open(layer: Layer) -> bool:
    config = layer.config
    return (
        layer.class_name == "TextVectorization"
        and config.get("output_mode", "int") == "int"
        and config.get("output_sequence_length") is None
    )


def split_front(network: Network, own: Functions = TEXT_FUNCTIONS) -> tuple[Optional[Front], Network]:
    """A network's front and its core; no front and the network itself where no input meets a preprocessing layer.

    Args:
        network: the whole.
        own: as `make_step` takes them.

    Raises:
        Unsupported: listing every preprocessing layer that cannot be done exactly.
    """
    made: dict[TensorRef, Input] = {one.ref: one for one in network.inputs}
    steps: list[Step] = []
    rest: list[Call] = []
    problems: list[Problem] = []
    for call in network.calls:
        layer = network.layers[call.layer]
        if layer.class_name not in LAYERS or not all(ref in made for ref in call.reads()):
            rest.append(call)
            continue
        ref = TensorRef(call.name)
        made[ref] = Input(call.name, _shape_of(network, call, made), _dtype_of(network, ref))
        try:
            steps.append(make_step(call, layer, own))
        except Unsupported as error:
            problems += error.problems
    Unsupported.raise_for(problems)
    if not steps:
        return None, network
    read = {ref for call in rest for ref in call.reads()}
    inputs = tuple(one for ref, one in made.items() if ref in read)
    refs = tuple(ref for ref in network.output_refs() if ref not in made)
    # A layer that nobody calls may keep the weights of one that is called.
    gone = {step.layer.name for step in steps} - {call.layer for call in rest}
    layers = {name: layer for name, layer in network.layers.items() if name not in gone}
    cases = tuple(_core_case(case, inputs, rest) for case in network.cases)
    return Front(tuple(steps), inputs), replace(
        network, inputs=inputs, calls=tuple(rest), layers=layers, outputs=refs, cases=cases
    )


def _shape_of(network: Network, call: Call, made: Mapping[TensorRef, Input]) -> Shape:
    """The shape that a step makes: sizes that differ between the references, or that texts decide, are open."""
    shapes = [case.outputs[TensorRef(call.name)].shape for case in network.cases]
    if not shapes:
        raise Unsupported(call.name, "has no references that show its shape", "save the network again")
    sizes = [sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes)]
    given = next(made[ref] for ref in call.reads())
    for axis in range(1, len(sizes)):
        follows = axis < len(given.shape) and given.shape[axis] is None
        if follows or (_is_open(network.layers[call.layer]) and axis == len(sizes) - 1):
            sizes[axis] = None
    return (None, *sizes[1:])


def _dtype_of(network: Network, ref: TensorRef) -> str:
    array = next((case.outputs[ref] for case in network.cases), np.zeros(0, np.float32))
    return "string" if array.dtype.kind in "OUS" else array.dtype.name


def _core_case(case: Case, inputs: Iterable[Input], rest: Iterable[Call]) -> Case:
    known = {**{TensorRef(name): array for name, array in case.inputs.items()}, **case.outputs}
    refs = {ref for call in rest for ref in call.refs()}
    return Case(
        case.name,
        {one.name: known[one.ref] for one in inputs},
        {ref: array for ref, array in case.outputs.items() if ref in refs},
        {ref: array for ref, array in case.masks.items() if ref in refs or ref.call in {one.name for one in inputs}},
        sampled={ref: one for ref, one in case.sampled.items() if ref in refs},
    )
