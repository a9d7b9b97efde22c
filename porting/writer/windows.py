"""Windows, images and convolutions as numpy statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from ..layers.windows import transposed_margins
from ..network import Array
from ..operations import Weight
from .base import Code, StatementBase, number
from .trace import ATOM, PRODUCT, SUM, Term, Traced


class WindowStatements(StatementBase):
    """`porting.operations.ConvolutionOperations` and `ImageOperations` whose tensors are expressions."""

    def _convolved(
        self, helper: str, x: Traced, kernel: Weight, bias: Optional[Weight], options: Sequence[str]
    ) -> Term:
        weights = [self._weight(kernel)] + ([] if bias is None else [self._weight(bias)])
        return self._call(helper, self._floating(x), *weights, *options, hint="convolved")

    def convolution(self, x: Traced, kernel: Weight, bias: Optional[Weight] = None, **options: Any) -> Traced:
        values = self._values(self.numpy.convolution, x, kernel, bias, **options)
        given = window_options(options) + ([f"groups={options['groups']}"] if options.get("groups", 1) != 1 else [])
        return Traced(self._convolved("convolve", x, kernel, bias, given), values)

    def depthwise_convolution(self, x: Traced, kernel: Weight, bias: Optional[Weight] = None, **options: Any) -> Traced:
        values = self._values(self.numpy.depthwise_convolution, x, kernel, bias, **options)
        return Traced(self._convolved("convolve_depthwise", x, kernel, bias, window_options(options)), values)

    def transposed_convolution(
        self,
        x: Traced,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sequence[int],
        padding: str,
        output_padding: Optional[Sequence[int]],
        dilation: Sequence[int],
    ) -> Traced:
        options = {"strides": strides, "padding": padding, "output_padding": output_padding, "dilation": dilation}
        values = self._values(self.numpy.transposed_convolution, x, kernel, bias, **options)
        more: Sequence[Optional[int]] = output_padding or [None] * len(strides)
        sizes = zip(kernel.shape[:-2], strides, more, dilation)
        amounts = [transposed_margins(k, s, padding, o, d) for k, s, o, d in sizes]
        given = [f"strides={tuple(strides)}", f"dilation={tuple(dilation)}", f"amounts={amounts}"]
        return Traced(self._convolved("convolve_transposed", x, kernel, bias, given), values)

    def pool(self, x: Traced, name: str, window: Sequence[int], strides: Sequence[int], padding: str) -> Traced:
        values = self._values(self.numpy.pool, x, name, window, strides, padding)
        more = [str(tuple(window)), str(tuple(strides)), *([] if padding == "valid" else [f'"{padding}"'])]
        given = x if name == "max" else self._floating(x)
        return Traced(self._call(f"{name}_pool", given, *more, hint="pooled"), values)

    def pad(self, x: Traced, amounts: Sequence[tuple[int, int]], value: float = 0.0) -> Traced:
        values = self._values(self.numpy.pad, x, amounts, value)
        more = [str([tuple(map(int, pair)) for pair in amounts]), *([number(value)] if value else [])]
        return Traced(self._call("padded", x, *more, hint="grown"), values)

    def upsample(self, x: Traced, times: Sequence[int]) -> Traced:
        values = self._values(self.numpy.upsample, x, times)
        term = x.term
        for axis, count in enumerate(times, 1):
            if count != 1:
                term = self.trace.add(f"np.repeat({{0}}, {count}, axis={axis})", [term], hint="repeated")
        return Traced(term, values)

    def resample(self, x: Traced, axis: int, matrix: Array) -> Traced:
        values = self._values(self.numpy.resample, x, axis, matrix)
        at = axis % x.rank
        code = f"np.moveaxis(np.tensordot({{0}}, {{1}}, ({at}, 1)), -1, {at})"
        operands: list[Code] = [self._floating(x).term, self._constant(np.asarray(matrix))]
        return Traced(self.trace.add(code, operands, hint="resized"), values)

    def scale_and_shift(self, x: Traced, scale: Optional[Array], shift: Optional[Array], axis: int) -> Traced:
        values = self._values(self.numpy.scale_and_shift, x, scale, shift, axis)
        x = self._floating(x)
        behind = x.rank - 1 - axis % x.rank
        term = x.term
        for vector, symbol, binds in ((scale, "*", PRODUCT), (shift, "+", SUM)):
            if vector is not None:
                shaped = np.asarray(vector).reshape(-1, *[1] * behind)
                operands: list[Code] = [term, self._constant(shaped)]
                term = self.trace.add(f"{{0}} {symbol} {{1}}", operands, binds=binds, asks=(binds, ATOM), hint="scaled")
        return Traced(term, values)

    def batch_normalization(
        self,
        x: Traced,
        mean: Weight,
        variance: Weight,
        gamma: Optional[Weight] = None,
        beta: Optional[Weight] = None,
        *,
        epsilon: float,
        axis: int,
    ) -> Traced:
        values = self._values(
            self.numpy.batch_normalization, x, mean, variance, gamma, beta, epsilon=epsilon, axis=axis
        )
        x = self._floating(x)
        behind = x.rank - 1 - axis % x.rank

        def vector(weight: Weight) -> str:
            return self._weight(weight if not behind else weight.arranged(shape=(-1, *[1] * behind)))

        more = [f"{key}={vector(weight)}" for key, weight in (("gamma", gamma), ("beta", beta)) if weight is not None]
        given = [vector(mean), vector(variance), repr(float(epsilon)), *more]
        return Traced(self._call("batch_normalize", x, *given, hint="normal"), values)

    def time_to_batch(self, x: Traced) -> Traced:
        term = self.trace.add("{0}.reshape(-1, *{0}.shape[2:])", [x.term], asks=ATOM, hint="steps")
        return Traced(term, self._values(self.numpy.time_to_batch, x))

    def batch_to_time(self, x: Traced, like: Traced) -> Traced:
        code = "{0}.reshape(*{1}.shape[:2], *{0}.shape[1:])"
        term = self.trace.add(code, [x.term, like.term], asks=ATOM, hint="sequence")
        return Traced(term, self._values(self.numpy.batch_to_time, x, like))


def window_options(options: dict[str, Any]) -> list[str]:
    given = [f"strides={tuple(options['strides'])}", f"dilation={tuple(options['dilation'])}"]
    return given + ([f'padding="{options["padding"]}"'] if options["padding"] != "valid" else [])
