"""Running sums, products and extremes along a dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.loops import body_input
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64
BOOL = ir.DataType.BOOL


@LOWERINGS("cumsum")
def cumsum(op: OpBuilder, x: Value, dim: int, **_: object) -> Value:
    """Added up in float64, as PyTorch's CPU does: the phase of a vocoder grows for ever."""
    wide = dtypes.widened(op.dtype)
    if op.exact and wide == ir.DataType.FLOAT:
        wide = ir.DataType.DOUBLE
    if x.rank == 0:
        return op.cast(x, op.dtype) if x.elem != op.dtype else op.one("Identity", x)
    x = op.cast(op.cast(x, op.dtype), wide)
    return op.cast(op.one("CumSum", x, op.i64(dim % x.rank)), op.dtype)


@LOWERINGS("cumprod")
def cumprod(op: OpBuilder, x: Value, dim: int, **_: object) -> Value:
    if x.rank == 0:
        return op.cast(x, op.dtype) if x.elem != op.dtype else op.one("Identity", x)
    x = op.cast(op.cast(x, op.dtype), dtypes.widened(op.dtype))
    return op.cast(scanned(op, x, dim, [1], lambda item, state: [state * item], 1)[0], op.dtype)


@LOWERINGS("logcumsumexp")
def logcumsumexp(op: OpBuilder, x: Value, dim: int) -> Value:
    if x.rank == 0:
        return op.one("Identity", x)
    least = op.const(-np.inf, x.elem)
    return scanned(op, x, dim, [least], lambda item, total: [_log_add(op, total, item)], least)[0]


def _log_add(op: OpBuilder, a: Value, b: Value) -> Value:
    """``log(exp(a) + exp(b))``; where the larger is infinite, that is all there is."""
    large = op.one("Max", a, b)
    gap = op.one("Exp", -op.one("Abs", a - b))
    infinite = op.one("Equal", op.one("Abs", large), float("inf"))
    return op.one("Where", infinite, large, large + op.one("Log", gap + 1.0))


def _running_extreme(name: str) -> Callable[[OpBuilder, Value, int], tuple[Value, Value]]:
    def lowering(op: OpBuilder, x: Value, dim: int) -> tuple[Value, Value]:
        if x.rank == 0:
            return op.one("Identity", x), op.i64(0)
        dtype = x.elem
        x = op.cast(x, ir.DataType.INT32 if dtype == BOOL else dtypes.widened(dtype))
        worst = op.const(_worst(x.elem, largest=name == "GreaterOrEqual"), x.elem)

        def step(item: Value, best: Value, where: Value, here: Value) -> list[Value]:
            better = op.one(name, item, best)
            if dtypes.is_float(item.elem):  # the first NaN is best, and each that follows it
                better = better | op.one("IsNaN", item)
            return [
                op.one("Where", better, item, best),
                op.one("Where", better, here, where),
                here + 1,
            ]

        start = op.i64(0 if all(x.dims) else -1)  # the row that pads it is none
        values, indices, _ = scanned(op, x, dim, [worst, op.i64(0), start], step, worst)
        return op.cast(values, dtype), indices

    return lowering


LOWERINGS("cummax")(_running_extreme("GreaterOrEqual"))
LOWERINGS("cummin")(_running_extreme("LessOrEqual"))


def _worst(dtype: ir.DataType, *, largest: bool) -> float | int:
    if dtypes.is_float(dtype):
        return -np.inf if largest else np.inf
    limits = np.iinfo(dtype.numpy())
    return int(limits.min if largest else limits.max)


Step = Callable[..., Sequence[Value]]
"""Called as ``step(row, *states)``; gives the new states, each also a row of a result."""


def scanned(
    op: OpBuilder, x: Value, dim: int, starts: Sequence[Operand], step: Step, fill: Operand
) -> list[Value]:
    """Runs over the rows along a dimension; gives what each of the states was, row by row.

    Args:
        op: the builder.
        x: at least one dimension.
        dim: the dimension.
        starts: what each state begins with, one number each; a plain one has the dtype of `x`.
        step: one row.
        fill: for rows that are added before the others, where there may be none: it may not change
            a state.
    """
    dim %= x.rank
    padded = not all(x.dims)
    if padded:
        # ONNX Runtime 1.32 refuses a Scan without steps, and one over empty rows ends the process.
        dims = [None if size is None else size + 1 for size in x.dims]
        x = op.one("Pad", x, [1] * x.rank + [0] * x.rank, op.cast(fill, x.elem))
        x.shape = ir.Shape(dims)
    results = _scan(op, x, dim, [op.cast(s, _dtype_of(s, x)) for s in starts], step)
    if padded:
        axes = list(range(x.rank))
        results = [op.one("Slice", r, [1] * x.rank, [2**62] * x.rank, axes) for r in results]
    return results


def _dtype_of(start: Operand, x: Value) -> ir.DataType:
    return start.elem if isinstance(start, Value) else x.elem


def _scan(op: OpBuilder, x: Value, dim: int, starts: Sequence[Value], step: Step) -> list[Value]:
    row = [k for k in range(x.rank) if k != dim]
    sizes = op.sizes([op.size(x, k) for k in row])
    shape = ir.Shape([x.dims[k] for k in row])

    def inner(name: str, dtype: ir.DataType) -> Value:
        return body_input(op, f"{op.prefix}_{name}", dtype, shape)

    item = inner("item", x.elem)
    states = [inner("state", start.elem) for start in starts]
    before = [op.one("Expand", start, sizes) for start in starts]

    def body() -> list[Value]:
        after = list(step(item, *states))
        return [*after, *(op.one("Identity", state) for state in after)]

    kinds = [ir.TensorType(start.elem) for start in starts]
    graph = op.body(op.node_names("scan"), [*states, item], kinds * 2, body)
    count = len(starts)
    attributes = {
        "body": graph,
        "num_scan_inputs": 1,
        "scan_input_axes": [dim],
        "scan_output_axes": [dim] * count,
    }
    results = op.write("Scan", [*before, x], attributes, 2 * count)[count:]
    for result, kind in zip(results, kinds, strict=True):
        result.type, result.shape = kind, ir.Shape(x.dims)
    return list(results)
