"""Finding the user's lines in a Python stack."""

from __future__ import annotations

import dataclasses
import functools
import re
import sys
from collections.abc import Callable, Iterable
from traceback import FrameSummary
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, TypeVar

from fxexport import _torch_compat as compat
from fxexport.source.columns import Instruction
from fxexport.source.location import SourceLocation
from fxexport.source.ownership import Owner, is_generated, owner_of

__all__ = [
    "Runner",
    "call_model",
    "frames_of_traceback",
    "in_pytorch_layer",
    "locations_of_summary",
    "standing_at",
    "user_frames",
    "user_location",
]

_Called = TypeVar("_Called")
Runner = Callable[[Callable[[], Any]], Any]
"""Calls a thunk below a frame of its own."""


@functools.lru_cache(maxsize=8192)
def standing_at(file: str, line: int, function: str) -> Runner:
    """Calls a thunk below a frame that claims to stand on a line of the user's."""
    code = _TEMPLATE.__code__.replace(
        co_filename=file, co_firstlineno=line, co_name=function, co_qualname=function
    )
    return FunctionType(code, {}, function)


# All on one line: the code's line table is relative to its first one.
_TEMPLATE = lambda thunk: thunk()  # noqa: E731


def call_model(call: Callable[[], _Called]) -> _Called:
    """Calls the model; what stands further out on the stack is no part of it."""
    return call()


def _function_name(code: CodeType) -> str:
    """The name of the user's function, also inside the closures that rewriting makes."""
    parts = [part for part in code.co_qualname.split(".") if part != "<locals>"]
    own = [part for part in parts if not part.startswith("_fx_")]
    return own[-1] if own else code.co_name


def _locations(stack: list[SourceLocation]) -> tuple[SourceLocation, ...]:
    """The stack's user frames, innermost first, the user's own files before libraries'.

    The first one says in which line of a library it is, where that stands further inside.
    """
    kept = [(owner_of(location.file), location) for location in stack]
    kept = [(owner, location) for owner, location in kept if owner < Owner.INTERNAL]
    own = [location for owner, location in kept if owner is Owner.USER]
    if own:
        inside = next(one for owner, one in kept if owner in (Owner.USER, Owner.LIBRARY))
        if inside is not own[0]:
            own[0] = dataclasses.replace(own[0], within=inside)
        return tuple(own)
    library = [location for owner, location in kept if owner is Owner.LIBRARY]
    return tuple(library or [location for _, location in kept])


def _walk(frame: FrameType | None) -> list[SourceLocation]:
    stack: list[SourceLocation] = []
    while frame is not None:
        code = frame.f_code
        if code is call_model.__code__:
            break  # the program that called fxexport is no part of the model
        if _is_anybodys(code):  # few are, and asking a frame for its line takes time
            stack.extend(_frame_lines(frame, frame.f_lineno, frame.f_lasti))
        frame = frame.f_back
    return stack


def _is_anybodys(code: CodeType) -> bool:
    """Whether the lines of a function, or those it was made of, are the user's or a library's."""
    if compat.is_generated(code):
        return True
    return owner_of(code.co_filename) < Owner.INTERNAL and not is_generated(
        code.co_filename, code.co_name
    )


def _frame_lines(frame: FrameType, line: int, offset: int) -> list[SourceLocation]:
    """Where a frame is, innermost first: a line of generated code stands for those it is from."""
    code = frame.f_code
    if compat.is_generated(code):
        text = compat.stack_of_generated(frame, line)
        return [SourceLocation(file, int(at), name) for file, at, name in _FRAME.findall(text)][
            ::-1
        ]
    # The columns of a frame that only claims to stand there are those of the template.
    at = None if code.co_code == _TEMPLATE.__code__.co_code else Instruction(code, offset)
    return [SourceLocation(code.co_filename, line, _function_name(code), at=at)]


# A line of a printed Python stack.
_FRAME = re.compile(r'File "(.+)", line (\d+), in (\S+)')


def user_frames(limit: int = 8) -> tuple[SourceLocation, ...]:
    """The user's frames on the present stack, innermost first."""
    return _locations(_walk(sys._getframe(1)))[:limit]


def user_location() -> SourceLocation | None:
    """The user's innermost line on the present stack."""
    frames = user_frames(1)
    return frames[0] if frames else None


def in_pytorch_layer() -> bool:
    """Whether the innermost frame that is anybody's is one of PyTorch's own layers."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not call_model.__code__:
        owner = owner_of(frame.f_code.co_filename)
        if owner < Owner.INTERNAL:
            return owner is Owner.TORCH_LAYER
        frame = frame.f_back
    return False


def frames_of_traceback(traceback: TracebackType | None) -> tuple[SourceLocation, ...]:
    """The user's frames of an exception, innermost first."""
    stack: list[SourceLocation] = []
    while traceback is not None:
        frame = traceback.tb_frame
        if _is_anybodys(frame.f_code):
            stack[:0] = _frame_lines(frame, traceback.tb_lineno, traceback.tb_lasti)
        traceback = traceback.tb_next
    return _locations(stack)


def locations_of_summary(summary: Iterable[FrameSummary]) -> tuple[SourceLocation, ...]:
    """The user's frames of a `traceback.StackSummary` (outermost first), innermost first."""
    frames: list[tuple[str, int, str]] = []
    entry = call_model.__code__
    for frame in reversed(list(summary)):
        if (frame.filename, frame.name) == (entry.co_filename, entry.co_name):
            break
        if not is_generated(frame.filename, frame.name):
            frames.append((frame.filename, frame.lineno or 0, frame.name))
    return _locations(
        [
            SourceLocation(file, line, "" if name.startswith("_fx_") else name)
            for file, line, name in frames
        ]
    )
