"""Loops that count get a bound on their iterations.

Requires: nothing beyond a captured graph.
Does: a loop without a bound on its iterations, that carries a number which grows by a constant in
each and goes on only while that number is below a limit known before the loop (`while i < n`, or
`if i >= n: break`), gets the bound that follows. A number that is halved each iteration and must
stay above zero bounds them too. So does the size of a tensor from which each iteration takes
something, where the loop goes on only while the tensor is not empty (`while len(boxes) > 0: boxes =
boxes[1:]`). The length of a list is such a number as well (`while len(tokens) < n`).
Ensures: the outputs are the same; the bound is never less than the trip count.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from fxexport.passes.bounds.conditions import Comparison, comparisons
from fxexport.passes.tensorrt.capacity.limits.known_before import KnownBefore
from fxexport.passes.tensorrt.capacity.limits.limits import Limits
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities
from fxexport.passes.tensorrt.capacity.values.written_graph import WrittenGraph
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import raw_expression
from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import Number, captured_of, carried_of
from fxexport.graph.editing import call, innermost_first, nodes_inside, parts, results, scalar_val
from fxexport.graph.ops import loop
from fxexport.graph.scalars import maximum
from fxexport.graph.sequences import SequenceVal, sequence_length

__all__ = ["run"]

aten = torch.ops.aten

_ADDING = {operator.add, aten.add.Tensor, aten.add.Scalar}
_TAKING = {operator.sub, aten.sub.Tensor, aten.sub.Scalar}
_HALVING = {operator.floordiv, aten.floor_divide.default}

# An int64 that is halved each iteration and stays positive cannot be halved more often.
_HALVINGS = 63


def run(graph: CapturedGraph) -> CapturedGraph:
    """Gives bounds to such loops, in place."""
    for module in innermost_first(graph)[::-1]:
        for node in list(module.graph.nodes):
            if node.target is loop and node.args[0] is None:
                bound = next(_bounds(module, node), None)
                if bound is not None:
                    node.args = (bound, *node.args[1:])
        module.recompile()
    _bound_by_sizes(graph.module)
    return graph


def _bounds(module: fx.GraphModule, node: fx.Node) -> Iterator[Number]:
    """Upper bounds on the trip count of a loop, numbers or nodes before it."""
    ((body, inputs),) = parts(module, node)
    going, *after = results(body)
    carried: Any = node.args[3]
    known = [s for c in comparisons(body, going) for s in (c, c.turned)]
    for k, start in enumerate(carried):
        placeholder, result = inputs[1 + k], after[k]
        step = _step(result, placeholder)
        for relation in known:
            if not _is_same(relation.left, result):
                continue
            limit = _before(node, inputs, relation.right)
            if limit is not None and step and _towards(relation, step):
                yield _trip_count(node, _count_of(node, start), step, relation, limit)
            if _halves(result, placeholder) and relation.kind in (">", ">="):
                least = relation.right
                if isinstance(least, int) and least >= (0 if relation.kind == ">" else 1):
                    yield _HALVINGS


def _bound_by_sizes(root: fx.GraphModule) -> None:
    """Bounds by sizes: each iteration makes a tensor smaller, until it is too small to go on."""
    for outermost in list(root.graph.nodes):
        around = [(root, outermost), *nodes_inside(root, outermost)]
        open_loops = [(m, n) for m, n in around if n.target is loop and n.args[0] is None]
        if not open_loops:
            continue
        capacities = Capacities(WrittenGraph(root.graph, before=outermost, owner=root), outermost)
        limits = Limits(KnownBefore(root, outermost, capacities), capacities)
        for module, node in open_loops:
            found = next(limits.shrinking(module, node), None)
            if found is not None:
                carried: Any = node.args[3]
                size = _size_of(node, carried[found[0]], found[1])
                node.args = (_number(node, maximum, size, 1), *node.args[1:])
                module.recompile()
    root.recompile()


def _size_of(node: fx.Node, tensor: fx.Node, dim: int) -> Any:
    size = tensor.meta["val"].shape[dim]
    if is_concrete_int(size):
        return int(size)
    return call(node, aten.sym_size.int, tensor, dim, val=size)


def _step(result: object, placeholder: fx.Node) -> int:
    """What is added to a carried integer each iteration; 0 where that is not one constant."""
    if isinstance(placeholder.meta["val"], SequenceVal):
        return _longer(result, placeholder)
    if not isinstance(result, fx.Node) or not _is_integer(placeholder) or len(result.args) < 2:
        return 0
    left, right = result.args[:2]
    if result.kwargs:  # alpha
        return 0
    if result.target in _ADDING and right is placeholder:
        left, right = right, left
    if left is not placeholder or type(right) is not int:
        return 0
    return right if result.target in _ADDING else -right if result.target in _TAKING else 0


def _count_of(node: fx.Node, start: Number) -> Any:
    """Where a counter starts: a number, or how long a list is."""
    val = start.meta["val"] if isinstance(start, fx.Node) else start
    if not isinstance(val, SequenceVal):
        return start
    return call(node, sequence_length, start, val=val.length)


def _longer(result: Any, placeholder: fx.Node) -> int:
    """How many items an iteration adds to a carried list, or takes; 0 where that varies."""
    before, after = (node.meta["val"].length for node in (placeholder, result))
    if not isinstance(before, torch.SymInt) or not isinstance(after, torch.SymInt):
        return 0
    step = raw_expression(after) - raw_expression(before)
    return int(step) if step.is_Integer else 0


def _halves(result: object, placeholder: fx.Node) -> bool:
    if (
        not isinstance(result, fx.Node)
        or result.target not in _HALVING
        or not _is_integer(placeholder)
    ):
        return False
    left, right = result.args[:2]
    return left is placeholder and type(right) is int and right >= 2


def _is_integer(node: fx.Node) -> bool:
    val = node.meta.get("val")
    if isinstance(val, torch.Tensor):
        return val.dtype == torch.int64 and not val.shape
    return isinstance(val, (int, torch.SymInt)) and not isinstance(val, bool)


def _is_same(value: object, result: object) -> bool:
    """Whether two values are one number: the same node, or the same expression."""
    if value is result:
        return True
    vals = [v.meta.get("val") if isinstance(v, fx.Node) else None for v in (value, result)]
    vals = [v.length if isinstance(v, SequenceVal) else v for v in vals]
    return all(isinstance(v, torch.SymInt) for v in vals) and str(vals[0]) == str(vals[1])


def _before(node: fx.Node, inputs: list[fx.Node], value: Argument) -> Any:
    """A value of a loop's body as one before the loop; None where it changes with the iteration."""
    if type(value) is int:
        return value
    carried = carried_of(node)
    captured = captured_of(node)
    if isinstance(value, fx.Node) and value in inputs[1 + len(carried) :]:
        given = captured[inputs.index(value) - 1 - len(carried)]
        if type(given) is int or (isinstance(given, fx.Node) and _is_integer(given)):
            return given
    return None


def _towards(relation: Comparison, step: int) -> bool:
    return relation.kind in (("<", "<=") if step > 0 else (">", ">="))


def _trip_count(
    node: fx.Node, start: Number, step: int, relation: Comparison, limit: Number
) -> Any:
    """How many iterations a counter allows: after all but the last, it was within the limit.

    After iteration t the counter is ``start + t * step``; with ``start + t * step < limit`` for
    every t but the last, there are at most ``ceil((limit - start) / step)`` iterations, or one
    where that is less: the relation is not asked before the first.
    """
    low, high = (start, limit) if step > 0 else (limit, start)
    distance = _number(node, operator.sub, high, low)
    if relation.kind in ("<=", ">="):
        distance = _number(node, operator.add, distance, 1)
    if abs(step) != 1:
        distance = _number(node, operator.add, distance, abs(step) - 1)
        distance = _number(node, operator.floordiv, distance, abs(step))
    return _number(node, maximum, distance, 1)


def _number(node: fx.Node, function: Any, left: Number, right: Number) -> Any:
    left, right = (_as_number(node, side) for side in (left, right))
    if isinstance(left, int) and isinstance(right, int):
        return int(function(left, right))
    vals = [side.meta["val"] if isinstance(side, fx.Node) else side for side in (left, right)]
    val = scalar_val(function, *vals)
    if is_concrete_int(val):
        return int(val)
    return call(node, function, left, right, val=val)


def _as_number(node: fx.Node, value: Argument) -> Any:
    """A tensor of one number as that number."""
    val = value.meta["val"] if isinstance(value, fx.Node) else value
    if not isinstance(val, torch.Tensor):
        return value
    with val.fake_mode:  # type: ignore[attr-defined]
        number = val.item()
    return call(node, aten._local_scalar_dense.default, value, val=number)
