"""Functions that users have given an ONNX form: compiled ones, and any others kept whole."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch

from fxexport.graph.user_functions import UserFunction
from fxexport.lowering.registry import Lowering
from fxexport.lowering.symbolic import symbolic_form
from fxexport.registration import Registration

__all__ = ["function_finder", "register_function"]

# What users registered. It changes only through register_function and the handle it returns.
_FUNCTIONS: dict[object, UserFunction] = {}


def register_function(
    function: Callable[..., Any] | type[torch.autograd.Function],
    lowering: Lowering,
    fake: Callable[..., Any],
) -> Registration:
    """Teaches fxexport how to write a function in ONNX, which is then not read as Python.

    For functions in C++ (``mmcv._ext.nms``), and for others that are to be one node, such as a
    plugin's. The function may not write to its arguments.

    Args:
        function: what the program calls, or a `torch.autograd.Function` for its ``apply``. Its
            arguments may be tensors, numbers, text, None, dtypes, and lists, tuples and dicts of
            them.
        lowering: called as ``lowering(op, *args, **kwargs)``: tensors and symbolic numbers come as
            ONNX values, everything else as in Python. ``op.X(...)`` writes an ONNX node of type X,
            ``op.write("X", inputs, attributes, domain="mine")`` one of another domain, and returns
            a tuple of its outputs. It returns a value for each tensor that the function gives.
        fake: called with the function's arguments, of which tensors have sizes and dtypes but no
            values; returns tensors like the function's, made for example with ``x.new_empty(...)``.
            A size that depends on values is
            ``torch.library.get_ctx().new_dynamic_size()``.

    Returns:
        A handle whose ``remove()`` undoes it; it is a context manager as well.

    Raises:
        TypeError: an argument cannot be called.

    Example:
        >>> register_function(ext.scale, lambda op, x, by: op.Mul(x, by), lambda x, by: x.clone())
    """
    for name, given in (("function", function), ("lowering", lowering), ("fake", fake)):
        if not callable(given):
            raise TypeError(f"register_function expects a function as {name}, got {given!r}")
    called: Any = function
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        called = function.apply
    return Registration(_FUNCTIONS, function, UserFunction(called, lowering, fake))


def function_finder(
    symbolic: bool | Collection[str] = False,
) -> Callable[[object], UserFunction | None]:
    """Finds the node that a function was named as.

    Args:
        symbolic: whether autograd functions are written by their ``symbolic`` method; or the names
            of the classes that are, with their module or without.

    Returns:
        What to ask with a function, or with the class of an autograd function. What is registered
        afterwards does not count.
    """
    registered: dict[object, UserFunction | None] = dict(_FUNCTIONS)

    def find(function: object) -> UserFunction | None:
        found = registered.get(function)
        if found is None and symbolic is not False and _is_among(function, symbolic):
            found = registered[function] = symbolic_form(function)
        return found

    return find


def _is_among(function: object, names: bool | Collection[str]) -> bool:
    if isinstance(names, bool):
        return names
    name = getattr(function, "__qualname__", "")
    return name in names or f"{getattr(function, '__module__', '')}.{name}" in names
