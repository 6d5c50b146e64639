"""What is known, before a node of the root, of the sizes inside it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sympy
import torch
from fxexport.passes.capacity.values import NoRoom, Number, Rooms, val_of
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import raw_expression
from fxexport.graph.editing import nodes_inside, parts
from fxexport.graph.ops import loop
from fxexport.graph.scalars import maximum, minimum

__all__ = ["KnownSizes", "expression_of", "part_of", "plain_symbol", "symbols_in"]

aten = torch.ops.aten


class KnownSizes:
    """What is known of the sizes in what is inside one node of the root."""

    def __init__(
        self,
        root: fx.GraphModule,
        outermost: fx.Node,
        rooms: Rooms,
        pinned: Mapping[Any, int] | None = None,
    ) -> None:
        self._rooms = rooms
        self._fixed: dict[Any, Number] = dict(pinned or {})  # symbols that are one number
        self._known: dict[Any, tuple[fx.Node, int | None]] = {}
        self._makers: dict[Any, tuple[fx.Node, fx.GraphModule, int | None]] = {}
        self._carried: dict[Any, tuple[fx.GraphModule, fx.Node]] = {}
        self._asked: set[Any] = set()
        self._sizes: set[Any] = set()  # symbols that are never negative
        self._meanings: dict[Any, Any] = {}  # symbols of numbers that are computed from others
        for node in root.graph.nodes:
            if node is outermost:
                break
            for dim, symbol in symbols_in(node.meta.get("val")):
                self._known.setdefault(symbol, (node, dim))
        for module, node in [(root, outermost), *nodes_inside(root, outermost)]:
            self._look(module, node, root)

    def _look(self, module: fx.GraphModule, node: fx.Node, root: fx.GraphModule) -> None:
        for dim, symbol in symbols_in(node.meta.get("val")):
            if dim is not None:
                self._sizes.add(symbol)
            if node.op == "call_function" and symbol not in self._known:
                self._makers.setdefault(symbol, (node, module, dim))
                if dim is None and node.target in _ARITHMETIC:
                    args = [expression_of(val_of(a)) for a in node.args]
                    self._meanings[symbol] = _ARITHMETIC[node.target](*args)
        if node.target is loop:
            ((_, inputs),) = parts(module, node)
            carried: Any = node.args[3]
            self._sizes.update(symbol for _, symbol in symbols_in(inputs[0].meta.get("val")))
            for place in inputs[: 1 + len(carried)]:
                for _, symbol in symbols_in(place.meta.get("val")):
                    if symbol not in self._known:
                        self._carried.setdefault(symbol, (module, node))

    def never_negative(self, size: Any) -> bool:
        """Whether a number is certainly not below zero."""
        if is_concrete_int(size):
            return int(size) >= 0
        return self._never_negative(self.expression(size))

    def expression(self, size: Any) -> Any:
        """A size with the numbers in it as they were computed."""
        expr = expression_of(size)
        for _ in range(len(self._meanings)):
            if not expr.free_symbols & self._meanings.keys():
                break
            expr = expr.xreplace(self._meanings)
        return expr

    def from_data(self, size: Any) -> bool:
        """Whether a size is known only inside because elements of tensors decide it."""
        if is_concrete_int(size):
            return False
        symbols = self.expression(size).free_symbols
        return any(self._symbol_from_data(s) for s in symbols if not self._all_known(s))

    def _symbol_from_data(self, symbol: Any) -> bool:
        node, _, dim = self._makers.get(symbol, (None, None, None))
        if node is None or node.target is not aten.slice.Tensor or symbol in self._asked:
            return True
        self._asked.add(symbol)
        try:
            bounds = [val_of(b) for b in node.args[2:4] if b is not None]
            return any(self.from_data(s) for s in (val_of(node.args[0]).shape[dim], *bounds))
        finally:
            self._asked.discard(symbol)

    def is_known(self, size: Any) -> bool:
        """Whether a size is a number that is known before the outermost node."""
        if not isinstance(size, torch.SymInt) or is_concrete_int(size):
            return True
        return self._all_known(self.expression(size))

    def _all_known(self, expr: Any) -> bool:
        return all(s in self._known or s in self._fixed for s in expr.free_symbols)

    def fix(self, symbol: Any, number: Number) -> None:
        """Says that a symbol is a number that is known before."""
        self._fixed[symbol] = number

    def exact(self, size: Any) -> Number:
        """A size that is known before, as a number of the root's graph.

        Raises:
            NoRoom: it is not known there.
        """
        return int(size) if is_concrete_int(size) else self._exact(self.expression(size))

    def _exact(self, expr: Any) -> Number:
        if expr.is_Integer:
            return int(expr)
        if expr.is_Symbol:
            if expr in self._fixed:
                return self._fixed[expr]
            if expr not in self._known:
                raise NoRoom("a size is known only inside")
            node, dim = self._known[expr]
            return node if dim is None else self._rooms.measure(node, dim)
        if expr.is_Pow and expr.exp.is_Integer and expr.exp > 0:
            base = self._exact(expr.base)
            total = base
            for _ in range(int(expr.exp) - 1):
                total = self._rooms.compute(operator.mul, total, base)
            return total
        functions = {
            "Add": operator.add,
            "Mul": operator.mul,
            "Max": maximum,
            "Min": minimum,
            "FloorDiv": operator.floordiv,
            "CleanDiv": operator.floordiv,
            "Mod": operator.mod,
            "PythonMod": operator.mod,
        }
        function = functions.get(expr.func.__name__)
        if function is None:
            raise NoRoom("a size is computed in a way that is not known here")
        total, *others = [self._exact(arg) for arg in expr.args]
        for other in others:
            total = self._rooms.compute(function, total, other)
        return total

    def _never_negative(self, expr: Any) -> bool:
        if expr.is_Integer:
            return bool(expr >= 0)
        if expr.is_Symbol:
            return expr in self._sizes or (expr in self._known and self._known[expr][1] is not None)
        if expr.func.__name__ in ("Max",):
            return any(self._never_negative(arg) for arg in expr.args)
        return expr.func.__name__ in ("Add", "Mul", "Min", "FloorDiv", "Mod", "PythonMod") and all(
            self._never_negative(arg) for arg in expr.args
        )


_ARITHMETIC: dict[Any, Callable[..., Any]] = {
    operator.add: operator.add,
    operator.sub: operator.sub,
    operator.mul: operator.mul,
    operator.neg: operator.neg,
    maximum: sympy.Max,
    minimum: sympy.Min,
}


def expression_of(value: Any) -> Any:
    """The expression of a size; that of a number is the number."""
    return (
        raw_expression(value)
        if isinstance(value, torch.SymInt) and not is_concrete_int(value)
        else sympy.Integer(int(value))
    )


def plain_symbol(size: Any) -> Any:
    """The symbol that a size is; None for numbers and for what is computed."""
    if not isinstance(size, torch.SymInt) or is_concrete_int(size):
        return None
    expr = raw_expression(size)
    return expr if expr.is_Symbol else None


def part_of(val: Any, dim: int | None) -> Any:
    """One size of a tensor, or without a dimension the number itself."""
    return val if dim is None else val.shape[dim]


def symbols_in(val: Any) -> Iterator[tuple[int | None, Any]]:
    """The sizes of a value, or the number itself, that are a symbol and nothing else."""
    if isinstance(val, torch.Tensor):
        for dim, size in enumerate(val.shape):
            if (symbol := plain_symbol(size)) is not None:
                yield dim, symbol
    elif (symbol := plain_symbol(val)) is not None:
        yield None, symbol
