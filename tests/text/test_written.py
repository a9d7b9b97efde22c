"""Every recorded case once more, as a standalone file writes it: a network of one call, written, run, compared."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from porting.errors import Unsupported
from porting.network import Array, Call, Case, Input, Layer, Network, TensorRef
from porting.writer import write_standalone

from .recorded import Recorded, mismatches, read_cases


def arrays_of(case: Recorded) -> list[Array]:
    """What the layer was called on, tensor by tensor."""
    first = case.arguments[0]
    return list(first) if isinstance(first, tuple) else list(case.arguments)


# A network's tensors have a batch, and none of them is empty.
RECORDED = [case for case in read_cases() if np.ndim(arrays_of(case)[0]) and case.output.size]


def network_of(case: Recorded) -> Network:
    """A network that calls the layer on its recorded arguments."""
    listed, arrays = isinstance(case.arguments[0], tuple), arrays_of(case)
    inputs = [
        Input(f"x{at}", (None, *array.shape[1:]), "string" if array.dtype.kind == "O" else array.dtype.name)
        for at, array in enumerate(arrays)
    ]
    refs = tuple(one.ref for one in inputs)
    call = Call("made", "made", (refs,)) if listed else Call("made", "made", refs[:1], counted(refs))
    given = {one.name: array for one, array in zip(inputs, arrays)}
    outputs = {TensorRef("made"): case.output}
    layer = Layer("made", case.layer, case.config, case.weights)
    return Network("case", tuple(inputs), (call,), {"made": layer}, TensorRef("made"), (Case("0", given, outputs, {}),))


def counted(refs: Any) -> dict[str, Any]:
    return {"count_weights": refs[1]} if len(refs) > 1 else {}


def refusal(case: Recorded) -> str:
    """What the writer says to this case; nothing where it takes it."""
    shape = np.shape(case.arguments[0])
    counts = case.config.get("output_mode") in ("multi_hot", "count", "tf_idf")
    if case.config.get("split", "") is None and (len(shape) < 2 or (len(shape) > 2 and counts)):
        return f"split=None with texts of {len(shape)} axes"
    return "of 1 axes" if counts and len(shape) == 1 and case.layer != "TextVectorization" else ""


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name.replace(" ", "")[:120])
def test_written_as_keras_has_it(case: Recorded, tmp_path: Path) -> None:
    network = network_of(case)
    if refusal(case):
        with pytest.raises(Unsupported, match=refusal(case)):
            write_standalone(network, tmp_path)
        return
    written = runpy.run_path(str(write_standalone(network, tmp_path)))
    output = written["layers"](*network.cases[0].inputs.values())["made:0"]
    assert mismatches(case, output) == []
    assert written["check"]()
