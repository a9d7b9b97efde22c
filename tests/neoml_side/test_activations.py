"""What NeoML's own activations round away, and the composed ones keep."""

from __future__ import annotations

import numpy as np
import pytest

from porting.engine_factory import make_engine
from porting.network import Call, Input, Layer, Network, TensorRef

OUT = TensorRef("layer")


def test_a_sigmoid_is_as_small_as_it_is() -> None:
    """NeoML's own stays above 1.2e-7; a logarithm behind it would show."""
    given = Input("x", (None, 9), "float32")
    layer = Layer("layer", "Activation", {"activation": "sigmoid"})
    network = Network("net", (given,), (Call("layer", "layer", (given.ref,)),), {"layer": layer}, OUT)
    x = np.array([[-200, -80, -40, -20, -15, 0, 15, 20, 200]], np.float32)
    made = make_engine(network, "neoml", "cpu").run({"x": x}, [OUT])[OUT]
    np.testing.assert_allclose(made, 1 / (1 + np.exp(-x.astype(np.float64))), rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize("name", ["Sinh", "Cosh"])
def test_hyperbolic_functions_are_finite_as_far_as_float32_holds_them(name: str) -> None:
    """e^x is beyond float32 from 88.73 on, half of it from 89.42 on."""
    given = Input("x", (None, 6), "float32")
    layer = Layer("layer", f"ops.{name}", {})
    network = Network("net", (given,), (Call("layer", "layer", (given.ref,)),), {"layer": layer}, OUT)
    x = np.array([[-89.41, -88.8, -3, 5, 88.8, 89.41]], np.float32)
    made = make_engine(network, "neoml", "cpu").run({"x": x}, [OUT])[OUT]
    np.testing.assert_allclose(made, getattr(np, name.lower())(x.astype(np.float64)), rtol=1e-6)
