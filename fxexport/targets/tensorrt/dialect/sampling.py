"""Reading between pixels: what RoiAlign and deformable convolution have in common."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value

__all__ = ["channels_last", "corners", "outer", "positions"]

INT64 = ir.DataType.INT64


def positions(op: OpBuilder, count: int | Value, dtype: ir.DataType) -> Value:
    """0, 1, ... as a vector of `count`."""
    if isinstance(count, int):
        return op.const(list(range(count)), dtype)
    return op.cast(op.one("Range", op.i64(0), count, op.i64(1)), dtype)


def outer(op: OpBuilder, x: Value, axis: int, rank: int) -> Value:
    """A vector along dimension `axis` of `rank` dimensions."""
    axes = [d for d in range(rank) if d != axis]
    return op.one("Unsqueeze", x, axes) if axes else x


def channels_last(op: OpBuilder, x: Value) -> Value:
    """[N, C, H, W] as rows of channels: [N*H*W, C]."""
    turned = op.one("Transpose", x, perm=[0, 2, 3, 1])
    rows = op.one("Reshape", turned, op.sizes([-1, op.size(x, 1)]))
    rows.shape = ir.Shape([None, x.dims[1]])
    return rows


def corners(
    op: OpBuilder, at: Value, size: Value, *, clamp: bool
) -> tuple[tuple[Value, Value], tuple[Value, Value]]:
    """The two pixels around each position along one dimension, and their weights.

    Args:
        op: the builder.
        at: positions, floats of any shape.
        size: pixels along the dimension, an int64 number.
        clamp: positions up to one pixel outside take the border's value (RoiAlign); else what lies
            outside counts as zeros (deformable convolution). Beyond that all weights are zero.

    Returns:
        Index (int64, always within the dimension) and weight, of the lower and the upper pixel.
    """
    dtype = at.elem
    zero, one = op.const(0, dtype), op.const(1, dtype)
    length = op.cast(size, dtype)
    last = length - one
    if clamp:
        inside = (at >= op.const(-1, dtype)) & (at <= length)
        clamped = op.one("Min", op.one("Max", at, zero), last)
    else:
        inside = (at > op.const(-1, dtype)) & (at < length)
        clamped = op.one("Min", op.one("Max", at, op.const(-1, dtype)), length)
    low = op.one("Floor", clamped)
    upper = clamped - low
    lower = one - upper
    found = []
    for pixel, weight in ((low, lower), (low + one, upper)):
        exists = inside
        if not clamp:
            exists = inside & (pixel >= zero) & (pixel <= last)
        index = op.one("Min", op.one("Max", pixel, zero), last)
        found.append((op.cast(index, INT64), op.one("Where", exists, weight, zero)))
    return found[0], found[1]
