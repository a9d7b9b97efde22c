"""Where rows of a batch meet they are run as one batch, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from porting.engine import ROOM
from porting.network import Call, Case, Input, Layer, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine
from porting.numpy_side.operations import NumpyOperations
from porting.numpy_side.values import Value
from tests.along_an_axis import ALONG


@pytest.mark.parametrize("name", ALONG)
@pytest.mark.parametrize("axis", range(-3, 3))
def test_rows_meet_along_the_batch_alone(name: str, axis: int) -> None:
    ops = NumpyOperations()
    ALONG[name](ops, Value(np.ones((2, 3, 4), np.float32)), axis)
    assert ops.rows_meet == (axis % 3 == 0)


def test_a_slice_of_all_rows_is_none() -> None:
    ops = NumpyOperations()
    ops.slice(Value(np.ones((2, 3), np.float32)), 0, None, None)
    assert not ops.rows_meet


@pytest.mark.parametrize(
    ("equation", "meet"),
    [("bi,bi->b", False), ("bij,bkj->bik", False), ("bi,ci->bc", True), ("bi,bi->", True), ("bi->ib", True)],
)
def test_rows_meet_in_products_that_do_not_keep_them_apart(equation: str, meet: bool) -> None:
    ops = NumpyOperations()
    shapes = [(2, *[3] * (len(term) - 1)) for term in equation.partition("->")[0].split(",")]
    ops.einsum(equation, [Value(np.ones(shape, np.float32)) for shape in shapes])
    assert ops.rows_meet == meet


def test_scores_that_no_layer_gives_out_count_among_what_a_row_makes() -> None:
    steps = 256
    x, ref = Input("x", (None, steps, 8), "float32"), TensorRef("attention")
    given = np.ones((1, steps, 8), np.float32)
    layer = Layer("attention", "Attention", {"use_scale": False, "score_mode": "dot", "dropout": 0.0}, {})
    call = Call("attention", "attention", ([x.ref, x.ref],), outputs=1)
    case = Case("one", {"x": given}, {ref: given}, {})
    engine = NumpyEngine(Network("scores", (x,), (call,), {"attention": layer}, ref, (case,), {}))
    assert engine.rows_at_once({"x": given}, 10_000) == ROOM // steps**2
