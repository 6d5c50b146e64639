"""What PyTorch's own functions raise for real tensors, where they raised for fake ones.

A fake tensor may fail for reasons of its own: PyTorch has no kernel for it, a size is a symbol
where a number must be. So what a call raises while a model is captured says how the program ends
only if the same call raises for tensors of real sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType, NoneType
from typing import Any

import sympy
import torch

from fxexport import _torch_compat as compat

__all__ = ["may_come_of_a_kernel", "raised_for_real", "symbols_in"]

_SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)
_CONSTANTS = (
    bool, int, float, complex, str, NoneType, EllipsisType,
    torch.dtype, torch.device, torch.layout, torch.memory_format,
)  # fmt: skip
# More elements than this are not made.
_MOST_ELEMENTS = 2**26
# What kernels raise for arguments that do not fit; subclasses say that they are not there at all.
_RAISED = (IndexError, RuntimeError, ValueError)
# Fake kernels assert what real ones check.
_RAISED_BY_FAKES = (*_RAISED, AssertionError)


class _NoCall(Exception):
    """An argument that real calls are not made with."""


def may_come_of_a_kernel(error: Exception) -> bool:
    """Whether an exception is of a class that kernels raise for arguments that do not fit."""
    return type(error) in _RAISED_BY_FAKES


def symbols_in(args: Sequence[Any], kwargs: Mapping[str, Any]) -> set[sympy.Symbol] | None:
    """The symbols in the arguments of a call; None where no real call can be made with them."""
    found: set[sympy.Symbol] = set()

    def note(number: Any) -> int:
        if isinstance(number, _SYMBOLIC):
            found.update(number.node.expr.free_symbols)
        return 0

    def of_tensor(tensor: torch.Tensor) -> list[int]:
        return [note(size) for size in (*tensor.shape, *tensor.stride())]

    try:
        _mapped((list(args), dict(kwargs)), note, of_tensor)
    except _NoCall:
        return None
    return found


def raised_for_real(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    sizes: Mapping[sympy.Symbol, sympy.Integer],
) -> Exception | None:
    """What a function of PyTorch's raises for tensors of zeros in place of those of a program.

    Args:
        function: the function.
        args: its arguments, with fake tensors and symbolic numbers in them.
        kwargs: those by name.
        sizes: a number for each symbol in them.

    Returns:
        None where it raises nothing, or nothing that kernels raise for arguments.
    """

    def number(value: Any) -> Any:
        if not isinstance(value, _SYMBOLIC):
            return value
        found = compat.at_sizes(value.node.expr, sizes)
        if found is None or not (found.is_Integer or compat.is_boolean(found)):
            raise _NoCall
        return int(found) if found.is_Integer else bool(found)

    def tensor(value: torch.Tensor) -> torch.Tensor:
        shape, strides = map(number, value.shape), map(number, value.stride())
        return _zeros_like(value, [*shape], [*strides])

    def call() -> None:
        given, named = _mapped((list(args), dict(kwargs)), number, tensor)
        function(*given, **named)

    try:
        with torch.random.fork_rng(devices=[]):
            compat.real_result(call, (), {})
    except Exception as error:
        return error if type(error) in _RAISED else None
    return None


def _mapped(
    value: Any, of_number: Callable[[Any], Any], of_tensor: Callable[[torch.Tensor], Any]
) -> Any:
    """Arguments with others in place of numbers and tensors."""
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_quantized:
            raise _NoCall
        return of_tensor(value)
    if isinstance(value, (*_SYMBOLIC, *_CONSTANTS)):
        return of_number(value)
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return slice(*(_mapped(part, of_number, of_tensor) for part in parts))
    if type(value) is dict:
        return {key: _mapped(item, of_number, of_tensor) for key, item in value.items()}
    if type(value) in (list, tuple, torch.Size):
        made = [_mapped(item, of_number, of_tensor) for item in value]
        return made if type(value) is list else tuple(made)
    raise _NoCall


def _zeros_like(tensor: torch.Tensor, shape: list[int], strides: list[int]) -> torch.Tensor:
    """A tensor of zeros with such sizes, on the CPU."""
    extent = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if min(shape, default=1) < 0 or extent > _MOST_ELEMENTS:
        raise _NoCall
    if 0 in shape:
        return torch.zeros(shape, dtype=tensor.dtype)
    return torch.zeros(extent, dtype=tensor.dtype).as_strided(shape, strides)
