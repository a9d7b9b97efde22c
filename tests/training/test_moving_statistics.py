"""BatchNormalization in training: whose statistics count when, and how the stored ones move."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

import porting
from porting import optimizers
from porting.archive import read_network
from porting.engine_factory import make_engine
from porting.layers import RULES
from porting.network import Array, Call, Layer, Network, TensorRef
from porting.ported import PortedNetwork
from porting.training import callbacks
from porting.training import moving_statistics as moving
from tests.training.compiled import RECORDED, WEIGHTS, compiled
from tests.training.recipes import RECIPES, batches

STATISTICS = {"masked_bn": {"norm_1", "norm_2"}, "conv_bn": {"rows", "norm_1", "norm_2"}}
QUIET: dict[str, Any] = {"verbose": 0}
SETTINGS: dict[str, Any] = {"optimizer": "sgd", "loss": "mse"}


def loaded(net: str) -> PortedNetwork:
    return porting.load(RECORDED / net, engine="neoml")


def data(rows: int = 20, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(2, 3, (rows, 7)).astype(np.float32), rng.normal(size=(rows, 3)).astype(np.float32)


def statistics(net: PortedNetwork) -> dict[str, Array]:
    return {name: array.copy() for name, array in net.weights().items() if "/moving_" in name}


def test_the_moments_are_those_of_numpy() -> None:
    x = np.random.default_rng(0).normal(5, 2, (4, 3, 6)).astype(np.float32)
    mean, variance = moving.moments(x, 1)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 2)), rtol=1e-6)
    np.testing.assert_allclose(variance, x.var(axis=(0, 2)), rtol=1e-6)
    np.testing.assert_allclose(moving.moments(x, 1, unbiased=True)[1], x.var(axis=(0, 2), ddof=1), rtol=1e-6)
    large = np.random.default_rng(0).normal(5, 2, (3, moving.IN_CACHE // 4, 7)).astype(np.float32)
    np.testing.assert_allclose(moving.moments(large, 2)[1], large.var(axis=(0, 1), dtype=np.float64), rtol=2e-6)
    tall = np.random.default_rng(0).normal(100, 1, (100_000, 2)).astype(np.float32)
    np.testing.assert_allclose(moving.moments(tall, 1)[0], tall.mean(axis=0, dtype=np.float64), rtol=3e-7)
    mask = np.array([[True, True, False], [False] * 3, [True, False, False], [False] * 3])
    mean, variance = moving.moments(x, 2, mask)
    np.testing.assert_allclose(mean, x[mask].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(variance, x[mask].var(axis=0), rtol=1e-5)
    assert not np.any(moving.moments(x, 2, np.zeros_like(mask)))


def test_predict_evaluate_and_validation_use_the_moving_statistics() -> None:
    net, (x, y) = loaded("shared_bn"), data()
    history = net.fit(x, y, batch_size=6, epochs=2, validation_data=(x, y), **SETTINGS, **QUIET)
    assert statistics(net).keys() == {
        f"{name}/moving_{one}" for name in ("shared", "plain", "stays") for one in ("mean", "variance")
    }
    by_hand = np.square(net.predict(x) - y).mean()
    penalty = 0.01 * np.square(net.weights()["shared/gamma"]).sum()
    assert history.history["val_loss"][-1] == pytest.approx(by_hand + penalty, rel=1e-5)
    before = net.weights()
    for size in (1, 20):
        assert net.evaluate(x, y, batch_size=size, return_dict=True)["loss"] == pytest.approx(
            by_hand + penalty, rel=1e-5
        )
    assert all((array == before[name]).all() for name, array in net.weights().items())
    assert net.check().ok
    # In training it is another function: the batch itself is in the way.
    assert net.train_on_batch(x, y, return_dict=True)["loss"] != pytest.approx(by_hand + penalty, rel=1e-2)
    assert net.evaluate(x, y, return_dict=True)["loss"] != pytest.approx(by_hand + penalty, rel=1e-5)


@pytest.mark.parametrize("pattern", ["shared", "shared/moving_*", "*"])
def test_frozen_statistics_stay_to_the_bit(pattern: str) -> None:
    net, (x, y) = loaded("shared_bn"), data()
    before = net.weights()
    frozen = ["shared", "plain", "stays"] if pattern == "*" else [pattern]
    net.fit(x, y, frozen=frozen, **SETTINGS, **QUIET)
    moved = net.moved()
    for name, array in statistics(net).items():
        stays = pattern == "*" or name.startswith("shared/")
        assert (array == before[name]).all() == stays == (moved[name] == 0), name
    assert (moved["shared/beta"] > 0) == (pattern == "shared/moving_*")


def test_a_run_resumes_to_the_bit(tmp_path: Path) -> None:
    def run(path: Path, epochs: int, resume: bool = False) -> dict[str, Array]:
        net, (x, y) = loaded("shared_bn"), data()
        net.fit(
            x, y, batch_size=8, epochs=epochs, validation_split=0.25, resume=path if resume else None, loss="mse",
            optimizer=optimizers.Adam(0.01), callbacks=[callbacks.Checkpoint(path, every_steps=1)], **QUIET,
        )  # fmt: skip
        return net.weights()

    whole = run(tmp_path / "whole", 5)
    run(tmp_path / "parts", 3)
    resumed = run(tmp_path / "parts", 5, resume=True)
    assert all((array == whole[name]).all() for name, array in resumed.items())


def test_the_best_weights_come_with_their_statistics() -> None:
    net, (x, y) = loaded("shared_bn"), data()
    stopping = callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    settings = {**SETTINGS, "optimizer": optimizers.SGD(0.5)}
    history = net.fit(
        x, y, epochs=20, batch_size=5, validation_data=data(seed=1), callbacks=[stopping], **settings, **QUIET
    )
    assert len(history.history["val_loss"]) < 20
    assert net.evaluate(*data(seed=1), return_dict=True)["loss"] == pytest.approx(
        min(history.history["val_loss"]), rel=1e-6
    )


def in_neoml(network: Network) -> PortedNetwork:
    return PortedNetwork(network, make_engine(network, "neoml", "cpu"))


def after_one_batch(version: Optional[str] = None, **config: Any) -> tuple[dict[str, Array], dict[str, Array]]:
    """The statistics of conv_bn before and after a step, saved by this Keras and with these settings."""
    network = read_network(RECORDED / "conv_bn")
    layers = {
        name: replace(layer, config={**layer.config, **config}) if layer.class_name == "BatchNormalization" else layer
        for name, layer in network.layers.items()
    }
    origin = network.origin if version is None else {**network.origin, "keras": version}
    changed = replace(network, layers=layers, origin=origin)
    net = in_neoml(changed)
    before = statistics(net)
    x, y, _ = next(batches(RECIPES["conv_bn-adam"]))
    net.train_on_batch(x, y, optimizer="sgd", loss="sparse_categorical_crossentropy")
    return before, statistics(net)


def test_keras_2_keeps_unbiased_variances_of_images() -> None:
    before, theirs = after_one_batch()
    _, keras_2 = after_one_batch("2.15.0")
    _, unfused = after_one_batch("2.15.0", fused=False)
    for name, count in (("rows", 8 * 8 * 2), ("norm_1", 8 * 5 * 4), ("norm_2", 8 * 5 * 3)):
        key = f"{name}/moving_variance"
        momentum = {"rows": 0.8, "norm_1": 0.99, "norm_2": 0.9}[name]
        biased, unbiased = ((after[key] - momentum * before[key]) / (1 - momentum) for after in (theirs, keras_2))
        np.testing.assert_allclose(unbiased, biased * count / (count - 1), rtol=1e-4)
        assert not np.allclose(unbiased, biased, rtol=1e-4)
        assert (unfused[key] == theirs[key]).all()
        assert (keras_2[f"{name}/moving_mean"] == theirs[f"{name}/moving_mean"]).all()


def test_what_cannot_train_so_is_refused_by_name() -> None:
    with pytest.raises(porting.Unsupported, match=r"(?s)renorm True is not handled in training.*freeze it") as refusal:
        after_one_batch(renorm=True)
    assert len(refusal.value.problems) == 3


def called_at_inference(*names: str) -> PortedNetwork:
    network = read_network(RECORDED / "shared_bn")
    calls = [
        replace(call, arguments={"training": False}) if call.name in names else call
        for call in with_dropout(network).calls
    ]
    return in_neoml(replace(with_dropout(network), calls=tuple(calls)))


def with_dropout(network: Network) -> Network:
    """A dropout and a normalisation that nobody needs."""
    layers = {
        **network.layers,
        "aside": replace(network.layers["plain"], name="aside"),
        "drops": Layer("drops", "Dropout", {"rate": 0.5, "noise_shape": None}),
    }
    drops, aside = Call("drops", "drops", (TensorRef("left"),)), Call("aside", "aside", (TensorRef("drops"),))
    return replace(
        network,
        layers=layers,
        calls=(*network.calls, drops, aside),
        outputs=(*network.output_refs(), TensorRef("aside")),
    )


def test_calls_at_inference_are_heeded_or_refused() -> None:
    net, (x, y) = called_at_inference("plain", "aside"), data()
    net.fit(x, [y, y[:, :1] * np.ones(6, np.float32)], optimizer="sgd", loss="mse", **QUIET)
    assert {name.split("/")[0] for name, far in net.moved().items() if "/moving_" in name and far} == {
        "shared",
        "stays",
    }
    for call, layer in (("shared", "shared"), ("drops", "drops")):
        with pytest.raises(porting.Unsupported, match=f"'{layer}': is called with training=False"):
            called_at_inference(call).compile("sgd", "mse")
    called_at_inference("shared").compile("sgd", "mse", frozen=["shared"])


def test_statistics_behind_a_dropout_without_a_loss_are_refused() -> None:
    net = in_neoml(with_dropout(read_network(RECORDED / "shared_bn")))
    with pytest.raises(porting.Unsupported, match=r"(?s)aside.*what a Dropout leaves.*frozen=\['aside'\]"):
        net.compile("sgd", {"numbers": "mse"})
    net.compile("sgd", {"numbers": "mse"}, frozen=["aside"])
    net.compile("sgd", ["mse", "mse"])


def test_a_rule_that_lets_no_statistics_move_is_refused() -> None:
    network = read_network(RECORDED / "shared_bn")
    rules = {**RULES, "Own": replace(RULES["BatchNormalization"], apply=fixed_normalization)}
    layers = {**network.layers, "plain": replace(network.layers["plain"], class_name="Own")}
    changed = replace(network, layers=layers)
    net = PortedNetwork(changed, make_engine(changed, "neoml", "cpu", rules))
    with pytest.raises(porting.Unsupported, match=r"(?s)plain.*its rule does not let.*frozen=\['plain'\]"):
        net.compile("sgd", "mse")
    net.compile("sgd", "mse", frozen=["plain"])


def fixed_normalization(layer: Any, x: Any, ops: Any) -> Any:
    layer.irrelevant(*layer.config)
    return ops.batch_normalization(
        x, layer.weight("moving_mean"), layer.weight("moving_variance"), epsilon=1e-3, axis=-1
    )


def wrong_moments(x: Array, axis: int, mask: Optional[Array] = None, unbiased: bool = False) -> tuple[Array, Array]:
    return moving.moments(x, axis, None, unbiased)


def wrong_pace(old: Array, new: Array, momentum: float) -> Array:
    return moving.followed(old, new, momentum * 0.999)


@pytest.mark.parametrize(
    ("recipe", "name", "wrong"),
    [("masked_bn-adam", "moments", wrong_moments), ("conv_bn-adam", "followed", wrong_pace)],
)
def test_wrong_statistics_are_seen(recipe: str, name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from porting.neoml_side.learning import net as learning

    monkeypatch.setattr(learning, name, wrong)
    net = compiled(RECIPES[recipe], RECORDED / RECIPES[recipe].net)
    keras = np.load(RECORDED / f"{recipe}.npz")
    for x, y, _ in list(batches(RECIPES[recipe]))[:10]:
        net.train_on_batch(x, y)
    apart = {key: np.abs(array - keras[f"10/{key}"]).max() for key, array in net.weights().items()}
    assert {key for key, far in apart.items() if far > WEIGHTS} == {
        key for key in apart if "/moving_" in key and key.split("/")[0] in STATISTICS[RECIPES[recipe].net]
    }
