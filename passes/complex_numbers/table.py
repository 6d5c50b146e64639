"""What a rule for an operator on complex numbers is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from fxexport.passes.complex_numbers.pairs import Pair
from fxexport.passes.rewriting.rule_table import RuleTable as _RuleTable
from torch import fx

__all__ = ["Result", "Rule", "RuleTable"]

Result: TypeAlias = Pair | fx.Node | Sequence["Pair | fx.Node"]
"""What an operator becomes: a complex value, a real node, or one of them for each result."""

# It is called as the operator is, behind the writer; complex arguments are pairs.
Rule = Callable[..., Result]


class RuleTable(_RuleTable[Rule]):
    """The rules of one file, by operator."""
