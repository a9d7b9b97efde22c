"""keras-hub's tokenizers against what it gave for hard texts, and networks that begin with one, without Keras."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting import Mismatch, Unsupported
from porting.archive import write_network
from porting.network import Array, Call, Case, Input, Layer, Network, TensorRef
from porting.text import LAYERS
from tests.tampering import with_config, with_weight

GOLDEN = json.loads(gzip.decompress((Path(__file__).parent / "tokenizers.json.gz").read_bytes()))
NAMES = list(GOLDEN["tokenizers"])
PLACES = {
    "WordPieceTokenizer": ("accents", "blanks", "decomposed", "folds", "marks"),
    "BytePairTokenizer": ("letters", "numbers"),
}
LENGTH = 12
PACKED = ("token_ids", "padding_mask", "segment_ids")


def _array(values: list[Any]) -> Array:
    return np.array(values, object if values and isinstance(values[0], str) else np.int32)


def _layer(name: str, length: int = 120) -> Layer:
    told = GOLDEN["tokenizers"][name]
    tables = {**told["tables"], **{key: GOLDEN["shared"][key] for key in PLACES[told["class"]]}}
    weights = {key: _array(values) for key, values in tables.items()}
    return Layer("tokenizer", told["class"], {**told["config"], "sequence_length": length}, weights, False)


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_keras_hubs(name: str) -> None:
    layer = _layer(name)
    rows = LAYERS[layer.class_name](layer.config, layer.weights)(GOLDEN["texts"]).tolist()
    for text, row, wanted in zip(GOLDEN["texts"], rows, GOLDEN["tokenizers"][name]["ids"]):
        assert row == [*wanted, *[-2] * (120 - len(wanted))], ascii(text)


def test_the_texts_tell_tokenizers_apart() -> None:
    """The control: no two kinds of settings have the same ids throughout."""
    ways = [
        "plain, called",
        "lowercase, called",
        "accents, called",
        "no cjk, called",
        "special, called",
    ]
    found = [
        json.dumps(GOLDEN["tokenizers"][name]["ids"])
        for name in (*ways, "special bytes, in a graph", "special bytes, called")
    ]
    assert len(set(found)) == len(found)


def _packer(**settings: Any) -> Layer:
    config = {"sequence_length": LENGTH, "start_value": [2], "end_value": [3], "sep_value": [3], "pad_value": 0}
    return Layer("packer", "MultiSegmentPacker", {**config, **settings})


def _network(name: str, segments: int = 1, **packing: Any) -> Network:
    """Texts, a tokenizer, a packer, and three tables whose rows are added; references are the golden ids."""
    tokenizer, packer = _layer(name, LENGTH), _packer(segments=segments, **packing)
    inputs = tuple(Input(f"text_{at}", (None,), "string") for at in range(segments))
    rng = np.random.default_rng(3)
    layers, calls, ends = {"tokenizer": tokenizer, "packer": packer}, [], []
    for at, one in enumerate(inputs):
        calls.append(Call(f"tokenizer{f'@{at + 1}' if at else ''}", "tokenizer", (one.ref,)))
    tokens = tuple(TensorRef(call.name) for call in calls)
    for one in PACKED:
        table = rng.normal(size=(400 if one == "token_ids" else 2, 3)).astype(np.float32)
        config = {"input_dim": len(table), "output_dim": 3, "mask_zero": False}
        layers[f"of_{one}"] = Layer(f"of_{one}", "Embedding", config, {"embeddings": table})
        calls.append(Call(one, "packer", (tokens,), {"returns": one}))
        calls.append(Call(f"of_{one}", f"of_{one}", (TensorRef(one),)))
        ends.append(TensorRef(f"of_{one}"))
    layers["add"] = Layer("add", "Add")
    calls.append(Call("add", "add", (tuple(ends),)))
    bare = Network("texts", inputs, tuple(calls), layers, TensorRef("add"), origin={"keras": "3.15.1"})
    golden = GOLDEN["tokenizers"][name]["ids"]
    cases = [
        _case(bare, [[(at + 7 * one) % len(golden) for at in rows] for one in range(segments)], golden)
        for rows in (range(40), range(40, 45), range(60, 61))
    ]
    return Network("texts", inputs, tuple(calls), layers, TensorRef("add"), tuple(cases), bare.origin)


def _case(network: Network, places: list[list[int]], golden: list[list[int]]) -> Case:
    outputs: dict[TensorRef, Array] = {}
    given = {
        one.name: np.array([GOLDEN["texts"][at] for at in rows], object) for one, rows in zip(network.inputs, places)
    }
    parts = []
    for at, rows in enumerate(places):
        tokens = np.full((len(rows), LENGTH), -2, np.int32)
        for row, place in zip(tokens, rows):
            row[: len(golden[place])] = golden[place][:LENGTH]
        outputs[TensorRef(network.calls[at].name)] = tokens
        parts.append([[one for one in row if one != -2] for row in tokens.tolist()])
    total: Any = 0
    for name, rows in _packed(network.layers["packer"], parts).items():
        outputs[TensorRef(name)] = rows
        outputs[TensorRef(f"of_{name}")] = network.layers[f"of_{name}"].weights["embeddings"][rows]
        total = total + outputs[TensorRef(f"of_{name}")]
    outputs[TensorRef("add")] = total
    return Case(f"{len(places[0])} rows", given, outputs)


def _packed(packer: Layer, parts: list[list[list[int]]]) -> dict[str, Array]:
    """As the docs of MultiSegmentPacker tell it: a token of each segment in turn until there is no room."""
    ids, segments = [], []
    for given in zip(*parts):
        room = LENGTH - 1 - len(given)
        in_turn = sorted((place, at) for at, tokens in enumerate(given) for place in range(len(tokens)))
        kept = (
            in_turn[:room]
            if packer.config.get("truncate") != "waterfall"
            else sorted(in_turn, key=lambda one: one[::-1])[:room]
        )
        row, of = [2], [0]
        for at, tokens in enumerate(given):
            some = tokens[: sum(one == at for _, one in kept)]
            row += [*some, 3]
            of += [at] * (len(some) + 1)
        left = [0] * (LENGTH - len(row))
        on_the_left = packer.config.get("padding_side") == "left"
        ids.append([*left, *row] if on_the_left else [*row, *left])
        segments.append([*left, *of] if on_the_left else [*of, *left])
    token_ids = np.array(ids, np.int32)
    return {
        "token_ids": token_ids,
        "padding_mask": (token_ids != 0).astype(np.int32),
        "segment_ids": np.array(segments, np.int32),
    }


def test_packing_between_a_start_and_an_end() -> None:
    """As a preprocessor of causal language models packs: a row's last token is a label's alone."""
    config = {"sequence_length": 6, "start_value": [1], "end_value": [9], "pad_value": 0, "drops_last": True}
    pack = LAYERS["StartEndPacker"](config, {})
    tokens = [np.array([[5, 6, -2, -2, -2, -2], [5, 6, 7, 8, 5, 6], [-2] * 6], np.int32)]
    assert pack(tokens).tolist() == [[1, 5, 6, 9, 0], [1, 5, 6, 7, 8], [1, 9, 0, 0, 0]]
    assert pack(tokens, returns="padding_mask", dtype="bool").tolist() == [
        [True, True, True, True, False],
        [True] * 5,
        [True, True, False, False, False],
    ]


NETWORKS = {
    "bert": ("bert, called", {}),
    "pairs": ("accents, called", {"segments": 2}),
    "waterfall": ("lowercase, called", {"segments": 2, "truncate": "waterfall"}),
    "on the left": ("roberta, called", {"segments": 2, "padding_side": "left"}),
    "regular expressions": ("many special, in a graph", {}),
    "whole text": ("special bytes, called", {}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_texts_everywhere(name: str, tmp_path: Path) -> None:
    """Both engines, a stored net and a standalone file give the same from the same texts."""
    golden, settings = NETWORKS[name]
    network = _network(golden, **settings)
    folder = write_network(network, tmp_path / "net")
    case = network.cases[0]
    for engine in ("numpy", "neoml"):
        net = porting.load(folder, engine=engine)
        report = net.check()
        assert report.ok, report
        np.testing.assert_allclose(net.predict(case.inputs), case.outputs[TensorRef("add")], rtol=1e-6, atol=1e-6)
    stored = porting.load(net.store(tmp_path / "stored.neoml"))
    np.testing.assert_allclose(stored.predict(case.inputs), case.outputs[TensorRef("add")], rtol=1e-6, atol=1e-6)
    written = porting.standalone(folder, tmp_path / "out")
    done = subprocess.run([sys.executable, "-I", str(written), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "import porting" not in written.read_text(encoding="utf-8")


def test_explain_shows_the_tokens(tmp_path: Path) -> None:
    net = porting.load(write_network(_network("bert, called"), tmp_path / "net"), engine="numpy")
    tokens = net.explain("unaffable Zy中").tokens["tokenizer"]
    assert [(one.text, one.known) for one in tokens][:4] == [
        ("un", True),
        ("##aff", True),
        ("##able", True),
        ("[UNK]", False),
    ]


def test_another_vocabulary_or_setting_is_found() -> None:
    """The control of `check`."""
    network = _network("bert, called")
    swapped = with_weight(network, "tokenizer", "vocabulary", lambda words: np.roll(words, 1))
    for altered in (
        swapped,
        with_config(network, "tokenizer", lowercase=False),
        with_config(network, "tokenizer", special_tokens=[]),
        with_config(network, "packer", end_value=[4]),
    ):
        assert not porting.load(altered, engine="numpy").check().ok


REFUSED = {
    "a key that is not known": ("tokenizer", {"capitals": True}, "capitals"),
    "no length": ("tokenizer", {"sequence_length": None}, "sequence_length"),
    "words that are split": ("tokenizer", {"split": False}, "split=False"),
    "no room": ("packer", {"sequence_length": 1}, "special tokens"),
    "another order": ("packer", {"truncate": "longest"}, "truncate"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_done_is_refused(name: str) -> None:
    layer, settings, words = REFUSED[name]
    with pytest.raises(Unsupported, match=words):
        porting.load(with_config(_network("bert, called"), layer, **settings), engine="numpy")


def test_texts_that_are_none(tmp_path: Path) -> None:
    net = porting.load(write_network(_network("plain, called"), tmp_path / "net"), engine="numpy")
    for given, words in ((["a", None], "NoneType"), (["\ud800"], "surrogate"), ([b"\xff"], "UTF-8")):
        with pytest.raises(Mismatch, match=words):
            net.predict(given)


def test_cpp_refuses_by_name(tmp_path: Path) -> None:
    net = porting.load(write_network(_network("bert, called"), tmp_path / "net"), engine="neoml")
    from porting.cpp import write_program

    with pytest.raises(Unsupported, match="WordPieceTokenizer 'tokenizer'"):
        write_program(net.store(tmp_path / "stored.neoml"), tmp_path / "cpp")
