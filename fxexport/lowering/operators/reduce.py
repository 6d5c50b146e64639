"""Sums, means, norms, running sums."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.arithmetic import element_count
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.operators.compare import truth
from fxexport.lowering.operators.running import scanned
from fxexport.lowering.registry import Lowering, LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64
_WRITTEN_OUT = 8
BOOL = ir.DataType.BOOL

Dims = int | Sequence[int] | None


def axes_of(x: Value, dim: Dims) -> list[int]:
    """The dimensions to reduce; all of them for None or an empty list."""
    if dim is None or (not isinstance(dim, int) and not dim):
        return list(range(x.rank))
    dims = [dim] if isinstance(dim, int) else dim
    return sorted({d % x.rank for d in dims}) if x.rank else []


def reduce(op: OpBuilder, name: str, x: Value, dim: Dims, keepdim: bool = False) -> Value:
    """One of ONNX's Reduce operators."""
    axes = axes_of(x, dim)
    if not axes:
        if name in ("ReduceL1", "ReduceL2"):
            return op.one("Abs", x)
        return op.one("ReduceSumSquare", x) if name == "ReduceSumSquare" else op.one("Identity", x)
    return op.one(name, x, axes, keepdims=int(keepdim))


def extreme(op: OpBuilder, name: str, x: Value, dim: Dims, keepdim: bool) -> Value:
    """ReduceMax or ReduceMin in a dtype that runtimes take; NaN where there is one, as PyTorch."""
    wide = ir.DataType.INT32 if x.elem == BOOL else dtypes.widened(x.elem)
    found = op.cast(reduce(op, name, op.cast(x, wide), dim, keepdim), x.elem)
    if not dtypes.is_float(x.elem) or not op.exact or not axes_of(x, dim):
        return found
    # ONNX Runtime passes over NaN. A sum of squares is NaN where there is one and nowhere else
    # (infinities add up), and its kernel is the fastest that tells.
    squares = reduce(op, "ReduceSumSquare", x, dim, keepdim)
    return op.one("Where", op.one("IsNaN", squares), squares, found)


@LOWERINGS("sum", "sum.dim_IntList")
def sum_(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False, **_: object) -> Value:
    wide = dtypes.widened(op.dtype)
    axes = axes_of(x, dim)
    if x.elem == op.dtype == INT64 and op.exact and axes:
        return _exact_sum(op, x, axes, keepdim)
    total = reduce(op, "ReduceSum", op.cast(op.cast(x, op.dtype), wide), dim, keepdim)
    return op.cast(total, op.dtype)


def _exact_sum(op: OpBuilder, x: Value, axes: Sequence[int], keepdim: bool) -> Value:
    """The sum of int64 as a product with ones.

    ONNX Runtime's ReduceSum adds int64 in float64, whose digits end at 2^53. Its MatMul does not,
    and is no slower.
    """
    rows, count = _with_last(op, x, axes)
    column = op.one("Expand", op.i64(1), op.sizes([count, 1]))
    column.shape = ir.Shape([rows.dims[-1], 1])
    total = op.one("Squeeze", rows @ column, [-1])
    return op.one("Unsqueeze", total, list(axes)) if keepdim else total


def _with_last(op: OpBuilder, x: Value, axes: Sequence[int]) -> tuple[Value, int | Value]:
    """The value with these dimensions as one, the last; and its size."""
    rest = [k for k in range(x.rank) if k not in axes]
    count = element_count(op, x, axes, INT64)
    known = op.constant(count)
    size = count if known is None else int(known)
    order = [*rest, *axes]
    if order != list(range(x.rank)):
        x = op.one("Transpose", x, perm=order)
    if len(axes) > 1:
        sizes = [x.dims[k] for k in range(len(rest))]
        x = op.reshape(x, [*(op.size(x, k) for k in range(len(rest))), size])
        x.shape = ir.Shape([*sizes, None if known is None else int(known)])
    return x, size


@LOWERINGS("mean", "mean.dim")
def mean(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False, **_: object) -> Value:
    return mean_over(op, op.cast(x, op.dtype), axes_of(x, dim), keepdim)


def mean_over(op: OpBuilder, x: Value, axes: Sequence[int], keepdim: bool) -> Value:
    """The mean; of nothing it is NaN, as in PyTorch, where ONNX Runtime's ReduceMean gives 0."""
    if not axes:
        return op.one("Identity", x)
    if all(x.dims[axis] for axis in axes):
        return reduce(op, "ReduceMean", x, axes, keepdim)
    # Half precision ends at 65504, which a sum soon passes.
    narrow = x.elem in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
    wide = op.cast(x, ir.DataType.FLOAT) if narrow else x
    total = reduce(op, "ReduceSum", wide, axes, keepdim)
    return op.cast(total / element_count(op, x, axes, wide.elem), x.elem)


@LOWERINGS("prod", "prod.dim_int")
def prod(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False, **_: object) -> Value:
    wide = dtypes.widened(op.dtype)
    axes = axes_of(x, dim)
    if op.dtype == INT64 and x.elem != BOOL and op.exact and axes:
        return _exact_product(op, op.cast(x, INT64), axes, keepdim)
    result = reduce(op, "ReduceProd", op.cast(op.cast(x, op.dtype), wide), dim, keepdim)
    return op.cast(result, op.dtype)


def _exact_product(op: OpBuilder, x: Value, axes: Sequence[int], keepdim: bool) -> Value:
    """The product of int64 by multiplying: ReduceProd computes it in float64."""
    rows, _ = _with_last(op, x, axes)
    length = rows.dims[-1]
    last = rows.rank - 1
    if length is not None and 0 < length <= _WRITTEN_OUT:
        parts = [op.one("Gather", rows, op.i64(k), axis=last) for k in range(length)]
        product = functools.reduce(operator.mul, parts)
    else:
        one = op.const(1, INT64)
        first = op.one("Expand", one, op.sizes([*(op.size(rows, k) for k in range(last)), 1]))
        rows = op.one("Concat", first, rows, axis=last)  # so that there is a last one
        rows.shape = ir.Shape([*rows.dims[:last], None if length is None else length + 1])
        running = scanned(op, rows, last, [one], lambda item, state: [state * item], 1)[0]
        product = op.one("Gather", running, op.i64(-1), axis=last)
    return op.one("Unsqueeze", product, list(axes)) if keepdim else product


@LOWERINGS("any", "any.dim", "any.dims")
def any_(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    count = reduce(op, "ReduceSum", op.cast(truth(op, x), _counted(op)), dim, keepdim)
    return op.cast(count > 0, op.dtype)


@LOWERINGS("all", "all.dim", "all.dims")
def all_(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    flags = truth(op, x)
    missing = reduce(op, "ReduceSum", op.cast(~flags, _counted(op)), dim, keepdim)
    found = op.cast(op.one("Equal", missing, 0), op.dtype)
    if dim is None and op.exact:
        found.flags = flags
    return found


def _counted(op: OpBuilder) -> ir.DataType:
    """In what it is counted whether there is one: a sum of ones is no 0, however it is rounded.

    ONNX Runtime's ReduceSum of 160,000 numbers takes 25 us in float32 and 350 in int64.
    """
    return ir.DataType.FLOAT if op.exact else INT64


@LOWERINGS("count_nonzero", "count_nonzero.dim_IntList")
def count_nonzero(op: OpBuilder, x: Value, dim: Dims = None) -> Value:
    return reduce(op, "ReduceSum", op.cast(truth(op, x), INT64), dim)


def moments(
    op: OpBuilder, x: Value, dim: Dims, correction: float | None, keepdim: bool
) -> tuple[Value, Value]:
    """The variance and the mean."""
    axes = axes_of(x, dim)
    correction = 1 if correction is None else correction
    center = mean_over(op, x, axes, True) if axes else x
    gap = x - center
    if not axes:
        variance = gap / float(1 - correction) if correction != 1 else gap / 0.0
    elif correction == 0:
        variance = mean_over(op, gap * gap, axes, keepdim)
    else:
        total = reduce(op, "ReduceSum", gap * gap, axes, keepdim)
        count = element_count(op, x, axes, x.elem) - float(correction)
        variance = total / op.one("Max", count, 0.0)
    return variance, center if keepdim or not axes else op.one("Squeeze", center, axes)


def _spread(*, root: bool, with_mean: bool) -> Lowering:
    """The lowering of the variance, or of its root, with or without the mean as a result."""

    def lowering(
        op: OpBuilder,
        x: Value,
        dim: Dims = None,
        *,
        correction: float | None = None,
        keepdim: bool = False,
    ) -> Value | tuple[Value, Value]:
        variance, mean = moments(op, x, dim, correction, keepdim)
        spread = op.one("Sqrt", variance) if root else variance
        return (spread, mean) if with_mean else spread

    return lowering


LOWERINGS("var.correction")(_spread(root=False, with_mean=False))
LOWERINGS("std.correction")(_spread(root=True, with_mean=False))
LOWERINGS("var_mean.correction")(_spread(root=False, with_mean=True))
LOWERINGS("std_mean.correction")(_spread(root=True, with_mean=True))


@LOWERINGS("var", "var.dim")
def var_dim(
    op: OpBuilder, x: Value, dim: Dims | bool = None, unbiased: bool = True, keepdim: bool = False
) -> Value:
    if isinstance(dim, bool):
        return moments(op, x, None, int(dim), keepdim)[0]
    return moments(op, x, dim, int(unbiased), keepdim)[0]


@LOWERINGS("std", "std.dim")
def std_dim(
    op: OpBuilder, x: Value, dim: Dims | bool = None, unbiased: bool = True, keepdim: bool = False
) -> Value:
    return op.one("Sqrt", var_dim(op, x, dim, unbiased, keepdim))


@LOWERINGS("linalg_vector_norm")
def vector_norm(
    op: OpBuilder, x: Value, order: float = 2, dim: Dims = None, keepdim: bool = False, **_: object
) -> Value:
    x = op.cast(x, op.dtype)
    if order == 2:
        return reduce(op, "ReduceL2", x, dim, keepdim)
    if order == 1:
        return reduce(op, "ReduceL1", x, dim, keepdim)
    if order == 0:
        nonzero = op.cast(~op.one("Equal", x, 0.0), x.elem)
        return reduce(op, "ReduceSum", nonzero, dim, keepdim)
    size = op.one("Abs", x)
    if math.isinf(order):
        return extreme(op, "ReduceMax" if order > 0 else "ReduceMin", size, dim, keepdim)
    total = reduce(op, "ReduceSum", op.one("Pow", size, float(order)), dim, keepdim)
    return op.one("Pow", total, 1.0 / order)


@LOWERINGS("norm.ScalarOpt_dim", "norm.ScalarOpt_dim_dtype", "norm.Scalar")
def norm(
    op: OpBuilder,
    x: Value,
    p: float | None = 2,
    dim: Dims = None,
    keepdim: bool = False,
    **_: object,
) -> Value:
    return vector_norm(op, x, 2 if p is None else p, dim, keepdim)


@LOWERINGS("logsumexp")
def logsumexp(op: OpBuilder, x: Value, dim: Dims, keepdim: bool = False) -> Value:
    x = op.cast(x, op.dtype)
    axes = axes_of(x, dim)
    if not axes:
        return op.one("Identity", x)
    peak = reduce(op, "ReduceMax", x, axes, True)
    peak = op.one("Where", op.one("Abs", peak) < float("inf"), peak, 0.0)
    total = reduce(op, "ReduceSum", op.one("Exp", x - peak), axes, keepdim)
    return op.one("Log", total) + (peak if keepdim else op.one("Squeeze", peak, axes))
