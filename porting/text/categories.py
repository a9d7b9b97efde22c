"""CategoryEncoding, Discretization, Hashing and HashedCrossing: values to categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Union

import numpy as np

from ..errors import Mismatch, Unsupported
from ..network import Array
from .encoding import encode
from .hashes import combine_fingerprints, fingerprint64
from .lookup import hash_bins
from .settings import (
    NO_SPARSE,
    SALT,
    LayerOfSettings,
    Setting,
    at_least,
    one_of,
    optional,
    output_dtype,
    read_settings,
    weight_of,
)
from .strings import Texts, holds_text, read_integers, read_texts, to_bytes

# The key that tf.sparse.cross_hashed begins with.
CROSSING_KEY = 0xDECAFCAFFE


@dataclass(frozen=True)
class CategoryEncoding(LayerOfSettings):
    """Keras' ``CategoryEncoding``. Exact but for ``sparse=True``; integers of any width are taken, where Keras' counts
    take int32 and int64 only."""

    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "num_tokens": Setting(None, at_least(1)),
        "output_mode": Setting("multi_hot", one_of("one_hot", "multi_hot", "count")),
        "sparse": NO_SPARSE,
    }

    num_tokens: int
    output_mode: str = "multi_hot"
    sparse: bool = False
    dtype: str = "float32"

    def __call__(self, values: Any, count_weights: Any = None) -> Array:
        """Indices of any shape to rows of `num_tokens`; see `encode` for the shapes. Larger indices appear nowhere.

        Raises:
            Mismatch: for values that are no integers, negative ones to be counted, and weights without counts.
        """
        weights = None
        if count_weights is not None:
            if self.output_mode != "count":
                what = f"count_weights have no meaning with output_mode={self.output_mode!r}"
                raise Mismatch("CategoryEncoding", what, "leave them out")
            weights = np.asarray(count_weights, self.dtype)
        return encode(read_integers(values), self.output_mode, self.num_tokens, self.dtype, weights)


@dataclass(frozen=True)
class Discretization:
    """Keras' ``Discretization``. Values and boundaries are compared as float32, as Keras and TensorFlow do.

    Attributes:
        output_dtype: of numbers of bins; Keras 3 gives int32, Keras 2 the layer's own dtype, int64.
        dtype: of the other modes.
    """

    bin_boundaries: Sequence[float]
    output_mode: str = "int"
    sparse: bool = False
    dtype: str = "float32"
    output_dtype: str = "int32"

    @property
    def made_dtype(self) -> str:
        return self.output_dtype if self.output_mode == "int" else self.dtype

    def __post_init__(self) -> None:
        if (np.diff(np.asarray(self.bin_boundaries, np.float32)) < 0).any():
            what = f"bin_boundaries={list(self.bin_boundaries)} do not rise"
            raise Unsupported("Discretization", what, "sort them; Keras takes no others either")

    @classmethod
    def from_layer(cls, config: Mapping[str, Any], weights: Mapping[str, Array]) -> Discretization:
        """From Keras' config and the weight ``bin_boundaries``; without the weight, the config's.

        Raises:
            Unsupported: for settings that are not done exactly, and for a layer that was never adapted.
        """
        settings = {
            "bin_boundaries": Setting(None, optional(lambda value: isinstance(value, (list, tuple)))),
            "num_bins": Setting(None, optional(at_least(0))),
            "epsilon": Setting(0.01, lambda value: isinstance(value, (int, float))),
            "output_mode": Setting("int", one_of("int", "one_hot", "multi_hot", "count")),
            "sparse": NO_SPARSE,
            "output_dtype": Setting("int32", one_of("int32", "int64", "float16", "float32", "float64")),
        }
        values = read_settings("Discretization", config, settings)
        boundaries = values["bin_boundaries"]
        if boundaries is None or "bin_boundaries" in weights:
            boundaries = weight_of("Discretization", config, weights, "bin_boundaries")
        dtype = output_dtype("Discretization", config, "float32")
        return cls(boundaries, values["output_mode"], values["sparse"], dtype, values["output_dtype"])

    def __call__(self, values: Any) -> Array:
        """Numbers of any shape to the number of boundaries that are not above them; NaN is above all.

        Returns:
            ``int``: in the values' shape. Otherwise rows of one more than there are boundaries.

        Raises:
            Mismatch: for values that are no numbers.
        """
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise Mismatch("Discretization", f"an array of {array.dtype} has no numbers", "give numbers")
        boundaries = as_compared(np.asarray(self.bin_boundaries))
        bins = np.searchsorted(boundaries, as_compared(array).reshape(-1), side="right").reshape(array.shape)
        return encode(bins, self.output_mode, len(boundaries) + 1, self.made_dtype)


def as_compared(values: Array) -> Array:
    """float32 as TensorFlow's kernels see it: its threads take what is below the least normal number for zero."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite there as well
        single = values.astype(np.float32)
    return np.where(np.abs(single) < np.finfo(np.float32).tiny, np.float32(0), single)


@dataclass(frozen=True)
class Hashing(LayerOfSettings):
    """Keras' ``Hashing``: FarmHash, or SipHash with a salt. Exact but for ``sparse=True``."""

    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "num_bins": Setting(None, at_least(1)),
        "mask_value": Setting(None, optional(lambda value: isinstance(value, (str, int, float)))),
        "salt": SALT,
        "output_mode": Setting("int", one_of("int", "one_hot", "multi_hot", "count")),
        "sparse": NO_SPARSE,
    }

    num_bins: int
    mask_value: Union[str, int, float, None] = None
    salt: Union[int, Sequence[int], None] = None
    output_mode: str = "int"
    sparse: bool = False
    dtype: str = "int64"

    def __call__(self, values: Any) -> Array:
        """Strings or numbers of any shape to bins; numbers are hashed by their decimal digits, floats cut to int64.

        Raises:
            Mismatch: for values that are neither, for floats beyond int64, and for a mask of another type.
        """
        masks = self.mask_value is not None and self.num_bins > 1
        bins = self.num_bins - 1 if masks else self.num_bins
        strings, shape, masked = self._read(values)
        ids = hash_bins(strings, bins, self.salt).reshape(shape)
        if masks:
            ids = np.where(masked, 0, ids + 1)
        return encode(ids, self.output_mode, self.num_bins, self.dtype)

    def _read(self, values: Any) -> tuple[list[bytes], tuple[int, ...], Array]:
        """The strings to hash in row-major order, the values' shape, and where the mask's value stands."""
        if holds_text(values):
            texts = read_texts(values)
            self._check_mask(str, "strings")
            mask = None if self.mask_value is None else to_bytes(str(self.mask_value))
            return texts.items, texts.shape, np.array([item == mask for item in texts.items], bool).reshape(texts.shape)
        array = _as_tensorflow(values)
        kinds = (int, float) if array.dtype.kind == "f" else int
        self._check_mask(kinds, f"values of {array.dtype}")
        masked = np.zeros(array.shape, bool) if self.mask_value is None else array == array.dtype.type(self.mask_value)
        if array.dtype.kind == "b":
            return [b"true" if value else b"false" for value in array.ravel()], array.shape, masked
        whole = read_integers(array) if array.dtype.kind == "f" else array
        return [b"%d" % value for value in whole.ravel().tolist()], array.shape, masked

    def _check_mask(self, kinds: Any, what: str) -> None:
        if self.mask_value is not None and self.num_bins > 1 and not isinstance(self.mask_value, kinds):
            problem = f"the input holds {what}, which mask_value={self.mask_value!r} cannot be compared with"
            raise Mismatch("Hashing", problem, "give values of the mask's type")


def _as_tensorflow(values: Any) -> Array:
    """An array; Python's floats become float32, as in ``tf.convert_to_tensor``."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" and array.size:
        raise Mismatch("values", f"an array of {array.dtype} holds no categories", "give strings or integers")
    is_typed = isinstance(values, (np.ndarray, np.generic)) or hasattr(values, "__array__")
    return array if is_typed or array.dtype.kind != "f" else array.astype(np.float32)


@dataclass(frozen=True)
class HashedCrossing(LayerOfSettings):
    """Keras' ``HashedCrossing``: FarmHash of strings, integers as they are, combined. Exact but for ``sparse=True``."""

    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "num_bins": Setting(None, at_least(1)),
        "output_mode": Setting("int", one_of("int", "one_hot")),
        "sparse": NO_SPARSE,
    }

    num_bins: int
    output_mode: str = "int"
    sparse: bool = False
    dtype: str = "int64"

    def __call__(self, features: Sequence[Any]) -> Array:
        """Two or more features of one shape, (), (batch,) or (batch, 1), of strings or integers, to bins.

        Raises:
            Mismatch: for fewer than two, for other shapes, and for floats and booleans, which Keras refuses as well.
        """
        columns = [_feature_fingerprints(feature) for feature in features]
        prints, shapes = [column for column, _ in columns], [shape for _, shape in columns]
        shape = shapes[0] if shapes else ()
        if len(prints) < 2 or len(set(shapes)) > 1 or shape[1:] not in ((), (1,)):
            what = f"features of shapes {shapes} cannot be crossed"
            raise Mismatch("HashedCrossing", what, "give two or more of one shape, (), (batch,) or (batch, 1)")
        start = np.full(len(prints[0]), CROSSING_KEY, np.uint64)
        crossed = reduce(combine_fingerprints, prints, start) % np.uint64(self.num_bins)
        return encode(crossed.astype(np.int64).reshape(shape), self.output_mode, self.num_bins, self.dtype)


def _feature_fingerprints(feature: Any) -> tuple[Array, tuple[int, ...]]:
    if holds_text(feature):
        texts: Texts = read_texts(feature)
        return fingerprint64(texts.items), texts.shape
    array = np.asarray(feature)
    if array.dtype.kind not in "iu" and array.size:
        raise Mismatch("HashedCrossing", f"a feature of {array.dtype}", "give strings or integers")
    return read_integers(array).astype(np.uint64).reshape(-1), array.shape
