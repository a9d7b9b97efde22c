"""Keras' optimizers in numpy, with Keras 3's names, arguments, formulas and order of operations.

They update weights in place, in float32. All of them take Keras' ``weight_decay``, ``clipnorm``, ``clipvalue`` and
``global_clipnorm``; ``learning_rate`` is a number or a schedule, a function of the step (`porting.schedules`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Optional, Protocol, Union

import numpy as np

from ..errors import Problem, Unsupported, did_you_mean
from ..inputs import whole_number
from ..network import Array
from .arguments import rate as checked_rate
from .arguments import real_number, truth_value
from .gradients import Gradient, Slices, absolutes, clipped, norm_squared, scaled, squares, total

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "optimizer_named",
]

f32 = np.float32
Rate = Union[float, Callable[[int], float]]
BELOW_ONE = float(np.nextafter(f32(1), f32(0)))
# The least and the most that a setting may be.
LIMITS = {
    "momentum": (0, 1),
    "ema_momentum": (0, 1),
    "rho": (0, 1),
    "beta_1": (0, BELOW_ONE),
    "beta_2": (0, BELOW_ONE),
    "epsilon": (0, np.inf),
    "initial_accumulator_value": (0, np.inf),
}
MAY_BE_NONE = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
SWITCHES = ("nesterov", "amsgrad", "centered", "use_ema")
# The end of a number's name that says how many times Keras' a slot's arrays are.
SCALE = "_scale"
NOT_DONE = ("loss_scale_factor",)


# Keras' names for gradients that wait for others, and for the moving average of a weight.
GATHERED, AVERAGE = "gradient_accumulator", "average"

State = dict[str, dict[str, Array]]


class Keeper(Protocol):
    """An engine that makes steps by itself and has the newer state while it does.

    It gives the state after so many steps, and numbers for `Optimizer.numbers`.
    """

    def optimizer_state(self, steps: int) -> tuple[State, dict[str, float]]: ...


class Optimizer(ABC):
    """What the optimizers share. See ``keras.optimizers.Optimizer``.

    Attributes:
        iterations: batches seen; schedules are told this number.
        state: by weight, then by the name of Keras' variable (``momentum``): its arrays. Whoever reads it may change
            it: a keeper's state is fetched, and counts here from then on.
        keeper: who has newer state; None where nobody has.
        numbers: state that belongs to no weight. ``velocity_scale``: the velocities in `state` are a keeper's, and
            so many times Keras'.

    Raises:
        Unsupported: an argument that is not handled, or one out of range.
    """

    slots: tuple[str, ...] = ()
    first_numbers: ClassVar[Mapping[str, float]] = {}

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: Optional[float] = None,
        clipnorm: Optional[float] = None,
        clipvalue: Optional[float] = None,
        global_clipnorm: Optional[float] = None,
        gradient_accumulation_steps: Optional[int] = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: Optional[int] = None,
        **others: Any,
    ) -> None:
        _refuse_others(type(self).__name__, others)
        if sum(one is not None for one in (clipnorm, clipvalue, global_clipnorm)) > 1:
            what = "only one of clipnorm, clipvalue and global_clipnorm can be set"
            raise Unsupported(Problem(type(self).__name__, what))
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        if gradient_accumulation_steps is not None:
            whole_number("gradient_accumulation_steps", gradient_accumulation_steps, 2)
        self.gradient_accumulation_steps = gradient_accumulation_steps
        if ema_overwrite_frequency is not None:
            whole_number("ema_overwrite_frequency", ema_overwrite_frequency)
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.iterations = 0
        self.keeper: Optional[Keeper] = None
        self._state: State = {}
        self.numbers: dict[str, float] = dict(self.first_numbers)
        self._spares: dict[tuple[str, tuple[int, ...]], Array] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        """Settings are checked whenever they are set: by a constructor, by a user or by a callback."""
        where = f"{type(self).__name__}: {name}"
        if name == "learning_rate":
            checked_rate(where, value)
        elif name in LIMITS:
            real_number(where, value, *LIMITS[name])
        elif name in MAY_BE_NONE and value is not None:
            real_number(where, value, 0)
        elif name in SWITCHES:
            truth_value(where, value)
        super().__setattr__(name, value)

    @property
    def state(self) -> State:
        self.settle()
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state, self.keeper = state, None

    @property
    def kept_slots(self) -> set[str]:
        """What `state` holds of each weight that was changed: the slots, and what gathering and averaging keep."""
        gathered = {GATHERED} if self.gradient_accumulation_steps else set()
        return {*self.slots, *gathered, *({AVERAGE} if self.use_ema else set())}

    def settle(self) -> None:
        """Fetch the state that a keeper has."""
        if self.keeper is None:
            return
        state, numbers = self.keeper.optimizer_state(self.iterations)
        if not self._state.keys() <= state.keys():
            # Other networks' are there too, and one measure must hold for all: Keras'.
            unscale(self._state, self.numbers)
            unscale(state, numbers)
        self._state.update(state)
        self.numbers.update(numbers)
        self.keeper = None

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or pickled: the state, and no keeper."""
        return {**self.__dict__, "_state": self.state, "keeper": None}

    def rate(self, given: Optional[Rate] = None) -> np.float32:
        """The learning rate of the coming step; `given` stands in for the optimizer's own."""
        chosen = self.learning_rate if given is None else given
        if callable(chosen):
            return f32(real_number(f"learning rate of step {self.iterations}", chosen(self.iterations), 0))
        return f32(chosen)

    @property
    def step(self) -> int:
        """The number of the coming step, from 1: with `gradient_accumulation_steps` several batches make one."""
        return self.iterations // (self.gradient_accumulation_steps or 1) + 1

    def apply(
        self,
        weights: Mapping[str, Array],
        gradients: Mapping[str, Gradient],
        rates: Optional[Mapping[str, Rate]] = None,
    ) -> None:
        """Make one step: clip, decay, update, as Keras' ``apply_gradients`` does; or gather gradients for one.

        Args:
            weights: float32 arrays by name; changed in place.
            gradients: by name; weights without one stay.
            rates: learning rates for some of the weights.
        """
        named, state = rates or {}, self.state
        # A schedule may fail; then nothing has changed.
        own = self.rate()
        chosen = {name: self.rate(named[name]) if name in named else own for name in gradients}
        if self.gradient_accumulation_steps:
            gradients = self._gathered(gradients, weights)
        clip = self._clipping(gradients)
        unscale(state, self.numbers)
        if gradients:
            self.begin()
        for name, gradient in gradients.items():
            rate, weight = chosen[name], weights[name]
            if self.weight_decay is not None:
                weight -= weight * f32(self.weight_decay) * rate
            self.update(weight, clip(gradient), self._slots_of(name, weight, state), rate)
        if self.use_ema:
            self._average(chosen, weights)
        self.iterations += 1

    def finish(self, weights: Mapping[str, Array], gradients: Mapping[str, Gradient]) -> None:
        """End a step of a keeper's, which has moved all weights but these, with an optimizer that does nothing else."""
        rate = self.rate()
        for name, gradient in gradients.items():
            self.update(weights[name], gradient, self._slots_of(name, weights[name], self._state), rate)
        self.iterations += 1

    def _average(self, names: Iterable[str], weights: Mapping[str, Array]) -> None:
        """Let the moving averages follow, and from time to time put them in the weights' place."""
        share = f32(self.ema_momentum if self.step > 1 else 0)
        for name in names:
            slots = self._slots_of(name, weights[name], self.state)
            slots[AVERAGE] = share * slots.get(AVERAGE, f32(0)) + (f32(1) - share) * weights[name]
        if self.ema_overwrite_frequency and self.step % self.ema_overwrite_frequency == 0:
            self.finalize(weights)

    def finalize(self, weights: Mapping[str, Array]) -> None:
        """Put the moving averages, where there are any, in the weights' place: Keras does it at the end of `fit`."""
        if self.use_ema:
            for name, slots in self.state.items():
                if AVERAGE in slots and name in weights:
                    weights[name][...] = slots[AVERAGE]

    def _gathered(self, gradients: Mapping[str, Gradient], weights: Mapping[str, Array]) -> dict[str, Gradient]:
        """The means of the latest gradients, where there are enough of them; nothing before. All are dense."""
        assert self.gradient_accumulation_steps is not None
        complete = (self.iterations + 1) % self.gradient_accumulation_steps == 0
        means: dict[str, Gradient] = {}
        for name, gradient in gradients.items():
            slots = self._slots_of(name, weights[name], self.state)
            if GATHERED not in slots:
                slots[GATHERED] = np.zeros_like(weights[name])
            slots[GATHERED] += total(gradient)
            if complete:
                means[name] = slots[GATHERED] / f32(self.gradient_accumulation_steps)
                slots[GATHERED].fill(0)
        return means

    def _slots_of(self, name: str, weight: Array, state: State) -> dict[str, Array]:
        if name not in state:
            state[name] = {slot: self.initial(slot, weight) for slot in self.slots}
        return state[name]

    def _clipping(self, gradients: Mapping[str, Gradient]) -> Callable[[Gradient], Gradient]:
        if self.clipnorm:
            limit = f32(self.clipnorm)
            return lambda gradient: scaled(
                gradient, limit / max(np.sqrt(norm_squared(gradient), dtype=np.float32), limit)
            )
        if self.global_clipnorm:
            norm = np.sqrt(f32(sum(norm_squared(gradient) for gradient in gradients.values())))
            limit = f32(self.global_clipnorm)
            with np.errstate(divide="ignore"):
                factor = limit * min(f32(1) / norm, f32(1) / limit) + (norm - norm)
            # As one array, since Keras multiplies outside of what keeps TensorFlow's slices apart.
            return lambda gradient: total(gradient) * factor
        if self.clipvalue:
            bound = self.clipvalue
            return lambda gradient: clipped(gradient, bound)
        return lambda gradient: gradient

    def initial(self, slot: str, weight: Array) -> Array:
        """What a slot begins with."""
        return np.zeros_like(weight)

    def spare(self, name: str, like: Array) -> Array:
        """Room for intermediate results, used again from step to step."""
        key = (name, like.shape)
        if key not in self._spares:
            self._spares[key] = np.empty_like(like)
        return self._spares[key]

    def begin(self) -> None:  # noqa: B027 (few optimizers have something to do here)
        """Before the first weight of a step."""

    @abstractmethod
    def update(self, weight: Array, gradient: Gradient, state: dict[str, Array], rate: np.float32) -> None:
        """Change one weight and its state in place."""


def _refuse_others(where: str, others: Mapping[str, Any]) -> None:
    """``name`` means nothing here; what is not done is passed by when it is off."""
    for key, value in others.items():
        if key == "name" or (key in NOT_DONE and value is None):
            continue
        way_out = "leave it out" if key in NOT_DONE else "use the arguments of Keras 3's optimizer of that name"
        raise Unsupported(Problem(where, f"argument {key}={value!r} is not handled", way_out))


@lru_cache(maxsize=16)
def power(base: float, exponent: int) -> np.float32:
    return f32(np.power(f32(base), f32(exponent)))


def unscale(state: State, numbers: dict[str, float]) -> None:
    """Bring state that a keeper has left in its own measure to Keras', and forget the measure."""
    for key in [key for key in numbers if key.endswith(SCALE)]:
        scale = f32(numbers.pop(key))
        for slots in state.values():
            slots[key[: -len(SCALE)]] /= scale


def toward(average: Array, value: Array, share: Union[float, np.float32], spare: Optional[Array] = None) -> None:
    """average += (value − average) · share; `spare` is written over."""
    difference = np.subtract(value, average, out=spare)
    difference *= f32(share)
    average += difference


def toward_slices(average: Array, slices: Slices, values: Array, share: float, spare: Array) -> None:
    """The same, the value being what slices add up to: 0 in most rows of a large table."""
    rows, factor = slices.picked, f32(share)
    before, moved = average.take(rows, axis=0), slices.sums(values)
    moved -= before
    moved *= factor
    moved += before
    average -= np.multiply(average, factor, out=spare)
    average[rows] = moved


class SGD(Optimizer):
    """Gradient descent, with momentum or Nesterov's. See ``keras.optimizers.SGD``."""

    def __init__(
        self, learning_rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, **others: Any
    ) -> None:
        super().__init__(learning_rate, **others)
        self.momentum = momentum
        self.nesterov = nesterov
        self.slots = ("momentum",) if momentum else ()

    def update(self, weight: Array, gradient: Gradient, state: dict[str, Array], rate: np.float32) -> None:
        if not self.slots and isinstance(gradient, Slices):
            np.subtract.at(weight, gradient.rows, gradient.values * rate)
            return
        step = total(gradient) * rate
        if not self.slots:
            weight -= step
            return
        momentum = state["momentum"]
        momentum *= f32(self.momentum)
        momentum -= step
        weight += momentum * f32(self.momentum) - step if self.nesterov else momentum


class Moments(Optimizer):
    """An optimizer that keeps two averages of gradients, each with a decay of its own."""

    slots: tuple[str, ...] = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **others: Any,
    ) -> None:
        super().__init__(learning_rate, **others)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon


class Adam(Moments):
    """See ``keras.optimizers.Adam``."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **others)
        self.amsgrad = amsgrad
        self.slots = ("momentum", "velocity", "velocity_hat") if amsgrad else ("momentum", "velocity")

    def update(self, weight: Array, gradient: Gradient, state: dict[str, Array], rate: np.float32) -> None:
        alpha = self.step_rate(rate)
        momentum, velocity = state["momentum"], state["velocity"]
        spare, change = self.spare("first", weight), self.spare("second", weight)
        if isinstance(gradient, Slices):
            toward_slices(momentum, gradient, gradient.values, 1 - self.beta_1, spare)
            toward_slices(velocity, gradient, np.square(gradient.values), 1 - self.beta_2, spare)
        else:
            toward(momentum, gradient, 1 - self.beta_1, spare)
            toward(velocity, np.square(gradient, out=change), 1 - self.beta_2, spare)
        if self.amsgrad:
            velocity = np.maximum(state["velocity_hat"], velocity, out=state["velocity_hat"])
        root = np.sqrt(velocity, out=spare)
        root += f32(self.epsilon)
        np.multiply(momentum, alpha, out=change)
        change /= root
        weight -= change

    def step_rate(self, rate: np.float32) -> np.float32:
        """The rate by which the coming step multiplies momentum / (√velocity + ε)."""
        step = self.step
        return f32(rate * np.sqrt(f32(1) - power(self.beta_2, step)) / (f32(1) - power(self.beta_1, step)))


class AdamW(Adam):
    """Adam with weight decay apart from the gradient. See ``keras.optimizers.AdamW``."""

    def __init__(self, learning_rate: Rate = 0.001, weight_decay: float = 0.004, **others: Any) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **others)


class RMSprop(Optimizer):
    """See ``keras.optimizers.RMSprop``."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(learning_rate, **others)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered
        self.slots = ("velocity",)
        self.slots += ("momentum",) if momentum > 0 else ()
        self.slots += ("average_gradient",) if centered else ()

    def update(self, weight: Array, gradient: Gradient, state: dict[str, Array], rate: np.float32) -> None:
        whole = total(gradient)
        velocity = state["velocity"]
        blend(velocity, squares(gradient), self.rho)
        denominator = velocity
        if self.centered:
            blend(state["average_gradient"], whole, self.rho)
            denominator = velocity - np.square(state["average_gradient"])
        increment = rate * whole
        increment /= np.sqrt(denominator + f32(self.epsilon))
        if self.momentum > 0:
            state["momentum"] *= f32(self.momentum)
            state["momentum"] += increment
            increment = state["momentum"]
        weight -= increment


def blend(average: Array, value: Array, rho: float) -> None:
    """average = rho · average + (1 − rho) · value."""
    average *= f32(rho)
    average += f32(1 - rho) * value


class Adagrad(Optimizer):
    """See ``keras.optimizers.Adagrad``."""

    slots = ("accumulator",)

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **others: Any,
    ) -> None:
        super().__init__(learning_rate, **others)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def initial(self, slot: str, weight: Array) -> Array:
        return np.full_like(weight, self.initial_accumulator_value)

    def update(self, weight: Array, gradient: Gradient, state: dict[str, Array], rate: np.float32) -> None:
        accumulator = state["accumulator"]
        accumulator += squares(gradient)
        weight -= rate * total(gradient) / np.sqrt(accumulator + f32(self.epsilon))


class Adadelta(Optimizer):
    """See ``keras.optimizers.Adadelta``."""

    slots = ("accumulated_grad", "accumulated_delta_var")

    def __init__(self, learning_rate: Rate = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **others: Any) -> None:
        super().__init__(learning_rate, **others)
        self.rho, self.epsilon = rho, epsilon

    def update(self, weight: Array, gradient: Gradient, state: dict[str, Array], rate: np.float32) -> None:
        epsilon = f32(self.epsilon)
        squared = squares(gradient)
        blend(state["accumulated_grad"], squared, self.rho)
        before = np.sqrt(state["accumulated_delta_var"] + epsilon)
        root = np.sqrt(state["accumulated_grad"] + epsilon)
        change = -(before * total(gradient) / root)
        changes_squared = np.square(before / root) * squared if isinstance(gradient, Slices) else np.square(change)
        blend(state["accumulated_delta_var"], changes_squared, self.rho)
        weight += rate * change


class Adamax(Moments):
    """See ``keras.optimizers.Adamax``."""

    slots = ("momentum", "norm")

    def update(self, weight: Array, gradient: Gradient, state: dict[str, Array], rate: np.float32) -> None:
        momentum, norm = state["momentum"], state["norm"]
        toward(momentum, total(gradient), 1 - self.beta_1)
        np.maximum(norm * f32(self.beta_2), absolutes(gradient), out=norm)
        rest = f32(1) - power(self.beta_1, self.step)
        weight -= rate * momentum / (rest * (norm + f32(self.epsilon)))


class Nadam(Moments):
    """See ``keras.optimizers.Nadam``."""

    decay = 0.96
    first_numbers: ClassVar[Mapping[str, float]] = {"u_product": 1.0}

    def schedule(self, step: int) -> np.float32:
        return f32(self.beta_1) * (f32(1) - f32(0.5) * power(self.decay, step))

    def begin(self) -> None:
        self.numbers["u_product"] = float(f32(self.numbers["u_product"]) * self.schedule(self.step))

    def update(self, weight: Array, gradient: Gradient, state: dict[str, Array], rate: np.float32) -> None:
        step = self.step
        now, after = self.schedule(step), self.schedule(step + 1)
        product = f32(self.numbers["u_product"])
        momentum, velocity, whole = state["momentum"], state["velocity"], total(gradient)
        toward(momentum, whole, f32(1) - f32(self.beta_1))
        toward(velocity, squares(gradient), f32(1) - f32(self.beta_2))
        looking_ahead = after * momentum / (f32(1) - product * after)
        looking_ahead += (f32(1) - now) * whole / (f32(1) - product)
        root = np.sqrt(velocity / (f32(1) - power(self.beta_2, step)))
        weight -= looking_ahead * rate / (root + f32(self.epsilon))


OPTIMIZERS = {kind.__name__.lower(): kind for kind in (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, Adamax, Nadam)}


def optimizer_named(given: Union[str, Optimizer], **settings: Any) -> Optimizer:
    """The optimizer itself, or a fresh one of Keras' name (``adam``) with Keras' defaults.

    Raises:
        Unsupported: another name.
    """
    if isinstance(given, Optimizer):
        return given
    kind = OPTIMIZERS.get(str(given).lower()) if isinstance(given, str) else None
    if kind is None:
        known = ", ".join(sorted(OPTIMIZERS))
        way_out = f"{did_you_mean(given, OPTIMIZERS)}use one of {known}"
        raise Unsupported(Problem(f"optimizer {given!r}", "is not known", way_out))
    return kind(**settings)
