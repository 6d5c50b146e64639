"""Functions that are recorded as one operator: the target asks for it, or the user does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.operators.autograd_functions import function_of
from fxexport.capture.operators.operators import Operators
from fxexport.capture.operators.variables import whole_all
from fxexport.capture.recording.types import SYM, Function, OpArgs, OpKwargs
from fxexport.capture.values.maybe import uncertain_in
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.library_functions import LibraryFunction
from fxexport.graph.user_functions import UserFunction
from fxexport.source.frames import user_location

__all__ = ["UserFunctions", "WholeFunctions"]

# What an argument of a node may be, beside tensors, symbolic numbers and containers of these.
_PLAIN = (int, float, bool, complex, str, torch.dtype, torch.device, torch.memory_format)


class WholeFunctions:
    """The replacements of functions that a target wants whole.

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


class UserFunctions:
    """The replacements of functions that the user has named as one node.

    Args:
        operators: what rewritten code calls.
        find: gives the node of a function, or None.
    """

    def __init__(self, operators: Operators, find: Callable[[object], UserFunction | None]) -> None:
        self._operators = operators
        self._find = find

    def replacement_for(self, function: Any) -> Function | None:
        """The function to call instead; None where there is none."""
        try:
            found = self._find(function_of(function) or function)
        except TypeError:  # it cannot be hashed
            return None
        return None if found is None else functools.partial(self._call, found)

    def _call(self, function: UserFunction, *args: object, **kwargs: object) -> object:
        if uncertain_in((args, kwargs)) is not None:
            return self._operators.with_certain(
                functools.partial(self._call, function), args, kwargs
            )
        whole_all(self._operators.session, (*args, *kwargs.values()))
        self._check(function, args, kwargs)
        return self._operators.session.tensors.call_whole(function, args, kwargs)

    def _check(self, function: UserFunction, args: OpArgs, kwargs: OpKwargs) -> None:
        """Refuses what a node cannot be given.

        Raises:
            UnsupportedError: an argument is an object of another kind.
        """
        for value in compat.leaves((args, kwargs)):
            if value is not None and not isinstance(value, (torch.Tensor, *SYM, *_PLAIN)):
                raise UnsupportedError(
                    f"{function} was registered as one node, which takes tensors, numbers, text "
                    f"and lists, tuples and dicts of them; it got a {type(value).__name__}",
                    code=Code.NO_ONNX_FORM,
                    location=user_location(),
                    hint="register a function inside of it that takes these",
                )
