"""What is known of the exceptions of the user's program while it is captured."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TypeVar

from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation
from fxexport.source.ownership import is_of_fxexport

__all__ = [
    "ExceptionNote",
    "attributes_of",
    "copy_note",
    "errors_of_the_program",
    "note_location",
    "note_of",
    "note_raised",
    "raised_by_fxexport",
    "raising_code",
]

_NOTE = "__fxexport_note__"
_OF_PROGRAMS = (
    LookupError, AttributeError, TypeError, ValueError, ArithmeticError, StopIteration,
)  # fmt: skip
_Raised = TypeVar("_Raised", bound=BaseException)


@dataclass(frozen=True)
class ExceptionNote:
    """What capture notes on an exception; one that has a note is an error of the program's.

    Attributes:
        location: the line that raised it, None where it was not noted.
        raised: whether the program raises it itself there (a raise or assert statement, a read of
            something that is missing), so that it says how this path ends.
        stated: whether it is given to a raise statement.
    """

    location: SourceLocation | None = None
    raised: bool = False
    stated: bool = False


def note_of(error: BaseException) -> ExceptionNote | None:
    """The note on an exception; None where there is none."""
    note = vars(error).get(_NOTE)
    return note if isinstance(note, ExceptionNote) else None


def note_raised(
    error: _Raised, location: SourceLocation | None = None, *, stated: bool = False
) -> _Raised:
    """Notes that the program raises an exception itself, at a line (by default its present one)."""
    vars(error)[_NOTE] = ExceptionNote(location or user_location(), raised=True, stated=stated)
    return error


def copy_note(error: BaseException, other: _Raised) -> _Raised:
    """Gives another exception the note of one."""
    note = note_of(error)
    if note is not None:
        vars(other)[_NOTE] = note
    return other


def attributes_of(error: BaseException) -> dict[str, object]:
    """The attributes of an exception, without our note."""
    return {name: value for name, value in vars(error).items() if name != _NOTE}


def note_location(error: BaseException) -> None:
    """Notes that an exception comes from the present line, unless its line is known."""
    if note_of(error) in (None, ExceptionNote()):
        vars(error)[_NOTE] = ExceptionNote(user_location())


@contextlib.contextmanager
def errors_of_the_program() -> Iterator[None]:
    """Around a line of ours that does what a line of the program says."""
    try:
        yield
    except _OF_PROGRAMS as error:
        vars(error).setdefault(_NOTE, ExceptionNote())
        raise


def raised_by_fxexport(error: BaseException) -> bool:
    """Whether an exception comes from a line of ours: a bug of fxexport, not of the model."""
    if note_of(error) is not None:
        return False
    code = raising_code(error)
    return code is not None and is_of_fxexport(code.co_filename)


def raising_code(error: BaseException) -> CodeType | None:
    """The code whose line has raised an exception; None where it was not raised."""
    last, traceback = None, error.__traceback__
    while traceback is not None:
        last, traceback = traceback, traceback.tb_next
    return None if last is None else last.tb_frame.f_code
