"""Dense, Embedding and the layers that change nothing."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, layer

SHAPES = {"2d": (5,), "3d": (None, 5), "4d": (3, None, 5), "5d": (2, 3, 2, 5), "width_1": (1,), "3d_width_1": (None, 1)}


def repeated_ids(keras: Any) -> Any:
    ids = keras.Input((3,), dtype="int32")
    return keras.Model(ids, keras.layers.Embedding(7, 3)(keras.layers.RepeatVector(2)(ids)))


def computed_ids(keras: Any) -> Any:
    """Ids that the network itself computes, of whole numbers and of features."""
    ids, x = keras.Input((None,), dtype="int32"), keras.Input((None, 4))
    ops, layers = keras.ops, keras.layers
    outputs = [
        layers.Embedding(7, 3)(ops.clip(ids, 0, 6)),
        layers.Embedding(4, 3)(ops.argmax(x, axis=-1)),
        layers.Embedding(5, 2)(ops.cast(ops.sigmoid(x) * 5, "int32")),
        layers.Embedding(5, 2)(ops.sigmoid(x[:, 0]) * 5),
    ]
    return keras.Model([ids, x], outputs)


def computed_ids_masked(keras: Any) -> Any:
    ids = keras.Input((None,), dtype="int32")
    looked_up = keras.layers.Embedding(7, 3, mask_zero=True)(keras.ops.clip(ids, 0, 6))
    return keras.Model(ids, keras.layers.LSTM(2)(looked_up))


def computed_ids_twice(keras: Any) -> Any:
    """Ids that hang on what ids looked up that were computed."""
    x = keras.Input((3, 4))
    first = keras.layers.Embedding(4, 5)(keras.ops.argmax(x, axis=-1))
    return keras.Model(x, keras.layers.Embedding(5, 2)(keras.ops.argmax(first, axis=-1)))


CASES = [
    *(Case(f"dense_{name}", layer("Dense", 4), (shape,)) for name, shape in SHAPES.items()),
    *(Case(f"dense_{name}_no_bias", layer("Dense", 1, use_bias=False), (shape,)) for name, shape in SHAPES.items()),
    Case("dense_with_activation", layer("Dense", 3, activation="gelu"), ((None, 5),)),
    Case("dense_softmax", layer("Dense", 3, activation="softmax"), ((2, 3, 5),)),
    Case("embedding", layer("Embedding", 7, 3), ((None,),), "int32"),
    Case("embedding_of_floats", layer("Embedding", 7, 3), ((None,),)),
    Case("embedding_of_int8", layer("Embedding", 300, 3), ((None,),), "int8"),
    Case("embedding_width_1", layer("Embedding", 2, 1), ((4,),), "int32"),
    Case("embedding_3d", layer("Embedding", 7, 3), ((2, None),), "int32"),
    Case("embedding_of_repeated_ids", repeated_ids),
    Case("embedding_of_computed_ids", computed_ids),
    Case("embedding_of_computed_ids_masked", computed_ids_masked),
    Case("embedding_of_computed_ids_twice", computed_ids_twice),
    Case("dropout", layer("Dropout", 0.5), ((None, 5),)),
    Case("identity", layer("Identity"), ((None, 5),), masked=True),
    Case("spatial_dropout", layer("SpatialDropout1D", 0.5), ((None, 5),)),
    Case("spatial_dropout_2d", layer("SpatialDropout2D", 0.5), ((3, 3, 2),)),
    Case("spatial_dropout_3d", layer("SpatialDropout3D", 0.5), ((3, 3, 2, 2),)),
    Case("gaussian_dropout", layer("GaussianDropout", 0.5), ((5,),)),
    Case("alpha_dropout", layer("AlphaDropout", 0.5), ((5,),)),
    Case("activity_regularization", layer("ActivityRegularization", 0.1, 0.2), ((5,),)),
    Case("gaussian_noise", layer("GaussianNoise", 0.5), ((5,),)),
    Case("masked_dense", (layer("Dense", 3), layer("LSTM", 2)), ((None, 5),), masked=True),
]
