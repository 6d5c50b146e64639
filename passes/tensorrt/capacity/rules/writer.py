"""What the rules write with: masks, rows taken by index, capacities made equal."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import torch
from fxexport.passes.tensorrt.capacity.limits.limits import Limits
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    NoCapacity,
    Open,
    Target,
    Value,
    node_of,
    val_of,
)
from fxexport.passes.tensorrt.capacity.values.written_graph import WrittenGraph
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number, Size
from fxexport.graph.editing import scalar_val
from fxexport.graph.marks import HARMLESS
from fxexport.graph.scalars import Scalar, select

__all__ = ["OpenWriter", "shape_of"]

aten = torch.ops.aten


def shape_of(value: Value) -> list[Size]:
    """The sizes of a tensor, capacities where it is open."""
    return list(val_of(value).shape)


class OpenWriter:
    """Writes into one graph, for one line of the user's at a time.

    Attributes:
        scope: the graph.
        capacities: numbers that are known before.
        limits: how large sizes can become.
        like: the captured node that is being written anew.
    """

    def __init__(self, scope: WrittenGraph, capacities: Capacities, limits: Limits) -> None:
        self.scope = scope
        self.capacities = capacities
        self.limits = limits
        self.like: fx.Node | None = None

    # Calls

    def call(self, target: Target, *args: Argument, val: object, **kwargs: Argument) -> fx.Node:
        """A call whose result is known to be `val`."""
        node = self.scope.emit(target, args, val, self.like)
        node.kwargs = kwargs
        return node

    def number(self, function: Callable[..., object], *args: Number) -> Number:
        """A Python number computed from others."""
        vals = [val_of(a) for a in args]
        if all(isinstance(v, (int, bool)) for v in vals):
            return function(*vals)  # type: ignore[return-value]
        if function is operator.add and 0 in [a for a in args if isinstance(a, int)]:
            return next(a for a in args if not (isinstance(a, int) and a == 0))
        if function is operator.sub and isinstance(args[1], int) and args[1] == 0:
            return args[0]
        if function is select:
            return self.scope.emit(function, args, self.capacities.unknown_number(), self.like)
        val = scalar_val(function, *vals)
        if isinstance(val, torch.SymInt) and is_concrete_int(val):
            return int(val)
        return self.scope.emit(function, args, val, self.like)

    def root(self, value: fx.Node) -> fx.Node:
        """A tensor that is known before, in this graph."""
        return self.scope.from_root(value)

    def root_number(self, value: Number) -> Number:
        """A number that is known before, in this graph."""
        return self.root(value) if isinstance(value, fx.Node) else value

    def capacity_number(self, capacity: Capacity) -> Number:
        """The size of a capacity, as a number of this graph."""
        return self.root_number(capacity.number)

    def positions(self, capacity: Capacity, beside: torch.Tensor) -> fx.Node:
        """0, 1, ... for each element of a capacity."""
        return self.root(self.capacities.positions(capacity, beside))

    def last_position(self, capacity: Capacity, beside: torch.Tensor) -> fx.Node:
        """The number of a capacity as a tensor without dimensions."""
        return self.root(self.capacities.as_tensor(capacity, beside))

    # Sizes

    def size_number(self, value: Value, dim: int) -> Number:
        """How many elements of a dimension are valid."""
        if isinstance(value, Open) and dim in value.counts:
            return value.counts[dim]
        node = node_of(value)
        size = val_of(node).shape[dim]
        if self.limits.is_known(size):
            return self.root_number(self.limits.exact(size))
        return self.call(aten.sym_size.int, node, dim, val=size)

    def capacity(self, value: Value, dim: int) -> Capacity:
        """The capacity of a dimension: of a closed one, its size."""
        if isinstance(value, Open) and dim in value.capacities:
            return value.capacities[dim]
        return Capacity(self.limits.exact(val_of(value).shape[dim]))

    def with_capacities(self, val: torch.Tensor, capacities: dict[int, Capacity]) -> torch.Tensor:
        """Metadata for a result: its sizes as captured, and capacities where it is open."""
        return fake_beside(
            val, [capacities[d].size if d in capacities else s for d, s in enumerate(val.shape)]
        )

    def never_negative(self, number: Number) -> bool:
        """Whether a number is certainly not below zero."""
        return self.limits.known.never_negative(val_of(number))

    # Masks

    def beyond(self, count: Number, capacity: Capacity, beside: torch.Tensor) -> fx.Node:
        """A bool vector: the elements of a capacity that mean nothing."""
        return self._compared(aten.ge.Scalar, count, capacity, beside)

    def within(self, count: Number, capacity: Capacity, beside: torch.Tensor) -> fx.Node:
        """A bool vector: the elements of a capacity that are valid."""
        return self._compared(aten.lt.Scalar, count, capacity, beside)

    def _compared(
        self, target: Target, count: Number, capacity: Capacity, beside: torch.Tensor
    ) -> fx.Node:
        key = (target, count, capacity.key)
        if key not in self.scope.memo:
            positions = self.positions(capacity, beside)
            val = val_of(positions).to(torch.bool)
            self.scope.memo[key] = self.call(target, positions, count, val=val)
        return self.scope.memo[key]

    def along(self, vector: fx.Node, dim: int, rank: int) -> fx.Node:
        """A vector as a tensor of a rank that varies along one dimension."""
        if rank == 1:
            return vector
        val = val_of(vector)
        sizes = [val.shape[0] if d == dim else 1 for d in range(rank)]
        shape = [-1 if d == dim else 1 for d in range(rank)]
        return self.call(aten.reshape.default, vector, shape, val=fake_beside(val, sizes))

    def filled(self, value: Value, dims: Sequence[int], fill: Scalar) -> fx.Node:
        """The tensor with a number in the elements of some dimensions that are not valid."""
        if not isinstance(value, Open):
            return value
        node = value.node
        for dim in dims:
            if dim in value.counts:
                val = val_of(node)
                beyond = self.beyond(value.counts[dim], value.capacities[dim], val)
                mask = self.along(beyond, dim, val.ndim)
                node = self.call(aten.masked_fill.Scalar, node, mask, fill, val=val)
        return node

    # Taking elements

    def take(self, node: fx.Node, dim: int, index: fx.Node) -> fx.Node:
        """Elements of a dimension by a vector of indices, all within it."""
        val = val_of(node)
        sizes = list(val.shape)
        sizes[dim] = val_of(index).shape[0]
        made = self.call(aten.index_select.default, node, dim, index, val=fake_beside(val, sizes))
        HARMLESS.put(made, True)
        return made

    def clamped(self, index: fx.Node, most: Number, least: int | None = 0) -> fx.Node:
        """Indices made to lie in a range."""
        return self.call(aten.clamp.default, index, least, most, val=val_of(index))

    def arith(self, target: Target, left: fx.Node, right: Number) -> fx.Node:
        """A vector of indices from another one and a number (or a vector of as many)."""
        if isinstance(right, int) and right == 0 and target is aten.add.Tensor:
            return left
        return self.call(target, left, right, val=val_of(left))

    def conform(self, value: Value, dim: int, capacity: Capacity) -> Value:
        """The same tensor with another capacity along a dimension; what means something fits."""
        old = self.capacity(value, dim)
        if old.key == capacity.key:
            return value
        node = node_of(value)
        count = self.size_number(value, dim)
        made = self._resized(node, dim, old, capacity)
        counts = {**(value.counts if isinstance(value, Open) else {}), dim: count}
        capacities = {**(value.capacities if isinstance(value, Open) else {}), dim: capacity}
        return Open(made, counts, capacities)

    def opened(self, value: Value, dim: int, capacity: Capacity) -> Open:
        """A tensor with a capacity along a dimension, closed or not before."""
        made = self.conform(value, dim, capacity)
        if isinstance(made, Open) and dim in made.counts:
            return made
        node = node_of(made)
        counts = {
            **(made.counts if isinstance(made, Open) else {}),
            dim: self.size_number(made, dim),
        }
        capacities = {**(made.capacities if isinstance(made, Open) else {}), dim: capacity}
        return Open(node, counts, capacities)

    def closed_to(self, value: Value, dim: int, size: int) -> Value:
        """A tensor whose size an operator fixes: wherever this runs, it has that many elements."""
        made = self.conform(value, dim, Capacity(size))
        return made.without(dim) if isinstance(made, Open) else made

    def _resized(self, node: fx.Node, dim: int, old: Capacity, new: Capacity) -> fx.Node:
        val = val_of(node)
        if old.fixed is not None and new.fixed is not None:
            sizes = [new.size if d == dim else s for d, s in enumerate(val.shape)]
            made = fake_beside(val, sizes)
            if new.fixed <= old.fixed:
                return self.call(aten.slice.Tensor, node, dim, 0, new.fixed, val=made)
            pads = [0] * (2 * (val.ndim - dim - 1)) + [0, new.fixed - old.fixed]
            return self.call(aten.constant_pad_nd.default, node, pads, 0, val=made)
        index = self.positions(new, val)
        source = self.padded(node, dim)
        if source is node:
            most = self.capacities.compute(operator.sub, old.number, 1)
            return self.take(node, dim, self.clamped(index, self.root_number(most)))
        return self.take(source, dim, self.clamped(index, self.root_number(old.number)))

    def padded(self, node: fx.Node, dim: int) -> fx.Node:
        """A tensor with one more element, where it may have none at all to take.

        What is captured is padded where it comes from, once.
        """
        size = val_of(node).shape[dim]
        if self._has_elements(size):
            return node
        outer = self.scope.source_of(node)
        if outer is not None and self.scope.parent is not None:
            above = OpenWriter(self.scope.parent, self.capacities, self.limits)
            above.like = self.like
            return self.scope.bring_node(above.padded(outer, dim))
        key = ("padded", node, dim)
        if key not in self.scope.memo:
            val = val_of(node)
            pads = [0] * (2 * (val.ndim - dim - 1)) + [0, 1]
            sizes = [s + 1 if d == dim else s for d, s in enumerate(val.shape)]
            made = fake_beside(val, sizes)
            self.scope.memo[key] = self.call(aten.constant_pad_nd.default, node, pads, 0, val=made)
        return self.scope.memo[key]

    def _has_elements(self, size: Size) -> bool:
        if is_concrete_int(size):
            return int(size) > 0
        return self.capacities.never_empty(size)

    def most_index(self, node: fx.Node, dim: int) -> Number:
        """The last index of a dimension that has elements."""
        size = val_of(node).shape[dim]
        if is_concrete_int(size):
            return int(size) - 1
        exact = self.limits.exact(size) if self.limits.is_known(size) else None
        if exact is not None:
            return self.root_number(self.capacities.compute(operator.sub, exact, 1))
        return self.number(operator.sub, self.call(aten.sym_size.int, node, dim, val=size), 1)

    def gathered(self, value: Value, dim: int, index: fx.Node) -> fx.Node:
        """Elements by indices that may lie outside of the tensor where they are not valid."""
        node = node_of(value)
        source = self.padded(node, dim)
        return self.take(source, dim, self.clamped(index, self.most_index(source, dim)))

    def unsupported(self, why: str) -> NoCapacity:
        """What has no form here, with the node that it is about."""
        return NoCapacity(why, self.like)
