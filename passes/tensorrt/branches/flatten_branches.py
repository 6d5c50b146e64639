"""Results of branches that share a dynamic size and differ in another leave the branch flat.

Requires: nothing beyond a captured graph.
Does: where the two paths of a branch give tensors with a dynamic size in common and another that is
not the same (``[N, 4]`` and ``[N, 8]``), both give them as vectors, and the result is reshaped
after the branch. The sizes that differ are computed before the branch and selected; where that is
not possible and only one differs, it is left to the reshape. TensorRT fails on such branches
("utils.cpp:3613"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; what could not be rewritten is left as it was.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import sympy
import torch
from fxexport.passes.rewriting.hoisting import behind, hoist, is_harmless
from fxexport.passes.rewriting.visiting import each_result, on_both_paths
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside, raw_expression
from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.arguments import Size, operands_of
from fxexport.graph.editing import call, item, parts, results
from fxexport.graph.scalars import SCALAR_FUNCTIONS
from fxexport.graph.size_expressions import emit_expression

__all__ = ["run", "size_before"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Flattens such results of all branches, in place."""
    return each_result(graph, _flatten)


def _flatten(module: fx.GraphModule, node: fx.Node, k: int) -> None:
    sides = parts(module, node)
    then, other = on_both_paths(module, node, k)
    left, right = _sizes(then), _sizes(other)
    if left is None or right is None or not _mixed(left, right):
        return
    shape: list[Any] = []
    for a, b in zip(left, right, strict=True):
        first = size_before(module, node, 0, a)
        second = first if str(a) == str(b) else size_before(module, node, 1, b)
        if first is None or second is None:
            shape.append(-1)
        elif first is second or (isinstance(first, int) and first == second):
            shape.append(first)
        else:
            shape.append(call(node, scalars.select, node.args[0], first, second, val=a, like=node))
    if shape.count(-1) > 1:
        return
    for (body, _), result in zip(sides, (then, other), strict=True):
        _flatten_result(body, k, result)
    val = node.meta["val"][k]
    flat = fake_beside(val, (reduce(operator.mul, val.shape),))
    node.meta["val"] = (*node.meta["val"][:k], flat, *node.meta["val"][k + 1 :])
    taken = item(node.next, node, k)
    whole = call(taken.next, torch.ops.aten.reshape.default, taken, shape, val=val, like=node)
    for user in list(node.users):
        if user is not taken and user.target is operator.getitem and user.args[1] == k:
            user.replace_all_uses_with(whole)
            module.graph.erase_node(user)


def _flatten_result(body: fx.GraphModule, k: int, result: fx.Node) -> None:
    val = result.meta["val"]
    output = body.graph.output_node()
    flat = call(
        output,
        torch.ops.aten.reshape.default,
        result,
        [-1],
        val=fake_beside(val, (reduce(operator.mul, val.shape),)),
        like=result,
    )
    given = results(body)
    given[k] = flat
    output.args = (tuple(given),)
    body.recompile()


def _sizes(result: object) -> list[Any] | None:
    val = result.meta.get("val") if isinstance(result, fx.Node) else None
    return list(val.shape) if isinstance(val, torch.Tensor) else None


def _mixed(left: list[Any], right: list[Any]) -> bool:
    """Whether a dynamic size is shared and another size is not."""
    pairs = list(zip(left, right, strict=True))
    shared = any(str(a) == str(b) and not is_concrete_int(a) for a, b in pairs)
    return shared and any(str(a) != str(b) for a, b in pairs)


def size_before(module: fx.GraphModule, node: fx.Node, side: int, size: Size) -> Any:
    """A size of a tensor in a body, computed before the branch; None when that is not possible.

    Args:
        module: the graph that the branch is in.
        node: the branch.
        side: 0 for the then body, 1 for the else body.
        size: a number of the body's metadata.
    """
    if is_concrete_int(size):
        return int(size)
    number = _number(module, node, side, size)
    if number is not None:
        hoist(module, node, side, number)
    operands = operands_of(node)
    if number is not None:
        return operands[-1]
    _, placeholders = parts(module, node)[side]

    def leaf(expr: sympy.Expr) -> Any:
        for placeholder, value in zip(placeholders, operands, strict=True):
            val = placeholder.meta.get("val")
            if isinstance(val, torch.Tensor):
                for axis, known in enumerate(val.shape):
                    if not is_concrete_int(known) and raw_expression(known) == expr:
                        return call(
                            node, torch.ops.aten.sym_size.int, value, axis, val=known, like=node
                        )
            elif isinstance(val, torch.SymInt) and raw_expression(val) == expr:
                return value
        if expr.is_Symbol:
            raise NotImplementedError("a size that only the branch knows")
        return None

    def emit(function: Any, *args: Any) -> fx.Node:
        types = [_type(arg.meta["val"] if isinstance(arg, fx.Node) else arg) for arg in args]
        kind = scalars.result_type(function, types) or int
        val = True if kind is bool else 0.5 if kind is float else size
        return call(node, function, *args, val=val, like=node)

    try:
        return emit_expression(raw_expression(size), leaf, emit)
    except NotImplementedError:
        return None


def _type(val: Any) -> type:
    """The Python type of a number, by its metadata."""
    for kind, symbolic in ((bool, torch.SymBool), (float, torch.SymFloat)):
        if isinstance(val, (kind, symbolic)):
            return kind
    return int


def _number(module: fx.GraphModule, node: fx.Node, side: int, size: Size) -> list[fx.Node] | None:
    """What computes a size in a body, if it is a number that can be computed before the branch."""
    body, _ = parts(module, node)[side]
    found = [
        n
        for n in body.graph.nodes
        if n.target in SCALAR_FUNCTIONS and str(n.meta.get("val")) == str(size)
    ]
    return behind(found[0], is_harmless) if len(found) == 1 and is_harmless(found[0]) else None
