"""What must be true of a value that a line of the program reads or iterates over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.session import Poison, Session
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import Maybe, force, narrowed
from fxexport.capture.values.uncertain_keys import is_iterator, settled
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["read", "whole", "whole_all"]


def read(value: object) -> Any:
    """A read of a variable that branches or loops may bind.

    Raises:
        UnsupportedError: the variable has no single value here.
    """
    if type(value) is Poison:
        raise value.refuse()
    if type(value) is Maybe:
        return force(value) if value.absent is UNSET else narrowed(value)
    if type(value) is Choice:
        return narrowed(value)
    return value


def whole(session: Session, value: object) -> Any:
    """A value that Python iterates over now: it is there, with all keys, and not used up.

    Raises:
        UnsupportedError: that depends on the path through a branch or loop.
    """
    value = settled(force(value))
    if is_iterator(value) and not session.journal.advance(value):
        raise UnsupportedError(
            "an iterator is advanced here and also in a branch or loop that may not be taken",
            code=Code.USED_ITERATOR,
            location=user_location(),
            hint="take the items into a list before, and index it",
        )
    return value


def whole_all(session: Session, values: Iterable[object]) -> None:
    """`whole` for the arguments of a function that may iterate over them."""
    for value in values:
        if not isinstance(value, (Maybe, Choice)):
            whole(session, value)
