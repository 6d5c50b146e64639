"""Where the program decides: the ifs, loops and operands of its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Decision", "DecisionKind", "Place"]

DecisionKind = Literal["if", "if_exp", "and", "or", "comp_if", "while", "for"]

# A line and a column, as Python's syntax trees have them.
Place = tuple[int, int]


@dataclass(frozen=True)
class Decision:
    """One place where the program decides; it may come by often.

    Attributes:
        file: the source file.
        line: line number, from 1.
        column: where its syntax begins, in bytes.
        kind: what it is: an if statement, a conditional expression, an operand of `and` or `or`,
            an if in a comprehension, a loop.
        operands_left: of an operand, how many are behind it.
    """

    file: str
    line: int
    column: int
    kind: DecisionKind
    operands_left: int = 0

    @property
    def is_loop(self) -> bool:
        """Whether it decides how often something is done."""
        return self.kind in ("while", "for")
