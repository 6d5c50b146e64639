"""Sorting beyond 3840 elements, and unique elements, both by merging and comparing sorted runs."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.operators.shape import transpose_to
from fxexport.targets.tensorrt.dialect.index import indices_of_true

__all__ = ["FORMS"]

INT64, BOOL = ir.DataType.INT64, ir.DataType.BOOL
_LONGEST = 3840
"""What TensorRT's TopK gives at most."""


def _top_k(
    op: OpBuilder,
    x: Value,
    count: Operand,
    *,
    axis: int = -1,
    largest: int = 1,
    sorted: int = 1,
    _outputs: int = 2,
) -> tuple[Value, Value] | None:
    """More than TensorRT takes: runs are sorted by themselves, and merged by their ranks."""
    if not isinstance(count, Value) or x.shape is None:
        return None
    known = op.constant(count)
    most = count.most if known is None else int(known.reshape(-1)[0])
    length = x.limit(axis)
    if most is None or most <= _LONGEST or length is None:
        return None
    axis %= x.rank
    order = [*(d for d in range(x.rank) if d != axis), axis]
    moved = transpose_to(op, x, order)
    values, indices = _MergeSort(op, moved, length, bool(largest)).sorted()
    back = [order.index(d) for d in range(x.rank)]
    results = []
    for found in (values, indices):
        cut = op.one("Slice", found, [0], op.vector(count), [x.rank - 1])
        cut.shape = ir.Shape([None] * x.rank)
        results.append(transpose_to(op, cut, back))
    return results[0], results[1]


class _MergeSort:
    """Sorts along the last dimension of `x`, of at most `length` elements."""

    def __init__(self, op: OpBuilder, x: Value, length: int, descending: bool) -> None:
        self.op, self.x, self.descending = op, x, descending
        self.runs = math.ceil(length / _LONGEST)
        self.run = math.ceil(length / self.runs)
        self.rank = x.rank

    def sorted(self) -> tuple[Value, Value]:
        """Values in order and where they were, filled up to whole runs at the end."""
        op, runs, run = self.op, self.runs, self.run
        lead = [op.size(self.x, d) for d in range(self.rank - 1)]
        split = self._shaped(op.reshape(self._filled(), [*lead, runs, run]), runs, run)
        values, indices = op.several(
            "TopK", 2, split, [run], axis=self.rank, largest=int(self.descending)
        )
        values, indices = self._shaped(values, runs, run), self._shaped(indices, runs, run)
        start = op.const(np.arange(runs).reshape(runs, 1) * run, INT64)
        rank = self._ranks(values, lead)
        size = [*lead, runs * run]
        rank = op.reshape(rank, size)
        results = []
        for found in (values, indices + start):
            line = op.reshape(found, size)
            line.shape = rank.shape = ir.Shape([*self.x.dims[:-1], runs * run])
            results.append(op.one("ScatterElements", line, rank, line, axis=self.rank - 1))
        return results[0], results[1]

    def _shaped(self, value: Value, *last: int) -> Value:
        value.shape = ir.Shape([*self.x.dims[:-1], *last])
        return value

    def _filled(self) -> Value:
        """With elements at the end that come last, as those of equal value before them do not."""
        op, x = self.op, self.x
        missing = op.i64([self.runs * self.run]) - op.size1(x, self.rank - 1)
        zeros = [0] * (self.rank - 1)
        pads = op.one("Concat", op.i64([0] * self.rank + zeros), missing, axis=0)
        return op.one("Pad", x, pads, self._last_of_all(), mode="constant")

    def _last_of_all(self) -> Value:
        dtype = self.x.elem
        if dtypes.is_float(dtype):
            return self.op.const(-math.inf if self.descending else math.inf, dtype)
        info = np.iinfo(dtype.numpy())
        return self.op.const(info.min if self.descending else info.max, dtype)

    def _ranks(self, values: Value, lead: list[int | Value]) -> Value:
        """How many elements come before each: its index in its run, and those of other runs.

        Those of another run are counted by bisection, for all runs at once: [..., other, all].
        Of equal elements those of an earlier run come first, so that the order is kept.
        """
        op, runs, run = self.op, self.runs, self.run
        whole = [*lead, runs, runs * run]
        every = self._shaped(op.reshape(values, [*lead, 1, runs * run]), 1, runs * run)
        other = np.arange(runs).reshape(runs, 1)
        own = np.repeat(np.arange(runs), run).reshape(1, runs * run)
        earlier, same = op.const(other < own, BOOL), op.const(other == own, BOOL)
        count = self._shaped(op.one("Expand", op.i64(0), op.sizes(whole)), runs, runs * run)
        step = 1 << (run.bit_length() - 1)
        while step:
            further = count + step
            at = op.one("Min", further, op.i64(run)) - 1
            met = op.one("GatherElements", values, at, axis=self.rank)
            before = (met > every) if self.descending else (met < every)
            before = before | (op.one("Equal", met, every) & earlier)
            count = op.one("Where", before & (further <= op.i64(run)), further, count)
            step //= 2
        within_run = op.const(np.tile(np.arange(run), runs).reshape(1, runs * run), INT64)
        count = op.one("Where", same, within_run, count)
        count.shape = ir.Shape([*self.x.dims[:-1], runs, runs * run])
        return op.one("ReduceSum", count, [self.rank - 1], keepdims=0)


def _unique(
    op: OpBuilder, x: Value, *, axis: int | None = None, sorted: int = 1, _outputs: int = 1
) -> tuple[Value, ...] | Value | None:
    """Elements of a vector: sorted, each that differs from the one before begins a new group."""
    if x.shape is None or not sorted or (axis is not None and x.rank != 1):
        return None
    flat = x
    if x.rank != 1:
        flat = op.one("Reshape", x, [-1])
        flat.shape = ir.Shape([None])
        sizes = [x.limit(d) for d in range(x.rank)]
        flat.limits = [None if None in sizes else math.prod(s for s in sizes if s is not None)]
    size = op.size1(flat, 0)
    values, order = op.several("TopK", 2, flat, size, axis=0, largest=0)
    values.shape = order.shape = ir.Shape([None])
    later = op.one("Slice", values, [1], [2**62], [0])
    earlier = op.one("Slice", values, [0], [-1], [0])
    changed = ~op.one("Equal", later, earlier)
    changed.shape = ir.Shape([None])
    first = op.one("Expand", op.const(True, BOOL), op.one("Min", size, [1]))
    first.shape = ir.Shape([None])
    starts = op.one("Concat", first, changed, axis=0)
    indices = indices_of_true(op, starts)
    found = op.one("Gather", values, indices, axis=0)
    if _outputs == 1:
        return found
    group = op.one("CumSum", op.cast(starts, INT64), op.i64(0)) - 1
    inverse = op.one("ScatterElements", order, order, group, axis=0)
    ends = op.one("Concat", op.one("Slice", indices, [1], [2**62], [0]), size, axis=0)
    ends = op.one("Slice", ends, [0], op.one("Shape", indices), [0])
    results: tuple[Value, ...] = (found, op.one("Gather", order, indices, axis=0), inverse,
                                ends - indices)  # fmt: skip
    return results[:_outputs]


FORMS: dict[str, Form] = {"TopK": _top_k, "Unique": _unique}
