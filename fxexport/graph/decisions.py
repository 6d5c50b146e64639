"""Which decision of the program a branch or loop stands for, and the functions that were read."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType

from fxexport.graph.marks import Mark
from fxexport.source.decisions import Decision

__all__ = ["ASKED", "DECIDES", "Decides", "ProgramRead"]


@dataclass(frozen=True)
class Decides:
    """What a branch or loop decides.

    Attributes:
        decision: where the program decides it.
        trips: of a loop, the iterations that the program has made before the node. A branch that
            stands for a loop asks whether there are more.
    """

    decision: Decision
    trips: int = 0


# On a branch or loop.
DECIDES: Mark[Decides] = Mark("decides")

# On a condition: the decisions of the program that have been taken on it. Where nothing is left to
# choose, no branch is, and what comes of it hangs on the condition itself.
ASKED: Mark[tuple[Decision, ...]] = Mark("asked")


@dataclass(frozen=True)
class ProgramRead:
    """What capture has read of the program.

    Attributes:
        functions: the functions whose source was rewritten, as they were.
        folded: decisions that capture has taken itself, on tensors and numbers that the run
            knows; all outcomes that it has found.
        plain: decisions that Python alone has taken at some time, which no run changes.
    """

    functions: Sequence[weakref.ref[FunctionType]] = ()
    folded: Mapping[Decision, frozenset[bool]] = field(default_factory=dict)
    plain: frozenset[Decision] = frozenset()
