"""Sizes that change inside loops become a capacity and a count.

Requires: nothing beyond a captured graph; to run before outputs are padded, and before branches are
moved.
Does: an outermost loop (or an if with such a loop in it) in which a tensor has a size that is known
only inside (what a loop carries grows or shrinks, `x[:i]`, `x[mask]`, `torch.arange(i)`) is written
anew: such a tensor becomes one as large as it can ever be, and a number that says how much of it
means something (the package `capacity`). What folds a dimension fills the rest first. After the
loop the tensor is cut to its count. How large it can be follows from the sizes before the loop, the
bound on its trips and its condition.
Ensures: the outputs are the same, and nothing inside such a loop has a size that changes. A loop
with something in it that has no such form stays as it was; `meta["no_capacity"]` of its node says
what.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from fxexport.passes.capacity.known_sizes import plain_symbol
from fxexport.passes.capacity.limits import Limits
from fxexport.passes.capacity.values import NoRoom, Open, Rooms, Scope, val_of
from fxexport.passes.capacity.walk import Walker, makes_sizes
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph, DimRange, bodies_of
from fxexport.graph.editing import call, nodes_inside, put_in_place
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


def _input_sizes(graph: CapturedGraph) -> dict[Any, int | DimRange]:
    """What is known of the inputs' sizes: a number that the model fixes, or a range."""
    found: dict[Any, int | DimRange] = {}
    places = graph.module.graph.find_nodes(op="placeholder")
    for spec, place in zip(graph.inputs, places, strict=True):
        val = place.meta.get("val")
        for dim, size in enumerate(val.shape if isinstance(val, torch.Tensor) else ()):
            symbol = plain_symbol(size)
            if symbol is not None and dim < len(spec.shape):
                found[symbol] = spec.shape[dim]
    return found


def _rewrite(
    root: fx.GraphModule,
    node: fx.Node,
    sizes: dict[Any, int | DimRange],
    wanted: Callable[[fx.GraphModule, fx.Node, Limits], bool],
) -> None:
    scope = Scope(root.graph, before=node, owner=root)
    rooms = Rooms(scope, node)
    for symbol, size in sizes.items():
        if isinstance(size, DimRange) and size.min > 0:
            rooms.mark_not_empty(str(symbol))
    pinned = {symbol: size for symbol, size in sizes.items() if isinstance(size, int)}
    limits = Limits(root, node, rooms, pinned)
    if not wanted(root, node, limits):
        return
    nodes_before = set(root.graph.nodes)
    env: dict[fx.Node, Any] = {n: n for n in root.graph.nodes}
    try:
        values = Walker(rooms, limits).write(root, node, env, scope)
    except NoRoom as reason:
        if node.target is loop:  # a branch may do without
            node.meta["no_capacity"] = reason
        for made in reversed([n for n in root.graph.nodes if n not in nodes_before]):
            root.graph.erase_node(made)
        return
    _replace(node, values)


def _replace(node: fx.Node, values: list[Any]) -> None:
    """Puts results in the place of the old ones, cut to their counts."""
    for user in list(node.users):
        assert user.target is operator.getitem
        put_in_place(user, _cut(node, values[user.args[1]], user.meta["val"]))  # type: ignore[index]
        user.graph.erase_node(user)
    node.graph.erase_node(node)


def _cut(node: fx.Node, value: Any, val: torch.Tensor) -> Any:
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
