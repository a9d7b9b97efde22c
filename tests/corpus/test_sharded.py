"""Training on a cluster: the numbers of one process, whatever hangs on a whole batch, and refusals by name.

The workers are threads of this process; `test_faults` kills some that are processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

import porting
from porting.corpus import shards
from porting.corpus.shards import Pass, Recipe, Seen, Shard, _shards
from porting.layers import RULES
from porting.training import callbacks
from tests.command_line import run
from tests.training.compiled import RECORDED, compiled, made_loss
from tests.training.recipes import RECIPES, batches
from tests.training.small_nets import ONES, dropped
from tests.training.small_nets import x as features

from .rows import SAVED, texts

STEPS = 4
# Gradients are added up shard by shard: over all of RECIPES weights were at most 3.6e-7 from those of one process.
NOISE = 1e-6
# Statistics of whole batches, and random numbers.
NOT_ALONE = ("conv_bn", "shared_bn", "masked_bn", "steps_bn", "dropped")
CHOSEN = {recipe.net: name for name, recipe in RECIPES.items() if recipe.net not in NOT_ALONE}
MORE = ("sgd", "gathered", "dense")
TWO_LOSSES = "forked-adam"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a scheduler with three workers, over which eight rows do not go evenly."""
    with LocalCluster(
        n_workers=3, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0"
    ) as cluster:
        yield cluster.scheduler_address


def apart(one: porting.PortedNetwork, other: porting.PortedNetwork) -> float:
    ours, theirs = one.weights(), other.weights()
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours if ours[name].dtype.kind == "f")


def same_numbers(one: Any, other: Any) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*CHOSEN.values(), "dense-weighted", *(f"masked_bilstm-{one}" for one in MORE)])
def test_a_recipe_learns_what_it_learns_in_one_process(name: str, address: str) -> None:
    recipe = RECIPES[name]
    nets = [compiled(recipe, RECORDED / recipe.net) for _ in range(2)]
    for net, where in zip(nets, ({}, {"scheduler": address})):
        net.fit(lambda: islice(batches(recipe), STEPS), verbose=0, **where)
    assert apart(*nets) <= NOISE
    same_numbers(*(net.history.history for net in nets if net.history is not None))
    assert max(nets[0].moved().values()) > 1e-4


def both(address: str, folder: Path, x: Any, y: Any, **told: Any) -> list[porting.PortedNetwork]:
    """A network trained in one process, and on the cluster."""
    made = []
    for where in ({}, {"scheduler": address}):
        net = porting.load(folder, engine="neoml")
        net.fit(x, y, batch_size=8, epochs=2, verbose=0, **told, **where)
        made.append(net)
    return made


def test_what_hangs_on_the_whole_batch(address: str) -> None:
    """A loss of one's own over all rows, weights of classes, metrics, an order, and rows held back."""

    def contrast(truth: Any, output: Any) -> tuple[Any, Any]:
        centred = output - output.mean(axis=0)
        return np.square(centred).sum(axis=-1), 2 * centred

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(45, 32)).astype(np.float32), rng.integers(0, 10, 45)
    told = {"validation_split": 0.2, "optimizer": "rmsprop"}
    assert apart(*both(address, SAVED / "plain", x, y, loss=contrast, **told)) <= NOISE
    more = {"metrics": ["accuracy", "sparse_top_k_categorical_accuracy"], "class_weight": {1: 3.0, 2: 0.0}}
    nets = both(address, SAVED / "plain", x, y, loss="sparse_categorical_crossentropy", **more, **told)
    assert apart(*nets) <= NOISE
    same_numbers(*(net.history.history for net in nets if net.history is not None))


@pytest.mark.parametrize("rows", [1, 2])
def test_fewer_rows_than_workers(rows: int, address: str) -> None:
    recipe = RECIPES["dense-weighted"]
    nets = [compiled(recipe, RECORDED / recipe.net) for _ in range(2)]
    for net, where in zip(nets, ({}, {"scheduler": address})):
        for x, y, weights in islice(batches(recipe), 2):
            net.fit(x[:rows], y[:rows], sample_weight=weights[:rows], verbose=0, **where)
    assert apart(*nets) <= NOISE


def test_texts_are_padded_as_one_batch(address: str) -> None:
    given = np.array(texts(20), object)[:, None]
    labels = np.arange(20) % 2
    nets = both(address, SAVED / "filter", given, labels, loss="binary_crossentropy", optimizer="adam")
    assert apart(*nets) <= NOISE


def test_a_run_goes_on_elsewhere(address: str, tmp_path: Path) -> None:
    """From a checkpoint of a cluster's in one process and the other way; and with the same optimizer."""
    recipe = RECIPES["regression-huber"]
    data = list(islice(batches(recipe), STEPS))
    whole = compiled(recipe, RECORDED / recipe.net)
    whole.fit(lambda: data, epochs=2, verbose=0)
    for number, places in enumerate(([{}, {"scheduler": address}], [{"scheduler": address}, {}])):
        path = tmp_path / f"{number}.npz"
        for epochs, where in zip((1, 2), places):
            net = compiled(recipe, RECORDED / recipe.net)
            kept = callbacks.Checkpoint(path)
            net.fit(lambda: data, epochs=epochs, verbose=0, callbacks=[kept], resume=path, **where)
        assert apart(net, whole) <= NOISE
        net = compiled(recipe, RECORDED / recipe.net)
        for where in places:
            net.fit(lambda: data, verbose=0, **where)
        assert apart(net, whole) <= NOISE


def test_tune_is_told_where(address: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(20, 32)).astype(np.float32), y=rng.integers(0, 10, 20))
    words = ["tune", SAVED / "plain", tmp_path / "data.npz", "--loss", "sparse_categorical_crossentropy"]
    for name, where in {"alone": (), "shared": ("--scheduler", address)}.items():
        code, text = run(*words, "--out", tmp_path / name, *where)
        assert code == 0, text
    assert apart(*(porting.load(tmp_path / name) for name in ("alone", "shared"))) <= NOISE
    code, text = run(*words, "--out", tmp_path / "both", "--workers", 2, "--scheduler", address)
    assert (code, "beside a scheduler" in text) == (2, True)


def test_a_stored_net_and_rules_that_cannot_be_sent(address: str, tmp_path: Path) -> None:
    stored = porting.load(SAVED / "plain", engine="neoml").store(tmp_path / "plain")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 32)).astype(np.float32), rng.integers(0, 10, 20)
    told = {"loss": "sparse_categorical_crossentropy", "optimizer": "adam"}
    alone = porting.load(SAVED / "plain", engine="neoml")
    alone.fit(x, y, batch_size=8, epochs=2, verbose=0, **told)
    for folder in (stored, SAVED / "plain"):
        assert apart(both(address, folder, x, y, **told)[1], alone) <= NOISE

    def dense(layer: Any, x: Any, ops: Any) -> Any:
        return RULES["Dense"].apply(layer, x, ops)

    net = porting.load(SAVED / "plain", "neoml", rules={"Dense": replace(RULES["Dense"], apply=dense)})
    with pytest.raises(porting.Unsupported, match="cannot be sent to other processes"):
        net.fit(x, y, verbose=0, scheduler=address, **told)


def test_a_worker_keeps_no_net_of_a_run_that_is_over(address: str) -> None:
    both(address, SAVED / "plain", np.ones((8, 32), np.float32), np.arange(8), loss="sparse_categorical_crossentropy")
    assert not _shards


def test_a_label_that_is_wrong_ends_the_run_and_the_next_is_right(address: str) -> None:
    recipe = RECIPES["regression-huber"]
    ((x, y, _),) = islice(batches(recipe), 1)
    nets = [compiled(recipe, RECORDED / recipe.net) for _ in range(2)]
    with pytest.raises(porting.Mismatch, match="labels"):
        nets[0].fit(x, y[:, :2], verbose=0, scheduler=address)
    assert not any(nets[0].moved().values())
    for net, where in zip(nets, ({"scheduler": address}, {})):
        net.fit(x, y, verbose=0, **where)
    assert apart(*nets) <= NOISE


def test_nets_that_are_pushed_out_are_made_again(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MOST_SHARDS", 1)
    recipe = RECIPES[TWO_LOSSES]
    nets = [compiled(recipe, RECORDED / recipe.net) for _ in range(2)]
    for net, where in zip(nets, ({}, {"scheduler": address})):
        net.fit(lambda: islice(batches(recipe), STEPS), verbose=0, **where)
    assert apart(*nets) <= NOISE


@pytest.mark.parametrize("net", NOT_ALONE)
def test_what_rows_do_together_is_refused_by_name(net: str, address: str) -> None:
    (recipe, *_) = (one for one in RECIPES.values() if one.net == net)
    made = compiled(recipe, RECORDED / net)
    layers = {name.rpartition("/")[0] for name in made.weights() if name.endswith("moving_mean")}
    frozen = [one for one in recipe.fixed if one in layers]
    with pytest.raises(porting.Unsupported) as caught:
        made.fit(lambda: islice(batches(recipe), 1), verbose=0, scheduler=address)
    told = [(one.where, one.what) for one in caught.value.problems]
    if net == "dropped":
        assert any("random numbers" in what for _, what in told)
    else:
        assert {where for where, _ in told} == layers - set(frozen)
        made.compile("sgd", made_loss(recipe.loss), frozen=sorted(layers))
        made.fit(lambda: islice(batches(recipe), 1), verbose=0, scheduler=address)


def test_a_layer_that_drops_is_named(address: str) -> None:
    with pytest.raises(porting.Unsupported, match=r"Dropout 'dropout': draws random(.|\n)*leave workers"):
        dropped().fit(features(), ONES, verbose=0, scheduler=address)


def test_workers_and_a_scheduler_are_not_both_given() -> None:
    net = porting.load(SAVED / "plain", engine="neoml")
    told = {"loss": "mse", "verbose": 0}
    with pytest.raises(porting.Unsupported, match="beside a scheduler"):
        net.fit(np.ones((2, 32), np.float32), np.ones((2, 10)), workers=2, scheduler="tcp://x:1", **told)
    with pytest.raises(porting.Unsupported, match="workers"):
        net.fit(np.ones((2, 32), np.float32), np.ones((2, 10)), workers=0, **told)
    with pytest.raises(porting.Unsupported, match="is not an address"):
        net.fit(np.ones((2, 32), np.float32), np.ones((2, 10)), scheduler="tcp://", **told)


# ---- a leg that is run again, or elsewhere


@pytest.fixture
def shard() -> Iterator[Any]:
    """Makes shards of one recipe, of two losses."""
    net = compiled(RECIPES[TWO_LOSSES], RECORDED / "forked")
    trainer = net._trainer
    assert trainer is not None
    recipe = Recipe.of("run", net.engine, trainer.choice.learns, trainer.absorbed)
    ((x, _, _),) = islice(batches(RECIPES[TWO_LOSSES]), 1)
    given = Pass(trainer.learner.theta.vector.copy(), {"features": x})
    made: list[Shard] = []

    def make() -> tuple[Shard, Pass]:
        made.append(Shard(recipe))
        return made[-1], given

    yield make
    for one in made:
        one.end()


def legs(shard: Shard, given: Pass, step: int) -> Any:
    """A step's whole way, with derivatives that are the outputs themselves; the gradients."""
    told: list[Any] = []
    answer = shard.advance(("run", step), given, told)
    while isinstance(answer, Seen):
        told.append(answer.output)
        answer = shard.advance(("run", step), given, told)
    return answer, told


def test_a_leg_is_the_same_wherever_the_one_before_was_run(shard: Any) -> None:
    one, given = shard()
    gradients, told = legs(one, given, 1)
    assert len(told) == 2
    other, _ = shard()
    for again in (other.advance(("run", 1), given, told), one.advance(("run", 1), given, told)):
        assert gradients.keys() == again.keys()
        for name, gradient in gradients.items():
            np.testing.assert_array_equal(gradient, again[name])


def test_a_pass_is_given_up_for_another(shard: Any) -> None:
    one, given = shard()
    gradients, told = legs(one, given, 1)
    for known in range(len(told)):
        assert isinstance(one.advance(("run", 2), given, told[:known]), Seen)
        again, _ = legs(one, given, 3)
        for name, gradient in gradients.items():
            np.testing.assert_array_equal(gradient, again[name])


def test_a_net_that_was_let_go_answers_nobody(shard: Any) -> None:
    one, given = shard()
    one.advance(("run", 1), given, ())
    one.end()
    for _ in range(2):
        with pytest.raises(shards._Abandoned):
            one.advance(("run", 1), given, (None,))


def test_what_a_net_raises_is_raised_and_it_runs_again(shard: Any) -> None:
    one, given = shard()
    with pytest.raises(porting.Mismatch, match="NeoML cannot run"):
        one.advance(("run", 1), Pass(given.weights, {"features": np.ones((2, 7), np.float32)}), ())
    legs(one, given, 2)
