"""Calls with ``*items`` of something whose length is known only when the model runs."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.recording.types import Function
from fxexport.capture.session.list_runs import Spread
from fxexport.capture.session.session import Session

__all__ = ["StarredCalls"]


class StarredCalls:
    """The operator that calls a function with starred arguments.

    Args:
        session: the capture.
        calls: call the functions.
        lists: read the items.
    """

    def __init__(self, session: Session, calls: Calls, lists: OpenLists) -> None:
        self._session = session
        self._calls = calls
        self._lists = lists

    def call(self, function: Any, with_keys: bool) -> Function:
        """What to call instead of a function that is given ``*items``, and perhaps ``**keys``.

        A function that takes just so many arguments needs as many items, as in Python.
        """
        found = self._calls.call_with_keys(function) if with_keys else self._calls.call(function)

        def called(*args: object, **kwargs: object) -> Any:
            if any(isinstance(arg, Spread) for arg in args):
                args = self._spelled_out(function, args, kwargs)
            return found(*args, **kwargs)

        return called

    def _spelled_out(
        self, function: Any, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[object, ...]:
        """The arguments one by one; as they are where the function takes any number of them."""
        wanted = _number_of_parameters(function, kwargs)
        runs = [k for k, arg in enumerate(args) if isinstance(arg, Spread)]
        if wanted is None or len(runs) != 1 or wanted < len(args) - 1:
            return args
        (at,) = runs
        source = self._lists.dynamic([args[at]])
        count = wanted - (len(args) - 1)
        text = f"there are {count} items for the arguments"
        fits = source.are(count)
        if self._session.known(fits) is None:
            # A function with defaults takes fewer.
            self._session.refuse_if_caught("TypeError")
        self._lists.take_for_granted(fits, text, "TypeError")
        items = [source.item(k) for k in range(count)]
        return (*args[:at], *items, *args[at + 1 :])


def _number_of_parameters(function: Any, named: dict[str, object]) -> int | None:
    """How many arguments a function takes by position; None where that may vary."""
    if isinstance(function, torch.nn.Module):
        function = function.forward
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    count = 0
    for name, parameter in parameters.items():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return None
        if name in named or parameter.kind in (
            inspect.Parameter.KEYWORD_ONLY,
            inspect.Parameter.VAR_KEYWORD,
        ):
            continue
        if parameter.default is not inspect.Parameter.empty:
            return None
        count += 1
    return count
