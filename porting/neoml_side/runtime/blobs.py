"""Arrays as NeoML's blobs, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

import numpy as np

from ...dtypes import is_whole
from ...errors import PortingError, Problem
from ...network import Array
from ..sizes import DoesNotRun
from ..slots import AXES, blob_array
from ..values import Terminal, Wire


def axes_of(array: Array, layout: str) -> Array:
    """A blob's array with its axes in the order that a layout names."""
    places = [AXES.index(letter) for letter in layout]
    rest = [at for at in range(len(AXES)) if at not in places]
    if any(array.shape[at] != 1 for at in rest):
        raise AssertionError(f"a blob of shape {array.shape} has more axes than layout {layout}")
    turned = array.transpose(places + rest)
    return np.ascontiguousarray(turned.reshape(turned.shape[: len(places)]))


def as_blob(array: Array, wire: Union[Wire, Terminal]) -> Array:
    """A Keras-shaped array as the seven-dimensional blob of a wire."""
    return blob_array(array.astype(np.int32 if is_whole(wire.dtype) else np.float32, copy=False), wire.layout)


def as_array(blob: Array, wire: Union[Wire, Terminal]) -> Array:
    """A wire's blob as Keras shapes it."""
    dtype = wire.keras_dtype if isinstance(wire, Terminal) else wire.dtype
    return axes_of(blob, wire.layout).astype(dtype, copy=False)


def run_checked(runner: Any, blobs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a net; what NeoML refuses becomes a Mismatch that names the shapes."""
    try:
        outputs: dict[str, Array] = runner.run(blobs)
        return outputs
    except PortingError:
        raise
    except (RuntimeError, ValueError, MemoryError) as error:
        shapes = ", ".join(f"{name} {tuple(n for n in blob.shape if n != 1)}" for name, blob in blobs.items())
        what = f"NeoML cannot run the network on these inputs: {str(error).splitlines()[0][:300]}"
        raise DoesNotRun(Problem(f"inputs {shapes}", what, "do the sizes of the inputs fit each other?")) from error
