"""A ported network as those meet it who write Python: Keras' methods, batches of all kinds, short words, errors."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.archive import read_network
from porting.predicting import cores
from tests.recorded_cases import load

SAVED = Path(__file__).parent.parent / "saved_weights"
ENGINES = pytest.mark.parametrize("engine", ["numpy", "neoml"])


def ids(rows: int = 6, steps: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, (rows, steps)).astype(np.int32)


@pytest.fixture(scope="module")
def net() -> porting.PortedNetwork:
    return porting.load(SAVED / "tutorial", engine="numpy")


def same(one: Any, other: Any) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other):
        np.testing.assert_array_equal(a, b)


# ---- Keras' methods


@ENGINES
def test_a_network_is_called_on_a_batch(engine: str) -> None:
    loaded = porting.load(SAVED / "tutorial", engine=engine)
    same(loaded(ids()), loaded.predict_on_batch(ids()))


def test_layers_are_listed_in_order(net: porting.PortedNetwork) -> None:
    assert [(layer.name, layer.class_name) for layer in net.layers] == [
        ("embedding", "Embedding"),
        ("dense", "Dense"),
        ("bidirectional", "Bidirectional"),
    ]


def test_the_summary_counts_what_keras_counts(net: porting.PortedNetwork, capsys: pytest.CaptureFixture[str]) -> None:
    net.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tutorial: ids int32[None, None]"
    assert lines[1].split() == ["layer", "class", "output", "weights"]
    assert lines[3].split() == ["dense", "Dense", "(None,", "None,", "2)", "12"]
    assert lines[-1] == "181 numbers in weights"
    said: list[str] = []
    net.summary(print_fn=said.append)
    assert said == ["\n".join(lines)]


def test_the_summary_shows_an_unfolded_layer_above_what_its_code_does() -> None:
    said: list[str] = []
    load("unfolded/transformer", "numpy").summary(said.append)
    rows = [line.split() for line in said[0].splitlines()]
    at = rows.index(["transformer_block", "TransformerBlock", "unfolded:", "0"])
    assert rows[at + 1][0] == "transformer_block/att"
    assert [row[0] for row in rows].count("transformer_block") == 1


def test_a_vocabulary_is_no_number_and_a_stored_net_tells_as_much(tmp_path: Path) -> None:
    network = porting.load(SAVED / "filter", engine="neoml")
    said: list[str] = []
    network.summary(said.append)
    porting.load(network.store(tmp_path / "net")).summary(said.append)
    assert said[0].splitlines()[2].split()[-1] == "0"
    assert [line.split()[-1] for line in said[1].splitlines()] == [line.split()[-1] for line in said[0].splitlines()]


def test_weights_are_listed_where_keras_order_is_known(net: porting.PortedNetwork) -> None:
    """`tests/keras_side/test_weights.py` compares the order with Keras'."""
    for array, (name, other) in zip(net.get_weights(), net.weights().items()):
        assert array.tobytes() == other.tobytes(), name
    assert all(array.dtype == np.float32 for array in porting.load(SAVED / "filter", engine="numpy").get_weights())
    with pytest.raises(porting.Unsupported, match="does not say in which order"):
        porting.load(SAVED / "seq2seq", engine="numpy").get_weights()


def test_a_stored_net_keeps_the_order_of_weights(tmp_path: Path) -> None:
    folder = read_network(SAVED / "seq2seq")
    names = tuple(sorted(folder.weights(), reverse=True))
    stored = porting.load(porting.load(replace(folder, order=names), engine="neoml").store(tmp_path / "net"))
    for name, array in zip(names, stored.get_weights()):
        assert array.tobytes() == folder.weights()[name].tobytes(), name
    stored.save(tmp_path / "folder")
    assert read_network(tmp_path / "folder").order == names


def test_a_saved_network_in_memory_is_loaded(net: porting.PortedNetwork) -> None:
    same(porting.load(net.network, engine="numpy").predict(ids()), net.predict(ids()))
    assert porting.check(net.network, engine="numpy").proved
    with pytest.raises(porting.Unsupported, match="trust: is for stored nets"):
        porting.load(net.network, trust=True)


def test_options_are_spelt_out() -> None:
    for function in (
        porting.save,
        porting.load,
        porting.check,
        porting.PortedNetwork.fit,
        porting.PortedNetwork.compile,
    ):
        for one in inspect.signature(function).parameters.values():
            assert one.kind is not one.VAR_KEYWORD, function
            assert one.annotation is not one.empty or one.name == "self", (function, one.name)
    with pytest.raises(TypeError, match="optimiser"):
        porting.load(SAVED / "tutorial", engine="numpy").fit(ids(), ids(), optimiser="adam")


def test_numbers_come_as_keras_gives_them() -> None:
    net = porting.load(SAVED / "sentiment", engine="neoml")
    x = np.random.default_rng(1).integers(1, 100, (8, 9)).astype(np.int32)
    y = np.ones((8, 1), np.float32)
    net.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    for call in (net.evaluate, net.test_on_batch):
        by_name = call(x, y, return_dict=True)
        assert list(by_name) == ["loss", "accuracy"]
        assert call(x, y) == list(by_name.values())
    assert isinstance(net.train_on_batch(x, y), list)
    net.compile("sgd", "binary_crossentropy")
    for call in (net.evaluate, net.test_on_batch, net.train_on_batch):
        assert isinstance(call(x, y), float)


# ---- batches


class Numbered:
    """Batches by number, as a keras.utils.PyDataset."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, at: int) -> Any:
        return self.batches[at]


BATCHES = [ids(4, seed=1), ids(2, seed=2), ids(5, seed=3)]
FORMS: dict[str, Any] = {
    "generator": lambda: (batch for batch in BATCHES),
    "with labels": lambda: ((batch, batch) for batch in BATCHES),
    "with labels and weights": lambda: iter([(batch, batch, batch) for batch in BATCHES]),
    "alone in a tuple": lambda: iter([(batch,) for batch in BATCHES]),
    "by name": lambda: ({"ids": batch} for batch in BATCHES),
    "by number": lambda: Numbered([(batch, None) for batch in BATCHES]),
}


@pytest.mark.parametrize("threads", [None, 1, 3])
@pytest.mark.parametrize("form", FORMS)
def test_batches_of_every_kind_are_predicted(net: porting.PortedNetwork, form: str, threads: int | None) -> None:
    same(net.predict(FORMS[form](), threads=threads), net.predict(np.concatenate(BATCHES)))


@ENGINES
def test_batches_of_texts_are_texts(engine: str) -> None:
    net = porting.load(SAVED / "filter", engine=engine)
    texts = ["an arcade game", "a library", "чатбот"]
    batches = iter([np.array(texts[:2]), (texts[2:], None)])
    np.testing.assert_array_equal(net.predict(batches), net.predict(texts))


def test_of_batches_without_end_some_are_taken(net: porting.PortedNetwork) -> None:
    taken: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            taken.append(len(taken))
            yield BATCHES[0]

    assert len(net.predict(endless(), steps=3, threads=2)[0]) == 12
    assert len(taken) == 3


def test_few_batches_are_held_at_a_time(net: porting.PortedNetwork) -> None:
    """A slow reader does not run ahead of the network."""
    ahead: list[int] = []
    done: list[int] = []

    def batches() -> Iterator[np.ndarray]:
        for number in range(40):
            ahead.append(number - len(done))
            yield BATCHES[0]

    net.predict(batches(), threads=2, progress=lambda *told: done.append(told[0]))
    assert max(ahead) <= 5


@pytest.mark.parametrize(
    ("given", "settings", "word"),
    [
        (lambda: iter(()), {}, "gives no batch"),
        (lambda: Numbered([]), {}, "gives no batch"),
        (lambda: iter(BATCHES), {"steps": 4}, "ended after 3 of 4"),
        (lambda: iter([(1, 2, 3, 4)]), {}, "tuple of 4"),
        (lambda: iter([BATCHES[0], ids(2, 9)]), {}, r"shapes \(7, 2\) and \(9, 2\)"),
        (lambda: iter([np.full((2, 3), 9)]), {}, "outside 0 … 4"),
    ],
)
def test_batches_that_do_not_fit_are_named(
    net: porting.PortedNetwork, given: Any, settings: dict[str, Any], word: str
) -> None:
    with pytest.raises(porting.Mismatch, match=word):
        net.predict(given(), **settings)


def test_what_does_not_go_with_batches_is_refused(net: porting.PortedNetwork) -> None:
    with pytest.raises(porting.Unsupported, match="batches are run as they come"):
        net.predict(iter(BATCHES), batch_size=4)
    with pytest.raises(porting.Unsupported, match="read whole"):
        net.predict(ids(), steps=2)
    with pytest.raises(porting.Unsupported, match="at least 1"):
        net.predict(iter(BATCHES), steps=0)


def test_progress_of_batches_knows_no_end(net: porting.PortedNetwork) -> None:
    seen: list[tuple[int, int, str]] = []
    net.predict(iter(BATCHES), progress=lambda *told: seen.append(told))
    assert seen == [(4, 0, "rows"), (6, 0, "rows"), (11, 0, "rows"), (11, 11, "rows")]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_threads_are_as_many_as_the_cores_that_may_be_used() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert cores() == len(allowed)


# ---- words


def test_words_for_things_are_short(net: porting.PortedNetwork) -> None:
    network, report = net.network, net.check()
    assert repr(network) == "<Network 'tutorial': ids[None, None], 3 layers, 7 cases>"
    assert repr(network.layers["dense"]) == "<Layer 'dense' (Dense): kernel[5, 2], bias[2]>"
    assert repr(network.cases[0]).startswith("<Case '")
    assert repr(report) == "<Report on 'tutorial' on numpy: exact: 3 of 3 layers proved>"
    assert repr(net.explain(ids(1))) == "<Explanation of ids: 7 tensors>"
    for thing in (net, network, report, *network.layers.values(), *network.cases, *report.layers, *report.runs):
        assert len(repr(thing)) < 300, type(thing)


def test_a_notebook_shows_a_network(net: porting.PortedNetwork, tmp_path: Path) -> None:
    shown = net._repr_html_()
    assert "<td>bidirectional</td>" in shown
    assert "181 numbers in weights" in shown
    named = porting.load(porting.Network("<b>", net.network.inputs, (), {}, net.network.inputs[0].ref), engine="numpy")
    assert "<b>" not in named._repr_html_()


def test_a_notebook_shows_a_history() -> None:
    net = porting.load(SAVED / "sentiment", engine="neoml")
    x = np.random.default_rng(1).integers(1, 100, (8, 9)).astype(np.int32)
    y = np.ones((8, 1), np.float32)
    history = net.fit(x, y, epochs=3, loss="binary_crossentropy", validation_data=(x, y), validation_freq=2, verbose=0)
    assert repr(history).startswith("<History of 3 epochs: loss ")
    shown = history._repr_html_()
    assert shown.count("<tr>") == 4
    assert "val_loss, in some epochs: " in shown
    assert "no epoch" in type(history)()._repr_html_()


# ---- errors


def test_errors_are_pythons_too(net: porting.PortedNetwork, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside 0 … 4"):
        net.predict([[9]])
    with pytest.raises(ValueError, match="engine 'torch'"):
        porting.load(SAVED / "tutorial", engine="torch")  # type: ignore[arg-type]
    for call in (
        lambda: porting.load(tmp_path / "none"),
        lambda: porting.load(Path(__file__)),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            call()
        assert isinstance(caught.value, porting.BadArchive)
        assert caught.value.problems
        assert str(caught.value.problems[0]) in str(caught.value)
    stored = porting.load(SAVED / "tutorial", engine="neoml").store(tmp_path / "net")
    opened = porting.load(stored)
    stored.unlink()
    with pytest.raises(porting.MissingFile):
        opened.check()


def test_a_missing_checkpoint_is_no_beginning(tmp_path: Path) -> None:
    from porting.training.checkpoints import read_state

    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "none.npz")
