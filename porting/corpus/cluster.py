"""Parts on a dask cluster: every part to its end, through workers that die and a scheduler that comes back."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Optional, Union

from ..errors import PortingError
from .connection import (
    POLL_SECONDS,
    Lost,
    Workers,
    a_cluster,
    check_workers,
    connected,
    error_of,
    finished,
    lacks,
    result_of,
    unfinished,
)
from .ledger import Done
from .parts import Part
from .scored_parts import Failed, PartScorer

# Parts that are with the cluster at a time, for each of its threads.
IN_FLIGHT = 3
# How often a part is given to the cluster again whose workers died; dask itself has tried four by then.
MOST_DEATHS = 3


def on_cluster(
    scorer: PartScorer, parts: Sequence[Part], scheduler: Optional[str], workers: Optional[int], patience: float
) -> Iterator[Union[Done, Failed]]:
    """The outcome of every part, once, as they come.

    Args:
        scorer: what is done with a part.
        parts: what is left.
        scheduler: the address of the cluster's; None for a cluster of this machine's, made for the run.
        workers: processes of that cluster.
        patience: seconds that are waited for a scheduler, or for workers, that do not answer.

    Raises:
        Unfinished: scheduler or workers stay away.
        Unsupported: workers that cannot run the network.
        BadArchive: outputs that cannot be written, a network that a worker cannot read.
    """
    left = {part.name: part for part in parts}
    with a_cluster(scheduler, workers) as address:
        waiting_since = time.monotonic()
        while left:
            try:
                with connected(address, patience) as client:
                    check_workers(client, scorer.carried.live, patience)
                    for outcome in _Run(client, scorer, list(left.values()), patience).outcomes():
                        waiting_since = time.monotonic()
                        del left[outcome.part]
                        yield outcome
            except Lost as lost:
                if time.monotonic() - waiting_since > patience:
                    raise unfinished(address, str(lost)) from lost
                time.sleep(POLL_SECONDS)


class _Run:
    """Parts with a scheduler, a few at a time."""

    def __init__(self, client: Any, scorer: PartScorer, parts: list[Part], patience: float) -> None:
        self.name = uuid.uuid4().hex
        self.client = client
        self.workers = Workers(client, patience)
        self.scorer = scorer
        self.waiting = deque(parts)
        self.pending: dict[Any, Part] = {}
        self.deaths: dict[str, int] = {}

    def outcomes(self) -> Iterator[Union[Done, Failed]]:
        """Raises as `on_cluster`, and Lost."""
        while self.waiting or self.pending:
            self._fill()
            for future in finished(self.pending):
                outcome = self._outcome(future, self.pending.pop(future))
                if outcome is not None:
                    yield outcome

    def _fill(self) -> None:
        threads = len(self.workers.threads())
        while self.waiting and len(self.pending) < IN_FLIGHT * max(1, threads):
            part = self.waiting.popleft()
            # Of two tasks with one key a scheduler runs one, whoever has sent them.
            key = f"porting-{self.name}-{part.name}-{self.deaths.get(part.name, 0)}"
            self.pending[self.client.submit(self.scorer, part, key=key, pure=False)] = part

    def _outcome(self, future: Any, part: Part) -> Optional[Union[Done, Failed]]:
        """What became of a part; None where it is to be tried again."""
        error = error_of(future)
        if error is not None:
            return self._failed(error, part)
        outcome: Union[Done, Failed] = result_of(future)
        return outcome

    def _failed(self, error: BaseException, part: Part) -> Optional[Failed]:
        from distributed import KilledWorker

        if isinstance(error, PortingError):
            raise error
        if isinstance(error, ImportError):
            raise lacks(part.shown, error)
        if not isinstance(error, KilledWorker):
            return Failed(part.name, f"{part.shown}: ended with {type(error).__name__}: {error}")
        deaths = self.deaths[part.name] = self.deaths.get(part.name, 0) + 1
        if deaths < MOST_DEATHS:
            self.waiting.append(part)
            return None
        what = "the workers that it was given to died, of too little memory or by hand"
        return Failed(part.name, f"{part.shown}: {what}")
