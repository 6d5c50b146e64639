"""Where the symbols in the sizes and numbers of a graph come from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import sympy
from fxexport.passes.bounds.symbols import symbols_in
from torch import fx

from fxexport._torch_compat import bounds_within
from fxexport.graph.editing import parts
from fxexport.graph.ops import loop

__all__ = ["Maker", "Origin", "Origins", "first_of"]

# A node with a symbol as one of its sizes (the dimension), or that is the number itself (None).
Origin = tuple[fx.Node, int | None]


@dataclass(frozen=True)
class Maker:
    """A node whose value has a symbol as a size, or is that number.

    Attributes:
        node: the node.
        module: the graph that it is in.
        dim: the dimension; None for a number or flag.
    """

    node: fx.Node
    module: fx.GraphModule
    dim: int | None


def first_of(nodes: Iterable[fx.Node], *, flags: bool) -> dict[sympy.Symbol, Origin]:
    """The first of some nodes that has a symbol as a size, or is that number, by symbol.

    Args:
        nodes: the nodes.
        flags: whether the symbols of flags are wanted too.
    """
    found: dict[sympy.Symbol, Origin] = {}
    for node in nodes:
        for dim, symbol in symbols_in(node.meta.get("val"), flags=flags):
            found.setdefault(symbol, (node, dim))
    return found


class Origins:
    """The origins of symbols in some nodes of a graph.

    Attributes:
        carried: for a symbol of what a loop carries, as its body has it: the loop and its graph.
    """

    def __init__(
        self,
        root: fx.GraphModule,
        nodes: Iterable[tuple[fx.GraphModule, fx.Node]],
        known: dict[sympy.Symbol, Origin],
    ) -> None:
        """Looks at the nodes.

        Args:
            root: the outermost graph.
            nodes: what is looked at, each with its graph.
            known: symbols of which nobody asks where they come from.
        """
        self._root = root
        self._makers: dict[sympy.Symbol, list[Maker]] = {}
        self._counts = {symbol for symbol, (_, dim) in known.items() if dim is not None}
        self.carried: dict[sympy.Symbol, tuple[fx.GraphModule, fx.Node]] = {}
        for module, node in nodes:
            self._look(module, node, known)

    def _look(self, module: fx.GraphModule, node: fx.Node, known: Collection[sympy.Symbol]) -> None:
        for dim, symbol in symbols_in(node.meta.get("val"), flags=True):
            if dim is not None:
                self._counts.add(symbol)
            if node.op == "call_function" and symbol not in known:
                self._makers.setdefault(symbol, []).append(Maker(node, module, dim))
        if node.target is loop:
            ((_, inputs),) = parts(module, node)
            self._counts.update(symbol for _, symbol in symbols_in(inputs[0].meta.get("val")))
            for placeholder in inputs[: 1 + len(node.args[3])]:  # type: ignore[arg-type]
                for _, symbol in symbols_in(placeholder.meta.get("val")):
                    if symbol not in known:
                        self.carried.setdefault(symbol, (module, node))

    def makers(self, symbol: sympy.Symbol) -> list[Maker]:
        """Every node that has a symbol as a size, or is that number."""
        return self._makers.get(symbol, [])

    def numbers(self) -> Iterator[tuple[sympy.Symbol, fx.Node]]:
        """The symbols that are numbers first of all, each with the node that computes it."""
        for symbol, (first, *_) in self._makers.items():
            if first.dim is None:
                yield symbol, first.node

    def computed(self, symbol: sympy.Symbol) -> list[Maker]:
        """The nodes of which one may ask how large a symbol is.

        What the root computes is always computed; in a body, only the first is what makes it.
        """
        makers = self.makers(symbol)
        return [maker for maker in makers if maker.module is self._root] or makers[:1]

    def least(self, expr: sympy.Expr) -> int | None:
        """A lower bound of an expression, where no size is below 0; None where none is known."""
        ranges = {s: (0 if s in self._counts else None, None) for s in expr.free_symbols}
        try:
            found = bounds_within(expr, ranges)[0]
        except Exception:  # a function that PyTorch's interval arithmetic does not know
            return None
        return None if found is None or not found.is_Integer else int(found)

    def never_negative(self, expr: sympy.Expr) -> bool:
        """Whether an expression is certainly not below 0."""
        least = self.least(expr)
        return least is not None and least >= 0
