"""Which layers of a network of pictures take the time in NeoML, each run alone.

nox -s bench -- pictures MobileNetV2 1       by the name in networks.py, and how many pictures
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import turns
from networks import NETWORKS

RUNS = 8


def save(folder: Path) -> None:
    """In the Keras environment."""
    import keras

    import porting

    keras.utils.set_random_seed(0)
    build, feed, _ = NETWORKS[folder.name]
    porting.save(build(keras), folder, samples=feed(2, False), noise=False)


def folded_net(folder: Path, batch: int) -> tuple[Any, dict[int, tuple[int, ...]], Any]:
    """The graph that predicts, the shape of every node's output for a batch, and the math engine."""
    import porting
    from porting.neoml_side.graph import Port
    from porting.neoml_side.lowering.folding import folded
    from porting.neoml_side.runtime.blobs import as_blob
    from porting.neoml_side.runtime.runner import Runner

    _, feed, _ = NETWORKS[folder.name]
    net = porting.load(folder, engine="neoml")
    engine = net.engine
    refs = net.network.output_refs()
    graph = folded(engine.plan.graph.with_sinks({str(ref): engine.plan.tensors[ref].port for ref in refs}))
    (source,) = graph.sources()
    given = as_blob(feed(batch, False), engine.plan.tensors[net.network.inputs[0].ref])
    inner = [node for node in graph.nodes if node is not source]
    watched = graph.with_sinks({str(at): Port(node) for at, node in enumerate(inner)})
    made = Runner(watched, engine.math_engine).run({source.name: given})
    shapes = {id(node): made[str(at)].shape for at, node in enumerate(inner)}
    return graph, {**shapes, id(source): given.shape}, engine.math_engine


def time_alone(node: Any, shapes: list[tuple[int, ...]], math_engine: Any) -> float:
    """Milliseconds of a net of one layer, on random numbers of its inputs' shapes."""
    from porting.neoml_side.graph import Graph, Port
    from porting.neoml_side.runtime.build import blob_of
    from porting.neoml_side.runtime.runner import Runner

    graph = Graph()
    inputs = tuple(graph.add("Source", name=f"input {at}") for at in range(len(shapes)))
    alone = replace(node, inputs=inputs, name="")
    graph.nodes.append(alone)
    runner = Runner(graph.with_sinks({"output": Port(alone)}), math_engine)
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype("float32") for shape in shapes]
    feeds = {f"input {at}": blob_of(math_engine, value) for at, value in enumerate(values)}
    return turns.smallest(lambda: runner.dnn.run(feeds), RUNS)


def profile(folder: Path, batch: int) -> None:
    """Processor time by kind of NeoML layer, each layer run alone."""
    graph, shapes, math_engine = folded_net(folder, batch)
    known: dict[Any, float] = {}
    times: dict[str, list[float]] = defaultdict(list)
    for node in graph.nodes:
        if node.kind != "Source":
            given = [shapes[id(port.node)] for port in node.inputs]
            key = (node.kind, str(node.settings), str(given))
            if key not in known:
                known[key] = time_alone(node, given, math_engine)
            times[node.kind].append(known[key])
    print("| layer | how many | ms |\n|---|---|---|")
    for kind, found in sorted(times.items(), key=lambda pair: -sum(pair[1])):
        print(f"| {kind} | {len(found)} | {sum(found):.2f} |")


def main(name: str, batch: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        for environment, *words in (("keras", "save"), ("neoml", "profile", batch)):
            command = [turns.python_of(environment), __file__, words[0], str(Path(made) / name), *words[1:]]
            subprocess.run(command, check=True, env={**os.environ, **turns.QUIET, "OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    if sys.argv[1] == "save":
        save(Path(sys.argv[2]))
    elif sys.argv[1] == "profile":
        profile(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*sys.argv[1:])
