"""What a check found: about each call, about the net that predicts, and about the network as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

from ..errors import Mismatch, Problem
from ..network import Array
from .tolerance import SENSITIVE, Outcome

# Names in a remark; the others are counted.
MOST_NAMES = 8
STATUSES = (
    *("exact", "insensitive", "ill-conditioned", "not recorded", "not checked"),
    *("departs in the chain", "departs"),
)


def is_open(outcome: Outcome) -> bool:
    """Whether a tensor varies, but by so little beside what Keras' own float32 leaves open that it proves nothing."""
    return outcome.tells < SENSITIVE <= outcome.unmoved


@dataclass(frozen=True)
class Evidence:
    """The two arrays of a difference, and where they were met."""

    where: str
    got: Array
    want: Array


@dataclass
class LayerVerdict:
    """What the check found about one call.

    Attributes:
        call, class_name: the call and its layer's class, a wrapper's with what it wraps: ``TimeDistributed(Dense)``.
        alone_outcome, chain_outcome: of its outputs on Keras' own inputs, and in the chain; None where nothing was
            compared.
        masks, masks_in_chain: whether its masks equal Keras', on Keras' own inputs and in the chain; None where neither
            side has any.
        weights: whether its weights, read back from what runs, are those saved; None where they were not read.
        shifted: whether it is Keras' too with its weights of one value or two shifted; None where it has none, or it
            was not tried (`porting.checking.shifted`).
        noise: by how much its outputs move in Keras when numbers move by a last bit, relatively; None: not measured.
        varies: how far its references spread, relative to their size.
        compared: how many arrays were compared.
        why: for a departure, the first difference.
        unshown: its weights, or slices of them, that nothing shows; None where it was not tried.
        evidence: the first arrays that differ.
        recorded, inputs_recorded: whether the references hold numbers of its outputs, and of what it reads.
        of_sizes: its numbers go by sizes alone, as a table of positions, so rows have nothing to vary by.
    """

    call: str
    class_name: str
    alone_outcome: Optional[Outcome] = None
    chain_outcome: Optional[Outcome] = None
    masks: Optional[bool] = None
    masks_in_chain: Optional[bool] = None
    weights: Optional[bool] = None
    shifted: Optional[bool] = None
    noise: Optional[float] = None
    varies: float = 0.0
    compared: int = 0
    why: str = ""
    unshown: Optional[list[str]] = None
    evidence: Optional[Evidence] = None
    recorded: bool = True
    inputs_recorded: bool = True
    of_sizes: bool = False

    def __repr__(self) -> str:
        return f"<LayerVerdict on {self.call!r} ({self.class_name}): {self.status}>"

    @property
    def alone(self) -> Optional[float]:
        """The tolerance needed by its outputs on Keras' own inputs."""
        return None if self.alone_outcome is None else self.alone_outcome.needed

    @property
    def chain(self) -> Optional[float]:
        """The tolerance needed by its outputs in the chain."""
        return None if self.chain_outcome is None else self.chain_outcome.needed

    @property
    def allowed(self) -> Optional[float]:
        """The tolerance allowed alone."""
        return None if self.alone_outcome is None else self.alone_outcome.allowed

    @property
    def allowed_in_chain(self) -> Optional[float]:
        return None if self.chain_outcome is None else self.chain_outcome.allowed

    @property
    def all_masks(self) -> Optional[bool]:
        """Whether its masks equal Keras', wherever they were compared; None where there are none."""
        found = {self.masks, self.masks_in_chain} - {None}
        return all(found) if found else None

    @property
    def status(self) -> str:
        """One of `STATUSES`.

        Insensitive: the references hardly vary. Ill-conditioned: they vary, but by so little beside what Keras' own
        float32 leaves open that they prove nothing. Not recorded: by the user's wish there are no references; where
        there are some of its outputs and none of what it reads, the chain alone tells.
        """
        alone, chain = self.alone_outcome, self.chain_outcome
        if (alone is not None and not alone.agrees) or False in (self.masks, self.weights, self.shifted):
            return "departs"
        if (chain is not None and not chain.agrees) or self.masks_in_chain is False:
            return "departs in the chain"
        if not self.recorded:
            return "not recorded"
        if alone is None and not self.inputs_recorded:
            alone = chain
        if alone is None or chain is None:
            return "not checked"
        if self.of_sizes:
            return "exact"
        if alone.unmoved < SENSITIVE:
            return "insensitive"
        if alone.tells < SENSITIVE or is_open(chain):
            return "ill-conditioned"
        return "exact"

    @property
    def ok(self) -> bool:
        """Nothing departs, and something was compared."""
        return self.status in ("exact", "insensitive", "ill-conditioned", "not recorded")

    @property
    def proved(self) -> bool:
        """A wrong port of this call would have shown."""
        return self.status == "exact"

    def note_alone(self, outcome: Outcome) -> None:
        self.compared += 1
        self.alone_outcome = outcome.or_worse(self.alone_outcome)

    def note_mask(self, same: bool, in_chain: bool) -> None:
        if in_chain:
            self.masks_in_chain = same and self.masks_in_chain is not False
        else:
            self.masks = same and self.masks is not False

    def note_chain(self, outcome: Outcome) -> None:
        self.compared += 1
        self.chain_outcome = outcome.or_worse(self.chain_outcome)

    def accuse(self, why: str, evidence: Optional[Evidence] = None) -> None:
        """Keep the first reason for a departure, and the first arrays that show it."""
        self.why = self.why or why
        self.evidence = self.evidence or evidence

    def fail_alone(self, why: str) -> None:
        self.alone_outcome = Outcome(float("inf"), 0.0)
        self.accuse(why)

    def fail_chain(self, why: str) -> None:
        self.chain_outcome = Outcome(float("inf"), 0.0)
        self.accuse(why)

    def to_json(self) -> dict[str, Any]:
        return {
            "call": self.call,
            "class": self.class_name,
            "status": self.status,
            "proved": self.proved,
            "alone": _number(self.alone),
            "alone_allowed": _number(self.allowed),
            "chain": _number(self.chain),
            "chain_allowed": _number(self.allowed_in_chain),
            "noise": _number(self.noise),
            "masks": self.all_masks,
            "weights": self.weights,
            "shifted": self.shifted,
            "varies": _number(self.varies),
            "compared": self.compared,
            "unshown": self.unshown,
            "why": self.why,
        }


@dataclass
class RunVerdict:
    """What came of one way in which `predict` runs a net.

    Attributes:
        name: ``in one batch``, ``row by row in two threads`` …
        outcome: the network's outputs against the references; None where they were not the measure.
        why: for a departure, the first difference; or why nothing was compared.
        bad: whether it departs.
        compared: whether anything was compared.
    """

    name: str
    outcome: Optional[Outcome] = None
    why: str = ""
    bad: bool = False
    compared: bool = False

    @property
    def ok(self) -> bool:
        return not self.bad

    @property
    def tried(self) -> bool:
        return self.bad or self.compared or self.outcome is not None

    def accuse(self, why: str) -> None:
        """It departs; the first reason is kept."""
        self.bad, self.why = True, self.why or why

    def to_json(self) -> dict[str, Any]:
        needed, allowed = (None, None) if self.outcome is None else (self.outcome.needed, self.outcome.allowed)
        named = {"run": self.name, "ok": self.ok, "tried": self.tried}
        return {**named, "needed": _number(needed), "allowed": _number(allowed), "why": self.why}


@dataclass
class Findings:
    """The verdict on a network.

    Attributes:
        name, engine, device: what was checked, on what.
        tolerance: what was allowed everywhere, by the user's wish; None: what float32 can hold.
        cases: how many references were run.
        references: who made them, where it was not Keras.
        layers: a verdict for every call, in running order.
        runs: a verdict for every way in which `predict` runs the net.
        notes: what could not be proved, and why.
        groups: the classes of what holds layers, by the name that stands before theirs: a nested model, a layer that
            was unfolded.
    """

    name: str
    engine: str
    device: str
    tolerance: Optional[float]
    cases: int
    references: Optional[str] = None
    layers: list[LayerVerdict] = field(default_factory=list)
    runs: list[RunVerdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Report on {self.name!r} on {self.engine}: {self.verdict()}>"

    @property
    def ok(self) -> bool:
        """Every layer was compared, and agrees; so does what `predict` runs."""
        return self.compared and all(layer.ok for layer in self.layers) and all(run.ok for run in self.runs)

    @property
    def compared(self) -> bool:
        """Whether anything was."""
        return any(layer.compared for layer in self.layers) or any(run.tried for run in self.runs)

    @property
    def proved(self) -> bool:
        """It is exact, and a wrong port of any layer would have shown; so would every weight, where that was tried."""
        return self.ok and all(layer.proved and not layer.unshown for layer in self.layers)

    @property
    def counts(self) -> dict[str, int]:
        """How many layers have each status; ``proved`` are those that are exact and would have shown a fault.

        ``unshown`` are those, of any status, with weights that nothing shows.
        """
        found = {"layers": len(self.layers), "proved": sum(layer.proved for layer in self.layers)}
        unshown = sum(bool(layer.unshown) for layer in self.layers)
        return {**found, **{status: len(self.having(status)) for status in STATUSES[1:]}, "unshown": unshown}

    def having(self, status: str) -> list[LayerVerdict]:
        return [layer for layer in self.layers if layer.status == status]

    @property
    def first_departure(self) -> Optional[LayerVerdict]:
        """The first layer that departs alone; failing that, the first in the chain, or not checked."""
        for status in ("departs", "departs in the chain", "not checked"):
            found = self.having(status)
            if found:
                return found[0]
        return None

    @property
    def insensitive(self) -> list[LayerVerdict]:
        return self.having("insensitive")

    @property
    def ill_conditioned(self) -> list[LayerVerdict]:
        return self.having("ill-conditioned")

    @property
    def needed(self) -> float:
        """The tolerance that the whole network would have needed."""
        outcomes = [one for layer in self.layers for one in (layer.alone, layer.chain) if one is not None]
        outcomes += [run.outcome.needed for run in self.runs if run.outcome is not None]
        return max(outcomes, default=float("inf"))

    def raise_if_bad(self) -> None:
        """Raises Mismatch naming every layer and every way to run that departs, the first departure on top."""
        if self.ok:
            return
        first = self.first_departure
        bad = sorted((layer for layer in self.layers if not layer.ok), key=lambda layer: layer is not first)
        problems = [Problem(f"{one.class_name} {one.call!r}", f"{one.status}. {one.why}".strip()) for one in bad]
        problems += [Problem(f"predict {run.name}", f"departs. {run.why}".strip()) for run in self.runs if not run.ok]
        raise Mismatch(problems or [Problem(self.name, "nothing was compared", "save it again with references")])

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; an infinite need is the string ``"inf"``."""
        return {
            "network": self.name,
            "engine": self.engine,
            "device": self.device,
            "ok": self.ok,
            "proved": self.proved,
            "counts": self.counts,
            "tolerance": self.tolerance,
            "needed": _number(self.needed),
            "cases": self.cases,
            "references": self.references or "Keras",
            "first_departure": self.first_departure.call if self.first_departure else None,
            "layers": [one.to_json() for one in self.layers],
            "runs": [one.to_json() for one in self.runs],
            "notes": self.remarks(),
        }

    def __str__(self) -> str:
        return "\n".join([self.headline(), *self.rows(), *self.remarks()])

    def verdict(self) -> str:
        """In a few words: whether it is exact, and how much was proved."""
        if not self.compared:
            return "NOTHING WAS COMPARED"
        counts = {status: len(self.having(status)) for status in reversed(STATUSES[1:])}
        counted = [f"{count} {_said(status, count)}" for status, count in counts.items() if count]
        parts = [f"{self.counts['proved']} of {len(self.layers)} layers proved", *counted]
        if self.counts["unshown"]:
            parts.append(f"{self.counts['unshown']} with weights that nothing shows")
        if not self.layers:
            parts = ["its outputs agree"] if self.ok else ["its outputs depart"]
        return f"{'exact' if self.ok else 'DEPARTS'}: {', '.join(parts)}"

    def headline(self) -> str:
        first = self.first_departure
        run = next((one for one in self.runs if not one.ok), None)
        where = ""
        if first:
            where = f"; first at {first.class_name} {first.call!r}: {first.why or first.status}"
        elif run:
            where = f"; first when it predicts {run.name}: {run.why}"
        allowed = "what float32 can hold" if self.tolerance is None else f"{self.tolerance:.0e}"
        return (
            f"{self.name} on {self.engine} ({self.device}): {self.verdict()}{where}\n"
            f"{self.cases} cases; tolerance needed {self.needed:.1e}, allowed {allowed}"
        )

    def rows(self) -> list[str]:
        wide = max([len(layer.call) for layer in self.layers] + [5])
        kind = max([len(layer.class_name) for layer in self.layers] + [5])
        head = f"{'layer':{wide}}  {'class':{kind}}     alone   allowed     chain   allowed    varies  verdict"
        return [head, *(self._row(layer, wide, kind) for layer in self.layers)]

    @staticmethod
    def _row(layer: LayerVerdict, wide: int, kind: int) -> str:
        shown = (layer.alone, layer.allowed, layer.chain, layer.allowed_in_chain, layer.varies)
        numbers = "  ".join(f"{_shown(value):>8}" for value in shown)
        return f"{layer.call:{wide}}  {layer.class_name:{kind}}  {numbers}  {layer.status}"

    def remarks(self) -> list[str]:
        """What the numbers do not say: who made the references, what they do not prove, how predict ran."""
        found = []
        if self.references is not None:
            found.append(f"the references were not made by Keras: {self.references}")
        if self.insensitive:
            what = "insensitive (the references hardly vary, a wrong port could hide)"
            found.append(f"{what}: {some_names([layer.call for layer in self.insensitive])}")
        if self.ill_conditioned:
            what = "ill-conditioned (Keras' own float32 leaves the answer open, so nothing is proved)"
            found.append(f"{what}: {some_names([layer.call for layer in self.ill_conditioned])}")
        unshown = [f"{layer.call} {what}" for layer in self.layers for what in layer.unshown or ()]
        if unshown:
            found.append(f"weights that nothing shows: {some_names(unshown)}")
        agree = [run.name for run in self.runs if run.ok and run.tried]
        if agree:
            found.append(f"predict agrees {', '.join(agree)}")
        found += [f"predict {run.name}: {run.why}" for run in self.runs if not run.ok or not run.tried]
        return found + self.notes


def _said(status: str, count: int) -> str:
    """A status of one or of several layers."""
    return status if count == 1 else status.replace("departs", "depart")


def some_names(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _shown(value: Optional[float]) -> str:
    return "–" if value is None else f"{value:.1e}"


def _number(value: Optional[float]) -> Any:
    return value if value is None or np.isfinite(value) else str(value)
