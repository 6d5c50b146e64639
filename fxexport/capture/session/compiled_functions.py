"""Functions in C or C++ of other packages, which capture can neither read nor run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import FunctionType, MethodType

from fxexport import _torch_compat as compat
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.user_functions import name_of_function
from fxexport.source.frames import user_location

__all__ = ["refuse_compiled"]

# Packages whose compiled functions either take fake tensors or say themselves what is wrong.
_KNOWN = frozenset({"torch", "numpy", "fxexport"})


def refuse_compiled(function: object, given: Iterable[object]) -> None:
    """Refuses a call of compiled code with tensors, which hold nothing during capture.

    Raises:
        UnsupportedError: it is one.
    """
    if isinstance(function, (FunctionType, MethodType, type)):
        return
    package = (getattr(function, "__module__", None) or "builtins").partition(".")[0]
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
