"""Turns lists that get one item in each iteration of a loop into scan outputs of the loop.

Requires: a graph of functional operators without dead code.
Does: where a loop carries a sequence to which each iteration appends one item, whose items all have
one shape, and which the body does not read, the items become a scan output; what follows is
computed from the rows: `sequence_join`, `sequence_at`, `sequence_length`, also in bodies. What else
takes the sequence gets it from the rows.
Ensures: the outputs are the same, for any number of iterations and for an early stop. A Loop
appends a row to a scan output, where SequenceInsert copies the whole sequence.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from fxexport.graph import CapturedGraph, bodies_of
from fxexport.graph.arguments import Size, carried_of, int_of, values_of
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import (
    SequenceVal,
    sequence_at,
    sequence_extend,
    sequence_insert,
    sequence_join,
    sequence_length,
    sequence_of,
    sequence_rows,
)

__all__ = ["run"]

# ONNX Runtime splits rows into a sequence for these.
_SPLIT = frozenset(
    {torch.float32, torch.float64, torch.float16, torch.int32, torch.int64, torch.bool}
)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites the loops of the graph in place and returns it."""
    return scan(graph, lambda module, node, plain: True)


Wanted = Callable[[fx.GraphModule, fx.Node, bool], bool]


def scan(graph: CapturedGraph, wanted: Wanted) -> CapturedGraph:
    """Rewrites those loops that are wanted, in place.

    Args:
        graph: the graph.
        wanted: is asked about a loop of a graph; the flag says that its list is empty before the
            loop, and only joined, read and counted after it.
    """
    for module in list(graph.graphs()):
        for node in module.graph.find_nodes(op="call_function", target=loop):
            for k in reversed(range(len(node.args[3]))):  # type: ignore[arg-type]
                _try_one(module, node, k, wanted)
        module.recompile()
    return graph


def _try_one(module: fx.GraphModule, node: fx.Node, k: int, wanted: Wanted) -> None:
    """Makes the carried value number `k` a scan output where that is possible."""
    initial: Any = node.args[3][k]  # type: ignore[index]
    (body,) = bodies_of(module, node)
    item = _appended(body, k)
    if item is None or initial.target is not sequence_of or not _only_items(node):
        return
    results = [user for user in node.users if user.args[1] == k]
    uses = [use for result in results for use in _uses(module, result)]
    shape = [_outer_size(module, node, size) for size in item.meta["val"].shape]
    # After no iteration at all, a list that is only joined has no rows to tell their size.
    joined = all(u.target is sequence_join and len(u.args[0]) == 1 for u in uses)  # type: ignore[arg-type]
    if None in shape and not joined:
        return
    if not _same_shape_in_all_iterations(body, item):
        return
    plain = len(initial.args) == 1 and all(_is_simple(use) for use in uses)
    if not plain and item.meta["val"].dtype not in _SPLIT:
        return
    if not wanted(module, node, plain):
        return
    rows = _rewrite(module, node, k, shape)
    for result in results:
        _replace(module, result, rows, initial.args[1:], initial)


def _uses(module: fx.GraphModule, sequence: fx.Node) -> list[fx.Node]:
    """The nodes that do something with a sequence, also in the bodies that it is handed to."""
    found: list[fx.Node] = []
    for use in sequence.users:
        inner = _handed_to(module, use, sequence)
        found.extend(u for body, placeholder in inner for u in _uses(body, placeholder))
        if not inner:
            found.append(use)
    return found


def _handed_to(
    module: fx.GraphModule, use: fx.Node, sequence: fx.Node
) -> list[tuple[fx.GraphModule, fx.Node]]:
    """The bodies that a node hands a sequence to as it is, and the placeholder for it there."""
    if use.target not in (branch, loop):
        return []
    given: Any = use.args[3] if use.target is branch else (None, *use.args[3], *use.args[4])  # type: ignore[misc]
    kept: Any = () if use.target is branch else use.args[3]
    if sequence in kept:
        return []  # it is carried on, and may be another one after an iteration
    return [
        (body, placeholder)
        for body in bodies_of(module, use)
        for placeholder, value in zip(body.graph.find_nodes(op="placeholder"), given, strict=True)
        if value is sequence
    ]


def _only_items(node: fx.Node) -> bool:
    """Whether the results of a node are taken one by one."""
    return all(user.target is operator.getitem for user in node.users)


def _appended(body: fx.GraphModule, k: int) -> fx.Node | None:
    """The tensor that an iteration appends to carried value `k`; None if it does anything else."""
    placeholder = list(body.graph.find_nodes(op="placeholder"))[1 + k]
    results = values_of(body.graph.output_node().args[0])
    last = results[1 + k]
    if not isinstance(placeholder.meta.get("val"), SequenceVal):
        return None
    if not isinstance(last, fx.Node) or last.target is not sequence_insert or len(last.args) != 2:
        return None
    alone = len(placeholder.users) == 1 and len(last.users) == 1
    if last.args[0] is not placeholder or not alone or results.count(last) != 1:
        return None
    item: Any = last.args[1]
    return item if isinstance(item.meta.get("val"), torch.Tensor) else None


def _same_shape_in_all_iterations(body: fx.GraphModule, item: fx.Node) -> bool:
    """Whether no size of an item is a symbol that the body makes."""
    placeholder = next(
        p
        for p in body.graph.find_nodes(op="placeholder")
        if any(u.target is sequence_insert and u.args[:2] == (p, item) for u in p.users)
    )
    return None not in placeholder.meta["val"].dims


def _outer_size(module: fx.GraphModule, node: fx.Node, size: Size) -> Any:
    """A size in the graph around the loop: a number or a node; None if nothing there tells it."""
    if isinstance(size, int):
        return size
    for other in module.graph.nodes:
        if other is node:
            return None
        val = other.meta.get("val")
        if isinstance(val, torch.SymInt) and str(val) == str(size):
            return other
        if isinstance(val, torch.Tensor):
            for dim, there in enumerate(val.shape):
                if isinstance(there, torch.SymInt) and str(there) == str(size):
                    return _call(
                        module, node, torch.ops.aten.sym_size.int, (other, dim), size, before=True
                    )
    return None


def _call(
    module: fx.GraphModule,
    at: fx.Node,
    target: Any,
    args: tuple[Any, ...],
    val: Any,
    *,
    before: bool = False,
) -> fx.Node:
    """A new node before or after another one, for the same line."""
    inserting = module.graph.inserting_before(at) if before else module.graph.inserting_after(at)
    with inserting:
        made = module.graph.call_function(target, args)
    made.meta = {**at.meta, "val": val}
    return made


def _rewrite(module: fx.GraphModule, node: fx.Node, k: int, shape: list[Any]) -> fx.Node:
    """Changes the loop and its body; returns the node of the rows."""
    (body,) = bodies_of(module, node)
    output = body.graph.output_node()
    results: Any = output.args[0]
    insert = results[1 + k]
    placeholder, item = insert.args[:2]
    output.args = ((*results[: 1 + k], *results[2 + k :], item),)
    body.graph.erase_node(insert)
    body.graph.erase_node(placeholder)
    body.recompile()
    carried = carried_of(node)
    shapes: Any = node.args[5] if len(node.args) > 5 else ()
    vals = node.meta["val"]
    dtype = item.meta["val"].dtype
    node.args = (
        *node.args[:3],
        (*carried[:k], *carried[k + 1 :]),
        node.args[4],
        (*shapes, (tuple(shape), dtype)),
    )
    rows = _fake_rows(item.meta["val"], vals[k].length)
    node.meta["val"] = (*vals[:k], *vals[k + 1 :], rows)
    for user in list(node.users):
        index = int_of(user.args[1])
        if index > k:
            user.args = (node, index - 1)
    return _call(module, node, operator.getitem, (node, len(vals) - 1), rows)


def _fake_rows(item: Any, length: Any) -> torch.Tensor:
    """What the rows look like: a fake tensor in the mode that the item is of."""
    with item.fake_mode:
        return torch.empty((length, *item.shape), dtype=item.dtype)


def _is_simple(use: fx.Node) -> bool:
    return use.target in (sequence_length, sequence_at, sequence_join)


def _replace(
    module: fx.GraphModule,
    result: fx.Node,
    rows: fx.Node,
    first: tuple[Any, ...],
    initial: fx.Node | None,
) -> None:
    """Gives the users of the sequence what they want from its rows.

    Args:
        module: the graph that they stand in.
        result: the sequence.
        rows: the rows.
        first: items before the rows.
        initial: the sequence of these items; None where there are none.
    """
    sequence: fx.Node | None = None
    for use in list(result.users):
        inner = _handed_to(module, use, result)
        if (
            inner
            and not first
            and all(_is_simple(u) for body, placeholder in inner for u in _uses(body, placeholder))
        ):
            use.replace_input_with(result, rows)
            for body, placeholder in inner:
                _replace_inside(body, placeholder, rows)
        elif use.target is sequence_join:
            _join(module, use, result, rows, initial)
        elif use.target is sequence_length and not first:
            use.target, use.args = torch.ops.aten.sym_size.int, (rows, 0)
        elif use.target is sequence_at and not first:
            use.target, use.args = torch.ops.aten.select.int, (rows, 0, use.args[1])
        else:
            sequence = sequence or _as_sequence(module, result, rows, initial)
            use.replace_input_with(result, sequence)
    if result.op != "placeholder":
        module.graph.erase_node(result)


def _replace_inside(body: fx.GraphModule, placeholder: fx.Node, rows: fx.Node) -> None:
    """A body that took the sequence takes the rows."""
    last = list(body.graph.find_nodes(op="placeholder"))[-1]
    stand_in = body.graph.create_node("placeholder", f"{placeholder.name}_rows")
    last.append(stand_in)
    stand_in.meta = {**placeholder.meta, "val": rows.meta["val"]}
    _replace(body, placeholder, stand_in, (), None)
    placeholder.replace_all_uses_with(stand_in)
    placeholder.append(stand_in)
    body.graph.erase_node(placeholder)
    body.recompile()


def _as_sequence(
    module: fx.GraphModule, result: fx.Node, rows: fx.Node, initial: fx.Node | None
) -> fx.Node:
    """The whole sequence again, for users that take nothing else."""
    val = result.meta["val"]
    own = SequenceVal(val.dtype, val.dims, rows.meta["val"].shape[0])
    made = _call(module, rows, sequence_rows, (rows,), own)
    if initial is None or len(initial.args) == 1:
        return made
    return _call(module, made, sequence_extend, (initial, made), val)


def _join(
    module: fx.GraphModule,
    use: fx.Node,
    result: fx.Node,
    rows: fx.Node,
    initial: fx.Node | None,
) -> None:
    """Puts the rows as one tensor in the place of the sequence among the parts of a join.

    Stacked, rows and single tensors are made alike and concatenated; a join of rows alone along
    their first dimension is no more than a reshape.
    """
    parts: Any
    dim: Any
    stacked: Any
    parts, dim, stacked = use.args
    if any(_is_sequence(part) and part is not result for part in parts):
        use.replace_input_with(result, _as_sequence(module, result, rows, initial))
        return
    pieces: list[Any] = []
    at = parts.index(result)
    first = initial.args[1:] if initial is not None else ()
    for part in (*parts[:at], *first, *parts[at:]):
        if part is result:
            pieces.append(_merged(module, use, rows, dim, stacked))
        elif stacked:
            pieces.append(_unsqueezed(module, use, part, dim))
        else:
            pieces.append(part)
    if len(pieces) == 1:
        use.replace_all_uses_with(pieces[0])
        pieces[0].meta["val"] = use.meta["val"]
        module.graph.erase_node(use)
    else:
        use.target, use.args = torch.ops.aten.cat.default, (pieces, dim)


def _is_sequence(node: object) -> bool:
    return isinstance(node, fx.Node) and isinstance(node.meta.get("val"), SequenceVal)


def _merged(module: fx.GraphModule, use: fx.Node, rows: fx.Node, dim: int, stacked: bool) -> Any:
    """The rows joined: moved to the dimension that they split, and merged with it."""
    val = rows.meta["val"]
    order = list(range(1, val.dim()))
    order.insert(dim, 0)
    moved_val = val.permute(order)
    moved = _call(
        module, use, torch.ops.aten.permute.default, (rows, order), moved_val, before=True
    )
    if stacked:
        return moved
    sizes: list[Any] = []
    for k in range(1, val.dim()):
        sizes.append(_size(module, use, rows, k))
    count = _size(module, use, rows, 0)
    total = val.shape[0] * val.shape[dim + 1]
    merged = _call(module, use, operator.mul, (count, sizes[dim]), total, before=True)
    sizes[dim] = merged
    shape = [total if k == dim else size for k, size in enumerate(val.shape[1:])]
    with val.fake_mode:
        result = torch.empty(shape, dtype=val.dtype)
    return _call(module, use, torch.ops.aten.reshape.default, (moved, sizes), result, before=True)


def _size(module: fx.GraphModule, use: fx.Node, tensor: fx.Node, dim: int) -> Any:
    size = tensor.meta["val"].shape[dim]
    if isinstance(size, int):
        return size
    return _call(module, use, torch.ops.aten.sym_size.int, (tensor, dim), size, before=True)


def _unsqueezed(module: fx.GraphModule, use: fx.Node, tensor: fx.Node, dim: int) -> fx.Node:
    val = tensor.meta["val"].unsqueeze(dim)
    return _call(module, use, torch.ops.aten.unsqueeze.default, (tensor, dim), val, before=True)
