"""Results of branches whose size depends on the path taken leave them padded, with their size.

Requires: nothing beyond a captured graph; to run before branches are flattened.
Does: in a graph that has a loop, or will get one (`route_conditions`), a result of one of the
root's branches that is of another size on its two paths is written into zeros of the largest size
that the inputs' shapes allow, on both paths; the branch gives its true size as well, and the result
is cut to that behind the branch. TensorRT takes results of unlike sizes in graphs without a loop
only ("utils.cpp:916", "Expect the graph has single block"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; results without such a bound stay as they are.
"""

from __future__ import annotations

from functools import partial

import torch
from fxexport.passes.bounds.number_rules import NoBound
from fxexport.passes.bounds.size_bounds import SizeBounds
from fxexport.passes.rewriting.padding import write_at_start
from fxexport.passes.rewriting.visiting import each_result, on_both_paths
from fxexport.passes.tensorrt.branches.route_conditions import condition_to_route
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import Number, operands_of
from fxexport.graph.editing import call, item, items, new_placeholder, parts, results
from fxexport.graph.ops import loop

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Pads such results of the root's branches, in place."""
    has_loop = any(n.target is loop for m in graph.graphs() for n in m.graph.nodes)
    if not has_loop and condition_to_route(graph) is None:
        return graph
    bounds = SizeBounds(graph)
    return each_result(graph, partial(_pad, bounds), root_only=True)


def _pad(bounds: SizeBounds, module: fx.GraphModule, node: fx.Node, k: int) -> None:
    sides = parts(module, node)
    paths = on_both_paths(module, node, k)
    dims = _differing(*paths)
    if not dims or not any(index == k and user.users for index, user in items(node)):
        return
    val = node.meta["val"][k]
    try:
        capacities = {dim: bounds.bound(val.shape[dim], node) for dim in dims}
    except NoBound:
        return
    for body, placeholders in sides:
        within = {
            dim: capacity if isinstance(capacity, int) else _handed_in(body, placeholders, capacity)
            for dim, capacity in capacities.items()
        }
        _padded(body, k, within)
    operands = operands_of(node)
    node.args = (
        *node.args[:3],
        (
            *operands,
            *(capacity for capacity in capacities.values() if isinstance(capacity, fx.Node)),
        ),
    )
    count = len(node.meta["val"])
    shape = [
        (capacity.meta["val"] if isinstance(capacity, fx.Node) else capacity)
        if (capacity := capacities.get(dim)) is not None
        else size
        for dim, size in enumerate(val.shape)
    ]
    vals = [*node.meta["val"], *(val.shape[dim] for dim in dims)]
    vals[k] = fake_beside(val, shape)
    node.meta["val"] = tuple(vals)
    _cut(node, k, val, {dim: count + at for at, dim in enumerate(dims)})


def _differing(then: object, other: object) -> list[int]:
    """The dimensions in which the two paths of a result differ."""
    vals = [v.meta.get("val") if isinstance(v, fx.Node) else None for v in (then, other)]
    if not all(isinstance(val, torch.Tensor) for val in vals):
        return []
    sizes = zip(*(map(str, val.shape) for val in vals), strict=True)  # type: ignore[union-attr]
    return [dim for dim, (a, b) in enumerate(sizes) if a != b]


def _handed_in(body: fx.GraphModule, placeholders: list[fx.Node], value: fx.Node) -> fx.Node:
    placeholder = new_placeholder(
        body.graph, value.name, value.meta["val"], placeholders[-1] if placeholders else None
    )
    placeholders.append(placeholder)
    return placeholder


def _padded(body: fx.GraphModule, k: int, capacities: dict[int, Number]) -> None:
    """Pads one path's result and gives its sizes as well."""
    output = body.graph.output_node()
    given = results(body)
    result = given[k]
    shape = result.meta["val"].shape
    sizes = {
        dim: call(output, aten.sym_size.int, result, dim, val=shape[dim]) for dim in capacities
    }
    for dim, capacity in capacities.items():
        result = write_at_start(output, result, dim, capacity, sizes[dim])
    given[k] = result
    output.args = ((*given, *sizes.values()),)
    body.recompile()


def _cut(node: fx.Node, k: int, val: torch.Tensor, sizes: dict[int, int]) -> None:
    """Cuts a padded result behind the branch."""
    whole = item(node.next, node, k)
    result, last = whole, whole
    for dim, index in sizes.items():
        size = item(last.next, node, index)
        result = last = call(size.next, aten.slice.Tensor, result, dim, 0, size, val=val, like=node)
    for index, user in items(node):
        if index == k and user is not whole:
            user.replace_all_uses_with(result)  # it stays: bounds look at what makes a size
