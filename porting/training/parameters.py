"""All weights that learn, as one vector."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Optional

import numpy as np

from ..network import Array


class Theta:
    """All weights that learn, then the statistics that follow the batches, one behind the other in one vector.

    While a net makes steps by itself it has newer numbers, and they are fetched when somebody reads `vector` or
    `arrays`. Whoever reads them may change them, so from then on the numbers here count.

    Args:
        weights: by ``layer/weight``.
        turned: matrices that lie transposed in the vector.

    Attributes:
        vector: float32; change it in place.
        arrays: views of it by ``layer/weight``, in Keras' shapes.
        is_lent: newer numbers are elsewhere.
    """

    def __init__(self, weights: Mapping[str, Array], turned: Collection[str] = ()) -> None:
        self.turned = frozenset(turned)
        self.starts: dict[str, int] = {}
        size = 0
        for name, array in weights.items():
            self.starts[name] = size
            size += array.size
        self._fetch: Optional[Callable[[Array], None]] = None
        self._vector = np.zeros(size, np.float32)
        self._arrays = self.split(self._vector, weights)
        for name, array in weights.items():
            self._arrays[name][...] = array

    @property
    def vector(self) -> Array:
        self.settle()
        return self._vector

    @property
    def arrays(self) -> dict[str, Array]:
        self.settle()
        return self._arrays

    def here(self, name: str) -> Array:
        """One of `arrays` that no slot holds: it is never lent."""
        return self._arrays[name]

    @property
    def size(self) -> int:
        return self._vector.size

    @property
    def is_lent(self) -> bool:
        return self._fetch is not None

    def lend(self, fetch: Callable[[Array], None]) -> None:
        """From now on the weights are where `fetch` writes them from, into a vector like this one."""
        self._fetch = fetch

    def settle(self) -> None:
        """Fetch the numbers that are elsewhere."""
        if self._fetch is not None:
            self._fetch(self._vector)
            self._fetch = None

    def split(self, vector: Array, like: Optional[Mapping[str, Array]] = None) -> dict[str, Array]:
        """Views of a vector of this length, by name."""
        return {name: self.view(vector, name, like) for name in self.starts}

    def view(self, vector: Array, name: str, like: Optional[Mapping[str, Array]] = None) -> Array:
        """A weight in a vector of this length, in Keras' shape."""
        one, start = (self._arrays if like is None else like)[name], self.starts[name]
        part = vector[start : start + one.size]
        return part.reshape(one.shape[::-1]).T if name in self.turned else part.reshape(one.shape)
