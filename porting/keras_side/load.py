"""Loading a model file: ``.keras``, ``.h5``, or a SavedModel folder, without running what the file brings along."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import Problem, Unsupported, problem_in_code
from ..text import LOOKUPS
from .keras2_files import OLD_KERAS, as_keras_3_reads, other_meanings, settings_of_keras_1
from .other_files import checkpoint_of, other_file, other_folder
from .tensorflow_functions import FUNCTIONS


def load_model_file(
    path: str | os.PathLike[str], *, custom: Sequence[str | os.PathLike[str]] = (), trust_lambda: bool = False
) -> Any:
    """Load a Keras model from a file.

    Args:
        path: a ``.keras`` or ``.h5`` file, or a SavedModel folder (Keras 2 only).
        custom: Python files of your own that define its custom layers; they are imported.
        trust_lambda: let the file bring code along (Lambda layers, a SavedModel's program); only for files you trust.

    Returns:
        The model, not compiled.

    Raises:
        Unsupported: no model file, one of another Keras, code that is not trusted, files that it would read, or
            classes and functions that are not known; all such layers are listed.
    """
    path = Path(path)
    if not path.exists() and checkpoint_of(path) is None:
        raise Unsupported(str(path), "does not exist", "give the path of a .keras or .h5 file")
    if path.is_dir() and not any((path / name).exists() for name in SAVED_MODEL):
        raise Unsupported(other_folder(path))
    if not path.is_dir() and not (_is_keras(path) or _is_h5(path)):
        raise Unsupported(other_file(path))
    keras = _keras_for(path)
    objects = {name: value for file in custom for name, value in _objects_in(file, keras).items()}
    try:
        problems = list(_file_problems(path, keras, objects, trust_lambda))
    except RecursionError as error:
        raise Unsupported(_not_loaded(path, error)) from error
    Unsupported.raise_for(problems)
    try:
        with keras.utils.custom_object_scope(objects), _readable(path, keras) as file:
            model = keras.models.load_model(str(file), compile=False, safe_mode=not trust_lambda)
    except Exception as error:  # whatever Keras makes of a file that is none of its own
        raise Unsupported(_not_loaded(path, error)) from error
    if not isinstance(model, keras.Model):
        raise Unsupported(_program(path))
    return model


def _keras_for(path: Path) -> ModuleType:
    """The Keras that can read a file: the installed one, or tf_keras for files of Keras 2."""
    keras: ModuleType = importlib.import_module("keras")
    if _generation(str(keras.__version__)) < 3:
        return keras
    if path.is_dir() or _is_old(path):
        if importlib.util.find_spec("tf_keras") is not None:
            return importlib.import_module("tf_keras")
        if path.is_dir():
            keeps_layers = (path / "keras_metadata.pb").exists()
            folder = Problem(str(path), "is a SavedModel of Keras 2, which Keras 3 does not load", OLD_KERAS)
            raise Unsupported(folder if keeps_layers else _program(path))
        if path.suffix == ".keras":
            raise Unsupported(str(path), f"was saved by Keras {_version(path)}", OLD_KERAS)
    return keras


def _generation(version: str) -> int:
    major = version.partition(".")[0]
    return int(major) if major.isdigit() else 3


def _is_old(path: Path) -> bool:
    """Whether Keras 1 or 2 wrote a file; the first of Keras 1 named no version."""
    version = _version(path)
    if version is None:
        return _h5_attribute(path, "model_config") is not None
    return _generation(version) < 3


def _needs_keras_2(path: Path) -> bool:
    """Whether a file of Keras 2 was given to Keras 3."""
    return _generation(_version(path) or "3") < 3 <= _generation(str(_keras_for(path).__version__))


def _program(path: Path) -> Problem:
    what = "holds no Keras model: a SavedModel of an Estimator, of tf.saved_model.save or of model.export is a program"
    variables = str(path / "variables" / "variables")
    way_out = (
        f"build its layers in Keras, set their weights from tf.train.load_checkpoint({variables!r}), "
        f"then porting.save(model, folder). If Keras 2 saved it before TensorFlow 2.5: {OLD_KERAS}"
    )
    return Problem(str(path), what, way_out)


@contextmanager
def _readable(path: Path, keras: ModuleType) -> Iterator[Path]:
    """The file, or a copy of it with the suffix that Keras goes by, or with the inputs that Keras 3 does not see."""
    old = _generation(str(keras.__version__)) == 3 and path.is_file() and path.suffix != ".keras" and _is_old(path)
    described = _description(path) if old else None
    complete = as_keras_3_reads(described)
    suffixes = (".h5", ".hdf5") if path.is_file() and _is_h5(path) else (".keras",)
    if path.is_dir() or (complete == described and path.suffix in suffixes):
        yield path
        return
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        made = Path(shutil.copy(path, Path(folder) / f"{path.stem}{suffixes[0]}"))
        if complete != described:
            with h5py.File(made, "r+") as file:
                file.attrs["model_config"] = json.dumps(complete)
        yield made


def _version(path: Path) -> str | None:
    """The Keras version that a file says it was saved by."""
    try:
        if zipfile.is_zipfile(path):
            return str(_member(path, "metadata.json").get("keras_version", ""))
        return _h5_attribute(path, "keras_version") if path.is_file() else None
    except UNREADABLE:
        return None


def _is_keras(path: Path) -> bool:
    """Whether a file is a .keras archive from its first byte on; a pickle holds one, or several, further in."""
    if not zipfile.is_zipfile(path):
        return False
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return False
    with zipfile.ZipFile(path) as archive:
        return "config.json" in archive.namelist()


def _is_h5(path: Path) -> bool:
    import h5py

    return bool(h5py.is_hdf5(path))


def _h5_attribute(path: Path, name: str) -> str | None:
    import h5py

    if not _is_h5(path):
        return None
    with h5py.File(path, "r") as file:
        value = file.attrs.get(name)
    return value.decode() if isinstance(value, bytes) else value


def _objects_in(file: str | os.PathLike[str], keras: ModuleType) -> dict[str, Any]:
    """The layers and functions that a user's own Python file defines, by name."""
    path = Path(file)
    if not path.is_file():
        raise Unsupported(str(path), "does not exist", "give the Python file that defines your layers")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Unsupported(str(path), "is not a Python file", "give the Python file that defines your layers")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's own code raises
        raise Unsupported(problem_in_code(str(path), error)) from error
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__
    }


def _file_problems(path: Path, keras: ModuleType, objects: Mapping[str, Any], trust_lambda: bool) -> Iterator[Problem]:
    """What a file's description already shows to be missing or to run code, before Keras reads it."""
    if path.is_dir() and not trust_lambda:
        what = "is a SavedModel: a TensorFlow program, parts of which run as it is loaded"
        yield Problem(str(path), what, "save the model as .keras, or trust its maker: trust_lambda=True")
    if path.is_dir():
        return
    description = _description(path)
    if description is None and _is_h5(path):
        yield _weights_only(path)
    of_keras_1 = settings_of_keras_1(_described(description))
    if of_keras_1:
        yield _of_keras_1(path, of_keras_1)
        return
    old = _generation(str(keras.__version__)) == 3 and _is_old(path)
    for where, described in _described(description):
        if old:
            yield from other_meanings(where, described)
        yield from _code_problems(where, described, trust_lambda)
        yield from _unknown(where, described, keras, objects)


def _weights_only(path: Path) -> Problem:
    """A file of ``save_weights``: who wrote it, and how its weights come into a model."""
    version = _h5_attribute(path, "keras_version")
    writer = "Keras 3" if path.name.endswith(".weights.h5") and version is None else f"Keras {version or '1 or 2'}"
    way_out = f"build the model in Python, model.load_weights({str(path)!r}), then porting.save(model, folder)"
    return Problem(
        str(path), f"holds weights alone, written by {writer}'s save_weights: no layers, no settings", way_out
    )


def _of_keras_1(path: Path, settings: Sequence[str]) -> Problem:
    what = f"was written by Keras {_version(path) or 1}, whose settings no later Keras reads: {', '.join(settings[:3])}"
    way_out = (
        f"write its layers anew in Python, model.load_weights({str(path)!r}), then porting.save(model, folder); "
        "the weights of recurrent layers, which Keras 1 kept gate by gate, have to be joined by hand"
    )
    return Problem(str(path), what, way_out)


def _code_problems(where: str, described: Mapping[str, Any], trust_lambda: bool) -> Iterator[Problem]:
    """Python code, files and TensorFlow functions that loading would run, read or call."""
    class_name, config = described["class_name"], described["config"]
    if class_name in CODE and not trust_lambda:
        way_out = (
            "replace it by a layer class of your own or by Keras operations, or let the file's code run, which is then "
            "ported by what it calls: trust_lambda=True, for files that you trust"
        )
        yield Problem(where, "is a Lambda: Python code in the file", way_out)
    if not isinstance(config, Mapping):
        return
    for key, value in config.items():
        if key.endswith("activation") and _is_lambda(value):
            way_out = GIVEN_BY_NAME if value == "<lambda>" else REBUILT
            yield Problem(where, f"has a lambda as its {key}: Python code, which Keras does not read back", way_out)
    if class_name in READ_FILES:
        for key in ("vocabulary", "idf_weights"):
            if isinstance(config.get(key), str):
                way_out = "save the model anew from Keras, which keeps the vocabulary in the file"
                yield Problem(where, f"reads its {key} from the file {config[key]!r:.80} as it is loaded", way_out)
    if class_name == "TFOpLambda" and config.get("function") not in FUNCTIONS:
        what = f"calls the TensorFlow function {config.get('function')!r:.80}, which has no rule"
        yield Problem(where, what, "replace it by a layer, or by a function that has one")


def _is_lambda(function: Any) -> bool:
    """Whether Keras wrote a function without a name: ``<lambda>`` in old files, since Keras 2.15 its code."""
    return function == "<lambda>" or (isinstance(function, Mapping) and set(function) == {"value"})


def _unknown(
    where: str, described: Mapping[str, Any], keras: ModuleType, objects: Mapping[str, Any]
) -> Iterator[Problem]:
    """Classes and functions that are neither Keras' for building models, nor registered, nor given by the user."""
    class_name, registered = described["class_name"], described.get("registered_name")
    module = described.get("module")
    name = described["config"] if class_name == "function" else class_name
    if class_name in CODE or _is_keras_own(keras, class_name, module, name, registered):
        return
    if str(name) in objects or keras.utils.get_registered_object(str(registered or name)) is not None:
        return
    kind = "the function" if class_name == "function" else "of the class"
    shown = name if class_name == "function" else registered or class_name
    yield Problem(where, f"is {kind} {str(shown)[:80]!r}, which is not known here", DEFINED_IN)


def _is_keras_own(keras: ModuleType, class_name: str, module: Any, name: Any, registered: Any) -> bool:
    """Whether a description names a part of Keras that models are built of; others do things as they are called."""
    if not isinstance(name, str) or ">" in str(registered) or (registered and module is None):
        return False
    parts = str(module or "keras").split(".")
    if class_name == "function" and (module or "keras") in ("builtins", "keras"):
        return any(hasattr(getattr(keras, part, None), name) for part in HOLD_FUNCTIONS)
    area = next((part for part in parts[1:] if part != "src"), "")
    return parts[0] in ("keras", "tf_keras") and area not in NOT_FOR_MODELS


DEFINED_IN = "name the Python file that defines it: custom=['my_layers.py']"
GIVEN_BY_NAME = (
    "load it with keras.models.load_model(…, compile=False, custom_objects={'<lambda>': that function}), then "
    "porting.save(model, folder)"
)
REBUILT = (
    "build the model in Python with that function, model.load_weights of this file, then porting.save(model, folder)"
)
# A layer's function, and the layer.
CODE = frozenset({"Lambda", "__lambda__"})
OPERATIONS_OF_MASKS = frozenset({"Any", "NotEqual"})
READ_FILES = {*LOOKUPS, "IndexLookup"}
HOLD_FUNCTIONS = ("activations", "losses", "metrics", "regularizers", "initializers", "constraints")
# Modules of Keras whose functions read files, fetch from the network or change settings.
NOT_FOR_MODELS = frozenset(
    {"applications", "callbacks", "config", "datasets", "distribution", "export", "legacy", "preprocessing", "saving"}
    | {"tree", "utils"}
)
LARGEST_DESCRIPTION = 256 << 20
SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")


def _description(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            return _member(path, "config.json")
        text = _h5_attribute(path, "model_config")
        return json.loads(text) if text else None
    except UNREADABLE as error:
        raise Unsupported(_not_loaded(path, error)) from error


def _member(path: Path, name: str) -> Any:
    """A JSON member of a .keras file, of modest size."""
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(name).file_size
        if size > LARGEST_DESCRIPTION:
            raise ValueError(f"its {name} has {size} bytes")
        return json.loads(archive.read(name))


# What zipfile, json and h5py raise for files that are broken, encrypted, or nest too deep.
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, zipfile.BadZipFile, zlib.error
)  # fmt: skip


def _described(value: Any, within: str = "the model") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every described object within a description, with its name; no compile settings, and nothing inside a Lambda."""
    if isinstance(value, Mapping):
        config = value.get("config")
        class_name = value.get("class_name")
        if isinstance(class_name, str) and "config" in value:
            name = config.get("name") if isinstance(config, Mapping) else None
            where = f"{class_name} {name!r}" if isinstance(name, str) else f"{class_name} in {within}"
            yield where, value
            within = where if isinstance(name, str) else within
            if class_name in CODE:
                return
        for key, part in value.items():
            if key != "compile_config":
                yield from _described(part, within)
    elif isinstance(value, list):
        for part in value:
            yield from _described(part, within)


def _not_loaded(path: Path, error: Exception) -> Problem:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    unknown = re.search(r"Unknown layer: '(.+?)'", str(error))
    if unknown and unknown[1] in OPERATIONS_OF_MASKS:
        way_out = "save the model as .keras: Keras cannot read every .h5 that it writes (masks)"
    elif unknown:
        way_out = DEFINED_IN
    elif "Lambda" in str(error):
        way_out = "replace Lambda layers, or let the file's code run: trust_lambda=True, for files that you trust"
    elif _needs_keras_2(path):
        way_out = OLD_KERAS
    else:
        way_out = "load it with keras.models.load_model in the environment that saved it, and save it as .keras"
    return Problem(str(path), f"is not loaded by Keras: {first[:300]}", way_out)
