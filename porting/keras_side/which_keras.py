"""Which Keras a model is of."""

from __future__ import annotations

from typing import Any

from ..errors import Unsupported
from .keras3 import Keras3
from .keras_api import KerasApi


def keras_api_of(model: Any) -> KerasApi:
    """The API of the Keras that a model is of.

    Raises:
        Unsupported: the object is not a Keras model.
    """
    roots = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if not roots & {"keras", "tf_keras"} or not hasattr(model, "layers"):
        raise Unsupported(
            "", f"not a Keras model: {type(model).__name__}", "give a keras.Sequential or a functional keras.Model"
        )
    if "tf_keras" in roots or _major_version() < 3:
        from .keras2 import Keras2

        api: KerasApi = Keras2("tf_keras" if "tf_keras" in roots else "keras")
        return api
    return Keras3()


def _major_version() -> int:
    import keras

    return int(str(keras.__version__).partition(".")[0])
