"""keras-hub's tokenizers and preprocessors: ids on any text, tasks that take texts, and what is refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

import porting
from porting import Mismatch, Unsupported
from porting.cli.commands import porting as command
from porting.keras_side.hub_layers import Tokenizer, tokenizer_for
from porting.keras_side.hub_texts import HubTexts
from porting.text import LAYERS
from tests.hub.tokenizers import BYTE_PAIRS, HARD, PIECES, TEXTS, Spec

BATCHES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
WAYS = [(name, True) for name in (*BYTE_PAIRS, *PIECES)] + [(name, False) for name in BYTE_PAIRS]
REVIEWS = ["hello a b", "", "abab hello 2024!", "e\u0301 中文 <s> a", *HARD[:40:3]]
pytestmark = pytest.mark.filterwarnings("ignore:[\\s\\S]*(softmax over axis|unbuilt state):UserWarning")


class Rows:
    """Stands for a preprocessor whose rows have one length."""

    sequence_length = 150


def layer_of(made: Spec, in_graph: bool) -> Tokenizer:
    """A tokenizer as the exporter calls and describes it."""
    return tokenizer_for(HubTexts(Rows, made.build(keras_hub), in_graph, 1), "tokenizer")


@cache
def _both(name: str, in_graph: bool) -> tuple[Any, Any]:
    made = BYTE_PAIRS[name] if name in BYTE_PAIRS else PIECES[name]
    layer = layer_of(made, in_graph)
    return layer, LAYERS[type(layer).__name__](layer.settings(), layer.tables())


@pytest.mark.parametrize(("name", "in_graph"), WAYS)
@given(text=TEXTS)
@BATCHES
def test_ids_are_keras_hubs(name: str, in_graph: bool, text: str) -> None:
    layer, port = _both(name, in_graph)
    np.testing.assert_array_equal(port([text]), np.asarray(layer.call(tf.constant([text]))))


def test_another_rule_is_seen() -> None:
    """The control: the hard texts tell lower case, accents, marks and the two ways of splitting apart."""
    for one, other in (("plain", "lowercase"), ("lowercase", "accents"), ("lowercase", "no cjk"), ("plain", "special")):
        rows = [np.asarray(layer_of(PIECES[name], True).call(tf.constant(HARD))) for name in (one, other)]
        assert not np.array_equal(*rows)
    ways = [np.asarray(layer_of(BYTE_PAIRS["gpt2"], in_graph).call(tf.constant(HARD))) for in_graph in (True, False)]
    assert not np.array_equal(*ways)


def _classifier(kind: str, tokenizer: Spec, vocabulary: int, **more: Any) -> Any:
    models = keras_hub.models
    backbone = getattr(models, f"{kind}Backbone")(
        vocabulary_size=vocabulary, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=12, max_sequence_length=16
    )
    preprocessor = getattr(models, f"{kind}TextClassifierPreprocessor")(
        tokenizer.build(keras_hub), sequence_length=16, **more
    )
    return getattr(models, f"{kind}TextClassifier")(backbone=backbone, num_classes=3, preprocessor=preprocessor)


CLASSIFIERS = {
    "Bert": ("bert", {"truncate": "waterfall"}),
    "DistilBert": ("distilbert", {}),
    "Roberta": ("roberta, all bytes", {}),
}


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_task_takes_texts(kind: str, tmp_path: Path) -> None:
    """A task model carries its preprocessor: scores of texts are those of its own `predict`."""
    name, more = CLASSIFIERS[kind]
    made = {**BYTE_PAIRS, **PIECES}[name]
    task = _classifier(kind, made, len(made.settings["vocabulary"]), **more)
    porting.save(task, tmp_path / "net", noise=False)
    wanted = task.predict(REVIEWS, verbose=0)
    for engine in ("numpy", "neoml"):
        net = porting.load(tmp_path / "net", engine=engine)
        report = net.check()
        assert report.ok, report
        assert net.network.inputs[0].dtype == "string"
        np.testing.assert_allclose(net.predict(REVIEWS), wanted, rtol=2e-5, atol=2e-5)


def test_pairs_of_texts(tmp_path: Path) -> None:
    made = PIECES["bert"]
    task = _classifier("Bert", made, len(made.settings["vocabulary"]))
    porting.save(task, tmp_path / "net", noise=False, segments=2)
    first, second = tf.constant(REVIEWS), tf.constant(REVIEWS[::-1])
    wanted = task.predict((first, second), verbose=0)
    net = porting.load(tmp_path / "net")
    assert net.check().ok
    np.testing.assert_allclose(net.predict([REVIEWS, REVIEWS[::-1]]), wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("start", "end"), [(True, True), (False, True), (True, False)])
def test_a_preprocessor_that_is_given(start: bool, end: bool, tmp_path: Path) -> None:
    """Given by hand, its ids are those that calling it gives."""
    tokenizer = BYTE_PAIRS["gpt2"]
    backbone = keras_hub.models.GPT2Backbone(len(tokenizer.settings["vocabulary"]), 1, 2, 8, 12, max_sequence_length=9)
    preprocessor = keras_hub.models.GPT2CausalLMPreprocessor(
        tokenizer.build(keras_hub), sequence_length=9, add_start_token=start, add_end_token=end
    )
    porting.save(backbone, tmp_path / "net", noise=False, preprocessing=preprocessor)
    inputs, _, _ = preprocessor(REVIEWS)
    net = porting.load(tmp_path / "net")
    assert net.check().ok
    np.testing.assert_allclose(net.predict(REVIEWS), np.asarray(backbone(inputs)), rtol=2e-5, atol=2e-5)


def test_a_tokenizer_alone_and_weights_that_go_back(tmp_path: Path) -> None:
    tokenizer = Spec("BertTokenizer", {**PIECES["bert"].settings, "sequence_length": 7}).build(keras_hub)
    ids = keras.Input((7,), dtype="int32", name="ids")
    model = keras.Model(ids, keras.layers.Embedding(80, 4)(ids))
    porting.save(model, tmp_path / "net", preprocessing=tokenizer)
    net = porting.load(tmp_path / "net")
    np.testing.assert_allclose(net.predict(REVIEWS), np.asarray(model(tokenizer(REVIEWS))))
    assert porting.restore(tmp_path / "net", model) == 1


def test_without_its_preprocessor_a_task_takes_ids(tmp_path: Path) -> None:
    made = PIECES["bert"]
    task = _classifier("Bert", made, len(made.settings["vocabulary"]))
    network = porting.save(task, None, noise=False, preprocessing=False)
    assert {one.name for one in network.inputs} == {"token_ids", "padding_mask", "segment_ids"}


def _sentence_pieces() -> Any:
    # One that is not made yet: no vocabulary is at hand.
    return keras_hub.models.AlbertTextClassifierPreprocessor(keras_hub.models.AlbertTokenizer(None))


SPLIT = {"split": False, "sequence_length": 4}
REFUSED = {
    "sentence pieces": (_sentence_pieces, "SentencePiece"),
    "masked": (
        lambda: keras_hub.models.BertMaskedLMPreprocessor(PIECES["bert"].build(keras_hub)),
        "neither of a text classifier nor",
    ),
    "words": (lambda: Spec("BertTokenizer", {**PIECES["bert"].settings, **SPLIT}).build(keras_hub), "split=False"),
    "no length": (lambda: PIECES["bert"].build(keras_hub), "sequence_length"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_done_is_refused_by_name(name: str) -> None:
    make, words = REFUSED[name]
    backbone = keras_hub.models.BertBackbone(23, 1, 2, 8, 12)
    with pytest.raises(Unsupported, match=words):
        porting.save(backbone, None, preprocessing=make())


def test_a_task_whose_vocabulary_lacks_bytes_is_refused() -> None:
    """keras-hub makes -1 of them within `predict`, which no table has."""
    made = BYTE_PAIRS["roberta"]
    with pytest.raises(Unsupported, match="no token for 227 of 256 bytes"):
        porting.save(_classifier("Roberta", made, len(made.settings["vocabulary"])), None, noise=False)


def test_what_does_not_fit_is_refused_by_name() -> None:
    model = keras.Sequential([keras.Input((3,), name="other"), keras.layers.Dense(1)])
    made = PIECES["bert"]
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(made.build(keras_hub), sequence_length=3)
    with pytest.raises(Unsupported, match="input other"):
        porting.save(model, None, preprocessing=preprocessor)
    with pytest.raises(Mismatch, match="no tokenizer or preprocessor"):
        porting.save(model, None, preprocessing=str)
    with pytest.raises(Mismatch, match="segments"):
        porting.save(model, None, segments=2)


@pytest.mark.parametrize("options", [(), ("--no-preprocessing",)])
def test_the_command_saves_a_task_with_or_without_its_texts(options: tuple[str, ...], tmp_path: Path) -> None:
    made = PIECES["bert"]
    task = _classifier("Bert", made, len(made.settings["vocabulary"]))
    task.save(tmp_path / "task.keras")
    ran = CliRunner().invoke(command, ["save", str(tmp_path / "task.keras"), str(tmp_path / "net"), *options])
    assert ran.exit_code == 0, ran.output
    takes = {one.dtype for one in porting.load(tmp_path / "net", engine="numpy").network.inputs}
    assert takes == ({"int32"} if options else {"string"})
