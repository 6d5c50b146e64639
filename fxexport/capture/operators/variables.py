"""The variables of rewritten functions, reached through the cells of their closures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import CellType, FunctionType
from typing import Any

from fxexport.capture.session.journal import CellSlot, GlobalSlot, Slot
from fxexport.source.exceptions import copy_note, raising_code

__all__ = ["cells_of", "flag_of", "local_names", "slots_of"]


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
