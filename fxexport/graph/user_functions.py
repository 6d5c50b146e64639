"""Functions that a user has named as one node of the graph, each with its ONNX form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["UserFunction"]


class UserFunction:
    """What such a node calls: the function itself, when the graph runs.

    Attributes:
        function: the function.
        lowering: writes it, as ``lowering(op, *args, **kwargs)``.
        fake: gives results of the same dtypes and sizes, computing nothing.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        lowering: Callable[..., Any],
        fake: Callable[..., Any],
    ) -> None:
        self.function = function
        self.lowering = lowering
        self.fake = fake
        # fx writes calls by these two names.
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.__module__ = getattr(function, "__module__", None) or "builtins"
        if self.__name__ == "<lambda>":
            self.__name__ = "function"

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Calls the function."""
        return self.function(*args, **kwargs)

    def __str__(self) -> str:
        return name_of_function(self.function)


def name_of_function(function: object) -> str:
    """How a program would call it: ``mmcv._ext.nms``."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return f"{owner.__module__}.{owner.__qualname__}.{getattr(function, '__name__', '')}"
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__qualname__", None) or type(function).__name__
    name = str(name).replace("PyCapsule.", "")
    return f"{module}.{name}" if module not in ("", "builtins") else name
