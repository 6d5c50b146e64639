"""Writes the bodies of ifs and loops anew, with open tensors in them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import sympy
import torch
from fxexport.passes.bounds.symbols import plain_symbol
from fxexport.passes.tensorrt.capacity.limits.limits import Limits
from fxexport.passes.tensorrt.capacity.rules import MAKERS, rule_of
from fxexport.passes.tensorrt.capacity.rules.sorting import varies
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.rules.writes import puts_by_mask
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    NoCapacity,
    Open,
    Operand,
    Result,
    Value,
    node_of,
    val_of,
)
from fxexport.passes.tensorrt.capacity.values.written_graph import WrittenGraph
from torch import fx
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number, Size, carried_of
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS

__all__ = ["Walker", "makes_sizes", "sizes_of"]

aten = torch.ops.aten

Env = dict[fx.Node, Any]


class Walker:
    """Writes one outermost if or loop anew, and all that is in it."""

    def __init__(self, capacities: Capacities, limits: Limits) -> None:
        self._capacities = capacities
        self._limits = limits

    def write(self, module: fx.GraphModule, node: fx.Node, env: Env, scope: WrittenGraph) -> Any:
        """One node of a graph, in the graph of a scope.

        Raises:
            NoCapacity: it has no form at a fixed size.
        """
        writer = OpenWriter(scope, self._capacities, self._limits)
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
            raise NoCapacity(
                "a list in it stays one: its items differ in size, or nothing bounds it", node
            )
        rule = rule_of(node.target)
        if not _is_open(args, kwargs) and node.target not in MAKERS:
            raise NoCapacity(f"{_name(node)} gives a size that is known only inside", node)
        if rule is None:
            raise NoCapacity(f"{_name(node)} has no form at a fixed size", node)
        return self._closed(node, rule(writer, node, *args, **kwargs), writer)

    def _copy(self, node: fx.Node, args: Any, kwargs: Any, writer: OpenWriter) -> fx.Node:
        """A node that has nothing open about it."""
        made = writer.call(node.target, *args, val=node.meta["val"], **kwargs)
        for size in sizes_of(node.meta["val"]):
            if not self._limits.is_known(size):
                raise NoCapacity(f"{_name(node)} gives a size that is known only inside", node)
        return made

    def _closed(self, node: fx.Node, value: Result, writer: OpenWriter) -> Any:
        """Closes what turns out to have a size that is the same each time."""
        if isinstance(value, (list, tuple)):
            vals = node.meta["val"]
            return [self._closed_one(v, val, writer) for v, val in zip(value, vals, strict=True)]
        return self._closed_one(value, node.meta["val"], writer)

    def _closed_one(self, value: Any, val: Any, writer: OpenWriter) -> Any:
        for dim in list(value.counts) if isinstance(value, Open) else ():
            size = val.shape[dim]
            if self._limits.is_known(size):
                value = writer.conform(value, dim, Capacity(self._limits.exact(size)))
                value = value.without(dim) if isinstance(value, Open) else value
        return value

    def body(
        self, module: fx.GraphModule, env: Env, scope: WrittenGraph, outer: Mapping[fx.Node, Any]
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

    def _branch(self, module: fx.GraphModule, node: fx.Node, args: Any, writer: OpenWriter) -> Any:
        condition, _, _, operands = args
        sides = []
        for body, placeholders in parts(module, node):
            scope = WrittenGraph(fx.Graph(), writer.scope)
            outer = dict(zip(placeholders, operands, strict=True))
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
        self, sides: list[tuple[WrittenGraph, list[Any]]], vals: Any, writer: OpenWriter
    ) -> list[dict[int, Capacity]]:
        """Gives both paths of a branch the same capacities; says which, for each result."""
        layout: list[dict[int, Capacity]] = []
        for k, val in enumerate(vals):
            capacities: dict[int, Capacity] = {}
            pair = [given[k] for _, given in sides]
            for dim in range(val.ndim if isinstance(val, torch.Tensor) else 0):
                if all(_has_size(v, dim, val.shape[dim]) for v in pair):
                    continue
                writers = [OpenWriter(scope, self._capacities, self._limits) for scope, _ in sides]
                found = [w.capacity(v, dim) for w, v in zip(writers, pair, strict=True)]
                capacities[dim] = self._capacities.not_empty(self._capacities.largest(found))
                pair = [
                    w.opened(v, dim, capacities[dim]) for w, v in zip(writers, pair, strict=True)
                ]
            for (_, given), value in zip(sides, pair, strict=True):
                given[k] = value
            layout.append(capacities)
        return layout

    # Loops

    def _loop(self, module: fx.GraphModule, node: fx.Node, args: Any, writer: OpenWriter) -> Any:
        trip_count, condition, _, carried, captured, *rest = args
        ((body, placeholders),) = parts(module, node)
        number = len(carried)
        layout = self._capacities_for(module, node, carried, writer)
        self._limits.bound_iteration(module, node)
        scope = WrittenGraph(fx.Graph(), writer.scope)
        env: Env = {placeholders[0]: scope.placeholder("trip", placeholders[0].meta["val"])}
        start: list[Any] = []
        for k, placeholder in enumerate(placeholders[1 : 1 + number]):
            value = carried[k]
            for dim, capacity in layout[k].items():
                value = writer.opened(value, dim, capacity)
            start.extend(_flat([value], [layout[k]]))
            env[placeholder] = self._placeholder(scope, placeholder, value, layout[k])
        outer = dict(zip(placeholders[1 + number :], captured, strict=True))
        given = self.body(body, env, scope, outer)
        inner = OpenWriter(scope, self._capacities, self._limits)
        inner.like = node
        after = [
            self._fitted(value, placeholders[1 + k], capacities, inner)
            for k, (value, capacities) in enumerate(zip(given[1 : 1 + number], layout, strict=True))
        ]
        rows = given[1 + number :]
        if any(isinstance(row, Open) for row in rows):
            raise NoCapacity("rows of varying sizes are collected", node)
        scope.graph.output((given[0], *_flat(after, layout), *rows))
        vals = node.meta["val"]
        flat_vals = (*_flat_vals(vals[:number], layout), *vals[number:])
        named = _register(writer, scope, "body")
        more = [outside for outside, _ in scope.given]
        made = writer.call(
            loop, trip_count, condition, named, tuple(start), tuple(more), *rest, val=flat_vals
        )
        return _taken(made, [*layout, *({} for _ in rows)], writer)

    def _capacities_for(
        self, module: fx.GraphModule, node: fx.Node, carried: Sequence[Any], writer: OpenWriter
    ) -> list[dict[int, Capacity]]:
        """The open dimensions of what a loop carries."""
        ((_, placeholders),) = parts(module, node)
        vals = node.meta["val"]
        layout: list[dict[int, Capacity]] = [{} for _ in carried]
        wanted: dict[sympy.Symbol, list[tuple[int, int]]] = {}
        for k, (value, placeholder) in enumerate(zip(carried, placeholders[1:], strict=False)):
            val: Any = placeholder.meta.get("val")
            for dim in range(val.ndim if isinstance(val, torch.Tensor) else 0):
                if _has_size(value, dim, val.shape[dim]):
                    continue
                symbol = plain_symbol(val.shape[dim])
                if symbol is not None and self._stays(module, node, k, dim, symbol):
                    continue
                if symbol is None or self._limits.is_known(val.shape[dim]):
                    layout[k][dim] = self._capacities.not_empty(writer.capacity(value, dim))
                else:
                    wanted.setdefault(symbol, []).append((k, dim))
        if wanted:
            found = self._limits.of_loop(module, node, set(wanted))
            for symbol, uses in wanted.items():
                capacities = [self._limits.largest(found[symbol])]
                capacities += [writer.capacity(carried[k], dim) for k, dim in uses]
                capacity = self._capacities.not_empty(self._capacities.largest(capacities))
                self._limits.settle(symbol, capacity)
                for k, dim in uses:
                    layout[k][dim] = capacity
                    after = plain_symbol(vals[k].shape[dim])
                    if after is not None:
                        self._limits.settle(after, capacity)
        return layout

    def _stays(
        self, module: fx.GraphModule, node: fx.Node, k: int, dim: int, symbol: sympy.Symbol
    ) -> bool:
        """Whether a carried size is one number, though capture made it a symbol.

        That is so for a size that the model pins only later on.
        """
        ((body, _),) = parts(module, node)
        carried = carried_of(node)
        before, after = (val_of(v).shape[dim] for v in (carried[k], results(body)[1 + k]))
        if not (self._limits.is_known(before) and self._limits.is_known(after)):
            return False
        start, end = self._limits.exact(before), self._limits.exact(after)
        if str(val_of(start)) != str(val_of(end)):
            return False
        for size in (symbol, plain_symbol(node.meta["val"][k].shape[dim])):
            if size is not None:
                self._limits.known.fix(size, start)
        return True

    def _placeholder(
        self,
        scope: WrittenGraph,
        placeholder: fx.Node,
        value: Argument,
        capacities: dict[int, Capacity],
    ) -> Any:
        """What a carried value is in the body."""
        if not capacities:
            return scope.placeholder(placeholder.name, placeholder.meta["val"])
        node = scope.placeholder(placeholder.name, val_of(value))
        counts = {
            d: scope.placeholder(f"{placeholder.name}_size", placeholder.meta["val"].shape[d])
            for d in capacities
        }
        return Open(node, dict(counts), capacities)

    def _fitted(
        self,
        value: Value,
        placeholder: fx.Node,
        capacities: dict[int, Capacity],
        writer: OpenWriter,
    ) -> Any:
        """A result of an iteration, with the capacities that the loop carries."""
        if isinstance(value, Open) and not set(value.counts) <= set(capacities):
            raise NoCapacity("a carried tensor gets a size that is known only inside", placeholder)
        for dim, capacity in capacities.items():
            value = writer.opened(value, dim, capacity)
        return value


def makes_sizes(node: fx.Node, limits: Limits) -> bool:
    """Whether a node makes a size, or cuts at an index, that is known only inside.

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


def _is_open(args: Operand, kwargs: Operand) -> bool:
    found = False

    def look(value: Operand) -> None:
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


def sizes_of(val: object) -> list[Size]:
    """All sizes of a tensor, or of several."""
    if isinstance(val, torch.Tensor):
        return list(val.shape)
    if isinstance(val, (list, tuple)):
        return [size for v in val if isinstance(v, torch.Tensor) for size in v.shape]
    return []


def _has_size(value: object, dim: int, size: object) -> bool:
    """Whether a value is closed along a dimension, and as large as another one is there."""
    if isinstance(value, Open):
        return dim not in value.counts and str(val_of(value).shape[dim]) == str(size)
    val = val_of(value)
    return not isinstance(val, torch.Tensor) or str(val.shape[dim]) == str(size)


def _flat(values: Sequence[Any], layout: Sequence[dict[int, Capacity]]) -> list[Any]:
    """Tensors, each with its counts behind it."""
    made: list[Any] = []
    for value, capacities in zip(values, layout, strict=True):
        made.append(node_of(value))
        made.extend(value.counts[dim] for dim in capacities)
    return made


def _flat_vals(vals: Sequence[Any], layout: Sequence[dict[int, Capacity]]) -> tuple[Any, ...]:
    made: list[Any] = []
    for val, capacities in zip(vals, layout, strict=True):
        if not capacities:
            made.append(val)
            continue
        sizes = [capacities[d].size if d in capacities else s for d, s in enumerate(val.shape)]
        made.append(fake_beside(val, sizes))
        made.extend(val.shape[dim] for dim in capacities)
    return tuple(made)


def _taken(made: fx.Node, layout: Sequence[dict[int, Capacity]], writer: OpenWriter) -> list[Any]:
    """The results of an if or loop, open where it has counts for them."""
    vals = made.meta["val"]
    taken: list[Any] = []
    at = 0
    for capacities in layout:
        node = writer.call(operator.getitem, made, at, val=vals[at])
        at += 1
        counts: dict[int, Number] = {}
        for dim in capacities:
            counts[dim] = writer.call(operator.getitem, made, at, val=vals[at])
            at += 1
        taken.append(Open(node, counts, capacities) if capacities else node)
    return taken


def _register(writer: OpenWriter, scope: WrittenGraph, name: str) -> fx.Node:
    """Puts a body into its parent."""
    owner = writer.scope.owner
    taken = {child for child, _ in owner.named_children()}
    free = next(n for k in range(len(taken) + 1) if (n := f"capacity_{name}_{k}") not in taken)
    setattr(owner, free, scope.module())
    return writer.scope.get_attr(free)


def _share(scopes: Sequence[WrittenGraph]) -> tuple[Any, ...]:
    """Gives both bodies of a branch the same placeholders, in one order."""
    wanted = list(dict.fromkeys(value for scope in scopes for value, _ in scope.given))
    for scope in scopes:
        placeholders = [scope.bring_node(value) for value in wanted]
        for before, after in itertools.pairwise(placeholders):
            before.append(after)
    return tuple(wanted)


def _name(node: fx.Node) -> str:
    packet = getattr(node.target, "_overloadpacket", None)
    return str(packet or getattr(node.target, "__name__", node.target)).removeprefix("aten.")
