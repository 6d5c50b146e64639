"""Bringing one dimension of a tensor to the end, and back."""

from __future__ import annotations

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value

__all__ = ["from_end", "to_end"]


def to_end(op: OpBuilder, x: Value, dim: int) -> Value:
    """A dimension, counted from the front, brought to the end."""
    if dim == x.rank - 1:
        return x
    others = [k for k in range(x.rank) if k != dim]
    return op.one("Transpose", x, perm=[*others, dim])


def from_end(op: OpBuilder, x: Value, dim: int) -> Value:
    """The last dimension brought to its place."""
    if dim == x.rank - 1:
        return x
    perm = list(range(x.rank - 1))
    perm.insert(dim, x.rank - 1)
    return op.one("Transpose", x, perm=perm)
