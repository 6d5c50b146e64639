"""Convolutions, and the windows that they look through."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from fxexport.lowering.arithmetic import lacks_kernels
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dimensions import from_end
from fxexport.lowering.builder.values import Attribute, Value
from fxexport.lowering.integer_convolution import (
    convolve_integers,
    mirrored,
    spread,
    transposed_integers,
)
from fxexport.lowering.operators.shape import reshape_to_result, transpose_to
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()

Ints = int | Sequence[int]


def per_dim(value: Ints, count: int) -> list[int]:
    """One number for each spatial dimension."""
    if isinstance(value, int):
        return [value] * count
    numbers = [int(v) for v in value]
    return numbers * count if len(numbers) == 1 else numbers


def convolve(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int | Value,
) -> Value:
    """Conv or ConvTranspose; an input without a batch dimension gets one."""
    count = weight.rank - 2
    if x.rank == weight.rank - 1:
        batched = op.one("Unsqueeze", x, [0])
        result = convolve(
            op, batched, weight, bias, stride, padding, dilation, transposed, output_padding, groups
        )
        return op.one("Squeeze", result, [0])
    dilations = per_dim(dilation, count)
    if padding == "same" and None in weight.dims[2:]:
        x, padding = _padded_alike(op, x, weight, dilations), 0
    if not dtypes.is_float(x.elem):
        strides = per_dim(stride, count)
        if transposed:
            assert isinstance(groups, int) and not isinstance(padding, str)
            cut, beyond = per_dim(padding, count), per_dim(output_padding, count)
            return transposed_integers(op, x, weight, bias, strides, cut, dilations, groups, beyond)
        ends = op.i64(_pads(op, weight, padding, dilations))
        return convolve_integers(op, x, weight, bias, strides, ends, dilations, groups)
    if isinstance(groups, Value):
        if transposed or None in weight.dims[1:]:
            text = "a transposed convolution" if transposed else "weights of an unknown size"
            raise op.refuse(
                f"{text} in groups whose number is known only when it runs", "give a fixed number"
            )
        pads = _pads(op, weight, padding, dilations)
        return _in_groups(op, x, weight, bias, per_dim(stride, count), pads, dilations, groups)
    if lacks_kernels(op, x):
        if None in weight.dims[0 if transposed else 1 :]:
            raise op.refuse(
                "a convolution in float64 with weights of an unknown size", "convert to float32"
            )
        strides, pads = per_dim(stride, count), _pads(op, weight, padding, dilations)
        if transposed:
            beyond = per_dim(output_padding, count)
            x, weight = spread(op, x, strides), mirrored(op, weight, groups)
            reach = [d * (_known(k) - 1) for d, k in zip(dilations, weight.dims[2:], strict=True)]
            before = [r - pad for r, pad in zip(reach, pads[:count], strict=True)]
            after = [pad + more for pad, more in zip(before, beyond, strict=True)]
            strides, pads = [1] * count, [*before, *after]
        return _in_groups(op, x, weight, bias, strides, pads, dilations, op.i64(groups))
    attributes: dict[str, Attribute] = {
        "strides": per_dim(stride, count),
        "dilations": dilations,
        "group": groups,
        "pads": _pads(op, weight, padding, dilations),
    }
    kernel = [size for size in weight.dims[2:] if size is not None]
    if len(kernel) == count:
        attributes["kernel_shape"] = kernel
    if not transposed:
        return op.one("Conv", x, weight, bias, **attributes)
    beyond = per_dim(output_padding, count)
    if all(o < s for o, s in zip(beyond, per_dim(stride, count), strict=True)):
        attributes["output_padding"] = beyond
        return op.one("ConvTranspose", x, weight, bias, **attributes)
    return _transposed_further(op, x, weight, bias, beyond, attributes)


def _transposed_further(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    beyond: list[int],
    attributes: dict[str, Attribute],
) -> Value:
    """ConvTranspose with an output padding that ONNX Runtime does not take (of a stride or more).

    Output padding cuts less off the end, and adds zeros where there is nothing left to cut.
    """
    count = len(beyond)
    pads = attributes["pads"]
    assert isinstance(pads, list)
    left = [cut - more for cut, more in zip(pads[count:], beyond, strict=True)]
    attributes = {**attributes, "pads": [*pads[:count], *(max(cut, 0) for cut in left)]}
    zeros = [max(-cut, 0) for cut in left]
    if not any(zeros):
        return op.one("ConvTranspose", x, weight, bias, **attributes)
    result = op.one("ConvTranspose", x, weight, **attributes)
    ends = op.i64([0] * (4 + count) + zeros)
    result = op.one("Pad", result, ends, op.const(0, x.elem))
    return result if bias is None else result + op.one("Reshape", bias, [-1, *[1] * count])


def _in_groups(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    strides: list[int],
    pads: list[int],
    dilations: list[int],
    groups: Value,
) -> Value:
    """A convolution in a dynamic number of groups, as a product for each: ``groups=x.shape[0]``.

    The pixels under each position of the kernel are slices of the padded input.
    """
    count = len(strides)
    kernel = [int(size) for size in weight.dims[2:] if size is not None]
    channels = int(weight.dims[1])  # type: ignore[arg-type]
    axes = list(range(2, 2 + count))
    if any(pads):
        ends = [0, 0, *pads[:count], 0, 0, *pads[count:]]
        x = op.one("Pad", x, op.i64(ends), op.cast(0, op.dtype))
    reach = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    sizes = [
        op.one("Div", op.size1(x, axis) - r - 1, [s]) + 1
        for axis, r, s in zip(axes, reach, strides, strict=True)
    ]
    lengths = [(n - 1) * s + 1 for n, s in zip(sizes, strides, strict=True)]
    under = []
    for position in itertools.product(*map(range, kernel)):
        starts = [k * d for k, d in zip(position, dilations, strict=True)]
        ends_at = [n + start for n, start in zip(lengths, starts, strict=True)]
        end = op.one("Concat", *ends_at, axis=0)
        under.append(op.one("Slice", x, starts, end, axes, strides))
    number = op.one("Reshape", groups, [1])
    batch = op.size1(x, 0)
    shape = op.one("Concat", batch, number, [channels, len(under), -1], axis=0)
    stacked = op.one("Concat", *(op.one("Unsqueeze", u, [2]) for u in under), axis=2)
    columns = op.one("Reshape", stacked, shape)
    columns = op.one("Reshape", columns, [0, 0, channels * len(under), -1])
    rows = op.one("Concat", number, [-1, channels * len(under)], axis=0)
    product = op.one("MatMul", op.one("Reshape", weight, rows), columns)
    result = op.one("Reshape", product, op.one("Concat", batch, [-1], *sizes, axis=0))
    if bias is None:
        return result
    return result + op.one("Reshape", bias, [-1, *[1] * count])


def _known(size: int | None) -> int:
    assert size is not None
    return size


def _pads(op: OpBuilder, weight: Value, padding: Ints | str, dilations: list[int]) -> list[int]:
    count = weight.rank - 2
    if padding == "valid":
        return [0] * (2 * count)
    if padding == "same":
        before, after = [], []
        for size, dilation in zip(weight.dims[2:], dilations, strict=True):
            assert size is not None  # `_padded_alike`
            total = dilation * (size - 1)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after
    assert not isinstance(padding, str)
    return per_dim(padding, count) * 2


def _padded_alike(op: OpBuilder, x: Value, weight: Value, dilations: list[int]) -> Value:
    """The input padded for ``padding='same'``, where the size of the kernel is not known."""
    count = len(dilations)
    totals = [(op.size1(weight, 2 + k) - 1) * dilations[k] for k in range(count)]
    before = [total / 2 for total in totals]
    after = [total - half for total, half in zip(totals, before, strict=True)]
    none = op.i64([0, 0])
    ends = op.one("Concat", none, *before, none, *after, axis=0)
    return op.one("Pad", x, ends, op.const(0, x.elem))


@LOWERINGS("convolution", "_convolution", "_convolution.deprecated")
def convolution(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int | Value,
    *_: bool,
) -> Value:
    return convolve(
        op, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


def _forward(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int | Value = 1,
) -> Value:
    return convolve(op, x, weight, bias, stride, padding, dilation, False, 0, groups)


def _backward(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int | Value = 1,
    dilation: Ints = 1,
) -> Value:
    return convolve(op, x, weight, bias, stride, padding, dilation, True, output_padding, groups)


_FORWARD: Callable[..., Value] = _forward
for _name in ("conv1d", "conv2d", "conv3d"):
    LOWERINGS(_name, f"{_name}.padding")(_FORWARD)
LOWERINGS("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input")(_backward)


@LOWERINGS("unfold", "unfold_copy")
def unfold(op: OpBuilder, x: Value, dim: int, size: int, step: int) -> Value:
    if x.rank == 0:
        return op.one("Reshape", x, [1])
    dim %= x.rank
    number = (op.size1(x, dim) - size) / step + 1
    # Runs of elements that windows have in common are taken as one: 1 ms to 0.1 for a spectrogram.
    unit = math.gcd(size, step)
    around = [op.size(x, k) for k in range(x.rank)]
    before, after = around[:dim], around[dim + 1 :]
    if unit > 1:
        used = (number - 1) * step + size
        x = op.reshape(op.one("Slice", x, [0], used, [dim]), [*before, used / unit, unit, *after])
    count = op.one("Squeeze", number, [0])
    starts = op.one("Unsqueeze", op.one("Range", 0, count, 1) * (step // unit), [1])
    inside = op.one("Unsqueeze", op.i64(list(range(size // unit))), [0])
    windows = op.one("Gather", x, starts + inside, axis=dim)
    if unit > 1:
        windows = op.reshape(windows, [*before, count, size, *after])
    perm = [k for k in range(windows.rank) if k != dim + 1]
    return transpose_to(op, windows, [*perm, dim + 1])


@LOWERINGS("unfold_backward")
def unfold_backward(
    op: OpBuilder, windows: Value, sizes: Sequence[int | Value], dim: int, size: int, step: int
) -> Value:
    """Window k is added at ``k * step``.

    Each window is cut into pieces of `step`. The first pieces of all windows make one row without
    gaps, so do the second ones, one step later: a few sums in place of one for each element.
    """
    if not sizes:
        return op.one("Squeeze", windows, [0])
    dim %= len(sizes)
    x = _windows_last(op, windows, dim)
    count = -(-size // step)
    axis = x.rank - 1
    x = _padded(op, x, op.i64([0]), op.i64([count * step - size]))
    outer = [op.size(x, k) for k in range(axis - 1)]
    total: Value | None = None
    for k in range(count):
        piece = op.one("Slice", x, [k * step], [(k + 1) * step], [axis])
        length = op.vector(op.size(x, axis - 1)) * step
        row = op.reshape(piece, [*outer, length])
        row = _padded(op, row, op.i64([k * step]), op.i64([(count - 1 - k) * step]))
        total = row if total is None else total + row
    assert total is not None
    wanted = op.vector(sizes[dim])
    have = op.vector(op.size(total, axis - 1))
    missing = op.one("Max", wanted - have, op.i64([0]))
    total = op.one("Slice", _padded(op, total, op.i64([0]), missing), [0], wanted, [axis - 1])
    return from_end(op, total, dim)


def _windows_last(op: OpBuilder, x: Value, dim: int) -> Value:
    """The dimension of the windows brought in front of the last, which goes along each."""
    others = [k for k in range(x.rank - 1) if k != dim]
    perm = [*others, dim, x.rank - 1]
    return x if perm == list(range(x.rank)) else op.one("Transpose", x, perm=perm)


def _padded(op: OpBuilder, x: Value, before: Value, after: Value) -> Value:
    """Zeros before and after along the last dimension; each a number in an int64 vector."""
    known = [op.constant(part) for part in (before, after)]
    if all(part is not None and not part.any() for part in known):
        return x
    return op.one("Pad", x, op.one("Concat", before, after, axis=0), None, op.i64([x.rank - 1]))


@LOWERINGS("im2col")
def im2col(
    op: OpBuilder,
    x: Value,
    kernel: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Value:
    """Windows over both of the last dimensions, each a column."""
    lead = [op.size(x, k) for k in range(x.rank - 2)]
    first = len(lead)
    if any(padding):
        ends = [*[0] * first, *padding]
        x = op.one("Pad", x, op.i64(ends * 2), op.const(0, x.elem))
    counts = []
    for k in range(2):
        # The windows of the rows go before those of the columns: each adds a dimension.
        axis = first + 2 * k
        reach = dilation[k] * (kernel[k] - 1) + 1
        count = (op.size1(x, axis) - reach) / stride[k] + 1
        starts = op.one("Range", 0, op.one("Squeeze", count, [0]), 1) * stride[k]
        inside = op.one("Unsqueeze", op.i64([n * dilation[k] for n in range(kernel[k])]), [1])
        x = op.one("Gather", x, inside + op.one("Unsqueeze", starts, [0]), axis=axis)
        counts.append(count)
    perm = [*range(first), first, first + 2, first + 1, first + 3]
    x = op.one("Transpose", x, perm=perm)
    rows = op.vector(lead[-1]) * (kernel[0] * kernel[1])
    return reshape_to_result(op, x, [*lead[:-1], rows, counts[0] * counts[1]])
