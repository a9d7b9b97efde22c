"""Loading a model file: ``.keras``, ``.h5``, or a SavedModel folder, without running what the file brings along."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import Problem, Unsupported

__all__ = ["load_model_file"]

OLD_KERAS = "load and save it in an environment with Keras 2 (TensorFlow 2.15 or older), or install tf_keras here"


def load_model_file(
    path: str | os.PathLike[str], *, custom: Sequence[str | os.PathLike[str]] = (), trust_lambda: bool = False
) -> Any:
    """Load a Keras model from a file.

    Args:
        path: a ``.keras`` or ``.h5`` file, or a SavedModel folder (Keras 2 only).
        custom: Python files of your own that define its custom layers; they are imported.
        trust_lambda: let the file bring Python code along (Lambda layers); only for files you trust.

    Returns:
        The model, not compiled.

    Raises:
        Unsupported: no model file, one of another Keras, code that is not trusted, or classes that are not known;
            all such layers are listed.
    """
    path = Path(path)
    if not path.exists():
        raise Unsupported(Problem(str(path), "does not exist", "give the path of a .keras or .h5 file"))
    keras = _keras_for(path)
    objects = {name: value for file in custom for name, value in _objects_in(file, keras).items()}
    problems = list(_file_problems(path, keras, objects, trust_lambda))
    if problems:
        raise Unsupported(problems)
    try:
        with keras.utils.custom_object_scope(objects):
            if path.suffix == ".keras":
                return keras.models.load_model(str(path), compile=False, safe_mode=not trust_lambda)
            return keras.models.load_model(str(path), compile=False)
    except (ValueError, TypeError, NotImplementedError, OSError, KeyError, AttributeError, ImportError) as error:
        raise Unsupported(_not_loaded(path, error)) from error


def _keras_for(path: Path) -> ModuleType:
    """The Keras that can read a file: the installed one, or tf_keras for files of Keras 2."""
    keras: ModuleType = importlib.import_module("keras")
    installed = int(str(keras.__version__).partition(".")[0])
    if installed < 3:
        return keras
    if path.is_dir() or (_version(path) or "3").startswith("2"):
        if importlib.util.find_spec("tf_keras") is not None:
            return importlib.import_module("tf_keras")
        if path.is_dir():
            raise Unsupported(Problem(str(path), "is a folder; Keras 3 loads no SavedModel", OLD_KERAS))
        if path.suffix == ".keras":
            raise Unsupported(Problem(str(path), f"was saved by Keras {_version(path)}", OLD_KERAS))
    return keras


def _version(path: Path) -> str | None:
    """The Keras version that a file says it was saved by."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "metadata.json" in archive.namelist():
                return str(json.loads(archive.read("metadata.json")).get("keras_version", ""))
    elif path.is_file():
        return _h5_attribute(path, "keras_version")
    return None


def _h5_attribute(path: Path, name: str) -> str | None:
    import h5py

    if not h5py.is_hdf5(path):
        return None
    with h5py.File(path, "r") as file:
        value = file.attrs.get(name)
    return value.decode() if isinstance(value, bytes) else value


def _objects_in(file: str | os.PathLike[str], keras: ModuleType) -> dict[str, Any]:
    """The layers and functions that a user's own Python file defines, by name."""
    path = Path(file)
    if not path.is_file():
        raise Unsupported(Problem(str(path), "does not exist", "give the Python file that defines your layers"))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Unsupported(Problem(str(path), "is no Python file", "give the Python file that defines your layers"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__
    }


def _file_problems(path: Path, keras: ModuleType, objects: Mapping[str, Any], trust_lambda: bool) -> Iterator[Problem]:
    """What a file's description already shows to be missing, before Keras reads it."""
    for where, described in _described(_description(path)):
        class_name = described["class_name"]
        if class_name in {"Lambda", "__lambda__"} and not trust_lambda:
            way_out = (
                "replace it by a layer class of your own or by Keras operations; it cannot be ported, and only loading "
                "it needs trust_lambda=True, which runs the file's code"
            )
            yield Problem(where, "is a Lambda layer: Python code in the file", way_out)
        registered = described.get("registered_name")
        module = str(described.get("module") or "keras")
        if module.partition(".")[0] in {"keras", "tf_keras", "builtins"} and ">" not in str(registered):
            continue
        if class_name not in objects and keras.utils.get_registered_object(registered or class_name) is None:
            way_out = "name the Python file that defines it: custom=['my_layers.py'], --custom my_layers.py"
            yield Problem(where, f"is of the class {registered or class_name!r}, which is not known here", way_out)


def _description(path: Path) -> Any:
    try:
        if path.suffix == ".keras" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json"))
        if path.is_dir():
            return _saved_model_description(path)
        text = _h5_attribute(path, "model_config")
        return json.loads(text) if text else None
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise Unsupported(_not_loaded(path, error)) from error


def _saved_model_description(path: Path) -> Any:
    """The layers of a SavedModel folder that are Lambdas, as far as their metadata says so."""
    metadata = path / "keras_metadata.pb"
    found = metadata.read_bytes() if metadata.is_file() else b""
    names = re.findall(rb'"class_name": "Lambda", "config": \{"name": "([^"]*)"', found)
    return [{"class_name": "Lambda", "config": {"name": name.decode(errors="replace")}} for name in names]


def _described(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every described object within a description, with its name; no compile settings."""
    if isinstance(value, Mapping):
        config = value.get("config")
        if isinstance(value.get("class_name"), str) and "config" in value:
            name = config.get("name") if isinstance(config, Mapping) else config
            yield f"{value['class_name']} {name!r}", value
        for key, part in value.items():
            if key != "compile_config":
                yield from _described(part)
    elif isinstance(value, list):
        for part in value:
            yield from _described(part)


def _not_loaded(path: Path, error: Exception) -> Problem:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    if "Unknown layer" in str(error):
        way_out = "save the model as .keras: Keras cannot read every .h5 that it writes (masks); or name custom=[…]"
    elif "Lambda" in str(error):
        way_out = "replace Lambda layers; only loading them needs trust_lambda=True, which runs the file's code"
    else:
        way_out = "load it with keras.models.load_model in the environment that saved it, and save it as .keras"
    return Problem(str(path), f"is not loaded by Keras: {first[:300]}", way_out)
