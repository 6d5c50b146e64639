"""The loss of a linear layer, which PyTorch can compute in pieces of the batch."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import torch

from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Function

__all__ = ["linear_losses"]


def linear_losses(operators: Operators) -> dict[object, Function]:
    """The function to call instead; none before torch 2.12, which has no such loss."""
    function = getattr(torch.nn.functional, "linear_cross_entropy", None)
    return {} if function is None else {function: _in_one_piece(operators, function)}


def _in_one_piece(operators: Operators, function: FunctionType) -> Function:
    """The function without the options that say in which pieces it computes.

    They save memory in training and change no value, but want the batch's size as a number, and an
    operator of their own computes them.
    """
    # Another object, for which no replacement is found.
    own = FunctionType(function.__code__, function.__globals__, function.__name__)
    own.__kwdefaults__ = function.__kwdefaults__

    def call(*args: Any, options: object = None, **kwargs: Any) -> object:
        return operators.convert(own)(*args, **kwargs)

    return call
