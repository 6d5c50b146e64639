"""Finds the source of functions as they are called, rewrites and compiles them.

A function that has no source, or is none of the model's business (PyTorch's internals, the
standard library), runs as it is; a condition on a tensor in it is refused where it is met.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import inspect
import linecache
import os
import sysconfig
import tokenize
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

import torch

from fxexport.capture.frames import is_torch_internal
from fxexport.capture.passing import stores_anything
from fxexport.capture.rewrite import RUNTIME, rewrite_function

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
        found = _find_source(function)
        if found is None:
            self.failures[code] = "its source cannot be found"
            return None
        node, class_name = found
        new = rewrite_function(node, class_name)
        compiled = _compile_function(new, code)
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


def _find_source(function: FunctionType) -> tuple[Any, str | None] | None:
    """A function's syntax and the class whose body it stands in."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        return None
    if code.co_name == "<lambda>":
        candidates = _lambdas_of(code.co_filename, "".join(lines)).get(code.co_firstlineno, [])
        found: Any = next((node for node in candidates if _same_lambda(node, code)), None)
    else:
        found = _definition_at(lines, code)
    return None if found is None else (found, _class_around(code.co_qualname))


def _definition_at(lines: list[str], code: CodeType) -> ast.FunctionDef | None:
    """The function whose code begins at its first line; only its own text is parsed."""
    first = code.co_firstlineno
    if not 0 < first <= len(lines):
        return None
    try:
        block = inspect.getblock(lines[first - 1 :])
        # Inside an `if`, an indented function may stay as it is, strings and all.
        indented = lines[first - 1][:1].isspace()
        text = ("if 1:\n" if indented else "") + "".join(block)
        tree = ast.parse(text, code.co_filename)
    except (SyntaxError, tokenize.TokenError):
        return None
    statement: Any = tree.body[0]
    node = statement.body[0] if indented and isinstance(statement, ast.If) else statement
    if not isinstance(node, ast.FunctionDef):
        return None
    # PyTorch renames the code of its decorators' wrappers, so the name cannot be asked for.
    ast.increment_lineno(node, first - (2 if indented else 1))
    return node


def _class_around(qualified_name: str) -> str | None:
    """The innermost class in a qualified name: what is followed by another name directly."""
    parts = qualified_name.split(".")
    for part, following in reversed(list(pairwise(parts))):
        if part != "<locals>" and following != "<locals>":
            return part
    return None


@functools.lru_cache(maxsize=512)
def _lambdas_of(file: str, text: str) -> dict[int, list[ast.Lambda]]:
    """First line -> lambdas that begin there."""
    table: dict[int, list[ast.Lambda]] = {}
    try:
        tree = ast.parse(text, file)
    except SyntaxError:
        return table
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            table.setdefault(node.lineno, []).append(node)
    return table


def _same_lambda(node: ast.Lambda, code: CodeType) -> bool:
    """Several lambdas may stand on one line: the columns of the code tell them apart."""
    columns = [
        (line, column)
        for line, _, column, _ in code.co_positions()
        if line is not None and column is not None and (line, column) != (code.co_firstlineno, 0)
    ]
    if not columns:
        return False
    body = node.body
    begin, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    return begin <= min(columns) and max(columns) <= end  # type: ignore[operator]


def _compile_function(node: Any, original: CodeType) -> CodeType:
    """Compiles a function inside a factory that gives it the free variables it had."""
    free = [*original.co_freevars, RUNTIME]
    if "__class__" not in free:
        free.append("__class__")
    factory = ast.parse(f"def factory({', '.join(free)}): pass").body[0]
    assert isinstance(factory, ast.FunctionDef)
    name = original.co_name
    if isinstance(node, ast.Lambda):
        factory.body = [ast.Return(node)]
    else:
        # Under its own name it would hide a global of that name from itself.
        name = node.name = "_fx_function"
        factory.body = [node]
    module = ast.fix_missing_locations(ast.Module([factory], []))
    compiled = compile(
        module, original.co_filename, "exec", dont_inherit=True, flags=_future_flags(original)
    )
    outer = next(const for const in compiled.co_consts if isinstance(const, CodeType))
    code = next(
        const for const in outer.co_consts if isinstance(const, CodeType) and const.co_name == name
    )
    return _renamed(code, code.co_qualname, original.co_qualname).replace(co_name=original.co_name)


def _renamed(code: CodeType, prefix: str, name: str) -> CodeType:
    """The code, and all code inside it, with another qualified name in front."""
    constants = tuple(
        _renamed(const, prefix, name) if isinstance(const, CodeType) else const
        for const in code.co_consts
    )
    return code.replace(
        co_consts=constants, co_qualname=name + code.co_qualname.removeprefix(prefix)
    )


def _future_flags(code: CodeType) -> int:
    import __future__

    mask = 0
    for name in __future__.all_feature_names:
        mask |= getattr(__future__, name).compiler_flag
    return code.co_flags & mask


def _codes_in(code: CodeType) -> list[CodeType]:
    found = [code]
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found.extend(_codes_in(const))
    return found
