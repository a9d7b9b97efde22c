"""Weights that a fresh model has of one value: which they are, and what they are for a reference that shows them.

A bias of zeros could be left out, and a gamma of ones be read in any order, and nothing would show until the network
has learnt. So such weights are shifted by known numbers, no two of them neighbours, and each of their layers is run
once more, alone, in Keras and in the port.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..network import Array, Case, Layer, Network, TensorRef
from .noise import size_of
from .tolerance import same_dtype

# Larger weights stay as they are, since to shift them takes twice their memory.
LARGEST = 64 << 20
# Shifts go from LEAST to LEAST + MOST: what is left out is missed by far more than ALLOWED of the largest number.
LEAST, MOST, ALLOWED = 0.125, 0.25, 1e-4
# Multiples of one, modulo the other, which is a prime: each number up to it comes once, and neighbours are far apart.
STEP, PERIOD = 40503, 65537


def has_few_values(array: Array) -> bool:
    """Whether floating numbers are of one value or two: zeros, ones, an LSTM's bias that begins with 1 to forget."""
    if array.dtype.kind != "f" or not array.size or array.nbytes > LARGEST:
        return False
    first = array == array.flat[0]
    others = array[~first]
    return not others.size or bool((others == others.flat[0]).all())


def shift(array: Array) -> Array:
    """The array with each number larger by another amount; a variance of 1 stays positive."""
    parts = np.arange(array.size, dtype=np.int64) * STEP % PERIOD / PERIOD
    shifted = array.astype(np.float64) + (LEAST + MOST * parts).reshape(array.shape)
    return np.asarray(shifted.astype(array.dtype))


def shifted_layer(layer: Layer) -> Mapping[str, Array]:
    """By name, the weights of a layer that are shifted, as they are then."""
    return {name: shift(array) for name, array in layer.weights.items() if has_few_values(array)}


def shifted_network(network: Network) -> Network:
    """The network with all of these weights shifted of which some reference tells."""
    told = {ref for case in network.cases for ref in case.shifted}
    layers = {call.layer for call in network.calls if told.intersection(call.refs())}
    weights = {f"{name}/{key}": array for name in layers for key, array in shifted_layer(network.layers[name]).items()}
    return network.with_weights(weights)


def agrees(case: Case, ref: TensorRef, got: Array) -> bool:
    """Whether an output is Keras' with shifted weights. Only what is left out or mixed up is asked, no last digits."""
    sampled = case.shifted[ref]
    if got.shape != sampled.shape or not same_dtype(got, sampled.values):
        return False
    noise = case.noise[ref].alone[0] if ref in case.noise else 0.0
    apart = np.abs(sampled.same_of(got).astype(np.float64) - sampled.values)
    return bool(apart.max(initial=0.0) <= ALLOWED * max(size_of(sampled.values), 1e-3) + 16 * noise)
