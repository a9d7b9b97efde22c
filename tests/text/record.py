"""Record the text cases from Keras. Runs in the Keras environment, from the repository's root."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from porting.keras_side.text import preprocessing_config, preprocessing_weights
from porting.network import Array
from tests.arguments import folders_and_names
from tests.text import samples
from tests.text.recorded import CASES, Recorded, mismatches, write_cases

ADAPT = [text for text in samples.TEXTS if isinstance(text, str)]


def objects(values: Any) -> Array:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def shaped(flat: Array, shape: str) -> Array:
    """The values, or the first of them, in a shape: ``flat``, ``column``, ``table``, ``deep`` or ``one``."""
    if shape == "one":
        return flat[:1].reshape(())
    if shape == "column":
        return flat[:, np.newaxis]
    if shape == "table":
        return flat[: len(flat) // 4 * 4].reshape(-1, 4)
    if shape == "deep":
        return flat[: len(flat) // 6 * 6].reshape(2, -1, 3)
    return flat


def texts_of(data: str, shape: str) -> Array:
    sets = {
        "all": samples.TEXTS,
        "traps": samples.TRAPS,
        "bytes": samples.BYTES,
        "empty": [],
        "blank": ["", " \n", "!"],
    }
    flat = objects(sets[data])
    if shape == "deep":
        return flat[: len(flat) // 3 * 3].reshape(-1, 3, 1)
    return shaped(objects(["the quick, brown fox"]) if shape == "one" else flat, shape)


def take(settings: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
    """Keras' arguments, the data and the shape."""
    arguments = {key: value for key, value in settings.items() if key not in ("data", "shape", "kinds", "weighted")}
    if isinstance(arguments.get("ngrams"), list):
        arguments["ngrams"] = tuple(arguments["ngrams"])
    return arguments, settings.get("data", "all"), settings.get("shape", "flat")


def record(layer: Any, settings: dict[str, Any], arguments: tuple[Any, ...], called: Any) -> Recorded:
    """What a built layer returned, text decoded, with the layer as it is saved."""
    output = called.numpy() if hasattr(called, "numpy") else np.asarray(called)
    output = np.asarray(output)
    if output.dtype == object or output.dtype.kind == "S":
        texts = [text.decode("utf-8", "surrogateescape") for text in output.astype(object).ravel()]
        output = objects(texts).reshape(output.shape)
    config = json.loads(json.dumps(preprocessing_config(layer)))
    described = {key: value for key, value in settings.items() if key != "vocabulary"}
    if "vocabulary" in settings:
        described["vocabulary"] = len(settings["vocabulary"])
    name = f"{type(layer).__name__} {described}"
    config["name"] = "layer"
    return Recorded(name, type(layer).__name__, config, preprocessing_weights(layer), arguments, output)


def vectorizations() -> list[Recorded]:
    cases = []
    for settings in samples.vectorization_settings():
        arguments, data, shape = take(settings)
        layer = keras.layers.TextVectorization(**arguments)
        if "vocabulary" not in arguments:
            layer.adapt(objects(ADAPT))
        texts = texts_of(data, shape)
        cases.append(record(layer, settings, (texts,), layer(tf.constant(texts, tf.string))))
    return cases


def lookups() -> list[Recorded]:
    cases = []
    words = ["the", "The", "a", "é", "мир", "世界", "x" * 16, "x" * 65, "", "[UNK]"]
    numbers = [5, -42, 0, 2**40 + 3, 999, -(2**63), 12]
    kinds: list[tuple[Any, list[Any], list[Any], Any]] = [
        (keras.layers.StringLookup, words, samples.TOKENS, "m"),
        (keras.layers.IntegerLookup, numbers, samples.INTEGERS, 7),
    ]
    for kind, vocabulary, values, mask in kinds:
        for settings in samples.lookup_settings(vocabulary, mask, salted=kind is keras.layers.StringLookup):
            arguments, data, shape = take(settings)
            if arguments.get("invert"):
                arguments["vocabulary"] = [token for token in vocabulary if token not in ("[UNK]", -1)]
            as_array = objects if kind is keras.layers.StringLookup else (lambda given: np.array(given, np.int64))
            layer = kind(**arguments)
            if "vocabulary" not in arguments:
                layer.adapt(as_array(values * 2))
            given = shaped(as_array(vocabulary if data == "known" else values), shape)
            if arguments.get("invert"):
                given = np.array([[0, 1, 2, 3, 4, 5], [11, -1, 8, 7, 2**40, 6]])
            called = layer(tf.constant(given, tf.string) if given.dtype == object else given)
            cases.append(record(layer, settings, (given,), called))
    return cases


def categories() -> list[Recorded]:
    cases = []
    indices = np.array([0, 5, 5, 1, 7, 2, 3, 3, 3, 0, 9, 4])
    for settings in samples.CATEGORY_ENCODINGS:
        arguments, _, shape = take(settings)
        layer = keras.layers.CategoryEncoding(**arguments)
        given = [shaped(indices, shape)]
        if "weighted" in settings:
            given.append(shaped(np.linspace(0.1, 2.3, 12, dtype=np.float32), shape))
        weights = {"count_weights": given[1]} if "weighted" in settings else {}
        cases.append(record(layer, settings, tuple(given), layer(given[0], **weights)))
    for settings in samples.DISCRETIZATIONS:
        arguments, data, shape = take(settings)
        layer = keras.layers.Discretization(**arguments)
        if "num_bins" in arguments:
            layer.adapt(np.linspace(-3, 3, 101, dtype=np.float32))
        values = [*samples.FLOATS, 0.75] if data != "int64" else [-5, -1, 0, 1, 2, 16777215, 16777216, 16777217, 2**40]
        given = shaped(np.array(values, np.float32 if data == "all" else data), shape)
        cases.append(record(layer, settings, (given,), layer(given)))
    return cases


def hashed() -> list[Recorded]:
    cases = []
    for settings in samples.HASHINGS:
        arguments, data, shape = take(settings)
        layer = keras.layers.Hashing(**arguments)
        given = shaped(hashable(data), shape)
        called = layer(tf.constant(given, tf.string) if given.dtype == object else given)
        cases.append(record(layer, settings, (given,), called))
    for settings in samples.CROSSINGS:
        arguments, _, shape = take(settings)
        layer = keras.layers.HashedCrossing(**arguments)
        columns = [objects(samples.TOKENS[::-1]), np.resize(np.array(samples.INTEGERS), len(samples.TOKENS))]
        given = [
            shaped(np.roll(columns[kind == "i"], 3 * place), shape) for place, kind in enumerate(settings["kinds"])
        ]
        called = layer([tf.constant(part, tf.string) if part.dtype == object else tf.constant(part) for part in given])
        cases.append(record(layer, settings, (tuple(given),), called))
    return cases


def hashable(data: str) -> Array:
    if data == "strings":
        return objects(samples.TOKENS)
    if data == "bool":
        return np.array([True, False, True])
    if data.startswith("float"):
        return np.array([0.0, -0.9, 1.5, -2.5, 7.0, 123456.7, -1e15], data)
    values = samples.INTEGERS if data == "int64" else [0, 1, 7, 42, 100, 2**31 - 1]
    return np.array(values if data != "uint64" else [*values, 2**64 - 1], data)


def main() -> None:
    cases = [*vectorizations(), *lookups(), *categories(), *hashed()]
    write_cases(cases)
    wrong = [f"{case.name}: {found}" for case in cases if (found := mismatches(case, case.run()))]
    print(f"{len(cases)} cases, {CASES.stat().st_size} bytes, {len(wrong)} differ")
    print("\n".join(wrong))


if __name__ == "__main__":
    folders_and_names(__spec__, __doc__, [])
    main()
