"""Stored nets in a process of plain NeoML: masks, tied tables and custom layers are in the archive itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import neoml
import numpy as np
import pytest

import porting
from porting.checking import needed_tolerance
from porting.engine_factory import make_engine
from porting.neoml_side.stored.store import description_path
from tests.tampering import with_weight

ROOT = Path(__file__).parents[2]
SAVED = ROOT / "saved_weights"
EXACT = 2e-6

# Runs where nothing but neoml and numpy is imported; argv: the archive, a source's name, the blob, the outputs.
PLAIN = """
import sys
import neoml
import numpy as np

archive, source, ids, outputs = sys.argv[1:]
engine = neoml.MathEngine.CpuMathEngine(1)
net = neoml.Dnn.Dnn(engine)
net.load(archive)
ids = np.load(ids).astype(np.int32)
blob = neoml.Blob.asblob(engine, ids, ids.shape, True)
made = net.run({source: blob})
np.savez(outputs, **{name: one.asarray(copy=True, keep_dims=True) for name, one in made.items()})
assert not [name for name in sys.modules if name.partition(".")[0] == "porting"]
"""


def run_plainly(net: porting.PortedNetwork, ids: np.ndarray, folder: Path) -> list[np.ndarray]:
    """What plain NeoML makes of batch-first ids, in the order and shapes of the network's outputs."""
    archive = net.store(folder / "stored.net")
    description = json.loads(description_path(archive).read_text())
    ((name, layout),) = [(one["name"], one["layout"]) for one in description["sources"]]
    # What a NeoML program reads in the description: the batch is batch_width, words lie in height or batch_length.
    rows, steps = ids.shape
    blobs = {"BH": ids.reshape(1, rows, 1, steps, 1, 1, 1), "BL": ids.T.reshape(steps, rows, 1, 1, 1, 1, 1)}
    np.save(folder / "ids.npy", np.ascontiguousarray(blobs[layout]))
    arguments = [str(archive), name, str(folder / "ids.npy"), str(folder / "made.npz")]
    subprocess.run([sys.executable, "-c", PLAIN, *arguments], check=True, cwd=folder, capture_output=True)
    made = np.load(folder / "made.npz")
    return [axes(made[one["name"]], one["layout"]) for one in description["sinks"]]


def axes(blob: np.ndarray, layout: str) -> np.ndarray:
    """A blob's axes in Keras' order; written for itself, so that it may disagree with porting."""
    order = ["LBSHWDC".index(letter) for letter in layout]
    rest = [axis for axis in range(7) if axis not in order]
    return blob.transpose(order + rest).reshape([blob.shape[axis] for axis in order])


NETWORKS = {
    "sentiment": None,
    "sentiment_both_ways": None,
    "descriptions": None,
    "attention": ROOT / "scripts" / "attention_rules.py",
    "tied": None,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stored_net_heeds_its_masks_without_porting(name: str, tmp_path: Path) -> None:
    net = porting.load(SAVED / name, engine="neoml", rules=NETWORKS[name])
    for case in net.network.cases:
        folder = tmp_path / case.name.replace(" ", "")
        folder.mkdir()
        (ids,) = case.inputs.values()
        made = run_plainly(net, ids, folder)
        for got, ref in zip(made, net.network.output_refs()):
            assert needed_tolerance(got, case.outputs[ref]) <= EXACT


def test_the_padding_is_not_walked(tmp_path: Path) -> None:
    """The same words with no padding, right, left and within: one score, in plain NeoML."""
    net = porting.load(SAVED / "sentiment_both_ways", engine="neoml")
    words = [5, 17, 300, 4, 21]
    ids = np.zeros((4, 12), np.int32)
    ids[0, :5], ids[1, 7:], ids[2, 3:8], ids[3, [0, 2, 5, 6, 11]] = words, words, words, words
    (score,) = run_plainly(net, ids, tmp_path)
    (alone,) = net.predict(np.array([words]))
    assert np.abs(score - alone).max() <= EXACT
    assert np.ptp(net.predict(np.where(ids == 0, 1, ids))) > 0.01  # an unknown word instead of padding does matter


def test_a_tied_table_is_stored_once(tmp_path: Path) -> None:
    net = porting.load(SAVED / "tied", engine="neoml")
    table = net.network.layers["words"].weights["embeddings"]
    archive = net.store(tmp_path / "tied.net").read_bytes()
    assert archive.count(table[100].tobytes()) == 1
    assert len(archive) < sum(array.nbytes for array in net.network.weights().values()) + 20_000
    assert list(net.weights()) == list(net.network.weights())
    kinds = [type(layer).__name__ for layer in net.dnn.layers.values()]
    assert (kinds.count("MultichannelLookup"), kinds.count("TiedEmbeddings")) == (1, 1)


def test_a_changed_table_changes_both_its_uses() -> None:
    net = porting.load(SAVED / "tied", engine="neoml")
    lookup = net.dnn.layers["words"]
    table = lookup.get_embeddings(0).asarray(copy=True, keep_dims=True)
    changed = table * np.float32(0.5)
    lookup.set_embeddings(0, neoml.Blob.asblob(net.engine.math_engine, changed, changed.shape, True))
    assert np.array_equal(net.weights()["words/embeddings"], changed.reshape(table.shape[1], -1))
    ids = net.network.cases[0].inputs["ids"]
    halved = with_weight(net.network, "words", "embeddings", lambda values: values * np.float32(0.5))
    other = porting.PortedNetwork(halved, make_engine(replace(halved, cases=()), "numpy", None))
    assert needed_tolerance(net.predict(ids), other.predict(ids)) <= EXACT
