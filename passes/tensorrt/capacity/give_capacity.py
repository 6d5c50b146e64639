"""Sizes that change inside loops become a capacity and a count.

Requires: nothing beyond a captured graph; to run before outputs are padded, and before branches are
moved.
Does: an outermost loop (or an if with such a loop in it) in which a tensor has a size that is known
only inside (what a loop carries grows or shrinks, `x[:i]`, `x[mask]`, `torch.arange(i)`) is written
anew: such a tensor becomes one as large as it can ever be, and a number that says how much of it
means something (the package `capacity`). What folds a dimension fills the rest first. After the
loop the tensor is cut to its count. How large it can be follows from the sizes before the loop, the
bound on its iterations and its condition.
Ensures: the outputs are the same, and nothing inside such a loop has a size that changes. A loop
with something in it that has no such form stays as it was; the mark `NO_CAPACITY` on it says what.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import sympy
import torch
from fxexport.passes.bounds.number_rules import NoBound
from fxexport.passes.bounds.symbols import plain_symbol
from fxexport.passes.tensorrt.capacity.limits.known_before import KnownBefore
from fxexport.passes.tensorrt.capacity.limits.limits import Limits
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities
from fxexport.passes.tensorrt.capacity.values.open_tensors import Open, val_of
from fxexport.passes.tensorrt.capacity.values.written_graph import WrittenGraph
from fxexport.passes.tensorrt.capacity.walk import Walker, makes_sizes
from torch import fx
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph, DimRange, bodies_of
from fxexport.graph.editing import call, nodes_inside, replace_uses
from fxexport.graph.marks import NO_CAPACITY, Reason
from fxexport.graph.ops import branch, loop

__all__ = ["rewrite", "run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Writes such loops of the root anew, in place."""
    rewrite(graph, _has_size_from_inside)
    return graph


def _has_size_from_inside(root: fx.GraphModule, node: fx.Node, limits: Limits) -> bool:
    """Whether a loop, or a branch with a loop in it, has a size that is known only in the loop.

    Sizes that a branch makes outside of its loops are no reason: the loops may leave it yet.
    """
    return any(makes_sizes(inner, limits) for inner in _inside_loops(root, node))


def _inside_loops(module: fx.GraphModule, node: fx.Node) -> Iterator[fx.Node]:
    """The nodes of a loop's body, at any depth; for a branch those of the loops in it."""
    if node.target is loop:
        yield from (inner for _, inner in nodes_inside(module, node))
        return
    for body in bodies_of(module, node):
        for inner in body.graph.nodes:
            if inner.target in (branch, loop):
                yield from _inside_loops(body, inner)


def rewrite(
    graph: CapturedGraph, wanted: Callable[[fx.GraphModule, fx.Node, Limits], bool]
) -> None:
    """Writes ifs and loops of the root anew.

    Args:
        graph: the graph, which is changed.
        wanted: says of a branch or loop whether it needs that.
    """
    root = graph.module
    sizes = _input_sizes(graph)
    for node in list(root.graph.nodes):
        if node.target in (branch, loop):
            _rewrite(root, node, sizes, wanted)
    root.graph.eliminate_dead_code()
    root.recompile()


def _input_sizes(graph: CapturedGraph) -> dict[sympy.Symbol, int | DimRange]:
    """What is known of the inputs' sizes: a number that the model fixes, or a range."""
    found: dict[sympy.Symbol, int | DimRange] = {}
    placeholders = graph.module.graph.find_nodes(op="placeholder")
    for spec, placeholder in zip(graph.inputs, placeholders, strict=True):
        val = placeholder.meta.get("val")
        for dim, size in enumerate(val.shape if isinstance(val, torch.Tensor) else ()):
            symbol = plain_symbol(size)
            if symbol is not None and dim < len(spec.shape):
                found[symbol] = spec.shape[dim]
    return found


def _rewrite(
    root: fx.GraphModule,
    node: fx.Node,
    sizes: dict[sympy.Symbol, int | DimRange],
    wanted: Callable[[fx.GraphModule, fx.Node, Limits], bool],
) -> None:
    scope = WrittenGraph(root.graph, before=node, owner=root)
    capacities = Capacities(scope, node)
    for symbol, size in sizes.items():
        if isinstance(size, DimRange) and size.min > 0:
            capacities.mark_not_empty(str(symbol))
    pinned = {symbol: size for symbol, size in sizes.items() if isinstance(size, int)}
    limits = Limits(KnownBefore(root, node, capacities, pinned), capacities)
    if not wanted(root, node, limits):
        return
    nodes_before = set(root.graph.nodes)
    env: dict[fx.Node, Any] = {n: n for n in root.graph.nodes}
    try:
        values = Walker(capacities, limits).write(root, node, env, scope)
    except NoBound as reason:
        if node.target is loop:  # a branch may do without
            NO_CAPACITY.put(node, Reason(str(reason), node=reason.node))
        for made in reversed([n for n in root.graph.nodes if n not in nodes_before]):
            root.graph.erase_node(made)
        return
    _replace(node, values)


def _replace(node: fx.Node, values: list[Any]) -> None:
    """Replaces the old results by the new ones, cut to their counts."""
    for user in list(node.users):
        assert user.target is operator.getitem
        replace_uses(user, _cut(node, values[user.args[1]], user.meta["val"]))  # type: ignore[index]
        user.graph.erase_node(user)
    node.graph.erase_node(node)


def _cut(node: fx.Node, value: Argument, val: torch.Tensor) -> Any:
    if not isinstance(value, Open):
        return value
    made = value.node
    sizes = list(val_of(value).shape)
    for dim, count in value.counts.items():
        sizes[dim] = val.shape[dim]
        made = call(
            node,
            aten.slice.Tensor,
            made,
            dim,
            0,
            count,
            val=fake_beside(val, list(sizes)),
            like=node,
        )
    return made
