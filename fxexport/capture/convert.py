"""Finds the source of functions as they are called, rewrites and compiles them.

A function that has no source, or is none of the model's business (PyTorch's internals, the
standard library), runs as it is; a condition on a tensor in it is refused where it is met.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import linecache
import os
import sysconfig
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

import torch

from fxexport.capture.frames import is_torch_internal
from fxexport.capture.passing import stores_anything
from fxexport.capture.rewrite import RUNTIME, rewrite_function
from fxexport.capture.sources import CHANGED, ChangedSourceError, compile_function, find_source

__all__ = ["Converter"]

# What a function under @contextlib.contextmanager runs.
_CONTEXT_MANAGER = contextlib.contextmanager(lambda: iter(())).__code__  # type: ignore[attr-defined]
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"]
# Packages whose code never branches on the model's tensors, or does so in ways of its own.
_LEFT_ALONE = frozenset(
    {
        "fxexport", "numpy", "sympy", "onnx", "onnxscript", "onnx_ir", "onnxruntime", "rich",
        "typing_extensions", "pytest", "_pytest", "packaging", "yaml", "networkx", "scipy",
        "huggingface_hub", "safetensors", "tokenizers", "tqdm", "PIL",
    }
)  # fmt: skip
_OWN_CONVERTED = ("fxexport.capture.prelude", "fxexport.capture.control_flow")
# Parts of torch that wrap or are the user's functions and layers.
_TORCH_CONVERTED = ("torch/nn/", "torch/utils/_contextlib.py", "torch/amp/autocast_mode.py")
_NOT_CONVERTED_IN_NN = ("torch/nn/init.py", "torch/nn/parameter.py", "torch/nn/parallel/")


class Converter:
    """Turns callables into ones whose control flow asks the operators.

    One converter serves one capture. `runtime` must be set to the operators object before the
    first call.
    """

    def __init__(
        self,
        replacement_for: Callable[[Any], Any],
        entering: Callable[[torch.nn.Module], AbstractContextManager[None]] = lambda _: (
            nullcontext()
        ),
    ) -> None:
        self.entering = entering
        self.runtime: Any = None
        self._replacement_for = replacement_for
        self._functions: dict[CodeType, CodeType | None] = {}
        self._converted: set[CodeType] = set()
        self.failures: dict[CodeType, str] = {}

    # -- what a call in rewritten code becomes ---------------------------------------------------

    def callable_for(self, function: Any) -> Any:
        """What to call instead of `function`."""
        replacement = self._replacement_for(function)
        if replacement is not None:
            return replacement
        kind = type(function)
        if kind is FunctionType and function.__code__ is _CONTEXT_MANAGER:
            return contextlib.contextmanager(self.converted(function.__wrapped__))
        if kind is FunctionType:
            return self.converted(function)
        if kind is MethodType:
            inner = function.__func__
            if type(inner) is FunctionType:
                return MethodType(self.converted(inner), function.__self__)
            return functools.partial(self.callable_for(inner), function.__self__)
        if kind is functools.partial:
            return functools.partial(
                self.callable_for(function.func), *function.args, **function.keywords
            )
        if kind is functools._lru_cache_wrapper:
            # A cache keyed by arguments cannot hold what depends on the model's values.
            return self.callable_for(function.__wrapped__)
        if isinstance(function, type):
            return self._constructor(function)
        call = getattr(kind, "__call__", None)  # noqa: B004
        if isinstance(function, torch.fx.GraphModule):
            call = torch.nn.Module.__call__  # its own call only dresses up errors
        if isinstance(function, torch.nn.Module) and type(call) is FunctionType:
            return self._module_call(function, self.converted(call))
        if type(call) is FunctionType:
            return MethodType(self.converted(call), function)
        return function

    def _module_call(self, module: torch.nn.Module, call: Any) -> Any:
        def called(*args: Any, **kwargs: Any) -> Any:
            with self.entering(module):
                return call(module, *args, **kwargs)

        return called

    def _constructor(self, cls: type) -> Any:
        """A class: its ``__init__`` is converted if it is plain Python."""
        init: Any = vars(cls).get("__init__") or getattr(cls, "__init__")  # noqa: B009
        if (
            type(init) is not FunctionType
            or type(cls) is not type
            or getattr(cls, "__new__") is not object.__new__  # noqa: B009
            or issubclass(cls, (BaseException, torch.nn.Module))
        ):
            return self._noting(cls)
        converted = self.converted(init)
        if converted is init:
            return self._noting(cls)

        def construct(*args: Any, **kwargs: Any) -> Any:
            value = self.runtime.fresh(cls.__new__(cls))
            converted(value, *args, **kwargs)
            return value

        return construct

    def _noting(self, cls: type) -> Any:
        if stores_anything(cls):
            return lambda *args, **kwargs: self.runtime.fresh(cls(*args, **kwargs))
        hook = getattr(cls, "__post_init__", None)
        if dataclasses.is_dataclass(cls) and type(hook) is FunctionType:
            return functools.partial(self._with_hook, cls, hook)
        return lambda *args, **kwargs: self.runtime.fresh(
            self.runtime.with_certain(cls, args, kwargs)
        )

    def _with_hook(self, cls: Any, hook: FunctionType, *args: Any, **kwargs: Any) -> Any:
        """A dataclass whose ``__post_init__`` is the program's: it is called as others are."""
        more: list[Any] = []
        waits = {"__post_init__": lambda _, *left: more.extend(left)}
        waiting: Any = type(cls.__name__, (cls,), waits)
        value = self.runtime.fresh(waiting.__new__(waiting))
        cls.__init__(value, *args, **kwargs)
        object.__setattr__(value, "__class__", cls)
        self.converted(hook)(value, *more)
        return value

    def is_read(self, function: Any) -> bool:
        """Whether what `callable_for` gave is rewritten code, or code of ours that calls it."""
        if isinstance(function, MethodType):
            function = function.__func__
        while isinstance(function, functools.partial):
            function = function.func
        if isinstance(function, MethodType):
            function = function.__func__
        if not isinstance(function, FunctionType):
            return False
        code = function.__code__
        return code in self._converted or code.co_filename.startswith(_HERE)

    # -- conversion ------------------------------------------------------------------------------

    def converted(self, function: FunctionType) -> FunctionType:
        """The function with its control flow staged; itself where it is left as it is."""
        code = function.__code__
        if code in self._converted:
            return function
        if code not in self._functions:
            self._functions[code] = self._compile(function)
        new_code = self._functions[code]
        if new_code is None:
            return function
        return self._with_code(function, new_code)

    def _with_code(self, function: FunctionType, code: CodeType) -> FunctionType:
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        closure = []
        for name in code.co_freevars:
            closure.append(CellType(self.runtime) if name == RUNTIME else cells[name])
        new = FunctionType(
            code, function.__globals__, function.__name__, function.__defaults__, tuple(closure)
        )
        new.__kwdefaults__ = function.__kwdefaults__
        new.__qualname__ = function.__qualname__
        new.__module__ = function.__module__
        new.__dict__.update(function.__dict__)
        return new

    def _compile(self, function: FunctionType) -> CodeType | None:
        code = function.__code__
        if not _is_converted(function):
            return None
        if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            self.failures[code] = "it is asynchronous"
            return None
        try:
            found = find_source(function)
        except ChangedSourceError:
            self.failures[code] = CHANGED
            return None
        if found is None:
            self.failures[code] = "its source cannot be found"
            return None
        node, class_name = found
        new = rewrite_function(node, class_name)
        free = dict.fromkeys([*code.co_freevars, RUNTIME, "__class__"])
        compiled = compile_function(new, code, list(free))
        self._converted.update(_codes_in(compiled))
        return compiled


def _is_converted(function: FunctionType) -> bool:
    """Whether a function's control flow may matter to the model."""
    file = function.__code__.co_filename.replace("\\", "/")
    if file.startswith("<") and not linecache.getlines(function.__code__.co_filename):
        return False
    if function.__module__ in _OWN_CONVERTED:
        return True
    module = (function.__globals__.get("__name__") or "").split(".")[0]
    if module in _LEFT_ALONE or module == "_fxexport_replacements":
        return False
    if any(part in file for part in _NOT_CONVERTED_IN_NN):
        return False
    if is_torch_internal(function.__code__.co_filename):
        return any(part in file for part in _TORCH_CONVERTED)
    if file.startswith(_STDLIB) and "site-packages" not in file:
        return False
    return not hasattr(function, "__fx_keep__")


def _codes_in(code: CodeType) -> list[CodeType]:
    found = [code]
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found.extend(_codes_in(const))
    return found
