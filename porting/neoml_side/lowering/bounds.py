"""What is known of floats before a net runs: how small they get, and whether they are finite. NaN may come anywhere."""

from __future__ import annotations

from math import inf

from ..graph import Node, Port

# What these give is not below 0.
NOT_NEGATIVE = frozenset({"Abs", "Exp", "ReLU", "Sigmoid", "Softmax"})
# What these give is within −1 … 1.
WITHIN_ONE = frozenset({"HardTanh", "Sigmoid", "Softmax", "Tanh"})
# Far within float32, for sums that are rounded on the way.
SURELY_FINITE = 1e38
# These move numbers and leave them as they are.
MOVING = frozenset({"Transform", "Transpose"})
# A proof is short, or none is looked for.
DEPTH = 8


def times(a: float, b: float) -> float:
    return a * b if a and b else 0.0


def least_of(port: Port, depth: int = DEPTH) -> float:
    """A number that none is below, −∞ where none is known."""
    node = port.node
    if node.kind in NOT_NEGATIVE or (node.kind == "Power" and node.settings["exponent"] in (0.5, 2.0)):
        return 0.0
    if depth == 0:
        return -inf
    if node.kind in MOVING:
        return least_of(node.inputs[0], depth - 1)
    if node.kind == "Linear":
        return least_of_linear(node, depth)
    if node.kind == "Power":
        return 0.0 if least_of(node.inputs[0], depth - 1) > 0 else -inf
    if node.kind in ("EltwiseSum", "EltwiseMul", "EltwiseDiv"):
        return least_of_several(node, [least_of(one, depth - 1) for one in node.inputs])
    return -inf


def least_of_linear(node: Node, depth: int) -> float:
    multiplier, free_term = node.settings["multiplier"], node.settings["free_term"]
    if multiplier < 0:
        return -inf
    return times(multiplier, least_of(node.inputs[0], depth - 1)) + float(free_term)


def least_of_several(node: Node, least: list[float]) -> float:
    if node.kind == "EltwiseSum":
        return sum(least)
    return 0.0 if min(least) >= 0 else -inf


def is_finite(port: Port) -> bool:
    """Whether no infinity comes out: numbers within −1 … 1, moved, scaled and shifted."""
    return most_of(port) <= SURELY_FINITE


def most_of(port: Port, depth: int = DEPTH) -> float:
    """A size that none is above, ∞ where none is known."""
    node = port.node
    if node.kind in WITHIN_ONE:
        return 1.0
    if depth and node.kind == "Power" and node.settings["exponent"] == -1:
        least = least_of(node.inputs[0], depth - 1)
        return 1 / least if least > 0 else inf
    if depth and node.kind in MOVING:
        return most_of(node.inputs[0], depth - 1)
    if depth and node.kind == "Linear":
        multiplier, free_term = (abs(node.settings[one]) for one in ("multiplier", "free_term"))
        return float(multiplier * most_of(node.inputs[0], depth - 1) + free_term) if multiplier else float(free_term)
    return inf
