"""Open tensors that meet element by element."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.capacity.values import Number, Open, Room, node_of, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx

from fxexport.graph.scalars import maximum, select

__all__ = ["broadcast", "captured_shapes"]

aten = torch.ops.aten

Place = tuple[int, int]  # which tensor, and its dimension


def captured_shapes(args: Sequence[Any]) -> list[Any]:
    """The shapes of a node's arguments as they were captured; None for what is no tensor."""
    vals = [a.meta.get("val") if isinstance(a, fx.Node) else None for a in args]
    return [v.shape if isinstance(v, torch.Tensor) else None for v in vals]


def broadcast(
    w: Writer, values: Sequence[Any], rank: int, captured: Sequence[Any] | None = None
) -> tuple[list[Any], dict[int, Any], dict[int, Room]]:
    """Tensors that meet element by element, with equal rooms.

    Args:
        w: where to write.
        values: open and closed tensors.
        rank: how many dimensions the result has.
        captured: their shapes as captured; None where all sizes that meet are equal.

    Returns:
        The tensors as they go into the operator, and the counts and rooms of the result.
    """
    counts: dict[int, Any] = {}
    rooms: dict[int, Room] = {}
    made = list(values)
    for dim in range(rank):
        places = [
            (k, dim - rank + val_of(v).ndim)
            for k, v in enumerate(made)
            if _is_tensor(v) and dim - rank + val_of(v).ndim >= 0
        ]
        if not any(_is_open(made, p) for p in places):
            continue
        wide = [p for p in places if _is_open(made, p) or str(_size(made, p)) != "1"]
        if captured is None or len({str(captured[k][d]) for k, d in wide}) == 1:
            found = _equal(w, made, wide)
        else:
            found = _either(w, made, wide)
        if found is not None:
            counts[dim], rooms[dim] = found
    return [node_of(v) for v in made], counts, rooms


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (Open, fx.Node)) and isinstance(val_of(value), torch.Tensor)


def _is_open(made: list[Any], place: Place) -> bool:
    value = made[place[0]]
    return isinstance(value, Open) and place[1] in value.counts


def _size(made: list[Any], place: Place) -> Any:
    return val_of(made[place[0]]).shape[place[1]]


def _equal(w: Writer, made: list[Any], places: list[Place]) -> tuple[Number, Room] | None:
    """Sizes that are one and the same get one room; None where it is closed."""
    closed = [p for p in places if not _is_open(made, p)]
    opened = [p for p in places if _is_open(made, p)]
    if closed:
        room = w.room(made[closed[0][0]], closed[0][1])
    else:
        rooms = [made[k].rooms[d] for k, d in places]
        fixed = [room for room in rooms if room.fixed is not None]
        room = min(fixed, key=lambda r: r.fixed or 0) if fixed else rooms[0]
    k, d = opened[0]
    count = made[k].counts[d]
    for k, d in opened:
        value = w.conform(made[k], d, room)
        made[k] = value.without(d) if closed and isinstance(value, Open) else value
    return None if closed else (count, room)


def _either(w: Writer, made: list[Any], places: list[Place]) -> tuple[Number, Room] | None:
    """Sizes of which some may be 1 where others are not: what is 1 is repeated."""
    sizes = [w.size_number(made[k], d) for k, d in places]
    known = [s for s in sizes if isinstance(s, int) and s != 1]
    room = w.rooms.largest([w.room(made[k], d) for k, d in places])
    if known:
        room = Room(known[0])  # wherever this runs, the others are as large or 1
    count = sizes[0]
    for size in sizes[1:]:
        one = w.number(operator.eq, count, 1)
        count = w.number(select, one, size, count)
    for (k, d), size in zip(places, sizes, strict=True):
        if isinstance(size, int) and size == room.fixed:
            continue
        value = made[k]
        node = node_of(value)
        last = w.number(maximum, w.number(operator.sub, size, 1), 0)
        index = w.clamped(w.positions(room, val_of(node)), last)
        taken = w.gathered(value, d, index)
        rest = value.without(d) if isinstance(value, Open) else value
        made[k] = rest.on(taken) if isinstance(rest, Open) else taken
        if not known:
            others = rest if isinstance(rest, Open) else Open(taken, {}, {})
            made[k] = Open(taken, {**others.counts, d: count}, {**others.rooms, d: room})
    return None if known else (count, room)
