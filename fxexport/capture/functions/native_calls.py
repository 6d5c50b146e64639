"""Calls of functions in C or C++, which must know what is there, and the items of lists."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture.operators.operators import Operators
from fxexport.capture.operators.staged_functions import padded
from fxexport.capture.operators.variables import whole_all
from fxexport.capture.operators.writing import is_buffer, noting_changes
from fxexport.capture.recording.types import Function, OpArgs, OpKwargs
from fxexport.capture.session.compiled_functions import refuse_compiled
from fxexport.capture.session.list_runs import holds_open
from fxexport.capture.session.new_objects import noted_if_new
from fxexport.capture.values.maybe import uncertain_in
from fxexport.capture.values.symbolic_text import refuse_deciding
from fxexport.source.exceptions import note_raised

__all__ = ["NativeCalls"]


class NativeCalls:
    """Calls functions that are no Python."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def with_flags(self, function: Function, *args: object, **kwargs: object) -> Any:
        """A function of PyTorch's C++: a flag known only at run time gets a call for each path."""
        whole_all(self._operators.session, (*args, *kwargs.values()))
        if uncertain_in((args, kwargs)) is not None:
            return self._operators.with_certain(
                functools.partial(self.with_flags, function), args, kwargs
            )
        if any(holds_open(value) for value in (*args, *kwargs.values())):
            return self._with_open_list(function, args, kwargs)
        flag = next((v for v in (*args, *kwargs.values()) if type(v) is torch.SymBool), None)
        if flag is None:
            return function(*args, **kwargs)

        def called(choice: bool) -> Any:
            try:
                return self.with_flags(
                    function,
                    *(choice if value is flag else value for value in args),
                    **{key: choice if value is flag else value for key, value in kwargs.items()},
                )
            except (TypeError, ValueError, RuntimeError) as error:
                # Arguments can exclude each other (a mask, is_causal); the other path allows them.
                raise note_raised(error) from None

        return self._operators.if_exp(flag, lambda: called(True), lambda: called(False))

    def _with_open_list(
        self, function: Callable[..., object], args: OpArgs, kwargs: OpKwargs
    ) -> object:
        """A function of PyTorch's C++ that gets a list of dynamic length."""
        lists, numbers = self._operators.lists, self._operators.number_lists
        owner = getattr(function, "__self__", None)
        if lists.joins(function):
            first, *others = args or (kwargs.pop("tensors"),)
            return lists.join(function, first, *others, **kwargs)
        if function in (torch.tensor, torch.as_tensor, torch.asarray):
            return numbers.tensor(
                *args, **{k: v for k, v in kwargs.items() if k != "requires_grad"}
            )
        if function.__name__ == "pad_sequence":
            return self._operators.call(padded)(*args, **kwargs)
        if isinstance(owner, torch.Tensor) and function.__name__ == "new_tensor":
            return numbers.tensor(args[0], kwargs.get("dtype") or owner.dtype)
        return self.with_closed(function, *args, **kwargs)

    def with_closed(
        self, function: Callable[..., object], *args: object, **kwargs: object
    ) -> object:
        """A function that takes lists apart by itself: it must know their items."""
        whole_all(self._operators.session, (*args, *kwargs.values()))
        text = getattr(function, "__self__", None)
        if isinstance(text, str):
            if function.__name__ == "format":
                return self._operators.lookups.filled(text, args, kwargs)
            refuse_deciding(function.__name__, args)
        elif uncertain_in((args, kwargs)) is not None:
            return self._operators.with_certain(
                functools.partial(self.with_closed, function), args, kwargs
            )
        refuse_compiled(function, (*args, *kwargs.values()))
        closed = self._operators.lists.closed
        session = self._operators.session
        owner = getattr(function, "__self__", None)
        with noting_changes(session, (owner, *args, *kwargs.values())):
            result = function(
                *(closed(value) for value in args),
                **{key: closed(value) for key, value in kwargs.items()},
            )
        if is_buffer(result):
            return session.journal.made(result)
        return noted_if_new(session.journal, result)
