"""What the tests of this folder share."""

import keras
import numpy as np

from porting.keras_side.save import describe
from porting.network import TensorRef


def ref(text):
    return TensorRef.parse(text)


def calls(network):
    """The calls as lines: ``name <- inputs``."""
    lines = []
    for call in network.calls:
        line = f"{call.name} = {network.layers[call.layer].class_name}({_text(call.inputs)[1:-1]}"
        lines.append(line + "".join(f"; {key}={_text(value)}" for key, value in call.arguments.items()) + ")")
    return lines


def _text(value):
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_text, value)) + ")"
    if isinstance(value, TensorRef):
        return value.call if value.output == 0 else str(value)
    return repr(value)


def reload(model, path):
    model.save(path / "model.keras")
    return keras.models.load_model(path / "model.keras")


def describe_both(model, path, **options):
    """The network of a model, after checking that it is the same after saving and loading the model."""
    network = describe(model, **options)
    again = describe(reload(model, path), **options)
    assert again.calls == network.calls
    assert again.outputs == network.outputs
    assert {name: layer.config for name, layer in again.layers.items()} == {
        name: layer.config for name, layer in network.layers.items()
    }
    for case, same in zip(network.cases, again.cases):
        assert case.outputs.keys() == same.outputs.keys()
        assert case.masks.keys() == same.masks.keys()
        for name, array in case.outputs.items():
            np.testing.assert_array_equal(array, same.outputs[name])
    return network
