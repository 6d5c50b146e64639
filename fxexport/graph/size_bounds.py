"""What is known of a size before the model runs: what decides it, and how large it can become."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import raw_expression
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.editing import call, parts, results, scalar_val
from fxexport.graph.ops import branch, loop
from fxexport.graph.scalars import SCALAR_FUNCTIONS, maximum, minimum

__all__ = ["NoBound", "SizeBounds"]

aten = torch.ops.aten

_UNIQUE = (aten._unique2.default, aten._unique.default, aten.unique_consecutive.default)

Number = int | fx.Node


class NoBound(Exception):
    """Nothing that is known before the model runs bounds a size."""


class SizeBounds:
    """Looks at the sizes in one captured graph.

    The graph must not have lost what makes a size: run it before passes that move branches.
    """

    def __init__(self, graph: CapturedGraph) -> None:
        self._root = graph.module
        # The inputs' sizes and numbers: placeholder, and dimension of a tensor.
        self._given: dict[Any, tuple[fx.Node, int | None]] = {}
        # For each other symbol, the values that have it as a size: node, module, dimension.
        self._makers: dict[Any, list[tuple[fx.Node, fx.GraphModule, int | None]]] = {}
        for module in graph.graphs():
            for node in module.graph.nodes:
                self._note(module, node)
        self._asked: set[Any] = set()
        self._before: fx.Node = graph.module.graph.output_node()

    def _note(self, module: fx.GraphModule, node: fx.Node) -> None:
        if node.op not in ("placeholder", "call_function"):
            return
        is_input = module is self._root and node.op == "placeholder"
        for dim, symbol in _plain_symbols(node.meta.get("val")):
            if is_input:
                self._given.setdefault(symbol, (node, dim))
            elif node.op == "call_function":
                self._makers.setdefault(symbol, []).append((node, module, dim))

    # What decides a size

    def from_data(self, size: Any) -> bool:
        """Whether elements of tensors decide a size, not the inputs' sizes alone."""
        return any(self._symbol_from_data(symbol) for symbol in _symbols(size))

    def _symbol_from_data(self, symbol: Any) -> bool:
        if symbol in self._given:
            return False
        if symbol in self._asked:
            return True
        self._asked.add(symbol)
        try:
            return not any(self._from_sizes(*maker) for maker in self._makers.get(symbol, ()))
        finally:
            self._asked.discard(symbol)

    def _from_sizes(self, node: fx.Node, module: fx.GraphModule, dim: int | None) -> bool:
        target: Any = node.target
        source: Any = node.args[0] if node.args else None
        if target is aten.slice.Tensor:
            val = source.meta["val"]
            along = _dim(node, 1, 0) % val.ndim
            bounds = [_val(arg) for arg in node.args[2:]] if along == dim else []
            return not any(self.from_data(size) for size in (val.shape[dim], *bounds))
        if target is operator.getitem and source.target is branch:
            values = (_val(source.args[0]), *self._ways(module, node, dim))
            return not any(isinstance(v, torch.Tensor) or self.from_data(v) for v in values)
        if target is operator.getitem and source.target is loop and dim == 0:
            trips = self._trips(source, node.args[1])
            ((body, _),) = parts(module, source)
            stays = results(body)[0] is True and source.args[1] is True
            return trips is not None and stays and not self.from_data(_val(trips))
        if target is aten.cat.default and dim is not None:
            return not any(self.from_data(size) for size in _joined(node, dim))
        return target in SCALAR_FUNCTIONS and not any(self.from_data(_val(a)) for a in node.args)

    # How large a size can become

    def bound(self, size: Any, before: fx.Node) -> Number:
        """An upper bound of a size, computed from the inputs' sizes by nodes of the root.

        Args:
            size: from the metadata of a value.
            before: where the nodes go; they are left where it fails, and nothing uses them.

        Raises:
            NoBound: there is none.
        """
        self._before = before
        return int(size) if is_concrete_int(size) else self._expression(raw_expression(size))

    def bound_expression(self, expr: Any, before: fx.Node) -> Number:
        """`bound`, for the expression of a size."""
        self._before = before
        return self._expression(expr)

    def is_given(self, expr: Any) -> bool:
        """Whether the inputs alone make up an expression of sizes."""
        return all(symbol in self._given for symbol in expr.free_symbols)

    def _expression(self, expr: Any) -> Number:
        if expr.is_Integer:
            return int(expr)
        if expr.is_Symbol:
            return self._symbol(expr)
        exact = all(symbol in self._given for symbol in expr.free_symbols)
        kind = expr.func.__name__
        # A product of bounds is a bound of the product only where nothing is negative.
        if kind == "Add" or (kind == "Mul" and (exact or all(map(self._is_size, expr.args)))):
            return self._fold(operator.add if kind == "Add" else operator.mul, expr.args)
        if kind == "Max":
            return self._fold(maximum, expr.args)
        if kind == "Min":
            return self._smallest(expr.args)
        if kind == "FloorDiv" and (exact or (expr.args[1].is_Integer and expr.args[1] > 0)):
            return self._fold(operator.floordiv, expr.args)
        raise NoBound

    def _is_size(self, expr: Any) -> bool:
        """Whether an expression is known to be no negative number."""
        if expr.is_Integer:
            return bool(expr >= 0)
        dims = [dim for _, _, dim in self._makers.get(expr, ())]
        if expr in self._given:
            dims.append(self._given[expr][1])
        return any(dim is not None for dim in dims)

    def _fold(self, function: Any, args: Any) -> Number:
        total, *others = [self._expression(arg) for arg in args]
        for other in others:
            total = self._compute(function, total, other)
        return total

    def _smallest(self, args: Any) -> Number:
        found = []
        for arg in args:
            try:
                found.append(self._expression(arg))
            except NoBound:
                continue
        if not found:
            raise NoBound
        total = found[0]
        for other in found[1:]:
            total = self._compute(minimum, total, other)
        return total

    def _symbol(self, symbol: Any) -> Number:
        if symbol in self._given:
            node, dim = self._given[symbol]
            if dim is None:
                return node
            val = node.meta["val"].shape[dim]
            return call(self._before, aten.sym_size.int, node, dim, val=val)
        if symbol in self._asked:
            raise NoBound
        self._asked.add(symbol)
        try:
            makers = self._makers.get(symbol, ())
            # What the root computes is always computed; in a body, only the first is what makes it.
            in_root = [maker for maker in makers if maker[1] is self._root]
            for node, module, dim in in_root or makers[:1]:
                if dim is None:
                    if module is self._root and self._from_sizes(node, module, dim):
                        return node
                    continue
                try:
                    return self._made(node, module, dim)
                except NoBound:
                    continue
            raise NoBound
        finally:
            self._asked.discard(symbol)

    def _made(self, node: fx.Node, module: fx.GraphModule, dim: int) -> Number:
        """A bound of one size of a result."""
        target: Any = node.target
        source: Any = node.args[0] if node.args else None
        if target in (aten.slice.Tensor, aten.topk.default):
            return self._size(source.meta["val"].shape[dim])
        if target is aten.cat.default:
            total: Number = 0
            for size in map(self._size, _joined(node, dim)):
                total = size if total == 0 else self._compute(operator.add, total, size)
            return total
        if target is aten.nonzero.default:
            return self._product(map(self._size, source.meta["val"].shape))
        if target is aten.masked_select.default:
            other: Any = node.args[1]
            return self._product(self._broadcast(source.meta["val"].shape, other.meta["val"].shape))
        if target is aten.index.Tensor and (mask := _only_mask(node, dim)) is not None:
            return self._product(map(self._size, mask.meta["val"].shape))
        if str(target) in ("torchvision.nms.default", "fxexport.batched_nms.default"):
            return self._size(source.meta["val"].shape[0])
        if target is operator.getitem and source.target in _UNIQUE:
            return self._product(map(self._size, source.args[0].meta["val"].shape))
        if target is operator.getitem and source.target is branch:
            return self._largest([self._size(s) for s in self._ways(module, node, dim)])
        if target is operator.getitem and source.target is loop and dim == 0:
            trips = self._trips(source, node.args[1])
            if trips is not None:
                return self._largest([0, self._size(_val(trips))])
        raise NoBound

    def _size(self, size: Any) -> Number:
        if not isinstance(size, (int, torch.SymInt)):
            raise NoBound
        return int(size) if is_concrete_int(size) else self._expression(raw_expression(size))

    def _product(self, sizes: Iterable[Number]) -> Number:
        total: Number = 1
        for size in sizes:
            total = self._compute(operator.mul, total, size)
        return total

    def _largest(self, numbers: list[Number]) -> Number:
        total = numbers[0]
        for other in numbers[1:]:
            total = self._compute(maximum, total, other)
        return total

    def _broadcast(self, left: Any, right: Any) -> list[Number]:
        """Bounds of two shapes brought together: each size is that of one of them."""
        rank = max(len(left), len(right))
        pairs = zip(
            [1] * (rank - len(left)) + list(left),
            [1] * (rank - len(right)) + list(right),
            strict=True,
        )
        return [
            self._size(b)
            if is_concrete_int(a) and int(a) == 1
            else self._size(a)
            if str(a) == str(b) or (is_concrete_int(b) and int(b) == 1)
            else self._largest([self._size(a), self._size(b)])
            for a, b in pairs
        ]

    def _ways(self, module: fx.GraphModule, node: fx.Node, dim: int | None) -> list[Any]:
        """A size of one result of a branch, as each of the two ways makes it."""
        source: Any = node.args[0]
        at: Any = node.args[1]
        vals = [_val(results(body)[at]) for body, _ in parts(module, source)]
        return vals if dim is None else [val.shape[dim] for val in vals]

    def _trips(self, node: fx.Node, k: Any) -> Any:
        """The bound on a loop's trips, where its k-th result is a row from each trip."""
        carried: Any = node.args[3]
        return node.args[0] if k >= len(carried) else None

    def _compute(self, function: Any, left: Number, right: Number) -> Number:
        if left == 1 and function is operator.mul:
            return right
        if isinstance(left, int) and isinstance(right, int):
            return int(function(left, right))
        if left is right and function in (maximum, minimum):
            return left
        val = scalar_val(function, _val(left), _val(right))
        return call(self._before, function, left, right, val=val)


def _only_mask(node: fx.Node, dim: int) -> fx.Node | None:
    """The mask of `x[mask]` or `x[:, mask]`, where the dimension is what it selects."""
    indices: Any = node.args[1]
    given = [k for k, index in enumerate(indices) if index is not None]
    if given != [dim]:
        return None
    index: fx.Node = indices[dim]
    return index if index.meta["val"].dtype in (torch.bool, torch.uint8) else None


def _joined(cat: fx.Node, dim: int) -> list[Any]:
    """The sizes that make one of a concatenation's."""
    tensors: Any = cat.args[0]
    rank = cat.meta["val"].ndim
    vals = [tensor.meta["val"] for tensor in tensors]
    # PyTorch passes over vectors without elements, whatever the rank of the others.
    sizes = [val.shape[dim] for val in vals if val.ndim == rank]
    along = _dim(cat, 1, 0) % rank
    return sizes if along == dim else sizes[:1]


def _val(value: Any) -> Any:
    return value.meta.get("val") if isinstance(value, fx.Node) else value


def _dim(node: fx.Node, k: int, default: int) -> int:
    given: Any = node.args[k] if len(node.args) > k else default
    return int(given)


def _sizes(val: Any) -> Iterator[tuple[int | None, Any]]:
    if isinstance(val, torch.Tensor):
        yield from enumerate(val.shape)
    elif isinstance(val, torch.SymInt):
        yield None, val


def _plain_symbols(val: Any) -> Iterator[tuple[int | None, Any]]:
    """The sizes that are a symbol and nothing else; PyTorch writes a flag as `symbol == 1`."""
    if isinstance(val, torch.SymBool):
        expr = raw_expression(val)
        if expr.func.__name__ == "Equality" and expr.args[0].is_Symbol and expr.args[1] == 1:
            yield None, expr.args[0]
    for dim, size in _sizes(val):
        if isinstance(size, torch.SymInt) and not is_concrete_int(size):
            expr = raw_expression(size)
            if expr.is_Symbol:
                yield dim, expr


def _symbols(size: Any) -> set[Any]:
    if not isinstance(size, (torch.SymInt, torch.SymBool, torch.SymFloat)):
        return set()
    return set(raw_expression(size).free_symbols)
