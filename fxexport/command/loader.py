"""Finding the model that a command line names, for example ``model.py:Net``.

The user's file runs as any Python program does: its own folder is importable while it loads and
while it is exported, and it is registered under a module name.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import linecache
import os
import sys
import traceback
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from fxexport.command.archive import load_archive
from fxexport.command.example_inputs import check_inputs_of, example_inputs_of
from fxexport.command.model_reference import FORMS, ModelReference
from fxexport.errors import UsageError
from fxexport.source.location import SourceLocation

__all__ = ["LoadedModel", "loaded_model"]

_STANDARD = os.path.dirname(os.__file__)
_FACTORIES = ("get_model", "build_model")

_INPUTS = ("example_inputs", "get_inputs", "check_inputs")


@dataclass
class LoadedModel:
    """A model with what its file says about its inputs.

    Attributes:
        model: an `nn.Module` or a function of tensors.
        name: where it comes from, for example ``model.py:Net``.
        args: positional example inputs.
        kwargs: example inputs by name.
        check_inputs: further inputs to verify on.
        made_by: the class that was called to make the model, where none was there.
    """

    model: Any
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    check_inputs: list[Any] = field(default_factory=list)
    made_by: type | None = None


@contextmanager
def loaded_model(reference: ModelReference) -> Iterator[LoadedModel]:
    """Loads a model; what it imports stays importable as long as the context lasts.

    Raises:
        UsageError: the file does not load, or it has no such model.
    """
    if reference.archive and reference.file is not None:
        yield LoadedModel(model=load_archive(reference.file), name=reference.shown)
        return
    folder = reference.file.resolve().parent if reference.file is not None else Path.cwd()
    with _importable(str(folder)):
        module = _load(reference)
        name, found = _find(module, reference)
        model = _make(found, name, reference)
        args, kwargs = example_inputs_of(module, reference.shown)
        yield LoadedModel(
            model=model,
            name=f"{reference.shown}:{name}",
            args=args,
            kwargs=kwargs,
            check_inputs=check_inputs_of(module, reference.shown),
            made_by=found if inspect.isclass(found) else None,
        )


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Puts a folder on the import path, and takes back what was imported from it.

    It comes before installed packages, and after Python's own modules: libraries that import
    `random` must not find a model of that name.
    """
    was_there = folder in sys.path
    modules_before = set(sys.modules)
    argv = sys.argv
    sys.path.insert(_after_python_itself(), folder)
    try:
        yield
    finally:
        sys.argv = argv
        if folder in sys.path:
            sys.path.remove(folder)
        if not was_there:
            for name in set(sys.modules) - modules_before:
                if _lies_in(sys.modules.get(name), name, folder):
                    del sys.modules[name]


def _after_python_itself() -> int:
    """The place on the import path behind the standard library; 0 where that comes late."""
    places = [
        k
        for k, entry in enumerate(sys.path)
        if entry.startswith(_STANDARD) and "-packages" not in entry
    ]
    return places[-1] + 1 if places else 0


def _lies_in(module: ModuleType | None, name: str, folder: str) -> bool:
    """Whether a module was found as a top-level name of a folder (or below such a package)."""
    file = getattr(module, "__file__", None)
    top = name.partition(".")[0]
    if not file or top == __name__.partition(".")[0]:
        return False
    relative = os.path.relpath(os.path.realpath(file), folder)
    return relative == top + ".py" or relative.startswith(top + os.sep)


def _load(reference: ModelReference) -> ModuleType:
    # A program that looks at its arguments must not find ours.
    sys.argv = [str(reference.file) if reference.file is not None else reference.module]
    try:
        return _run_file(reference.file) if reference.file is not None else _import(reference)
    except UsageError:
        raise
    except SyntaxError as error:
        location = SourceLocation(error.filename, error.lineno or 1) if error.filename else None
        raise UsageError(
            f"{reference.shown} is not valid Python: {error.msg}.", location=location
        ) from error
    except SystemExit as error:
        raise UsageError(
            f"{reference.shown} ended itself with sys.exit({error.code!r}) while it was loaded.",
            location=_user_line(error),
            hint='Put what a script does under `if __name__ == "__main__":`.',
        ) from error
    except Exception as error:
        raise UsageError(
            f"{reference.shown} raised {_summary(error)} while it was loaded.",
            location=_user_line(error),
            hint=_load_hint(error, reference),
        ) from error


def _run_file(path: Path) -> ModuleType:
    name = _module_name(path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise UsageError(f"{path} cannot be loaded as a Python file.")
    linecache.checkcache(str(path))
    try:
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    module = importlib.util.module_from_spec(spec)
    # Dataclasses, pickle and inspect look modules up by name.
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _module_name(stem: str) -> str:
    """The file's own name where it is free, so that other files can import it."""
    taken = stem in sys.modules or stem in sys.stdlib_module_names
    return stem if stem.isidentifier() and not taken else f"__fxexport_model__{stem}"


def _import(reference: ModelReference) -> ModuleType:
    name = reference.module
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != name and not name.startswith(missing + "."):
            raise
        raise UsageError(
            f"There is no file and no importable module {name} (no module {missing}).",
            hint=f"MODEL is one of {FORMS}; modules are also looked for in the current folder.",
        ) from error


def _find(module: ModuleType, reference: ModelReference) -> tuple[str, Any]:
    """The object that was asked for, or the one that is meant when none was."""
    if reference.object:
        return reference.object, _named(module, reference)
    candidates = _candidates(module)
    if "model" in vars(module) and not inspect.ismodule(module.model):
        return "model", module.model
    found = [name for name in _FACTORIES if callable(getattr(module, name, None))]
    if not found:
        found = [name for name, kind in candidates.items() if kind == "class"]
    if len(found) == 1:
        return found[0], getattr(module, found[0])
    if found:
        raise UsageError(
            f"{reference.shown} defines more than one model: {', '.join(found)}.",
            hint=f"Name one of them, for example {reference.naming(found[-1])}.",
        )
    hint = "Define `model`, a function `get_model()` or an nn.Module class"
    if candidates:
        first = next(iter(candidates))
        hint += f", or name one of {', '.join(candidates)}, for example {reference.naming(first)}"
    raise UsageError(f"{reference.shown} defines no model.", hint=hint + ".")


def _named(module: ModuleType, reference: ModelReference) -> Any:
    found: Any = module
    for part in reference.object.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            break
    else:
        return found
    names = list(_candidates(module))
    close = difflib.get_close_matches(reference.object, names, n=1)
    hint = f"Did you mean {reference.naming(close[0])}? " if close else ""
    hint += f"It has: {', '.join(names)}." if names else "It defines no model or function."
    raise UsageError(f"{reference.shown} has no {reference.object!r}.", hint=hint)


def _candidates(module: ModuleType) -> dict[str, str]:
    """What a module itself defines that could be exported: name to class, instance, function."""
    import torch
    from torch import nn

    found = {}
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        ours = getattr(value, "__module__", None) == module.__name__
        if inspect.isclass(value) and issubclass(value, nn.Module) and ours:
            # An alias of a class is no second candidate.
            if name == value.__name__:
                found[name] = "class"
        elif isinstance(value, nn.Module):
            found[name] = "instance"
        elif isinstance(value, torch.jit.ScriptFunction) or (
            inspect.isfunction(value) and ours and name not in _INPUTS
        ):
            found[name] = "function"
    return found


def _make(found: Any, name: str, reference: ModelReference) -> Any:
    """The model that an object is, or makes."""
    from torch import Tensor, nn
    from torch.export import ExportedProgram

    if isinstance(found, (nn.Module, ExportedProgram)):
        return found
    if inspect.isclass(found):
        if not issubclass(found, nn.Module):
            raise UsageError(
                f"{reference.naming(name)} is the class {found.__name__}, which is not an "
                "nn.Module.",
                hint="Name an nn.Module, a class or function that makes one, or a function of "
                "tensors.",
            )
        _refuse_arguments(found, name, reference)
        return _call(found, name)
    if not callable(found):
        raise UsageError(
            f"{reference.naming(name)} is of type {type(found).__name__}, which is not a model.",
            hint="Name an nn.Module, a class or function that makes one, or a function of tensors.",
        )
    returns = _return_type(found)
    if name in _FACTORIES or (returns is not None and issubclass(returns, nn.Module)):
        _refuse_arguments(found, name, reference)
    elif returns is Tensor or _required_parameters(found) != []:
        return found
    made = _call(found, name)
    if isinstance(made, (nn.Module, ExportedProgram)):
        return made
    if name in _FACTORIES and not callable(made):
        raise UsageError(
            f"{name}() in {reference.shown} returned {type(made).__name__}, not an nn.Module.",
            hint=f"Let {name}() return the model.",
        )
    # A function without parameters that makes no model is itself the program.
    return made if name in _FACTORIES else found


def _return_type(function: Any) -> type | None:
    """The class that a function's annotation says it returns, if it says one."""
    try:
        found = typing.get_type_hints(function).get("return")
    except Exception:  # annotations may name anything
        return None
    return found if inspect.isclass(found) else None


def _call(factory: Any, name: str) -> Any:
    try:
        return factory()
    except Exception as error:
        raise UsageError(
            f"{name}() raised {_summary(error)} while it made the model.",
            location=_user_line(error),
        ) from error


def _refuse_arguments(factory: Any, name: str, reference: ModelReference) -> None:
    required = _required_parameters(factory)
    if required:
        raise UsageError(
            f"{name} in {reference.shown} needs arguments: {', '.join(required)}.",
            hint=f"Add to the file: def get_model(): return {name}(...)",
        )


def _required_parameters(function: Any) -> list[str] | None:
    """The parameters that a call must give; None where Python cannot tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in optional]


def _user_line(error: BaseException) -> SourceLocation | None:
    """The innermost line of an error that is not in Python or in an installed library."""
    frames = traceback.extract_tb(error.__traceback__)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for frame in reversed(frames):
        outside = "site-packages" in frame.filename or frame.filename.startswith(
            (here + os.sep, "<", os.path.dirname(os.__file__) + os.sep)
        )
        if not outside:
            return SourceLocation(frame.filename, frame.lineno or 1, frame.name)
    return None


def _load_hint(error: Exception, reference: ModelReference) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"Install what provides the module {error.name}, or run where it is importable."
    if isinstance(error, ImportError) and "relative import" in str(error):
        return f"A file of a package is loaded by its name: package.{reference.stem}:object."
    return ""


def _summary(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
