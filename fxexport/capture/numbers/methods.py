"""Attributes and methods of numbers that are known only when the model runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture.numbers.functions import bit_count, bit_length, is_whole

__all__ = ["method_of"]

_Method = Callable[[Any], object]

_OF_INTS: dict[str, _Method] = {
    "bit_length": bit_length,
    "bit_count": bit_count,
    "conjugate": lambda number: number,
    "as_integer_ratio": lambda number: (number, 1),
    "is_integer": lambda number: True,
    "item": lambda number: number,
    "__index__": lambda number: number,
    "__int__": lambda number: number,
}
_OF_FLOATS: dict[str, _Method] = {
    "is_integer": is_whole,
    "item": lambda number: number,
    "conjugate": lambda number: number,
    "__float__": lambda number: number,
    "__int__": torch.sym_int,
}
_PROPERTIES_OF_INTS: dict[str, _Method] = {
    "real": lambda number: number,
    "imag": lambda number: 0,
    "numerator": lambda number: number,
    "denominator": lambda number: 1,
}
_PROPERTIES_OF_FLOATS: dict[str, _Method] = {
    "real": lambda number: number,
    "imag": lambda number: 0.0,
}


def method_of(number: Any, name: str) -> tuple[_Method | None, bool]:
    """What an attribute of a symbolic number is, as a function of the number.

    Args:
        number: an int or float; bools count as ints.
        name: the attribute.

    Returns:
        The function, None where PyTorch's own attribute will do; whether it is a method.
    """
    floats = isinstance(number, torch.SymFloat)
    found = (_OF_FLOATS if floats else _OF_INTS).get(name)
    if found is not None:
        return found, True
    return (_PROPERTIES_OF_FLOATS if floats else _PROPERTIES_OF_INTS).get(name), False
