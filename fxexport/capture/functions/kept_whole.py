"""Functions of libraries that are recorded as one operator, because the target asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fxexport.capture.recording.types import Function
from fxexport.graph.library_functions import LibraryFunction

__all__ = ["WholeFunctions"]


class WholeFunctions:
    """The replacements of such functions.

    Args:
        functions: what the target asks for.
    """

    def __init__(self, functions: Iterable[LibraryFunction]) -> None:
        self._by_name = {function.name: function for function in functions}

    def replacement_for(self, function: Any) -> Function | None:
        """The function to call instead; None where there is none."""
        if not self._by_name:
            return None
        name = f"{getattr(function, '__module__', '')}.{getattr(function, '__name__', '')}"
        found = self._by_name.get(name)
        return None if found is None else found.stand_in(function)
