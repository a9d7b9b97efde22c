"""Rules of a user's own: how they are given, for whom they hold, and what is said when they do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.archive import read_network, write_network
from porting.engine_factory import make_engine
from porting.keras_side.needs import find_needs
from porting.layers import RULES, Rule, rule
from porting.layers.rule_files import check_rules_are_asked, gather_rules
from porting.network import Call, Input, Layer, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine
from porting.training.trainable import choose

ROOT = Path(__file__).parents[2]
ATTENTION = ROOT / "saved_weights" / "attention"
FILE = ROOT / "scripts" / "attention_rules.py"
ENGINES = ("numpy", "neoml")
NAME = "scripts>WordAttention"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"import porting\n\n{text}\n", encoding="utf-8")
    return path


def attention_by_uniform_weights(layer: Any, x: Any, ops: Any, mask: Any = None) -> Any:
    """Another layer altogether."""
    layer.weight("kernel"), layer.weight("bias"), layer.config["return_attention"]
    return [ops.reduce(x, "mean", [1]), ops.reduce(x, "sum", [2], keepdims=True)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("given", [FILE, str(FILE), [FILE], (str(FILE), FILE)], ids=["path", "text", "list", "tuple"])
def test_a_file_or_several(given: Any, engine: str) -> None:
    assert porting.load(ATTENTION, engine=engine, rules=given).check().ok
    assert porting.check(ATTENTION, engine=engine, rules=given).ok
    assert NAME not in RULES


def test_a_mapping() -> None:
    wrong = Rule(NAME, attention_by_uniform_weights, mask="stop")
    report = porting.load(ATTENTION, engine="numpy", rules={NAME: wrong}).check()
    assert [one.call for one in report.layers if one.status == "departs"] == ["attention"]


def test_the_later_file_counts(tmp_path: Path) -> None:
    refuses = write(
        tmp_path, "no.py", f'@porting.rule("{NAME}")\ndef no(layer, x, ops):\n    raise layer.refuse("never")'
    )
    assert porting.load(ATTENTION, engine="numpy", rules=[refuses, FILE]).check().ok
    with pytest.raises(porting.Unsupported, match="never"):
        porting.load(ATTENTION, engine="numpy", rules=[FILE, refuses])


def test_a_rule_for_a_layer_of_keras_holds_for_one_network(tmp_path: Path) -> None:
    zero = "@porting.rule('Dropout', irrelevant=['rate', 'noise_shape'])\ndef zero(layer, x, ops):\n    "
    rules = write(tmp_path, "zero.py", zero + "return ops.multiply(x, 0.0)")
    other = ROOT / "saved_weights" / "sentiment"
    report = porting.load(other, engine="numpy", rules=rules).check()
    assert [one.call for one in report.layers if one.status == "departs"] == ["dropout"]
    assert porting.load(other, engine="numpy").check().ok


def test_no_rule_names_the_layer_and_the_way_out() -> None:
    with pytest.raises(
        porting.Unsupported, match=r"no rule for this layer\n.*@porting.rule\(\"scripts>WordAttention\"\)"
    ):
        porting.load(ATTENTION, engine="numpy")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_class_of_the_same_name_is_not_keras_layer(engine: str, tmp_path: Path) -> None:
    """`mine>Dense` may compute anything; Keras' Dense must not stand in for it. A rule for `Dense` of one's own may."""
    network = renamed(read_network(ROOT / "saved_weights" / "sentiment"), "dense", "mine>Dense")
    write_network(network, tmp_path / "saved")
    with pytest.raises(porting.Unsupported, match="mine>Dense"):
        porting.load(tmp_path / "saved", engine=engine)
    text = '@porting.rule("Dense", irrelevant=["units", "use_bias"])\ndef dense(layer, x, ops):\n'
    text += '    y = ops.dense(x, layer.weight("kernel"), layer.weight("bias"))\n'
    text += '    return y if layer.config["activation"] == "linear" else ops.activation(y, layer.config["activation"])'
    assert porting.load(tmp_path / "saved", engine=engine, rules=write(tmp_path, "dense.py", text)).check().ok


def renamed(network: Network, layer: str, class_name: str) -> Network:
    changed: Layer = replace(network.layers[layer], class_name=class_name)
    return replace(network, layers={**network.layers, layer: changed})


def test_what_a_rule_ignores_is_refused(tmp_path: Path) -> None:
    text = FILE.read_text().replace('layer.config["return_attention"]', "True")
    path = tmp_path / "rules.py"
    path.write_text(text)
    with pytest.raises(porting.Unsupported, match="setting return_attention=True is not handled"):
        porting.load(ATTENTION, engine="numpy", rules=path)
    path.write_text(text.replace('layer.weight("bias")', "0.0"))
    with pytest.raises(porting.Unsupported, match="weight 'bias' is not handled"):
        porting.load(ATTENTION, engine="numpy", rules=path)


@pytest.mark.parametrize(
    ("text", "said"), [(None, "is not a file"), ("x = 1", "holds no rule")], ids=["no such file", "no rule in it"]
)
def test_files_that_help_nobody(tmp_path: Path, text: Any, said: str) -> None:
    path = tmp_path / "rules.py" if text is None else write(tmp_path, "rules.py", text)
    with pytest.raises(porting.Unsupported, match=said):
        gather_rules(path)


def test_a_rule_without_its_parameters_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "rules.py", '@porting.rule("a>B")\ndef b(x):\n    return x')
    with pytest.raises(TypeError, match=r"the rule for a>B must take \(layer, …inputs, ops, …arguments\)"):
        gather_rules(path)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_table_by_the_name_of_its_maker(engine: str) -> None:
    net = porting.load(ROOT / "saved_weights" / "tied", engine=engine)
    assert [name for name in net.weights() if "embeddings" in name] == ["words/embeddings"]


def test_a_rule_for_an_unfolded_layer_is_told_that_nothing_asks_for_it() -> None:
    network = read_network(ATTENTION)
    (name,) = [layer.name for layer in network.layers.values() if layer.class_name == NAME]
    kept = [call for call in network.calls if call.layer == name]
    unfolded = replace(network, calls=tuple(call for call in network.calls if call not in kept))
    with pytest.raises(porting.Unsupported, match="was unfolded when the network was saved"):
        check_rules_are_asked(unfolded, gather_rules(FILE))
    check_rules_are_asked(network, gather_rules(FILE))
    check_rules_are_asked(unfolded, gather_rules())


def test_porting_has_one_rule_for_a_class() -> None:
    with pytest.raises(ValueError, match="two rules for Dense"):
        rule("Dense")(RULES["Dense"].apply)


def test_a_rule_of_ones_own_says_what_shapes_its_weights_have(tmp_path: Path) -> None:
    """Where it says nothing, those of Keras' layer stand, for that class alone."""
    head = "import porting\n\n@porting.rule({}, irrelevant=['units', 'use_bias', 'activation']{})\n"
    body = "def mine(layer, x, ops):\n    return ops.dense(x, layer.weight('kernel'), layer.weight('bias'))\n"
    network = read_network(ROOT / "saved_weights" / "sentiment")
    layer = network.layers["dense"]
    (size, units) = layer.weights["kernel"].shape
    spread = replace(layer, class_name="mine>Dense", weights={**layer.weights, "bias": layer.weights["bias"][:1]})

    def engine(given: Layer, class_name: str, said: str = "") -> Any:
        changed = replace(network, layers={**network.layers, "dense": given})
        (tmp_path / "mine.py").write_text(head.format(repr(class_name), said) + body)
        return make_engine(changed, "numpy", "cpu", gather_rules(tmp_path / "mine.py"))

    shapes = f", weights=lambda config, inputs: {{'bias': (config['units'],), 'kernel': ({size}, {units})}}"
    assert units > 1
    engine(spread, "mine>Dense")
    engine(spread, "Dense")
    assert Rule("Dense", RULES["Dense"].apply).weights is RULES["Dense"].weights
    for given, class_name, said in [(spread, "mine>Dense", shapes), (replace(spread, class_name="Dense"), "Dense", "")]:
        with pytest.raises(porting.Unsupported, match=rf"weight 'bias' has the shape \(1,\).*say \({units}\)"):
            engine(given, class_name, said)


@pytest.mark.parametrize("pointwise", [False, True])
def test_a_pointwise_rule_is_given_steps_as_they_are(pointwise: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = []

    def negative(layer: Any, x: Any, ops: Any) -> Any:
        ranks.append(len(x.shape))
        return ops.unary(x, "negative")

    held = {"class_name": "mine>Negative", "config": {"name": "negative"}}
    x = TensorRef("x")
    steps = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    network = Network(
        "steps",
        (Input("x", (None, None, 4), "float32"),),
        (Call("steps", "steps", (x,)),),
        {"steps": Layer("steps", "TimeDistributed", {"layer": held})},
        TensorRef("steps"),
    )
    monkeypatch.setitem(RULES, "mine>Negative", Rule("mine>Negative", negative, pointwise=pointwise))
    np.testing.assert_array_equal(NumpyEngine(network).run({"x": steps})[TensorRef("steps")], -steps)
    assert set(ranks) == {3 if pointwise else 2}


def test_a_rule_says_what_never_trains_and_what_samples_are_like(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer("mine", "mine>Layer", {}, {"kernel": np.ones(3, np.float32), "seen": np.ones(3, np.float32)})
    given = Input("x", (None, 3), "float32")
    call = Call("mine", "mine", (given.ref,))
    network = Network("net", (given,), (call,), {"mine": layer}, TensorRef("mine"))
    assert choose(network).learns == ("mine/kernel", "mine/seen")
    assert find_needs([given], [call], {"mine": layer}, {})[0].span is None
    facts: Any = {
        "untrained": frozenset({"seen"}),
        "expects": lambda layer, call, given: {"span": (0.0, 9.0), "ids": 4},
    }
    monkeypatch.setitem(RULES, "mine>Layer", Rule("mine>Layer", attention_by_uniform_weights, **facts))
    assert choose(network).learns == ("mine/kernel",)
    (need,) = find_needs([given], [call], {"mine": layer}, {})
    assert (need.span, need.ids) == ((0.0, 9.0), 4)


def test_statistics_of_a_layer_that_another_holds_do_not_train_either() -> None:
    held = {"class_name": "Normalization", "config": {"axis": -1}}
    weights = {f"layer/{name}": np.ones(3, np.float32) for name in ("mean", "variance")}
    layers = {
        "steps": Layer("steps", "TimeDistributed", {"layer": held}, weights),
        "dense": Layer("dense", "Dense", {}, {"mean": np.ones(3, np.float32)}),
    }
    assert choose(Network("net", (), (), layers, ())).learns == ("dense/mean",)
