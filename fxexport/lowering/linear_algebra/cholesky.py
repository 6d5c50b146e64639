"""Cholesky's factors, column by column."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.loops import repeat
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("linalg_cholesky_ex")
def cholesky_ex(
    op: OpBuilder, x: Value, *, upper: bool = False, check_errors: bool = False
) -> tuple[Value, Value]:
    """The factor, and the order of the first minor that is not positive; 0 where all are."""
    rank = x.rank
    size = op.size1(x, -1)
    rows = op.one("Range", op.i64(0), op.one("Squeeze", size, [0]), op.i64(1))  # [n]
    rows.shape = ir.Shape([x.dims[-1]])
    down = op.one("Unsqueeze", rows, [1])  # [n, 1]
    turned = op.one("Transpose", x, perm=[*range(rank - 2), rank - 1, rank - 2])
    given = turned if upper else x
    none = op.one("Cast", op.one("ReduceSum", given, [-2, -1], keepdims=0) * 0.0,
                  to=ir.DataType.INT32)  # fmt: skip

    def column(k: Value, left: Value, factor: Value, info: Value) -> list[Value]:
        at = op.one("Unsqueeze", k, [0])
        own = op.one("Slice", left, at, at + 1, [rank - 1])  # [..., n, 1]
        pivot = op.one("Slice", own, at, at + 1, [rank - 2])  # [..., 1, 1]
        part = op.one("Where", down >= k, own / op.one("Sqrt", pivot), op.const(0, x.elem))
        part.shape = ir.Shape([*x.dims[:-1], 1])
        transposed = op.one("Transpose", part, perm=[*range(rank - 2), rank - 1, rank - 2])
        placed = op.one("Equal", rows, k)  # [n]
        factor = op.one("Where", placed, part, factor)
        failed = op.one("Squeeze", ~(pivot > 0.0), [rank - 2, rank - 1])
        first = failed & op.one("Equal", info, op.const(0, info.elem))
        info = op.one("Where", first, op.cast(k + 1, info.elem), info)
        return [left - part * transposed, factor, info]

    _, factor, info = repeat(op, op.one("Squeeze", size, [0]), [given, given * 0.0, none], column)
    if upper:
        factor = op.one("Transpose", factor, perm=[*range(rank - 2), rank - 1, rank - 2])
    return factor, info
