"""Keeps the guards of what operators check themselves, where dead code has the operators.

Requires: a graph as it was captured: guards with the mark `CHECKED`, operators with `CHECKS`.
Does: makes a guard of each of the first whose operator no output and no guard depends on, and drops
the others, for which the operator itself stands when the file runs. What operators check of data
(indices inside, divisors that are not 0) gets a guard where nobody uses their result.
Ensures: a graph whose dead code has been dropped raises where the program does; no node has the
mark `CHECKED`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Set
from typing import Any, TypeAlias

import torch
from fxexport.passes.bounds.signs import is_never_negative
from fxexport.passes.rewriting.data_conditions import every
from fxexport.passes.rewriting.liveness import live_nodes
from torch import fx

from fxexport.graph import CapturedGraph, bodies_of, guard, loop, source_of
from fxexport.graph.arguments import captured_of, carried_of, operands_of, val_of
from fxexport.graph.editing import call
from fxexport.graph.guards import message_at
from fxexport.graph.marks import CHECKED, CHECKS

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Settles the guards in place and returns the graph."""
    live = live_nodes(graph)
    checked = {number for node in live for number in CHECKS.of(node) or ()}
    counters = _counters(graph)
    for module in graph.graphs():
        _settle(module.graph, checked)
        looked_at = {_place(node) for node in module.graph.nodes if node in live}
        for node in list(module.graph.nodes):
            rule = _DATA.get(node.target) if node.op == "call_function" else None
            if rule is None or node in live or not counters.isdisjoint(node.args):
                continue
            # A write to `x[k]` is a view that nobody uses, and a write at that place.
            place = _place(node)
            if place is None or place not in looked_at:
                looked_at.add(place)
                for condition, text in rule(node):
                    call(node, guard, condition, message_at(text, source_of(node)), val=None)
        module.recompile()
    return graph


def _place(node: fx.Node) -> tuple[object, str] | None:
    """The index that a node takes or writes one slice at, and the size that it must be below."""
    if node.target not in (aten.select.int, aten.select_scatter.default):
        return None
    *_, dim, index = node.args
    tensor = node.args[0]
    if not isinstance(tensor, fx.Node) or not isinstance(dim, int):
        return None
    return index, str(tensor.meta["val"].shape[dim])


def _settle(graph: fx.Graph, checked: Set[int]) -> None:
    known: set[object] = set()
    for node in graph.find_nodes(op="call_function", target=guard):
        number = CHECKED.of(node)
        if number is None:
            known.add(node.args[0])
        elif number in checked or node.args[0] in known:
            graph.erase_node(node)
        else:
            CHECKED.take_from(node)
            known.add(node.args[0])


def _counters(graph: CapturedGraph) -> set[object]:
    """The numbers of iterations, wherever bodies are given them: rows go by them, all inside."""
    found: set[object] = set()
    for module in graph.graphs():
        for node in module.graph.nodes:
            for body in bodies_of(module, node):
                inside = body.graph.find_nodes(op="placeholder")
                if node.target is loop:
                    found.add(inside[0])
                    given = captured_of(node)
                    inside = inside[1 + len(carried_of(node)) :]
                else:
                    given = operands_of(node)
                found.update(p for p, outer in zip(inside, given, strict=True) if outer in found)
    return found


# Conditions, and what the guards say.
_Needs: TypeAlias = Iterator[tuple[fx.Node, str]]


def _along(dim: int | None, index: int) -> Callable[[fx.Node], _Needs]:
    """For an operator with its dimension and indices at these places; None: the first one."""

    def rule(node: fx.Node) -> _Needs:
        tensor, indices = node.args[0], node.args[index]
        along = 0 if dim is None else node.args[dim]
        if isinstance(tensor, fx.Node) and isinstance(indices, fx.Node):
            yield from _inside(node, tensor, along, indices)

    return rule


def _by_indices(node: fx.Node) -> _Needs:
    tensor, indices = node.args[:2]
    for dim, index in enumerate(indices if isinstance(indices, (list, tuple)) else ()):
        if not isinstance(index, fx.Node) or not isinstance(tensor, fx.Node):
            continue
        if index.meta["val"].dtype in (torch.bool, torch.uint8):
            return  # a mask takes several dimensions; that it fits is about sizes
        yield from _inside(node, tensor, dim, index)


def _inside(node: fx.Node, tensor: fx.Node, dim: Any, indices: fx.Node) -> _Needs:
    val = tensor.meta["val"]
    if not val.dim() or not isinstance(dim, int):
        return
    dim %= val.dim()
    size = val.shape[dim]
    if not isinstance(size, int):
        size = call(node, aten.sym_size.int, tensor, dim, val=size)
    yield every(node, aten.lt.Scalar, indices, size), "IndexError: expected that indices are inside"
    if node.target in (aten.index.Tensor, aten.index_put.default):
        last = -size if isinstance(size, int) else _negative(node, size)
        text = "IndexError: expected that negative indices are inside"
        yield every(node, aten.ge.Scalar, indices, last), text


def _selected(node: fx.Node) -> _Needs:
    tensor, dim, index = node.args[:3]
    if isinstance(tensor, fx.Node) and isinstance(index, fx.Node) and isinstance(dim, int):
        size: Any = tensor.meta["val"].shape[dim]
        if not isinstance(size, int):
            size = call(node, aten.sym_size.int, tensor, dim, val=size)
        text = "IndexError: expected that the index is inside"
        yield call(node, operator.lt, index, size, val=True), text
        if is_never_negative(index):
            return
        last = -size if isinstance(size, int) else _negative(node, size)
        yield call(node, operator.ge, index, last, val=True), text


def _classes(node: fx.Node) -> _Needs:
    ignored: Any = node.args[4]
    tensor, target = node.args[:2]
    if isinstance(tensor, fx.Node) and isinstance(target, fx.Node) and ignored < 0:
        yield from _inside(node, tensor, min(tensor.meta["val"].dim() - 1, 1), target)


def _negative(node: fx.Node, size: fx.Node) -> fx.Node:
    return call(node, operator.neg, size, val=-size.meta["val"])


def _divided(node: fx.Node) -> _Needs:
    number, divisor = node.args[:2]
    whole = not any(val_of(x).dtype.is_floating_point for x in (number, divisor) if _is_tensor(x))
    if whole and isinstance(divisor, fx.Node) and _is_tensor(divisor):
        text = "ZeroDivisionError: expected that nothing is divided by 0"
        yield every(node, aten.ne.Scalar, divisor, 0), text


def _is_tensor(value: object) -> bool:
    return isinstance(val_of(value), torch.Tensor)


_DATA: dict[Any, Callable[[fx.Node], _Needs]] = {
    aten.embedding.default: _along(None, 1),
    aten.gather.default: _along(1, 2),
    aten.index_select.default: _along(1, 2),
    aten.index_add.default: _along(1, 2),
    aten.index_copy.default: _along(1, 2),
    aten.scatter.src: _along(1, 2),
    aten.scatter.value: _along(1, 2),
    aten.scatter_add.default: _along(1, 2),
    aten.scatter_reduce.two: _along(1, 2),
    aten.nll_loss_forward.default: _classes,
    aten.nll_loss2d_forward.default: _classes,
    aten.select.int: _selected,
    aten.index.Tensor: _by_indices,
    aten.index_put.default: _by_indices,
    aten.floor_divide.default: _divided,
    aten.remainder.Tensor: _divided,
    aten.remainder.Scalar_Tensor: _divided,
    aten.fmod.Tensor: _divided,
    aten.div.Tensor_mode: _divided,
}
