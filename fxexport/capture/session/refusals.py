"""What stands for values that a program cannot have, and what asks for another attempt."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NoReturn

import sympy

from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = [
    "AliasRefused",
    "CaseNeeded",
    "EnoughRefused",
    "MergeRefused",
    "PinNeeded",
    "Place",
    "Poison",
    "RankTaken",
    "Way",
    "is_out_of_date",
    "rank_taken",
]

Place = tuple[SourceLocation | None, str]
"""Where values are merged: the line of a branch or loop, and the name of what holds them."""

Way = tuple[int, str]
"""A branch, and which of its paths: what is noted of it is so where that path is taken."""


class MergeRefused(UnsupportedError):
    """What was merged had to stay what it was on each path.

    Capture starts again, and leaves it a choice between the objects or tensors themselves.

    Attributes:
        places: where it was merged.
    """

    _code = Code.OTHER_NAME

    def __init__(
        self, message: str, places: frozenset[Place], location: SourceLocation | None, hint: str
    ) -> None:
        super().__init__(message, location=location, hint=hint, code=self._code)
        self.places = places


class AliasRefused(MergeRefused):
    """What was merged is written, or asked for its identity, and has another name on some paths."""


class RankTaken(MergeRefused):
    """A result has the rank of another path where it is empty."""

    _code = Code.RESULT


def rank_taken(what: str, places: Iterable[Place]) -> RankTaken:
    """The refusal where it shows that an empty tensor has another path's rank.

    Args:
        what: what has that rank.
        places: where it was merged.
    """
    found = frozenset(places)
    return RankTaken(
        f"{what} has another number of dimensions where it has no elements",
        found,
        next((line for line, _ in found if line is not None), None),
        "make the empty tensor of the rank that it has on the other path: x.new_zeros((0, 4))",
    )


class PinNeeded(Exception):
    """The program needs input dimensions to be fixed.

    Attributes:
        symbols: the dimensions.
        location: the line that needs it.
        reason: why, for the refusal where the user asked for a dimension to be dynamic.
    """

    def __init__(
        self, symbols: set[sympy.Symbol], location: SourceLocation | None, reason: str = ""
    ) -> None:
        super().__init__(str(symbols))
        self.symbols = symbols
        self.location = location
        self.reason = reason or (
            "this line decides something on a dimension that was asked to be dynamic, in code "
            "that fxexport cannot stage"
        )


class CaseNeeded(PinNeeded):
    """The program goes on otherwise where a condition on sizes of inputs holds, beyond a branch.

    Capture starts again, with the whole model in both paths of a branch on it.

    Attributes:
        condition: the condition.
    """

    def __init__(self, condition: sympy.Basic, location: SourceLocation | None) -> None:
        super().__init__(set(condition.free_symbols), location)
        self.condition = condition


class EnoughRefused(BaseException):
    """A program that goes on after refusals has met so many that it may never end."""


class Poison:
    """A variable that has no single value after a branch or loop; reading it is refused."""

    def __init__(
        self,
        name: str,
        reason: str,
        location: SourceLocation | None,
        *,
        code: Code = Code.DIFFERENT_KINDS,
        secondary: bool = False,
    ) -> None:
        self.name, self.reason, self.location = name, reason, location
        self.code, self.secondary = code, secondary

    def refuse(self) -> UnsupportedError:
        """The refusal for a read of the variable."""
        return UnsupportedError(
            self.reason,
            location=self.location or user_location(),
            code=self.code,
            secondary=self.secondary,
        )

    def __iter__(self) -> NoReturn:
        """Functions that take items (``tuple(x)``) read as well."""
        raise self.refuse()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise self.refuse()

    def _read(self, *args: object) -> NoReturn:
        raise self.refuse()

    # What Python does with an item or an attribute by itself.
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _read
    __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _read
    __matmul__ = __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _read
    __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = __len__ = __call__ = __index__ = _read
    __neg__ = __abs__ = __invert__ = __float__ = __int__ = _read


def is_out_of_date(contents: object) -> bool:
    """Whether the contents of a list are those of one that may have changed under another name."""
    return isinstance(contents, (list, deque)) and any(type(item) is Poison for item in contents)
