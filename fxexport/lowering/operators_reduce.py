"""Sums, means, norms, running sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir

from fxexport.lowering import dtypes
from fxexport.lowering.arithmetic import element_count
from fxexport.lowering.builder import OpBuilder
from fxexport.lowering.operators_compare import truth
from fxexport.lowering.registry import Table
from fxexport.lowering.values import Value

LOWERINGS = Table()
INT64 = ir.DataType.INT64
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


@LOWERINGS("sum", "sum.dim_IntList")
def sum_(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False, **_: Any) -> Value:
    wide = dtypes.widened(op.dtype)
    total = reduce(op, "ReduceSum", op.cast(op.cast(x, op.dtype), wide), dim, keepdim)
    return op.cast(total, op.dtype)


@LOWERINGS("mean", "mean.dim")
def mean(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False, **_: Any) -> Value:
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
def prod(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False, **_: Any) -> Value:
    wide = dtypes.widened(op.dtype)
    result = reduce(op, "ReduceProd", op.cast(op.cast(x, op.dtype), wide), dim, keepdim)
    return op.cast(result, op.dtype)


@LOWERINGS("any", "any.dim", "any.dims")
def any_(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    count = reduce(op, "ReduceSum", op.cast(truth(op, x), INT64), dim, keepdim)
    return op.cast(count > 0, op.dtype)


@LOWERINGS("all", "all.dim", "all.dims")
def all_(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    missing = reduce(op, "ReduceSum", op.cast(~truth(op, x), INT64), dim, keepdim)
    return op.cast(op.one("Equal", missing, 0), op.dtype)


@LOWERINGS("count_nonzero", "count_nonzero.dim_IntList")
def count_nonzero(op: OpBuilder, x: Value, dim: Dims = None) -> Value:
    return reduce(op, "ReduceSum", op.cast(truth(op, x), INT64), dim)


def _extreme(name: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
        return extreme(op, name, x, dim, keepdim)

    return lowering


def extreme(op: OpBuilder, name: str, x: Value, dim: Dims, keepdim: bool) -> Value:
    """ReduceMax or ReduceMin in a dtype that runtimes take."""
    wide = ir.DataType.INT32 if x.elem == BOOL else dtypes.widened(x.elem)
    return op.cast(reduce(op, name, op.cast(x, wide), dim, keepdim), x.elem)


LOWERINGS("amax", "max")(_extreme("ReduceMax"))
LOWERINGS("amin", "min")(_extreme("ReduceMin"))


@LOWERINGS("aminmax")
def aminmax(
    op: OpBuilder, x: Value, *, dim: int | None = None, keepdim: bool = False
) -> tuple[Value, Value]:
    return (
        extreme(op, "ReduceMin", x, dim, keepdim),
        extreme(op, "ReduceMax", x, dim, keepdim),
    )


def _arg(name: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
        wide = ir.DataType.INT32 if x.elem == BOOL else dtypes.widened(x.elem)
        x = op.cast(x, wide)
        if x.rank == 0:
            return op.i64(0)
        if dim is None:
            rank = x.rank
            found = op.one(name, op.one("Reshape", x, [-1]), axis=0, keepdims=0)
            return op.one("Reshape", found, [1] * rank) if keepdim else found
        return op.one(name, x, axis=dim % x.rank, keepdims=int(keepdim))

    return lowering


argmax = LOWERINGS("argmax")(_arg("ArgMax"))
argmin = LOWERINGS("argmin")(_arg("ArgMin"))


@LOWERINGS("max.dim")
def max_dim(op: OpBuilder, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    return extreme(op, "ReduceMax", x, dim, keepdim), argmax(op, x, dim, keepdim)


@LOWERINGS("min.dim")
def min_dim(op: OpBuilder, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    return extreme(op, "ReduceMin", x, dim, keepdim), argmin(op, x, dim, keepdim)


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


@LOWERINGS("var.correction")
def var(
    op: OpBuilder,
    x: Value,
    dim: Dims = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Value:
    return moments(op, x, dim, correction, keepdim)[0]


@LOWERINGS("std.correction")
def std(
    op: OpBuilder,
    x: Value,
    dim: Dims = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Value:
    return op.one("Sqrt", moments(op, x, dim, correction, keepdim)[0])


@LOWERINGS("var_mean.correction")
def var_mean(
    op: OpBuilder,
    x: Value,
    dim: Dims = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> tuple[Value, Value]:
    return moments(op, x, dim, correction, keepdim)


@LOWERINGS("std_mean.correction")
def std_mean(
    op: OpBuilder,
    x: Value,
    dim: Dims = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> tuple[Value, Value]:
    variance, center = moments(op, x, dim, correction, keepdim)
    return op.one("Sqrt", variance), center


@LOWERINGS("var", "var.dim")
def var_dim(
    op: OpBuilder, x: Value, dim: Any = None, unbiased: bool = True, keepdim: bool = False
) -> Value:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return moments(op, x, dim, int(unbiased), keepdim)[0]


@LOWERINGS("std", "std.dim")
def std_dim(
    op: OpBuilder, x: Value, dim: Any = None, unbiased: bool = True, keepdim: bool = False
) -> Value:
    return op.one("Sqrt", var_dim(op, x, dim, unbiased, keepdim))


@LOWERINGS("linalg_vector_norm")
def vector_norm(
    op: OpBuilder, x: Value, order: float = 2, dim: Dims = None, keepdim: bool = False, **_: Any
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
        return reduce(op, "ReduceMax" if order > 0 else "ReduceMin", size, dim, keepdim)
    total = reduce(op, "ReduceSum", op.one("Pow", size, float(order)), dim, keepdim)
    return op.one("Pow", total, 1.0 / order)


@LOWERINGS("norm.ScalarOpt_dim", "norm.ScalarOpt_dim_dtype", "norm.Scalar")
def norm(
    op: OpBuilder, x: Value, p: float | None = 2, dim: Dims = None, keepdim: bool = False, **_: Any
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


@LOWERINGS("cumsum")
def cumsum(op: OpBuilder, x: Value, dim: int, **_: Any) -> Value:
    wide = dtypes.widened(op.dtype)
    if x.rank == 0:
        return op.cast(x, op.dtype) if x.elem != op.dtype else op.one("Identity", x)
    x = op.cast(op.cast(x, op.dtype), wide)
    return op.cast(op.one("CumSum", x, op.i64(dim % x.rank)), op.dtype)


@LOWERINGS("cumprod")
def cumprod(op: OpBuilder, x: Value, dim: int, **_: Any) -> Value:
    if x.rank == 0:
        return op.cast(x, op.dtype) if x.elem != op.dtype else op.one("Identity", x)
    dim %= x.rank
    wide = dtypes.widened(op.dtype)
    x = op.cast(op.cast(x, op.dtype), wide)
    padded = not all(x.dims)
    if padded:
        # ONNX Runtime 1.32 refuses a Scan without steps, and one over empty rows ends the process.
        dims = [None if dim is None else dim + 1 for dim in x.dims]
        x = op.one("Pad", x, [1] * x.rank + [0] * x.rank, op.const(1, wide))
        x.shape = ir.Shape(dims)
    product = _running_product(op, x, dim, wide)
    if padded:
        product = op.one("Slice", product, [1] * x.rank, [2**62] * x.rank, list(range(x.rank)))
    return op.cast(product, op.dtype)


def _running_product(op: OpBuilder, x: Value, dim: int, wide: ir.DataType) -> Value:
    row = [k for k in range(x.rank) if k != dim]
    sizes = op.sizes([op.size(x, k) for k in row])
    start = op.one("Expand", op.const(1, wide), sizes)
    shape = ir.Shape([x.dims[k] for k in row])
    start.shape = shape
    kind = ir.TensorType(wide)
    state = Value(op, name=op.names(f"{op.prefix}_state"), type=kind, shape=shape)
    item = Value(op, name=op.names(f"{op.prefix}_item"), type=kind, shape=shape)

    def step() -> list[Value]:
        product = state * item
        return [product, op.one("Identity", product)]

    body = op.body(op.node_names("cumprod"), [state, item], [ir.TensorType(wide)] * 2, step)
    rows = op.write(
        "Scan",
        [start, x],
        {
            "body": body,
            "num_scan_inputs": 1,
            "scan_input_axes": [dim],
            "scan_output_axes": [dim],
        },
        2,
    )[1]
    rows.type, rows.shape = kind, ir.Shape(x.dims)
    return rows
