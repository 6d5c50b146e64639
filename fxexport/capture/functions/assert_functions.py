"""PyTorch's functions that assert: they are kept, or decided, as an assert statement is."""

from __future__ import annotations

from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Function

__all__ = ["AssertFunctions"]


class AssertFunctions:
    """The replacements of ``torch._assert``, ``torch._check`` and kin."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def table(self) -> dict[object, Function]:
        """What to call instead of these functions."""
        return {function: self._checking(error) for function, error in compat.ASSERTS.items()}

    def _checking(self, error: type[Exception]) -> Function:
        def check(condition: object = True, message: Any = "", **named: Any) -> None:
            message = named.get("message", message)
            text = self._operators.convert(message) if callable(message) else lambda: message

            def fail() -> None:
                raise self._operators.raising(error(text()))

            condition = named.get("cond", condition)
            if error is not AssertionError and isinstance(condition, torch.Tensor):
                raise TypeError("cond must be a bool, but got a Tensor")
            self._operators.if_stmt(condition, lambda: None, fail, (), ())

        return check
