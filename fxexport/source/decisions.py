"""Where the program decides: the ifs, loops and operands of its source."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from fxexport.source.ownership import is_of_fxexport

__all__ = ["Decision", "DecisionKind", "Decisions", "Place"]

# The variable that rewritten code calls the operators by.
_RUNTIME = "_fx_"

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


class Decisions:
    """The decisions that one capture meets.

    Attributes:
        folded: those on tensors and symbolic numbers that were known at export, with the outcomes.
        plain: those that Python alone has taken, at some time.
    """

    def __init__(self) -> None:
        self.folded: dict[Decision, set[bool]] = {}
        self.plain: set[Decision] = set()

    def at(
        self, place: Place | None, kind: DecisionKind, operands_left: int = 0
    ) -> Decision | None:
        """The decision at a place of the rewritten function that has called an operator.

        Args:
            place: its line and column; None for what is no decision of the program's.
            kind: what it is.
            operands_left: of an operand, how many are behind it.
        """
        if place is None:
            return None
        frame = sys._getframe(1)
        while _RUNTIME not in frame.f_code.co_freevars:
            if frame.f_back is None:
                return None
            frame = frame.f_back
        file = frame.f_code.co_filename
        return None if is_of_fxexport(file) else Decision(file, *place, kind, operands_left)

    def known(self, decision: Decision | None, outcome: bool, *, by_run: bool) -> None:
        """Notes a decision that was taken at export.

        Args:
            decision: it; None for what is none of the program's.
            outcome: how it was taken.
            by_run: whether it asks what the run decides, which was known all the same.
        """
        if decision is None:
            return
        if by_run:
            self.folded.setdefault(decision, set()).add(outcome)
        else:
            self.plain.add(decision)
