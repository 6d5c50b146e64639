"""The variables of rewritten functions, reached through their cells, and what is read of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from types import CellType, FunctionType
from typing import Any

from fxexport.capture.session.journal import UNSET, CellSlot, GlobalSlot, Slot
from fxexport.capture.session.session import Poison, Session
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import Maybe, force, narrowed
from fxexport.capture.values.uncertain_keys import is_iterator, settled
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import copy_note, raising_code
from fxexport.source.frames import user_location

__all__ = ["cells_of", "flag_of", "local_names", "read", "slots_of", "whole", "whole_all"]


def cells_of(*functions: object) -> dict[str, CellType]:
    """The free variables of closures, by name."""
    cells: dict[str, CellType] = {}
    for function in functions:
        if isinstance(function, FunctionType):
            cells.update(
                zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
            )
    return cells


def slots_of(
    functions: tuple[Any, ...], names: tuple[str, ...], globals_: tuple[str, ...] = ()
) -> list[Slot]:
    """The slots of the named local and global variables that closures share."""
    cells = cells_of(*functions)
    slots: list[Slot] = [CellSlot(cells[name], name) for name in names if name in cells]
    slots.extend(GlobalSlot(functions[0].__globals__, name) for name in globals_)
    return slots


def flag_of(body: object, name: str | None) -> Slot | None:
    """The slot of the flag that a break sets; None for a loop without one."""
    return CellSlot(cells_of(body)[name], name) if name is not None else None


@contextlib.contextmanager
def local_names() -> Iterator[None]:
    """Around closures of ours: a variable of theirs that is not bound is a local one in Python.

    Raises:
        UnboundLocalError: for the NameError that a closure raises.
    """
    try:
        yield
    except NameError as error:
        code = raising_code(error)
        ours = code is not None and code.co_name.startswith("_fx_")
        if type(error) is not NameError or not ours:
            raise
        text = (
            f"cannot access local variable {error.name!r} where it is not associated with a value"
        )
        raise copy_note(error, UnboundLocalError(text, name=error.name)) from None


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
