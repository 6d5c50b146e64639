"""Writes the bodies of ifs and loops anew, with open tensors in them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from fxexport.passes.capacity.known_sizes import plain_symbol
from fxexport.passes.capacity.limits import Limits
from fxexport.passes.capacity.rules import MAKERS, rule_of
from fxexport.passes.capacity.rules_put import puts_by_mask
from fxexport.passes.capacity.rules_sort import varies
from fxexport.passes.capacity.values import NoRoom, Open, Room, Rooms, Scope, node_of, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS

__all__ = ["Walker", "makes_sizes", "sizes_of"]

aten = torch.ops.aten

Env = dict[fx.Node, Any]


class Walker:
    """Writes one outermost if or loop anew, and all that is in it."""

    def __init__(self, rooms: Rooms, limits: Limits) -> None:
        self._rooms = rooms
        self._limits = limits

    def write(self, module: fx.GraphModule, node: fx.Node, env: Env, scope: Scope) -> Any:
        """One node of a graph, in the graph of a scope.

        Raises:
            NoRoom: it has no form at a fixed size.
        """
        writer = Writer(scope, self._rooms, self._limits)
        writer.like = node
        args = fx.map_arg(node.args, lambda n: env.get(n))
        kwargs = fx.map_arg(node.kwargs, lambda n: env.get(n))
        if node.target is branch:
            return self._branch(module, node, args, writer)
        if node.target is loop:
            return self._loop(module, node, args, writer)
        if node.target is operator.getitem and isinstance(args[0], list):
            return args[0][int(args[1])]  # type: ignore[arg-type]
        if not _is_open(args, kwargs) and not makes_sizes(node, self._limits):
            return self._copy(node, args, kwargs, writer)
        if node.target in SEQUENCE_FUNCTIONS:
            raise NoRoom(
                "a list in it stays one: its items differ in size, or nothing bounds it", node
            )
        rule = rule_of(node.target)
        if not _is_open(args, kwargs) and node.target not in MAKERS:
            raise NoRoom(f"{_name(node)} gives a size that is known only inside", node)
        if rule is None:
            raise NoRoom(f"{_name(node)} has no form at a fixed size", node)
        return self._closed(node, rule(writer, node, *args, **kwargs), writer)

    def _copy(self, node: fx.Node, args: Any, kwargs: Any, writer: Writer) -> fx.Node:
        """A node that has nothing open about it."""
        made = writer.call(node.target, *args, val=node.meta["val"], **kwargs)
        for size in sizes_of(node.meta["val"]):
            if not self._limits.is_known(size):
                raise NoRoom(f"{_name(node)} gives a size that is known only inside", node)
        return made

    def _closed(self, node: fx.Node, value: Any, writer: Writer) -> Any:
        """Closes what turns out to have a size that is the same each time."""
        if isinstance(value, (list, tuple)):
            vals = node.meta["val"]
            return [self._closed_one(v, val, writer) for v, val in zip(value, vals, strict=True)]
        return self._closed_one(value, node.meta["val"], writer)

    def _closed_one(self, value: Any, val: Any, writer: Writer) -> Any:
        for dim in list(value.counts) if isinstance(value, Open) else ():
            size = val.shape[dim]
            if self._limits.is_known(size):
                value = writer.conform(value, dim, Room(self._limits.exact(size)))
                value = value.without(dim) if isinstance(value, Open) else value
        return value

    def body(
        self, module: fx.GraphModule, env: Env, scope: Scope, outer: Mapping[fx.Node, Any]
    ) -> list[Any]:
        """All nodes of a body; what it returns.

        Args:
            module: the body as captured.
            env: what its placeholders are, for those that are not captured.
            scope: the graph to write.
            outer: what the captured ones are in the parent's graph.
        """
        for node in module.graph.nodes:
            if node.op == "placeholder" and node not in env:
                env[node] = scope.bring(outer[node])
            elif node.op == "call_function":
                env[node] = self.write(module, node, env, scope)
        return [env[r] if isinstance(r, fx.Node) else r for r in results(module)]

    # Branches

    def _branch(self, module: fx.GraphModule, node: fx.Node, args: Any, writer: Writer) -> Any:
        condition, _, _, operands = args
        sides = []
        for body, places in parts(module, node):
            scope = Scope(fx.Graph(), writer.scope)
            outer = dict(zip(places, operands, strict=True))
            sides.append((scope, self.body(body, {}, scope, outer)))
        vals = node.meta["val"]
        layout = self._meet(sides, vals, writer)
        flat = [_flat(given, layout) for _, given in sides]
        for (scope, _), values in zip(sides, flat, strict=True):
            scope.graph.output(tuple(values))
        captured = _share([scope for scope, _ in sides])
        names = [_register(writer, scope, "side") for scope, _ in sides]
        made = writer.call(branch, condition, *names, captured, val=_flat_vals(vals, layout))
        return _taken(made, layout, writer)

    def _meet(
        self, sides: list[tuple[Scope, list[Any]]], vals: Any, writer: Writer
    ) -> list[dict[int, Room]]:
        """Gives both ways of a branch the same rooms; says which, for each result."""
        layout: list[dict[int, Room]] = []
        for k, val in enumerate(vals):
            rooms: dict[int, Room] = {}
            pair = [given[k] for _, given in sides]
            for dim in range(val.ndim if isinstance(val, torch.Tensor) else 0):
                if all(_has_size(v, dim, val.shape[dim]) for v in pair):
                    continue
                writers = [Writer(scope, self._rooms, self._limits) for scope, _ in sides]
                found = [w.room(v, dim) for w, v in zip(writers, pair, strict=True)]
                rooms[dim] = self._rooms.not_empty(self._rooms.largest(found))
                pair = [w.opened(v, dim, rooms[dim]) for w, v in zip(writers, pair, strict=True)]
            for (_, given), value in zip(sides, pair, strict=True):
                given[k] = value
            layout.append(rooms)
        return layout

    # Loops

    def _loop(self, module: fx.GraphModule, node: fx.Node, args: Any, writer: Writer) -> Any:
        trips, condition, _, carried, captured, *rest = args
        ((body, places),) = parts(module, node)
        number = len(carried)
        layout = self._room_for(module, node, carried, writer)
        self._limits.count_trips(module, node)
        scope = Scope(fx.Graph(), writer.scope)
        env: Env = {places[0]: scope.placeholder("trip", places[0].meta["val"])}
        start: list[Any] = []
        for k, place in enumerate(places[1 : 1 + number]):
            value = carried[k]
            for dim, room in layout[k].items():
                value = writer.opened(value, dim, room)
            start.extend(_flat([value], [layout[k]]))
            env[place] = self._place(scope, place, value, layout[k])
        outer = dict(zip(places[1 + number :], captured, strict=True))
        given = self.body(body, env, scope, outer)
        inner = Writer(scope, self._rooms, self._limits)
        inner.like = node
        after = [
            self._fitted(value, places[1 + k], rooms, inner)
            for k, (value, rooms) in enumerate(zip(given[1 : 1 + number], layout, strict=True))
        ]
        rows = given[1 + number :]
        if any(isinstance(row, Open) for row in rows):
            raise NoRoom("rows of varying sizes are collected", node)
        scope.graph.output((given[0], *_flat(after, layout), *rows))
        vals = node.meta["val"]
        flat_vals = (*_flat_vals(vals[:number], layout), *vals[number:])
        named = _register(writer, scope, "body")
        more = [outside for outside, _ in scope.given]
        made = writer.call(
            loop, trips, condition, named, tuple(start), tuple(more), *rest, val=flat_vals
        )
        return _taken(made, [*layout, *({} for _ in rows)], writer)

    def _room_for(
        self, module: fx.GraphModule, node: fx.Node, carried: Sequence[Any], writer: Writer
    ) -> list[dict[int, Room]]:
        """The open dimensions of what a loop carries."""
        ((_, places),) = parts(module, node)
        vals = node.meta["val"]
        layout: list[dict[int, Room]] = [{} for _ in carried]
        wanted: dict[Any, list[tuple[int, int]]] = {}
        for k, (value, place) in enumerate(zip(carried, places[1:], strict=False)):
            val: Any = place.meta.get("val")
            for dim in range(val.ndim if isinstance(val, torch.Tensor) else 0):
                if _has_size(value, dim, val.shape[dim]):
                    continue
                symbol = plain_symbol(val.shape[dim])
                if symbol is not None and self._stays(module, node, k, dim, symbol):
                    continue
                if symbol is None or self._limits.is_known(val.shape[dim]):
                    layout[k][dim] = self._rooms.not_empty(writer.room(value, dim))
                else:
                    wanted.setdefault(symbol, []).append((k, dim))
        if wanted:
            found = self._limits.of_loop(module, node, set(wanted))
            for symbol, uses in wanted.items():
                rooms = [self._limits.largest(found[symbol])]
                rooms += [writer.room(carried[k], dim) for k, dim in uses]
                room = self._rooms.not_empty(self._rooms.largest(rooms))
                self._limits.settle(symbol, room)
                for k, dim in uses:
                    layout[k][dim] = room
                    after = plain_symbol(vals[k].shape[dim])
                    if after is not None:
                        self._limits.settle(after, room)
        return layout

    def _stays(self, module: fx.GraphModule, node: fx.Node, k: int, dim: int, symbol: Any) -> bool:
        """Whether a carried size is one number, though capture made it a symbol.

        That is so for a size that the model pins only later on.
        """
        ((body, _),) = parts(module, node)
        carried: Any = node.args[3]
        before, after = (val_of(v).shape[dim] for v in (carried[k], results(body)[1 + k]))
        if not (self._limits.is_known(before) and self._limits.is_known(after)):
            return False
        start, end = self._limits.exact(before), self._limits.exact(after)
        if str(val_of(start)) != str(val_of(end)):
            return False
        for size in (symbol, plain_symbol(node.meta["val"][k].shape[dim])):
            if size is not None:
                self._limits.fix(size, start)
        return True

    def _place(self, scope: Scope, place: fx.Node, value: Any, rooms: dict[int, Room]) -> Any:
        """What a carried value is in the body."""
        if not rooms:
            return scope.placeholder(place.name, place.meta["val"])
        node = scope.placeholder(place.name, val_of(value))
        counts = {
            d: scope.placeholder(f"{place.name}_size", place.meta["val"].shape[d]) for d in rooms
        }
        return Open(node, dict(counts), rooms)

    def _fitted(self, value: Any, place: fx.Node, rooms: dict[int, Room], writer: Writer) -> Any:
        """A result of a trip, with the rooms that the loop carries."""
        if isinstance(value, Open) and not set(value.counts) <= set(rooms):
            raise NoRoom("a carried tensor gets a size that is known only inside", place)
        for dim, room in rooms.items():
            value = writer.opened(value, dim, room)
        return value


def makes_sizes(node: fx.Node, limits: Limits) -> bool:
    """Whether a node makes a size, or cuts at a place, that is known only inside.

    A sort counts as well, since it takes a number from a size, and what writes rows by a mask.
    """
    if node.op != "call_function":
        return False
    if varies(node) or puts_by_mask(node):
        return True
    if node.target in (aten.slice.Tensor, aten.slice_scatter.default):
        bounds = node.args[2:4] if node.target is aten.slice.Tensor else node.args[3:5]
        if not all(limits.is_known(val_of(bound)) for bound in bounds):
            return True
    return not all(limits.is_known(size) for size in sizes_of(node.meta.get("val")))


def _is_open(args: Any, kwargs: Any) -> bool:
    found = False

    def look(value: Any) -> None:
        nonlocal found
        if isinstance(value, Open):
            found = True
        elif isinstance(value, (list, tuple)):
            for inner in value:
                look(inner)
        elif isinstance(value, dict):
            for inner in value.values():
                look(inner)

    look(args)
    look(kwargs)
    return found


def sizes_of(val: Any) -> list[Any]:
    """All sizes of a tensor, or of several."""
    if isinstance(val, torch.Tensor):
        return list(val.shape)
    if isinstance(val, (list, tuple)):
        return [size for v in val if isinstance(v, torch.Tensor) for size in v.shape]
    return []


def _has_size(value: Any, dim: int, size: Any) -> bool:
    """Whether a value is closed along a dimension, and as large as another one is there."""
    if isinstance(value, Open):
        return dim not in value.counts and str(val_of(value).shape[dim]) == str(size)
    val = val_of(value)
    return not isinstance(val, torch.Tensor) or str(val.shape[dim]) == str(size)


def _flat(values: Sequence[Any], layout: Sequence[dict[int, Room]]) -> list[Any]:
    """Tensors, each with its counts behind it."""
    made: list[Any] = []
    for value, rooms in zip(values, layout, strict=True):
        made.append(node_of(value))
        made.extend(value.counts[dim] for dim in rooms)
    return made


def _flat_vals(vals: Sequence[Any], layout: Sequence[dict[int, Room]]) -> tuple[Any, ...]:
    made: list[Any] = []
    for val, rooms in zip(vals, layout, strict=True):
        if not rooms:
            made.append(val)
            continue
        sizes = [rooms[d].size if d in rooms else s for d, s in enumerate(val.shape)]
        made.append(fake_beside(val, sizes))
        made.extend(val.shape[dim] for dim in rooms)
    return tuple(made)


def _taken(made: fx.Node, layout: Sequence[dict[int, Room]], writer: Writer) -> list[Any]:
    """The results of an if or loop, open where it has counts for them."""
    vals = made.meta["val"]
    taken: list[Any] = []
    at = 0
    for rooms in layout:
        node = writer.call(operator.getitem, made, at, val=vals[at])
        at += 1
        counts: dict[int, Any] = {}
        for dim in rooms:
            counts[dim] = writer.call(operator.getitem, made, at, val=vals[at])
            at += 1
        taken.append(Open(node, counts, rooms) if rooms else node)
    return taken


def _register(writer: Writer, scope: Scope, name: str) -> fx.Node:
    """Puts a body into its parent."""
    owner = writer.scope.owner
    taken = {child for child, _ in owner.named_children()}
    free = next(n for k in range(len(taken) + 1) if (n := f"room_{name}_{k}") not in taken)
    setattr(owner, free, scope.module())
    return writer.scope.get_attr(free)


def _share(scopes: Sequence[Scope]) -> tuple[Any, ...]:
    """Gives both bodies of a branch the same placeholders, in one order."""
    wanted = list(dict.fromkeys(value for scope in scopes for value, _ in scope.given))
    for scope in scopes:
        places = [scope.bring(value) for value in wanted]
        for before, after in itertools.pairwise(places):
            before.append(after)
    return tuple(wanted)


def _name(node: fx.Node) -> str:
    packet = getattr(node.target, "_overloadpacket", None)
    return str(packet or getattr(node.target, "__name__", node.target)).removeprefix("aten.")
