"""Convolutions, pools and padding: beyond the count there is what padding would put there."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.capacity.rules_fold import lowest
from fxexport.passes.capacity.table import Table
from fxexport.passes.capacity.values import Open, Room, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside
from fxexport.graph.scalars import maximum

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = Table()


def _list(value: Any, number: int, default: int) -> list[int]:
    if value is None or value == []:
        return [default] * number
    given = [value] if isinstance(value, int) else list(value)
    return given * number if len(given) == 1 else given


def _windowed(
    w: Writer, node: fx.Node, x: Open, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[dict[int, Any], dict[int, Room]]:
    """Counts and rooms after windows went over the last dimensions."""
    val = node.meta["val"]
    spatial = len(kernel)
    counts, rooms = {}, {}
    for d in x.counts:
        k = d - (x.rank - spatial)
        if k < 0:
            counts[d], rooms[d] = x.counts[d], x.rooms[d]
            continue
        at = val.ndim - spatial + k
        less = dilation[k] * (kernel[k] - 1) + 1 - 2 * padding[k]

        def number(compute: Any, size: Any, k: int = k, less: int = less) -> Any:
            way = compute(operator.sub, size, less) if less else size
            if stride[k] != 1:
                way = compute(operator.floordiv, way, stride[k])
            return compute(operator.add, way, 1)

        counts[at] = w.number(maximum, number(w.number, x.counts[d]), 0)
        rooms[at] = Room(number(w.rooms.compute, x.rooms[d].number))
    return counts, rooms


def _large_enough(w: Writer, x: Open, kernel: Any, padding: Any, dilation: Any) -> Open:
    """Rooms in which a window has place at all."""
    value: Any = x
    for d in x.counts:
        k = d - (x.rank - len(kernel))
        if k < 0:
            continue
        least = dilation[k] * (kernel[k] - 1) + 1 - 2 * padding[k]
        room = x.rooms[d]
        if room.fixed is None or room.fixed < least:
            wide = Room(w.rooms.compute(maximum, room.number, max(least, 1)))
            value = w.conform(value, d, wide)
    return value  # type: ignore[no-any-return]


@RULES("conv1d.default", "conv2d.default", "conv3d.default", "convolution.default")
def conv(
    w: Writer,
    node: fx.Node,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = None,
    padding: Any = None,
    dilation: Any = None,
    *rest: Any,
) -> Any:
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
    channels = x.rank - spatial - 1
    if channels in x.counts:
        x = w.closed_to(x, channels, int(shape[1]) * groups)
    x = x if isinstance(x, Open) else Open(x, {}, {})
    steps, pads = _list(stride, spatial, 1), _list(padding, spatial, 0)
    wide = _list(dilation, spatial, 1)
    x = _large_enough(w, x, kernel, pads, wide)
    filled = w.filled(x, list(x.counts), 0)
    counts, rooms = _windowed(w, node, x, kernel, steps, pads, wide)
    val = w.like_room(node.meta["val"], rooms)
    given = [a for a in (stride, padding, dilation) if a is not None]
    made = w.call(node.target, filled, weight, bias, *given, *rest, val=val)
    return Open(made, counts, rooms) if counts else made


@RULES("max_pool1d.default", "max_pool2d.default", "max_pool3d.default")
def max_pool(
    w: Writer,
    node: fx.Node,
    x: Any,
    kernel: Any,
    stride: Any = None,
    padding: Any = None,
    dilation: Any = None,
    ceil: bool = False,
) -> Any:
    """Nothing beyond the count is the largest."""
    if ceil:
        raise w.unsupported("a pool that rounds up over an open size")
    spatial = {"1": 1, "2": 2, "3": 3}[str(node.target).split("max_pool")[1][0]]
    sizes = _list(kernel, spatial, 1)
    steps = _list(stride, spatial, 0) if stride else sizes
    pads, wide = _list(padding, spatial, 0), _list(dilation, spatial, 1)
    x = _large_enough(w, x, sizes, pads, wide)
    filled = w.filled(x, list(x.counts), lowest(val_of(x).dtype))
    counts, rooms = _windowed(w, node, x, sizes, steps, pads, wide)
    val = w.like_room(node.meta["val"], rooms)
    made = w.call(node.target, filled, sizes, steps, pads, wide, False, val=val)
    return Open(made, counts, rooms)


@RULES("avg_pool1d.default", "avg_pool2d.default", "avg_pool3d.default")
def avg_pool(
    w: Writer,
    node: fx.Node,
    x: Any,
    kernel: Any,
    stride: Any = None,
    padding: Any = None,
    ceil: bool = False,
    count_padding: bool = True,
    divisor: Any = None,
) -> Any:
    """Windows that mean something lie within the count, or padding counts as zeros."""
    spatial = {"1": 1, "2": 2, "3": 3}[str(node.target).split("avg_pool")[1][0]]
    sizes = _list(kernel, spatial, 1)
    steps = _list(stride, spatial, 0) if stride else sizes
    pads = _list(padding, spatial, 0)
    if ceil or (any(pads) and not count_padding and divisor is None):
        raise w.unsupported("such an average pool over an open size")
    ones = [1] * spatial
    x = _large_enough(w, x, sizes, pads, ones)
    filled = w.filled(x, list(x.counts), 0)
    counts, rooms = _windowed(w, node, x, sizes, steps, pads, ones)
    val = w.like_room(node.meta["val"], rooms)
    args: list[Any] = [sizes, steps, pads, False, count_padding]
    if divisor is not None:
        args.append(divisor)
    made = w.call(node.target, filled, *args, val=val)
    return Open(made, counts, rooms)


def _pad_by_varying(w: Writer, node: fx.Node, x: Any, pads: Sequence[Any], value: Any) -> Any:
    """Each place of the result is read where it was before, or is the number that pads."""
    val = node.meta["val"]
    x = x if isinstance(x, Open) else Open(x, {}, {})
    for d in range(x.rank):
        k = 2 * (x.rank - 1 - d)
        before, after = (pads[k], pads[k + 1]) if k < len(pads) else (0, 0)
        if not (isinstance(before, int) and isinstance(after, int) and before == after == 0):
            x = _pad_one(w, x, d, before, after, val.shape[d], value)
    return x if x.counts else x.node


def _pad_one(w: Writer, x: Open, d: int, before: Any, after: Any, size: Any, value: Any) -> Open:
    whole = w.size_number(x, d)
    known = w.limits.is_known(size)
    room = Room(w.limits.exact(size)) if known else w.rooms.not_empty(w.limits.room(size))
    index = w.arith(aten.sub.Tensor, w.positions(room, val_of(x)), before)
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
    rooms = {other: r for other, r in x.rooms.items() if other != d}
    if not known:
        counts[d] = w.number(operator.add, w.number(operator.add, whole, before), after)
        rooms[d] = room
    return Open(made, counts, rooms)


@RULES("constant_pad_nd.default")
def pad(w: Writer, node: fx.Node, x: Any, pads: Sequence[Any], value: Any = 0) -> Any:
    """The number that pads also fills what is beyond the count."""
    if not all(isinstance(p, int) for p in pads):
        return _pad_by_varying(w, node, x, pads, value)
    if not isinstance(x, Open):
        raise w.unsupported("padding to a varying size")
    counts, rooms = dict(x.counts), dict(x.rooms)
    if any(p < 0 for p in pads):
        raise w.unsupported("negative padding")
    filled = x.node
    for d in x.counts:
        k = 2 * (x.rank - 1 - d)
        before, after = (pads[k], pads[k + 1]) if k < len(pads) else (0, 0)
        if before + after:
            filled = w.filled(x.on(filled), [d], value)
            counts[d] = w.number(operator.add, x.counts[d], before + after)
            rooms[d] = w.rooms.total([x.rooms[d], Room(before + after)])
    sizes = [rooms[d].size if d in rooms else s for d, s in enumerate(node.meta["val"].shape)]
    made = w.call(node.target, filled, list(pads), value, val=fake_beside(val_of(x), sizes))
    return Open(made, counts, rooms)
