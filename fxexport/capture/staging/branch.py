"""Stages an `if`: both paths are recorded, what they leave is merged, one node is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import fx

from fxexport.capture.recording.types import Operand, Undecided, Value
from fxexport.capture.session.journal import Slot
from fxexport.capture.session.session import Session
from fxexport.capture.staging.join import Path, join
from fxexport.capture.staging.raise_sites import assume_not_raised, raise_left_over, raise_where
from fxexport.capture.staging.raised_paths import record_path
from fxexport.capture.values.maybe import narrowed
from fxexport.graph.decisions import ASKED, Decides
from fxexport.source.decisions import Decision
from fxexport.source.exceptions import note_of
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = ["stage_branch"]


def stage_branch(
    session: Session,
    condition: Undecided,
    then: Callable[[], Value],
    other: Callable[[], Value],
    slots: Sequence[Slot] = (),
    *,
    apart: bool = False,
    copies: bool = False,
    decides: Decides | None = None,
) -> Value:
    """Records both paths of a branch on a symbolic condition and merges them.

    Args:
        session: the capture.
        condition: a SymBool or 0-d bool tensor.
        then: runs the path taken when the condition holds.
        other: runs the other path.
        slots: variables that either path may bind.
        apart: whether an object that was there before stays what it is in the result: a choice.
        copies: whether objects and tensors are merged whatever the place.
        decides: the decision of the program that it stands for, where it does.

    Returns:
        The merged result of the two callables.
    """
    location = user_location()
    condition_node = session.node_of(condition)
    if decides is not None:
        _note_asked(condition_node, decides.decision)
    paths = (
        record_path(session, then, slots, condition, True),
        record_path(session, other, slots, condition, False),
    )
    if paths[0].refused or paths[1].refused:
        result = next(path.result for path in paths if path.refused)
        for slot in slots:
            slot.set(result)
        return result
    if paths[0].raised or paths[1].raised:
        return _assertion(session, condition, paths, (then, other), location)
    result = join(
        session,
        condition,
        condition_node,
        paths,
        slots,
        apart=apart,
        copies=copies,
        location=location,
        decides=decides,
    )
    if session.tries.raised.get() is None:
        return result
    raise_left_over(session)
    return narrowed(result)


def _note_asked(condition: Operand, decision: Decision) -> None:
    """Marks a condition with a decision that is taken on it, whatever comes of the branch."""
    if isinstance(condition, fx.Node) and not decision.is_loop:
        ASKED.put(condition, (*(ASKED.of(condition) or ()), decision))


def _assertion(
    session: Session,
    condition: Undecided,
    paths: tuple[Path, Path],
    runs: tuple[Callable[[], Value], Callable[[], Value]],
    location: SourceLocation | None,
) -> Value:
    """One path only raises: the other is taken, and where the first is taken is kept apart.

    Unless the program may catch the exception, the file takes the condition for granted.
    """
    raised = [*paths[0].raised, *paths[1].raised]
    caught = any(map(session.tries.may_catch, raised))
    if paths[0].raised and paths[1].raised and not caught:
        raise paths[1].raised[0]
    error = raised[0]
    note = note_of(error)
    line = (note.location if note is not None else None) or location
    for path in reversed(paths):
        path.body.discard()
    keep = 1 if paths[0].raised else 0
    if caught:
        kinds = [type(one) for one in paths[1 - keep].raised]
        raise_where(session, condition, keep == 1, runs[1 - keep], kinds, line)
    else:
        assume_not_raised(session, condition, keep == 1, error, line, location)
    return runs[keep]()
