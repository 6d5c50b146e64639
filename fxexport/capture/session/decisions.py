"""What one capture notes of the places where the program decides."""

from __future__ import annotations

import sys

import torch

from fxexport.capture.recording.types import SYM
from fxexport.source.decisions import Decision, DecisionKind, Place
from fxexport.source.ownership import is_of_fxexport

__all__ = ["Decisions"]

# The variable that rewritten code calls the operators by.
_RUNTIME = "_fx_"


class Decisions:
    """The decisions met so far.

    Attributes:
        folded: those on tensors and symbolic numbers that were known at export.
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

    def known(self, decision: Decision | None, asked: object, outcome: bool) -> None:
        """Notes a decision that was taken at export, on what was asked."""
        if decision is None:
            return
        if isinstance(asked, (torch.Tensor, *SYM)):
            self.folded.setdefault(decision, set()).add(outcome)
        else:
            self.plain.add(decision)
