"""Keras' operations that neither engine has, each with the reason and a way out."""

from __future__ import annotations

from typing import Any

from ..operations import Operations, Tensor
from .operation_kinds import Apply, snake
from .rule import LayerView, rule

COMPLEX, PARTS = "complex numbers are not handled", "compute with their real and imaginary parts"

REASONS = {
    "Argpartition": ("the order within the parts of argpartition is not determined", "use argsort"),
    "Correlate": ("correlate runs along the rows of a batch", "use a Conv1D with a fixed kernel"),
    "CTCDecode": ("decoded sequences have a length that only a run tells", "decode what the network gives"),
    "CTCLoss": ("a CTC loss is not handled", "port the network in front of it"),
    "LuFactor": ("LU factors are not handled", "use solve, or qr"),
    "Ndim": ("an operation that counts axes when the network runs is not handled", "use len(x.shape)"),
    "Nonzero": ("the places of nonzero values have a shape that only a run tells", "use where, or count_nonzero"),
    "Polar": (COMPLEX, PARTS),
    "Rearrange": ("rearrange is not handled", "use reshape and transpose"),
    "Size": ("size counts the rows of a batch", "use the sizes of x.shape[1:]"),
    "Unique": ("different values have a shape that only a run tells", "find them in what the network gives"),
    "UnravelIndex": ("Keras counts the places of unravel_index otherwise over each backend", "use // and %"),
    "Vander": ("vander makes a row of each number of a batch", "use stack with powers"),
    "View": ("the bits of numbers read as others are not handled", "use cast"),
    "ViewAsComplex": (COMPLEX, PARTS),
    "ViewAsReal": (COMPLEX, PARTS),
}
MIXING_ROWS = {
    "AllClose": "use isclose",
    "Corrcoef": "use einsum",
    "Diag": "multiply by a constant eye",
    "Diagflat": "multiply by a constant eye",
    "Flipud": "use flip with axis=1",
    "Histogram": "use digitize and one_hot",
    "Kron": "use einsum",
    "Lstsq": "use solve of the normal equations",
    "MapCoordinates": "use affine_transform, or take along one axis",
    "Meshgrid": "use repeat, one axis at a time",
    "Outer": "use einsum",
    "PSNR": "use mean and log10 over the other axes",
    "Ravel": "use Flatten",
    "Scatter": "use one_hot",
    "ScatterUpdate": "use slice_update, or where",
    "SegmentMax": "use where",
    "SegmentMin": "use where",
    "SegmentProd": "use where",
    "SegmentSum": "use matmul with one_hot",
    "Vdot": "use einsum",
    "Vsplit": "use split with axis=1",
    "Vstack": "use concatenate with axis=1",
}
REASONS.update({name: (f"{snake(name)} mixes the rows of a batch", way_out) for name, way_out in MIXING_ROWS.items()})


def refusing(what: str, way_out: str) -> Apply:
    def apply(layer: LayerView, *x: Any, ops: Operations) -> Tensor:
        raise layer.refuse(what, way_out)

    return apply


for class_name, reason in REASONS.items():
    rule(f"ops.{class_name}", mask="stop", note=reason[0], neoml="refused", numpy="refused")(refusing(*reason))
