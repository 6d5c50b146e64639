"""What is to become of the state that a call leaves behind: the user's choice, by path."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Literal, cast

from fxexport.errors import UsageError
from fxexport.suggestions import did_you_mean

__all__ = ["StateChoice", "StatePolicy"]

StateChoice = Literal["refuse", "drop", "io"]
_CHOICES = ("refuse", "drop", "io")


class StatePolicy:
    """A choice for every path.

    Attributes:
        default: the choice for what no pattern names.
    """

    def __init__(self, wanted: str | Mapping[str, str]) -> None:
        """Takes a choice, or choices by path or pattern (``"*"`` for all others).

        Raises:
            UsageError: something else is given.
        """
        choices = {"*": wanted} if isinstance(wanted, str) else wanted
        if not isinstance(choices, Mapping):
            raise UsageError(f"state must be one of {', '.join(_CHOICES)}, got {wanted!r}")
        for choice in choices.values():
            if choice not in _CHOICES:
                raise UsageError(
                    f"state must be one of {', '.join(_CHOICES)}, got {choice!r}",
                    hint=did_you_mean(choice, _CHOICES),
                )
        self._choices = {path: c for path, c in choices.items() if path != "*"}
        self.default = cast(StateChoice, choices.get("*", "drop"))

    def __call__(self, path: str) -> StateChoice:
        """The choice for the state at a path; a pattern that comes first goes first."""
        for pattern, choice in self._choices.items():
            if path == pattern or fnmatch.fnmatchcase(path, pattern):
                return cast(StateChoice, choice)
        return self.default
