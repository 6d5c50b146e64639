"""New tensors of a varying size: made as large as it can become."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.capacity.table import Table
from fxexport.passes.capacity.values import Open, Room, node_of, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx

from fxexport.graph.scalars import maximum

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = Table()


def _sized(
    w: Writer, node: fx.Node, sizes: Sequence[Any]
) -> tuple[list[Any], dict[int, Any], dict[int, Room]]:
    val = node.meta["val"]
    given: list[Any] = []
    counts: dict[int, Any] = {}
    rooms: dict[int, Room] = {}
    for d, size in enumerate(sizes):
        if w.limits.is_known(val.shape[d]):
            given.append(size)
            continue
        rooms[d] = w.rooms.not_empty(w.limits.room(val.shape[d]))
        counts[d] = size
        given.append(w.room_number(rooms[d]))
    return given, counts, rooms


@RULES(
    "zeros.default",
    "ones.default",
    "full.default",
    "empty.memory_format",
    "rand.default",
    "randn.default",
)
def create(w: Writer, node: fx.Node, sizes: Sequence[Any], *rest: Any, **kwargs: Any) -> Any:
    """A tensor of given sizes."""
    given, counts, rooms = _sized(w, node, sizes)
    val = w.like_room(node.meta["val"], rooms)
    return Open(w.call(node.target, given, *rest, val=val, **kwargs), counts, rooms)


@RULES("new_zeros.default", "new_ones.default", "new_full.default", "new_empty.default")
def create_beside(
    w: Writer, node: fx.Node, x: Any, sizes: Sequence[Any], *rest: Any, **kwargs: Any
) -> Any:
    """A tensor of given sizes and of another one's dtype."""
    given, counts, rooms = _sized(w, node, sizes)
    val = w.like_room(node.meta["val"], rooms)
    source = node_of(x)
    made = w.call(node.target, source, given, *rest, val=val, **kwargs)
    return Open(made, counts, rooms) if counts else made


@RULES("arange.default", "arange.start", "arange.start_step")
def arange(w: Writer, node: fx.Node, *args: Any, **kwargs: Any) -> Any:
    """Numbers from a start on."""
    start, end, step = (0, args[0], 1) if len(args) == 1 else (*args[:2], *args[2:], 1)[:3]
    if not all(isinstance(val_of(a), (int, torch.SymInt)) for a in (start, end, step)):
        raise w.unsupported("a range of numbers that are no integers")
    if not isinstance(step, int) or step == 0:
        raise w.unsupported("a range with a varying step")
    val = node.meta["val"]
    room = w.rooms.not_empty(w.limits.room(val.shape[0]))
    way = w.number(operator.sub, end, start) if step > 0 else w.number(operator.sub, start, end)
    if abs(step) != 1:
        way = w.number(operator.add, way, abs(step) - 1)
        way = w.number(operator.floordiv, way, abs(step))
    count = w.number(maximum, way, 0)
    made = w.positions(room, val)
    if step != 1:
        made = w.arith(aten.mul.Tensor, made, step)
    if not (isinstance(start, int) and start == 0):
        made = w.arith(aten.add.Tensor, made, start)
    if val.dtype != torch.int64:
        cast = val_of(made).to(val.dtype)
        made = w.call(aten._to_copy.default, made, val=cast, dtype=val.dtype)
    return Open(made, {0: count}, {0: room})
