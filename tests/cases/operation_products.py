"""Products of matrices, einsum and attention as operations."""

from __future__ import annotations

from tests.cases.functions import ROW, TABLE, of

CASES = [
    of("tensordot", lambda ops, x: ops.tensordot(x, TABLE, axes=[[2], [1]]), (3, 4)),
    of("tensordot_2", lambda ops, x: ops.tensordot(x, TABLE, axes=2), (3, 4)),
    of("dot", lambda ops, x: ops.dot(x, TABLE.T), (3, 4)),
    of("dot_product_attention", lambda ops, x, y: ops.dot_product_attention(x, y, y), (4, 4, 3), (5, 2, 3)),
    of(
        "dot_product_attention_causal",
        lambda ops, x, y: ops.dot_product_attention(x, y, y, is_causal=True, scale=0.7),
        (None, 2, 3),
        (None, 2, 3),
    ),
    of("matmul", lambda ops, x, y: ops.matmul(x, y), (3, 4), (4, 5)),
    of("matmul_rank_4", lambda ops, x, y: x @ ops.transpose(y, (0, 1, 3, 2)), (2, None, 4), (2, 3, 4)),
    of("matmul_spread", lambda ops, x, y: x @ y, (1, 3, 4), (2, 4, 5)),
    of("matmul_constant", lambda ops, x: ops.matmul(x, TABLE.T)),
    of("matmul_constant_on_the_left", lambda ops, x: ops.matmul(TABLE, x), (4, 5)),
    of("matmul_vector", lambda ops, x: ops.matmul(x, ROW), (3, 4)),
    of("matmul_with_itself", lambda ops, x: x @ ops.swapaxes(x, 1, 2)),
    of("einsum", lambda ops, x, y: ops.einsum("abc,abd->acd", x, y), (3, 4), (3, 5)),
    of("einsum_transposed", lambda ops, x, y: ops.einsum("btd,bsd->bst", x, y), (None, 4), (3, 4)),
    of("einsum_heads", lambda ops, x, y: ops.einsum("bthd,bshd->bhts", x, y), (None, 2, 4), (3, 2, 4)),
    of("einsum_one", lambda ops, x: ops.einsum("abc->acb", x), (3, 4)),
    of("einsum_sum", lambda ops, x: ops.einsum("abc->ac", x), (3, 4)),
    of("einsum_ellipsis", lambda ops, x: ops.einsum("...c,dc->...d", x, TABLE), (3, 4)),
    of("einsum_outer", lambda ops, x, y: ops.einsum("ab,ac->abc", x, y), (3,), (4,)),
    of("einsum_rows", lambda ops, x, y: ops.einsum("abc,abc->ab", x, y), (3, 4), (3, 4)),
    of("einsum_three", lambda ops, x, y: ops.einsum("abc,acd,ed->abe", x, y, TABLE), (3, 2), (2, 4)),
    of("einsum_diagonal", lambda ops, x: ops.einsum("abb->ab", x), (3, 3), refused="diagonal"),
    of("matmul_rank_6", lambda ops, x, y: x @ y, (2, 1, 2, 3, 4), (2, 3, 1, 4, 2)),
]
