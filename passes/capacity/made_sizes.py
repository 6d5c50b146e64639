"""What sizes are at most by the nodes that make them."""

from __future__ import annotations

import abc
import contextlib
import operator
from typing import Any

import sympy
import torch
from fxexport.passes.capacity.known_sizes import part_of
from fxexport.passes.capacity.terms import SizeTerms, Term
from fxexport.passes.capacity.values import NoRoom, val_of
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph.editing import parts, results
from fxexport.graph.hoisting import selects
from fxexport.graph.ops import branch, loop
from fxexport.graph.scalars import select

__all__ = ["MadeSizes"]

aten = torch.ops.aten

# How far back the operands of a tensor are followed to find what limits its size.
_DEPTH = 6


class MadeSizes(SizeTerms):
    """Limits of the sizes of results, from operators and their operands."""

    @abc.abstractmethod
    def _from_loop(
        self, module: fx.GraphModule, node: fx.Node, k: Any, dim: int | None
    ) -> list[Term]:
        """Limits of a result of a loop."""

    def _made(self, node: fx.Node, module: fx.GraphModule, dim: int | None) -> list[Term]:
        """Limits of what a node makes: of one of its sizes, or of the number itself."""
        target: Any = node.target
        source: Any = node.args[0] if node.args else None
        if target is operator.getitem and source.target is branch:
            return [
                term
                for size in _ways(module, source, node.args[1], dim)
                for term in self._upper_of(size)
            ]
        if target is operator.getitem and source.target is loop:
            return self._from_loop(module, source, node.args[1], dim)
        if target is select:
            return [t for a in node.args[1:] for t in self._upper_of(val_of(a))]
        if target is operator.floordiv and isinstance(node.args[1], int) and node.args[1] > 0:
            return [self._divided(t, node.args[1]) for t in self._upper_of(val_of(source))]
        if dim is None:
            raise NoRoom("a number has no known limit")
        if target is aten.slice.Tensor:
            return self._sliced(node, dim)
        if target is aten.cat.default:
            return self._joined(node, dim)
        if target is aten.constant_pad_nd.default:
            pads: Any = node.args[1]
            k = 2 * (node.meta["val"].ndim - 1 - dim)
            given = [self._upper_of(val_of(pad)) for pad in pads[k : k + 2]]
            return self._sum([self._upper_at(source, dim), *given])
        if target in (aten.topk.default, aten.sort.default):
            return self._upper_of(source.meta["val"].shape[dim])
        if target is aten.masked_select.default or selects(node):
            masks: Any = node.args[1] if len(node.args) > 1 else source
            mask = masks if isinstance(masks, fx.Node) else next(m for m in masks if m is not None)
            return self._all_of(mask.meta["val"].shape)
        if target is aten.index.Tensor:
            for mask in node.args[1]:  # type: ignore[union-attr]
                if isinstance(mask, fx.Node) and mask.meta["val"].dtype == torch.bool:
                    return self._all_of(mask.meta["val"].shape)
        raise NoRoom("a size has no known limit")

    def _joined(self, node: fx.Node, dim: int) -> list[Term]:
        tensors: Any = node.args[0]
        along: Any = node.args[1] if len(node.args) > 1 else 0
        rank = node.meta["val"].ndim
        given = [t for t in tensors if val_of(t).ndim == rank]
        if along % rank == dim:
            return self._sum([self._upper_at(t, dim) for t in given])
        return self._least_of([val_of(t).shape[dim] for t in given])

    def _upper_at(self, value: fx.Node, dim: int, depth: int = 0) -> list[Term]:
        """Limits of a size of a tensor: by what is known of the size, and by how it was made."""
        found: list[list[Term]] = []
        with contextlib.suppress(NoRoom):
            found.append(self._upper_of(val_of(value).shape[dim]))
        with contextlib.suppress(NoRoom):
            found.append(self._by_node(value, dim, depth))
        return self._smallest(found)

    def _by_node(self, value: fx.Node, dim: int, depth: int) -> list[Term]:
        target: Any = value.target
        if value.op == "call_function" and depth < _DEPTH:
            if target is aten.slice.Tensor:
                return self._sliced(value, dim)
            if target is aten.cat.default:
                return self._joined(value, dim)
            if isinstance(target, torch._ops.OpOverload) and torch.Tag.pointwise in target.tags:
                return self._of_operands(value, dim, depth)
        raise NoRoom("a size has no known limit")

    def _of_operands(self, value: fx.Node, dim: int, depth: int) -> list[Term]:
        """A result is as large as an operand of its size, or as one of those that meet in it.

        An operand of another size may be 1 here and broadcast: alone it limits nothing.
        """
        rank = val_of(value).ndim
        same: list[tuple[fx.Node, int]] = []
        meeting: list[tuple[fx.Node, int]] = []
        for operand in value.all_input_nodes:
            val = val_of(operand)
            at = dim - rank + val.ndim if isinstance(val, torch.Tensor) else -1
            if at < 0:
                continue
            size = val.shape[at]
            fixed = int(size) if is_concrete_int(size) else None
            own = str(size) == str(val_of(value).shape[dim])
            if fixed != 1:
                (same if own or fixed is not None else meeting).append((operand, at))
        found = []
        for operand, at in same:
            with contextlib.suppress(NoRoom):
                found.append(self._upper_at(operand, at, depth + 1))
        if not same:
            found.append([(None, 1)])
            for operand, at in meeting:
                found[0] += self._upper_at(operand, at, depth + 1)
        return self._smallest(found)

    def _sliced(self, node: fx.Node, dim: int) -> list[Term]:
        source, _, start, end = (*node.args, None, None)[:4]
        width = self.slice_width(start, end)
        size = val_of(source).shape[dim]
        return self._least_of([size] if width is None else [width, size])

    def slice_width(self, start: Any, end: Any) -> int | None:
        """The most places that a slice gives by its bounds alone; None where they do not tell."""
        first = sympy.Integer(0) if start is None else self.expression(val_of(start))
        open_end = end is None or (isinstance(end, int) and end >= 2**62)
        if open_end:
            return -int(first) if first.is_Integer and first < 0 else None
        last = self.expression(val_of(end))
        way = last - first
        if not way.is_Integer:
            return None
        if way < 0:  # one of them may count from the end
            return 0 if last.is_Integer and last >= 0 else None
        if first.is_Integer and first < 0 <= last:
            return None
        return int(way)


def _ways(module: fx.GraphModule, node: fx.Node, k: Any, dim: int | None) -> list[Any]:
    return [part_of(val_of(results(body)[k]), dim) for body, _ in parts(module, node)]
