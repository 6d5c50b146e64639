"""Resizing and sampling images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from fxexport.lowering.arithmetic import lacks_kernels
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64
FLOAT = ir.DataType.FLOAT

Sizes = Sequence[int | Value] | None
Scale = float | Value | None
Scales = Sequence[Scale] | None


def _targets(
    op: OpBuilder, x: Value, sizes: Sizes, scales: Scales, count: int
) -> list[int | Value]:
    """Output sizes: given, or the input's times the factor, rounded down in double."""
    if sizes is not None:
        return list(sizes)
    vals = op.result.shape[-count:]
    result: list[int | Value] = []
    for k in range(count):
        from torch.fx.experimental.symbolic_shapes import is_concrete_int

        if is_concrete_int(vals[k]):
            result.append(int(vals[k]))
            continue
        assert scales is not None
        size = op.cast(op.size(x, x.rank - count + k), ir.DataType.DOUBLE)
        scaled = size * op.cast(scales[k], ir.DataType.DOUBLE)
        result.append(op.cast(op.one("Floor", scaled), INT64))
    return result


def _exact(scale: Scale) -> bool:
    """Whether a factor is the same in single precision, so that ONNX can take it as it is."""
    return isinstance(scale, (int, float)) and float(np.float32(scale)) == float(scale)


def _factors(
    op: OpBuilder, x: Value, targets: list[int | Value], scales: Scales, count: int
) -> list[float | None]:
    """The factor of each dimension as a number, None where it is computed."""
    found: list[float | None] = []
    for k in range(count):
        old, new = x.dims[x.rank - count + k], targets[k]
        given = scales[k] if scales is not None else None
        if isinstance(given, (int, float)):
            found.append(float(given))
        elif given is None and isinstance(old, int) and isinstance(new, int) and old:
            found.append(new / old)
        else:
            found.append(None)
    return found


def _coordinates(
    op: OpBuilder, x: Value, axis: int, target: int | Value, scale: Scale, rule: str
) -> tuple[Value, Value]:
    """Where each output reads on one axis, in single precision as PyTorch computes it."""
    dtype = ir.DataType.DOUBLE if x.elem == ir.DataType.DOUBLE else FLOAT
    old = op.cast(op.size(x, axis), INT64)
    new = op.cast(target, INT64)
    index = op.cast(op.one("Range", 0, new, 1), dtype)
    if rule == "align_corners":
        step = op.cast(old - 1, dtype) / op.cast(op.one("Max", new - 1, 1), dtype)
        return index * step, old
    if scale is None:
        step = op.cast(old, dtype) / op.cast(new, dtype)
    elif isinstance(scale, Value):
        step = op.cast(
            op.const(1.0, ir.DataType.DOUBLE) / op.cast(scale, ir.DataType.DOUBLE), dtype
        )
    else:
        step = op.const(1.0 / scale, dtype)
    if rule == "asymmetric":
        return index * step, old
    if rule == "exact":
        return (index + 0.5) * step, old
    return (index + 0.5) * step - 0.5, old


def _nearest_axis(
    op: OpBuilder, x: Value, axis: int, target: int | Value, scale: Scale, exact: bool
) -> Value:
    where, old = _coordinates(op, x, axis, target, scale, "exact" if exact else "asymmetric")
    index = op.one("Min", op.cast(op.one("Floor", where), INT64), old - 1)
    return op.one("Gather", x, index, axis=axis)


def _linear_axis(
    op: OpBuilder, x: Value, axis: int, target: int | Value, scale: Scale, align: bool
) -> Value:
    rule = "align_corners" if align else "half_pixel"
    where, old = _coordinates(op, x, axis, target, scale, rule)
    if scale is not None and not align:
        # To the same size PyTorch copies, whatever the factor is.
        new = op.cast(target, INT64)
        place = op.cast(op.one("Range", 0, new, 1), where.elem)
        where = op.one("Where", op.one("Equal", new, old), place, where)
    where = op.one("Max", where, 0.0)
    low = op.one("Min", op.cast(op.one("Floor", where), INT64), old - 1)
    high = op.one("Min", low + 1, old - 1)
    share = op.cast(
        op.one("Min", op.one("Max", where - op.cast(low, where.elem), 0.0), 1.0), x.elem
    )
    shape = [-1] + [1] * (x.rank - 1 - axis)
    share = op.one("Reshape", share, shape)
    below, above = op.one("Gather", x, low, axis=axis), op.one("Gather", x, high, axis=axis)
    return below * (op.const(1, x.elem) - share) + above * share


def _cubic_axis(
    op: OpBuilder, x: Value, axis: int, target: int | Value, scale: Scale, align: bool
) -> Value:
    """Four neighbours, those beyond the ends again; Keys' weights with a = -0.75."""
    rule = "align_corners" if align else "half_pixel"
    where, old = _coordinates(op, x, axis, target, scale, rule)
    low = op.one("Floor", where)
    gap = where - low
    total: Value | None = None
    for step in (-1, 0, 1, 2):
        far = op.one("Abs", gap - float(step))
        if step in (0, 1):
            weight = (far * 1.25 - 2.25) * far * far + 1.0
        else:
            weight = ((far * -0.75 + 3.75) * far - 6.0) * far + 3.0
        index = op.one("Min", op.one("Max", op.cast(low, INT64) + step, 0), old - 1)
        weight = op.one("Reshape", op.cast(weight, x.elem), [-1] + [1] * (x.rank - 1 - axis))
        term = op.one("Gather", x, index, axis=axis) * weight
        total = term if total is None else total + term
    assert total is not None
    return total


def _smooth_axis(
    op: OpBuilder, x: Value, axis: int, target: int | Value, scale: Scale, align: bool, cubic: bool
) -> Value:
    """Antialiased resizing of one axis, by the matrix of PyTorch's weights.

    Runtimes disagree with PyTorch on these filters, so their Resize is not used.
    """
    reach = 2.0 if cubic else 1.0
    dtype = x.elem
    old, new = op.cast(op.size(x, axis), INT64), op.cast(target, INT64)
    if align:
        step = op.cast(old - 1, dtype) / op.cast(op.one("Max", new - 1, 1), dtype)
    elif scale is None:
        step = op.cast(old, dtype) / op.cast(new, dtype)
    else:
        step = op.const(1.0, dtype) / op.cast(scale, dtype)
    wide = op.one("Max", step, 1.0)
    rows = op.one("Unsqueeze", op.cast(op.one("Range", 0, new, 1), dtype), [1])
    columns = op.one("Range", 0, old, 1)
    center = (rows + 0.5) * step
    first = op.one("Max", op.cast(center - wide * reach + 0.5, INT64), 0)
    last = op.one("Min", op.cast(center + wide * reach + 0.5, INT64), old)
    distance = op.one("Abs", (op.cast(columns, dtype) - center + 0.5) / wide)
    weight = _cubic_weight(op, distance) if cubic else op.one("Max", 1.0 - distance, 0.0)
    inside = (columns >= first) & (columns < last)
    weight = op.one("Where", inside, weight, op.const(0, dtype))
    weight = weight / op.one("ReduceSum", weight, [1], keepdims=1)
    if axis == x.rank - 1:
        return x @ op.one("Transpose", weight, perm=[1, 0])
    return weight @ x


def _cubic_weight(op: OpBuilder, distance: Value) -> Value:
    square = distance * distance
    near = (distance * 1.5 - 2.5) * square + 1.0
    far = (square * 5.0 - distance * 8.0 - square * distance + 4.0) * 0.5
    outside = op.const(0, distance.elem)
    weight = op.one("Where", distance < 2.0, far, outside)
    return op.one("Where", distance < 1.0, near, weight)


def resize(
    op: OpBuilder,
    x: Value,
    sizes: Sizes,
    scales: Scales,
    count: int,
    mode: str,
    align: bool = False,
    antialias: bool = False,
) -> Value:
    """Resize, or gathers where a runtime would round a position differently from PyTorch."""
    if mode in ("linear", "cubic") and not dtypes.is_float(x.elem):
        raise op.refuse(
            "resizing integers between pixels: what PyTorch gives depends on the processor",
            "convert to float32 first: x.float(), and .round().clamp(0, 255).to(torch.uint8) after",
        )
    if scales is not None and all(scale is None for scale in scales):
        scales = None
    targets = _targets(op, x, sizes, scales, count)
    factors = _factors(op, x, targets, scales, count)
    first = x.rank - count
    given: list[Scale] = [None] * count if scales is None or align else list(scales)
    if antialias:
        for k in range(count):
            x = _smooth_axis(op, x, first + k, targets[k], given[k], align, mode == "cubic")
        return x
    nearest = mode in ("nearest", "nearest_exact")
    whole = all(f is not None and f == int(f) and f >= 1 for f in factors)
    if nearest and (not whole or lacks_kernels(op, x)):
        for k in range(count):
            x = _nearest_axis(op, x, first + k, targets[k], given[k], mode == "nearest_exact")
        return x
    computed = not align and any(g is not None and not _exact(g) for g in given)
    # Such a factor may leave a size as it is.
    near = any(isinstance(g, (int, float)) and 1 < g < 1.5 for g in given)
    if mode == "linear" and (computed or near or lacks_kernels(op, x)):
        for k in range(count):
            x = _linear_axis(op, x, first + k, targets[k], given[k], align)
        return x
    if mode == "cubic" and (computed or lacks_kernels(op, x)):
        for k in range(count):
            x = _cubic_axis(op, x, first + k, targets[k], given[k], align)
        return x
    attributes: dict[str, str | float] = {
        "mode": "nearest" if nearest else mode,
        "coordinate_transformation_mode": "align_corners" if align else "half_pixel",
    }
    if nearest:
        attributes["coordinate_transformation_mode"] = "asymmetric"
        attributes["nearest_mode"] = "floor"
    if mode == "cubic":
        attributes["cubic_coeff_a"] = -0.75
    if (whole and not align) or any(g is not None for g in given):
        pairs = zip(given, factors, strict=True)
        numbers = [1.0] * first + [g if g is not None else f for g, f in pairs]
        if None not in numbers:
            return op.one("Resize", x, None, op.const(numbers, FLOAT), **attributes)
    lead = [op.size(x, k) for k in range(first)]
    return op.one("Resize", x, None, None, op.sizes([*lead, *targets]), **attributes)


def _vec(count: int, mode: str, antialias: bool = False) -> Callable[..., Value]:
    aligned = mode in ("linear", "cubic")

    def lowering(op: OpBuilder, x: Value, output_size: Sizes, *rest: Any, **named: Any) -> Value:
        align = (rest[0] if rest else named.get("align_corners", False)) if aligned else False
        scales = rest[-1] if len(rest) > (1 if aligned else 0) else named.get("scale_factors")
        return resize(op, x, output_size, scales, count, mode, align, antialias)

    return lowering


def _plain(count: int, mode: str, antialias: bool = False) -> Callable[..., Value]:
    aligned = mode in ("linear", "cubic")

    def lowering(op: OpBuilder, x: Value, output_size: Sizes, *rest: Any, **named: Any) -> Value:
        if aligned:
            align = rest[0] if rest else named.get("align_corners", False)
            rest = rest[1:]
        else:
            align = False
        keys = ("scales_d", "scales_h", "scales_w")[3 - count :]
        scales: list[Scale] = list(rest) if rest else [named.get(k) for k in keys]
        if count == 1:
            scales = [rest[0] if rest else named.get("scales", named.get("scales_w"))]
        scales += [None] * (count - len(scales))
        return resize(op, x, output_size, scales, count, mode, align, antialias)

    return lowering


for _count in (1, 2, 3):
    _linear = ("linear1d", "bilinear2d", "trilinear3d")[_count - 1]
    LOWERINGS(f"upsample_nearest{_count}d")(_plain(_count, "nearest"))
    LOWERINGS(f"upsample_nearest{_count}d.vec")(_vec(_count, "nearest"))
    LOWERINGS(f"_upsample_nearest_exact{_count}d")(_plain(_count, "nearest_exact"))
    LOWERINGS(f"_upsample_nearest_exact{_count}d.vec")(_vec(_count, "nearest_exact"))
    LOWERINGS(f"upsample_{_linear}")(_plain(_count, "linear"))
    LOWERINGS(f"upsample_{_linear}.vec")(_vec(_count, "linear"))
LOWERINGS("upsample_bicubic2d")(_plain(2, "cubic"))
LOWERINGS("upsample_bicubic2d.vec")(_vec(2, "cubic"))
LOWERINGS("_upsample_bilinear2d_aa")(_plain(2, "linear", True))
LOWERINGS("_upsample_bilinear2d_aa.vec")(_vec(2, "linear", True))
LOWERINGS("_upsample_bicubic2d_aa")(_plain(2, "cubic", True))
LOWERINGS("_upsample_bicubic2d_aa.vec")(_vec(2, "cubic", True))


@LOWERINGS("grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "_grid_sampler_2d_cpu_fallback")
def grid_sampler(
    op: OpBuilder, x: Value, grid: Value, mode: int, padding_mode: int, align_corners: bool
) -> Value:
    if x.rank == 5 and op.opset < 20:
        raise op.refuse("grid_sample over volumes", "export with opset 20 or later")
    modern = ("linear", "nearest", "cubic")
    old = ("bilinear", "nearest", "bicubic")
    return op.one(
        "GridSample",
        x,
        grid,
        mode=(modern if op.opset >= 20 else old)[mode],
        padding_mode=("zeros", "border", "reflection")[padding_mode],
        align_corners=int(align_corners),
    )
