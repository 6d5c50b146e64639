"""Computes what is made of weights alone by functions of matrices.

Requires: a graph of functional operators on real numbers, whose weights have values.
Does: where a factorisation, an inverse, an exponential, ... hangs on weights and constants alone,
as in a parametrisation of a layer, it is computed here, with what follows from it and nothing else;
its results are weights. A file would compute it in a loop at each call. The lines are in
`graph.computed`. What raises is left to the file.
Ensures: the outputs are the same.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import torch
from torch import fx

from fxexport.graph import CapturedGraph, source_of

__all__ = ["run"]

_CHEAP = frozenset(("aten::linalg_vector_norm", "aten::linalg_cross"))
_OTHERS = frozenset(
    f"aten::{name}"
    for name in (
        "cholesky",
        "cholesky_inverse",
        "cholesky_solve",
        "_cholesky_solve_helper",
        "geqrf",
        "lu_unpack",
        "ormqr",
        "triangular_solve",
    )
)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Folds in the root graph, in place, and returns it."""
    nodes = graph.module.graph.nodes
    if not any(_is_of_matrices(node) for node in nodes):
        return graph
    known = _hanging_on_weights(graph)
    wanted: dict[fx.Node, bool] = {}
    for node in nodes:
        before = [wanted.get(used, False) for used in node.all_input_nodes]
        wanted[node] = node in known and (_is_of_matrices(node) or any(before))
    ends = [
        node
        for node in nodes
        if wanted[node]
        and isinstance(node.meta.get("val"), torch.Tensor)
        and any(user not in known for user in node.users)
    ]
    try:
        values = _computed(graph, ends)
    except Exception:  # a matrix that has no result, or memory: the file says so when it runs
        return graph
    for node in ends:
        graph.computed.append(source_of(node))
        _replace(graph, node, values[node])
    graph.module.graph.eliminate_dead_code(lambda node: node not in wanted or not wanted[node])
    graph.module.recompile()
    return graph


def _is_of_matrices(node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    name = node.target._schema.name
    found = name.startswith(("aten::linalg_", "aten::_linalg_")) or name in _OTHERS
    return found and name not in _CHEAP


def _hanging_on_weights(graph: CapturedGraph) -> set[fx.Node]:
    """The nodes of the root that no input reaches, and no random number."""
    known: set[fx.Node] = set()
    for node in graph.module.graph.nodes:
        if node.op == "get_attr":
            weight = graph.weights.get(node.meta.get("weight", ""))
            if weight is not None and not weight.is_meta:
                known.add(node)
        elif node.op == "call_function" and known.issuperset(node.all_input_nodes):
            target = node.target
            plain = target is operator.getitem or (
                isinstance(target, torch._ops.OpOverload)
                and torch.Tag.nondeterministic_seeded not in target.tags
                and target._schema.name != "aten::empty"
            )
            if plain and _is_fixed(node.meta.get("val")):
                known.add(node)
    return known


def _is_fixed(val: object) -> bool:
    """Whether a value is a tensor of known sizes, or several."""
    if isinstance(val, (tuple, list)):
        return all(_is_fixed(part) for part in val)
    return isinstance(val, torch.Tensor) and all(isinstance(size, int) for size in val.shape)


def _computed(graph: CapturedGraph, ends: Iterable[fx.Node]) -> dict[fx.Node, Any]:
    """The values of nodes, and of all that they hang on."""
    values: dict[fx.Node, Any] = {}
    needed: set[fx.Node] = set()
    todo = list(ends)
    while todo:
        node = todo.pop()
        if node not in needed:
            needed.add(node)
            todo += node.all_input_nodes
    with torch.no_grad():
        for node in graph.module.graph.nodes:
            if node not in needed:
                continue
            if node.op == "get_attr":
                values[node] = graph.weights[node.meta["weight"]].detach()
                continue
            args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            assert callable(node.target)
            values[node] = node.target(*args, **kwargs)
    return values


def _replace(graph: CapturedGraph, node: fx.Node, value: torch.Tensor) -> None:
    """Makes a weight of a node."""
    name = node.name
    while name in graph.weights or hasattr(graph.module, f"w_{name}"):
        name += "_"
    value = value.contiguous()
    setattr(graph.module, f"w_{name}", value)
    with node.graph.inserting_before(node):
        weight = node.graph.create_node("get_attr", f"w_{name}")
    weight.meta.update(val=node.meta["val"], source=node.meta.get("source", ()), weight=name)
    graph.weights[name] = value
    node.replace_all_uses_with(weight)
