"""Which guards ask for relations between input sizes."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from torch import fx

from fxexport.capture.sizes.proofs import expression_text
from fxexport.graph.marks import RELATION
from fxexport.graph.ops import guard

__all__ = ["name_relations"]


def name_relations(root: fx.Graph, dimensions: Mapping[sympy.Symbol, str]) -> None:
    """Says on guards of the root which relation they ask for, in the form of a `Constraint`.

    Args:
        root: the root's graph.
        dimensions: symbol of an input dimension -> its name.
    """
    for node in root.find_nodes(op="call_function", target=guard):
        fact: sympy.Basic | None = node.meta.get("fact")
        if fact is None or not fact.free_symbols <= dimensions.keys():
            continue
        symbols = sorted(fact.free_symbols, key=lambda symbol: dimensions[symbol])
        numbered = {symbol: f"d{k}" for k, symbol in enumerate(symbols)}
        names = tuple(dimensions[symbol] for symbol in symbols)
        RELATION.put(node, (names, expression_text(fact, numbered)))
