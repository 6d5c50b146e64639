"""Functions in C or C++ of other packages, which capture can neither read nor run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import FunctionType, MethodType, ModuleType

from fxexport import _torch_compat as compat
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.user_functions import name_of_function
from fxexport.source.frames import user_location

__all__ = ["refuse_compiled"]

# Packages whose compiled functions either take fake tensors or say themselves what is wrong.
_KNOWN = frozenset({"torch", "numpy", "fxexport"})


def _compiled_package(function: object) -> str:
    """The package of a compiled function, or method of a compiled class; else Python's own."""
    if isinstance(function, MethodType):
        function = function.__func__
    if isinstance(function, (FunctionType, type)):
        return "builtins"
    module = getattr(function, "__module__", None)
    owner = getattr(function, "__self__", None)
    if module is None and owner is not None and not isinstance(owner, ModuleType):
        module = _class_with(owner, getattr(function, "__name__", "")).__module__
    return (module or "builtins").partition(".")[0]


def _class_with(owner: object, name: str) -> type:
    """The class that a compiled method of an object is from: Python's own, for one of a subclass.

    A class may have a method of that name in Python, which calls this one.
    """
    kind = owner if isinstance(owner, type) else type(owner)
    for cls in kind.__mro__:
        if name in vars(cls) and not isinstance(vars(cls)[name], FunctionType):
            return cls
    return kind


def refuse_compiled(function: object, given: Iterable[object]) -> None:
    """Refuses a call of compiled code with tensors, which hold nothing during capture.

    Raises:
        UnsupportedError: it is one.
    """
    package = _compiled_package(function)
    if package in _KNOWN or package in sys.stdlib_module_names:
        return
    if any(isinstance(value, compat.FunctionalTensor) for value in compat.leaves(list(given))):
        name = name_of_function(function)
        raise UnsupportedError(
            f"{name} is compiled code, which fxexport cannot read",
            code=Code.COMPILED_CODE,
            location=user_location(),
            hint=f"say what it is with fxexport.register_function({name}, lowering, fake)",
        )
