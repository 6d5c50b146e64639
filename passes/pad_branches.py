"""Results of branches whose size depends on the way taken leave the branch padded, with their size.

Requires: nothing beyond a captured graph; to run before branches are flattened.
Does: in a graph that has a loop, or will get one (`route_conditions`), a result of one of the
root's branches that is of another size on its two ways is written into zeros of the largest size
that the inputs' shapes allow, on both ways; the branch gives its true size as well, and the result
is cut to that behind the branch. TensorRT takes results of unlike sizes in graphs without a loop
only ("utils.cpp:916", "Expect the graph has single block"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; results without such a bound stay as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from fxexport.passes.route_conditions import condition_to_route
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph
from fxexport.graph.editing import call, item, items, new_place, parts, results
from fxexport.graph.ops import branch, loop
from fxexport.graph.padding import write_at_start
from fxexport.graph.size_bounds import NoBound, SizeBounds

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Pads such results of the root's branches, in place."""
    root = graph.module
    has_loop = any(n.target is loop for m in graph.graphs() for n in m.graph.nodes)
    if not has_loop and condition_to_route(graph) is None:
        return graph
    bounds = SizeBounds(graph)
    for node in list(root.graph.nodes):
        if node.target is branch:
            for k in range(len(node.meta["val"])):
                _pad(root, node, k, bounds)
    root.recompile()
    return graph


def _pad(module: fx.GraphModule, node: fx.Node, k: int, bounds: SizeBounds) -> None:
    sides = parts(module, node)
    ways = [results(body)[k] for body, _ in sides]
    dims = _differing(*ways)
    if not dims or not any(place == k and user.users for place, user in items(node)):
        return
    val = node.meta["val"][k]
    try:
        rooms = {dim: bounds.bound(val.shape[dim], node) for dim in dims}
    except NoBound:
        return
    given: list[tuple[fx.Node, list[Any]]] = []
    for body, places in sides:
        within = {
            dim: room if isinstance(room, int) else _handed_in(body, places, room)
            for dim, room in rooms.items()
        }
        given.append(_padded(body, k, within))
    operands: Any = node.args[3]
    node.args = (
        *node.args[:3],
        (*operands, *(room for room in rooms.values() if isinstance(room, fx.Node))),
    )
    count = len(node.meta["val"])
    shape = [
        (room.meta["val"] if isinstance(room, fx.Node) else room)
        if (room := rooms.get(dim)) is not None
        else size
        for dim, size in enumerate(val.shape)
    ]
    vals = [*node.meta["val"], *(val.shape[dim] for dim in dims)]
    vals[k] = fake_beside(val, shape)
    node.meta["val"] = tuple(vals)
    _cut(node, k, val, {dim: count + at for at, dim in enumerate(dims)})


def _differing(then: Any, other: Any) -> list[int]:
    """The dimensions in which the two ways of a result differ."""
    vals = [v.meta.get("val") if isinstance(v, fx.Node) else None for v in (then, other)]
    if not all(isinstance(val, torch.Tensor) for val in vals):
        return []
    sizes = zip(*(map(str, val.shape) for val in vals), strict=True)  # type: ignore[union-attr]
    return [dim for dim, (a, b) in enumerate(sizes) if a != b]


def _handed_in(body: fx.GraphModule, places: list[fx.Node], value: fx.Node) -> fx.Node:
    place = new_place(body.graph, value.name, value.meta["val"], places[-1] if places else None)
    places.append(place)
    return place


def _padded(body: fx.GraphModule, k: int, rooms: dict[int, Any]) -> None:
    """Pads one way's result and gives its sizes as well."""
    output = body.graph.output_node()
    given = results(body)
    result = given[k]
    shape = result.meta["val"].shape
    sizes = {dim: call(output, aten.sym_size.int, result, dim, val=shape[dim]) for dim in rooms}
    for dim, room in rooms.items():
        result = write_at_start(output, result, dim, room, sizes[dim])
    given[k] = result
    output.args = ((*given, *sizes.values()),)
    body.recompile()


def _cut(node: fx.Node, k: int, val: torch.Tensor, sizes: dict[int, int]) -> None:
    """Cuts a padded result behind the branch."""
    whole = item(node.next, node, k)
    result, last = whole, whole
    for dim, place in sizes.items():
        size = item(last.next, node, place)
        result = last = call(size.next, aten.slice.Tensor, result, dim, 0, size, val=val, like=node)
    for place, user in items(node):
        if place == k and user is not whole:
            user.replace_all_uses_with(result)  # it stays: bounds look at what makes a size
