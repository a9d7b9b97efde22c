"""Matrix products of tensors, as NeoML layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from string import ascii_letters
from typing import Optional, TypeVar

import numpy as np

from ...dtypes import is_whole
from ...layers.rule import Refusal
from ...operations import Weight, promoted_type
from ..graph import Node
from ..values import EXACT, RUN_IN_NUMPY, Range, Wire, canonical
from .base import Operand, Part

# NeoML's tied layer knows no height, width or depth.
TIED = {2: "BC", 3: "BLC", 4: "BLSC"}
# Where the axes before the last two lie: NeoML multiplies the height x channels matrices of every other dimension.
BATCH = {3: "B", 4: "BS", 5: "BSL"}


Sizes = dict[str, Optional[int]]
Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class Labelled:
    """An operand of an einsum, a letter for each axis."""

    letters: str
    operand: Operand


class ProductOperations(Part):
    """Products of two tensors, or of a tensor and a weight."""

    def matmul(self, a: Operand, b: Operand, transpose_b: bool = False) -> Wire:
        if isinstance(b, Weight) and isinstance(a, Wire) and len(b.shape) <= 2:
            return self._by_weight(a, b, transpose_b)
        left, right = self._matrices(a, b)
        if transpose_b:
            right = self.transpose(right, (*range(right.rank - 2), right.rank - 1, right.rank - 2))
        if left.rank == 2:
            raise Refusal("a product of two tensors over the batch axis")
        left, right = self._spread_rows(left, right)
        if left.rank not in BATCH:
            return self._product_of_rows(left, right)
        layout = BATCH[left.rank] + "HC"
        left, right = left.to(layout), right.to(layout)
        port = self.graph.add("MatrixMultiplication", left.port, right.port)
        return left.made(port, (*left.shape[:-1], right.shape[-1]))

    def _product_of_rows(self, left: Wire, right: Wire) -> Wire:
        """The axes between the batch and the matrices as one."""
        rows = _joint(dict(enumerate(left.shape)), range(1, left.rank - 2))
        first, second = (self.reshape(x, [-1 if rows is None else rows, x.size(-2), x.size(-1)]) for x in (left, right))
        shape = [*left.shape[1:-1], right.shape[-1]]
        return self.reshape(self.matmul(first, second), [-1 if size is None else size for size in shape])

    def einsum(self, equation: str, operands: Sequence[Operand]) -> Wire:
        terms, output = parse_einsum(equation, [len(_shape(one)) for one in operands])
        for term in (*terms, output):
            if len(set(term)) != len(term):
                raise Refusal(f"einsum {equation!r} takes a diagonal", RUN_IN_NUMPY)
        labelled = Labelled(terms[0], operands[0])
        if is_whole(dtype := promoted_type(*operands)):
            return self.cast(self._whole_product(equation, terms, output, operands), dtype)
        for number in range(1, len(operands)):
            kept = set(output).union(*terms[number + 1 :])
            labelled = self._contract(labelled, Labelled(terms[number], operands[number]), kept)
        x = self._summed(Labelled(labelled.letters, self._wire(labelled.operand)), set(output))
        return self.transpose(self._wire(x.operand), [x.letters.index(letter) for letter in output])

    def _whole_product(self, equation: str, terms: list[str], output: str, operands: Sequence[Operand]) -> Wire:
        """A product of whole numbers that float32 is known to hold, with every sum on the way."""
        sizes = {letter: size for term, one in zip(terms, operands) for letter, size in zip(term, _shape(one))}
        summed = [sizes[letter] for letter in sizes if letter not in output]
        largest = prod(max(map(abs, range_of(one))) for one in operands) * prod(size or EXACT for size in summed)
        if largest > EXACT:
            what = f"einsum {equation!r} of whole numbers that may pass 2**24, up to which NeoML's products are exact"
            raise Refusal(what, RUN_IN_NUMPY)
        floats = [
            self._floating(one) if isinstance(one, Wire) else replace(one, value=one.value.astype(np.float32))
            for one in operands
            if isinstance(one, (Wire, Weight))
        ]
        return self.einsum(equation, floats)

    def _summed(self, x: Labelled, kept: set[str]) -> Labelled:
        """Without the axes that nobody asks for again."""
        gone = [axis for axis, letter in enumerate(x.letters) if letter not in kept]
        if not gone:
            return x
        left = "".join(letter for letter in x.letters if letter in kept)
        if isinstance(x.operand, Weight):
            raise Refusal(f"a sum over axes of weight {x.operand.name}", "sum it before the model is built")
        return Labelled(left, self.reduce(self._wire(x.operand), "sum", gone))

    def _contract(self, a: Labelled, b: Labelled, kept: set[str]) -> Labelled:
        """The product of two operands, summed over the axes that both have and nobody asks for again."""
        if isinstance(a.operand, Weight) and not isinstance(b.operand, Weight):
            return self._contract(b, a, kept)
        a = self._summed(a, kept | set(b.letters))
        b = self._summed(b, kept | set(a.letters))
        shared = "".join(letter for letter in a.letters if letter in b.letters)
        batch = "".join(letter for letter in shared if letter in kept)
        summed = "".join(letter for letter in shared if letter not in kept)
        rows = "".join(letter for letter in a.letters if letter not in shared)
        columns = "".join(letter for letter in b.letters if letter not in shared)
        sizes = {**dict(zip(b.letters, _shape(b.operand))), **dict(zip(a.letters, _shape(a.operand)))}
        if isinstance(b.operand, Weight):
            if not batch:
                return self._times_weight(a, b.operand.arranged(_order(b, summed + columns)), rows, summed, columns)
            # The weight has no batch: NeoML's batch axis leads the rows of the tensor, and its copies the weight.
            lead, rows = rows[0], rows[1:]
            matrices = b.operand.arranged(
                _order(b, batch + summed + columns),
                [*(int(sizes[one] or 0) for one in batch), _whole(sizes, summed), _whole(sizes, columns)],
            )
            left = self._grouped(a, [*(lead + batch), rows, summed], sizes)
            return self._split(self.matmul(left, matrices), lead + batch, [rows, columns], sizes)
        left = self._grouped(a, [*batch, rows, summed], sizes)
        right = self._grouped(b, [*batch, summed, columns], sizes)
        return self._split(self.matmul(left, right), batch, [rows, columns], sizes)

    def _times_weight(self, a: Labelled, kernel: Weight, rows: str, summed: str, columns: str) -> Labelled:
        """Kernel with its summed axes first: a layer that knows its features."""
        sizes = dict(zip(a.letters, _shape(a.operand)))
        count = _whole(sizes, summed)
        flat = self._grouped(a, [*rows, summed], sizes)
        made = self.dense(flat, kernel.arranged(shape=(count, -1)))
        sizes.update(zip(columns, kernel.shape[len(summed) :]))
        return self._split(made, rows, [columns], sizes)

    def _grouped(self, x: Labelled, groups: Sequence[str], sizes: Sizes) -> Wire:
        """The axes in this order, those of a group as one."""
        ordered = self.transpose(self._wire(x.operand), _order(x, "".join(groups)))
        alone = next((at for at, group in enumerate(groups) if len(group) != 1), len(groups))
        return self._shaped(ordered, [_joint(sizes, group) for group in groups], alone)

    def _split(self, x: Wire, single: str, groups: Sequence[str], sizes: Sizes) -> Labelled:
        letters = single + "".join(groups)
        alone = next((at for at, group in enumerate(groups) if len(group) != 1), len(groups))
        return Labelled(letters, self._shaped(x, [sizes[letter] for letter in letters], len(single) + alone))

    def _shaped(self, x: Wire, shape: Sequence[Optional[int]], alone: int) -> Wire:
        """A reshape that leaves the first axes, `alone` with the batch, as they are."""
        if alone >= max(x.rank, len(shape)):
            return x
        several = list(shape).count(None) > 2
        return self.reshape(x, [size if size or (several and at < alone) else -1 for at, size in enumerate(shape)][1:])

    def _by_weight(self, x: Wire, weight: Weight, transpose: bool) -> Wire:
        if len(weight.shape) == 1:
            return self.squeeze(self.dense(x, weight.arranged(shape=(-1, 1))), -1)
        lookup = self._lookup_of(weight) if transpose and not self.in_training else None
        if lookup is not None and x.rank in TIED:
            return self._by_table(x, weight, lookup)
        return self.dense(x, weight.arranged((1, 0)) if transpose else weight)

    def _lookup_of(self, weight: Weight) -> Optional[Node]:
        """The lookup of the net that holds this weight as its table.

        A net that learns has none to share: its rows come from outside, and every copy gives its gradient.
        """
        for node in self.graph.nodes:
            if node.kind == "MultichannelLookup" and weight.undo is None:
                if any(held.name == weight.name and held.undo is None for held in node.weights()):
                    return node
        return None

    def _by_table(self, x: Wire, table: Weight, lookup: Node) -> Wire:
        """x · tableᵀ with the one table that the net has (Press and Wolf 2016, arXiv:1608.05859)."""
        x = self._floating(x)
        if x.size(-1) != table.shape[1]:
            raise Refusal(f"{x.size(-1)} features meet a table of width {table.shape[1]}")
        x = x.to(TIED[x.rank])
        return x.made(self.graph.add("TiedEmbeddings", x.port, shares=lookup), (*x.shape[:-1], table.shape[0]))

    def _matrices(self, a: Operand, b: Operand) -> tuple[Wire, Wire]:
        """Both operands as tensors of one rank."""
        partner = a if isinstance(a, Wire) else self._wire(b)
        left, right = (self._floating(self._tensor(x, partner.rank)) for x in (a, b))
        if left.rank != right.rank:
            raise Refusal(f"a product of tensors of ranks {left.rank} and {right.rank}", "give both the same rank")
        return left, right

    def _tensor(self, x: Operand, rank: int) -> Wire:
        if not isinstance(x, Weight):
            return self._wire(x)
        if len(x.shape) >= rank:
            raise Refusal(f"a product with weight {x.name} of shape {x.shape} and a tensor of rank {rank}")
        shape = (1,) * (rank - len(x.shape)) + x.shape
        layout = BATCH[rank] + "HC" if rank in BATCH else canonical(rank)
        port = self._parameter(x, layout[rank - len(x.shape) :])
        return Wire(shape, "float32", layout, port, self.graph)

    def _spread_rows(self, left: Wire, right: Wire) -> tuple[Wire, Wire]:
        """Both with the same number of matrices: NeoML spreads none over the other's."""
        outer = [spread_size(p, q) for p, q in zip(left.shape[:-2], right.shape[:-2])]
        return self._spread(left, outer, right), self._spread(right, outer, left)

    def _spread(self, x: Wire, outer: list[Optional[int]], other: Wire) -> Wire:
        if list(x.shape[:-2]) == outer:
            return x
        few = other
        for axis in (-1, -2):
            few = self.reduce(few, "max", (axis,), keepdims=True)
        return self.add(x, self.filled(few, 0.0))


def range_of(x: Operand) -> Range:
    """Within what the whole numbers of an operand lie; of one of truths 0 and 1."""
    if isinstance(x, Wire):
        return x.range if x.is_whole else (0, 1)
    assert isinstance(x, Weight)
    return int(x.value.min()), int(x.value.max())


def spread_size(a: Optional[int], b: Optional[int]) -> Optional[int]:
    """What two sizes become where one is spread over the other."""
    return b if a == 1 else a if b in (1, None) else b


def _shape(x: Operand) -> tuple[Optional[int], ...]:
    if isinstance(x, (Wire, Weight)):
        return tuple(x.shape)
    raise Refusal("an einsum with a number", "multiply by it instead")


def _order(x: Labelled, letters: str) -> list[int]:
    return [x.letters.index(letter) for letter in letters]


def _joint(sizes: Mapping[Key, Optional[int]], group: Iterable[Key]) -> Optional[int]:
    """The size of several axes as one; None where one of them is open."""
    found = [sizes[one] for one in group]
    return None if None in found else prod(size for size in found if size is not None)


def _whole(sizes: Sizes, group: str) -> int:
    size = _joint(sizes, group)
    if size is None:
        raise Refusal(f"a product over axes {group!r} of open size", "fix their sizes in the Input")
    return size


def parse_einsum(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the output; an ellipsis becomes letters of its own."""
    equation = equation.replace(" ", "")
    left, arrow, output = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise Refusal(f"einsum {equation!r} of {len(ranks)} operands")
    if not arrow:
        letters = sorted(set(left) - set(",."))
        output = ("..." if "..." in left else "") + "".join(one for one in letters if left.count(one) == 1)
    hidden = "".join(one for one in ascii_letters if one not in equation)
    widest = max(rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks))
    spread = [term.replace("...", hidden[widest - rank + len(term) - 3 : widest]) for term, rank in zip(terms, ranks)]
    if any(len(term) != rank for term, rank in zip(spread, ranks)):
        raise Refusal(f"einsum {equation!r} of operands of ranks {list(ranks)}")
    return spread, output.replace("...", hidden[:widest])
