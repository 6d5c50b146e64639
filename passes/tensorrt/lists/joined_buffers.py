"""Buffers as one tensor: what `torch.stack` and `torch.cat` make of a list."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace

import sympy
import torch
from fxexport.passes.rewriting.inward import Inward
from fxexport.passes.tensorrt.lists.buffer_values import BufferValues
from fxexport.passes.tensorrt.lists.buffers import Buffer, Buffers
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number, node_of, val_of
from fxexport.graph.editing import call

__all__ = ["BufferJoins"]

aten = torch.ops.aten


class BufferJoins:
    """Writes joins of lists; a list that comes from the root is joined there, once."""

    def __init__(
        self, write: Buffers, values: BufferValues, inward: Inward, root: fx.GraphModule
    ) -> None:
        """What it works with.

        Args:
            write: writes what is done to lists.
            values: computes values in the root.
            inward: hands values of outer graphs in.
            root: the outermost graph.
        """
        self._write = write
        self._values = values
        self._inward = inward
        self._root = root

    def joined(
        self,
        module: fx.GraphModule,
        node: fx.Node,
        buffers: Mapping[fx.Node, Buffer],
        given: Sequence[fx.Node],
        dim: int,
        stacked: bool,
    ) -> fx.Node:
        """Tensors, and the items of lists, as one tensor.

        Args:
            module: the graph.
            node: where it is joined.
            buffers: the buffers of lists.
            given: the tensors and lists.
            dim: along which dimension.
            stacked: whether that is a new one.
        """
        pieces = [
            self._piece(module, node, part, buffers.get(part), dim, stacked) for part in given
        ]
        if len(pieces) == 1:
            return pieces[0]
        return call(node, aten.cat.default, pieces, dim, val=node.meta["val"])

    def _piece(
        self,
        module: fx.GraphModule,
        node: fx.Node,
        part: fx.Node,
        buffer: Buffer | None,
        dim: int,
        stacked: bool,
    ) -> fx.Node:
        """One part of a join as a tensor; a list that comes from the root is cut there."""
        if buffer is None:
            if not stacked:
                return part
            val = part.meta["val"].unsqueeze(dim)
            return call(node, aten.unsqueeze.default, part, dim, val=val)
        rows = None if buffer.rows is None else node_of(self._inward.outermost(buffer.rows))
        count = self._inward.outermost(buffer.count)
        assert isinstance(count, (int, fx.Node))
        outside = [v for v in (rows, count) if isinstance(v, fx.Node)]
        if module is self._root or any(v.graph is not self._root.graph for v in outside):
            return _joined(self._write, node, buffer, dim, stacked)
        there = replace(buffer, rows=rows, count=count)
        key = ("joined", rows, count, dim, stacked)
        return self._values.root_tensor(
            node, key, lambda before: _joined(self._write, before, there, dim, stacked)
        )


def _joined(write: Buffers, at: fx.Node, buffer: Buffer, dim: int, stacked: bool) -> fx.Node:
    """The items as one tensor, as `torch.stack` or `torch.cat` make it, cut to the count."""
    if buffer.rows is None:
        buffer = replace(write.resized(at, buffer, sympy.Integer(1)), count=0)
    assert buffer.rows is not None
    rows = write.cast_rows(at, buffer.rows, buffer.dtype)
    val = rows.meta["val"]
    order = list(range(1, val.dim()))
    order.insert(dim, 0)
    if order != sorted(order):
        rows = call(at, aten.permute.default, rows, order, val=val.permute(order))
    end = buffer.count
    length = val_of(buffer.count)
    if not stacked:
        rows, each = _flat(at, rows, dim)
        val_each = val_of(each)
        if isinstance(end, int) and isinstance(each, int):
            end = end * each
        elif each != 1:
            end = call(at, operator.mul, end, each, val=length * val_each)
        length = length * val_each
    shape = list(rows.meta["val"].shape)
    if buffer.full and str(shape[dim]) == str(length):
        return rows
    shape[dim] = length
    val = fake_beside(rows.meta["val"], shape)
    return call(at, aten.slice.Tensor, rows, dim, 0, end, val=val)


def _flat(at: fx.Node, rows: fx.Node, dim: int) -> tuple[fx.Node, Number]:
    """The dimension of the rows made one with the next; and the size of the latter."""
    shape = list(rows.meta["val"].shape)
    sizes = [
        int(size) if is_concrete_int(size) else call(at, aten.sym_size.int, rows, k, val=size)
        for k, size in enumerate(shape)
    ]
    capacity, each = sizes[dim : dim + 2]
    total = shape[dim] * shape[dim + 1]
    if isinstance(capacity, int) and isinstance(each, int):
        merged: Number = capacity * each
    else:
        merged = call(at, operator.mul, capacity, each, val=total)
    target = [*sizes[:dim], merged, *sizes[dim + 2 :]]
    val = fake_beside(rows.meta["val"], [*shape[:dim], total, *shape[dim + 2 :]])
    return call(at, aten.reshape.default, rows, target, val=val), each
