"""Losses."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.operators.reduce import axes_of, mean_over, reduce
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
_NONE, _MEAN = 0, 1


@LOWERINGS("nll_loss_forward", "nll_loss2d_forward")
def nll_loss(
    op: OpBuilder,
    x: Value,
    target: Value,
    weight: Value | None,
    reduction: int,
    ignore_index: int,
) -> tuple[Value, Value]:
    classes = 1 if x.rank > 1 else 0
    kept = ~op.one("Equal", target, ignore_index)
    safe = op.one("Where", kept, target, op.const(0, target.elem))
    safe = op.cast(safe, ir.DataType.INT64)
    picked = op.one("GatherElements", x, op.one("Unsqueeze", safe, [classes]), axis=classes)
    picked = op.one("Squeeze", picked, [classes])
    share = op.cast(kept, x.elem)
    if weight is not None:
        share = share * op.one("Gather", weight, safe, axis=0)
    loss = op.one("Where", kept, -picked * share, op.const(0, x.elem))
    loss.shape = picked.shape = ir.Shape(target.dims)
    share.shape = ir.Shape(target.dims)
    total = reduce(op, "ReduceSum", share, None)
    if reduction == _NONE:
        return loss, op.const(0, x.elem)
    summed = reduce(op, "ReduceSum", loss, None)
    return (summed / total if reduction == _MEAN else summed), total


@LOWERINGS("mse_loss")
def mse_loss(op: OpBuilder, x: Value, target: Value, reduction: int = _MEAN) -> Value:
    x, target = op.promote(x, target)
    gap = x - target
    squared = gap * gap
    if reduction == _NONE:
        return squared
    if reduction == _MEAN:
        return mean_over(op, squared, axes_of(squared, None), False)
    return reduce(op, "ReduceSum", squared, None)
