"""Sizes and numbers as sympy expressions, and the symbols in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy
import torch
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import raw_expression

__all__ = [
    "expression_of",
    "part_of",
    "plain_symbol",
    "symbols_in",
    "symbols_of",
]


def expression_of(value: object) -> sympy.Expr:
    """The expression of a size or whole number.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, torch.SymInt) and not is_concrete_int(value):
        return raw_expression(value)
    if isinstance(value, (int, torch.SymInt)):
        return sympy.Integer(int(value))
    raise TypeError(f"expected a size or a whole number, got {type(value).__name__}")


def plain_symbol(size: object) -> sympy.Symbol | None:
    """The symbol that a size is; None for numbers and for what is computed."""
    if not isinstance(size, torch.SymInt) or is_concrete_int(size):
        return None
    expr = raw_expression(size)
    return expr if expr.is_Symbol else None


def symbols_of(value: object) -> set[sympy.Symbol]:
    """The symbols in the expression of a number or flag."""
    if not isinstance(value, (torch.SymInt, torch.SymBool, torch.SymFloat)):
        return set()
    return set(raw_expression(value).free_symbols)


def part_of(val: object, dim: int | None) -> Any:
    """One size of a tensor, or without a dimension the number itself."""
    if dim is None:
        return val
    assert isinstance(val, torch.Tensor)
    return val.shape[dim]


def symbols_in(val: object, *, flags: bool = False) -> Iterator[tuple[int | None, sympy.Symbol]]:
    """The sizes of a value, or the number itself, that are a symbol and nothing else.

    Args:
        val: the metadata of a value.
        flags: whether the symbol of a flag is wanted too, which PyTorch writes as ``symbol == 1``.

    Yields:
        The dimension, None for a number or flag; and the symbol.
    """
    if isinstance(val, torch.Tensor):
        for dim, size in enumerate(val.shape):
            if (symbol := plain_symbol(size)) is not None:
                yield dim, symbol
    elif isinstance(val, torch.SymBool) and flags:
        expr = raw_expression(val)
        if expr.func.__name__ == "Equality" and expr.args[0].is_Symbol and expr.args[1] == 1:
            yield None, expr.args[0]
    elif (symbol := plain_symbol(val)) is not None:
        yield None, symbol
