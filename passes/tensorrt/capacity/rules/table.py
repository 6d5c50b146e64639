"""How the rules of one file are entered."""

from __future__ import annotations

from collections.abc import Callable

from fxexport.passes.rewriting.rule_table import RuleTable as _RuleTable
from fxexport.passes.tensorrt.capacity.values.open_tensors import Dims, Result

__all__ = ["Rule", "RuleTable", "dims_of", "positive"]


# Writes an operator with open tensors; it is called as the operator is, behind the writer and the
# captured node.
Rule = Callable[..., Result]


class RuleTable(_RuleTable[Rule]):
    """The rules of one file, by operator."""


def positive(dim: int, rank: int) -> int:
    """A dimension counted from the front."""
    return dim % rank if rank else 0


def dims_of(dims: Dims, rank: int) -> list[int]:
    """Dimensions counted from the front; all where none are given."""
    if dims is None or dims == []:
        return list(range(rank))
    given = [dims] if isinstance(dims, int) else list(dims)
    return [positive(d, rank) for d in given]
