"""Which function lowers which operator."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch

from fxexport.registration import Registration

__all__ = [
    "Lowering",
    "LoweringTable",
    "is_lowerable",
    "operator_name",
    "own_lowering",
    "register_lowering",
    "user_lowering",
]

Lowering = Callable[..., Any]

_MODULES = (
    "operators.pointwise",
    "operators.compare",
    "operators.arithmetic",
    "operators.shape",
    "operators.creation",
    "operators.indexing",
    "operators.scatter",
    "operators.reduce",
    "operators.extremes",
    "operators.running",
    "operators.sort",
    "operators.linear",
    "operators.conv",
    "operators.norm",
    "operators.softmax",
    "operators.attention",
    "operators.pool",
    "operators.adaptive",
    "operators.resize",
    "operators.pad",
    "operators.recurrent",
    "operators.loss",
    "operators.random",
    "operators.vision",
    "quantized",
    "linear_algebra.cholesky",
    "linear_algebra.orthogonal",
    "linear_algebra.symmetric",
    "linear_algebra.singular_values",
    "linear_algebra.triangular",
    "linear_algebra.factors",
    "linear_algebra.equations",
    "linear_algebra.powers",
    "special_functions.ctc",
    "special_functions.error_function",
    "special_functions.exponentials",
    "special_functions.incomplete_gamma",
    "special_functions.integers",
    "special_functions.polynomials",
    "special_functions.trigonometry",
    "linear_algebra.indefinite",
)

# What users registered. It changes only through register_lowering and the handle it returns.
_USER: dict[str, Lowering] = {}


class LoweringTable(dict[str, Lowering]):
    """The lowerings of one file, by operator name as in ``aten::add.Tensor``."""

    def __call__(self, *names: str) -> Callable[[Lowering], Lowering]:
        """Enters the decorated function under each name; ``aten::`` may be left out."""

        def enter(function: Lowering) -> Lowering:
            for name in names:
                self[name if "::" in name else f"aten::{name}"] = function
            return function

        return enter


def register_lowering(operator: torch._ops.OpOverload | str, function: Lowering) -> Registration:
    """Teaches fxexport how to write an operator in ONNX.

    Args:
        operator: the overload, for example ``torch.ops.mylib.twice.default``, or its name,
            ``"mylib::twice"``. It takes precedence over fxexport's own.
        function: called as ``function(op, *args, **kwargs)`` with the operator's arguments:
            tensors and symbolic numbers as ONNX values, everything else as in Python. ``op``
            writes nodes: ``op.Add(x, x)`` writes one and returns its output; ``op.cast(x, dtype)``,
            ``op.size(x, 0)``, ``op.sizes([...])`` help; ``op.val`` holds the fake result. It
            returns the result's value, or a tuple for several results.

    Returns:
        A handle whose ``remove()`` undoes it; it is a context manager as well.

    Example:
        >>> register_lowering("mylib::twice", lambda op, x: op.Add(x, x))
    """
    if not callable(function):
        raise TypeError(
            f"register_lowering expects a function as its second argument, got {function!r}"
        )
    if isinstance(operator, str):
        if "::" not in operator:
            raise ValueError(
                f"register_lowering expects a name like 'namespace::operator', got {operator!r}"
            )
        return Registration(_USER, operator.removesuffix(".default"), function)
    return Registration(_USER, operator_name(operator), function)


def operator_name(operator: torch._ops.OpOverload) -> str:
    """The full name, without ``.default``: ``aten::add.Tensor``, ``aten::relu``."""
    return operator.name().removesuffix(".default")


def user_lowering(name: str) -> Lowering | None:
    """What a user registered for an operator."""
    return _USER.get(name)


@functools.cache
def _own() -> dict[str, Lowering]:
    merged: dict[str, Lowering] = {}
    for module in _MODULES:
        table = importlib.import_module(f"fxexport.lowering.{module}").LOWERINGS
        for name, function in table.items():
            if name in merged:
                raise RuntimeError(f"{name} is lowered twice, again in {module}")
            merged[name] = function
    return merged


def own_lowering(name: str) -> Lowering | None:
    """Fxexport's own lowering of an operator."""
    return _own().get(name)


def is_lowerable(op: torch._ops.OpOverload) -> bool:
    """Whether there is an ONNX form for exactly this overload."""
    from fxexport.lowering.torchlib import library_function

    name = operator_name(op)
    return name in _USER or name in _own() or library_function(name) is not None
