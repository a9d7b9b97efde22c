"""Keras configs as JSON values: what the saved network keeps of ``get_config()``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import Problem
from .functions import OwnFunction, OwnFunctions, describe_function, stand_ins
from .keras_api import BY_OPERATIONS, KerasApi
from .layers import INSTEAD_OF_TENSORFLOW, TENSORFLOW_CODE, parts_of

# Keys that say how Keras finds a class or builds a layer again, not what it does.
BUILDING_KEYS = frozenset({"build_config", "compile_config", "build_input_shape"})
# Settings of Keras' own layers that declare the input in front of them.
DECLARING_KEYS = frozenset({"batch_input_shape", "batch_shape", "input_shape"})

# Where Keras' operations are, some of which have the names of layers.
OPERATIONS = ("keras.src.ops", "keras.ops")

# Settings that say how weights begin or are trained.
BEGINNINGS = ("_initializer", "_regularizer", "_constraint")
LONGEST_BEGINNING = 2000


def describe_config(operation: Any, where: str, api: KerasApi, problems: list[Problem]) -> dict[str, Any]:
    """An operation's config as JSON values. What cannot be said in JSON is added to `problems`."""
    with stand_ins(operation, api) as functions:
        try:
            config = _config_of(operation, api)
        except NotImplementedError:
            way_out = "give the class a get_config() that returns its arguments"
            problems.append(Problem(where, "cannot describe itself: it has no get_config()", way_out))
            return {}
        except Exception as error:  # the class is a user's own, and may raise anything
            what = f"cannot describe itself: its get_config() fails with {type(error).__name__}: {str(error)[:200]}"
            problems.append(Problem(where, what, "mend get_config(): it returns the arguments of __init__ as a dict"))
            return {}
    if api.is_builtin(operation):
        config = {key: value for key, value in config.items() if key not in DECLARING_KEYS}
    return _Describer(where, problems, api, functions).settings(config, "")


def _config_of(operation: Any, api: KerasApi) -> dict[str, Any]:
    """The config; without regularizers and the like, which change no output, where one fails to describe itself.

    Raises:
        Exception: whatever the operation's ``get_config()`` raises.
    """
    try:
        return api.get_config(operation)
    except Exception:
        with _without_beginnings(operation, api):
            return api.get_config(operation)


@contextmanager
def _without_beginnings(operation: Any, api: KerasApi) -> Iterator[None]:
    parts = list(parts_of(operation, api)) if api.is_layer(operation) else []
    hidden = [
        (vars(part), key, value) for part in parts for key, value in vars(part).items() if key.endswith(BEGINNINGS)
    ]
    for attributes, key, _ in hidden:
        attributes[key] = None
    try:
        yield
    finally:
        for attributes, key, value in hidden:
            attributes[key] = value


class _Describer:
    def __init__(self, where: str, problems: list[Problem], api: KerasApi, functions: OwnFunctions) -> None:
        self.where = where
        self.problems = problems
        self.api = api
        self.functions = functions

    def problem(self, what: str, way_out: str) -> None:
        self.problems.append(Problem(self.where, what, way_out))

    def settings(self, config: Mapping[Any, Any], key: str) -> dict[str, Any]:
        """A config, without what only builds a layer again."""
        return {
            str(name): self.beginning(value) if str(name).endswith(BEGINNINGS) else self.value(value, f"{key}{name}")
            for name, value in config.items()
            if name not in BUILDING_KEYS
        }

    def beginning(self, value: Any) -> Any:
        """How weights begin or are trained. It changes no output, so no array and no function is asked of it."""
        quiet = _Describer(self.where, [], self.api, {})
        described = quiet.value(value, "")
        if quiet.problems or len(str(described)) > LONGEST_BEGINNING:
            name = value.get("class_name") if isinstance(value, Mapping) else type(value).__name__
            return {"class_name": str(name), "config": {}}
        return described

    def value(self, value: Any, key: str) -> Any:
        own = self.own_function(value)
        if own is not None:
            return describe_function(own, self.where, key, self.api, self.problems, describe_config)
        if isinstance(value, np.generic):
            return self.value(value.item(), key)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.dtype):
            return value.name
        if isinstance(value, np.ndarray):
            return self.value(value.tolist(), key)
        if isinstance(value, (list, tuple)):
            return [self.value(part, key) for part in value]
        if type(value).__name__ == "TensorShape":
            return [self.value(size, key) for size in value]
        if self.api.is_symbolic(value):
            way_out = "declare the sizes of its inputs in keras.Input: they are numbers then"
            self.problem(f"is given an open size, which is a tensor, as its {key}", way_out)
            return None
        if isinstance(value, Mapping):
            return self.mapping(value, key)
        if callable(getattr(value, "get_config", None)):
            return self.described(value, key)
        if callable(value):
            self.problem(f"is given a Python function as its {key}, which runs step by step", BY_OPERATIONS)
            return None
        self.problem(
            f"config {key}={value!r} is a {type(value).__name__}, no JSON value",
            "return numbers, strings, lists and dicts from get_config()",
        )
        return None

    def described(self, value: Any, key: str) -> Any:
        """An object by its own ``get_config()``, which is a user's code."""
        try:
            config = value.get_config()
        except Exception as error:
            what = f"config {key}={type(value).__name__}: its get_config() fails with {type(error).__name__}: {error}"
            self.problem(what, "mend get_config(): it returns the arguments of __init__ as a dict")
            return None
        return self.mapping({"class_name": type(value).__name__, "config": config}, key)

    def own_function(self, value: Any) -> OwnFunction | None:
        """The function of a user's own that stands at a place of the config."""
        if isinstance(value, Mapping) and value.get("class_name") == "function":
            value = value["config"]
        name = value if isinstance(value, str) else getattr(value, "__name__", None)
        return self.functions.get(str(name))

    def mapping(self, value: Mapping[Any, Any], key: str) -> Any:
        if "class_name" in value and "config" in value:
            return self.serialized(value, key)
        return {str(name): self.value(part, f"{key}.{name}") for name, part in value.items()}

    def serialized(self, value: Mapping[str, Any], key: str) -> Any:
        """A Keras object within a config: its class and config, without how Keras finds it."""
        class_name, config = value["class_name"], value["config"]
        if class_name in {"__lambda__", "function"}:
            return self.function(value, key)
        if class_name in {"DTypePolicy", "Policy"}:
            return config["name"]
        if class_name == "__tensor__" or class_name == "__numpy__":
            return self.value(config["value"], key)
        registered = value.get("registered_name") or ""
        name = registered if ">" in str(registered) else class_name
        if str(value.get("module", "")).startswith(OPERATIONS):
            name = f"ops.{name}"
        inner = {} if config is None else config
        if class_name in TENSORFLOW_CODE:
            self.problem(
                f"holds a model with the TensorFlow function {inner.get('function')}, which has no counterpart",
                INSTEAD_OF_TENSORFLOW,
            )
        described = self.settings(inner, f"{key}.") if isinstance(inner, Mapping) else self.value(inner, key)
        nodes = value.get("inbound_nodes")
        calls = {} if nodes is None else {"inbound_nodes": self.value(nodes, key)}
        return {"class_name": name, "config": described, **calls}

    def function(self, value: Mapping[str, Any], key: str) -> Any:
        registered = value.get("registered_name")
        if value["class_name"] == "function" and registered and ">" in str(registered):
            return {"class_name": "function", "config": str(registered)}
        name = value["config"] if isinstance(value["config"], str) else "a lambda"
        self.problem(
            f"config {key} is a function of your own ({name})",
            "register it with @keras.saving.register_keras_serializable(package=…), or make it a layer of its own",
        )
        return None
