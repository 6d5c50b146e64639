"""Jacobi's rotations from one side: what eigenvalues and singular values are computed with.

Rows of a matrix are rotated in pairs until all are orthogonal; then their lengths are its singular
values. Half as many pairs as there are rows are rotated at once: in a circle of rows, each meets
the one opposite, and all but the first move on by a place. After a round less than there are rows
each pair has met, and every row is in its place again. Small singular values come out as exact as
large ones, which they do not through the product of the matrix with itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.linear_algebra.any_rank import count_up, part
from fxexport.lowering.loops import repeat, repeat_while

__all__ = ["orthogonal_rows"]

_SWEEPS = 40
"""A bound: the number of digits doubles with each sweep at the end, six to ten do."""

_BIAS = 1e-30
"""What a gap between lengths that are not equal is above: it gives those that are a sign."""

_TINY = {ir.DataType.DOUBLE: 1e-300, ir.DataType.FLOAT: 1e-37}

_ROUNDING = {ir.DataType.DOUBLE: 2.0**-52, ir.DataType.FLOAT: 2.0**-23}

_FLOAT_IN_DOUBLE = 1e-9
"""The largest cosine between two rows whose directions are to be as exact as a float32 is."""


def orthogonal_rows(
    op: OpBuilder, rows: Value, dtype: ir.DataType, more: Sequence[Value] = ()
) -> tuple[Value, ...]:
    """Rotates the rows of matrices until they are orthogonal.

    Args:
        op: the builder.
        rows: matrices [..., r, c] of numbers that are not far above 1.
        more: others with as many rows, whose rows are rotated along.
        dtype: that of the operator: how exact the results are to be.

    Returns:
        The rotated rows, and those of `more`.
    """
    number = op.size1(rows, -2)
    width = op.size1(rows, -1)
    nearly = _right_angle(op, width, rows.elem, dtype)
    whole = op.one("Concat", rows, *more, axis=rows.rank - 1) if more else rows
    # An even number of rows: one of zeros stays what it is, and so does what it meets.
    odd = op.one("Mod", number, op.i64([2]))
    before = op.i64([0] * (rows.rank * 2 - 2))
    whole = op.one("Pad", whole, op.one("Concat", before, odd, op.i64([0]), axis=0))
    whole.shape = ir.Shape([*rows.dims[:-2], None, None])
    circle = _Circle(op, number + odd)

    def rounds(k: Value, whole: Value) -> list[Value]:
        def turn(k: Value, whole: Value, cosine: Value) -> list[Value]:
            whole, largest = circle.rotated(whole, width if more else None)
            return [whole, op.one("Max", cosine, largest)]

        trips = op.one("Squeeze", circle.number - 1, [0])
        whole, cosine = repeat(op, trips, [whole, op.const(0.0, rows.elem)], turn)
        return [cosine > nearly, whole]

    (whole,) = repeat_while(op, True, [whole], rounds, limit=_SWEEPS)
    whole = part(op, whole, -2, op.i64([0]), number)
    results, start = [], op.i64([0])
    for value in (rows, *more):
        end = start + op.size1(value, -1)
        found = part(op, whole, -1, start, end) if more else whole
        found.shape = value.shape
        results.append(found)
        start = end
    return tuple(results)


class _Circle:
    """The places of an even number of rows: of the first half, and opposite, of the second."""

    def __init__(self, op: OpBuilder, number: Value) -> None:
        self._op = op
        self.number = number
        half = op.one("Div", number, op.i64([2]))
        places = count_up(op, half)
        # The first row stays. The others of the first half move on, those of the second back, and
        # at both ends they go over to the other half.
        over = op.one("Equal", places, op.i64(1))
        self._first = op.one("Where", over, half, op.one("Max", places - 1, op.i64(0)))
        end = op.one("Equal", places, half - 1)
        alone = op.one("Equal", half, op.i64([1]))
        last = op.one("Where", alone, half, half - 1)
        self._second = op.one("Where", end, last, half + places + 1)

    def rotated(self, whole: Value, width: Value | None) -> tuple[Value, Value]:
        """One round, and the largest cosine between opposite rows before it, without its sign.

        Each pair's angle is computed once: from the other row's side it could be another one by
        rounding, and what is rotated would not keep its lengths.

        Args:
            whole: what is rotated [..., rows, columns].
            width: how many of the columns are to have orthogonal rows; None for all.
        """
        op = self._op
        rows, others = (self._rows(whole, places) for places in (self._first, self._second))
        own, other = rows, others
        if width is not None:
            own, other = (part(op, value, -1, op.i64([0]), width) for value in (rows, others))
        length = op.one("ReduceL2", own, [-1], keepdims=1)  # [..., rows, 1]
        across = op.one("ReduceL2", other, [-1], keepdims=1)
        both = op.one("Max", length * across, _TINY[whole.elem])
        cosine = op.one("ReduceSum", own * other, [-1], keepdims=1) / both
        # The tangent of the angle, of the two the smaller one.
        gap = (across - length) * (across + length) / (both + both) + _BIAS
        reach = op.one("Abs", gap) + op.one("Sqrt", gap * gap + cosine * cosine)
        tangent = cosine * op.one("Sign", gap) / reach
        cos = op.one("Reciprocal", op.one("Sqrt", tangent * tangent + 1.0))
        sin = tangent * cos
        moved = cos * rows - sin * others, sin * rows + cos * others
        whole = op.one("Concat", *moved, axis=whole.rank - 2)
        return whole, op.one("ReduceMax", op.one("Abs", cosine), keepdims=0)

    def _rows(self, x: Value, places: Value) -> Value:
        result = self._op.one("Gather", x, places, axis=x.rank - 2)
        result.shape = ir.Shape([*x.dims[:-2], None, x.dims[-1]])
        return result


def _right_angle(op: OpBuilder, number: Value, elem: ir.DataType, dtype: ir.DataType) -> Operand:
    """The largest cosine that is taken for 0: what rounding makes of as many products.

    Rows of nearly one length turn by any angle, so among them a larger one would stay as it is.
    """
    if elem != dtype:
        return _FLOAT_IN_DOUBLE
    return op.cast(op.one("Squeeze", number + 8, [0]), elem) * _ROUNDING[elem]
