"""Whether elements of tensors decide a size, or sizes and numbers that are known before alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy
import torch
from fxexport.passes.bounds.origins import Maker, Origins
from fxexport.passes.bounds.symbols import part_of, symbols_of
from torch import fx

from fxexport.graph.arguments import carried_of, dim_of, item_of, nodes_of, shape_of, val_of
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch, loop
from fxexport.graph.scalars import SCALAR_FUNCTIONS

__all__ = ["DataSizes"]

aten = torch.ops.aten


class DataSizes:
    """Tells which sizes data decides."""

    def __init__(
        self,
        origins: Origins,
        known: Callable[[sympy.Symbol], bool],
        *,
        slices_only: bool = False,
    ) -> None:
        """What it looks at.

        Args:
            origins: where symbols come from.
            known: whether a symbol is known before.
            slices_only: whether of what is made of known sizes only slices count as known: in a
                branch, TensorRT takes no size that another branch or a loop in it decides.
        """
        self._origins = origins
        self._known = known
        self._slices_only = slices_only
        self._asked: set[sympy.Symbol] = set()

    def decide(self, size: object) -> bool:
        """Whether data decides a size, number or flag."""
        return any(map(self._decides_symbol, symbols_of(size)))

    def decide_expression(self, expr: sympy.Expr) -> bool:
        """`decide`, for the expression of a size."""
        return any(map(self._decides_symbol, expr.free_symbols))

    def _decides_symbol(self, symbol: sympy.Symbol) -> bool:
        if self._known(symbol):
            return False
        if symbol in self._asked:
            return True
        self._asked.add(symbol)
        try:
            return not any(map(self.are_known, self._origins.makers(symbol)))
        finally:
            self._asked.discard(symbol)

    def are_known(self, maker: Maker) -> bool:
        """Whether sizes and numbers that are known decide what a node makes."""
        if self._slices_only and maker.node.target is not aten.slice.Tensor:
            return False
        needed = _needed(maker)
        if needed is None:
            return False
        return not any(isinstance(v, torch.Tensor) or self.decide(v) for v in needed)


def _needed(maker: Maker) -> Sequence[object] | None:
    """The sizes and numbers that decide a size; None where others do, or nobody knows."""
    node, dim = maker.node, maker.dim
    source = node.args[0] if node.args else None
    if node.target is aten.slice.Tensor and dim is not None:
        shape = shape_of(source)
        bounds = node.args[2:] if dim_of(node, 1, len(shape)) == dim else ()
        return [shape[dim], *map(val_of, bounds)]
    if (found := item_of(node)) is not None:
        whole, k = found
        if whole.target is branch:
            sides = [results(body)[k] for body, _ in parts(maker.module, whole)]
            return [val_of(whole.args[0]), *(part_of(val_of(side), dim) for side in sides)]
        return _rows(maker, whole, k) if whole.target is loop and dim == 0 else None
    if node.target is aten.cat.default and dim is not None:
        rank = len(shape_of(node))
        shapes = [shape_of(tensor) for tensor in nodes_of(node.args[0])]
        sizes = [shape[dim] for shape in shapes if len(shape) == rank]
        return sizes if dim_of(node, 1, rank) == dim else sizes[:1]
    return list(map(val_of, node.args)) if node.target in SCALAR_FUNCTIONS else None


def _rows(maker: Maker, node: fx.Node, k: int) -> list[object] | None:
    """The trip count of a loop that never stops early, where a result has a row from each."""
    ((body, _),) = parts(maker.module, node)
    always = results(body)[0] is True and node.args[1] is True
    collected = k >= len(carried_of(node))
    return [val_of(node.args[0])] if collected and always and node.args[0] is not None else None
