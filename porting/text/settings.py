"""Reading a layer's config strictly: every key is known, every value is one that is done exactly, or it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..errors import Problem, Unsupported
from ..network import Array

# Keys that change no output here: how Keras names, trains and rebuilds a layer, and what the weights say better.
# `encoding` names how TensorFlow's other backends and get_vocabulary() decode; the ids do not depend on it.
IRRELEVANT = {
    *("autocast", "batch_input_shape", "build_config", "encoding", "has_input_vocabulary", "idf_weights"),
    *("name", "quantization_config", "trainable", "vocabulary", "vocabulary_size"),
}

Test = Callable[[Any], bool]


@dataclass(frozen=True)
class Setting:
    """A config key: Keras' default, which values are taken, and what to do about the others."""

    default: Any
    takes: Test
    way_out: str = ""


def one_of(*values: Any) -> Test:
    return lambda value: any(type(value) is type(known) and value == known for known in values)


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def at_least(minimum: int) -> Test:
    return lambda value: is_whole(value) and value >= minimum


def optional(test: Test) -> Test:
    return lambda value: value is None or test(value)


def _is_salt(value: Any) -> bool:
    return is_whole(value) or (isinstance(value, (list, tuple)) and len(value) == 2 and all(map(is_whole, value)))


SALT = Setting(None, optional(_is_salt), "a salt is one integer or two")
NO_SPARSE = Setting(
    False, one_of(False), "build the layer with sparse=False; its values are the same, and dense arrays are returned"
)


def read_settings(class_name: str, config: Mapping[str, Any], settings: Mapping[str, Setting]) -> dict[str, Any]:
    """The settings' values by key, Keras' defaults for those that the config leaves out.

    Raises:
        Unsupported: for every key that is not known and every value that is not taken, all at once.
    """
    where = str(config.get("name", class_name))
    problems = [
        Problem(where, f"{class_name} has a setting {key}={config[key]!r} that is not known here", "remove it")
        for key in config
        if key not in settings and key not in IRRELEVANT and key != "dtype"
    ]
    values = {key: config.get(key, setting.default) for key, setting in settings.items()}
    problems += [
        Problem(where, f"{class_name} with {key}={values[key]!r} is not supported", setting.way_out)
        for key, setting in settings.items()
        if not setting.takes(values[key])
    ]
    Unsupported.raise_for(problems)
    return values


def output_dtype(class_name: str, config: Mapping[str, Any], default: str) -> str:
    """The config's dtype by name, from Keras' string or policy.

    Raises:
        Unsupported: for a mixed policy or a type that numpy does not have.
    """
    named = config.get("dtype")
    if isinstance(named, Mapping):
        named = named["config"]["name"]
    name = default if named is None else str(named)
    try:
        np.dtype(name)
    except TypeError:
        where = str(config.get("name", class_name))
        problem = Problem(where, f"{class_name} with dtype={name!r} is not supported", "use a plain dtype: 'float32'")
        raise Unsupported(problem) from None
    return name


Same = TypeVar("Same", bound="LayerOfSettings")


class LayerOfSettings:
    """A layer without weights that is made of the values of its settings, and of a dtype."""

    SETTINGS: ClassVar[Mapping[str, Setting]] = {}

    def __init__(self, **values: Any) -> None: ...

    @classmethod
    def from_layer(cls: type[Same], config: Mapping[str, Any], weights: Mapping[str, Array]) -> Same:
        """From Keras' config. Raises Unsupported for settings that are not done exactly."""
        values = read_settings(cls.__name__, config, cls.SETTINGS)
        default = "int64" if values["output_mode"] == "int" else "float32"
        return cls(**values, dtype=output_dtype(cls.__name__, config, default))


def weight_of(class_name: str, config: Mapping[str, Any], weights: Mapping[str, Array], name: str) -> Sequence[Any]:
    """The weight of that name as a list.

    Raises:
        Unsupported: when the layer was saved without it.
    """
    if name not in weights:
        where = str(config.get("name", class_name))
        way_out = "adapt the layer, or give it a vocabulary, and save the model again"
        raise Unsupported(where, f"{class_name} came without its {name}", way_out)
    values: list[Any] = np.asarray(weights[name]).tolist()
    return values
