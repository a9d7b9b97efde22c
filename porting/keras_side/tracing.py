"""Python code as the Keras operations that it calls on symbolic tensors.

Keras 3's operations, called on a KerasTensor, become nodes of its graph; Keras 2 does that with TensorFlow's functions.
Over Keras 3, TensorFlow's functions are handed to Keras' operations of the same meaning while `trace` runs.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from .keras_api import KerasApi
from .tensorflow_functions import Understood, understand

# Whose code is nobody's layer.
LIBRARIES = frozenset(
    {"keras", "tf_keras", "tensorflow", "numpy", "jax", "torch", "porting"}
    | {"contextlib", "functools", "optree", "tree", "inspect"}
)

# How code does otherwise in training.
ADDS_A_LOSS, CHANGES = "adds a loss of its own", "changes a weight as it runs (assign)"


class Untraceable(Exception):
    """Code does what no graph holds.

    Attributes:
        what: it does.
        way_out: of this, beside a rule; "" for none.
    """

    def __init__(self, what: str, way_out: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.way_out = way_out


class CodeInARun:
    """What is noted while a user's code runs on symbolic tensors, of either generation of Keras.

    Attributes:
        active: whether a user's code runs; Keras' own asks for nothing special.
        owners: by operation, the unfolded layer whose code called it.
        callers: by layer that is kept as it is, the unfolded layer whose code called it.
        differing: by layer, how its code does otherwise in training.
        computed: by layer and weight, the weights whose numbers its code computed with when the network was saved.
    """

    def __init__(self) -> None:
        self.active = False
        self.owners: dict[int, tuple[Any, Any]] = {}
        self.callers: dict[int, tuple[Any, Any]] = {}
        self.differing: dict[int, tuple[Any, str]] = {}
        self.computed: dict[tuple[int, int], tuple[Any, Any]] = {}
        self._stack: list[Any] = []

    @contextmanager
    def resting(self) -> Iterator[None]:
        """While Keras' own code runs."""
        before, self.active = self.active, False
        try:
            yield
        finally:
            self.active = before

    def differ(self, layer: Any, how: str) -> None:
        self.differing.setdefault(id(layer), (layer, how))

    def differ_here(self, how: str) -> None:
        """Note it of the layer whose code runs."""
        if self._stack:
            self.differ(self._stack[-1], how)

    def computed_with(self, variable: Any, layer: Any = None) -> None:
        layer = layer or self._stack[-1]
        self.computed[id(layer), id(variable)] = layer, variable


def trace(function: Callable[..., Any], api: KerasApi, *args: Any, **kwargs: Any) -> Any:
    """What a function returns for symbolic tensors, whose graph then holds the operations that it called.

    The code runs as it is, side effects included.

    Args:
        function: Python code of a user's own.
        api: the Keras of the tensors.
        args: its arguments, symbolic tensors among them.
        kwargs: likewise.

    Raises:
        Untraceable: whatever the function raises, in words.
    """
    unknown: list[str] = []
    try:
        with _recording(api, unknown):
            return function(*args, **kwargs)
    except Exception as error:  # whatever a user's code makes of a tensor without numbers
        what = f"it calls tf.{unknown[-1]}, which has no operation of Keras here" if unknown else first_line(error)
        raise Untraceable(what) from error


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def line_in(traceback: Any) -> str:
    """``file.py:12``: the innermost line of a user's code in a traceback; "" for none."""
    found = ""
    while traceback is not None:
        if not is_library(traceback.tb_frame):
            found = line_of(traceback.tb_frame, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def is_library(frame: FrameType) -> bool:
    """Whether code is Keras', its backend's, or this package's."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in LIBRARIES


def line_of(frame: FrameType, number: int) -> str:
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{number}"


def user_line(found: TracebackType | None = None) -> str:
    """``file.py:12``: the innermost line of a user's code, of a traceback or of the running program; "" for none."""
    if found is None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and is_library(frame):
            frame = frame.f_back
        return "" if frame is None else line_of(frame, frame.f_lineno)
    return line_in(found)


@contextmanager
def _recording(api: KerasApi, unknown: list[str]) -> Iterator[None]:
    """TensorFlow's functions become Keras 3's operations; those without one are noted."""
    if api.dialect != 3 or api.versions()["backend"] != "tensorflow":
        yield
        return
    dispatch = importlib.import_module("tensorflow.python.util.dispatch")
    dispatcher = _dispatcher(dispatch.GlobalOpDispatcher, api, unknown)
    dispatch._GLOBAL_DISPATCHERS.append(dispatcher)
    try:
        yield
    finally:
        dispatch._GLOBAL_DISPATCHERS.remove(dispatcher)


def _dispatcher(base: type, api: KerasApi, unknown: list[str]) -> Any:
    """What TensorFlow asks where a function does not take its arguments: a function of Keras tensors."""
    exports = importlib.import_module("tensorflow.python.util.tf_export")

    class KerasOperations(base):  # type: ignore[misc]
        def handle(self, function: Any, args: Any, kwargs: Any) -> Any:
            if not any(api.is_symbolic(leaf) for leaf in api.flatten((args, kwargs))):
                return self.NOT_SUPPORTED
            name = str(exports.get_canonical_name_for_symbol(function, add_prefix_to_v1_names=True))
            bound = inspect.signature(function).bind(*args, **kwargs)
            understood = understand(name, bound.arguments)
            if understood is None:
                unknown.append(name)
                return self.NOT_SUPPORTED
            return _keras_operation(understood)

    return KerasOperations()


def _keras_operation(understood: Understood) -> Any:
    operations = importlib.import_module("keras.src.ops")
    if understood.class_name == "Identity":  # no operation in Keras 3, whose identity is a matrix
        return understood.tensors[0]
    rooms = (operations, operations.image)
    found = next(getattr(room, understood.class_name) for room in rooms if hasattr(room, understood.class_name))
    made = found(**understood.config)
    return made.symbolic_call(*understood.tensors, **understood.named)
