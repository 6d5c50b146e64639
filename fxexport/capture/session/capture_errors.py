"""Exceptions of a capture: which line they come from, and which of them only capture raises."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from fxexport import _torch_compat as compat
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_of
from fxexport.source.frames import frames_of_traceback, user_location
from fxexport.source.location import SourceLocation

__all__ = ["in_words", "line_of", "refusal_of", "unsaid", "without_names", "words_of"]

# How PyTorch writes numbers that have no value while a model is captured (in "4xu0" as well).
_SYMBOL = re.compile(r"(?<![^\Wx\d])(?:u|zuf)\d+(?![^\Wx])")
_TYPES = re.compile(r"Sym(Int|Float|Bool|Node)")


@functools.cache
def unsaid(text: str) -> Unsaid:
    """What stands for the text of an exception, one for each that was expected."""
    return Unsaid(text)


class Unsaid:
    """Stands for the text of an exception that Python or PyTorch raises in words of its own."""

    def __init__(self, text: str) -> None:
        """`text` says in ours what was expected."""
        self.fx_text = text

    def _read(self, *args: object) -> Any:
        raise UnsupportedError(
            f"the text of an exception that Python or PyTorch raises is read here ({self.fx_text})",
            code=Code.EXCEPTION,
            location=user_location(),
            hint="test the condition with an if, and raise the exception there",
        )

    __str__ = __repr__ = __format__ = __eq__ = __hash__ = __len__ = __iter__ = _read
    __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __contains__ = __getitem__ = _read


def words_of(error: BaseException) -> str:
    """The text of an exception; ours where it stands for one of Python's."""
    said = next((arg for arg in error.args if isinstance(arg, Unsaid)), None)
    return str(error) if said is None else said.fx_text


def line_of(error: BaseException) -> SourceLocation | None:
    """The user's line that an exception comes from."""
    note = note_of(error)
    if note is not None and note.location is not None:
        return note.location
    return next(iter(frames_of_traceback(error.__traceback__)), None)


def in_words(text: str, names: Mapping[str, str]) -> str | None:
    """A text of PyTorch's with the names that the user knows in place of its own.

    Returns:
        None where it is about a number that has no name, or about how capture writes numbers.
    """
    named = _SYMBOL.sub(lambda found: names.get(found[0], found[0]), text)
    return None if _SYMBOL.search(named) or _TYPES.search(named) else named


def without_names(text: str, names: Mapping[str, str]) -> str:
    """`in_words`, with a question mark for a number that has no name."""
    return _SYMBOL.sub(lambda found: names.get(found[0], "?"), text)


def refusal_of(
    error: Exception, location: SourceLocation | None, names: Mapping[str, str] | None = None
) -> UnsupportedError | None:
    """The refusal for what PyTorch and Python raise only while a model is captured.

    Args:
        error: the exception.
        location: the user's line.
        names: what the user calls sizes, by PyTorch's names.
    """
    if isinstance(error, RecursionError):
        return UnsupportedError(
            "a recursion whose end is known only when the model runs",
            code=Code.RECURSION,
            location=location,
            hint="write it as a loop",
        )
    if (
        isinstance(error, TypeError)
        and "unhashable type" in words_of(error)
        and "Sym" in words_of(error)
    ):
        return UnsupportedError(
            "a number that is known only when the model runs is used as a key",
            code=Code.VALUE_NEEDED,
            location=location,
            hint="decide with if, or index a tensor",
        )
    note = note_of(error)
    own_words = note is not None and note.raised
    if isinstance(error, compat.GuardOnDataDependentSymNode) or (
        not own_words and in_words(words_of(error), names or {}) is None
    ):
        return UnsupportedError(
            "PyTorch cannot work this out for sizes known only when the model runs",
            code=Code.SIZE_DECIDES,
            location=location,
            hint="make the dimensions static, or write the line with other operators",
        )
    if isinstance(error, compat.NO_FAKE_RESULT):
        return UnsupportedError(
            f"PyTorch cannot say what {error} gives here without the values of the tensors, which "
            "are known only when the model runs",
            code=Code.SIZE_DECIDES,
            location=location,
            hint="write the line with other operators",
        )
    return None
