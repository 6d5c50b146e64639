"""Finds the source of functions as they are called, rewrites and compiles them.

A function that has no source, or does not concern the model (PyTorch's internals, the standard
library), runs as it is; a condition on a tensor in it is refused where it is met.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import linecache
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, Protocol

import torch

from fxexport.capture.python.pass_through import stores_anything
from fxexport.capture.python.source_code import (
    ChangedSourceError,
    compile_function,
    find_source,
)
from fxexport.capture.python.statements import RUNTIME, rewrite_function
from fxexport.capture.recording.types import Function
from fxexport.source.ownership import is_of_fxexport, is_of_standard_library, is_torch_internal
from fxexport.source.unread_functions import UnreadFunction, UnreadFunctions

__all__ = ["READ_MARK", "Converter", "Entering", "ReplacementFor", "Runtime"]

# What a function under @contextlib.contextmanager runs.
_CONTEXT_MANAGER = contextlib.contextmanager(lambda: iter(())).__code__  # type: ignore[attr-defined]
# What a function under @functools.singledispatch runs.
_SINGLE_DISPATCH = functools.singledispatch(lambda value: value).__code__  # type: ignore[attr-defined]
_CHANGED = UnreadFunction("its source has changed since it was imported", final=True)
# Packages whose code never branches on the model's tensors, or handles that by itself.
_LEFT_ALONE = frozenset(
    {
        "fxexport", "numpy", "sympy", "onnx", "onnxscript", "onnx_ir", "onnxruntime", "rich",
        "typing_extensions", "pytest", "_pytest", "packaging", "yaml", "networkx", "scipy",
        "huggingface_hub", "safetensors", "tokenizers", "tqdm", "PIL",
    }
)  # fmt: skip
# A module of ours that is written for capture to read says so with a true global of this name.
READ_MARK = "READ_BY_CAPTURE"
# Parts of the standard library that call methods of the user's classes, or hold the user's values
# in attributes: UserDict, ChainMap, the mixins of MutableMapping.
_CONTAINERS_IN_PYTHON = (
    "/collections/__init__.py", "/_collections_abc.py", "<frozen _collections_abc>",
)  # fmt: skip
_CLASSES_OF_COLLECTIONS = frozenset({"ChainMap", "UserDict", "UserList"})
# Modules of Python's that go through the program's objects.
_READ_IN_PYTHON = frozenset({"copy"})
# Parts of torch that wrap or are the user's functions and layers.
_TORCH_CONVERTED = (
    "torch/nn/", "torch/utils/_contextlib.py", "torch/amp/autocast_mode.py", "torch/signal/",
    "torch/utils/checkpoint.py", "torch/_functorch/functional_call.py",
    "torch/_export/db/", "torch/optim/swa_utils.py",
)  # fmt: skip
_NOT_CONVERTED_IN_NN = (
    "torch/nn/init.py", "torch/nn/parameter.py", "torch/nn/parallel/_", "torch/nn/parallel/comm.py",
    "torch/nn/parallel/distributed.py", "torch/nn/parallel/parallel_apply.py",
    "torch/nn/parallel/replicate.py", "torch/nn/parallel/scatter_gather.py",
)  # fmt: skip


ReplacementFor = Callable[[object], Function | None]
"""Gives what to call instead of a function, None where the function is converted itself."""

Entering = Callable[[torch.nn.Module], AbstractContextManager[None]]
"""Gives what is entered around the call of a module."""


class Runtime(Protocol):
    """The object that rewritten code calls, as far as the converter needs it."""

    def replacement_for(self, function: object) -> Function | None:
        """What to call instead of a function; None where the function is converted itself."""

    @property
    def fresh(self) -> Callable[[Any], Any]:
        """Notes that an object is new."""

    @property
    def constructed(self) -> Function:
        """Calls a class that is not rewritten."""


class Converter:
    """Turns callables into ones whose control flow asks the operators.

    One converter serves one capture.

    Args:
        runtime: the operators.
        entering: is entered around the call of a module.
        unread: gets the functions that cannot be rewritten.
        going_on: whether functions go on after a statement that is refused.
    """

    def __init__(
        self,
        runtime: Runtime,
        entering: Entering,
        unread: UnreadFunctions,
        *,
        going_on: bool = False,
    ) -> None:
        self._runtime = runtime
        self._entering = entering
        self._unread = unread
        self._going_on = going_on
        self._functions: dict[CodeType, CodeType | None] = {}
        self._converted: set[CodeType] = set()
        # The functions that were rewritten, in order: weakly, since some hold what capture makes.
        self._read: weakref.WeakKeyDictionary[FunctionType, None] = weakref.WeakKeyDictionary()

    @property
    def read_functions(self) -> list[weakref.ref[FunctionType]]:
        """The functions of the program that were rewritten, as they were."""
        return list(self._read.keyrefs())

    # -- what a call in rewritten code becomes ---------------------------------------------------

    def callable_for(self, function: Any) -> Function:
        """What to call instead of `function`."""
        replacement = self._runtime.replacement_for(function)
        if replacement is not None:
            return replacement
        kind = type(function)
        if kind is FunctionType and function.__code__ is _CONTEXT_MANAGER:
            return contextlib.contextmanager(self.converted(function.__wrapped__))
        if kind is FunctionType and function.__code__ is _SINGLE_DISPATCH:
            return functools.partial(self._dispatched, function)
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

    def _dispatched(self, function: Any, *args: object, **kwargs: object) -> Any:
        """A function under ``@functools.singledispatch``: the one for the first argument's type."""
        kind = self.callable_for(type)(args[0])
        return self.callable_for(function.dispatch(kind))(*args, **kwargs)

    def _module_call(self, module: torch.nn.Module, call: FunctionType) -> Function:
        def called(*args: object, **kwargs: object) -> Any:
            with self._entering(module):
                return call(module, *args, **kwargs)

        return called

    def _constructor(self, cls: type) -> Function:
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
        # A class that stands in a function is rewritten with it; slots are no parts of an object.
        if converted is init and (init.__code__ not in self._converted or not cls.__dictoffset__):
            return self._noting(cls)

        def construct(*args: object, **kwargs: object) -> object:
            value = self._runtime.fresh(cls.__new__(cls))
            converted(value, *args, **kwargs)
            return value

        return construct

    def _noting(self, cls: type) -> Function:
        if stores_anything(cls):
            return lambda *args, **kwargs: self._runtime.fresh(cls(*args, **kwargs))
        hook = getattr(cls, "__post_init__", None)
        if dataclasses.is_dataclass(cls) and type(hook) is FunctionType:
            return functools.partial(self._with_hook, cls, hook)
        return lambda *args, **kwargs: self._runtime.fresh(
            self._runtime.constructed(cls, args, kwargs)
        )

    def _with_hook(self, cls: type, hook: FunctionType, *args: object, **kwargs: object) -> object:
        """A dataclass whose ``__post_init__`` is the program's: it is called as others are."""
        more: list[object] = []
        waits = {"__post_init__": lambda _, *left: more.extend(left)}
        waiting: Any = type(cls.__name__, (cls,), waits)
        value = self._runtime.fresh(waiting.__new__(waiting))
        cls.__init__(value, *args, **kwargs)  # type: ignore[misc]
        object.__setattr__(value, "__class__", cls)
        self.converted(hook)(value, *more)
        return value

    def is_read(self, function: object) -> bool:
        """Whether what `callable_for` gave is rewritten code, or code of ours that calls it."""
        code = _code_of(function)
        return self.is_rewritten(function) or (
            code is not None and is_of_fxexport(code.co_filename)
        )

    def is_rewritten(self, function: object) -> bool:
        """Whether what `callable_for` gave is rewritten code of the program."""
        code = _code_of(function)
        # Modules and classes are called by functions of this file.
        return code is not None and (code in self._converted or code.co_filename == __file__)

    def handed(self, value: Any) -> Any:
        """What PyTorch's own code is given to call for a function of the program."""
        kind = type(value)
        if kind is FunctionType:
            return self.converted(value)
        if kind is MethodType and type(value.__func__) is FunctionType:
            return MethodType(self.converted(value.__func__), value.__self__)
        return value

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
        self._read[function] = None
        return self._with_code(function, new_code)

    def _with_code(self, function: FunctionType, code: CodeType) -> FunctionType:
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        closure = []
        for name in code.co_freevars:
            closure.append(CellType(self._runtime) if name == RUNTIME else cells[name])
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
            self._unread[code] = UnreadFunction("it is asynchronous")
            return None
        try:
            found = find_source(function)
        except ChangedSourceError:
            self._unread[code] = _CHANGED
            return None
        if found is None:
            self._unread[code] = UnreadFunction("its source cannot be found")
            return None
        new = rewrite_function(found.node, found.class_name, going_on=self._going_on)
        free = dict.fromkeys([*code.co_freevars, RUNTIME, "__class__"])
        compiled = compile_function(new, code, list(free))
        self._converted.update(_codes_in(compiled))
        return compiled


def _is_converted(function: FunctionType) -> bool:
    """Whether a function's control flow may matter to the model."""
    file = function.__code__.co_filename.replace("\\", "/")
    if file.endswith(_CONTAINERS_IN_PYTHON):
        # Named tuples and kin stand in the same file.
        plain = file.endswith("/collections/__init__.py")
        return not plain or function.__qualname__.split(".")[0] in _CLASSES_OF_COLLECTIONS
    if file.startswith("<") and not linecache.getlines(function.__code__.co_filename):
        return False
    if function.__globals__.get(READ_MARK) is True:
        return True
    module = (function.__globals__.get("__name__") or "").split(".")[0]
    if module in _READ_IN_PYTHON:
        return True
    if module in _LEFT_ALONE:
        return False
    if any(part in file for part in _NOT_CONVERTED_IN_NN):
        return False
    if is_torch_internal(function.__code__.co_filename):
        return any(part in file for part in _TORCH_CONVERTED)
    return not is_of_standard_library(function.__code__.co_filename)


def _code_of(function: object) -> CodeType | None:
    """The code behind a function, method or partial; None for what is not written in Python."""
    while isinstance(function, (MethodType, functools.partial)):
        function = function.__func__ if isinstance(function, MethodType) else function.func
    return function.__code__ if isinstance(function, FunctionType) else None


def _codes_in(code: CodeType) -> list[CodeType]:
    found = [code]
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found.extend(_codes_in(const))
    return found
