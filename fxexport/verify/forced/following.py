"""Runs the program with decisions forced, and all that hangs on them decided as in the graph.

The graph knows a condition by its value: where it is forced, whatever is made of that value
follows, a flag that says that a loop was left, or the same condition asked again. The program asks
its own tensors again. So it runs until it decides as the graph does, each time with more forced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from fxexport.graph.decisions import ProgramRead
from fxexport.graph.paths import Path
from fxexport.graph.values import Eager
from fxexport.source.decisions import Decision
from fxexport.verify.forced.controls import Control
from fxexport.verify.forced.plan import Forcing
from fxexport.verify.forced.program import ForcedProgram

__all__ = ["Astray", "Followed", "follow", "sides_taken"]

_ROUNDS = 4


class Astray(Exception):
    """The program does not go where the graph goes; the text says why."""


class Followed(NamedTuple):
    """The last run of the program.

    Attributes:
        outputs: what it gave.
        decisions: what was forced in it.
        alike: whether it decided as the graph did, as far as both tell.
    """

    outputs: list[Eager]
    decisions: Mapping[Decision, bool | int]
    alike: bool


def sides_taken(
    controls: Mapping[Path, Control], seen: Collection[tuple[Path, str]]
) -> dict[Decision, set[bool]]:
    """What a run of the graph has decided at ifs of the program."""
    sides: dict[Decision, set[bool]] = {}
    for path, side in seen:
        control = controls.get(path)
        decides = control.decides if control is not None else None
        if decides is not None and not decides.decision.is_loop and side in ("then", "else"):
            sides.setdefault(decides.decision, set()).add(side == "then")
    return sides


def follow(
    program: ForcedProgram,
    run: Callable[[], Sequence[Eager]],
    forcing: Forcing,
    sides: Mapping[Decision, set[bool]],
    read: ProgramRead,
    most: int,
) -> Followed:
    """Runs the program until it decides as the graph.

    Args:
        program: forces its decisions.
        run: calls it.
        forcing: what is forced at first.
        sides: what the graph has decided.
        read: what was decided at export, and is not in the graph.
        most: how many decisions it may take.

    Raises:
        Astray: it does not come where the graph comes.
        Exception: whatever the program raises.
    """
    forced = dict(forcing.decisions)
    folded, plain = read.folded, read.plain
    for _ in range(_ROUNDS):
        with program.forced(forced, most):
            outputs = list(run())
        taken = program.decider.taken
        more, alike = _unlike(taken, forced, sides, folded)
        if not more:
            break
        forced.update(more)
    else:
        alike = False
    for decision, outcome in forcing.decisions.items():
        if decision not in taken and decision in plain:
            if bool(outcome) not in program.decider.unforced.get(decision, ()):
                raise Astray(f"Python alone decides line {decision.line}")
            alike = False
        elif decision not in taken:
            raise Astray(f"PyTorch does not come to line {decision.line} then")
        elif decision.is_loop and taken[decision] != {outcome}:
            raise Astray(f"something else ends the loop at line {decision.line} before")
    return Followed(outputs, forced, alike and not program.decider.contradicted)


def _unlike(
    taken: Mapping[Decision, set[bool | int]],
    forced: Mapping[Decision, bool | int],
    sides: Mapping[Decision, set[bool]],
    folded: Mapping[Decision, Collection[bool]],
) -> tuple[dict[Decision, bool], bool]:
    """Decisions to force as well, and whether all others are as in the graph."""
    more: dict[Decision, bool] = {}
    alike = True
    for decision, outcomes in taken.items():
        if decision in forced or decision.is_loop:
            continue
        kept, known = sides.get(decision), set(folded.get(decision, ()))
        if kept is None and not known:
            continue  # the graph does without it
        allowed = (kept or set()) | known
        if outcomes == allowed or (not known and outcomes <= allowed and len(allowed) > 1):
            continue
        if len(allowed) == 1:
            more[decision] = next(iter(allowed))
        else:
            alike = False
    return more, alike
