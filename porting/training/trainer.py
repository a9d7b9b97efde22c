"""One training run's settings and its step: gradients from the engine, penalties, and the optimizer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, TypedDict

import numpy as np

from ..errors import Mismatch, Unsupported
from ..layers import RULES, Rule
from ..network import Array, Network, TensorRef
from .arguments import real_number
from .data import Batch, Outputs
from .gradients import Gradient, total
from .learner import Learner
from .loss import LAST, Loss, back_through, reduced
from .losses import loss_named
from .metrics import Metric, Shown
from .optimizers import Optimizer, optimizer_named
from .tally import MEAN, Measured, Tally, chosen_metrics, mean_of
from .trainable import Choice, choose


def keeps_slices(network: Network) -> bool:
    """Whether optimizers of the Keras that saved a network see one slice for each id that was looked up.

    Keras 2 adds them up first; on JAX and PyTorch there are none.
    """
    return network.dialect == 3 and network.origin.get("backend", "tensorflow") == "tensorflow"


@dataclass(frozen=True)
class Settings:
    """What Keras' ``compile`` is told, and what learns.

    Attributes:
        optimizer: an optimizer, or Keras' name of one.
        loss: a loss, Keras' name of one, or a function of labels and output that returns values and derivatives; for
            several outputs a list or a dict, None where an output has none.
        loss_weights: how much each output's loss counts.
        metrics, weighted_metrics: names, losses or functions, or by output; the second heed sample weights.
        frozen: layers and weights that stay, by name or pattern, beside those saved as not trainable.
        learning_rates: rates or schedules by such a name or pattern.
        sparse_embeddings: treat gradients of embedding tables as Keras 3 on TensorFlow does, one slice for each id;
            False gives what dense gradients would, as in Keras 2 and on other backends. None: as the Keras that saved
            the network.
        seed: of shuffling and dropout.
    """

    optimizer: Any = "rmsprop"
    loss: Any = None
    loss_weights: Any = None
    metrics: Any = ()
    weighted_metrics: Any = ()
    frozen: Sequence[str] = ()
    learning_rates: Mapping[str, Any] = field(default_factory=dict)
    sparse_embeddings: Optional[bool] = None
    seed: int = 0


def outputs_of(network: Network) -> dict[str, TensorRef]:
    """The outputs by the names that users give them: the dict's keys, or else the layers' names."""
    if isinstance(network.outputs, Mapping):
        return {key: ref for key, ref in network.outputs.items() if isinstance(ref, TensorRef)}
    named: dict[str, TensorRef] = {}
    for ref in network.output_refs():
        name, number = ref.call, 1
        while name in named:
            name, number = f"{ref.call}_{number}", number + 1
        named[name] = ref
    return named


class Given(TypedDict, total=False):
    """Those of `Settings` that a user gives."""

    optimizer: Any
    loss: Any
    loss_weights: Any
    metrics: Any
    weighted_metrics: Any
    frozen: Sequence[str]
    learning_rates: Mapping[str, Any]
    sparse_embeddings: bool
    seed: int


class Trainer:
    """A network that is being trained.

    Args:
        network: with the weights to begin with.
        settings: see `Settings`.
        make: makes the engine's learner: of the network, the names of the weights that learn, and for each output
            with a loss the activations that the loss absorbs; then the seed, and the statistics that move.
        rules: by class name.

    Attributes:
        optimizer: with its state.
        learner: the engine's net, and `theta`, the weights that learn.
        choice: what learns.
        absorbed: by tensor that the loss looks at, the last activations that it is read before.
        tally: the running means of the epoch.
        changed: whether the weights have changed since this was last set to False.
        lock: held while a step is made, and while weights are read.

    Raises:
        Unsupported, Mismatch: settings that do not fit the network, and layers that cannot be trained, all at once.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        make: Callable[[Network, Sequence[str], Mapping[TensorRef, Collection[str]], int, Sequence[str]], Learner],
        rules: Mapping[str, Rule] = RULES,
    ) -> None:
        self.network = network
        self.settings = settings
        given = settings.sparse_embeddings
        self.keeps_slices = keeps_slices(network) if given is None else given
        self.optimizer: Optimizer = optimizer_named(settings.optimizer)
        self.refs = outputs_of(network)
        self.outputs = Outputs(tuple(self.refs))
        self.losses = self._losses()
        self.loss_weights = self._loss_weights()
        self.metrics: list[Measured] = chosen_metrics(
            settings.metrics, settings.weighted_metrics, self.outputs, list(self.losses)
        )
        self.choice: Choice = choose(network, settings.frozen, settings.learning_rates, rules)
        self.absorbed: dict[TensorRef, Collection[str]] = dict.fromkeys(self.choice.activities, ()) | {
            self.refs[name]: self._absorbed(name) for name in self.losses
        }
        self.learner = make(network, self.choice.learns, self.absorbed, settings.seed, self.choice.moves)
        self._check_activations()
        self.before = {name: array.copy() for name, array in self.learner.theta.arrays.items()}
        self.tally = self.fresh_tally()
        self.steps = 0
        self.changed = False
        self.lock = threading.RLock()

    # ---- settings

    def _losses(self) -> dict[str, Loss]:
        if self.settings.loss is None:
            raise Unsupported("loss", "is missing", "name one: loss='mse'")
        given = self.outputs.spread(self.settings.loss, "loss", one_for_all=True)
        losses = {name: loss_named(one) for name, one in given.items() if one is not None}
        refs = [self.refs[name] for name in losses]
        if len(set(refs)) < len(refs):
            raise Unsupported("loss", "two losses on one and the same output", "give the losses as one function")
        return losses

    def _absorbed(self, name: str) -> Collection[str]:
        """The activations before which a loss or a metric reads an output.

        Keras loses sight of one inside a TimeDistributed.
        """
        made_by = next((call.layer for call in self.network.calls if call.name == self.refs[name].call), None)
        wrapped = made_by is not None and self.network.layers[made_by].class_name == "TimeDistributed"
        absorbed = set(self.losses[name].absorbs)
        absorbed.update(*(one.metric.absorbs for one in self.metrics if one.output == name))
        return () if wrapped else absorbed

    def _loss_weights(self) -> dict[str, float]:
        weights = self.settings.loss_weights
        if len(self.refs) == 1 and isinstance(weights, (list, tuple)) and len(weights) == 1:
            weights = weights[0]
        given = self.outputs.spread(weights, "loss_weights")
        return {
            name: 1.0 if given[name] is None else real_number(f"loss_weights for {name!r}", given[name])
            for name in self.losses
        }

    def fresh_tally(self) -> Tally:
        """Running sums that hold nothing yet."""
        kinds: dict[str, Metric] = {"loss": MEAN, **{f"{name}_loss": MEAN for name in self.losses}}
        return Tally({**kinds, **{one.name: one.metric for one in self.metrics}})

    def _check_activations(self) -> None:
        for name, loss in self.losses.items():
            activation = self.learner.activation_of(self.refs[name])
            if activation in loss.unfit:
                what = f"of the output {name!r} would follow a {activation}, which is not handled"
                raise Unsupported(f"loss {loss.name}", what, "end the network in a sigmoid, or without one")

    # ---- steps

    def train(self, batch: Batch) -> dict[str, float]:
        """One step; returns its own loss and metrics."""
        self._check_labels(batch)
        seen = _Seen(self)
        looked_at = [*self.choice.activities, *(self.refs[name] for name in self.losses)]
        derivatives = {ref: seen.derivative(ref, batch) for ref in looked_at}
        penalty = 0.0
        self.changed = True
        left = self.learner.step(batch.inputs, derivatives, self.optimizer) if self._is_plain else None
        if left is None:
            penalty = self._apply_gradients(batch, derivatives)
        else:
            self.optimizer.finish({name: self.learner.theta.here(name) for name in left}, self._as_keras(left))
        self.steps += 1
        return self._note(seen, batch, penalty, self.tally)

    @property
    def _is_plain(self) -> bool:
        """Whether a step is the optimizer's and nothing else, the same for all weights."""
        return not (self.choice.penalties or self.choice.constraints or self.choice.rates)

    def _apply_gradients(self, batch: Batch, derivatives: Mapping[TensorRef, Any]) -> float:
        """A step of the optimizer here, on the engine's gradients; returns the penalty."""
        gradients = self.learner.gradients(batch.inputs, derivatives)
        penalty = self._add_penalties(gradients)
        gradients = self._as_keras(gradients)
        self.optimizer.apply(self.learner.theta.arrays, gradients, self.choice.rates)
        self._constrain(gradients)
        return penalty

    def _as_keras(self, gradients: dict[str, Gradient]) -> dict[str, Gradient]:
        """Gradients as the optimizers of the Keras that saved the network see them."""
        return gradients if self.keeps_slices else {name: total(one) for name, one in gradients.items()}

    def test(self, batch: Batch, tally: Tally) -> dict[str, float]:
        """One batch's loss and metrics, with the weights as they are and nothing random."""
        self._check_labels(batch)
        seen = _Seen(self)
        for ref, (output, mask) in self.learner.outputs(batch.inputs).items():
            seen.look(ref, batch, output, mask)
        return self._note(seen, batch, self.penalty(), tally)

    def _check_labels(self, batch: Batch) -> None:
        if all(batch.labels.get(name) is None for name in self.losses):
            raise Mismatch("labels", f"are missing for every output with a loss: {', '.join(self.losses)}", "give y")

    def penalty(self) -> float:
        """What the regularizers of the weights that learn add to the loss."""
        return sum(one.value(self.learner.theta.arrays[name]) for name, one in self.choice.penalties.items())

    def _add_penalties(self, gradients: dict[str, Gradient]) -> float:
        value = self.penalty()
        for name, penalty in self.choice.penalties.items():
            weight = self.learner.theta.arrays[name]
            gradients[name] = penalty.gradient(weight) + (total(gradients[name]) if name in gradients else 0)
        return value

    def _constrain(self, changed: Iterable[str]) -> None:
        arrays = self.learner.theta.arrays
        for name in changed:
            if name in self.choice.constraints:
                arrays[name][...] = self.choice.constraints[name](arrays[name])

    def _note(self, seen: _Seen, batch: Batch, penalty: float, tally: Tally) -> dict[str, float]:
        rows = batch.rows
        own = self.fresh_tally()
        loss = sum(self.loss_weights[name] * value for name, value in seen.values.items()) + penalty + seen.activity
        own.add("loss", mean_of(float(loss), rows))
        if len(self.losses) > 1:
            for name, value in seen.values.items():
                # Keras over TensorFlow does not know here how many rows a batch has: every batch counts alike.
                own.add(f"{name}_loss", mean_of(value, 1))
        for one in self.metrics:
            labels = batch.labels.get(one.output)
            if labels is not None and one.output in seen.outputs:
                own.add(one.name, one.sums(seen.shown(one.output, labels, batch.weights if one.weighted else {})))
        for name, sums in own.sums.items():
            tally.add(name, sums)
        return own.logs()

    def finalize(self) -> None:
        """What the optimizer does to the weights when all steps are made."""
        self.optimizer.finalize(self.learner.theta.arrays)

    # ---- what became of it

    def weights(self) -> dict[str, Array]:
        """All weights as they are now, by ``layer/weight``."""
        now = {name: array.copy() for name, array in self.learner.theta.arrays.items()}
        return {**self.network.weights(), **now}

    def moved(self) -> dict[str, float]:
        """By weight, how far its number that moved furthest has moved since the run began; 0 for the frozen.

        Tables of texts, such as a vocabulary, are left out.
        """
        arrays = self.learner.theta.arrays
        found = {name: 0.0 for name, array in self.network.weights().items() if array.dtype.kind == "f"}
        found.update((name, float(np.abs(arrays[name] - array).max(initial=0))) for name, array in self.before.items())
        return found


class _Seen:
    """What a step saw of the outputs: losses and, as Keras shows them, the outputs themselves."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.values: dict[str, float] = {}
        self.outputs: dict[str, Array] = {}
        self.activity = 0.0
        self.before: dict[str, tuple[Optional[str], Array, Optional[Array]]] = {}

    def derivative(self, ref: TensorRef, batch: Batch) -> Callable[[Array, Optional[Array]], Optional[Array]]:
        return lambda output, mask: self.look(ref, batch, output, mask)

    def look(self, ref: TensorRef, batch: Batch, output: Array, mask: Optional[Array]) -> Optional[Array]:
        """Keep what a tensor adds to the loss; returns the derivative of the whole loss by what was seen."""
        name = next((name for name in self.trainer.losses if self.trainer.refs[name] == ref), None)
        gradient = None if name is None else self.note(name, batch, output, mask)
        penalty = self.trainer.choice.activities.get(ref)
        if penalty is None:
            return gradient
        activation = self.trainer.learner.activation_of(ref)
        shown = output if name is None else self.outputs[name]
        rows = np.float32(len(shown))
        self.activity += penalty.value(shown) / float(rows)
        made = back_through(activation, shown, penalty.gradient(shown) / rows)
        return made if gradient is None else gradient + made

    def note(self, name: str, batch: Batch, output: Array, mask: Optional[Array]) -> Optional[Array]:
        """Keep an output's loss; returns its derivative by what was seen."""
        trainer = self.trainer
        activation = trainer.learner.activation_of(trainer.refs[name])
        self.outputs[name] = output if activation is None else LAST[activation](output)
        self.before[name] = activation, output, mask
        labels = batch.labels.get(name)
        if labels is None:
            self.values[name] = 0.0
            return None
        loss, factor = trainer.losses[name], trainer.loss_weights[name]
        absorbs = activation is not None and activation in loss.absorbs
        read = output if absorbs else self.outputs[name]
        made = reduced(loss, labels, read, batch.weights.get(name), mask, logits=absorbs)
        self.values[name] = made.value
        gradient = made.gradient if factor == 1.0 else made.gradient * np.float32(factor)
        return gradient if absorbs else back_through(activation, self.outputs[name], gradient)

    def shown(self, name: str, labels: Array, weights: Mapping[str, Optional[Array]]) -> Shown:
        """What metrics of an output are shown."""
        activation, logits, mask = self.before[name]
        return Shown(labels, self.outputs[name], weights.get(name), mask, logits, activation)
