"""Finding the user's lines in a Python stack."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.source import SourceLocation

__all__ = ["frames_of_traceback", "is_own", "is_torch_internal", "user_frames", "user_location"]

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
_TORCH_NN = os.path.join(_TORCH, "nn") + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
# Where the model is called; other functions of that file may be called from inside the model.
_ENTRY = (os.path.join(_HERE, "capture", "capture.py"), "_call")
_PACKAGES = os.sep + "site-packages" + os.sep

# Lower is more the user's own.
_USER, _LIBRARY, _TORCH_LAYER, _INTERNAL = range(4)


@lru_cache(maxsize=4096)
def _rank(file: str) -> int:
    if file.startswith(_TORCH_NN):
        return _TORCH_LAYER
    if file.startswith((_TORCH, _HERE)) or file.startswith("<"):
        return _INTERNAL
    if _PACKAGES in file:
        return _LIBRARY
    if file.startswith(_STDLIB):
        return _INTERNAL
    return _USER


def is_own(file: str) -> bool:
    """True for the user's own files."""
    return _rank(file) == _USER


def is_torch_internal(file: str) -> bool:
    """True for PyTorch's files other than its layers in torch.nn."""
    return file.startswith(_TORCH) and not file.startswith(_TORCH_NN)


def _function_name(code: CodeType) -> str:
    """The name of the user's function, also inside the closures that rewriting makes."""
    parts = [part for part in code.co_qualname.split(".") if part != "<locals>"]
    own = [part for part in parts if not part.startswith("_fx_")]
    return own[-1] if own else code.co_name


def _locations(stack: list[tuple[str, int, str]]) -> tuple[SourceLocation, ...]:
    """The stack's user frames, innermost first, the user's own files before libraries'."""
    kept = [(_rank(file), SourceLocation(file, line, name)) for file, line, name in stack]
    kept = [(rank, place) for rank, place in kept if rank < _INTERNAL]
    own = [place for rank, place in kept if rank == _USER]
    if own:
        return tuple(own)
    library = [place for rank, place in kept if rank == _LIBRARY]
    return tuple(library or [place for _, place in kept])


def _walk(frame: FrameType | None) -> list[tuple[str, int, str]]:
    stack: list[tuple[str, int, str]] = []
    while frame is not None:
        code = frame.f_code
        if (code.co_filename, code.co_name) == _ENTRY:
            break  # the program that called fxexport is no part of the model
        stack.extend(_places(frame, frame.f_lineno))
        frame = frame.f_back
    return stack


def _places(frame: FrameType, line: int) -> list[tuple[str, int, str]]:
    """Where a frame is, innermost first: a line of generated code stands for those it is from."""
    code = frame.f_code
    if compat.is_generated(code):
        text = compat.stack_of_generated(frame, line)
        return [(file, int(at), name) for file, at, name in _FRAME.findall(text)][::-1]
    if _rank(code.co_filename) < _INTERNAL:
        return [(code.co_filename, line, _function_name(code))]
    return []


# A line of a printed Python stack.
_FRAME = re.compile(r'File "(.+)", line (\d+), in (\S+)')


def user_frames(limit: int = 8) -> tuple[SourceLocation, ...]:
    """The user's frames on the present stack, innermost first."""
    return _locations(_walk(sys._getframe(1)))[:limit]


def user_location() -> SourceLocation | None:
    """The user's innermost line on the present stack."""
    frames = user_frames(1)
    return frames[0] if frames else None


def frames_of_traceback(traceback: TracebackType | None) -> tuple[SourceLocation, ...]:
    """The user's frames of an exception, innermost first."""
    stack: list[tuple[str, int, str]] = []
    while traceback is not None:
        stack[:0] = _places(traceback.tb_frame, traceback.tb_lineno)
        traceback = traceback.tb_next
    return _locations(stack)


@contextlib.contextmanager
def errors_of_the_program() -> Iterator[None]:
    """Around a line of ours that does what a line of the program says."""
    try:
        yield
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        error.fx_program = True  # type: ignore[attr-defined, union-attr]
        raise


def raised_by_fxexport(error: BaseException) -> bool:
    """Whether an exception comes from a line of ours: a bug of fxexport, not of the model."""
    if getattr(error, "fx_program", False):
        return False
    last, traceback = None, error.__traceback__
    while traceback is not None:
        last, traceback = traceback, traceback.tb_next
    return last is not None and last.tb_frame.f_code.co_filename.startswith(_HERE)


def locations_of_summary(summary: Iterable[Any]) -> tuple[SourceLocation, ...]:
    """The user's frames of a `traceback.StackSummary` (outermost first), innermost first."""
    frames = []
    for frame in reversed(list(summary)):
        if (frame.filename, frame.name) == _ENTRY:
            break
        frames.append((frame.filename, frame.lineno, frame.name))
    return _locations(
        [(file, line, "" if name.startswith("_fx_") else name) for file, line, name in frames]
    )
