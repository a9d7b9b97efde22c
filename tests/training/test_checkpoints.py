"""Checkpoints under strain: odd contents, several writers, full disks, folders that go away."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting import optimizers, schedules
from porting.training import callbacks, checkpoints

ROOT = Path(__file__).parents[2]
PLAIN = ROOT / "saved_weights" / "plain"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 32)).astype(np.float32)
Y = RNG.integers(0, 10, 24)
NAN = float("nan")


def run(path: Path, resume: bool = False, epochs: int = 2, every_steps: int = 4, **more: Any) -> porting.PortedNetwork:
    net = porting.load(PLAIN, engine="neoml")
    net.compile(optimizers.Nadam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    kept = [callbacks.Checkpoint(path, None, every_steps), callbacks.EarlyStopping("loss", patience=9, **more)]
    net.fit(X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=kept, resume=path if resume else None)
    return net


class Kept(callbacks.Callback):
    """Keep the checkpoint that was written within an epoch."""

    def __init__(self, path: Path, copy: Path) -> None:
        self.path, self.copy = path, copy

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            shutil.copy(self.path, self.copy)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> checkpoints.State:
    """A state within the second epoch."""
    path = tmp_path_factory.mktemp("whole") / "state"
    net = porting.load(PLAIN, engine="neoml")
    net.compile(optimizers.Nadam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stopping = callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    kept = [Kept(path, path.with_name("copy")), callbacks.Checkpoint(path, None, 4), stopping]
    net.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=kept)
    return checkpoints.read_state(path.with_name("copy"))


Pick = random.Random
ODD_VALUES: list[Any] = [
    None,
    True,
    -1,
    1.5,
    2**70,
    NAN,
    "x",
    "",
    [],
    {},
    [1],
    {"x": 1},
    [[1]],
    {"loss": ["x"]},
    [NAN, 0],
]


def odd_number(state: checkpoints.State, pick: Pick) -> checkpoints.State:
    numbers = json.loads(json.dumps(dict(state.numbers)))
    here = numbers
    while True:
        key = pick.choice(sorted(here) if isinstance(here, dict) else range(len(here)))
        if isinstance(here[key], (dict, list)) and here[key] and pick.random() < 0.6:
            here = here[key]
            continue
        here[key] = pick.choice([odd for odd in ODD_VALUES if repr(odd) != repr(here[key])])
        return checkpoints.State(state.arrays, numbers)


def lost_or_new_number(state: checkpoints.State, pick: Pick) -> checkpoints.State:
    numbers = dict(state.numbers)
    if pick.random() < 0.5:
        del numbers[pick.choice(sorted(numbers))]
    else:
        numbers["more"] = 1
    return checkpoints.State(state.arrays, numbers)


def odd_array(state: checkpoints.State, pick: Pick) -> checkpoints.State:
    name = pick.choice(sorted(state.arrays))
    array = state.arrays[name]
    kinds: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda a: a.astype(np.float64),
        lambda a: a.astype(np.int32),
        lambda a: a.astype(complex),
        lambda a: np.full(a.shape, "x"),
        lambda a: a[:0],
        lambda a: a[..., None],
        lambda a: np.float32(1),
        lambda a: np.concatenate([a, a]),
    ]
    return checkpoints.State({**state.arrays, name: pick.choice(kinds)(array)}, state.numbers)


def lost_or_new_array(state: checkpoints.State, pick: Pick) -> checkpoints.State:
    arrays = dict(state.arrays)
    one = pick.choice(sorted(arrays))
    if pick.random() < 0.5:
        del arrays[one]
    else:
        new = ["more", "before/x", "optimizer/x//momentum", "optimizer/classes/bias//x", "callback/9/x", "callback/x"]
        arrays[pick.choice(new)] = arrays[one]
    return checkpoints.State(arrays, state.numbers)


# What an epoch's sums, a history and a callback's state hold, nobody else knows; best weights may be there or not.
def may_be_taken(odd: checkpoints.State, whole: checkpoints.State) -> bool:
    return odd.arrays.keys() == whole.arrays.keys() - {"callback/0/best_weights"} or any(
        json.dumps(odd.numbers.get(key)) != json.dumps(whole.numbers[key])
        for key in ("tally", "history", "epochs_done", "callbacks", "epoch", "step", "steps", "iterations")
        + ("stop", "learning_rate", "optimizer_numbers")
    )


@pytest.mark.parametrize("forger", [odd_number, lost_or_new_number, odd_array, lost_or_new_array])
def test_odd_contents_are_refused_or_taken_up_whole(
    whole: checkpoints.State, tmp_path: Path, forger: Callable[[checkpoints.State, Pick], checkpoints.State]
) -> None:
    path = tmp_path / "state"
    net = porting.load(PLAIN, engine="neoml")
    net.compile(optimizers.Nadam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    refused = 0
    for seed in range(60):
        odd = forger(whole, random.Random(f"{forger.__name__} {seed}"))
        checkpoints.write_state(odd, path)
        before = net.weights()
        stopping = callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
        try:
            net.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[stopping], resume=path)
        except porting.BadArchive:
            refused += 1
            assert all((net.weights()[name] == array).all() for name, array in before.items())
        else:
            assert may_be_taken(odd, whole), f"seed {seed} was taken"
    assert refused >= 20


def test_the_state_as_it_was_written_is_taken(whole: checkpoints.State, tmp_path: Path) -> None:
    """The control."""
    checkpoints.write_state(whole, tmp_path / "state")
    resumed = run(tmp_path / "state", resume=True, restore_best_weights=True).weights()
    at_once = run(tmp_path / "other", restore_best_weights=True).weights()
    assert all((resumed[name] == array).all() for name, array in at_once.items())


def test_flipped_bytes_are_refused(whole: checkpoints.State, tmp_path: Path) -> None:
    path = tmp_path / "state"
    checkpoints.write_state(whole, path)
    good, pick = path.read_bytes(), random.Random(1)
    for _ in range(300):
        at = pick.randrange(len(good))
        harmed = good[:at] + bytes([good[at] ^ (1 << pick.randrange(8))]) + good[at + 1 :]
        path.write_bytes(harmed if pick.random() < 0.7 else good[:at])
        try:
            state = checkpoints.read_state(path)
        except porting.BadArchive:
            continue
        assert state.numbers == whole.numbers  # the byte is one that zip files do not need
        assert all((state.arrays[name] == array).all() for name, array in whole.arrays.items())


OPTIMIZERS: dict[str, Callable[[], optimizers.Optimizer]] = {
    "averaging": lambda: optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
    "overwriting": lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=5),
    "gathering": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "schedule": lambda: optimizers.RMSprop(schedules.CosineDecay(0.01, 9), momentum=0.5, centered=True),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "nothing": lambda: optimizers.SGD(0.1, global_clipnorm=1.0),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_runs_of_every_optimizer_go_on_from_any_step(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "state"

    class Break(callbacks.Callback):
        def __init__(self, step: int) -> None:
            self.step = step

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.run.trainer.steps == self.step:
                raise KeyboardInterrupt

    def go(*more: callbacks.Callback) -> dict[str, np.ndarray]:
        net = porting.load(PLAIN, engine="neoml")
        kept = [callbacks.Checkpoint(path, every_steps=1), *more]
        settings: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "resume": path, "callbacks": kept}
        net.fit(X, Y, batch_size=4, epochs=3, verbose=0, optimizer=OPTIMIZERS[kind](), **settings)
        return net.weights()

    whole = go()
    path.unlink()
    for step in (4, 9, 13):
        with pytest.raises(KeyboardInterrupt):
            go(Break(step))
    resumed = go()
    assert all((resumed[name] == array).all() for name, array in whole.items())


WRITER = """
import sys, numpy as np
from porting.training.checkpoints import State, write_state, read_state
path, number = sys.argv[1], int(sys.argv[2])
for turn in range(40):
    write_state(State({"weights": np.full(20000, number, np.float32)}, NUMBERS | {"steps": number}), path)
    seen = read_state(path)
    assert (seen.arrays["weights"] == seen.numbers["steps"]).all(), "mixed"
"""


def test_several_writers_of_one_checkpoint_each_leave_a_whole_one(whole: checkpoints.State, tmp_path: Path) -> None:
    path = tmp_path / "state"
    code = WRITER.replace("NUMBERS", repr(dict(whole.numbers)))
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(number)], cwd=ROOT, stderr=subprocess.PIPE)
        for number in (1, 2, 3)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors.decode()
    state = checkpoints.read_state(path)
    assert (state.arrays["weights"] == state.numbers["steps"]).all()
    assert list(tmp_path.iterdir()) == [path]


FULL = """
import resource, signal
from pathlib import Path
from tests.training.test_checkpoints import *
path = Path(sys.argv[1])
net = run(path)
good, size = path.read_bytes(), path.stat().st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))
before = net.weights()
try:
    net.fit(X, Y, batch_size=4, verbose=0, callbacks=[callbacks.Checkpoint(path, None, 2)])
except porting.BadArchive as error:
    print(error)
assert path.read_bytes() == good and len(list(path.parent.iterdir())) == 1
assert net._trainer.steps == 14 and any((net.weights()[name] != array).any() for name, array in before.items())
net.predict(X)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
net.fit(X, Y, batch_size=4, verbose=0, callbacks=[callbacks.Checkpoint(path)])
assert path.read_bytes() != good
"""


def test_a_full_disk_keeps_the_last_checkpoint_and_the_weights(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "state")], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written: File too large" in done.stdout
    assert "Traceback" not in done.stderr, done.stderr


def test_a_folder_that_goes_away_is_told_or_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"

    class Away(callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                shutil.rmtree(folder)
                if self.blocked:
                    folder.write_text("a file is there now")

    for blocked in (False, True):
        net = porting.load(PLAIN, engine="neoml")
        net.compile("adam", "sparse_categorical_crossentropy")
        away = Away()
        away.blocked = blocked
        settings: dict[str, Any] = {"epochs": 3, "verbose": 0, "callbacks": [callbacks.Checkpoint(folder / "s"), away]}
        if not blocked:
            net.fit(X, Y, **settings)
            assert checkpoints.read_state(folder / "s").numbers["epoch"] == 3
            continue
        with pytest.raises(porting.BadArchive, match="cannot be written"):
            net.fit(X, Y, **settings)
        assert net.history is not None
        assert net.history.epoch == [0, 1]
        net.predict(X)


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    run(path)
    good = path.read_bytes()

    def read_only(*rest: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(checkpoints.tempfile, "mkstemp", read_only)
    with pytest.raises(porting.BadArchive, match="cannot be written: Read-only"):
        run(path, resume=True, epochs=4)
    assert path.read_bytes() == good


def test_progress_may_be_shown_or_not_between_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "state"
    run(path)
    net = porting.load(PLAIN, engine="neoml")
    net.compile(optimizers.Nadam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    kept = [callbacks.EarlyStopping("loss", patience=9), callbacks.LambdaCallback(), callbacks.TerminateOnNaN()]
    net.fit(X, Y, batch_size=4, epochs=3, callbacks=kept, resume=path)
    assert len(capsys.readouterr().err.splitlines()) == 1
