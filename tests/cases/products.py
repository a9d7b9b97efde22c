"""EinsumDense and Dot."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, layer


def dot_attended(keras: Any) -> Any:
    """A Dot of masked steps hands on no mask, so the attention behind it heeds none."""
    ids = keras.Input((5,), dtype="int32")
    steps = keras.layers.Embedding(7, 4, mask_zero=True)(ids)
    products = keras.layers.Dot(axes=(2, 2))([steps, steps])
    return keras.Model(
        ids, [keras.layers.Attention()([products, products]), keras.layers.GlobalAveragePooling1D()(products)]
    )


CASES = [
    Case("einsum_dense", layer("EinsumDense", "ab,bc->ac", 6, bias_axes="c"), ((4,),)),
    Case("einsum_dense_3d", layer("EinsumDense", "abc,cd->abd", (None, 6), bias_axes="d"), ((None, 4),)),
    Case("einsum_dense_ellipsis", layer("EinsumDense", "...x,xy->...y", 6, activation="relu"), ((3, None, 4),)),
    Case("einsum_dense_heads", layer("EinsumDense", "abc,cde->abde", (None, 2, 3), bias_axes="de"), ((None, 4),)),
    Case("einsum_dense_two_open", layer("EinsumDense", "abcd,def->abcef", (None, None, 2, 3)), ((None, None, 4),)),
    Case("einsum_dense_bias_e", layer("EinsumDense", "abc,cde->abde", (5, 2, 3), bias_axes="be"), ((5, 4),)),
    Case("einsum_dense_turned", layer("EinsumDense", "abc,dc->adb", (6, 3), bias_axes="d"), ((3, 4),)),
    Case("einsum_dense_two", layer("EinsumDense", "abcd,cde->abe", (None, 6), bias_axes="e"), ((None, 2, 3),)),
    Case("einsum_dense_time", layer("EinsumDense", "abc,bd->adc", (6, 4)), ((3, 4),)),
    Case("einsum_dense_batched", layer("EinsumDense", "abc,bcd->abd", (3, 6), bias_axes="bd"), ((3, 4),)),
    Case("einsum_dense_right", layer("EinsumDense", "ab...,bc->ac...", (6,)), ((3, 2, 4),)),
    Case("dot", layer("Dot", 1), ((4,), (4,)), together=True),
    Case("dot_normalize", layer("Dot", -1, normalize=True), ((4,), (4,)), together=True),
    Case("dot_3d", layer("Dot", (2, 1)), ((3, 4), (4, 5)), together=True),
    Case("dot_3d_open", layer("Dot", 2), ((None, 4), (3, 4)), together=True),
    Case("dot_time", layer("Dot", (1, 1), normalize=True), ((3, 4), (3, 5)), together=True),
    Case("dot_2d_3d", layer("Dot", (1, 2)), ((4,), (3, 4)), together=True),
    Case("dot_3d_2d", layer("Dot", (2, 1)), ((None, 4), (4,)), together=True),
    Case("dot_4d", layer("Dot", (3, 2)), ((2, 3, 4), (5, 4)), together=True),
    # Of two embeddings with masks, before an attention, which would heed a mask.
    Case("dot_of_masked_steps", dot_attended),
    Case("einsum_ellipsis_sized", layer("EinsumDense", "...x,xy->...y", output_shape=(4,), bias_axes="y"), ((4, 5),)),
]
