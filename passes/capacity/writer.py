"""What the rules write with: masks, rows taken by index, rooms made equal."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.capacity.limits import Limits
from fxexport.passes.capacity.values import (
    NoRoom,
    Number,
    Open,
    Room,
    Rooms,
    Scope,
    node_of,
    val_of,
)
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside
from fxexport.graph.editing import scalar_val
from fxexport.graph.scalars import select

__all__ = ["Writer", "shape_of"]

aten = torch.ops.aten


def shape_of(value: Any) -> list[Any]:
    """The sizes of a tensor, rooms where it is open."""
    return list(val_of(value).shape)


class Writer:
    """Writes into one graph, for one line of the user's at a time.

    Attributes:
        scope: the graph.
        rooms: numbers that are known before.
        limits: how large sizes can become.
        like: the captured node that is being written anew.
    """

    def __init__(self, scope: Scope, rooms: Rooms, limits: Limits) -> None:
        self.scope = scope
        self.rooms = rooms
        self.limits = limits
        self.like: fx.Node | None = None

    # Calls

    def call(self, target: Any, *args: Any, val: Any, **kwargs: Any) -> fx.Node:
        """A call whose result is known to be `val`."""
        node = self.scope.emit(target, args, val, self.like)
        node.kwargs = kwargs
        return node

    def number(self, function: Any, *args: Number) -> Number:
        """A Python number computed from others."""
        vals = [val_of(a) for a in args]
        if all(isinstance(v, (int, bool)) for v in vals):
            return function(*vals)  # type: ignore[no-any-return]
        if function is operator.add and 0 in [a for a in args if isinstance(a, int)]:
            return next(a for a in args if not (isinstance(a, int) and a == 0))
        if function is operator.sub and isinstance(args[1], int) and args[1] == 0:
            return args[0]
        if function is select:
            return self.scope.emit(function, args, self.rooms.unknown_number(), self.like)
        val = scalar_val(function, *vals)
        if isinstance(val, torch.SymInt) and is_concrete_int(val):
            return int(val)
        return self.scope.emit(function, args, val, self.like)

    def root(self, value: Any) -> Any:
        """A number or tensor that is known before, in this graph."""
        return self.scope.from_root(value)

    def room_number(self, room: Room) -> Number:
        """The size of a room, as a number of this graph."""
        return self.root(room.number)  # type: ignore[no-any-return]

    def positions(self, room: Room, beside: torch.Tensor) -> fx.Node:
        """0, 1, ... for each place of a room."""
        return self.root(self.rooms.positions(room, beside))  # type: ignore[no-any-return]

    def last_place(self, room: Room, beside: torch.Tensor) -> Any:
        """The number of a room as a tensor without dimensions."""
        return self.root(self.rooms.as_tensor(room, beside))

    # Sizes

    def size_number(self, value: Any, dim: int) -> Number:
        """How many places of a dimension mean something."""
        if isinstance(value, Open) and dim in value.counts:
            return value.counts[dim]
        node = node_of(value)
        size = val_of(node).shape[dim]
        if self.limits.is_known(size):
            return self.root(self.limits.exact(size))  # type: ignore[no-any-return]
        return self.call(aten.sym_size.int, node, dim, val=size)

    def room(self, value: Any, dim: int) -> Room:
        """The room of a dimension: of a closed one, its size."""
        if isinstance(value, Open) and dim in value.rooms:
            return value.rooms[dim]
        return Room(self.limits.exact(val_of(value).shape[dim]))

    def like_room(self, val: torch.Tensor, rooms: dict[int, Room]) -> torch.Tensor:
        """Metadata for a result: its sizes as captured, and rooms where it is open."""
        return fake_beside(
            val, [rooms[d].size if d in rooms else s for d, s in enumerate(val.shape)]
        )

    def never_negative(self, number: Number) -> bool:
        """Whether a number is certainly not below zero."""
        return self.limits.never_negative(val_of(number))

    # Masks

    def beyond(self, count: Number, room: Room, beside: torch.Tensor) -> fx.Node:
        """A bool vector: the places of a room that mean nothing."""
        return self._compared(aten.ge.Scalar, count, room, beside)

    def within(self, count: Number, room: Room, beside: torch.Tensor) -> fx.Node:
        """A bool vector: the places of a room that mean something."""
        return self._compared(aten.lt.Scalar, count, room, beside)

    def _compared(self, target: Any, count: Number, room: Room, beside: torch.Tensor) -> fx.Node:
        key = (target, count, room.key)
        if key not in self.scope.memo:
            places = self.positions(room, beside)
            val = val_of(places).to(torch.bool)
            self.scope.memo[key] = self.call(target, places, count, val=val)
        return self.scope.memo[key]  # type: ignore[no-any-return]

    def along(self, vector: fx.Node, dim: int, rank: int) -> fx.Node:
        """A vector as a tensor of a rank that varies along one dimension."""
        if rank == 1:
            return vector
        val = val_of(vector)
        sizes = [val.shape[0] if d == dim else 1 for d in range(rank)]
        shape = [-1 if d == dim else 1 for d in range(rank)]
        return self.call(aten.reshape.default, vector, shape, val=fake_beside(val, sizes))

    def filled(self, value: Any, dims: Sequence[int], fill: Any) -> fx.Node:
        """The tensor with a number in the places of some dimensions that mean nothing."""
        if not isinstance(value, Open):
            return value  # type: ignore[no-any-return]
        node = value.node
        for dim in dims:
            if dim in value.counts:
                val = val_of(node)
                beyond = self.beyond(value.counts[dim], value.rooms[dim], val)
                mask = self.along(beyond, dim, val.ndim)
                node = self.call(aten.masked_fill.Scalar, node, mask, fill, val=val)
        return node

    # Taking places

    def take(self, node: fx.Node, dim: int, index: fx.Node) -> fx.Node:
        """Places of a dimension by a vector of indices, all within it."""
        val = val_of(node)
        sizes = list(val.shape)
        sizes[dim] = val_of(index).shape[0]
        made = self.call(aten.index_select.default, node, dim, index, val=fake_beside(val, sizes))
        made.meta["harmless"] = True  # it can run although its branch is not taken
        return made

    def clamped(self, index: fx.Node, most: Number, least: int | None = 0) -> fx.Node:
        """Indices made to lie in a range."""
        return self.call(aten.clamp.default, index, least, most, val=val_of(index))

    def arith(self, target: Any, left: fx.Node, right: Any) -> fx.Node:
        """A vector of indices from another one and a number (or a vector of as many)."""
        if isinstance(right, int) and right == 0 and target is aten.add.Tensor:
            return left
        return self.call(target, left, right, val=val_of(left))

    def conform(self, value: Any, dim: int, room: Room) -> Any:
        """The same tensor with another room along a dimension; what means something must fit."""
        old = self.room(value, dim)
        if old.key == room.key:
            return value
        node = node_of(value)
        count = self.size_number(value, dim)
        made = self._resized(node, dim, old, room)
        counts = {**(value.counts if isinstance(value, Open) else {}), dim: count}
        rooms = {**(value.rooms if isinstance(value, Open) else {}), dim: room}
        return Open(made, counts, rooms)

    def opened(self, value: Any, dim: int, room: Room) -> Open:
        """A tensor with a room along a dimension, closed or not before."""
        made = self.conform(value, dim, room)
        if isinstance(made, Open) and dim in made.counts:
            return made
        node = node_of(made)
        counts = {
            **(made.counts if isinstance(made, Open) else {}),
            dim: self.size_number(made, dim),
        }
        rooms = {**(made.rooms if isinstance(made, Open) else {}), dim: room}
        return Open(node, counts, rooms)

    def closed_to(self, value: Any, dim: int, size: int) -> Any:
        """A tensor whose size an operator fixes: wherever this runs, it has that many places."""
        made = self.conform(value, dim, Room(size))
        return made.without(dim) if isinstance(made, Open) else made

    def _resized(self, node: fx.Node, dim: int, old: Room, new: Room) -> fx.Node:
        val = val_of(node)
        if old.fixed is not None and new.fixed is not None:
            sizes = [new.size if d == dim else s for d, s in enumerate(val.shape)]
            made = fake_beside(val, sizes)
            if new.fixed <= old.fixed:
                return self.call(aten.slice.Tensor, node, dim, 0, new.fixed, val=made)
            pads = [0] * (2 * (val.ndim - dim - 1)) + [0, new.fixed - old.fixed]
            return self.call(aten.constant_pad_nd.default, node, pads, 0, val=made)
        index = self.positions(new, val)
        source = self.padded(node, dim)
        if source is node:
            most = self.rooms.compute(operator.sub, old.number, 1)
            return self.take(node, dim, self.clamped(index, self.root(most)))
        return self.take(source, dim, self.clamped(index, self.root(old.number)))

    def padded(self, node: fx.Node, dim: int) -> fx.Node:
        """A tensor with one more place, where it may have none at all to take.

        What is captured is padded where it comes from, once.
        """
        size = val_of(node).shape[dim]
        if self._has_places(size):
            return node
        outer = self.scope.source_of(node)
        if outer is not None and self.scope.parent is not None:
            above = Writer(self.scope.parent, self.rooms, self.limits)
            above.like = self.like
            return self.scope.bring(above.padded(outer, dim))  # type: ignore[no-any-return]
        key = ("padded", node, dim)
        if key not in self.scope.memo:
            val = val_of(node)
            pads = [0] * (2 * (val.ndim - dim - 1)) + [0, 1]
            sizes = [s + 1 if d == dim else s for d, s in enumerate(val.shape)]
            made = fake_beside(val, sizes)
            self.scope.memo[key] = self.call(aten.constant_pad_nd.default, node, pads, 0, val=made)
        return self.scope.memo[key]  # type: ignore[no-any-return]

    def _has_places(self, size: Any) -> bool:
        if is_concrete_int(size):
            return int(size) > 0
        return self.rooms.never_empty(size)

    def most_index(self, node: fx.Node, dim: int) -> Number:
        """The last index of a dimension that has places."""
        size = val_of(node).shape[dim]
        if is_concrete_int(size):
            return int(size) - 1
        exact = self.limits.exact(size) if self.limits.is_known(size) else None
        if exact is not None:
            return self.root(self.rooms.compute(operator.sub, exact, 1))  # type: ignore[no-any-return]
        return self.number(operator.sub, self.call(aten.sym_size.int, node, dim, val=size), 1)

    def gathered(self, value: Any, dim: int, index: fx.Node) -> fx.Node:
        """Places by indices that may lie outside of the tensor where they mean nothing."""
        node = node_of(value)
        source = self.padded(node, dim)
        return self.take(source, dim, self.clamped(index, self.most_index(source, dim)))

    def unsupported(self, why: str) -> NoRoom:
        """What has no form here, with the node that it is about."""
        return NoRoom(why, self.like)
