"""Cells that only an archive can hold: their numbers, their gradients, and the bytes themselves."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace

import neoml
import numpy as np
import pytest

from porting.neoml_side.graph import CellBody, Graph, Port
from porting.neoml_side.lowering import stepwise
from porting.neoml_side.runtime import cells
from porting.neoml_side.runtime.build import blob_of, from_blob, make_layers, read_slot
from porting.neoml_side.runtime.runner import Runner
from porting.neoml_side.slots import blob_array
from porting.numpy_side.recurrence import run_cell
from porting.operations import Cell, Weight

WIDTH, UNITS = 5, 6
GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}
KINDS = {
    "lstm": ("lstm", False),
    "gru": ("gru", False),
    "gru_reset_after": ("gru", True),
    "simple_rnn": ("simple_rnn", False),
}
ACTIVATIONS = {
    "keras": (("tanh", {}), ("sigmoid", {})),
    "piecewise": (("relu", {"negative_slope": 0.1}), ("hard_sigmoid", {"slope": 0.2})),
    "composed": (("softsign", {}), ("tanh", {})),
}
# Gates without bounds, fed straight from a layer that products write over.
LINEAR_GATES = (("silu", {}), ("linear", {}))
SIZES = [(3, 7), (1, 1), (4, 1), (1, 9), (8, 2), (2, 30), (5, 200), (3, 7)]
EXACT = 2.4e-7
# Of features: sums that are rounded otherwise.
ORDERS = [np.random.default_rng(seed).permutation(WIDTH) for seed in range(4)]


@pytest.fixture(scope="module")
def engine():
    return neoml.MathEngine.CpuMathEngine()


def make_cell(kind, activations="keras", bias=True, scale=0.3, seed=0):
    kind, reset_after = KINDS[kind]
    activation, recurrent_activation = LINEAR_GATES if activations == "linear gates" else ACTIVATIONS[activations]
    random, columns = np.random.default_rng(seed), GATES[kind] * UNITS

    def weight(name, *shape):
        return Weight(name, (random.normal(size=shape) * scale).astype(np.float32))

    kernel, recurrent = weight("kernel", WIDTH, columns), weight("recurrent_kernel", UNITS, columns)
    offset = weight("bias", *((2, columns) if reset_after else (columns,))) if bias else None
    return Cell(kind, kernel, recurrent, offset, activation, recurrent_activation, reset_after)


def padded(random, batch, steps):
    """Masks of every kind: none valid, all, padded right, left and with holes; as many as there are rows."""
    half = np.arange(steps) < (steps + 1) // 2
    kinds = [np.zeros(steps, bool), random.random(steps) < 0.6, half, ~half, np.ones(steps, bool)]
    return np.array([kinds[row % len(kinds)] for row in range(batch)])


def make_graph(cell, masked=False, started=False, reverse=False):
    graph = Graph()
    x = graph.add("Source", name="x")
    mask = graph.add("Source", name="mask") if masked else None
    initial = [graph.add("Source", name=f"initial{number}") for number in range(cell.states if started else 0)]
    graph.scope = "rnn"
    output, states = stepwise.run_stepwise(graph, cell, [x], mask=mask, initial=initial, reverse=reverse)
    graph.sinks = {"output": output, **{f"state{number}": port for number, port in enumerate(states)}}
    return graph


def stepwise_node(graph):
    (node,) = (node for node in graph.nodes if node.kind == "Recurrent")
    return node


def make_inputs(cell, batch, steps, masked=False, started=False, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(batch, steps, WIDTH)).astype(np.float32)
    mask = padded(random, batch, steps) if masked else None
    initial = [random.normal(size=(batch, UNITS)).astype(np.float32) for _ in range(cell.states)] if started else None
    return x, mask, initial


def blobs(x, mask=None, initial=None):
    fed = {"x": blob_array(x, "BLC")}
    if mask is not None:
        fed["mask"] = blob_array(mask.astype(np.float32), "BL")
    fed.update({f"initial{number}": blob_array(state, "BC") for number, state in enumerate(initial or [])})
    return fed


def sequence(blob):
    """(batch, time, units) of a time-first blob."""
    steps, batch, *_, units = blob.shape
    return blob.reshape(steps, batch, units).swapaxes(0, 1)


def in_double(cell):
    def double(weight):
        return None if weight is None else Weight(weight.name, weight.value.astype(np.float64))

    return replace(
        cell,
        kernel=double(cell.kernel),
        recurrent_kernel=double(cell.recurrent_kernel),
        bias=double(cell.bias),
    )


def reference(cell, x, mask, initial, reverse):
    """Outputs in processing order and the last states, computed in float64."""
    initial = None if initial is None else [state.astype(np.float64) for state in initial]
    outputs, _, states = run_cell(in_double(cell), x.astype(np.float64), initial, mask, reverse, False)
    return [outputs, *states]


def largest(got, wanted):
    """The largest departure, relative to max(1, the largest value wanted)."""
    assert [array.shape for array in got] == [array.shape for array in wanted]
    return max(np.abs(a - b).max() / max(1, np.abs(b).max()) for a, b in zip(got, wanted))


def difference(runner, cell, x, mask, initial, reverse):
    """How far a net departs from float64, beyond the departure of numpy's own float32 loop.

    Recurrent cells amplify rounding, some without bounds: the loop, over features in several orders, says how far at
    these weights and inputs.
    """
    made = {name: sequence(blob) for name, blob in runner.run(blobs(x, mask, initial)).items()}
    last = 0 if reverse else -1
    got = [made["output"][:, ::-1] if reverse else made["output"]]
    got += [made[f"state{number}"][:, last] for number in range(cell.states)]
    exact = reference(cell, x, mask, initial, reverse)
    rounding = 0.0
    for features in ORDERS:
        kernel = Weight(cell.kernel.name, cell.kernel.value[features])
        outputs, _, states = run_cell(replace(cell, kernel=kernel), x[..., features], initial, mask, reverse, False)
        rounding = max(rounding, largest([outputs, *states], exact))
    assert rounding < 1e-6
    return largest(got, exact) - rounding


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("started", [False, True], ids=["zeros", "initial"])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("activations", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_matches_reference(engine, kind, activations, masked, started, reverse):
    cell = make_cell(kind, activations)
    runner = Runner(make_graph(cell, masked, started, reverse), engine)
    for batch, steps in SIZES:
        given = make_inputs(cell, batch, steps, masked, started, seed=steps)
        assert difference(runner, cell, *given, reverse) <= EXACT, (batch, steps)
        again = difference(runner, cell, *given, reverse)
        assert again <= EXACT, f"{batch, steps}: the second run does not begin at the first state"


@pytest.mark.parametrize("kind", KINDS)
def test_without_bias(engine, kind):
    cell = make_cell(kind, bias=False)
    assert difference(Runner(make_graph(cell), engine), cell, *make_inputs(cell, 4, 9), False) <= EXACT


def test_masked_steps_repeat_zeros_before_the_first_valid_one(engine):
    cell = make_cell("lstm")
    x, _, initial = make_inputs(cell, 1, 4, started=True)
    mask = np.array([[False, True, False, False]])
    made = Runner(make_graph(cell, True, True), engine).run(blobs(x, mask, initial))
    output = sequence(made["output"])[0]
    assert not output[0].any()
    assert output[1].any()
    np.testing.assert_array_equal(output[2:], output[[1, 1]])
    np.testing.assert_array_equal(sequence(made["state0"])[0, 0], initial[0][0])


def swapped(weight):
    """A GRU's gates z and r exchanged."""
    z, r, h = np.split(weight.value, 3, -1)
    return Weight(weight.name, np.concatenate([r, z, h], -1))


@pytest.mark.parametrize("kind", ["gru", "gru_reset_after"])
def test_swapped_gates_are_seen(engine, kind):
    cell = make_cell(kind)
    wrong = replace(
        cell,
        kernel=swapped(cell.kernel),
        recurrent_kernel=swapped(cell.recurrent_kernel),
        bias=swapped(cell.bias),
    )
    runner = Runner(make_graph(wrong), engine)
    assert difference(runner, cell, *make_inputs(cell, 3, 7), False) > 1e-2
    assert difference(runner, wrong, *make_inputs(cell, 3, 7), False) <= EXACT


def test_what_is_left_out_is_seen(engine):
    cell = make_cell("gru_reset_after")
    runner = Runner(make_graph(cell, masked=True, started=True), engine)
    x, mask, initial = make_inputs(cell, 5, 7, True, True)
    fed = blobs(x, mask, initial)
    right = sequence(runner.run(fed)["output"])
    for name, instead in {"mask": np.ones_like(fed["mask"]), "initial0": np.zeros_like(fed["initial0"])}.items():
        assert np.abs(sequence(runner.run({**fed, name: instead})["output"]) - right).max() > 1e-2, name
    backwards = reference(cell, x, mask, initial, True)[0]
    assert np.abs(right - backwards).max() > 1e-2


# ---- gradients


class Product(neoml.Dnn.CustomLossCalculatorBase):
    """A loss whose gradient at the output is the label."""

    def calc(self, data, labels):
        return neoml.AutoDiff.sum(data * labels, axes=[6])


STEP = 2.0**30


def learnt_gradients(engine, cell, given, direction, reverse):
    """The gradients of sum(output · direction), by name of weight, as one step of gradient descent shows them."""
    graph = make_graph(cell, *(part is not None for part in given[1:]), reverse)
    output = graph.sinks["output"]
    graph = graph.with_sinks({"output": output})
    graph.name_nodes()
    nodes = graph.needed()
    dnn = neoml.Dnn.Dnn(engine)
    layers = make_layers(graph, nodes, dnn, engine)
    for number, port in enumerate(graph.unconsumed()):
        neoml.Dnn.Sink((layers[id(port.node)], port.output), f"unread{number}")
    label = neoml.Dnn.Source(dnn, "direction")
    neoml.Dnn.CustomLoss([(layers[id(output.node)], output.output), label], Product(), name="loss")
    dnn = cells.splice(dnn, nodes, engine)
    dnn.solver = neoml.Dnn.SimpleGradient(engine, learning_rate=STEP, moment_decay_rate=0.0)
    fed = {**blobs(*given), "direction": blob_array(direction[:, ::-1] if reverse else direction, "BLC")}
    dnn.learn({name: blob_of(engine, array) for name, array in fed.items()})
    archive = cells.stored(dnn)
    found = {weight.name: np.full(weight.shape, np.nan) for weight in weights_of(cell)}
    objects = direction.shape[0] * direction.shape[1]
    for node in nodes:
        if node.body is not None:
            inner = {inside.name: inside for inside in node.body.graph.nodes}
            for (name, slot), after in cells.cell_parameters(archive, node).items():
                add_gradient(found, inner[name].parameters[slot], after, objects)
        else:
            for slot, parameter in node.parameters.items():
                add_gradient(found, parameter, read_slot(dnn.layers[node.name], slot), objects)
    return found


def add_gradient(found, parameter, after, objects):
    before = parameter.pack()
    if not parameter.weights:
        np.testing.assert_array_equal(after.reshape(-1), before.reshape(-1))
        return
    gradient = (before - after.reshape(before.shape)) / STEP * objects
    for piece in parameter.pieces:
        found[piece.weight.name][piece.place] = piece.read(gradient)


def weights_of(cell):
    return [weight for weight in (cell.kernel, cell.recurrent_kernel, cell.bias) if weight is not None]


def numeric_gradients(cell, x, mask, initial, direction, reverse, epsilon=1e-5):
    cell = in_double(cell)
    found = {}
    for weight in weights_of(cell):
        gradient = found[weight.name] = np.zeros(weight.shape)
        for place in np.ndindex(weight.shape):
            kept, losses = weight.value[place], []
            for moved in (kept + epsilon, kept - epsilon):
                weight.value[place] = moved
                losses.append((run_cell(cell, x, initial, mask, reverse, False)[0] * direction).sum())
            weight.value[place] = kept
            gradient[place] = (losses[0] - losses[1]) / (2 * epsilon)
    return found


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("activations", ["keras", "composed", "linear gates"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(engine, kind, activations, masked):
    cell = make_cell(kind, activations)
    given = make_inputs(cell, 5, 4, masked, started=masked)
    direction = np.random.default_rng(1).normal(size=(5, 4, UNITS)).astype(np.float32)
    learnt = learnt_gradients(engine, cell, given, direction, reverse=masked)
    x, mask, initial = given
    for name, numeric in numeric_gradients(cell, x, mask, initial, direction, reverse=masked).items():
        assert np.abs(learnt[name] - numeric).max() / max(1, np.abs(numeric).max()) < 3e-6, name


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
def test_learning_survives_unread_outputs(engine, masked):
    """NeoML's learn() crashes where an output is unread and a later one read."""
    cell = make_cell("lstm")
    graph = make_graph(cell, masked, started=masked)
    port = graph.sinks["state1"]
    graph = graph.with_sinks({"c": port})
    graph.name_nodes()
    dnn = neoml.Dnn.Dnn(engine)
    layers = make_layers(graph, graph.needed(), dnn, engine)
    for number, unread in enumerate(graph.unconsumed()):
        neoml.Dnn.Sink((layers[id(unread.node)], unread.output), f"unread{number}")
    label = neoml.Dnn.Source(dnn, "label")
    neoml.Dnn.EuclideanLoss([(layers[id(port.node)], port.output), label], name="loss")
    dnn = cells.splice(dnn, graph.needed(), engine)
    given = blobs(*make_inputs(cell, 3, 4, masked, started=masked))
    fed = {**given, "label": blob_array(np.zeros((3, 4, UNITS), np.float32), "BLC")}
    before = cells.cell_parameters(cells.stored(dnn), port.node)
    dnn.learn({name: blob_of(engine, array) for name, array in fed.items()})
    after = cells.cell_parameters(cells.stored(dnn), port.node)
    assert all((before[key] != after[key]).any() for key in before)


# ---- the archive


def test_stored_again_the_bytes_are_the_same(engine):
    """What is written by hand is what NeoML itself writes."""
    archive = cells.stored(Runner(make_graph(make_cell("lstm"), True, True, True), engine).dnn)
    assert cells.stored(cells.loaded(archive, engine)) == archive


def test_layers_can_be_listed_and_frozen(engine):
    graph = make_graph(make_cell("gru_reset_after"))
    runner = Runner(graph, engine)
    layers = runner.dnn.layers
    name = stepwise_node(graph).name
    assert {"x", name, "output"} < set(layers)
    assert layers[name].class_name == "FmlCnnRecurrentLayer"
    layers[name].learning_enabled = False
    assert not runner.dnn.layers[name].learning_enabled


@pytest.mark.parametrize("kind", KINDS)
def test_cell_parameters(engine, kind):
    """Slots come back to the bit, each cell's own, though inner layers have the same names in all cells."""
    graph = Graph()
    x = graph.add("Source", name="x")
    nodes = []
    for number in range(2):
        graph.scope = f"rnn{number}"
        output, _ = stepwise.run_stepwise(graph, make_cell(kind, seed=number), [x])
        graph.sinks[f"output{number}"] = output
        nodes.append(output.node)
    archive = cells.stored(Runner(graph, engine).dnn)
    for node in nodes:
        found = cells.cell_parameters(archive, node)
        packed = {
            (inner.name, slot): parameter.pack()
            for inner in node.body.graph.nodes
            for slot, parameter in inner.parameters.items()
        }
        assert found.keys() == packed.keys()
        for key, array in packed.items():
            np.testing.assert_array_equal(found[key].reshape(-1), array.reshape(-1))


@pytest.mark.parametrize("scope", ["Größe/長さ", "a" * 300, "CompositeSource.0", "h"])
def test_names(engine, scope):
    cell = make_cell("simple_rnn")
    graph = make_graph(cell)
    for node in graph.nodes:
        node.scope = node.scope and scope
    assert difference(Runner(graph, engine), cell, *make_inputs(cell, 3, 4), False) <= EXACT


def one_placeholder(engine):
    graph = make_graph(make_cell("simple_rnn"))
    graph.name_nodes()
    dnn = neoml.Dnn.Dnn(engine)
    layers = make_layers(graph, graph.needed(), dnn, engine)
    neoml.Dnn.Sink(layers[id(stepwise_node(graph))], "output")
    return graph, dnn


def test_a_missing_placeholder_is_an_error(engine):
    graph, dnn = one_placeholder(engine)
    stepwise_node(graph).name = "another"
    with pytest.raises(AssertionError, match="'another' is in the stored net 0 times"):
        cells.splice(dnn, graph.nodes, engine)
    with pytest.raises(AssertionError, match="0 times"):
        cells.cell_parameters(cells.stored(dnn), stepwise_node(graph))


def test_two_placeholders_are_an_error():
    with pytest.raises(AssertionError, match="2 times"):
        cells.find_once(b"..cell..cell..", b"cell", "it")


def test_temporary_files_are_removed(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    graph, dnn = one_placeholder(engine)
    cells.splice(dnn, graph.nodes, engine)
    assert not os.listdir(tmp_path)

    class Failing:
        def store(self, path):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cells.stored(Failing())
    assert not os.listdir(tmp_path)


def test_any_body_of_layers(engine):
    """A cell need not be one of Keras': a running sum of its input, time from the end, and its double."""
    inner = Graph()
    total = inner.add("EltwiseSum", inner.add("Source", name=stepwise.input_name(0)), inner.add("Source", name="total"))
    double = inner.add("Linear", total, multiplier=2.0, free_term=0.0)
    body = CellBody(inner, (("total", 2, total, None),), (total, double), reverse=True)
    graph = Graph()
    node = graph.add("Recurrent", graph.add("Source", name="x"), outputs=2, body=body).node
    graph.sinks = {"total": Port(node), "double": Port(node, 1)}
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    made = Runner(graph, engine).run({"x": blob_array(x, "BLC")})
    wanted = x[:, ::-1].cumsum(1)[:, ::-1]
    np.testing.assert_array_equal(sequence(made["total"]), wanted)
    np.testing.assert_array_equal(sequence(made["double"]), 2 * wanted)


def test_a_loaded_net_runs_alike(engine):
    cell = make_cell("lstm", "composed")
    runner = Runner(make_graph(cell), engine)
    fed = blobs(*make_inputs(cell, 3, 5))
    again = cells.loaded(cells.stored(runner.dnn), engine)
    output = again.run({name: blob_of(engine, array) for name, array in fed.items()})["output"]
    np.testing.assert_array_equal(from_blob(output), runner.run(fed)["output"])
