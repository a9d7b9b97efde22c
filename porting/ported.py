"""A network that runs: what `porting.load` gives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Optional, Union

from .archive import write_network
from .checking import Report, RunVerdict, check_network
from .checking.judging import Judge
from .checking.runs import check_runs, check_stored_weights, compare_engines
from .corpus import is_dask, predict_lazily, trained_on
from .display import network_html, summary
from .engine import Engine
from .engine_factory import make_engine
from .errors import Mismatch, Unsupported
from .explaining import Explanation, explain_row
from .inputs import batch_size_of, check_inputs, inputs_in, is_batches, whole_number
from .layers import RULES, Rule
from .network import Array, Case, Layer, Network, map_tensors
from .predicting import Progress, cores, run_batches, run_stream
from .text import LAYERS as PREPROCESSING
from .training.arguments import file_path
from .training.trainer import Trainer
from .tuning import Tunable

BY_NAME = "take weights() by name; porting.restore puts them into a Keras model"
LAZY_PROGRESS = "leave progress and verbose out, and use dask.diagnostics.ProgressBar"


class PortedNetwork(Tunable):
    """A saved network on an engine.

    Attributes:
        network: what was saved: layers, calls, weights, references; the weights as training has left them.
        engine: what runs it.
    """

    def __init__(self, network: Network, engine: Engine) -> None:
        super().__init__(network, engine)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied with the weights as they are now, as if freshly loaded: nothing is compiled.

        A stored net takes along the network beside it; without one it takes the archive, and only predicts.
        """
        network, engine = self.engine.whole() if self.engine.has_whole else (self.network, self.engine)
        return type(self), (network, engine), {"history": self.history, "_is_tuned": self._is_tuned}

    def __repr__(self) -> str:
        inputs = ", ".join(f"{one.name}{list(one.shape)}" for one in self.network.inputs)
        calls = len(self.network.calls)
        return f"<PortedNetwork {self.network.name!r} on {self.engine.name}: {inputs}, {calls} layers>"

    def predict(
        self,
        inputs: Any,
        batch_size: Optional[int] = None,
        threads: Optional[int] = None,
        progress: Optional[Progress] = None,
        verbose: Union[bool, int, str] = 0,
        steps: Optional[int] = None,
    ) -> Any:
        """What Keras' ``predict`` returns for the same inputs.

        Args:
            inputs: an array, a list in model order, or a dict by input name; the batch is axis 0. Or batches: a
                generator or another iterable, a ``tf.data.Dataset``, a ``keras.utils.PyDataset``; each is inputs, or
                a tuple of inputs, labels and sample weights, of which the first count. Or dask's arrays, bags and
                dataframes; then outputs are dask's too, computed partition by partition when dask computes them
                (`porting.corpus.lazily`).
            batch_size: rows in each batch, at the most; by default up to 256, fewer where they make large tensors.
            threads: batches run side by side, each thread with a net of its own; by default as many as there are
                cores that the process may use. The results do not depend on it. In numpy they wait for each other in
                its library, unless that is told to use one thread (``OPENBLAS_NUM_THREADS=1``).
            progress: called with rows done, rows in all (0 where only the end of the batches tells), and a word.
            verbose: show progress on standard error, where no `progress` is given.
            steps: how many batches to take of those that come.

        Returns:
            An array, a list or a dict, as the Keras model's outputs are.

        Raises:
            Mismatch: inputs of another count, name, shape or dtype, empty, or with ids out of range.
        """
        if is_dask(inputs, len(self.network.inputs)):
            if progress is not None or verbose:
                raise Unsupported("predict", "what is computed later shows no progress", LAZY_PROGRESS)
            if steps is not None:
                raise Unsupported("steps", "is given, but dask's collections have none", "leave it out")
            rows = None if batch_size is None else whole_number("batch_size", batch_size)
            return predict_lazily(self, inputs, rows, whole_number("threads", 1 if threads is None else threads))
        if verbose and progress is None:
            progress = _show
        workers = whole_number("threads", threads if threads is not None else cores())
        refs = list(dict.fromkeys(self.network.output_refs()))
        if is_batches(inputs):
            if batch_size is not None:
                raise Unsupported("batch_size", "is given, but batches are run as they come", "leave it out")
            taken = inputs_in(inputs, None if steps is None else whole_number("steps", steps))
            made = run_stream(self.engine, map(self._checked, taken), refs, workers, progress)
        else:
            if steps is not None:
                raise Unsupported("steps", "is given, but the inputs are read whole", "leave it out")
            arrays = self._checked(inputs)
            size = self.engine.rows_at_once(arrays, batch_size_of(arrays)) if batch_size is None else batch_size
            size = whole_number("batch_size", size)
            made = run_batches(self.engine, arrays, refs, size, workers, progress)
        return map_tensors(self.network.outputs, made.__getitem__)

    @contextmanager
    def _trained_on(self, trainer: Trainer, scheduler: Optional[str], workers: Optional[int]) -> Iterator[None]:
        if scheduler is None and workers is None:
            yield
        else:
            with trained_on(trainer, self.engine, scheduler, workers):
                yield

    def __call__(self, inputs: Any) -> Any:
        """What the Keras model called on a batch returns, at inference: `predict_on_batch`."""
        return self.predict_on_batch(inputs)

    def predict_on_batch(self, inputs: Any) -> Any:
        """What `predict` returns for one batch, in one run, as Keras' ``predict_on_batch``.

        Raises:
            Mismatch: as `predict`.
        """
        return self.predict(inputs, batch_size=batch_size_of(self._checked(inputs)), threads=1)

    def _checked(self, inputs: Any) -> dict[str, Array]:
        return check_inputs(inputs, self.network.inputs, self.engine.id_limits)

    def layer_outputs(self, inputs: Any) -> dict[str, Array]:
        """Every layer's output for the inputs, in one run, by ``layer:output`` (``lstm:0``).

        Raises:
            Mismatch: as `predict`.
        """
        self._complete()
        arrays = self._checked(inputs)
        return {str(ref): array for ref, array in self.engine.run(arrays).items()}

    def explain(self, sample: Any) -> Explanation:
        """Every layer's value for one sample, tokens and ids of texts first; ``print`` it, or read ``layers``.

        Args:
            sample: one text where the network takes one, or inputs as `predict` takes them, of one row.

        Raises:
            Mismatch: as `predict`, and for more than one row.
        """
        if self.engine.has_whole:
            self._complete()
        given = [sample] if isinstance(sample, (str, bytes)) else sample
        arrays = self._checked(given)
        if batch_size_of(arrays) != 1:
            what = f"{batch_size_of(arrays)} rows are given, one is explained at a time"
            raise Mismatch("explain", what, "give one text, or inputs of one row")
        outputs = {str(ref): array for ref, array in self.engine.run(arrays).items()}
        return explain_row(self.network, self.engine.front, arrays, outputs)

    def check(
        self, tolerance: Optional[float] = None, progress: Optional[Progress] = None, weights: bool = False
    ) -> Report:
        """Compare every layer with the references, alone and in the chain, and what `predict` runs.

        After training, and for a stored net, the references are computed anew, by the numpy engine; a stored net's
        archive is compared with Keras' own outputs.

        Args:
            tolerance: t of ``|a − b| ≤ t + t·|b|`` that is allowed everywhere; by default what float32 can hold.
            progress: called with calls done, calls in all, and the call's name.
            weights: find the weights that no reference shows, too; takes longer.

        Returns:
            The report; ``report.ok`` is the verdict, ``str(report)`` shows it, ``report.raise_if_bad()`` raises.
        """
        archive = self.engine if self.engine.is_partial else None
        report = check_network(self._referenced(), self.engine, tolerance, progress, weights)
        if archive is not None:
            report.runs = [*self._check_archive(archive, tolerance), *report.runs]
        return report

    def _check_archive(self, archive: Engine, tolerance: Optional[float]) -> list[RunVerdict]:
        """A stored net's archive against the outputs of Keras' that were stored with it."""
        judge = Judge(self.network, archive.rules, tolerance)
        if self.network.made_outputs() <= self.network.cases[0].outputs.keys():
            weights = check_stored_weights(self.network, archive, self.engine)
            return [*check_runs(self.network, archive, judge, "from the archive "), weights]
        why = "it was stored by an older porting, without Keras' outputs: store it again"
        return [RunVerdict("from the archive", why=f"not compared: {why}")]

    def weights(self) -> dict[str, Array]:
        """All weights by ``layer/weight``, in Keras' orientation, read from what runs."""
        self._complete()
        return self.engine.weights()

    @property
    def layers(self) -> list[Layer]:
        """The saved layers in running order, those of nested models apart: name, class, settings, weights."""
        self._complete()
        return list(self.network.layers.values())

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print layers, shapes and numbers of weights, as Keras' ``summary``."""
        self._complete()
        print_fn(summary(self.network))

    def get_weights(self) -> list[Array]:
        """All weights as Keras' ``get_weights`` lists them, as they are now.

        Raises:
            Unsupported: the model has weights that no output hangs on, which are not saved; or an older porting saved
                the network without Keras' order, and its layers do not stand in one row.
        """
        weights = self.weights()
        order = self.network.order
        if None in order:
            what = (
                f"{order.count(None)} of the {len(order)} weights that Keras lists are not saved: no output needs them"
            )
            raise Unsupported("get_weights", what, BY_NAME)
        if not order and not self.network.is_chain():
            what = "the folder does not say in which order Keras lists them: an older porting saved it"
            raise Unsupported("get_weights", what, f"save the model again, or {BY_NAME}")
        texts = {layer.name for layer in self.layers if layer.class_name in PREPROCESSING}
        names = order or tuple(name for name in weights if name.rpartition("/")[0] not in texts)
        return [weights[name] for name in names if name is not None]

    def _repr_html_(self) -> str:
        if self.engine.has_whole:
            self._complete()
        return network_html(self.network, f"{self.engine.name} ({self.engine.device})")

    @property
    def dnn(self) -> Any:
        """The live `neoml.Dnn.Dnn`.

        Raises:
            Unsupported: the engine is numpy.
        """
        return self.engine.dnn

    def save(self, folder: Union[str, Path], overwrite: bool = False) -> None:
        """Write a saved network with the weights as they are now; `porting.restore` takes them back to Keras.

        Its references are recomputed by the numpy engine; ``origin`` says so.

        Raises:
            BadArchive: the folder exists, or cannot be written.
        """
        write_network(self._referenced(), file_path("folder", folder), overwrite=overwrite)

    def _referenced(self) -> Network:
        """The network with references that fit its weights."""
        self._complete()
        network = self.network
        refs = {ref for call in network.calls for ref in call.refs()}
        fit = not self._is_tuned and all(case.covered() == refs for case in network.cases)
        return network if fit else with_references(network, self._engine.rules)

    def store(
        self, path: Union[str, Path], overwrite: bool = False, with_network: bool = True, shape: Any = None
    ) -> Path:
        """Write a native NeoML archive that any NeoML program loads, and its description beside it.

        `porting.load` opens what was written; it predicts, and learns on where its network was stored too.

        Args:
            path: of the archive; the description is ``path`` + ``.json``.
            overwrite: replace what is there.
            with_network: write the layers into the description, and the weights as Keras has them to ``path`` +
                ``.network.npz``: what `fit`, `check`, `weights`, `save`, `layer_outputs` of the loaded net need. The
                file may be left out where the net only predicts.
            shape: of the inputs, without the batch, where the archive is for one size: one for one input, a list in
                model order, or a dict by name. A net that hangs on the sizes of open axes needs it.

        Raises:
            Unsupported: the engine is not NeoML, or the net needs a shape.
            Mismatch: a shape that is not one of the inputs.
            BadArchive: the files exist, or cannot be written.
        """
        from .neoml_side.stored.store import store_net

        if shape is not None:
            self._complete()
        # What is stored is compared with references, and those of Keras fit its own weights.
        network = self._referenced() if self._is_tuned else self.network
        prove = partial(compare_engines, network)
        return store_net(network, self.engine, Path(path), prove, overwrite, with_network, shape)


def with_references(network: Network, rules: Mapping[str, Rule] = RULES) -> Network:
    """The network with the outputs of every case computed anew, by the numpy engine; ``origin`` tells."""
    engine = make_engine(network, "numpy", None, rules)
    cases = []
    for case in network.cases:
        made = engine.run(case.inputs)
        outputs = {ref: made[ref] for call in network.calls for ref in call.refs() if ref not in case.sampled}
        sampled = {ref: replace(one, values=one.same_of(made[ref])) for ref, one in case.sampled.items()}
        cases.append(Case(case.name, case.inputs, outputs, case.masks, sampled=sampled))
    return replace(network, cases=tuple(cases), origin={**network.origin, "references": "computed by numpy"})


def _show(done: int, whole: int, what: str) -> None:
    """One line on standard error; on a terminal it grows."""
    if done == whole or sys.stderr.isatty():
        print(f"\r{done}/{whole or '?'} {what}", end="\n" if done == whole else "", file=sys.stderr, flush=True)
