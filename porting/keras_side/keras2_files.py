"""Files of Keras 1 and 2 where Keras 3 reads them: what it would take for something else, and inputs that it misses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import Problem
from ..layers.rule import makes_mask
from ..text import LOOKUPS

OLD_KERAS = (
    "install tf_keras beside Keras 3 (pip install tf_keras), or run `porting save` in an environment with Keras 2 "
    "(TensorFlow 2.15 or older)"
)
# Layers that give floats in Keras 2 where Keras 3 gives integers.
COUNTING = {"CategoryEncoding", "Hashing", *LOOKUPS}
RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN"}
# Settings that Keras 1 alone has; an Embedding has the first to this day.
KERAS_1 = ("output_dim", "nb_filter", "border_mode", "nb_row", "nb_col", "inner_init", "dropout_W", "concat_axis")


def settings_of_keras_1(described: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The settings of Keras 1 in a file's layers, as ``border_mode of Convolution2D 'conv'``; none in later files."""
    return [
        f"{key} of {where}"
        for where, one in described
        if isinstance(one["config"], Mapping) and one["class_name"] != "Embedding"
        for key in KERAS_1
        if key in one["config"]
    ]


def other_meanings(where: str, described: Mapping[str, Any]) -> Iterator[Problem]:
    """What a layer of a file of Keras 2 means that Keras 3 takes for something else, without a word."""
    config = described["config"]
    if not isinstance(config, Mapping):
        return
    for key, value in config.items():
        name = value.get("config") if isinstance(value, Mapping) else value
        if key.endswith("activation") and name == "hard_sigmoid":
            what = f"has hard_sigmoid as its {key}: clip(0.2 x + 0.5) in Keras 2, relu6(x + 3) / 6 in Keras 3"
            yield Problem(where, what, OLD_KERAS)
    if makes_mask(config):
        yield Problem(where, "makes a mask, which Keras 2 and Keras 3 pass on by different rules", OLD_KERAS)
    if described["class_name"] in COUNTING:
        yield Problem(where, "gives floats in Keras 2 and integers in Keras 3", OLD_KERAS)


def as_keras_3_reads(described: Any) -> Any:
    """A model's description with an InputLayer in front of each Sequential that declares its input in its first layer.

    Keras before 2.3 wrote none there, and Keras 3 then takes the declared batch for one more axis. Keras before 2.2.3
    wrote the layers of a Sequential alone, without a name. ``time_major`` of recurrent layers is left out where it
    says nothing, since Keras 3 has no such setting.
    """
    if isinstance(described, list):
        return [as_keras_3_reads(part) for part in described]
    if not isinstance(described, Mapping):
        return described
    made = {key: as_keras_3_reads(part) for key, part in described.items()}
    if made.get("class_name") in RECURRENT and not made["config"].get("time_major", True):
        del made["config"]["time_major"]
    if made.get("class_name") == "Sequential":
        if isinstance(made["config"], list):
            made["config"] = {"name": "sequential", "layers": made["config"]}
        layers = made["config"]["layers"]
        layers[:0] = _declared_input(layers)
    return made


def _declared_input(layers: list[Any]) -> list[Any]:
    """The InputLayer that a Sequential model's first layer declared, in a list; an empty one without."""
    first = layers[0] if layers else {}
    settings = first.get("config")
    if first.get("class_name") == "InputLayer" or not isinstance(settings, dict):
        return []
    shape = settings.pop("batch_input_shape", None)
    if shape is None:
        return []
    dtype = settings.get("dtype")
    config = {"name": f"{settings['name']}_input", "batch_shape": shape}
    return [{"class_name": "InputLayer", "config": {**config, "dtype": dtype if isinstance(dtype, str) else "float32"}}]
