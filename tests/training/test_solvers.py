"""Steps that NeoML's own solvers make: where they are made, that they are Keras', and that nobody can tell."""

from __future__ import annotations

import copy
import gc
import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting import schedules
from porting.network import Layer
from porting.optimizers import SGD, Adam, AdamW, Nadam, Optimizer
from porting.training import callbacks
from tests.training import recipes
from tests.training.compiled import RECORDED, made_loss, net_that_learns
from tests.training.cotangents import compared_case, cotangents, smooth_inputs
from tests.training.recipes import Recipe, batches
from tests.training.recorded_gradients import learning_net, recorded, rules_of
from tests.training.small_nets import chain, dense, dropped
from tests.training.small_nets import x as features

SPARSE = "sparse_categorical_crossentropy"
LOGITS = ("SparseCategoricalCrossentropy", {"from_logits": True})
LOSSES: dict[str, Any] = {
    "regression": "mse",
    "dense": SPARSE,
    "conv_frozen_bn": LOGITS,
    "normed": SPARSE,
    "text_cnn": SPARSE,
    "masked_bilstm": "binary_crossentropy",
    "masked_gru": ("BinaryCrossentropy", {"from_logits": True}),
    "forked": [SPARSE, "mse"],
    "conv_bn": LOGITS,
    "tagger": SPARSE,
    "constrained": "mse",
    "tied": SPARSE,
}
Weights = dict[str, np.ndarray]
# Apart after 100 steps, that is what the two may be.
NOISE = 1e-6


def fast() -> Optimizer:
    return Adam(0.003)


def elsewhere(optimizer: Optimizer) -> Optimizer:
    """The same optimizer of a class of a user's own, which NeoML knows nothing of."""
    kind = type(optimizer)
    made = copy.deepcopy(optimizer)
    made.__class__ = type(kind.__name__, (kind,), {})
    return made


def compiled(net: str, optimizer: Any, **settings: Any) -> porting.PortedNetwork:
    made = porting.load(RECORDED / net, engine="neoml")
    made.compile(optimizer, made_loss(LOSSES[net]), **settings)
    return made


def state(net: porting.PortedNetwork) -> Any:
    assert net._trainer is not None
    return net._trainer.optimizer.state


def numbers(net: porting.PortedNetwork) -> dict[str, float]:
    assert net._trainer is not None
    return net._trainer.optimizer.numbers


def weights(net: porting.PortedNetwork) -> Weights:
    assert net._trainer is not None
    return net._trainer.weights()


def train(net: porting.PortedNetwork, name: str, steps: int = recipes.STEPS, skip: int = 0) -> list[float]:
    data = itertools.islice(batches(Recipe(name, LOSSES[name], ("", {}))), skip, skip + steps)
    return [net.train_on_batch(x, y, sample_weight=counts, return_dict=True)["loss"] for x, y, counts in data]


def apart(one: Weights, other: Weights) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


# ---- which road is taken


@dataclass(frozen=True)
class Setting:
    """A network, how it is trained, and whether NeoML's own solver makes the steps."""

    by_itself: bool
    net: str = "regression"
    optimizer: Callable[[], Any] = fast
    settings: dict[str, Any] = field(default_factory=dict)


NORM = {"frozen": ["norm"]}
SETTINGS = {
    "by name": Setting(True, optimizer=lambda: "adam"),
    "plain descent": Setting(True, optimizer=lambda: SGD(0.1)),
    "momentum": Setting(True, optimizer=lambda: SGD(0.1, momentum=0.9)),
    "amsgrad": Setting(True, optimizer=lambda: Adam(amsgrad=True)),
    "a schedule": Setting(True, optimizer=lambda: Adam(schedules.ExponentialDecay(0.01, 10, 0.5))),
    "convolutions": Setting(True, "conv_frozen_bn", settings=NORM),
    "lstm": Setting(True, "normed", settings=NORM),
    "statistics that move": Setting(True, "conv_bn"),
    "a frozen table": Setting(True, "masked_bilstm", settings={"frozen": ["embedding"]}),
    "frozen layers with penalties": Setting(True, "dense", settings={"frozen": ["first"]}),
    "frozen slots": Setting(True, "masked_bilstm", settings={"frozen": ["embedding", "*/bias"]}),
    "several outputs": Setting(True, "forked"),
    "tensors that add to the loss": Setting(True, "constrained", settings={"frozen": ["conv", "lstm", "code"]}),
    "nesterov": Setting(False, optimizer=lambda: SGD(0.1, momentum=0.9, nesterov=True)),
    "another optimizer": Setting(False, optimizer=Nadam),
    "weight decay": Setting(False, optimizer=lambda: SGD(0.1, weight_decay=0.01)),
    "adamw": Setting(False, optimizer=AdamW),
    "clipnorm": Setting(False, optimizer=lambda: Adam(clipnorm=1.0)),
    "clipvalue": Setting(False, optimizer=lambda: SGD(clipvalue=1.0)),
    "global_clipnorm": Setting(False, optimizer=lambda: Adam(global_clipnorm=1.0)),
    "a class of a user's own": Setting(False, optimizer=lambda: elsewhere(fast())),
    "a decay that float32 holds badly": Setting(False, optimizer=lambda: Adam(beta_2=0.9999)),
    "penalties": Setting(False, "dense"),
    "constraints": Setting(False, "constrained"),
    "rates of parts": Setting(False, settings={"learning_rates": {"first": 0.1}}),
    "a table that learns": Setting(True, "masked_bilstm"),
    "a layer that is read twice": Setting(False, "tagger", settings={"frozen": ["embedding"]}),
    "a cell in the archive": Setting(False, "masked_gru", settings={"frozen": ["embedding"]}),
    "tied tables": Setting(False, "tied"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_neomls_own_solver_makes_the_step_where_it_can(name: str) -> None:
    setting = SETTINGS[name]
    net = compiled(setting.net, setting.optimizer(), **setting.settings)
    train(net, setting.net, 2)
    assert net_that_learns(net).steps_by_itself == setting.by_itself
    assert max(net.moved().values()) > 0


# ---- the steps


ROADS: dict[str, tuple[str, Callable[[], Optimizer], dict[str, Any]]] = {
    "regression, plain descent": ("regression", lambda: SGD(0.1), {}),
    "regression, momentum": ("regression", lambda: SGD(0.05, momentum=0.9), {}),
    "regression, adam": ("regression", fast, {}),
    "regression, amsgrad": ("regression", lambda: Adam(0.003, amsgrad=True), {}),
    "regression, other decays": ("regression", lambda: Adam(0.003, beta_1=0.0, beta_2=0.98, epsilon=1e-3), {}),
    "convolutions, adam": ("conv_frozen_bn", fast, NORM),
    "lstm, adam": ("normed", fast, NORM),
    "moving statistics, adam": ("conv_bn", fast, {}),
    "moving statistics, momentum": ("conv_bn", lambda: SGD(0.05, momentum=0.9), {}),
    "masked lstm, momentum": ("masked_bilstm", lambda: SGD(0.05, momentum=0.9), {"frozen": ["embedding", "*/bias"]}),
    "two heads, amsgrad": ("forked", lambda: Adam(0.003, amsgrad=True), {}),
    "tables, momentum": ("masked_bilstm", lambda: SGD(0.05, momentum=0.9), {}),
}
# Of tables an optimizer of numpy's remembers, so that what is read is brought to its measure, and rounded.
ROUNDED: dict[str, tuple[str, Callable[[], Optimizer], dict[str, Any]]] = {
    "tables, adam": ("text_cnn", fast, {}),
    "tables, amsgrad": ("masked_bilstm", lambda: Adam(0.003, amsgrad=True), {}),
    "tables with sums of slices, adam": ("text_cnn", fast, {"sparse_embeddings": False}),
}


@pytest.mark.parametrize("name", [*ROADS, *ROUNDED])
def test_both_roads_make_the_same_steps(name: str) -> None:
    net, optimizer, settings = {**ROADS, **ROUNDED}[name]
    own, here = compiled(net, optimizer(), **settings), compiled(net, elsewhere(optimizer()), **settings)
    np.testing.assert_allclose(train(own, net), train(here, net), rtol=1e-5)
    assert net_that_learns(own).steps_by_itself
    assert not net_that_learns(here).steps_by_itself
    assert apart(weights(own), weights(here)) < NOISE
    for weight, slots in state(here).items():
        for slot, array in slots.items():
            largest = float(np.abs(array).max())
            found = state(own)[weight][slot] / numbers(own).get(f"{slot}_scale", 1.0)
            np.testing.assert_allclose(found, array, rtol=1e-5, atol=5e-6 * largest, err_msg=weight)


@pytest.mark.parametrize("name", ["regression, momentum", "regression, adam"])
def test_a_rate_a_thousandth_off_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from porting.neoml_side.learning.solvers import Method

    right = Method.rates
    monkeypatch.setattr(Method, "rates", lambda *given: (1.001 * right(*given)[0], right(*given)[1]))
    with pytest.raises(AssertionError):
        test_both_roads_make_the_same_steps(name)


def test_a_tables_step_a_thousandth_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Optimizer.finish

    def further(self: Optimizer, tables: Weights, gradients: Any) -> None:
        before = {name: table.copy() for name, table in tables.items()}
        right(self, tables, gradients)
        for name, table in tables.items():
            table += 0.001 * (table - before[name])

    monkeypatch.setattr(Optimizer, "finish", further)
    with pytest.raises(AssertionError):
        test_both_roads_make_the_same_steps("tables, adam")


def test_decays_that_float32_rounds_are_allowed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncorrected, Adam's usual β₂ would take its steps past what is allowed."""
    from porting.neoml_side.learning import solvers

    monkeypatch.setattr(solvers, "_sums", lambda beta, step: 1.0)
    with pytest.raises(AssertionError):
        test_both_roads_make_the_same_steps("regression, adam")


@pytest.mark.parametrize("name", ROADS)
def test_state_that_is_read_goes_back_to_the_bit(name: str) -> None:
    """In every layer that has one, each history in its place."""
    net, optimizer, settings = ROADS[name]
    left, read = compiled(net, optimizer(), **settings), compiled(net, optimizer(), **settings)
    for step in range(6):
        train(left, net, 1, step)
        train(read, net, 1, step)
        if step % 2:
            state(read)
            weights(read)
    assert same(weights(left), weights(read))


@pytest.mark.parametrize("name", ROUNDED)
def test_state_that_is_read_beside_a_tables_changes_nothing_but_the_last_bit(name: str) -> None:
    net, optimizer, settings = ROUNDED[name]
    left, read = compiled(net, optimizer(), **settings), compiled(net, optimizer(), **settings)
    for step in range(20):
        train(left, net, 1, step)
        train(read, net, 1, step)
        assert state(read).keys() == net_that_learns(read).theta.arrays.keys()
    assert apart(weights(left), weights(read)) < NOISE


def test_histories_in_each_others_places_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from porting.neoml_side.learning.solvers import SolverState

    right = SolverState._vector

    def swapped(self: Any, optimizer: Any, slot: str, scale: float) -> np.ndarray:
        return right(self, optimizer, "velocity" if slot == "momentum" else "momentum", scale)

    monkeypatch.setattr(SolverState, "_vector", swapped)
    with pytest.raises(AssertionError):
        test_state_that_is_read_goes_back_to_the_bit("regression, adam")


LAYERS = {
    "FullyConnected": ["core/dense_2d", "core/dense_2d_no_bias"],
    "Conv": ["convolutions/conv2d_and_dense", "attention/multi_head"],
    "Conv3D": ["convolutions/conv3d_same"],
    "ChannelwiseConv": ["convolutions/depthwiseconv2d_same_strided", "convolutions/separableconv1d_valid"],
    "TransposedConv": ["convolutions/conv2dtranspose_same_strided"],
    "ObjectNormalization": ["scaling/layer_3d", "scaling/layer_no_center", "scaling/layer_no_scale"],
    "Lstm": ["recurrent/lstm_sequences", "recurrent/bidirectional_lstm_sum_sequences"],
    "Gru": ["recurrent/gru_reset_before_all", "recurrent/gru_reset_before_no_bias"],
    "Irnn": ["recurrent/simple_rnn_relu_masked"],
}


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, keys in LAYERS.items() for key in keys])
def test_every_layers_history_goes_out_and_in(kind: str, key: str) -> None:
    network, _, wanted = recorded(key)
    case = compared_case(network)
    made, inputs = cotangents(network, case), smooth_inputs(case)
    derivatives = {ref: lambda output, mask, made=made[ref]: made for ref in made}
    own, here = (learning_net(network, wanted, rules_of(key)) for _ in range(2))
    assert kind in {live.node.kind for live in own.live}
    begun = own.theta.vector.copy()
    mine, others = SGD(1e-3, momentum=0.9), SGD(1e-3, momentum=0.9)
    for _ in range(3):
        mine.finish({}, own.step(inputs, derivatives, mine))
        others.apply(here.theta.arrays, here.gradients(inputs, derivatives))
        assert mine.state.keys() == others.state.keys()
    assert np.abs(here.theta.vector - begun).max() > 0
    np.testing.assert_allclose(own.theta.vector, here.theta.vector, rtol=1e-6, atol=1e-7)


def test_every_kind_of_layer_with_a_history_is_tried() -> None:
    from porting.neoml_side.learning.solvers import PARTS

    assert LAYERS.keys() == PARTS.keys()


# ---- from road to road


@pytest.mark.parametrize(
    "made",
    [
        *("regression, momentum", "regression, adam", "regression, amsgrad", "lstm, adam", "moving statistics, adam"),
        *("tables, momentum", "tables, adam", "tables, amsgrad"),
    ],
)
@pytest.mark.parametrize("own_first", [True, False])
def test_a_checkpoint_goes_on_on_the_other_road(made: str, own_first: bool, tmp_path: Path) -> None:
    name, optimizer, settings = {**ROADS, **ROUNDED}[made]
    x, y, _ = next(batches(Recipe(name, LOSSES[name], ("", {}))))

    def fit(own: bool, epochs: int, path: Path) -> Weights:
        net = compiled(name, optimizer() if own else elsewhere(optimizer()), **settings)
        saved = callbacks.Checkpoint(path, every_epochs=10)
        net.fit(x, y, batch_size=4, epochs=epochs, callbacks=[saved], resume=path, verbose=0)
        assert state(net)
        return weights(net)

    fit(own_first, 20, tmp_path / "crossed.npz")
    crossed = fit(not own_first, 50, tmp_path / "crossed.npz")
    assert apart(crossed, fit(False, 50, tmp_path / "whole.npz")) < NOISE
    with np.load(tmp_path / "crossed.npz") as file, np.load(tmp_path / "whole.npz") as whole:
        assert file.files == whole.files


CHANGES = [("momentum", 0.9), ("clipnorm", 0.1), ("clipnorm", None), ("learning_rate", 0.1), ("momentum", 0.5)]


def test_settings_that_change_between_steps_change_the_road() -> None:
    def trained(made: Optimizer) -> Weights:
        net = compiled("regression", made)
        seen = []
        for step, (key, value) in enumerate(CHANGES):
            setattr(made, key, value)
            train(net, "regression", 3, 3 * step)
            seen.append(net_that_learns(net).steps_by_itself)
        assert seen == ([True, False, True, True, True] if type(made) is SGD else 5 * [False])
        return weights(net)

    assert same(trained(SGD(0.05, momentum=0.9)), trained(elsewhere(SGD(0.05, momentum=0.9))))


def test_an_optimizer_that_is_exchanged_keeps_its_state() -> None:
    def trained(*made: Optimizer) -> Weights:
        net = compiled("regression", made[0])
        assert net._trainer is not None
        for step in range(6):
            net._trainer.optimizer = made[step % 2]
            train(net, "regression", 2, 2 * step)
        assert [one.iterations for one in made] == [6, 6]
        return weights(net)

    pair = SGD(0.05, momentum=0.9), SGD(0.02, momentum=0.5)
    assert same(trained(*map(copy.deepcopy, pair)), trained(*map(elsewhere, pair)))


@pytest.mark.parametrize("optimizer", [lambda: SGD(0.05, momentum=0.9), fast])
@pytest.mark.parametrize("rates", [{}, {"second": 0.003}])
def test_networks_that_share_an_optimizer_do_not_disturb_each_other(optimizer: Any, rates: dict[str, Any]) -> None:
    """Each with its own state, on its own road."""

    def trained(made: Optimizer) -> list[Weights]:
        one = compiled("regression", made)
        other = compiled("dense", made, frozen=["first"], learning_rates=rates)
        for step in range(0, 60, 3):
            train(one, "regression", 3, step)
            train(other, "dense", 3, step)
        again = copy.deepcopy(made)
        assert again.iterations == 120
        assert again.state.keys() == made.state.keys() >= {"first/bias", "numbers/bias", "second/bias", "classes/bias"}
        return [weights(one), weights(other)]

    own, here = trained(optimizer()), trained(elsewhere(optimizer()))
    assert all(apart(*pair) < NOISE for pair in zip(own, here))


# ---- what else happens between steps


def raises(truth: np.ndarray, output: np.ndarray) -> Any:
    if truth.max() > 1e6:
        raise ZeroDivisionError("of the loss")
    return np.square(output - truth).mean(-1), 2 * (output - truth) / truth.shape[-1]


@pytest.mark.parametrize("optimizer", [lambda: SGD(0.05, momentum=0.9), fast])
def test_a_step_that_raises_leaves_all_as_it_was(optimizer: Callable[[], Optimizer]) -> None:
    x = np.random.default_rng(0).normal(size=(5, 8, 7)).astype(np.float32)
    y = np.random.default_rng(1).normal(size=(5, 8, 3)).astype(np.float32)

    def trained(wrong: bool) -> porting.PortedNetwork:
        net = porting.load(RECORDED / "regression", engine="neoml")
        net.compile(optimizer(), raises)
        for step in range(5):
            if wrong:
                with pytest.raises(ZeroDivisionError, match="of the loss"):
                    net.train_on_batch(x[step], y[step] * np.float32(1e12))
                with pytest.raises(porting.Mismatch):
                    net.train_on_batch(x[step][:, :2], y[step])
            net.train_on_batch(x[step], y[step])
            assert net_that_learns(net).steps_by_itself
        return net

    left, tried = trained(False), trained(True)
    assert same(weights(left), weights(tried))
    assert tried._trainer is not None
    assert tried._trainer.optimizer.iterations == 5


def test_neoml_that_cannot_run_a_batch_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    import neoml

    def broken(*_: Any) -> None:
        raise RuntimeError("no memory")

    def trained(wrong: bool) -> Weights:
        net = compiled("regression", fast())
        train(net, "regression", 3)
        if wrong:
            with monkeypatch.context() as patch:
                patch.setattr(neoml.Dnn.Dnn, "run_and_backward", broken)
                with pytest.raises(porting.Mismatch, match="no memory"):
                    train(net, "regression", 1)
        train(net, "regression", 3, 3)
        return weights(net)

    assert same(trained(False), trained(True))


class Reads(callbacks.Callback):
    """Reads all that there is to read."""

    def on_batch_end(self, step: int, logs: Any) -> None:
        trainer = self.run.trainer
        assert trainer.optimizer.state.keys() == trainer.learner.theta.arrays.keys()
        assert max(trainer.moved().values()) > 0


def test_who_reads_changes_nothing_dropout_included() -> None:
    def losses(listening: list[Any]) -> list[float]:
        layers = [Layer("dropout", "Dropout", {"rate": 0.4, "seed": None, "noise_shape": None}), dense("dense", 5)]
        net = chain(*layers)
        history = net.fit(
            np.tile(features(), (8, 1)), np.ones((48, 2)), batch_size=8, epochs=3, callbacks=listening,
            optimizer=fast(), loss="mse", seed=4, verbose=0,
        )  # fmt: skip
        assert net_that_learns(net).steps_by_itself
        return history.history["loss"]

    assert losses([]) == losses([Reads()])


def test_dropout_is_told_by_the_seed_here_too() -> None:
    def trained(seed: int) -> Weights:
        net = dropped(seed=seed)
        for _ in range(3):
            net.train_on_batch(features(), np.ones((6, 2)))
        assert net_that_learns(net).steps_by_itself
        return weights(net)

    assert same(trained(1), trained(1))
    assert not same(trained(1), trained(2))


def test_training_in_all_ways_in_turn_is_the_same_on_both_roads() -> None:
    def trained(made: Optimizer) -> tuple[Weights, list[Any]]:
        net = compiled("dense", made, frozen=["first"])
        rng = np.random.default_rng(2)
        x, y = rng.normal(size=(40, 12)).astype(np.float32), rng.integers(0, 4, 40)
        seen: list[Any] = []
        for _ in range(3):
            stop = callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
            lower = callbacks.LearningRateScheduler(lambda epoch, rate: 0.9 * rate)
            history = net.fit(x, y, batch_size=8, epochs=3, validation_split=0.25, callbacks=[stop, lower], verbose=0)
            seen += history.history["val_loss"] + [net.evaluate(x, y, return_dict=True)["loss"]]
            seen.append(net.train_on_batch(x[:3], y[:3], return_dict=True)["loss"])
            seen += net.predict(x[:2]).ravel().tolist()
            seen += net.moved().values()
        return weights(net), seen

    (own, told), (here, expected) = trained(Adam(0.01)), trained(elsewhere(Adam(0.01)))
    assert apart(own, here) < NOISE
    np.testing.assert_allclose(told, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("made", [fast, lambda: elsewhere(fast())])
def test_what_was_compiled_before_is_let_go(made: Callable[[], Optimizer]) -> None:
    net = compiled("regression", made())
    train(net, "regression", 2)
    before = weakref.ref(net_that_learns(net))
    net.compile("adam", "mse")
    gc.collect()
    assert before() is None


def test_a_trained_network_is_saved_and_read_back(tmp_path: Path) -> None:
    net = compiled("normed", fast(), **NORM)
    train(net, "normed", 5)
    before = weights(net)
    net.save(tmp_path / "tuned")
    again = porting.load(tmp_path / "tuned", engine="neoml")
    assert same(before, again.weights())
    assert again.check().ok
    assert same(before, net.weights())


RESUMED: dict[str, Callable[[], Optimizer]] = {
    "plain descent": lambda: SGD(0.05),
    "momentum": lambda: SGD(0.05, momentum=0.9),
    "adam": fast,
    "amsgrad": lambda: Adam(amsgrad=True),
}


@pytest.mark.parametrize("optimizer", RESUMED)
@pytest.mark.parametrize("net", ["regression", "normed"])
def test_a_run_resumes_to_the_bit(net: str, optimizer: str, tmp_path: Path) -> None:
    x, y, _ = next(batches(Recipe(net, LOSSES[net], ("", {}))))
    settings = NORM if net == "normed" else {}

    def fit(path: Path, epochs: int) -> Weights:
        made = compiled(net, RESUMED[optimizer](), **settings)
        saved = callbacks.Checkpoint(path, every_steps=3)
        made.fit(x, y, batch_size=2, epochs=epochs, callbacks=[saved], resume=path, verbose=0)
        return weights(made)

    whole = fit(tmp_path / "whole", 5)
    for epochs in (1, 2, 4):
        fit(tmp_path / "parts", epochs)
    assert same(fit(tmp_path / "parts", 5), whole)
