"""Text made of numbers and tensors that are known only when the model runs.

Such text is fit for messages, and to look something up whose names are known: then the number
decides. On anything else that is made of it nothing may be decided. A character that nobody sees
marks it, through concatenation and formatting; errors and reports leave it out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch

from fxexport.codes.ids import Code
from fxexport.errors import INVISIBLE, UnsupportedError
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = [
    "OpenText",
    "is_open_text",
    "joined_text",
    "number_in",
    "numbers_for",
    "refuse_deciding",
    "refuse_open_text",
    "text_of",
]

_MARK = INVISIBLE

# What a text is made of: constant text, and what is known when the model runs.
_Number: TypeAlias = torch.SymInt | torch.SymBool
_Parts: TypeAlias = Sequence[str | _Number]
_BOOLS = {"True": True, "False": False}
_FORMS = {torch.SymInt: r"(0|-?[1-9]\d*)", torch.SymBool: "(True|False)"}


class OpenText(str):
    """Text for a symbolic number; a format for numbers changes nothing about it.

    Attributes:
        parts: what it is made of; empty where that is not known.
        fx_location: the line that has made it.
    """

    __slots__ = ("fx_location", "parts")
    parts: tuple[str | _Number, ...]
    fx_location: SourceLocation | None

    def __format__(self, spec: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)  # in an f-string with ``!r``

    def startswith(self, prefix: Any, *bounds: Any) -> bool:
        """Whether the text begins so, where its constant beginning says it."""
        first = self.parts[0] if self.parts else ""
        if isinstance(first, str) and isinstance(prefix, str) and not bounds:
            if len(first) >= len(prefix):
                return first.startswith(prefix)
            if not prefix.startswith(first):
                return False
        raise _refused()

    def endswith(self, suffix: Any, *bounds: Any) -> bool:
        """Whether the text ends so, where its constant end says it."""
        last = self.parts[-1] if self.parts else ""
        if isinstance(last, str) and isinstance(suffix, str) and not bounds:
            if len(last) >= len(suffix):
                return last.endswith(suffix)
            if not suffix.endswith(last):
                return False
        raise _refused()


def _refusing(self: OpenText, *args: object, **kwargs: object) -> Any:
    raise _refused()


# Methods that decide something on the words that stand for the text.
_DECIDING = (
    "count", "encode", "find", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit",
    "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper",
    "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "split",
    "splitlines",
)  # fmt: skip
for _name in (
    *_DECIDING, "__lt__", "__le__", "__gt__", "__ge__", "__contains__", "__getitem__", "__len__",
    "__iter__",
):  # fmt: skip
    setattr(OpenText, _name, _refusing)


def text_of(words: str = "...", parts: _Parts = ()) -> OpenText:
    """Text for what is known only when the model runs.

    Args:
        words: what will stand there, in words.
        parts: what it is made of, where nothing else is.
    """
    plain = str.__str__(words)
    text = OpenText(plain if plain.startswith(_MARK) else f"{_MARK}{plain}")
    text.parts = tuple(parts)
    text.fx_location = user_location()
    return text


def joined_text(pieces: Sequence[str]) -> str:
    """Pieces of text one behind the other."""
    whole = "".join(pieces)
    if _MARK not in whole:
        return whole
    parts: list[str | _Number] = []
    for piece in pieces:
        if not isinstance(piece, OpenText) and _MARK in piece:
            return text_of(whole)
        known = piece.parts if isinstance(piece, OpenText) else (str(piece),)
        if not known:
            return text_of(whole)
        for part in known:
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            elif not isinstance(part, str) or part:
                parts.append(part)
    return text_of(whole, parts)


def number_in(value: object) -> Any:
    """The number that text stands for, where it is made of one integer; any other value as it is.

    Raises:
        UnsupportedError: it is made of a number that only the run knows, and of something else.
    """
    if isinstance(value, OpenText) and len(value.parts) == 1:
        (part,) = value.parts
        if isinstance(part, torch.SymInt):
            return part
    refuse_open_text(value)
    return value


def numbers_for(text: OpenText, wanted: str) -> list[tuple[_Number, int]] | None:
    """What the numbers in a text are where it is a wanted one.

    Returns:
        None where it cannot be.

    Raises:
        UnsupportedError: it is made of other things, or its numbers run together.
    """
    if not text.parts or not _is_clear(text.parts):
        refuse_open_text(text)
    pattern = "".join(
        re.escape(part) if isinstance(part, str) else _FORMS[type(part)] for part in text.parts
    )
    found = re.fullmatch(pattern, wanted)
    if found is None:
        return None
    numbers = [part for part in text.parts if not isinstance(part, str)]
    values = [_BOOLS[text] if text in _BOOLS else int(text) for text in found.groups()]
    return list(zip(numbers, values, strict=True))


def _is_clear(parts: _Parts) -> bool:
    """Whether a text says where each of its numbers ends: no digit follows one."""
    return all(
        isinstance(number, str) or (isinstance(after, str) and not after[:1].isdigit())
        for number, after in itertools.pairwise(parts)
    )


def is_open_text(value: object) -> bool:
    """Whether text is made of what is known only when the model runs."""
    return isinstance(value, OpenText) or (isinstance(value, str) and _MARK in value)


def refuse_open_text(value: object) -> None:
    """Refuses marked text where something would be decided on it.

    Raises:
        UnsupportedError: the value is text made of a symbolic number.
    """
    if is_open_text(value):
        raise _refused()


def refuse_deciding(method: str, args: Iterable[object]) -> None:
    """Refuses a method of known text that decides something on marked text.

    Raises:
        UnsupportedError: it is given some.
    """
    if method not in (*_DECIDING, "startswith", "endswith", "replace", "strip"):
        return
    for arg in args:
        for text in arg if isinstance(arg, tuple) else (arg,):
            refuse_open_text(text)


def _refused() -> UnsupportedError:
    return UnsupportedError(
        "text made of a number that is known only when the model runs decides something",
        code=Code.TEXT,
        location=user_location(),
        hint="compare the number itself",
    )
