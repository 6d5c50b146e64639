"""`sizes_fit` in a file. It runs in each call, so it has as few nodes as can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fxexport.graph.contracts import FREE, SizeNeed
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value

__all__ = ["lower_sizes_fit"]

_NO_BOUND = 2**63 - 1


def lower_sizes_fit(op: OpBuilder, tensors: Sequence[Value], needs: Sequence[SizeNeed]) -> Value:
    """Writes how far sizes are from what they must be, as one vector, and whether that is 0."""
    rows = _rows(tensors, needs)
    aligned = _aligned(rows)
    if aligned is None:
        shapes = [op.shape(tensor) for tensor in tensors]
        off = _off(op, op.one("Concat", *shapes, axis=0) if len(shapes) > 1 else shapes[0], needs)
    else:
        off = _off_in_range(op, [row.shape(op) for row in rows], aligned)
    fits = op.one("Equal", op.one("ReduceSum", off, keepdims=0), op.i64(0))
    fits.is_number, fits.distance = True, off
    return fits


@dataclass(frozen=True)
class _Row:
    """The dimensions of a tensor that something is needed of, side by side.

    Attributes:
        tensor: the tensor.
        start: the first of them.
        needs: of each.
        at: the position of the first one among all dimensions.
    """

    tensor: Value
    start: int
    needs: Sequence[SizeNeed]
    at: int

    def shape(self, op: OpBuilder) -> Value:
        """Their sizes."""
        end = self.start + len(self.needs)
        if self.start == 0 and end == self.tensor.rank:
            return op.shape(self.tensor)
        return op.one("Shape", self.tensor, start=self.start, end=end)


def _rows(tensors: Sequence[Value], needs: Sequence[SizeNeed]) -> list[_Row]:
    pointed_at = {same for *_, same in needs if same is not None}
    rows, at = [], 0
    for tensor in tensors:
        own = needs[at : at + tensor.rank]
        asked = [k for k, need in enumerate(own) if need != FREE or at + k in pointed_at]
        if asked:
            start = asked[0]
            rows.append(_Row(tensor, start, own[start : asked[-1] + 1], at + start))
        at += tensor.rank
    return rows


def _aligned(rows: Sequence[_Row]) -> list[SizeNeed] | None:
    """What is needed of each column, where every row equals the first one; None where not."""
    first, *others = rows
    if any(same is not None for *_, same in first.needs):
        return None
    columns = list(first.needs)
    for row in others:
        if [same for *_, same in row.needs] != [first.at + k for k in range(len(columns))]:
            return None
        columns = [_both(a, b) for a, b in zip(columns, row.needs, strict=True)]
    return columns


def _both(a: SizeNeed, b: SizeNeed) -> SizeNeed:
    highs = [high for high in (a[2], b[2]) if high is not None]
    return math.lcm(a[0], b[0]), max(a[1], b[1]), min(highs) if highs else None, None


def _off_in_range(op: OpBuilder, shapes: Sequence[Value], needs: Sequence[SizeNeed]) -> Value:
    """For rows that are all alike."""
    multiples, lows, highs = _columns(op, needs)
    if multiples is not None and len(shapes) == 1:
        return _off(op, shapes[0], needs)
    off = _out_of_range(op, shapes, lows, highs)
    if multiples is None:
        return off
    return op.one("Add", off, op.one("Mod", shapes[0], multiples))


def _out_of_range(
    op: OpBuilder, shapes: Sequence[Value], lows: Sequence[Value], highs: Sequence[Value]
) -> Value:
    """From the smallest of sizes and upper bounds to the largest of sizes and lower bounds.

    It is 0 where the sizes are equal and in their range.
    """
    largest = _of_all(op, "Max", [*shapes, *lows])
    smallest = _of_all(op, "Min", [*shapes, *highs])
    return op.one("Sub", largest, smallest)


def _off(op: OpBuilder, sizes: Value, needs: Sequence[SizeNeed]) -> Value:
    """For any sizes: the largest of what each need is off by, never below 0."""
    multiples, lows, highs = _columns(op, needs)
    others = [at if same is None else same for at, (*_, same) in enumerate(needs)]
    parts: list[Value] = []
    if multiples is not None:
        parts.append(op.one("Mod", sizes, multiples))
    if others != list(range(len(needs))):
        apart = op.one("Sub", sizes, op.one("Gather", sizes, op.i64(others), axis=0))
        parts.append(op.one("Mul", apart, apart))
    if not parts:
        return _out_of_range(op, [sizes], lows, highs)
    parts += [op.one("Sub", low, sizes) for low in lows]
    parts += [op.one("Sub", sizes, high) for high in highs]
    return _of_all(op, "Max", parts)


def _columns(
    op: OpBuilder, needs: Sequence[SizeNeed]
) -> tuple[Value | None, list[Value], list[Value]]:
    """Multiples, lower and upper bounds as constants, as far as there are any."""
    multiples, lows, highs = ([need[k] for need in needs] for k in range(3))
    bounds = [_NO_BOUND if high is None else high for high in highs]
    return (
        op.i64([n or 1 for n in multiples]) if any(n != 1 for n in multiples) else None,
        [op.i64([low or 0 for low in lows])] if any(lows) else [],
        [op.i64(bounds)] if any(high is not None for high in highs) else [],
    )


def _of_all(op: OpBuilder, op_type: str, values: Sequence[Value]) -> Value:
    return values[0] if len(values) == 1 else op.one(op_type, *values)
