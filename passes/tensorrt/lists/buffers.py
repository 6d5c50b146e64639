"""Lists as tensors: a buffer with capacity for the most items that there can be, and a count.

Every function writes nodes before a node of the graph that the list is in. Sizes do not depend on
the count, so all of this may stand in the bodies of loops and branches; joins alone cut to it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sympy
import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph import scalars
from fxexport.graph.arguments import Number
from fxexport.graph.editing import call

__all__ = ["Buffer", "Buffers"]

aten = torch.ops.aten


@dataclass(frozen=True)
class Buffer:
    """One list.

    Attributes:
        rows: the buffer, `[capacity, *item]`; None for an empty list without one.
        count: how many of its rows are items.
        capacity: the number of rows, an expression of what the root knows.
        full: whether all rows are items.
        dtype: of the items; the buffer of booleans is int32, since TensorRT does not scatter bools.
        dims: sizes of an item.
    """

    rows: fx.Node | None
    count: Number
    capacity: sympy.Expr
    full: bool
    dtype: torch.dtype
    dims: tuple[Any, ...]


class Buffers:
    """Writes what is done to lists.

    Args:
        like: a fake tensor, for the fake mode and the device.
        number: gives a number for an expression, in the graph of a node.
        size: gives the size of an item in the graph of a node, from its metadata.
        root_tensor: gives a tensor that the root makes, in the graph of a node, for a key and a
            function that writes it before a node of the root.
    """

    def __init__(
        self,
        like: torch.Tensor,
        number: Callable[[fx.Node, sympy.Expr], Any],
        size: Callable[[fx.Node, Any], Any],
        root_tensor: Callable[[fx.Node, Any, Callable[[fx.Node], fx.Node]], fx.Node],
    ) -> None:
        self._like = like
        self._number = number
        self._size = size
        self._root_tensor = root_tensor

    # -- making ----------------------------------------------------------------------------------

    def fake(self, capacity: Number, buffer: Buffer) -> torch.Tensor:
        """What the buffer's rows look like with some capacity, a number."""
        return fake_beside(self._like, (_val(capacity), *buffer.dims)).to(_stored(buffer.dtype))

    def of(self, at: fx.Node, dtype: torch.dtype, dims: Any, items: list[fx.Node]) -> Buffer:
        """A list of some tensors."""
        empty = Buffer(None, 0, sympy.Integer(0), True, dtype, tuple(dims))
        if not items:
            return empty
        rows = [self._row(at, empty, item) for item in items]
        whole = rows[0]
        if len(rows) > 1:
            val = self.fake(len(rows), empty)
            whole = call(at, aten.cat.default, rows, 0, val=val)
        return replace(empty, rows=whole, count=len(rows), capacity=sympy.Integer(len(rows)))

    def of_rows(
        self, at: fx.Node, rows: fx.Node, capacity: sympy.Expr, exact: bool, dims: Any
    ) -> Buffer:
        """A list of the rows of a tensor; `exact` says that there are `capacity` of them."""
        dtype = rows.meta["val"].dtype
        count = self._length_of(at, rows)
        rows = self.cast_rows(at, rows, _stored(dtype))
        buffer = Buffer(rows, count, capacity, exact, dtype, tuple(dims))
        if exact:
            return buffer
        whole = self._number(at, capacity)
        more = call(at, operator.sub, whole, count, val=_val(whole) - _val(count))
        zeros = self._zeros(at, buffer, more)
        val = self.fake(whole, buffer)
        return replace(buffer, rows=call(at, aten.cat.default, [rows, zeros], 0, val=val))

    def _row(self, at: fx.Node, buffer: Buffer, item: fx.Node) -> fx.Node:
        item = self.cast_rows(at, item, _stored(buffer.dtype))
        return call(at, aten.unsqueeze.default, item, 0, val=self.fake(1, buffer))

    def cast_rows(self, at: fx.Node, node: fx.Node, dtype: torch.dtype) -> fx.Node:
        """A tensor of rows in another dtype."""
        val = node.meta["val"]
        if val.dtype == dtype:
            return node
        made = call(at, aten._to_copy.default, node, val=val.to(dtype))
        made.kwargs = {"dtype": dtype}
        return made

    def _length_of(self, at: fx.Node, rows: fx.Node) -> Any:
        size = rows.meta["val"].shape[0]
        if is_concrete_int(size):
            return int(size)
        return call(at, aten.sym_size.int, rows, 0, val=size)

    def resized(self, at: fx.Node, buffer: Buffer, capacity: sympy.Expr) -> Buffer:
        """The same list in a buffer with another capacity, which is enough for its items."""
        if buffer.rows is not None and buffer.capacity == capacity:
            return buffer
        missing = sympy.expand(capacity - buffer.capacity)
        rows = buffer.rows
        if missing.is_nonpositive is not True:
            more = missing if missing.is_nonnegative else sympy.Max(0, missing)
            number = self._number(at, more)
            zeros = self._zeros(at, buffer, number)
            if rows is None:
                rows = zeros
            else:
                total = rows.meta["val"].shape[0] + _val(number)
                if missing.is_nonnegative:
                    total = _val(self._number(at, capacity))
                val = self.fake(total, buffer)
                rows = call(at, aten.cat.default, [rows, zeros], 0, val=val)
        assert rows is not None
        if missing.is_nonnegative is not True:
            end = self._number(at, capacity)
            val = self.fake(end, buffer)
            rows = call(at, aten.slice.Tensor, rows, 0, 0, end, val=val)
        return replace(buffer, rows=rows, capacity=capacity, full=False)

    def _zeros(self, at: fx.Node, buffer: Buffer, capacity: Number) -> fx.Node:
        sizes = [capacity]
        for k, size in enumerate(buffer.dims):
            if is_concrete_int(size):
                sizes.append(int(size))
            elif buffer.rows is not None:
                sizes.append(call(at, aten.sym_size.int, buffer.rows, k + 1, val=size))
            else:
                sizes.append(self._size(at, size))
        made = call(at, aten.full.default, sizes, 0, val=self.fake(capacity, buffer))
        made.kwargs = {
            "dtype": _stored(buffer.dtype),
            "device": self._like.device,
            "pin_memory": False,
        }
        return made

    # -- reading ---------------------------------------------------------------------------------

    def at(self, at: fx.Node, buffer: Buffer, index: Number, never_negative: bool) -> fx.Node:
        """The item at an index from -count to count - 1."""
        if buffer.rows is None:  # never reached: there is no such index
            buffer = self.resized(at, buffer, sympy.Integer(1))
        if not never_negative:
            index = self._from_start(at, buffer, index)
        assert buffer.rows is not None
        val = buffer.rows.meta["val"][0]
        item = call(at, aten.select.int, buffer.rows, 0, index, val=val)
        return self.cast_rows(at, item, buffer.dtype)

    def _from_start(self, at: fx.Node, buffer: Buffer, index: Number) -> Any:
        """An index that may count from the end, as one that counts from the start."""
        if isinstance(index, int):
            return index if index >= 0 else _sum(at, buffer.count, index)
        val = _val(index)
        wrapped = call(at, operator.add, index, buffer.count, val=val)
        below = call(at, operator.lt, index, 0, val=val < 0)
        return call(at, scalars.select, below, wrapped, index, val=val)

    # -- changing --------------------------------------------------------------------------------

    def appended(
        self, at: fx.Node, buffer: Buffer, item: fx.Node, val: Any, has_free_rows: bool
    ) -> Buffer:
        """The list with one more item at its end.

        Args:
            at: where the nodes go.
            buffer: the list.
            item: the item.
            val: the new length, for the metadata.
            has_free_rows: whether there is a free row.
        """
        if buffer.rows is None:
            return self.of(at, buffer.dtype, buffer.dims, [item])
        row = self._row(at, buffer, item)
        count = _sum(at, buffer.count, 1, val)
        if not has_free_rows:
            capacity = buffer.capacity + 1
            if buffer.full:
                whole = self.fake(self._number(at, capacity), buffer)
                rows = call(at, aten.cat.default, [buffer.rows, row], 0, val=whole)
                return replace(buffer, rows=rows, count=count, capacity=capacity)
            buffer = self.resized(at, buffer, capacity)
        return replace(self.put(at, buffer, item, buffer.count), count=count, full=False)

    def put(self, at: fx.Node, buffer: Buffer, item: fx.Node, index: Number) -> Buffer:
        """The list with another item at an index from the start; the count stays."""
        assert buffer.rows is not None
        row = self._row(at, buffer, item)
        return replace(buffer, rows=self._written(at, buffer.rows, row, index, 1))

    def _written(
        self, at: fx.Node, rows: fx.Node, more: fx.Node, index: Number, number: int
    ) -> fx.Node:
        vector = fake_beside(self._like, (number,)).to(torch.int64)
        steps = call(at, aten.arange.default, number, val=vector)
        steps.kwargs = {"dtype": torch.int64, "device": self._like.device, "pin_memory": False}
        indices = call(at, aten.add.Tensor, steps, index, val=vector)
        return call(at, aten.index_copy.default, rows, 0, indices, more, val=rows.meta["val"])

    def inserted(
        self,
        at: fx.Node,
        buffer: Buffer,
        item: fx.Node,
        index: Number,
        val: Any,
        has_free_rows: bool,
    ) -> Buffer:
        """The list with one more item before an index from 0 to the count; as `appended`."""
        if buffer.rows is None:
            return self.of(at, buffer.dtype, buffer.dims, [item])
        if not has_free_rows:
            buffer = self.resized(at, buffer, buffer.capacity + 1)
        here = self._indices(at, buffer, 0)
        later = self._compared(at, aten.gt.Scalar, here, index)
        source = self._chosen(at, later, self._indices(at, buffer, -1), here)
        count = _sum(at, buffer.count, 1, val)
        shifted = replace(buffer, rows=self._gathered(at, buffer, source), count=count, full=False)
        return self.put(at, shifted, item, index)

    def erased(
        self, at: fx.Node, buffer: Buffer, index: Number, val: Any, positive: bool
    ) -> Buffer:
        """The list without the item at an index from -count to count - 1."""
        if buffer.rows is None:
            buffer = self.resized(at, buffer, sympy.Integer(1))
        count = _sum(at, buffer.count, -1, val)
        shorter = replace(buffer, count=count, full=False)
        if isinstance(index, int) and index == -1:
            return shorter
        if not positive:
            index = self._from_start(at, buffer, index)
        here = self._indices(at, buffer, 0)
        later = self._compared(at, aten.ge.Scalar, here, index)
        source = self._chosen(at, later, self._indices(at, buffer, 1), here)
        return replace(shorter, rows=self._gathered(at, buffer, source))

    def extended(
        self, at: fx.Node, buffer: Buffer, more: Buffer, val: Any, has_free_rows: bool, fits: bool
    ) -> Buffer:
        """One list after another.

        Args:
            at: where the nodes go.
            buffer: the first list.
            more: the second list.
            val: the new length, for the metadata.
            has_free_rows: whether there are free rows for the items of `more`.
            fits: whether there are free rows even for all rows of `more`.
        """
        if more.rows is None:
            return buffer
        if buffer.rows is None:
            return more
        count = _sum(at, buffer.count, more.count, val)
        if not has_free_rows:
            capacity = sympy.expand(buffer.capacity + more.capacity)
            if buffer.full:
                whole = self.fake(self._number(at, capacity), buffer)
                rows = call(at, aten.cat.default, [buffer.rows, more.rows], 0, val=whole)
                return replace(buffer, rows=rows, count=count, capacity=capacity, full=more.full)
            buffer, fits = self.resized(at, buffer, capacity), True
        if fits and more.capacity.is_Integer and int(more.capacity) <= _FEW:
            assert buffer.rows is not None
            rows = self._written(at, buffer.rows, more.rows, buffer.count, int(more.capacity))
        else:
            rows = self._behind(at, buffer, more)
        return replace(buffer, rows=rows, count=count, full=False)

    def _behind(self, at: fx.Node, buffer: Buffer, more: Buffer) -> fx.Node:
        """The rows of one list, then those of another, row by row."""
        assert buffer.rows is not None and more.rows is not None
        here = self._indices(at, buffer, 0)
        val = here.meta["val"]
        indices = call(at, aten.sub.Tensor, here, buffer.count, val=val)
        last = _sum(at, self._number(at, more.capacity), -1)
        source = call(at, aten.clamp.default, indices, 0, last, val=val)
        picked = self._gathered(at, more, source)
        later = self._compared(at, aten.ge.Scalar, here, buffer.count)
        return self._chosen(at, later, picked, buffer.rows)

    def cast(self, at: fx.Node, buffer: Buffer, dtype: torch.dtype) -> Buffer:
        """The items in another dtype."""
        if buffer.rows is None:
            return replace(buffer, dtype=dtype)
        rows = self.cast_rows(at, buffer.rows, _stored(dtype))
        return replace(buffer, rows=rows, dtype=dtype)

    # -- steps -----------------------------------------------------------------------------------

    def _indices(self, at: fx.Node, buffer: Buffer, shift: int) -> fx.Node:
        """For each row its number, or that of the row before or behind, as far as there is one."""

        def written(before: fx.Node) -> fx.Node:
            capacity = self._number(before, buffer.capacity)
            val = fake_beside(self._like, (_val(capacity),)).to(torch.int64)
            node = call(before, aten.arange.default, capacity, val=val)
            node.kwargs = {"dtype": torch.int64, "device": self._like.device, "pin_memory": False}
            if shift:
                node = call(before, aten.add.Tensor, node, shift, val=val)
                bounds = (0, None) if shift < 0 else (None, _sum(before, capacity, -1))
                node = call(before, aten.clamp.default, node, *bounds, val=val)
            return node

        return self._root_tensor(at, (buffer.capacity, shift), written)

    def _compared(self, at: fx.Node, function: Any, indices: fx.Node, index: Number) -> fx.Node:
        return call(at, function, indices, index, val=indices.meta["val"].to(torch.bool))

    def _chosen(self, at: fx.Node, flags: fx.Node, first: fx.Node, second: fx.Node) -> fx.Node:
        """By row: where the flag holds the first, else the second."""
        rank = second.meta["val"].dim()
        if rank > 1:
            shape = [flags.meta["val"].shape[0]] + [1] * (rank - 1)
            wide = fake_beside(self._like, shape).to(torch.bool)
            target = [-1] + [1] * (rank - 1)
            flags = call(at, aten.reshape.default, flags, target, val=wide)
        return call(at, aten.where.self, flags, first, second, val=second.meta["val"])

    def _gathered(self, at: fx.Node, buffer: Buffer, indices: fx.Node) -> fx.Node:
        val = self.fake(indices.meta["val"].shape[0], buffer)
        return call(at, aten.index_select.default, buffer.rows, 0, indices, val=val)


_FEW = 8
"""Rows that are rather written where they belong than picked row by row of the whole buffer."""


def _stored(dtype: torch.dtype) -> torch.dtype:
    return torch.int32 if dtype == torch.bool else dtype


def _val(value: Argument) -> Any:
    return value.meta["val"] if isinstance(value, fx.Node) else value


def _sum(at: fx.Node, left: Number, right: Number, val: Any = None) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if val is None or isinstance(val, int):
        val = _val(left) + _val(right)
    return call(at, operator.add, left, right, val=val)
