"""Live nets that several threads share: each is lent to one thread at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

from ...memory import never_free

# Bytes of weights from which on a net is not made a second time.
LARGE_WEIGHTS = 256 << 20


class NetPool:
    """Nets of one kind, each lent to one thread at a time; made when all are out.

    A net whose run failed is not lent again: its layers keep sizes of that run, and the next one, on inputs that are
    good, gives garbage or ends the process.

    Attributes:
        first: the net that was made first. After a failed run its Dnn is exchanged for a copy.
        shown: whether somebody outside has seen the first net, and may have changed it; then it is never given up.
    """

    def __init__(self, make: Callable[[], Any], forked: Callable[[], None], most: Optional[int] = None) -> None:
        """
        Args:
            make: makes a net.
            forked: told in a process that was forked, before anything is made there.
            most: how many nets there may be; threads wait for one.
        """
        self.shown = False
        self._make = make
        self._forked = forked
        self._most = most
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._idle: list[Any] = []
        self._lent = 0
        self._first: Any = None

    def _settle(self) -> None:
        """After a fork: what other threads held at that moment, they hold for ever; their nets stand still in a run."""
        if self._process == os.getpid():
            return
        if self._lent:
            never_free(self._first, *self._idle)
            self._first, self._idle, self._lent = None, [], 0
        self._forked()
        self._changed, self._process = threading.Condition(), os.getpid()

    @property
    def first(self) -> Any:
        self._settle()
        with self._changed:
            if self._first is None:
                self._first = self._make()
                self._idle.append(self._first)
            return self._first

    @contextmanager
    def borrowed(self) -> Iterator[Any]:
        """A net for a run, of no other thread's in the meantime."""
        self.first  # noqa: B018 - made before any other
        with self._changed:
            while not self._idle and self._most is not None and self._lent >= self._most:
                self._changed.wait()
            net = self._idle.pop() if self._idle else None
            self._lent += 1
        failed = True
        try:
            net = net or self._make()
            yield net
            failed = False
        finally:
            self._take_back(net, failed)

    def _take_back(self, net: Any, failed: bool) -> None:
        if failed and net is not None and net is self._first:
            try:
                net.renew()
            except RuntimeError:  # too large for an archive: made anew when it is next asked for
                self._first = None
        with self._changed:
            self._lent -= 1
            if net is not None and (not failed or net is self._first):
                self._idle.append(net)
            self._changed.notify()

    def drop(self) -> None:
        """Give up every net, unless one is lent or the first was shown."""
        self._settle()
        with self._changed:
            if not self._lent and not self.shown:
                self._first, self._idle = None, []
