"""Householder's reflections: a matrix made triangular, and products of reflections.

The conventions are LAPACK's, so that the factors are PyTorch's own: H = I - tau v v^T with v = 1 at
its own row and 0 above it, and what follows below the diagonal of the packed result.
"""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.any_rank import (
    count_up,
    in_batch,
    leading,
    part_at,
    smaller,
    unit,
)
from fxexport.lowering.linear_algebra.matrices import turned
from fxexport.lowering.loops import repeat

__all__ = ["Reflections", "orthonormal", "reflected", "upper"]


def reflected(op: OpBuilder, x: Value) -> tuple[Value, Value]:
    """Matrices made upper triangular, LAPACK's ``geqrf``: the packed result, and each tau."""
    rank, number = x.rank, smaller(op, x)
    down = op.one("Unsqueeze", count_up(op, op.size1(x, -2)), [1])  # [m, 1]
    across = count_up(op, op.size1(x, -1))  # [n]
    numbers = count_up(op, number)  # [k]
    zero, one = op.const(0, x.elem), op.const(1, x.elem)
    taus = _row_of_zeros(op, x, number)

    def column(k: Value, packed: Value, taus: Value) -> list[Value]:
        at = op.one("Unsqueeze", k, [0])
        own = part_at(op, packed, -1, at)  # [..., m, 1]
        first = part_at(op, own, -2, at)  # [..., 1, 1]
        tail = op.one("Where", down > k, own, zero)
        tail.shape = own.shape
        # By the largest number: squares of it may be too large or too small.
        reach = op.one("Max", _largest(op, tail), op.one("Abs", first))
        reach = op.one("Where", op.one("Equal", reach, 0.0), one, reach)
        square = op.one("ReduceSumSquare", tail / reach, [rank - 2], keepdims=1)
        share = first / reach
        length = op.one("Sqrt", share * share + square) * reach
        done = op.one("Equal", square, 0.0)  # then there is nothing to reflect
        end = op.one("Where", first < 0.0, length, -length)
        tau = op.one("Where", done, zero, (end - first) / op.one("Where", done, one, end))
        tail = tail / op.one("Where", done, one, first - end)
        vector = op.one("Where", op.one("Equal", down, k), one, tail)
        vector.shape = own.shape
        product = op.one("Where", across > k, turned(op, vector) @ packed, zero)
        made = op.one("Where", op.one("Equal", down, k), op.one("Where", done, first, end), own)
        made = op.one("Where", down > k, tail, made)
        # What is reflected changes, and this column is put in its place: products are much faster
        # than a Where of the whole matrix.
        placed = op.cast(op.one("Equal", across, k), x.elem)  # [n]
        changes = op.one("Concat", -tau * vector, made, axis=rank - 1)  # [..., m, 2]
        ones = op.one("Expand", placed, op.shape(product))
        packed = packed * (1.0 - placed) + changes @ op.one("Concat", product, ones, axis=rank - 2)
        packed.shape = x.shape
        tau = op.one("Squeeze", tau, [rank - 1])  # [..., 1]
        return [packed, op.one("Where", op.one("Equal", numbers, k), tau, taus)]

    packed, taus = repeat(op, op.one("Squeeze", number, [0]), [x, taus], column)
    return packed, taus


def _largest(op: OpBuilder, x: Value) -> Value:
    return op.one("ReduceMax", op.one("Abs", x), [x.rank - 2], keepdims=1)


def _row_of_zeros(op: OpBuilder, like: Value, number: Value) -> Value:
    """Zeros [..., number] for each of the matrices `like`."""
    known = op.constant(number)
    batch = op.one("Shape", like, start=0, end=like.rank - 2)
    sizes = op.one("Concat", batch, number, axis=0)
    zeros = op.one("Expand", op.const(0, like.elem), sizes)
    zeros.shape = ir.Shape([*like.dims[:-2], None if known is None else int(known[0])])
    return zeros


def upper(op: OpBuilder, packed: Value, rows: Value) -> Value:
    """The first rows of the triangle in a packed result."""
    part = leading(op, packed, -2, rows)
    result = op.one("Trilu", part, upper=1)
    result.shape = part.shape
    return result


class Reflections:
    """A product of reflections as one matrix, I - V T V^T with T upper triangular.

    Args:
        op: the builder.
        packed: the vectors below the diagonal of their columns [..., m, n].
        taus: their factors [..., k], k no larger than n.
    """

    def __init__(self, op: OpBuilder, packed: Value, taus: Value) -> None:
        self._op = op
        number = op.size1(taus, -1)
        columns = leading(op, packed, -1, number)
        below = op.one("Trilu", columns, op.i64(-1), upper=0)
        below.shape = columns.shape
        self.vectors = below + unit(op, op.size1(packed, -2), number, packed.elem)
        self.vectors.shape = columns.shape
        self.factor = self._factor(taus, number)

    def _factor(self, taus: Value, number: Value) -> Value:
        op, vectors = self._op, self.vectors
        products = turned(op, vectors) @ vectors  # [..., k, k]
        across = count_up(op, number)
        down = op.one("Unsqueeze", across, [1])
        rows = op.one("Unsqueeze", taus, [-2])  # [..., 1, k]

        def column(k: Value, factor: Value) -> list[Value]:
            at = op.one("Unsqueeze", k, [0])
            tau = part_at(op, rows, -1, at)  # [..., 1, 1]
            made = -tau * (factor @ part_at(op, products, -1, at))
            made = op.one("Where", op.one("Equal", down, k), tau, made)
            return [factor + made * op.cast(op.one("Equal", across, k), factor.elem)]

        begin = op.one("Expand", op.const(0, vectors.elem), op.one("Shape", products))
        begin.shape = products.shape
        return repeat(op, op.one("Squeeze", number, [0]), [begin], column)[0]

    def columns(self, number: Value) -> Value:
        """The first columns of the product."""
        op = self._op
        rows = op.size1(self.vectors, -2)
        begin = in_batch(op, unit(op, rows, number, self.vectors.elem), self.vectors)
        head = turned(op, leading(op, self.vectors, -2, number))
        return begin - self.vectors @ (self.factor @ head)

    def times(self, x: Value, *, transposed: bool) -> Value:
        """The product, or its transpose, with matrices [..., m, columns]."""
        op = self._op
        factor = turned(op, self.factor) if transposed else self.factor
        return x - self.vectors @ (factor @ (turned(op, self.vectors) @ x))


def orthonormal(op: OpBuilder, packed: Value, taus: Value, columns: Value) -> Value:
    """The first columns of a product of reflections, LAPACK's ``orgqr``."""
    return Reflections(op, packed, taus).columns(columns)
