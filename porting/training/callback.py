"""What `fit` calls as it goes: the base of all callbacks, with Keras' names, arguments and order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import numpy as np

from ..errors import Unsupported
from ..network import Array
from .arguments import refusal
from .tally import direction_of

Logs = Mapping[str, float]


class Callback:
    """What `fit` calls as it goes. See ``keras.callbacks.Callback``; all methods do nothing by default.

    Batches count from 0 in each epoch; the logs of a batch are the means of its epoch so far, as in Keras. Logs of an
    epoch are one dict for all callbacks: what one adds stands in the history.

    Attributes:
        model: the network that learns: ``model.stop_training = True``, ``model.optimizer``, ``model.predict(…)``.
        params: ``epochs``, ``steps`` (None where only the end of the data tells) and ``verbose``.
        run: the `porting.training.loop.Run`.
    """

    run: Any = None
    model: Any = None
    params: Mapping[str, Any] = {}

    def on_train_begin(self, logs: Optional[Logs] = None) -> None: ...
    def on_train_end(self, logs: Optional[Logs] = None) -> None: ...
    def on_epoch_begin(self, epoch: int, logs: Optional[Logs] = None) -> None: ...
    def on_epoch_end(self, epoch: int, logs: Optional[Logs] = None) -> None: ...
    def on_batch_begin(self, batch: int, logs: Optional[Logs] = None) -> None: ...
    def on_batch_end(self, batch: int, logs: Optional[Logs] = None) -> None: ...
    def on_test_begin(self, logs: Optional[Logs] = None) -> None: ...
    def on_test_end(self, logs: Optional[Logs] = None) -> None: ...
    def on_test_batch_begin(self, batch: int, logs: Optional[Logs] = None) -> None: ...
    def on_test_batch_end(self, batch: int, logs: Optional[Logs] = None) -> None: ...

    def on_train_batch_begin(self, batch: int, logs: Optional[Logs] = None) -> None:
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Optional[Logs] = None) -> None:
        self.on_batch_end(batch, logs)

    def state(self) -> dict[str, float]:
        """What a checkpoint must keep of the callback: numbers by name."""
        return {}

    def resume(self, state: Mapping[str, float]) -> None:
        """Take up what `state` gave."""

    def arrays(self) -> dict[str, Array]:
        """Arrays that a checkpoint must keep."""
        return {}

    def resume_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take up what `arrays` gave."""

    @property
    def keeps_state(self) -> bool:
        """Whether a checkpoint must keep something of it."""
        kind = type(self)
        return kind.state is not Callback.state or kind.arrays is not Callback.arrays


def listed(given: Any) -> list[Callback]:
    """The callbacks: one, several, or None for none. Raises Unsupported for what is not a callback."""
    several = [given] if isinstance(given, Callback) else [] if given is None else given
    if not isinstance(several, (list, tuple)):
        raise refusal("callbacks", given, "give a list of callbacks")
    for one in several:
        if not isinstance(one, Callback):
            way_out = "give an instance" if isinstance(one, type) else "derive it from porting.training.callbacks"
            raise refusal("callbacks: one", one, way_out)
    return list(several)


def monitor_name(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise refusal(name, value, "name a number of the logs: 'loss', 'val_loss'")


class Watch:
    """Whether a number in the logs got better, as ``keras.callbacks.MonitorCallback`` decides it.

    Attributes:
        callback: who watches.
        monitor: the number's name.
        mode: ``min``, ``max``, or ``auto``: as the metric of that name has it.
    """

    def __init__(self, callback: Callback, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        self.callback, self.monitor, self.mode, self.min_delta = callback, monitor, mode, abs(min_delta)

    def value(self, logs: Optional[Logs]) -> Optional[float]:
        """The number; None in an epoch that is not validated.

        Raises:
            Unsupported: no number of that name is ever measured.
        """
        known = logs or {}
        if self.monitor in known:
            return known[self.monitor]
        run = self.callback.run
        if self.monitor.startswith("val_") and run.validation is not None and not run.validates():
            return None
        raise Unsupported(f"monitor {self.monitor!r}", f"is not among the logs: {', '.join(known)}", "name one of them")

    def better(self, value: float, than: Optional[float]) -> bool:
        """Compared in float32, as Keras does."""
        if than is None:
            return True
        if self.rises:
            return bool(np.float32(value - self.min_delta) > np.float32(than))
        return bool(np.float32(value + self.min_delta) < np.float32(than))

    @property
    def rises(self) -> bool:
        """Whether more is better. Raises Unsupported where neither the mode nor the metric tells."""
        if self.mode != "auto":
            return self.mode == "max"
        direction = direction_of(self.monitor, self.callback.run.trainer.tally.kinds)
        if direction is None:
            what = "does not say whether more is better or less"
            raise Unsupported(f"monitor {self.monitor!r}", what, "give mode='max' or mode='min'")
        return direction == "up"
