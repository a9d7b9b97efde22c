"""Files and folders that are no Keras model: what each is, and how its weights come into one."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from ..errors import Problem


def other_file(path: Path) -> Problem:
    """What a file is that is neither a ``.keras`` nor an ``.h5`` file, by its first bytes or else by its name."""
    prefix = checkpoint_of(path)
    if prefix is not None:
        return _checkpoint(path, prefix)
    with path.open("rb") as file:
        start = file.read(512)
    for looks, what, way_out in FILES:
        if looks(path, start):
            return Problem(str(path), what, way_out.format(path=str(path), folder=str(path.parent)))
    return Problem(str(path), "is neither a .keras nor an .h5 file", "give a file that model.save wrote")


def other_folder(path: Path) -> Problem:
    """What a folder is that is no SavedModel."""
    if (path / "network.json").exists():
        return Problem(str(path), "is a saved network already", "porting check and porting.load take it as it is")
    if (path / "config.json").exists() and (path / "model.weights.h5").exists():
        members = " ".join(f"'{path / name}'" for name in UNPACKED if (path / name).exists())
        way_out = f"pack it again: python -m zipfile -c model.keras {members}"
        return Problem(str(path), "is a .keras file that was unpacked", way_out)
    prefix = next((file.with_suffix("") for file in sorted(path.glob("*.index"))), None)
    if prefix is not None:
        return _checkpoint(path, prefix)
    what = "is a folder without saved_model.pb: not a SavedModel"
    return Problem(str(path), what, "give a .keras or .h5 file, or a SavedModel folder")


def checkpoint_of(path: Path) -> Path | None:
    """The prefix of the TensorFlow checkpoint that a path is, belongs to or lists; None for another path."""
    prefix = path.with_name(re.sub(r"\.(index|data-\d{5}-of-\d{5})$", "", path.name))
    if path.name == "checkpoint" and path.is_file():
        named = re.search(r'^model_checkpoint_path: "(.+)"$', path.read_text("utf-8", "replace"), re.MULTILINE)
        prefix = path.parent / named[1] if named else path
    return prefix if prefix.with_name(f"{prefix.name}.index").is_file() else None


def _checkpoint(path: Path, prefix: Path) -> Problem:
    way_out = (
        f"build the model in Python; under Keras 2 or tf_keras model.load_weights({str(prefix)!r}); under Keras 3, "
        f"which reads none, layer.set_weights with tf.train.load_checkpoint({str(prefix)!r}).get_tensor(name), whose "
        "get_variable_to_shape_map() lists the names; then porting.save(model, folder)"
    )
    return Problem(str(path), "is a TensorFlow checkpoint: weights alone, no layers, no settings", way_out)


def _starts(pattern: bytes) -> Callable[[Path, bytes], bool]:
    return lambda path, start: re.match(pattern, start, re.DOTALL | re.IGNORECASE) is not None


def _named(*suffixes: str) -> Callable[[Path, bytes], bool]:
    return lambda path, start: path.suffix.lower() in suffixes


def _packs(ending: str) -> Callable[[Path, bytes], bool]:
    """Whether a path is a zip archive of which a member's name ends so."""

    def packs(path: Path, start: bytes) -> bool:
        if not (start.startswith(b"PK") and zipfile.is_zipfile(path)):
            return False
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(ending) for name in archive.namelist())

    return packs


UNPACKED = ("metadata.json", "config.json", "model.weights.h5", "assets")
OF_TORCH = "holds weights of PyTorch, not a Keras model"
BY_HAND = (
    "build its layers in Keras, give each its weights by layer.set_weights in Keras' orientation (a Dense's kernel is "
    "a Linear's weight transposed), then porting.save(model, folder)"
)
CONVERTED = "give the Keras model that it was converted from, as .keras or .h5"
PACKED = "unpack it, and give the .keras or .h5 file that it holds"
# How a file looks, what it is, and what to do; the first that fits counts, contents before names.
FILES: tuple[tuple[Callable[[Path, bytes], bool], str, str], ...] = (
    (_starts(rb"$"), "is empty", "copy or download it again"),
    (
        _starts(rb"version https://git-lfs"),
        "stands for a file in Git LFS that was not downloaded",
        "git lfs pull in its repository",
    ),
    (
        _starts(rb"\s*<(!doctype )?html"),
        "is a page of the web, not the file that was to be downloaded",
        "download the file itself",
    ),
    (
        _starts(rb".{4}TFL3"),
        "is a TensorFlow Lite model: a program, whose weights may be rounded",
        CONVERTED,
    ),
    (_packs("/data.pkl"), OF_TORCH, f"in PyTorch model.state_dict() gives them by name; {BY_HAND}"),
    (_named(".pt", ".pth"), OF_TORCH, f"in PyTorch model.state_dict() gives them by name; {BY_HAND}"),
    (
        _packs(".npy"),
        "holds arrays of numpy: weights at most, no layers",
        "build the model in Python, model.set_weights of the arrays in the order of model.weights, then "
        "porting.save(model, folder)",
    ),
    (_packs(""), "is a zip archive, but no .keras file: it holds no config.json", PACKED),
    (_starts(rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf"), "is compressed", PACKED),
    (
        _starts(rb"\x80[\x02-\x05]"),
        "is a pickle: Python code, which porting does not run",
        "if you trust its maker: model = pickle.load(open({path!r}, 'rb')) in the environment that wrote it, then "
        "porting.save(model, folder)",
    ),
    (_named(".onnx"), "is an ONNX model", CONVERTED),
    (_named(".safetensors"), "holds weights alone, by name: no layers, no settings", BY_HAND),
    (
        lambda path, start: path.name in ("saved_model.pb", "keras_metadata.pb"),
        "is a part of a SavedModel",
        "give its folder: {folder}",
    ),
    (
        _named(".pb"),
        "is a frozen graph of TensorFlow: a program, no Keras model",
        "its Const nodes hold the weights: graph = tf.compat.v1.GraphDef.FromString(open({path!r}, 'rb').read()), "
        "{{node.name: tf.make_ndarray(node.attr['value'].tensor) for node in graph.node if node.op == 'Const'}}; "
        "build its layers in Keras, layer.set_weights, then porting.save(model, folder)",
    ),
    (
        lambda path, start: path.name.endswith(".weights.json"),
        "lists the shards that Keras 3's save_weights wrote: weights alone, no layers, no settings",
        "build the model in Python, model.load_weights({path!r}), then porting.save(model, folder)",
    ),
    (
        _named(".json"),
        "describes layers at most: it holds no weights",
        "model = keras.models.model_from_json(open({path!r}).read()), model.load_weights(…) of the file beside it, "
        "then porting.save(model, folder)",
    ),
    (
        _named(".keras", ".h5", ".hdf5"),
        "holds no Keras model, whatever its name says: it is damaged, or was not downloaded whole",
        "copy or download it again; else give a file that model.save wrote",
    ),
)
