"""Turns a tensor that a loop fills row by row into a scan output of the loop.

Requires: a graph of functional operators without dead code.
Does: where a loop without an early stop makes as many iterations as a carried tensor has rows
(columns, planes: any dimension), each iteration touches the row of its own number alone, and no
other row is read, the rows become a scan output. ONNX Loop then appends a row an iteration, where
it would copy the whole tensor. Rows written in the bodies of branches count as well; a row that an
iteration leaves alone is that of the tensor before the loop.
Ensures: the outputs are the same, for any number of iterations. The tensor before the loop may be
dead afterwards.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from fxexport.graph import CapturedGraph, bodies_of, scalars
from fxexport.graph.arguments import Size, int_of, tensor_of
from fxexport.graph.editing import new_placeholder
from fxexport.graph.ops import branch, loop

__all__ = ["run"]

_SELECT = torch.ops.aten.select.int
_SCATTER = torch.ops.aten.select_scatter.default


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites the loops of the graph in place and returns it."""
    for module in list(graph.graphs()):
        for node in module.graph.find_nodes(op="call_function", target=loop):
            carried: Any = node.args[3]
            for k in reversed(range(len(carried))):
                _try_one(module, node, k)
        module.recompile()
    return graph


def _try_one(module: fx.GraphModule, node: fx.Node, k: int) -> None:
    """Makes the carried value number `k` a scan output where that is possible."""
    arguments: Any = node.args
    count, first, _, carried, *_ = arguments
    initial = carried[k]
    val = initial.meta.get("val") if isinstance(initial, fx.Node) else None
    if first is not True or not isinstance(val, torch.Tensor) or not _only_items(node):
        return
    (body,) = bodies_of(module, node)
    results: Any = body.graph.output_node().args[0]
    placeholders = list(body.graph.find_nodes(op="placeholder"))
    if results[0] is not True:
        return
    for dim in range(val.dim()):
        if not _same_number(count, val.shape[dim]):
            continue
        rows = _Rows(body, {placeholders[1 + k]}, dim, placeholders[0])
        if rows.fit() and rows.results() == {1 + k} and _row_val(rows) is not None:
            _rewrite(module, node, k, rows)
            return


def _only_items(node: fx.Node) -> bool:
    """Whether the results of a node are taken one by one."""
    return all(user.target is operator.getitem for user in node.users)


def _same_number(count: object, size: object) -> bool:
    """Whether a trip count, a number or node, certainly is a size."""
    if isinstance(count, int) or isinstance(size, int):
        return isinstance(count, int) and isinstance(size, int) and count == size
    if not isinstance(count, fx.Node):
        return False
    if count.target is scalars.maximum and 0 in count.args:
        others = [arg for arg in count.args if arg != 0]
        return len(others) == 1 and _same_number(others[0], size)
    # Symbols have unique names, so numbers that are spelt alike are alike.
    return str(count.meta.get("val")) == str(size)


@dataclass
class _Rows:
    """The tensors in a body that are the carried one, but for the row of the iteration.

    Attributes:
        body: the body of the loop, or of a branch in it.
        tensors: the placeholders that hold such a tensor.
        dim: the dimension that rows are taken along.
        iteration: the placeholder of the iteration's number; None where the body does not know it.
        like: all tensors of the kind, once `fit` was called.
        inner: for each branch that such a tensor goes through, its two bodies.
    """

    body: fx.GraphModule
    tensors: set[fx.Node]
    dim: int
    iteration: fx.Node | None
    like: dict[fx.Node, None] = field(default_factory=dict)
    inner: dict[fx.Node, list[_Rows]] = field(default_factory=dict)

    def fit(self) -> bool:
        """Whether nothing but the iteration's own row is read or written."""
        self.like = dict.fromkeys(self.tensors)
        return all(
            self._fits(node)
            for node in self.body.graph.nodes
            if any(arg in self.like for arg in node.all_input_nodes)
        )

    def _fits(self, node: fx.Node) -> bool:
        if node.op == "output":
            return True
        if node.target is branch:
            return self._branch_fits(node)
        if node.target is _SELECT:
            return self._is_own_row(node.args[1], node.args[2], node.args[0])
        if node.target is _SCATTER and node.args[1] not in self.like:
            self.like[node] = None
            tensor, row, dim, index = node.args
            one_dtype = row.meta["val"].dtype == tensor.meta["val"].dtype  # type: ignore[union-attr]
            return one_dtype and self._is_own_row(dim, index, tensor)
        # An item of a branch was put among the tensors with it.
        return node.target is operator.getitem

    def _is_own_row(self, dim: object, index: object, tensor: object) -> bool:
        rank = tensor_of(tensor).dim()
        return index is self.iteration and index is not None and int_of(dim) % rank == self.dim

    def _branch_fits(self, node: fx.Node) -> bool:
        operands: Any = node.args[3]
        if node.args[0] in self.like or not _only_items(node):
            return False
        found = []
        for body in bodies_of(self.body, node):
            inside = list(body.graph.find_nodes(op="placeholder"))
            iteration = next(
                (p for p, o in zip(inside, operands, strict=True) if o is self.iteration), None
            )
            tensors = {p for p, o in zip(inside, operands, strict=True) if o in self.like}
            found.append(_Rows(body, tensors, self.dim, iteration))
        if not all(rows.fit() for rows in found) or found[0].results() != found[1].results():
            return False
        self.inner[node] = found
        for user in node.users:
            if user.args[1] in found[0].results():
                self.like[user] = None
        return True

    def results(self) -> set[int]:
        """Which results of the body are such tensors."""
        results: Any = self.body.graph.output_node().args[0]
        return {k for k, result in enumerate(results) if result in self.like}

    # -- rewriting -------------------------------------------------------------------------------

    def reduce(self, rows: dict[fx.Node, fx.Node]) -> None:
        """Replaces the tensors by their rows everywhere.

        Args:
            rows: the row of each of `tensors`.
        """
        # Which these are must be known first: a placeholder will be its own row.
        reads = {n for n in self.body.graph.nodes if n.target is _SELECT and n.args[0] in self.like}
        for node in list(self.body.graph.nodes):
            if node in reads:
                node.replace_all_uses_with(rows[node.args[0]])
            elif node.target is _SCATTER and node in self.like:
                rows[node] = node.args[1]  # type: ignore[assignment]
            elif node in self.inner:
                self._reduce_branch(node, rows)
        output = self.body.graph.output_node()
        results: Any = output.args[0]
        output.args = (tuple(rows.get(r, r) if isinstance(r, fx.Node) else r for r in results),)
        for node in reversed(list(self.like)):
            if node.op == "call_function" and not node.users:
                self.body.graph.erase_node(node)
        _drop_plain_copies(self.body)
        self.body.graph.eliminate_dead_code(lambda n: n.op in ("output", "placeholder"))
        self.body.recompile()

    def _reduce_branch(self, node: fx.Node, rows: dict[fx.Node, fx.Node]) -> None:
        operands: Any = node.args[3]
        reduced = tuple(rows.get(operand, operand) for operand in operands)
        node.args = (*node.args[:3], reduced)
        vals = list(node.meta["val"])
        for inner in self.inner[node]:
            inside = list(inner.body.graph.find_nodes(op="placeholder"))
            for placeholder, operand in zip(inside, reduced, strict=True):
                if placeholder in inner.tensors:
                    placeholder.meta["val"] = operand.meta["val"]
            inner.reduce({p: p for p in inner.tensors})
        results: Any = self.inner[node][0].body.graph.output_node().args[0]
        for user in node.users:
            if user in self.like:
                k: Any = user.args[1]
                vals[k] = user.meta["val"] = results[k].meta["val"]
                rows[user] = user
        node.meta["val"] = tuple(vals)


def _drop_plain_copies(body: fx.GraphModule) -> None:
    """``copy(row, value)`` is the value where that has the row's shape and dtype."""
    for node in list(body.graph.nodes):
        if node.target is not torch.ops.aten.copy.default:
            continue
        arguments: Any = node.args
        row, value = (arg.meta["val"] for arg in arguments[:2])
        if row.dtype == value.dtype and list(map(str, row.shape)) == list(map(str, value.shape)):
            node.replace_all_uses_with(arguments[1])


def _rewrite(module: fx.GraphModule, node: fx.Node, k: int, rows: _Rows) -> None:
    """Changes the loop's node and body; `rows` fit."""
    arguments: Any = node.args
    count, first, name, carried, captured, *rest = arguments
    initial = carried[k]
    body = rows.body
    old = body.graph.find_nodes(op="placeholder")[1 + k]  # type: ignore[index]
    before = _captured(body, old, initial)
    row = _row_before(body, rows, before)
    rows.reduce({old: row})
    output = body.graph.output_node()
    results: Any = output.args[0]
    last = results[1 + k]
    output.args = ((*results[: 1 + k], *results[2 + k :], last),)
    body.graph.erase_node(old)
    used = bool(before.users)
    if not used:
        body.graph.erase_node(before)
    body.recompile()
    with module.graph.inserting_before(node):
        shape = tuple(_size(module, initial, d, size, node) for d, size in
                      enumerate(initial.meta["val"].shape) if d != rows.dim)  # fmt: skip
    shapes: Any = rest[0] if rest else ()
    node.args = (
        count,
        first,
        name,
        (*carried[:k], *carried[k + 1 :]),
        (*captured, initial) if used else captured,
        (*shapes, (shape, initial.meta["val"].dtype)),
    )
    _renumber(module, node, k, rows.dim)


def _captured(body: fx.GraphModule, old: fx.Node, initial: fx.Node) -> fx.Node:
    """A placeholder at the end for the tensor as it is before the loop."""
    last = list(body.graph.find_nodes(op="placeholder"))[-1]
    val = initial.meta["val"]
    node = new_placeholder(body.graph, f"{old.name}_before", val, last)
    node.meta = {**old.meta, "val": val}
    return node


def _row_before(body: fx.GraphModule, rows: _Rows, before: fx.Node) -> fx.Node:
    """The iteration's row of the tensor as it is before the loop."""
    like = _row_val(rows)
    with body.graph.inserting_after(before):
        node = body.graph.call_function(_SELECT, (before, rows.dim, rows.iteration))
    node.meta = {"val": like, "source": before.meta.get("source", ())}
    return node


def _row_val(rows: _Rows) -> Any:
    """What a row looks like, from a node that reads or writes one; None where none does."""
    for node in rows.like:
        for user in node.users:
            if user.target is _SELECT:
                return user.meta["val"]
        if node.target is _SCATTER:
            written: Any = node.args[1]
            return written.meta["val"]
    inside = (_row_val(inner) for bodies in rows.inner.values() for inner in bodies)
    return next((val for val in inside if val is not None), None)


def _size(module: fx.GraphModule, tensor: fx.Node, dim: int, size: Size, loop_node: fx.Node) -> Any:
    if isinstance(size, int):
        return size
    node = module.graph.call_function(torch.ops.aten.sym_size.int, (tensor, dim))
    node.meta = {"val": size, "source": loop_node.meta.get("source", ())}
    return node


def _renumber(module: fx.GraphModule, node: fx.Node, k: int, dim: int) -> None:
    """The uses of the loop's results, now that number `k` is the last one."""
    vals = node.meta["val"]
    full = vals[k]
    rank = full.dim()
    order = list(range(1, rank))
    order.insert(dim, 0)
    node.meta["val"] = (*vals[:k], *vals[k + 1 :], full)
    for user in list(node.users):
        index = int_of(user.args[1])
        user.args = (node, len(vals) - 1 if index == k else index - (index > k))
        if index == k and dim:
            with module.graph.inserting_after(user):
                moved = module.graph.call_function(torch.ops.aten.permute.default, (user, order))
            moved.meta = dict(user.meta)
            for later in list(user.users):
                if later is not moved:
                    later.replace_input_with(user, moved)
