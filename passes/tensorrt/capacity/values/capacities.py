"""Capacities as numbers and tensors of the root, computed before the outermost if or loop."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import torch
from fxexport.passes.tensorrt.capacity.values.open_tensors import Capacity, Target, val_of
from fxexport.passes.tensorrt.capacity.values.written_graph import WrittenGraph
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number, Size
from fxexport.graph.editing import scalar_val
from fxexport.graph.scalars import maximum

__all__ = ["Capacities"]

aten = torch.ops.aten

_ORDERLESS = {operator.add, operator.mul}


def _is_neutral(function: Target, value: Number) -> bool:
    """Whether a number changes nothing, as the right side of a function."""
    if function in (operator.add, operator.sub):
        return isinstance(value, int) and value == 0
    return function in (operator.mul, operator.floordiv) and isinstance(value, int) and value == 1


class Capacities:
    """Numbers and tensors that are computed once, before the outermost if or loop."""

    def __init__(self, root: WrittenGraph, like: fx.Node) -> None:
        self._root = root
        self._like = like
        self._memo: dict[object, fx.Node] = {}
        self._not_empty: set[str] = set()

    def compute(self, function: Callable[..., object], *args: Number) -> Number:
        """A number of the root's graph."""
        vals = [val_of(a) for a in args]
        val = scalar_val(function, *vals)
        if is_concrete_int(val):
            return int(val)
        if len(args) == 2 and _is_neutral(function, args[1]):
            return args[0]
        if len(args) == 2 and function in _ORDERLESS and _is_neutral(function, args[0]):
            return args[1]
        key = (function, *(a.name if isinstance(a, fx.Node) else a for a in args))
        if key not in self._memo:
            self._memo[key] = self._root.emit(function, args, val, self._like)
        return self._memo[key]

    def unknown_number(self) -> torch.SymInt:
        """Metadata for a number of which nothing is known."""
        vals = (node.meta.get("val") for node in self._root.graph.nodes)
        some = next(val for val in vals if isinstance(val, torch.Tensor))
        with some.fake_mode:  # type: ignore[attr-defined]
            return torch.empty((), dtype=torch.int64).item()  # type: ignore[return-value]

    def measure(self, node: fx.Node, dim: int) -> Number:
        """The size of a tensor of the root's graph."""
        size = node.meta["val"].shape[dim]
        if is_concrete_int(size):
            return int(size)
        key = ("size", node.name, dim)
        if key not in self._memo:
            self._memo[key] = self._root.emit(aten.sym_size.int, (node, dim), size, self._like)
        return self._memo[key]

    def total(self, capacities: Sequence[Capacity]) -> Capacity:
        """Capacity for several things one behind another."""
        number: Number = 0
        for capacity in capacities:
            number = self.compute(operator.add, number, capacity.number)
        return self._kept(Capacity(number), capacities)

    def largest(self, capacities: Sequence[Capacity]) -> Capacity:
        """Capacity for any one of several things."""
        number = capacities[0].number
        for capacity in capacities[1:]:
            if str(val_of(number)) != capacity.key:
                number = self.compute(maximum, number, capacity.number)
        return self._kept(Capacity(number), capacities)

    def _kept(self, made: Capacity, capacities: Sequence[Capacity]) -> Capacity:
        """Sums and maxima have an element where one of their parts has."""
        if any(
            self.never_empty(capacity.size) or (capacity.fixed or 0) > 0 for capacity in capacities
        ):
            self._not_empty.add(made.key)
        return made

    def not_empty(self, capacity: Capacity) -> Capacity:
        """A capacity of at least one element."""
        made = Capacity(self.compute(maximum, capacity.number, 1))
        self._not_empty.add(made.key)
        return made

    def mark_not_empty(self, key: str) -> None:
        """Says that a size is never 0."""
        self._not_empty.add(key)

    def never_empty(self, size: Size) -> bool:
        """Whether a size is that of a capacity of at least one element."""
        return str(size) in self._not_empty

    def positions(self, capacity: Capacity, beside: torch.Tensor) -> fx.Node:
        """The vector 0, 1, ... of a capacity, int64."""
        return self._made(
            "positions", aten.arange.default, (capacity.number,), (capacity.size,), beside
        )

    def zeros(self, capacity: Capacity, beside: torch.Tensor) -> fx.Node:
        """Zeros of a capacity, int64."""
        return self._made(
            "zeros", aten.full.default, ([capacity.number], 0), (capacity.size,), beside
        )

    def as_tensor(self, capacity: Capacity, beside: torch.Tensor) -> fx.Node:
        """The number of a capacity, int64 and without dimensions."""
        return self._made("number", aten.full.default, ([], capacity.number), (), beside)

    def _made(
        self,
        what: str,
        target: Target,
        args: Sequence[Argument],
        sizes: Sequence[Size],
        beside: torch.Tensor,
    ) -> fx.Node:
        key = (what, str([val_of(a) for a in fx.node.map_aggregate(list(args), val_of)]))
        if key not in self._memo:
            val = fake_beside(beside, sizes).to(torch.int64)
            node = self._root.emit(target, args, val, self._like)
            node.kwargs = {"dtype": torch.int64, "device": val.device, "pin_memory": False}
            self._memo[key] = node
        return self._memo[key]
