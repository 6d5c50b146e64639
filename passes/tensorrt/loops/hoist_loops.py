"""Loops in branches run before the branch, and make no iteration where the branch is not taken.

Requires: nothing beyond a captured graph.
Does: a loop of a branch's body moves out of the branch; its condition then is the branch's and its
own. What it starts from moves along, if that is cheap and cannot fail on the other path. If not, a
branch of its own computes it before the loop; on the other path that gives zeros of the same sizes.
TensorRT does not take a branch in a loop in a branch, nor loops in branches that capture tensors,
or that cut, sort or make tensors inside ("graphScope.cpp"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; loops that start from tensors whose sizes are known in the branch
alone stay where they are.
"""

from __future__ import annotations

from typing import Any

import sympy
import torch
from fxexport.passes.rewriting.hoisting import behind, hand_in, hoist, idle_path, is_harmless
from fxexport.passes.rewriting.visiting import each_path
from fxexport.passes.tensorrt.branches.flatten_branches import size_before
from torch import fx
from torch.fx.node import Argument

from fxexport._torch_compat import raw_expression
from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.arguments import operands_of
from fxexport.graph.editing import (
    call,
    copy_of,
    item,
    new_body,
    new_placeholder,
    nodes_inside,
    parts,
)
from fxexport.graph.ops import branch, loop

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Moves such loops out of all branches, innermost first, in place."""
    return each_path(graph, _hoist_from)


def _hoist_from(module: fx.GraphModule, node: fx.Node, side: int) -> None:
    body, _ = parts(module, node)[side]
    for inner in [n for n in body.graph.nodes if n.target is loop]:
        if not inner.users:  # it has left already
            continue
        work = behind(inner, lambda n: is_harmless(n) or _waits(body, n))
        taken = _taken(node, side)
        if work is not None:
            hoist(module, node, side, work, lambda made, on=taken: _guard(made, on))  # type: ignore[misc]
        else:
            _split(module, node, side, inner, taken)


def _waits(body: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is a branch that need not run: `n > 1 and x[1] > 0`."""
    return node.target is branch and idle_path(body, node) is not None


def _taken(node: fx.Node, side: int) -> Argument:
    """Whether the side is taken."""
    condition = node.args[0]
    if side == 0:
        return condition
    if isinstance(condition, bool):
        return not condition
    return call(node, scalars.not_, condition, val=True)


def _guard(made: fx.Node, taken: Argument) -> None:
    own = made.args[1]
    condition = taken
    if own is not True:
        condition = call(made, scalars.and_, taken, own, val=True)
    made.args = (made.args[0], condition, *made.args[2:])


# Loops that start from what is not cheap


def _split(
    module: fx.GraphModule, node: fx.Node, side: int, inner: fx.Node, taken: Argument
) -> None:
    """Runs what a loop starts from in a branch of its own, and the loop behind that."""
    starts = [n for n in inner.all_input_nodes if n.op == "call_function"]
    cheap = [n for n in starts if _is_cheap(n)]
    needed = (behind(inner, lambda _: True) or [])[:-1]
    if any(_draws(parts(module, node)[side][0], n) for n in needed):
        return
    sizes: dict[fx.Node, list[Any]] = {}
    for start in [n for n in starts if n not in cheap]:
        found = _sizes(module, node, side, start)
        if found is None:
            return
        sizes[start] = found
    for start in cheap:
        hoist(module, node, side, behind(start, is_harmless) or [])
    needed = (behind(inner, lambda _: True) or [])[:-1]
    again = _used_again(needed, inner)
    for value in again:
        found = _sizes(module, node, side, value)
        if found is not None:
            sizes.setdefault(value, found)
    body, placeholders = parts(module, node)[side]
    first = _starting_branch(module, node, side, needed, sizes)
    operands: Any = node.args[3]
    env: dict[fx.Node, Any] = dict(zip(placeholders, operands, strict=True))
    env.update({start: item(node, first, k) for k, start in enumerate(sizes)})
    named: Any = inner.args[2]
    env[named] = new_body(module, node, copy_of(getattr(body, named.target)), named.target)
    with module.graph.inserting_before(node):
        made = module.graph.node_copy(inner, lambda n: env[n])
    _guard(made, taken)
    for user in list(inner.users):
        with module.graph.inserting_before(node):
            taken_out = module.graph.node_copy(user, lambda n: made)
        hand_in(module, node, side, user, taken_out)
    for value in again:
        if value in sizes:
            hand_in(module, node, side, value, env[value])
    body.graph.eliminate_dead_code()
    body.recompile()


def _is_cheap(node: fx.Node) -> bool:
    """Whether a node, and all that it depends on, can be computed where the path is not taken."""
    return is_harmless(node) and behind(node, is_harmless) is not None


def _draws(body: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node draws random numbers, which must not be drawn twice."""
    inside = (n for _, n in nodes_inside(body, node)) if node.target in (branch, loop) else ()
    return any(
        torch.Tag.nondeterministic_seeded in getattr(n.target, "tags", ()) for n in (node, *inside)
    )


def _used_again(work: list[fx.Node], inner: fx.Node) -> list[fx.Node]:
    """What the path needs beside its loop and should not compute twice."""
    inside = {*work, inner}
    return [
        n
        for n in work
        if not (n.op == "get_attr" or _is_cheap(n) or isinstance(n.meta["val"], (tuple, list)))
        and any(user not in inside for user in n.users)
    ]


def _sizes(module: fx.GraphModule, node: fx.Node, side: int, start: fx.Node) -> list[Any] | None:
    """The sizes of what a loop starts from, before the branch; None where only a body has them."""
    val = start.meta.get("val")
    if not isinstance(val, torch.Tensor):
        return []
    found: list[Any] = []
    for size in val.shape:
        known = size_before(module, node, side, size)
        if known is None:
            return None
        if isinstance(known, fx.Node) and not _never_negative(raw_expression(size)):
            # what is enough on the path, as two rows for `x[2:]`, need not be past it
            known = call(node, scalars.maximum, 0, known, val=size, like=node)
        found.append(known)
    return found


def _never_negative(size: object) -> bool:
    """Whether an expression is never below zero: a sum of products of sizes."""
    terms = sympy.expand(size).as_coefficients_dict()
    return all(count >= 0 and not term.atoms(sympy.Function) for term, count in terms.items())


def _starting_branch(
    module: fx.GraphModule,
    node: fx.Node,
    side: int,
    work: list[fx.Node],
    sizes: dict[fx.Node, list[Any]],
) -> fx.Node:
    """A branch before another one that computes some of its values, or gives zeros.

    Args:
        module: the graph that the branch is in.
        node: the branch.
        side: which of its bodies has the values.
        work: all that they depend on, in order.
        sizes: the values, each with its sizes before the branch.
    """
    body, placeholders = parts(module, node)[side]
    operands = operands_of(node)
    extra = list(dict.fromkeys(s for known in sizes.values() for s in known if _is_node(s)))
    paths = []
    for idle in (side == 1, side == 0):
        graph = fx.Graph()
        env: dict[fx.Node, fx.Node] = {}
        for old in (*placeholders, *extra):
            env[old] = new_placeholder(
                graph, old.name, old.meta["val"], next(reversed(env.values()), None)
            )
            env[old].meta.update(old.meta)
        children: dict[str, fx.GraphModule] = {}
        if not idle:
            for old in work:
                if old.op == "get_attr":
                    children[str(old.target)] = copy_of(getattr(body, str(old.target)))
                env[old] = graph.node_copy(old, lambda n, env=env: env[n])  # type: ignore[misc]
        given = [_zeros(graph, start, known, env) if idle else env[start]
                 for start, known in sizes.items()]  # fmt: skip
        graph.output(tuple(given))
        paths.append(fx.GraphModule(children, graph))
    names = [
        new_body(module, node, path, name)
        for path, name in zip(paths, ("starts", "zeros"), strict=True)
    ]
    vals = tuple(start.meta["val"] for start in sizes)
    return call(node, branch, node.args[0], *names, (*operands, *extra), val=vals, like=node)


def _zeros(graph: fx.Graph, start: fx.Node, sizes: list[Any], env: dict[fx.Node, fx.Node]) -> Any:
    """What stands for a value where it is not computed: zeros of its sizes."""
    val = start.meta["val"]
    if not isinstance(val, torch.Tensor):
        kinds = ((bool, False), (torch.SymBool, False), (float, 0.0), (torch.SymFloat, 0.0))
        return next((zero for kind, zero in kinds if isinstance(val, kind)), 0)
    whole = graph.call_function(
        aten.full.default,
        ([env.get(size, size) for size in sizes], False if val.dtype == torch.bool else 0),
        {"dtype": val.dtype, "device": val.device, "pin_memory": False},
    )
    whole.meta.update(start.meta)
    return whole


def _is_node(value: object) -> bool:
    return isinstance(value, fx.Node)
