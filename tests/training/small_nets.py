"""Nets of a layer or two, which no Keras has saved."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

import porting
from porting.engine_factory import make_engine
from porting.network import Call, Input, Layer, Network, TensorRef

RATE, ROWS, WIDTH = 0.4, 6, 5
DENSE = {"units": 2, "activation": "linear", "use_bias": True}
ONES = np.ones((ROWS, 2), np.float32)


def chain(*layers: Layer, shape: tuple[Optional[int], ...] = (WIDTH,)) -> porting.PortedNetwork:
    before = ["x", *(layer.name for layer in layers)]
    calls = tuple(Call(layer.name, layer.name, (TensorRef(name),)) for name, layer in zip(before, layers))
    made = {layer.name: layer for layer in layers}
    inputs = (Input("x", (None, *shape)),)
    network = Network("net", inputs, calls, made, TensorRef(layers[-1].name), origin={"keras": "3"})
    return porting.PortedNetwork(network, make_engine(network, "neoml", None))


def dense(name: str, size: int, **settings: Any) -> Layer:
    rng = np.random.default_rng(3)
    weights = {"kernel": rng.normal(size=(size, 2)).astype(np.float32), "bias": np.zeros(2, np.float32)}
    return Layer(name, "Dense", {**DENSE, **settings}, weights)


def dropped(**settings: Any) -> porting.PortedNetwork:
    net = chain(Layer("dropout", "Dropout", {"rate": RATE, "seed": None, "noise_shape": None}), dense("dense", WIDTH))
    net.compile("sgd", lambda truth, output: (output.sum(-1), np.ones_like(output)), **settings)
    return net


def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
