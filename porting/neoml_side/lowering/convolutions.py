"""Convolutions as NeoML layers.

NeoML convolves over height, width and depth, with the features in the channels; every other dimension counts
objects. What it lacks is made here: TensorFlow's asymmetric padding, groups, depthwise dilation and multipliers,
transposed convolutions of any output size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ...layers.rule import Refusal
from ...layers.windows import margins, output_size, transposed_margins, transposed_size
from ...network import Array
from ...operations import Weight
from ..graph import Port
from ..slots import Parameter, Piece, blob_shape, blob_view
from ..values import Wire
from . import base
from .images import pad, spatial

Sizes = Sequence[int]
Group = Optional[tuple[int, int]]
WINDOW = "HWD"
PLANE = 2


@dataclass(frozen=True)
class KernelLayout:
    """How a kernel lies in a NeoML layer.

    Attributes:
        layout: the blob dimension of each of its axes, the window's in front.
        part: from where to where it holds the last axis; None for all of it.
        spread: by how much its window is dilated with zeros.
        grown: how many zeros end its window.
        merged: its last two axes are one.
    """

    layout: str
    part: Group = None
    spread: tuple[int, ...] = ()
    grown: tuple[int, ...] = ()
    merged: bool = False

    @property
    def has_zeros(self) -> bool:
        return any(step > 1 for step in self.spread) or any(self.grown)

    def of(self, kernel: Weight) -> Parameter:
        """The parameter that holds the kernel."""
        filters = kernel.shape[-1] if self.part is None else self.part[1] - self.part[0]
        shape = (*kernel.shape[:-1], filters)
        rest = (shape[-2] * shape[-1],) if self.merged else shape[-2:]
        sizes = blob_shape((*self._window(shape[:-2]), *rest), self.layout)

        def seen(slot: Array) -> Array:
            window = blob_view(slot.reshape(sizes), self.layout)[self._kept(shape[:-2])]
            return window.reshape(shape)

        return Parameter.of(sizes, Piece(kernel, seen, placed(self.part)))

    def _steps(self, axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.spread or (1,) * axes, self.grown or (0,) * axes

    def _window(self, window: Sizes) -> tuple[int, ...]:
        spread, grown = self._steps(len(window))
        return tuple((k - 1) * step + 1 + more for k, step, more in zip(window, spread, grown))

    def _kept(self, window: Sizes) -> tuple[slice, ...]:
        spread, _ = self._steps(len(window))
        return tuple(slice(0, (k - 1) * step + 1, step) for k, step in zip(window, spread))


def placed(group: Group) -> Any:
    """Where in a weight its last axis is cut."""
    return ... if group is None else (..., slice(*group))


def bias_parameter(bias: Optional[Weight], group: Group = None) -> dict[str, Parameter]:
    """A bias, or a part of one, in the free term."""
    if bias is None:
        return {}
    return {"free_term": Parameter.whole(bias) if group is None else Parameter.laid_out(bias, "C", placed(group))}


def plane(values: Sizes, rest: int) -> tuple[int, ...]:
    """A number for each of height and width."""
    return (*values, rest)[:PLANE] if len(values) < PLANE else tuple(values)


class ConvolutionOperations(base.Part):
    """`porting.operations.ConvolutionOperations` over a `Graph`."""

    def convolution(
        self,
        x: Wire,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sizes,
        padding: str,
        dilation: Sizes,
        groups: int = 1,
    ) -> Wire:
        learns_zeros = self.in_training and any(step > 1 for step in dilation)
        if groups > 1 and kernel.shape[-2] == 1 and len(strides) <= PLANE and not learns_zeros:
            return self.depthwise_convolution(x, kernel, bias, strides=strides, padding=padding, dilation=dilation)
        image, native, shape = self._prepared(x, kernel.shape[:-2], strides, padding, dilation)
        if set(kernel.shape[:-2]) == {1} and max(strides) > 1 and len(strides) <= PLANE and not self.in_training:
            image, strides = self._thinned(image, strides), (1,) * len(strides)
        if groups == 1:
            port = self._convolve(image.port, kernel, bias, None, strides, native, dilation)
            port.node.image_width = image.shape[PLANE] if len(strides) == PLANE else None
        else:
            port = self._by_groups(image, kernel, bias, strides, native, dilation, groups)
        return image.made(port, (*shape, kernel.shape[-1]))

    def _prepared(
        self, x: Wire, window: Sizes, strides: Sizes, padding: str, dilation: Sizes
    ) -> tuple[Wire, tuple[int, ...], tuple[Optional[int], ...]]:
        """The image padded where NeoML cannot, the padding that it can, and the shape without features."""
        image = spatial(x, len(window))
        sizes = image.shape[1:-1]
        amounts = margins(padding, sizes, window, strides, dilation)
        shape = (image.shape[0], *map(output_size, sizes, amounts, window, strides, dilation))
        if all(before == after for before, after in amounts):
            return image, tuple(before for before, _ in amounts), shape
        grown = spatial(pad(image, [*amounts, (0, 0)]), len(window))
        return grown, (0,) * len(window), shape

    def _thinned(self, image: Wire, strides: Sizes) -> Wire:
        """Every so many steps of an image: a pool over windows of one step.

        A 1x1 convolution of what is left is one matrix product; with strides NeoML gathers its windows first, which
        took two and a half times as long in ResNet50.
        """
        port = self.graph.add("MaxPooling", image.port, filter_size=(1, 1), stride_size=plane(strides, 1))
        return image.made(port)

    def _convolve(
        self,
        image: Port,
        kernel: Weight,
        bias: Optional[Weight],
        part: Group,
        strides: Sizes,
        padding: Sizes,
        dilation: Sizes,
    ) -> Port:
        axes = len(kernel.shape) - 2
        layout = WINDOW[:axes] + "CB"
        filters = kernel.shape[-1] if part is None else part[1] - part[0]
        biased = bias_parameter(bias, part)
        if axes <= PLANE:
            return self.graph.add(
                "Conv",
                image,
                filter_count=filters,
                filter_size=plane(kernel.shape[:-2], 1),
                stride_size=plane(strides, 1),
                padding_size=plane(padding, 0),
                dilation_size=plane(dilation, 1),
                parameters={"filter": KernelLayout(layout, part).of(kernel), **biased},
            )
        slot = KernelLayout(layout, part, tuple(dilation))
        self._refuse_zeros(slot, "a dilated 3-D convolution")
        return self.graph.add(
            "Conv3D",
            image,
            filter_count=filters,
            filter_size=slot._window(kernel.shape[:-2]),
            stride_size=tuple(strides),
            padding_size=tuple(padding),
            parameters={"filter": slot.of(kernel), **biased},
        )

    def _by_groups(
        self,
        image: Wire,
        kernel: Weight,
        bias: Optional[Weight],
        strides: Sizes,
        padding: Sizes,
        dilation: Sizes,
        groups: int,
    ) -> Port:
        """A convolution for each group of channels, split off one after another."""
        width, filters = kernel.shape[-2], kernel.shape[-1] // groups
        made, rest = [], image.port
        for group in range(groups):
            own = rest
            if group < groups - 1:
                own = self.graph.add("SplitChannels", rest, sizes=[width], outputs=2)
                rest = Port(own.node, 1)
            part = (group * filters, (group + 1) * filters)
            made.append(self._convolve(own, kernel, bias, part, strides, padding, dilation))
        return self.graph.add("ConcatChannels", *made)

    def _refuse_zeros(self, slot: KernelLayout, what: str) -> None:
        if self.in_training and slot.has_zeros:
            raise Refusal(f"{what} is built with zeros in its kernel, which NeoML would train", "train it in Keras")

    # ---- channel by channel

    def depthwise_convolution(
        self,
        x: Wire,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sizes,
        padding: str,
        dilation: Sizes,
    ) -> Wire:
        """Each channel with filters of its own, one after another in the kernel's last two axes together."""
        window, filters = kernel.shape[:-2], int(np.prod(kernel.shape[-2:]))
        image, native, shape = self._prepared(x, window, strides, padding, dilation)
        slot = KernelLayout(WINDOW[: len(window)] + "C", spread=tuple(dilation), merged=True)
        self._refuse_zeros(slot, "a dilated depthwise convolution")
        port = self.graph.add(
            "ChannelwiseConv",
            self._repeated_channels(image, filters),
            filter_count=filters,
            filter_size=plane(slot._window(window), 1),
            stride_size=plane(strides, 1),
            padding_size=plane(native, 0),
            parameters={"filter": slot.of(kernel), **bias_parameter(bias)},
        )
        return image.made(port, (*shape, filters))

    def _repeated_channels(self, image: Wire, filters: int) -> Port:
        """Every channel as many times as it has filters, by a product with zeros and ones."""
        channels = image.size(-1)
        if channels == filters:
            return image.port
        copies = np.repeat(np.eye(channels, dtype=np.float32), filters // channels, 1)
        return self.graph.add(
            "Conv",
            image.port,
            filter_count=filters,
            filter_size=(1, 1),
            parameters={"filter": Parameter.fixed(copies, "CB")},
        )

    # ---- transposed

    def transposed_convolution(
        self,
        x: Wire,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sizes,
        padding: str,
        output_padding: Optional[Sizes],
        dilation: Sizes,
    ) -> Wire:
        window = kernel.shape[:-2]
        image = spatial(x, len(window))
        more: Sequence[Optional[int]] = output_padding or [None] * len(window)
        amounts = [transposed_margins(*axis) for axis in zip(window, strides, [padding] * len(window), more, dilation)]
        shape = (image.shape[0], *map(transposed_size, image.shape[1:-1], amounts, window, strides, dilation))
        # Steps beyond the last window hold the bias alone: zeros at the kernel's end make them.
        grown = tuple(max(after, 0) for _, after in amounts)
        port = self._transposed(image, kernel, bias, strides, dilation, grown)
        made = image.made(port, (*(None for _ in shape), kernel.shape[-2]))
        margin = [(before, min(after, 0)) for before, after in amounts]
        made = spatial(pad(made, [*margin, (0, 0)]), len(window))
        return made.made(made.port, (*shape, kernel.shape[-2]))

    def _transposed(
        self, image: Wire, kernel: Weight, bias: Optional[Weight], strides: Sizes, dilation: Sizes, grown: Sizes
    ) -> Port:
        axes, filters = len(strides), kernel.shape[-2]
        flat = axes <= PLANE
        natively_dilated = flat and not any(grown)
        slot = KernelLayout(
            WINDOW[:axes] + "CB", spread=() if natively_dilated else tuple(dilation), grown=tuple(grown)
        )
        self._refuse_zeros(slot, "a transposed convolution of this window, stride and dilation")
        size = slot._window(kernel.shape[:-2])
        settings: dict[str, Any] = {"dilation_size": plane(dilation, 1)} if natively_dilated else {}
        return self.graph.add(
            "TransposedConv" if flat else "TransposedConv3D",
            image.port,
            filter_count=filters,
            filter_size=plane(size, 1) if flat else size,
            stride_size=plane(strides, 1) if flat else tuple(strides),
            parameters={"filter": slot.of(kernel), **bias_parameter(bias)},
            **settings,
        )
