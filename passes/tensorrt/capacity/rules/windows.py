"""Convolutions, pools and padding: beyond the count there is what padding would put there."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from fxexport.passes.tensorrt.capacity.rules.reductions import lowest
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Dims,
    Open,
    Result,
    Value,
    val_of,
)
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number, Size
from fxexport.graph.scalars import Scalar, maximum

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


def _list(value: Dims, number: int, default: int) -> list[int]:
    if value is None or value == []:
        return [default] * number
    given = [value] if isinstance(value, int) else list(value)
    return given * number if len(given) == 1 else given


@dataclass(frozen=True)
class _Windows:
    """Windows over the last dimensions, with a number for each of these."""

    kernel: list[int]
    stride: list[int]
    padding: list[int]
    dilation: list[int]

    @property
    def spatial(self) -> int:
        """Over how many dimensions they go."""
        return len(self.kernel)

    def least(self, k: int) -> int:
        """The size of the k-th dimension in which one fits."""
        return self.dilation[k] * (self.kernel[k] - 1) + 1 - 2 * self.padding[k]


def _over(
    w: OpenWriter,
    node: fx.Node,
    x: Open,
    windows: _Windows,
    fill: Scalar,
    write: Callable[[fx.Node, torch.Tensor], fx.Node],
) -> Value:
    """What an operator makes of windows.

    Args:
        w: where to write.
        node: the captured operator.
        x: what the windows go over.
        windows: the windows.
        fill: what is put beyond the counts.
        write: writes the operator, of the filled tensor and for its result's metadata.
    """
    x = _large_enough(w, x, windows)
    filled = w.filled(x, list(x.counts), fill)
    counts, capacities = _windowed(w, node, x, windows)
    made = write(filled, w.with_capacities(node.meta["val"], capacities))
    return Open(made, counts, capacities) if counts else made


def _windowed(
    w: OpenWriter, node: fx.Node, x: Open, windows: _Windows
) -> tuple[dict[int, Number], dict[int, Capacity]]:
    """Counts and capacities after windows went over the last dimensions."""
    val = node.meta["val"]
    spatial = windows.spatial
    counts, capacities = {}, {}
    for d in x.counts:
        k = d - (x.rank - spatial)
        if k < 0:
            counts[d], capacities[d] = x.counts[d], x.capacities[d]
            continue
        at = val.ndim - spatial + k
        less = windows.least(k)

        def number(
            compute: Callable[..., Number], size: Number, k: int = k, less: int = less
        ) -> Number:
            distance = compute(operator.sub, size, less) if less else size
            if windows.stride[k] != 1:
                distance = compute(operator.floordiv, distance, windows.stride[k])
            return compute(operator.add, distance, 1)

        counts[at] = w.number(maximum, number(w.number, x.counts[d]), 0)
        capacities[at] = Capacity(number(w.capacities.compute, x.capacities[d].number))
    return counts, capacities


def _large_enough(w: OpenWriter, x: Open, windows: _Windows) -> Open:
    """Capacities in which a window fits at all."""
    value = x
    for d in x.counts:
        k = d - (x.rank - windows.spatial)
        if k < 0:
            continue
        least = windows.least(k)
        capacity = x.capacities[d]
        if capacity.fixed is None or capacity.fixed < least:
            wide = Capacity(w.capacities.compute(maximum, capacity.number, max(least, 1)))
            value = w.opened(value, d, wide)
    return value


@RULES("conv1d.default", "conv2d.default", "conv3d.default", "convolution.default")
def conv(
    w: OpenWriter,
    node: fx.Node,
    x: Value,
    weight: Value,
    bias: fx.Node | None = None,
    stride: Dims = None,
    padding: Dims = None,
    dilation: Dims = None,
    *rest: Argument,
) -> Result:
    """Zeros beyond the count are what padding puts there."""
    if not isinstance(x, Open) or isinstance(weight, Open):
        raise w.unsupported("a convolution with weights of an open size")
    if node.target is aten.convolution.default and rest and rest[0]:
        raise w.unsupported("a transposed convolution over an open size")
    shape = val_of(weight).shape
    spatial = len(shape) - 2
    kernel = [int(s) for s in shape[2:] if is_concrete_int(s)]
    if len(kernel) != spatial or not is_concrete_int(shape[1]):
        raise w.unsupported("a convolution with weights of a varying size")
    groups = rest[2] if node.target is aten.convolution.default else rest[0] if rest else 1
    assert isinstance(groups, int)
    channels = x.rank - spatial - 1
    if channels in x.counts:
        closed = w.closed_to(x, channels, int(shape[1]) * groups)
        x = closed if isinstance(closed, Open) else Open(closed, {}, {})
    steps, pads = _list(stride, spatial, 1), _list(padding, spatial, 0)
    windows = _Windows(kernel, steps, pads, _list(dilation, spatial, 1))
    given = [a for a in (stride, padding, dilation) if a is not None]

    def write(filled: fx.Node, val: torch.Tensor) -> fx.Node:
        return w.call(node.target, filled, weight, bias, *given, *rest, val=val)

    return _over(w, node, x, windows, 0, write)


@RULES("max_pool1d.default", "max_pool2d.default", "max_pool3d.default")
def max_pool(
    w: OpenWriter,
    node: fx.Node,
    x: Open,
    kernel: Dims,
    stride: Dims = None,
    padding: Dims = None,
    dilation: Dims = None,
    ceil: bool = False,
) -> Result:
    """Nothing beyond the count is the largest."""
    if ceil:
        raise w.unsupported("a pool that rounds up over an open size")
    spatial = {"1": 1, "2": 2, "3": 3}[str(node.target).split("max_pool")[1][0]]
    sizes = _list(kernel, spatial, 1)
    steps = _list(stride, spatial, 0) if stride else sizes
    pads, wide = _list(padding, spatial, 0), _list(dilation, spatial, 1)

    def write(filled: fx.Node, val: torch.Tensor) -> fx.Node:
        return w.call(node.target, filled, sizes, steps, pads, wide, False, val=val)

    windows = _Windows(sizes, steps, pads, wide)
    return _over(w, node, x, windows, lowest(val_of(x).dtype), write)


@RULES("avg_pool1d.default", "avg_pool2d.default", "avg_pool3d.default")
def avg_pool(
    w: OpenWriter,
    node: fx.Node,
    x: Open,
    kernel: Dims,
    stride: Dims = None,
    padding: Dims = None,
    ceil: bool = False,
    count_padding: bool = True,
    divisor: int | None = None,
) -> Result:
    """Windows that are valid lie within the count, or padding counts as zeros."""
    spatial = {"1": 1, "2": 2, "3": 3}[str(node.target).split("avg_pool")[1][0]]
    sizes = _list(kernel, spatial, 1)
    steps = _list(stride, spatial, 0) if stride else sizes
    pads = _list(padding, spatial, 0)
    if ceil or (any(pads) and not count_padding and divisor is None):
        raise w.unsupported("such an average pool over an open size")
    args: list[Argument] = [sizes, steps, pads, False, count_padding]
    if divisor is not None:
        args.append(divisor)

    def write(filled: fx.Node, val: torch.Tensor) -> fx.Node:
        return w.call(node.target, filled, *args, val=val)

    return _over(w, node, x, _Windows(sizes, steps, pads, [1] * spatial), 0, write)


def _pad_by_varying(
    w: OpenWriter, node: fx.Node, x: Value, pads: Sequence[Number], value: Scalar
) -> Value:
    """Each element of the result is read where it was before, or is the number that pads."""
    val = node.meta["val"]
    x = x if isinstance(x, Open) else Open(x, {}, {})
    for d in range(x.rank):
        k = 2 * (x.rank - 1 - d)
        before, after = (pads[k], pads[k + 1]) if k < len(pads) else (0, 0)
        if not (isinstance(before, int) and isinstance(after, int) and before == after == 0):
            x = _pad_one(w, x, d, before, after, val.shape[d], value)
    return x if x.counts else x.node


def _pad_one(
    w: OpenWriter, x: Open, d: int, before: Number, after: Number, size: Size, value: Scalar
) -> Open:
    whole = w.size_number(x, d)
    known = w.limits.is_known(size)
    capacity = (
        Capacity(w.limits.exact(size)) if known else w.capacities.not_empty(w.limits.capacity(size))
    )
    index = w.arith(aten.sub.Tensor, w.positions(capacity, val_of(x)), before)
    flags = val_of(index).to(torch.bool)
    outside = [
        w.call(aten.lt.Scalar, index, 0, val=flags),
        w.call(aten.ge.Scalar, index, whole, val=flags),
    ]
    mask = w.call(aten.logical_or.default, *outside, val=flags)
    made = w.gathered(x, d, index)
    shape = val_of(made)
    mask = w.along(mask, d, shape.ndim)
    made = w.call(aten.masked_fill.Scalar, made, mask, value, val=shape)
    counts = {other: n for other, n in x.counts.items() if other != d}
    capacities = {other: r for other, r in x.capacities.items() if other != d}
    if not known:
        counts[d] = w.number(operator.add, w.number(operator.add, whole, before), after)
        capacities[d] = capacity
    return Open(made, counts, capacities)


@RULES("constant_pad_nd.default")
def pad(
    w: OpenWriter, node: fx.Node, x: Value, pads: Sequence[Number], value: Scalar = 0
) -> Result:
    """The number that pads also fills what is beyond the count."""
    fixed = [p for p in pads if isinstance(p, int)]
    if len(fixed) < len(pads):
        return _pad_by_varying(w, node, x, pads, value)
    if not isinstance(x, Open):
        raise w.unsupported("padding to a varying size")
    counts, capacities = dict(x.counts), dict(x.capacities)
    if any(p < 0 for p in fixed):
        raise w.unsupported("negative padding")
    filled = x.node
    for d in x.counts:
        k = 2 * (x.rank - 1 - d)
        before, after = (fixed[k], fixed[k + 1]) if k < len(fixed) else (0, 0)
        if before + after:
            filled = w.filled(x.on(filled), [d], value)
            counts[d] = w.number(operator.add, x.counts[d], before + after)
            capacities[d] = w.capacities.total([x.capacities[d], Capacity(before + after)])
    sizes = [
        capacities[d].size if d in capacities else s for d, s in enumerate(node.meta["val"].shape)
    ]
    made = w.call(node.target, filled, fixed, value, val=fake_beside(val_of(x), sizes))
    return Open(made, counts, capacities)
