"""What stands for values that a program cannot have, and what asks for another attempt."""

from __future__ import annotations

from typing import NoReturn

import sympy

from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = ["CaseNeeded", "EnoughRefused", "PinNeeded", "Poison"]


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
        self, name: str, reason: str, location: SourceLocation | None, *, secondary: bool = False
    ) -> None:
        self.name, self.reason, self.location = name, reason, location
        self.secondary = secondary

    def refuse(self) -> UnsupportedError:
        """The refusal for a read of the variable."""
        return UnsupportedError(
            self.reason, location=self.location or user_location(), secondary=self.secondary
        )

    def __iter__(self) -> NoReturn:
        """Functions that take items (``tuple(x)``) read as well."""
        raise self.refuse()
