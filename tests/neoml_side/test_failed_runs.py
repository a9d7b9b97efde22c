"""A run that NeoML refuses half-way leaves nothing behind: the next one, on good inputs, is right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import porting
from porting.neoml_side.engine import NeomlEngine
from porting.neoml_side.runtime.pool import NetPool
from porting.network import Call, Input, Layer, Network, TensorRef
from porting.ported import PortedNetwork

A, B = TensorRef("a"), TensorRef("b")
# The order of the runs matters: a net whose very first run failed ended the process at its second.
ORDERS = {
    "bad first": ((1, 6), (6, 6), (2, 6), (6, 6)),
    "bad twice": ((1, 6), (1, 6), (6, 6)),
    "good first": ((6, 6), (12, 6), (6, 6), (12, 6), (3, 3)),
}


DENSE = {"units": 2, "use_bias": False, "activation": "linear"}


def network(class_name: str) -> Network:
    config = {"axis": -1} if class_name == "Concatenate" else {}
    inputs = tuple(Input(name, (None, None, 2)) for name in "ab")
    call = Call("join", "join", ((A, B),))
    return Network("two", inputs, (call,), {"join": Layer("join", class_name, config)}, TensorRef("join"))


def steps(length: int) -> np.ndarray:
    return np.arange(3 * length * 2, dtype=np.float32).reshape(3, length, 2)


def run_all(net: PortedNetwork, class_name: str, order: tuple[tuple[int, int], ...], spreads: bool) -> None:
    """`spreads`: what has one step is added to every step."""
    for first, second in order:
        given = {"a": steps(first), "b": -steps(second)}
        if first != second and not (spreads and first == 1):
            with pytest.raises(porting.Mismatch, match=f"a \\(3, {first}|a \\(3, 2"):
                net.predict(given)
            continue
        joined = net.predict(given)
        wanted = given["a"] + given["b"] if class_name == "Add" else np.concatenate([given["a"], given["b"]], -1)
        np.testing.assert_array_equal(joined, wanted)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("class_name", ["Add", "Concatenate"])
def test_a_refused_run_leaves_nothing_behind(class_name: str, order: str, tmp_path: Path) -> None:
    net = PortedNetwork(network(class_name), NeomlEngine(network(class_name)))
    run_all(net, class_name, ORDERS[order], class_name == "Add")
    stored = porting.load(net.store(tmp_path / "net"))
    run_all(stored, class_name, ORDERS[order], False)


def test_weights_changed_by_hand_outlive_a_refused_run() -> None:
    import neoml

    given = {"a": steps(2), "b": steps(2)}
    layers = {"join": Layer("join", "Add"), "dense": Layer("dense", "Dense", DENSE, {"kernel": np.eye(2, dtype="f")})}
    calls = (Call("join", "join", ((A, B),)), Call("dense", "dense", (TensorRef("join"),)))
    both = Network("two", network("Add").inputs, calls, layers, TensorRef("dense"))
    net = PortedNetwork(both, NeomlEngine(both))
    layer = net.dnn.layers["dense"]
    kernel = layer.filter.asarray(copy=True, keep_dims=True)
    layer.filter = neoml.Blob.asblob(net.engine.math_engine, 2 * kernel, kernel.shape, True)  # type: ignore[attr-defined]
    with pytest.raises(porting.Mismatch):
        net.predict({"a": steps(3), "b": steps(2)})
    np.testing.assert_array_equal(net.predict(given), 4 * steps(2))


def test_without_renewal_the_process_ends() -> None:
    """The negative control: what the pool is there to prevent."""
    program = (
        "from tests.neoml_side import test_failed_runs as t; t.NetPool.borrowed = t.lend_again\n"
        "import numpy as np, porting; net = t.PortedNetwork(t.network('Add'), t.NeomlEngine(t.network('Add')))\n"
        "for length in (2, 6, 6):\n"
        "    try: print(net.predict({'a': t.steps(length), 'b': -t.steps(6)}).max())\n"
        "    except porting.Mismatch: print('refused')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent.parent.parent, capture_output=True, text=True
    )
    assert ran.returncode != 0 or ran.stdout.split() != ["refused", "0.0", "0.0"]


@contextmanager
def lend_again(pool: NetPool) -> Iterator[object]:
    """`NetPool.borrowed` without the renewal."""
    yield pool.first
