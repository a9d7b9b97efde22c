"""Walking a network's calls with an engine's operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Optional

from ..errors import Problem, Unsupported
from ..network import Call, Network, TensorRef
from ..operations import EngineOperations, T
from . import RULES, Rule, apply_call, context_of


def last_uses(network: Network, wanted: Iterable[TensorRef]) -> dict[str, list[TensorRef]]:
    """By call name, the tensors that nobody reads after it."""
    last: dict[TensorRef, str] = {}
    for call in network.calls:
        for ref in [*call.reads(), *call.refs()]:
            last[ref] = call.name
    for ref in wanted:
        last.pop(ref, None)
    by_call: dict[str, list[TensorRef]] = {}
    for ref, name in last.items():
        by_call.setdefault(name, []).append(ref)
    return by_call


def walk(
    network: Network,
    ops: EngineOperations[T],
    inputs: Mapping[TensorRef, T],
    rules: Mapping[str, Rule] = RULES,
    *,
    stand_in: Optional[Callable[[TensorRef], T]] = None,
    before: Optional[Callable[[Call], None]] = None,
    wanted: Optional[Iterable[TensorRef]] = None,
) -> dict[TensorRef, T]:
    """Apply every call in order.

    Args:
        network: what to run.
        ops: the engine's operations.
        inputs: the input tensors by ``name:0``.
        rules: rules by class name.
        stand_in: gives a tensor for an output of a call that cannot be applied, so that the walk finds every
            problem, a result of another dtype than Keras' too; without it the first one ends the walk, and so
            does a KeyError of its own.
        before: told each call before it is applied.
        wanted: keep only these tensors and drop the others as soon as nobody reads them; None keeps all.

    Returns:
        Every tensor (or those wanted) by ref.

    Raises:
        Unsupported: listing every problem of every call.
    """
    tensors: dict[TensorRef, T] = dict(inputs)
    drops = {} if wanted is None else last_uses(network, wanted)
    context = context_of(network, rules)
    errors: list[Unsupported] = []
    for call in network.calls:
        if before is not None:
            before(call)
        try:
            outputs = apply_call(call, network.layers[call.layer], tensors, ops, context)
            if stand_in is not None:
                check_dtypes(network, call, outputs)
        except Unsupported as error:
            if stand_in is None:
                raise
            errors.append(error)
            try:
                outputs = [stand_in(ref) for ref in call.refs()]
            except KeyError:
                break
        tensors.update(zip(call.refs(), outputs))
        for ref in drops.get(call.name, ()):
            tensors.pop(ref, None)
    if errors:
        raise Unsupported(dict.fromkeys(problem for error in errors for problem in error.problems)) from errors[0]
    return tensors


def check_dtypes(network: Network, call: Call, outputs: Iterable[T]) -> None:
    """Refuse a call whose results have another dtype than the references show. Raises Unsupported."""
    if not network.cases:
        return
    shown = network.cases[0]
    covered = shown.covered()
    problems = [
        Problem(
            f"{network.layers[call.layer].class_name} {call.name!r}",
            f"gives {output.dtype} here and {shown.dtype(ref)} in Keras",
            "cast its inputs to one dtype, float32 or int32, where the model is built",
        )
        for ref, output in zip(call.refs(), outputs)
        if ref in covered and shown.dtype(ref).kind in "biuf" and output.dtype != shown.dtype(ref).name
    ]
    Unsupported.raise_for(problems)
