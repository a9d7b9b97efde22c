"""keras-hub's tokenizers against what it gave for hard texts, and networks that begin with one, without Keras."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting import Mismatch, Unsupported
from porting.archive import read_network, write_network
from porting.network import Array, Call, Case, Input, Layer, Network, TensorRef
from porting.text import LAYERS
from tests.tampering import with_config, with_weight

GOLDEN = json.loads(gzip.decompress((Path(__file__).parent / "byte_pairs.json.gz").read_bytes()))
BERT = Path(__file__).parents[1] / "golden" / "texts_bert"
LENGTH = 12
PACKED = ("token_ids", "padding_mask", "segment_ids")
ALL_LETTERS = np.array([[0x41, 0x5A], [0x61, 0x7A], [0xC0, 0x24F], [0x4E00, 0x9FFF]], np.int32)
DIGITS = np.array([[0x30, 0x39], [0x966, 0x96F]], np.int32)


def _layer(name: str, length: int = 120) -> Layer:
    told = GOLDEN["tokenizers"][name]
    weights = {
        "vocabulary": np.array(told["vocabulary"], object),
        "ids": np.arange(len(told["vocabulary"]), dtype=np.int32),
        "merges": np.array(told["merges"], object),
        "letters": ALL_LETTERS,
        "numbers": DIGITS,
    }
    config = {**told["config"], "sequence_length": length, "pad_value": -2}
    return Layer("tokenizer", "BytePairTokenizer", config, weights, False)


@pytest.mark.parametrize("name", GOLDEN["tokenizers"])
def test_ids_are_those_of_the_library(name: str) -> None:
    layer = _layer(name)
    rows = LAYERS[layer.class_name](layer.config, layer.weights)(GOLDEN["texts"]).tolist()
    for text, row, wanted in zip(GOLDEN["texts"], rows, GOLDEN["tokenizers"][name]["ids"]):
        assert row == [*wanted, *[-2] * 120][:120], ascii(text)


def test_the_texts_tell_tokenizers_apart() -> None:
    """The control: no two kinds of settings have the same ids throughout."""
    found = {json.dumps(told["ids"]) for told in GOLDEN["tokenizers"].values()}
    assert len(found) == len(GOLDEN["tokenizers"])


# How keras-hub's regular expressions split in a graph; tests/hub compares them with keras-hub on any text.
WORDS = {
    "it's 2024": ["it", "'s", " 2024"],
    "a  b": ["a", " ", " b"],
    "a \n\n b!? ": ["a", " \n\n", " b", "!?", " "],
    "x <0>y": ["x", " ", "<0>", "y"],
    "५६": ["५"],
    "a\x00b": ["a"],
    "ĴA": ["<0>"],
}


@pytest.mark.parametrize("text", WORDS)
def test_words_in_a_graph(text: str) -> None:
    changed, _ = _in_a_graph(_layer("many special"))
    assert LAYERS["BytePairTokenizer"](changed.config, changed.weights).pieces.words(text) == WORDS[text]


def _packer(**settings: Any) -> Layer:
    config = {"sequence_length": LENGTH, "start_value": [2], "end_value": [3], "sep_value": [3], "pad_value": 0}
    return Layer("packer", "MultiSegmentPacker", {**config, **settings})


def _in_a_graph(layer: Layer) -> tuple[Layer, list[list[int]]]:
    """The layer as `predict` of a task runs it, and its ids: of words that are proved, in pairs that are proved."""
    changed = replace(layer, config={**layer.config, "splits": "tensorflow"})
    port = LAYERS["BytePairTokenizer"](changed.config, changed.weights)
    return changed, [port.ids(tokens) for tokens in port.tokens(GOLDEN["texts"])]


def _network(name: str, segments: int = 1, in_a_graph: bool = False, **packing: Any) -> Network:
    """Texts, a tokenizer, a packer, and three tables whose rows are added; references are the golden ids."""
    tokenizer, packer = _layer(name, LENGTH), _packer(segments=segments, **packing)
    golden = GOLDEN["tokenizers"][name]["ids"]
    if in_a_graph:
        tokenizer, golden = _in_a_graph(tokenizer)
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
    "pairs": ("many special", {"segments": 2}),
    "waterfall": ("prefix", {"segments": 2, "truncate": "waterfall"}),
    "on the left": ("disordered", {"segments": 2, "padding_side": "left"}),
    "regular expressions": ("many special", {"in_a_graph": True}),
    "whole text": ("special bytes", {}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_texts_everywhere(name: str, tmp_path: Path) -> None:
    """Both engines, a stored net and a standalone file give the same from the same texts."""
    golden, settings = NETWORKS[name]
    _everywhere(write_network(_network(golden, **settings), tmp_path / "net"), TensorRef("add"), tmp_path)


def test_a_bert_of_keras_hub_everywhere(tmp_path: Path) -> None:
    """WordPiece: the ids are keras-hub's, on every hard text."""
    _everywhere(BERT, TensorRef("logits"), tmp_path)


def _everywhere(folder: Path, output: TensorRef, tmp_path: Path) -> None:
    case = read_network(folder).cases[-1]
    for engine in ("numpy", "neoml"):
        net = porting.load(folder, engine=engine)
        report = net.check()
        assert report.ok, report
        np.testing.assert_allclose(net.predict(case.inputs), case.outputs[output], rtol=1e-5, atol=1e-5)
    stored = porting.load(net.store(tmp_path / "stored.neoml"))
    np.testing.assert_allclose(stored.predict(case.inputs), case.outputs[output], rtol=1e-5, atol=1e-5)
    written = porting.standalone(folder, tmp_path / "out")
    done = subprocess.run([sys.executable, "-I", str(written), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "import porting" not in written.read_text(encoding="utf-8")


def test_explain_shows_the_tokens() -> None:
    net = porting.load(BERT, engine="numpy")
    tokens = net.explain("unaffable Zy中").tokens["tokenizer"]
    assert [(one.text, one.known) for one in tokens][:4] == [
        ("un", True),
        ("##aff", True),
        ("##able", True),
        ("[UNK]", False),
    ]


def test_another_vocabulary_or_setting_is_found() -> None:
    """The control of `check`."""
    network = read_network(BERT)
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
        porting.load(with_config(read_network(BERT), layer, **settings), engine="numpy")


def test_texts_that_are_none() -> None:
    net = porting.load(BERT, engine="numpy")
    for given, words in ((["a", None], "NoneType"), (["\ud800"], "surrogate"), ([b"\xff"], "UTF-8")):
        with pytest.raises(Mismatch, match=words):
            net.predict(given)


def test_cpp_refuses_by_name(tmp_path: Path) -> None:
    net = porting.load(BERT, engine="neoml")
    from porting.cpp import write_program

    with pytest.raises(Unsupported, match="WordPieceTokenizer 'tokenizer'"):
        write_program(net.store(tmp_path / "stored.neoml"), tmp_path / "cpp")
