"""Pooling with windows, and unpooling."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence

import onnx_ir as ir

from fxexport.lowering.arithmetic import lacks_kernels
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.operators.conv import Ints, per_dim
from fxexport.lowering.operators.shape import reshape_to_result
from fxexport.lowering.registry import Lowering, LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64
# Windows are padded up to this size.
_LARGEST_WINDOW = 64


def _ceil_pads(
    op: OpBuilder,
    x: Value,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
) -> Value:
    """Extra padding at the end that makes floor mode give the sizes of PyTorch's ceil mode."""
    extra: list[Value] = []
    for k in range(len(kernel)):
        size = op.size1(x, x.rank - len(kernel) + k)
        span = size + (2 * padding[k] - dilation[k] * (kernel[k] - 1) - 1)
        last = _last_window(op, size, span, stride[k], padding[k])
        extra.append(op.one("Max", last * stride[k] - span, [0]))
    return op.one("Concat", *extra, axis=0) if len(extra) > 1 else extra[0]


def _last_window(op: OpBuilder, size: Value, span: Value, stride: int, padding: int) -> Value:
    """The number of the last window in ceil mode, counted from 0.

    PyTorch drops one that would start beyond the input and its left padding.

    Args:
        op: the builder.
        size: of the dimension, a tensor [1].
        span: how far the first window can move.
        stride: from one window to the next.
        padding: before the first position.
    """
    last = (span + (stride - 1)) / stride
    beyond = (last * stride) >= (size + padding)
    return last - op.cast(beyond, INT64)


def _padded(
    op: OpBuilder,
    x: Value,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    fill: float,
) -> Value:
    """The input with all its padding written out, ceil mode's included."""
    lead = [0] * (x.rank - len(kernel))
    extra = _ceil_pads(op, x, kernel, stride, padding, dilation)
    after = op.i64(padding) + extra
    pads = op.one("Concat", op.i64([*lead, *padding, *lead]), after, axis=0)
    return op.one("Pad", x, pads, op.const(fill, x.elem), mode="constant")


def max_pool(
    op: OpBuilder,
    x: Value,
    count: int,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
    want_indices: bool,
) -> tuple[Value, Value | None]:
    """MaxPool and, if wanted, indices as PyTorch counts them: within a channel."""
    if x.rank == count + 1:
        # Each channel is a batch of its own: ONNX Runtime takes none of a batch alone.
        batched = op.one("Unsqueeze", x, [1])
        values, indices = max_pool(
            op, batched, count, kernel_size, stride, padding, dilation, ceil_mode, want_indices
        )
        values = op.one("Squeeze", values, [1])
        return values, None if indices is None else op.one("Squeeze", indices, [1])
    if not dtypes.is_float(x.elem):
        values, indices = max_pool(
            op,
            op.cast(x, ir.DataType.DOUBLE),
            count,
            kernel_size,
            stride,
            padding,
            dilation,
            ceil_mode,
            want_indices,
        )
        return op.cast(values, x.elem), indices
    kernel, dilations = per_dim(kernel_size, count), per_dim(dilation, count)
    strides = per_dim(stride, count) if stride or stride == 0 else kernel
    pads = per_dim(padding, count)
    attributes: dict[str, list[int]] = {
        "kernel_shape": kernel,
        "strides": strides,
        "dilations": dilations,
    }
    if ceil_mode:
        source = _padded(op, x, kernel, strides, pads, dilations, -math.inf)
        offset = pads
        attributes["pads"] = [0] * (2 * count)
    else:
        source, offset = x, [0] * count
        attributes["pads"] = pads * 2
    if not want_indices:
        return op.one("MaxPool", source, **attributes), None
    values, flat = op.several("MaxPool", 2, source, **attributes)
    return values, _plane_indices(op, x, source, flat, offset)


def _plane_indices(op: OpBuilder, x: Value, source: Value, flat: Value, offset: list[int]) -> Value:
    """Indices over the whole (padded) tensor as indices within a channel of the input."""
    count = len(offset)
    first = x.rank - count
    wide = [op.size1(source, first + k) for k in range(count)]
    plane = wide[0]
    for size in wide[1:]:
        plane = plane * size
    within = op.one("Mod", flat, plane)
    if source is x:
        return within
    result = None
    for k in range(count):
        below = op.i64([1])
        for size in wide[k + 1 :]:
            below = below * size
        coordinate = op.one("Mod", within / below, wide[k]) - offset[k]
        size = op.size1(x, first + k)
        result = coordinate if result is None else result * size + coordinate
    assert result is not None
    return result


def _max(count: int, *, indices: bool) -> Lowering:
    """The lowering of max pooling over `count` dimensions, with or without indices as a result."""

    def lowering(
        op: OpBuilder,
        x: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> Value | tuple[Value, Value | None]:
        used = indices and op.indices_used
        pooled = max_pool(op, x, count, kernel_size, stride, padding, dilation, ceil_mode, used)
        return pooled if indices else pooled[0]

    return lowering


def _average(count: int) -> Callable[..., Value]:
    def lowering(
        op: OpBuilder,
        x: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Value:
        if x.rank == count + 1:
            pooled = lowering(
                op,
                op.one("Unsqueeze", x, [1]),
                kernel_size,
                stride,
                padding,
                ceil_mode,
                count_include_pad,
                divisor_override,
            )
            return op.one("Squeeze", pooled, [1])
        kernel = per_dim(kernel_size, count)
        strides = per_dim(stride, count) if stride or stride == 0 else kernel
        pads = per_dim(padding, count)
        if not dtypes.is_float(x.elem):
            return _average_as_product(
                op, x, kernel, strides, pads, ceil_mode, count_include_pad, divisor_override
            )
        window = {"kernel_shape": kernel, "strides": strides}
        if not ceil_mode and divisor_override is None and not lacks_kernels(op, x):
            return op.one(
                "AveragePool", x, pads=pads * 2, count_include_pad=int(count_include_pad), **window
            )
        if ceil_mode and max(kernel) > _LARGEST_WINDOW:
            return _average_as_product(
                op, x, kernel, strides, pads, ceil_mode, count_include_pad, divisor_override
            )
        return _average_written_out(
            op, x, kernel, strides, pads, ceil_mode, count_include_pad, divisor_override
        )

    return lowering


def _average_as_product(
    op: OpBuilder,
    x: Value,
    kernel: list[int],
    strides: list[int],
    pads: list[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Value:
    """Average pooling as products with matrices that say what is in a window.

    Integers are added and divided as such. With `ceil_mode` a window may be much larger than the
    input: padding the input to it would take all the memory.
    """
    narrow = ir.DataType.DOUBLE if x.elem == ir.DataType.DOUBLE else ir.DataType.FLOAT
    wide = narrow if dtypes.is_float(x.elem) else INT64
    total = op.cast(x, wide)
    counts: list[Value] = []
    for k, (size, stride, pad) in enumerate(zip(kernel, strides, pads, strict=True)):
        dim = x.rank - len(kernel) + k
        length = op.size1(x, dim)
        span = length + (2 * pad - size)
        last = _last_window(op, length, span, stride, pad) if ceil_mode else span / stride
        window = _windows(op, length, last + 1, size, stride, pad, include_pad=count_include_pad)
        inside, count = (op.cast(part, wide) for part in window)
        order = [d for d in range(x.rank) if d != dim] + [dim]
        back = [order.index(d) for d in range(x.rank)]
        total = op.one("MatMul", op.one("Transpose", total, perm=order), inside)
        total = op.one("Transpose", total, perm=back)
        counts.append(op.one("Unsqueeze", count, list(range(1, len(kernel) - k))))
    if divisor is not None:
        return op.cast(op.one("Div", total, op.const(divisor, wide)), x.elem)
    number = functools.reduce(lambda a, b: op.one("Mul", a, b), counts)
    return op.cast(op.one("Div", total, number), x.elem)


def _windows(
    op: OpBuilder,
    size: Value,
    number: Value,
    kernel: int,
    stride: int,
    pad: int,
    *,
    include_pad: bool,
) -> tuple[Value, Value]:
    """Which positions of a dimension are in which window, and what each window is divided by.

    Args:
        op: the builder.
        size: of the dimension, a tensor [1].
        number: of windows, a tensor [1].
        kernel: the size of a window.
        stride: from one window to the next.
        pad: before the first position and after the last one.
        include_pad: whether these count.

    Returns:
        A matrix of bool [positions, windows], and the counts, int64[windows].
    """
    first = op.one("Range", 0, op.one("Squeeze", number, [0]), 1) * stride - pad
    position = op.one("Unsqueeze", op.one("Range", 0, op.one("Squeeze", size, [0]), 1), [1])
    inside = op.one("And", position >= first, op.one("Less", position, first + kernel))
    if include_pad:
        return inside, op.one("Min", first + kernel, size + pad) - first
    return inside, op.one("Min", first + kernel, size) - op.one("Max", first, [0])


def _average_written_out(
    op: OpBuilder,
    x: Value,
    kernel: list[int],
    strides: list[int],
    pads: list[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Value:
    """Average pooling as a sum over padded windows, divided by what PyTorch divides by."""
    ones = [1] * len(kernel)
    lead = [0] * (x.rank - len(kernel))

    def total(source: Value) -> Value:
        if ceil_mode:
            padded = _padded(op, source, kernel, strides, pads, ones, 0.0)
        else:
            padded = op.one("Pad", source, op.i64([*lead, *pads, *lead, *pads]), mode="constant")
        return _window_sums(op, padded, kernel, strides)

    if divisor is None and count_include_pad and not ceil_mode:
        divisor = math.prod(kernel)
    if divisor is not None:
        return total(x) / float(divisor)
    inside = op.one("Expand", op.const(1.0, x.elem), op.shape(x))
    inside.shape = ir.Shape(x.dims)
    if count_include_pad and ceil_mode:
        # The declared padding counts, what ceil mode adds beyond it does not.
        full = op.one(
            "Pad",
            inside,
            op.i64([*lead, *pads, *lead, *pads]),
            op.const(1.0, x.elem),
            mode="constant",
        )
        extra = _ceil_pads(op, x, kernel, strides, pads, ones)
        end = op.one("Concat", op.i64([0] * x.rank + lead), extra, axis=0)
        full = op.one("Pad", full, end, mode="constant")
        counted = _window_sums(op, full, kernel, strides)
    else:
        counted = total(inside)
    return total(x) / counted


def _window_sums(op: OpBuilder, x: Value, kernel: list[int], strides: list[int]) -> Value:
    if not lacks_kernels(op, x):
        mean = op.one("AveragePool", x, kernel_shape=kernel, strides=strides)
        return mean * float(math.prod(kernel))
    for k, (size, stride) in enumerate(zip(kernel, strides, strict=True)):
        axis = x.rank - len(kernel) + k
        reach = op.one("Div", op.size1(x, axis) - size, [stride]) * stride + 1
        under = [op.one("Slice", x, [at], reach + at, [axis], [stride]) for at in range(size)]
        x = functools.reduce(operator.add, under)
    return x


for _count in (1, 2, 3):
    LOWERINGS(f"max_pool{_count}d_with_indices")(_max(_count, indices=True))
    LOWERINGS(f"max_pool{_count}d")(_max(_count, indices=False))
    LOWERINGS(f"avg_pool{_count}d")(_average(_count))


@LOWERINGS("max_unpool2d")
def max_unpool2d(
    op: OpBuilder, x: Value, indices: Value, output_size: Sequence[int | Value]
) -> Value:
    return _unpool(op, x, indices, output_size, 2)


@LOWERINGS("max_unpool3d")
def max_unpool3d(
    op: OpBuilder, x: Value, indices: Value, output_size: Sequence[int | Value], *_: object
) -> Value:
    return _unpool(op, x, indices, output_size, 3)


def _unpool(
    op: OpBuilder, x: Value, indices: Value, output_size: Sequence[int | Value], count: int
) -> Value:
    """Scatters into a flat channel: there PyTorch's indices need no conversion."""
    lead = [op.size(x, k) for k in range(x.rank - count)]
    plane = op.i64([1])
    for size in output_size:
        plane = plane * op.vector(size)
    zeros = op.one("Expand", op.const(0, x.elem), op.sizes([*lead, plane]))
    flat = op.sizes([*lead, -1]) if len(lead) == 1 else None
    if flat is None:
        window = op.i64([1])
        for k in range(count):
            window = window * op.size1(x, x.rank - count + k)
        flat = op.sizes([*lead, window])
    values, positions = (op.one("Reshape", v, flat, allowzero=1) for v in (x, indices))
    written = op.one("ScatterElements", zeros, positions, values, axis=len(lead))
    return reshape_to_result(op, written, [*lead, *output_size])
