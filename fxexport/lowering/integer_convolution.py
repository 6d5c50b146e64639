"""Convolutions of integers: ONNX's Conv has none, so each is a product with the pixels in windows.

Sums wrap around as PyTorch's do: those of int64 modulo 2^64, narrower ones in int32 and cast back.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.loops import repeat

__all__ = ["convolve_integers", "mirrored", "spread", "transposed_integers"]

INT64 = ir.DataType.INT64


def convolve_integers(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    strides: Sequence[int],
    pads: Value,
    dilations: Sequence[int],
    groups: int | Value,
) -> Value:
    """A convolution of integers.

    Args:
        op: the builder.
        x: [batch, channels, ...].
        weight: [out, channels of a group, ...].
        bias: [out].
        strides: one for each dimension behind the channels, as `dilations`.
        pads: zeros before each of these dimensions, then after each; int64.
        dilations: between the elements of the kernel.
        groups: of channels.
    """
    dtype, count = x.elem, len(strides)
    wide = INT64 if dtype == INT64 else ir.DataType.INT32
    x, weight = op.cast(x, wide), op.cast(weight, wide)
    known = op.constant(pads)
    if known is None or known.any():
        before, after = (op.one("Slice", pads, [k * count], [(k + 1) * count]) for k in (0, 1))
        none = op.i64([0, 0])
        ends = op.one("Concat", none, before, none, after, axis=0)
        x = op.one("Pad", x, ends, op.const(0, wide))
    kernel = [op.size1(weight, 2 + k) for k in range(count)]
    sizes = [
        (op.size1(x, 2 + k) - (kernel[k] - 1) * dilations[k] - 1) / strides[k] + 1
        for k in range(count)
    ]
    result = _summed(op, x, weight, (kernel, sizes, strides, dilations), op.vector(groups))
    if bias is not None:
        result = result + op.one("Reshape", op.cast(bias, wide), [-1, *[1] * count])
    return op.cast(result, dtype)


_Window = tuple[Sequence[Value], Sequence[Value], Sequence[int], Sequence[int]]


def _summed(op: OpBuilder, x: Value, weight: Value, window: _Window, groups: Value) -> Value:
    """A product for each place in the kernel, added up.

    All of them at once would take the memory of the result as often as the kernel has places.
    """
    kernel, sizes, strides, dilations = window
    count = len(kernel)
    batch, out = op.size1(x, 0), op.size1(weight, 0)
    depth = op.size1(x, 1) / groups
    places, pixels = _product(op, kernel), _product(op, sizes)
    rows = op.reshape(weight, [groups, out / groups, depth, places])
    reach = [(n - 1) * s + 1 for n, s in zip(sizes, strides, strict=True)]
    zeros = op.one("Expand", op.const(0, x.elem), op.sizes([batch, groups, out / groups, pixels]))
    zeros.shape = ir.Shape([None] * 4)

    def step(k: Value, total: Value) -> list[Value]:
        starts: list[Value] = []
        left = op.one("Unsqueeze", k, [0])
        for size, dilation in zip(reversed(kernel), reversed(dilations), strict=True):
            starts.insert(0, op.one("Mod", left, size) * dilation)
            left = left / size
        ends = [start + n for start, n in zip(starts, reach, strict=True)]
        first, last = (op.one("Concat", *parts, axis=0) for parts in (starts, ends))
        under = op.one("Slice", x, first, last, list(range(2, 2 + count)), list(strides))
        under = op.reshape(under, [batch, groups, depth, pixels])
        return [total + op.one("Gather", rows, k, axis=3) @ under]

    (total,) = repeat(op, op.one("Squeeze", places, [0]), [zeros], step)
    return op.reshape(total, [batch, out, *sizes])


def _product(op: OpBuilder, sizes: Sequence[Value]) -> Value:
    return functools.reduce(lambda a, b: op.one("Mul", a, b), sizes)


def transposed_integers(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    strides: Sequence[int],
    padding: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    beyond: Sequence[int],
) -> Value:
    """A transposed convolution: one with the turned kernel, over pixels that are apart.

    Args:
        op: the builder.
        x: [batch, channels, ...].
        weight: [channels, out of a group, ...].
        bias: [out].
        strides: how far apart the pixels are, in each dimension behind the channels.
        padding: what is cut off, before and after.
        dilations: between the elements of the kernel.
        groups: of channels.
        beyond: the output padding.
    """
    count = len(strides)
    x = spread(op, x, strides)
    kernel = [op.size1(weight, 2 + k) for k in range(count)]
    reach = [(size - 1) * d - p for size, d, p in zip(kernel, dilations, padding, strict=True)]
    ends = [r + more for r, more in zip(reach, beyond, strict=True)]
    pads = op.one("Concat", *reach, *ends, axis=0)
    turned = mirrored(op, weight, groups)
    return convolve_integers(op, x, turned, bias, [1] * count, pads, dilations, groups)


def spread(op: OpBuilder, x: Value, strides: Sequence[int]) -> Value:
    """Zeros between the pixels, so that they are a stride apart."""
    for axis, stride in enumerate(strides, start=2):
        if stride > 1:
            sizes = [op.size(x, k) for k in range(x.rank)]
            sizes[axis] = op.vector(sizes[axis]) * stride
            ends = [0] * (x.rank + 1)
            ends[axis + 1] = stride - 1
            x = op.one("Unsqueeze", x, [axis + 1])
            x = op.one("Pad", x, op.i64([0] * x.rank + ends), op.const(0, x.elem))
            x = op.one("Slice", op.reshape(x, sizes), [0], [1 - stride], [axis])
    return x


def mirrored(op: OpBuilder, weight: Value, groups: int) -> Value:
    """What a transposed convolution multiplies with, as weights of one that is not."""
    rank = weight.rank
    inside, outside, *kernel = [op.size(weight, k) for k in range(rank)]
    own = inside // groups if isinstance(inside, int) else inside / groups
    weight = op.reshape(weight, [groups, own, outside, *kernel])
    weight = op.one("Transpose", weight, perm=[0, 2, 1, *range(3, rank + 1)])
    sizes = [outside * groups, own, *kernel]
    weight = op.reshape(weight, sizes)
    axes = list(range(2, rank))
    ends = [-(2**62)] * len(axes)
    weight = op.one("Slice", weight, [-1] * len(axes), ends, axes, [-1] * len(axes))
    weight.shape = ir.Shape([size if isinstance(size, int) else None for size in sizes])
    return weight
