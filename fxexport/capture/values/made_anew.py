"""Values without parts that are other ones in each iteration of a loop, so that none is carried."""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType

from fxexport.capture.recording.types import Value
from fxexport.capture.session.session import Session
from fxexport.capture.values.containers import parts_of
from fxexport.capture.values.kinds import describe, leaf_kind
from fxexport.capture.values.uncertain_keys import is_iterator

__all__ = ["made_anew"]


def made_anew(session: Session, value: Value, since: int, known: Sequence[Value]) -> str:
    """What a value is that each iteration makes anew and that has no parts.

    Args:
        session: the capture.
        value: what an iteration leaves.
        since: the journal's number when the loop began.
        known: what earlier iterations have left.

    Returns:
        Words for it; empty for any other value.
    """
    if leaf_kind(value) is not None or parts_of(value) is not None:
        return ""
    if is_iterator(value):
        return "an iterator"
    if session.journal.born(value) <= since:
        return ""
    if type(value) is FunctionType:
        return "a function" if _sees_new_variables(session, value, since, known) else ""
    ours = type(value).__module__.startswith("fxexport.")
    return "an iterator" if ours else describe(value)


def _sees_new_variables(
    session: Session, function: FunctionType, since: int, known: Sequence[Value]
) -> bool:
    """Whether it sees variables that an iteration makes; other functions do the same in all."""
    cells = function.__closure__ or ()
    if any(session.journal.born_cell(cell) > since for cell in cells):
        return True
    return any(
        type(other) is FunctionType and other.__code__ is function.__code__ for other in known
    )
