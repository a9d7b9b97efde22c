"""Time per batch of networks of keras.applications on one thread: NeoML beside ONNX Runtime.

    python benchmarks/pictures.py export FOLDER              in the Keras environment, with tf2onnx and onnx added
    python benchmarks/pictures.py time FOLDER ORT_PYTHON     in the NeoML environment; ORT_PYTHON has onnxruntime
    python benchmarks/pictures.py profile FOLDER NAME BATCH  in the NeoML environment: which layers take the time

The networks are those of tests/whole_networks.py, of pictures of 224 x 224: random weights, and statistics under which
the answers depend on the picture. Both sides run one thread on the same batch, warmed up, and take turns, so that what
else the machine does meets both; the figure is the smallest of all turns, in milliseconds of processor time. NeoML runs
through PortedNetwork.predict, copies in and out included. The answers of both are compared before anything is timed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
NAMES, SIZE, BATCHES = ("MobileNetV2", "ResNet50"), 224, (1, 32)
TURNS = 5
# What a port in float32 may be away from another float32.
AGREE = 1e-4


def export(folder: Path) -> None:
    """Save each network, and export it for pictures of the benchmark's size."""
    sys.path.insert(0, str(ROOT))
    import keras

    from tests import whole_networks

    whole_networks.main(folder, list(NAMES))
    for name in NAMES:
        small, _ = whole_networks.build(name)
        kind = getattr(keras.applications, name)
        large = kind(weights=None, input_shape=(SIZE, SIZE, 3), classes=whole_networks.CLASSES)
        large.set_weights(small.get_weights())
        large(np.zeros((1, SIZE, SIZE, 3), "float32"))
        large.export(str(folder / f"{name}.onnx"), format="onnx", verbose=False)


def pictures(batch: int) -> Any:
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(batch, 7, 7, 3)).repeat(32, 1).repeat(32, 2)
    return (0.5 * coarse + 0.2 * rng.normal(size=(batch, SIZE, SIZE, 3))).astype("float32")


def smallest(run: Callable[[], Any], batch: int) -> float:
    """Milliseconds of processor time of the quickest of some runs."""
    run()
    times = []
    for _ in range(8 if batch == 1 else 2):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def load(folder: Path, name: str) -> Any:
    """The saved network, for pictures of the benchmark's size."""
    sys.path.insert(0, str(ROOT))
    import porting
    from porting.neoml_side.engine import NeomlEngine

    network = porting.load(folder / name, engine="numpy").network
    inputs = tuple(replace(one, shape=(None, SIZE, SIZE, 3)) for one in network.inputs)
    network = replace(network, inputs=inputs)
    return porting.PortedNetwork(network, NeomlEngine(network))


def serve_neoml(folder: Path, name: str, batch: int) -> tuple[Callable[[], Any], Any]:
    net, batch_of_pictures = load(folder, name), pictures(batch)

    def run() -> Any:
        return net.predict(batch_of_pictures, batch_size=batch, threads=1)

    return run, run()


def serve_onnxruntime(folder: Path, name: str, batch: int) -> tuple[Callable[[], Any], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), options, ["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: pictures(batch)}

    def run() -> Any:
        return session.run(None, feed)[0]

    return run, run()


SIDES = {"neoml": serve_neoml, "onnxruntime": serve_onnxruntime}


def serve(side: str, folder: Path, name: str, batch: int) -> None:
    """Time a turn for every line read; the first line written holds the answers."""
    run, answers = SIDES[side](folder, name, batch)
    print(json.dumps(np.asarray(answers).tolist()), flush=True)
    for _ in sys.stdin:
        print(smallest(run, batch), flush=True)


def measure(folder: Path, name: str, batch: int, pythons: dict[str, str]) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    sides = {
        side: subprocess.Popen(
            [python, __file__, "serve", side, str(folder), name, str(batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for side, python in pythons.items()
    }
    answers = {side: np.array(json.loads(process.stdout.readline())) for side, process in sides.items()}
    apart = np.abs(answers["neoml"] - answers["onnxruntime"]).max() / np.abs(answers["onnxruntime"]).max()
    assert apart <= AGREE, f"{name}: the answers are {apart:.1e} apart"
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(TURNS):
        for side, process in sides.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            times[side].append(float(process.stdout.readline()))
    for process in sides.values():
        process.stdin.close()
        process.wait()
    return {side: min(found) for side, found in times.items()}


def time_all(folder: Path, ort_python: str) -> None:
    print("| network | batch | NeoML, ms | ONNX Runtime, ms | ratio |\n|---|---|---|---|---|")
    for name in NAMES:
        for batch in BATCHES:
            found = measure(folder, name, batch, {"neoml": sys.executable, "onnxruntime": ort_python})
            ratio = found["neoml"] / found["onnxruntime"]
            print(f"| {name} | {batch} | {found['neoml']:.0f} | {found['onnxruntime']:.0f} | {ratio:.2f} |", flush=True)


def folded_net(folder: Path, name: str, batch: int) -> tuple[Any, dict[int, tuple[int, ...]], Any]:
    """The graph that predicts, the shape of every node's output for a batch, and the math engine."""
    from porting.neoml_side.graph import Port
    from porting.neoml_side.lowering.folding import folded
    from porting.neoml_side.runtime.blobs import as_blob
    from porting.neoml_side.runtime.runner import Runner

    net = load(folder, name)
    engine = net.engine
    refs = net.network.output_refs()
    graph = folded(engine.plan.graph.with_sinks({str(ref): engine.plan.tensors[ref].port for ref in refs}))
    (source,) = graph.sources()
    given = as_blob(pictures(batch), engine.plan.tensors[net.network.inputs[0].ref])
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
    return smallest(lambda: runner.dnn.run(feeds), 1)


def profile(folder: Path, name: str, batch: int) -> None:
    """Processor time by kind of NeoML layer, each layer run alone."""
    graph, shapes, math_engine = folded_net(folder, name, batch)
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


if __name__ == "__main__":
    command, where, *rest = sys.argv[1:]
    if command == "export":
        export(Path(where))
    elif command == "time":
        time_all(Path(where), *rest)
    elif command == "profile":
        profile(Path(where), rest[0], int(rest[1]))
    elif command == "serve":
        serve(where, Path(rest[0]), rest[1], int(rest[2]))
