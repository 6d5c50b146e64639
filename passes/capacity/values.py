"""Open tensors, the rooms that they have, and the graphs that they are in."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside
from fxexport.graph.editing import new_place, scalar_val
from fxexport.graph.scalars import maximum

__all__ = ["NoRoom", "Number", "Open", "Room", "Rooms", "Scope", "node_of", "val_of"]

aten = torch.ops.aten

Number = int | fx.Node


_ORDERLESS = {operator.add, operator.mul}


def _is_neutral(function: Any, value: Number) -> bool:
    """Whether a number changes nothing, as the right side of a function."""
    if function in (operator.add, operator.sub):
        return isinstance(value, int) and value == 0
    return function in (operator.mul, operator.floordiv) and isinstance(value, int) and value == 1


class NoRoom(Exception):
    """Something has no form at a fixed size.

    Attributes:
        node: what it is; None where that is the loop itself.
    """

    def __init__(self, why: str, node: fx.Node | None = None) -> None:
        super().__init__(why)
        self.node = node


@dataclass(frozen=True)
class Room:
    """How large a dimension can become: a number known before the outermost if or loop."""

    number: Number

    @property
    def size(self) -> Any:
        """The number as the graph's metadata has it."""
        return val_of(self.number)

    @property
    def key(self) -> str:
        """Equal for rooms that are certainly equal."""
        return str(self.size)

    @property
    def fixed(self) -> int | None:
        """The number, where it is always the same."""
        return int(self.size) if is_concrete_int(self.size) else None


@dataclass(frozen=True)
class Open:
    """A tensor with dimensions of which only the first places mean something.

    Attributes:
        node: the tensor, as large as its rooms.
        counts: by open dimension, how many places mean something, a number of the same graph.
        rooms: by open dimension, its size.
    """

    node: fx.Node
    counts: dict[int, Number]
    rooms: dict[int, Room]

    @property
    def rank(self) -> int:
        """How many dimensions it has."""
        return len(self.node.meta["val"].shape)

    def without(self, dim: int) -> Any:
        """The same with one dimension closed: all its places mean something."""
        counts = {d: n for d, n in self.counts.items() if d != dim}
        rooms = {d: r for d, r in self.rooms.items() if d != dim}
        return Open(self.node, counts, rooms) if counts else self.node

    def on(self, node: fx.Node) -> Open:
        """Another tensor that is open in the same way."""
        return replace(self, node=node)


def val_of(value: Any) -> Any:
    """What a value is at run time, as metadata says."""
    if isinstance(value, Open):
        return value.node.meta["val"]
    return value.meta["val"] if isinstance(value, fx.Node) else value


def node_of(value: Any) -> Any:
    """The tensor itself of an open one; anything else as it is."""
    return value.node if isinstance(value, Open) else value


class Scope:
    """One graph that is being written: the root before the outermost node, or a new body."""

    def __init__(
        self,
        graph: fx.Graph,
        parent: Scope | None = None,
        before: fx.Node | None = None,
        owner: torch.nn.Module | None = None,
    ) -> None:
        self.graph = graph
        self.parent = parent
        self.owner = owner or torch.nn.Module()  # holds the bodies
        self.given: list[tuple[Any, fx.Node]] = []  # what is captured, and its placeholder
        self._before = before
        self._last: fx.Node | None = None
        self._brought: dict[Any, Any] = {}
        self.memo: dict[Any, Any] = {}

    def emit(self, target: Any, args: Sequence[Any], val: Any, like: fx.Node | None) -> fx.Node:
        """A new call at the end of what is written so far."""
        if self._before is not None:
            with self.graph.inserting_before(self._before):
                node = self.graph.call_function(target, tuple(args))
        else:
            node = self.graph.call_function(target, tuple(args))
        node.meta["val"] = val
        for key in ("source", "module"):
            if like is not None and key in like.meta:
                node.meta[key] = like.meta[key]
        return node

    def get_attr(self, name: str) -> fx.Node:
        """The node that names a body."""
        if self._before is not None:
            with self.graph.inserting_before(self._before):
                return self.graph.get_attr(name)
        return self.graph.get_attr(name)

    def placeholder(self, name: str, val: Any) -> fx.Node:
        """A further input of a body, behind those that it has."""
        self._last = new_place(self.graph, name, val, self._last)
        return self._last

    def bring(self, value: Any) -> Any:
        """A value of the parent's graph in this one: captured, once."""
        if isinstance(value, Open):
            counts = {d: self.bring(n) for d, n in value.counts.items()}
            return Open(self.bring(value.node), counts, value.rooms)
        if not isinstance(value, fx.Node):
            return value
        if value not in self._brought:
            place = self.placeholder(value.name, value.meta["val"])
            self._brought[value] = place
            self.given.append((value, place))
        return self._brought[value]

    def from_root(self, value: Any) -> Any:
        """A value of the root's graph in this one."""
        return value if self.parent is None else self.bring(self.parent.from_root(value))

    def source_of(self, node: fx.Node) -> Any:
        """What a captured value is in the parent's graph; None for others."""
        return next((value for value, place in self.given if place is node), None)

    def module(self) -> fx.GraphModule:
        """What was written, as a body."""
        return fx.GraphModule(self.owner, self.graph)


class Rooms:
    """Numbers and tensors that are computed once, before the outermost if or loop."""

    def __init__(self, root: Scope, like: fx.Node) -> None:
        self._root = root
        self._like = like
        self._memo: dict[Any, Any] = {}
        self._not_empty: set[str] = set()

    def compute(self, function: Any, *args: Number) -> Number:
        """A number of the root's graph."""
        vals = [val_of(a) for a in args]
        val = scalar_val(function, *vals)
        if is_concrete_int(val):
            return int(val)
        if len(args) == 2 and _is_neutral(function, args[1]):
            return args[0]
        if len(args) == 2 and function in _ORDERLESS and _is_neutral(function, args[0]):
            return args[1]
        key = (function, *(a.name if isinstance(a, fx.Node) else a for a in args))
        if key not in self._memo:
            self._memo[key] = self._root.emit(function, args, val, self._like)
        return self._memo[key]  # type: ignore[no-any-return]

    def unknown_number(self) -> torch.SymInt:
        """Metadata for a number of which nothing is known."""
        vals = (node.meta.get("val") for node in self._root.graph.nodes)
        some = next(val for val in vals if isinstance(val, torch.Tensor))
        with some.fake_mode:  # type: ignore[attr-defined]
            return torch.empty((), dtype=torch.int64).item()  # type: ignore[return-value]

    def measure(self, node: fx.Node, dim: int) -> Number:
        """The size of a tensor of the root's graph."""
        size = node.meta["val"].shape[dim]
        if is_concrete_int(size):
            return int(size)
        key = ("size", node.name, dim)
        if key not in self._memo:
            self._memo[key] = self._root.emit(aten.sym_size.int, (node, dim), size, self._like)
        return self._memo[key]  # type: ignore[no-any-return]

    def total(self, rooms: Sequence[Room]) -> Room:
        """Room for several things one behind another."""
        number: Number = 0
        for room in rooms:
            number = self.compute(operator.add, number, room.number)
        return self._kept(Room(number), rooms)

    def largest(self, rooms: Sequence[Room]) -> Room:
        """Room for any one of several things."""
        number = rooms[0].number
        for room in rooms[1:]:
            if str(val_of(number)) != room.key:
                number = self.compute(maximum, number, room.number)
        return self._kept(Room(number), rooms)

    def _kept(self, made: Room, rooms: Sequence[Room]) -> Room:
        """Sums and maxima have a place where one of their parts has."""
        if any(self.never_empty(room.size) or (room.fixed or 0) > 0 for room in rooms):
            self._not_empty.add(made.key)
        return made

    def not_empty(self, room: Room) -> Room:
        """A room that has at least one place."""
        made = Room(self.compute(maximum, room.number, 1))
        self._not_empty.add(made.key)
        return made

    def mark_not_empty(self, key: str) -> None:
        """Says that a size is never 0."""
        self._not_empty.add(key)

    def never_empty(self, size: Any) -> bool:
        """Whether a size is that of a room with at least one place."""
        return str(size) in self._not_empty

    def positions(self, room: Room, beside: torch.Tensor) -> fx.Node:
        """The vector 0, 1, ... of a room, int64."""
        return self._made("positions", aten.arange.default, (room.number,), (room.size,), beside)

    def zeros(self, room: Room, beside: torch.Tensor) -> fx.Node:
        """Zeros of a room, int64."""
        return self._made("zeros", aten.full.default, ([room.number], 0), (room.size,), beside)

    def as_tensor(self, room: Room, beside: torch.Tensor) -> fx.Node:
        """The number of a room, int64 and without dimensions."""
        return self._made("number", aten.full.default, ([], room.number), (), beside)

    def _made(self, what: str, target: Any, args: Any, sizes: Any, beside: torch.Tensor) -> fx.Node:
        key = (what, str([val_of(a) for a in fx.node.map_aggregate(list(args), val_of)]))
        if key not in self._memo:
            val = fake_beside(beside, sizes).to(torch.int64)
            node = self._root.emit(target, args, val, self._like)
            node.kwargs = {"dtype": torch.int64, "device": val.device, "pin_memory": False}
            self._memo[key] = node
        return self._memo[key]  # type: ignore[no-any-return]
