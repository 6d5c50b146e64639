"""Moving work out of a branch, to before it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from fxexport._torch_compat import fake_beside, fresh_size
from fxexport.graph.arguments import node_of, nodes_of, operands_of
from fxexport.graph.editing import call, copy_of, new_body, new_placeholder, parts
from fxexport.graph.marks import HARMLESS
from fxexport.graph.ops import branch
from fxexport.graph.scalars import SCALAR_FUNCTIONS, and_, minimum, not_, or_, select

__all__ = ["behind", "hand_in", "hoist", "idle_path", "is_harmless", "selects"]

aten = torch.ops.aten

# They may fail, or never end, on the values of the path that is not taken.
_FAILING = {operator.pow, math.log, math.log2}
_DIVIDING = {operator.floordiv, operator.mod, operator.truediv}  # `hoist` sees to the divisor
_HARMLESS = {
    aten.sym_size.int,
    aten.zeros.default,
    aten.ones.default,
    aten.full.default,
    aten.scalar_tensor.default,
    aten.zeros_like.default,
    aten.ones_like.default,
    aten.full_like.default,
    aten.any.default,
    aten.all.default,
    aten.any.dim,
    aten.all.dim,
    aten.sum.default,
    aten.sum.dim_IntList,
    aten.mean.dim,
    aten.unsqueeze.default,
    aten._local_scalar_dense.default,
    aten._to_copy.default,
    aten.clone.default,
    aten.permute.default,
    aten.transpose.int,
    aten.t.default,
    aten.flip.default,
    aten.cumsum.default,
    aten.amax.default,
    aten.softmax.int,
    aten._softmax.default,
    aten.sort.default,
    aten.sort.stable,
    aten.argsort.default,
}


def is_harmless(node: fx.Node) -> bool:
    """Whether a node can be run although its branch is not taken: it is cheap and cannot fail."""
    if node.op in ("placeholder", "get_attr"):
        return True
    target = node.target
    if target is operator.getitem or HARMLESS.of(node):
        return True
    if target in SCALAR_FUNCTIONS:
        divides_by: Any = node.args[1] if target in _DIVIDING else None
        return target not in _FAILING and (isinstance(divides_by, fx.Node) or divides_by != 0)
    if target is aten.amax.default:
        return _has_elements(node)
    if target in _HARMLESS:
        return True
    if target is aten.slice.Tensor:
        return all(isinstance(bound, int) for bound in node.args[1:])
    if target is aten.topk.default:
        return _has_so_many(node)
    if target is aten.select.int:  # `hoist` sees to rows that may not be there
        row: torch.Tensor = node.meta["val"]
        return isinstance(node.args[2], int) and not row.dtype.is_complex
    if target is aten.cat.default:
        return _fits(node)
    if not isinstance(target, torch._ops.OpOverload) or torch.Tag.pointwise not in target.tags:
        return False
    if _divides_integers(node):
        return False
    shapes = {
        tuple(map(str, val.shape))
        for used in node.all_input_nodes
        if isinstance(val := used.meta.get("val"), torch.Tensor) and val.ndim
    }
    return len(shapes) <= 1


def _has_so_many(topk: fx.Node) -> bool:
    """Whether no more are asked for than there are: `x.topk(min(k, x.shape[0]))`."""
    source, k = topk.args[:2]
    dim: Any = topk.args[2] if len(topk.args) > 2 else -1
    assert isinstance(source, fx.Node)
    shape = source.meta["val"].shape
    known: Any = [k]
    if isinstance(k, fx.Node) and k.target is minimum:
        known = k.args
        if any(isinstance(arg, int) and arg < 0 for arg in known):
            return False
    return len(shape) > 0 and any(
        isinstance(n, fx.Node)
        and (n.op == "placeholder" or n.target is aten.sym_size.int)
        and str(n.meta["val"]) == str(shape[dim])
        for n in known
    )


def _is_there(select: fx.Node) -> bool:
    """Whether a row is taken that a tensor has whatever the sizes of the inputs."""
    source, dim, index = select.args
    assert isinstance(source, fx.Node) and isinstance(dim, int)
    size = source.meta["val"].shape[dim]
    return isinstance(size, int) and isinstance(index, int) and -size <= index < size


def _has_elements(reduction: fx.Node) -> bool:
    """Whether what is reduced is never empty."""
    source = node_of(reduction.args[0])
    shape = source.meta["val"].shape
    dims: Any = reduction.args[1] if len(reduction.args) > 1 else []
    along = [shape[d] for d in dims] if dims else list(shape)
    return all(isinstance(size, int) and size > 0 for size in along)


def _divides_integers(node: fx.Node) -> bool:
    """Whether a node may divide by an integer zero, which ends the process in some runtimes."""
    names = ("div", "floor_divide", "remainder", "fmod", "pow")
    if not any(f"aten.{name}." in str(node.target) for name in names):
        return False
    val = node.meta.get("val")
    return not isinstance(val, torch.Tensor) or not val.dtype.is_floating_point


def _fits(cat: fx.Node) -> bool:
    """Whether tensors can be put together whatever their sizes: all others are one and the same."""
    tensors = nodes_of(cat.args[0])
    rank = len(cat.meta["val"].shape)
    dim: Any = cat.args[1] if len(cat.args) > 1 else 0
    rests = {
        tuple(str(s) for d, s in enumerate(t.meta["val"].shape) if d != dim % rank) for t in tensors
    }
    return len(rests) == 1


def selects(node: fx.Node) -> bool:
    """Whether the data decides the size of a node's result: `x[mask]`, nonzero, masked_select."""
    if node.target in (aten.nonzero.default, aten.masked_select.default):
        return True
    if node.target is not aten.index.Tensor:
        return False
    source, indices = node.args
    assert isinstance(source, fx.Node) and isinstance(indices, (list, tuple))
    masks = [
        index
        for index in indices
        if isinstance(index, fx.Node) and index.meta["val"].dtype in (torch.bool, torch.uint8)
    ]
    if len(indices) != 1 or not masks:
        return False
    over = masks[0].meta["val"].shape
    return list(map(str, source.meta["val"].shape[: len(over)])) == list(map(str, over))


def idle_path(module: fx.GraphModule, node: fx.Node) -> int | None:
    """The path of a branch that computes nothing (0 for then, 1 for else); None if both do.

    It is taken where a branch that has moved out of another one is not meant to run: what the other
    path knows of sizes holds on it alone.
    """
    for side, (path, _) in enumerate(parts(module, node)):
        if all(n.op in ("placeholder", "output") for n in path.graph.nodes):
            return side
    return None


def behind(node: fx.Node, allowed: Callable[[fx.Node], bool]) -> list[fx.Node] | None:
    """All that a node depends on, in order, itself last; None if something is not allowed."""
    needed = {node}
    for earlier in reversed(list(node.graph.nodes)):
        if earlier in needed:
            if earlier is not node and not allowed(earlier):
                return None
            needed.update(earlier.all_input_nodes)
    return [n for n in node.graph.nodes if n in needed and n.op != "placeholder"]


def hoist(
    module: fx.GraphModule,
    node: fx.Node,
    side: int,
    work: Sequence[fx.Node],
    change: Callable[[fx.Node], None] | None = None,
) -> None:
    """Runs nodes of one of a branch's bodies before the branch.

    A branch among them, which must have an idle path, takes that where it is not meant to run.

    Args:
        module: the graph that the branch is in.
        node: the branch.
        side: 0 for the then body, 1 for the else body.
        work: the nodes, in order, with all that they depend on; the last one's results (one
            tensor, or several taken by getitem) are handed to the branch.
        change: is given the copy of the last one.
    """
    body, placeholders = parts(module, node)[side]
    operands = operands_of(node)
    copies: dict[fx.Node, Any] = dict(zip(placeholders, operands, strict=True))
    idle = {old: idle_path(body, old) for old in work if old.target is branch}
    for old in work:
        if old.op == "get_attr":
            inner = copy_of(getattr(body, str(old.target)))  # the old one may stay in use
            copies[old] = new_body(module, node, inner, str(old.target))
            continue
        with module.graph.inserting_before(node):
            copies[old] = module.graph.node_copy(old, lambda n: copies[n])
        if old.target in _DIVIDING and isinstance(old.args[1], fx.Node):
            _divide_safely(node, side, copies[old])
        if old.target is aten.select.int and not _is_there(old):
            copies[old] = _select_safely(copies[old])
        if old in idle:
            _guard(node, side, copies[old], idle[old])
    last = work[-1]
    if change is not None:
        change(copies[last])
    taken = [last]
    if isinstance(last.meta["val"], (tuple, list)):
        taken = list(last.users)
        for user in taken:
            with module.graph.inserting_before(node):
                copies[user] = module.graph.node_copy(user, lambda n: copies[n])
    for old in taken:
        hand_in(module, node, side, old, copies[old])
    body.recompile()


def _select_safely(made: fx.Node) -> fx.Node:
    """A row that may not be there: the sum of a slice of one row or none."""
    source, dim, index = made.args
    assert isinstance(source, fx.Node) and isinstance(dim, int) and isinstance(index, int)
    val = made.meta["val"]
    end = index + 1 if index != -1 else 2**63 - 1
    rows_or_none = fresh_size(val)
    shape = [
        rows_or_none if d == dim % (val.ndim + 1) else s
        for d, s in enumerate(source.meta["val"].shape)
    ]
    flag = val.dtype == torch.bool
    rows = call(
        made, aten.slice.Tensor, source, dim, index, end, val=fake_beside(val, shape), like=made
    )
    if flag:
        row = call(made, aten.any.dim, rows, dim, val=val, like=made)
    else:
        row = call(made, aten.sum.dim_IntList, rows, [dim], val=val, like=made)
        row.kwargs = {"dtype": val.dtype}
    made.replace_all_uses_with(row)
    made.graph.erase_node(made)
    return row


def _divide_safely(node: fx.Node, side: int, made: fx.Node) -> None:
    """Where the branch goes past it, the divisor is one."""
    number, divisor = made.args
    if not isinstance(divisor, fx.Node):
        return
    paths = (divisor, 1) if side == 0 else (1, divisor)
    safe = call(made, select, node.args[0], *paths, val=divisor.meta["val"])
    made.args = (number, safe)


def _guard(node: fx.Node, side: int, made: fx.Node, idle: int | None) -> None:
    """Where the outer branch goes past it, the idle path of an inner one is taken."""
    assert idle is not None
    own, past = made.args[0], node.args[0]
    if side == 0:
        past = call(made, not_, past, val=True)
    if idle == 0:
        condition = call(made, or_, past, own, val=True)
    else:
        condition = call(made, and_, call(made, not_, past, val=True), own, val=True)
    made.args = (condition, *made.args[1:])


def hand_in(module: fx.GraphModule, node: fx.Node, side: int, old: fx.Node, value: fx.Node) -> None:
    """Makes a value a further operand of a branch, and uses it for a node of one body."""
    operands = operands_of(node)
    node.args = (*node.args[:3], (*operands, value))
    for k, (body, placeholders) in enumerate(parts(module, node)):
        placeholder = new_placeholder(
            body.graph, value.name, value.meta["val"], placeholders[-1] if placeholders else None
        )
        if k == side:
            old.replace_all_uses_with(placeholder)
        body.recompile()
