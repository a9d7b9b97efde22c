"""The contract between a network and whatever runs it: engines, and nets that learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from math import prod, sqrt
from typing import Any, Literal, Optional

from .errors import Unsupported
from .front import Front
from .inputs import batch_size_of
from .layers import Rule
from .network import Array, Call, Network, Shape, TensorRef
from .padded import REBUILT, Padding
from .training.learner import Learner

EngineName = Literal["neoml", "numpy"]

# Of a batch: numbers in its largest tensor, so that it stays in the cache; rows at the least and at the most; and the
# part of all rows that it is not cut below where rows are small.
ROOM = 2**21
FEWEST, MOST = 8, 256
PARTS = 4


class Engine(ABC):
    """Runs a network on checked arrays. What only some engines can is refused by name in the others.

    An engine is pickled and copied as what it is made from, with the weights as they are: a live net is made anew.

    Attributes:
        name: ``neoml`` or ``numpy``.
        few: rows that batches are not cut below where rows are small.
        rules: rules by class name that the network's layers are applied by.
        front: the preprocessing that it runs in Python first; None where there is none.
        hangs_on_sizes: why one net does not serve every size; None where it does.
        rows_together: a row's numbers go by the other rows of its batch, so that all rows are to be run as one.
        is_partial: it has a part of the network only, and `whole` may give the rest.
        network: what it runs.
        device: ``cpu``, ``gpu`` …
        id_limits: by input name, the number of rows of the smallest table that its values pick from.
        prove: finds what padding a network does not see under its rules; see `porting.padding.padding_of`, whose
            arguments it takes. None where nobody looks.
        proved: what it has found for outputs; None where it has not been asked.
    """

    name: str
    few: int = 32
    rules: Mapping[str, Rule]
    front: Optional[Front] = None
    hangs_on_sizes: Optional[Unsupported] = None
    rows_together: bool = False
    is_partial: bool = False
    network: Network
    device: Any
    id_limits: Mapping[str, int]
    prove: Optional[Callable[..., Padding]] = None
    proved: Optional[Padding] = None
    _padding: Optional[Padding] = None

    @property
    def padding(self) -> Padding:
        """What padding may be left out of its inputs, or of what its front makes of them."""
        if self._padding is None:
            self._padding = self._look_for_padding()
        return self._padding

    def _look_for_padding(self) -> Padding:
        if self.hangs_on_sizes is not None:
            return Padding(why=REBUILT)
        if self.proved is None:
            self.proved = Padding() if self.prove is None else self.prove(self.network, self.rules)
        return self.proved

    def rows_at_once(self, inputs: Mapping[str, Array], rows: int) -> int:
        """Rows in each batch, where the user names none: many small ones, few large ones.

        It goes by the largest tensor that a row makes, and leaves several batches for threads.

        Args:
            inputs: checked, some of them or all.
            rows: in all.
        """
        numbers = sum(array.size for array in inputs.values()) / max(batch_size_of(inputs), 1) * self._growth
        return max(min(int(ROOM / max(numbers, 1)), MOST, max(rows // PARTS, self.few)), FEWEST)

    @cached_property
    def _growth(self) -> float:
        """How many numbers the largest tensor of a row has for each of its inputs': as in the largest reference.

        Where references do not tell, the root of the weights is as many as a step has in a wide layer.
        """
        cases = self.network.cases
        refs = {ref for call in self.network.calls for ref in call.refs()}
        if not cases or not refs or any(not refs <= case.covered() for case in cases):
            return sqrt(self.weight_bytes) / 8
        largest = max(cases, key=lambda case: sum(array.size for array in case.inputs.values()))
        given = sum(array.size for array in largest.inputs.values())
        return max(prod(largest.shape(ref)) for ref in refs) / max(given, 1)

    @property
    def weight_bytes(self) -> int:
        return sum(array.nbytes for array in self.network.weights().values())

    @property
    def core(self) -> Engine:
        """What runs behind its front: it itself where there is none."""
        return self

    @property
    def least_sizes(self) -> Mapping[str, Sequence[int]]:
        """By input, the least size of each axis that it can be run on; inputs that take any may be left out."""
        return {}

    def prepared(self, inputs: Mapping[str, Array]) -> tuple[dict[TensorRef, Array], dict[str, Array]]:
        """What its front makes of checked inputs: every tensor, and the checked inputs of its core."""
        return {}, dict(inputs)

    @abstractmethod
    def __reduce__(self) -> tuple[Any, ...]:
        """What makes the same engine in another process."""

    @abstractmethod
    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        """The wanted tensors (None: all that calls make) for checked inputs by name. Safe in several threads.

        Raises:
            Mismatch: inputs that the network cannot be run on.
        """

    @abstractmethod
    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        """One call on given tensors; its outputs and their masks."""

    def masks(self, inputs: Mapping[str, Array]) -> Optional[dict[TensorRef, Array]]:
        """The masks of what calls make of checked inputs, of those that have one; None where it cannot tell."""
        return None

    def run_with_masks(
        self, inputs: Mapping[str, Array]
    ) -> tuple[dict[TensorRef, Array], Optional[dict[TensorRef, Array]]]:
        """All that calls make, and `masks`, in one go where an engine can."""
        return self.run(inputs), self.masks(inputs)

    @abstractmethod
    def weights(self) -> dict[str, Array]:
        """All weights by ``layer/weight``, in Keras' orientation, read back from what runs."""

    def weights_in(self, stored: Engine) -> dict[str, Array]:
        """The same as an archive of this net holds them, to be looked at: they may be the network's own arrays.

        Args:
            stored: an engine over the archive; or this one, for what it holds itself.

        Raises:
            Unsupported: the archive has other layers than this net.
        """
        raise self._lacks("archive", "has none")

    def renewed(self, network: Network) -> Engine:
        """An engine of the same kind for the same network with other weights."""
        raise self._lacks("training", "does not learn")

    def learner(
        self,
        network: Network,
        learns: Sequence[str],
        absorbed: Mapping[TensorRef, Collection[str]],
        seed: int,
        moving: Sequence[str] = (),
    ) -> Learner:
        """A net that learns.

        Args:
            network: with the weights to begin with.
            learns: the names of the weights that do.
            absorbed: by output that has a loss, the last activations that it is read before.
            seed: of dropout and noise.
            moving: the names of the statistics that follow those of the batches.

        Raises:
            Unsupported: the engine does not learn, or with every layer that cannot be trained.
        """
        raise self._lacks("training", "does not learn")

    def whole(self) -> tuple[Network, Engine]:
        """Where the engine is partial: the whole network, and an engine for it.

        Raises:
            Unsupported: the rest is not at hand.
        """
        raise self._lacks("the whole network", "has no other")

    @property
    def has_whole(self) -> bool:
        """Whether `whole` has the rest at hand."""
        return False

    def declared_shapes(self) -> Mapping[str, Shape]:
        """By name, the shapes of what the net reads, where it is for one size only; nothing where it is for any."""
        return {}

    @property
    def dnn(self) -> Any:
        """The live `neoml.Dnn.Dnn`. Raises Unsupported where there is none."""
        raise self._lacks("dnn", "has no NeoML net")

    def terminals(self) -> tuple[list[Any], list[Any]]:
        """The sources and sinks of the NeoML net that predicts. Raises Unsupported where there is none."""
        raise self._lacks("store", "has no NeoML net")

    def at(self, shape: Any) -> Engine:
        """An engine for inputs of one size; see `porting.neoml_side.sized.given_sizes`."""
        raise self._lacks("store", "has no NeoML net")

    def _lacks(self, where: str, what: str) -> Unsupported:
        return Unsupported(where, f"the {self.name} engine {what}", "load the network with engine='neoml'")
