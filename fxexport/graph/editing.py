"""Small steps that rewrites of a captured graph are made of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph, bodies_of
from fxexport.graph.scalars import maximum, minimum

__all__ = [
    "call",
    "copy_of",
    "innermost_first",
    "item",
    "items",
    "new_body",
    "new_placeholder",
    "nodes_inside",
    "parts",
    "replace_item",
    "results",
    "scalar_val",
]


def innermost_first(graph: CapturedGraph) -> list[fx.GraphModule]:
    """The root and all bodies, bodies before what they belong to."""
    return list(graph.graphs())[::-1]


def call(
    before: fx.Node, function: Callable[..., Any], *args: Any, val: Any, like: fx.Node | None = None
) -> fx.Node:
    """A new call before a node, for the same line of the user's.

    Args:
        before: where it goes.
        function: what is called.
        args: its arguments.
        val: what it yields (metadata).
        like: whose lines it is for; `before` by default.
    """
    origin = before if like is None else like
    with before.graph.inserting_before(before):
        node = before.graph.call_function(function, args)
    node.meta["val"] = val
    for key in ("source", "module"):
        if key in origin.meta:
            node.meta[key] = origin.meta[key]
    return node


def item(before: fx.Node, node: fx.Node, k: int) -> fx.Node:
    """The k-th result of a node."""
    return call(before, operator.getitem, node, k, val=node.meta["val"][k], like=node)


def items(node: fx.Node) -> Iterator[tuple[int, fx.Node]]:
    """The uses of a node's results: which one, and the node that takes it."""
    for user in list(node.users):
        if user.target is operator.getitem:
            yield user.args[1], user  # type: ignore[misc]


def replace_item(node: fx.Node, k: int, value: Any) -> None:
    """Replaces all uses of one result by a node or a constant."""
    for index, user in items(node):
        if index == k:
            replace_uses(user, value)
            node.graph.erase_node(user)


def replace_uses(node: fx.Node, value: Any) -> None:
    """Replaces all uses of a node by another one or by a constant."""
    if isinstance(value, fx.Node):
        node.replace_all_uses_with(value)
        return
    for user in list(node.users):

        def swapped(arg: fx.Node) -> Any:
            return value if arg is node else arg

        user.args = fx.map_arg(user.args, swapped)
        user.kwargs = fx.map_arg(user.kwargs, swapped)


def results(body: fx.GraphModule) -> list[Any]:
    """What a graph returns: nodes and constants."""
    outputs: Any = body.graph.output_node().args[0]
    return list(outputs)


def scalar_val(function: Callable[..., Any], *vals: Any) -> Any:
    """What a function on numbers yields (metadata), from what its arguments are."""
    return _SYMBOLIC.get(function, function)(*vals)


# Those of the graph's functions that PyTorch has a form of its own of for symbolic numbers.
_SYMBOLIC: dict[Any, Callable[..., Any]] = {maximum: torch.sym_max, minimum: torch.sym_min}


def parts(module: fx.GraphModule, node: fx.Node) -> list[tuple[fx.GraphModule, list[fx.Node]]]:
    """The bodies of a branch or loop, each with its placeholders."""
    return [(b, list(b.graph.find_nodes(op="placeholder"))) for b in bodies_of(module, node)]


def copy_of(body: fx.GraphModule) -> fx.GraphModule:
    """A copy of a body and of all bodies in it, to be changed on its own."""
    graph = fx.Graph()
    graph.output(graph.graph_copy(body.graph, {}))
    children = {
        name: copy_of(child) for name, child in body.named_children()
        if isinstance(child, fx.GraphModule)
    }  # fmt: skip
    return fx.GraphModule(children, graph)


def new_body(module: fx.GraphModule, before: fx.Node, body: fx.GraphModule, name: str) -> fx.Node:
    """Gives a module a further body; returns the node that names it."""
    taken = {child for child, _ in module.named_children()}
    names = (f"{name}_{k}" if k else name for k in range(len(taken) + 1))
    free = next(wanted for wanted in names if wanted not in taken)
    setattr(module, free, body)
    with module.graph.inserting_before(before):
        return module.graph.get_attr(free)


def nodes_inside(module: fx.GraphModule, node: fx.Node) -> Iterator[tuple[fx.GraphModule, fx.Node]]:
    """All nodes of a branch's or loop's bodies, at any depth, each with its graph."""
    for body in bodies_of(module, node):
        for inner in body.graph.nodes:
            yield body, inner
            yield from nodes_inside(body, inner)


def new_placeholder(graph: fx.Graph, name: str, val: Any, after: fx.Node | None = None) -> fx.Node:
    """Gives a body a further placeholder, behind another one or before all nodes.

    Its target is its name: fx makes node names unique, but writes targets as parameters.
    """
    first = next(iter(graph.nodes), None)  # None: at the end
    where = graph.inserting_before(first) if after is None else None
    with where or graph.inserting_after(after):
        placeholder = graph.placeholder(name)
    placeholder.target = placeholder.name
    placeholder.meta["val"] = val
    return placeholder
