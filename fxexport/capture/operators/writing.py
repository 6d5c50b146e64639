"""What must be noted before a line of the program changes a container."""

from __future__ import annotations

import contextlib
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fxexport.capture.session.journal import ContainerSlot
from fxexport.capture.session.session import Session
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["about_to_change", "is_buffer", "noting_changes"]

_CONTAINERS = (list, dict, set, deque)
# What holds plain numbers in memory of its own, of which no slot keeps account.
_BUFFERS = (bytearray, array, np.ndarray)


def about_to_change(session: Session, container: object) -> None:
    """To be called before a container may change."""
    if isinstance(container, _CONTAINERS):
        session.check_changeable(container)
        session.aliases.about_to_write(container)
        session.journal.touch(ContainerSlot(container))
    elif isinstance(container, _BUFFERS):
        _refuse_outer(session, container)


def is_buffer(value: object) -> bool:
    """Whether a value is a bytearray or an array of Python's or NumPy's."""
    return isinstance(value, _BUFFERS)


@contextlib.contextmanager
def noting_changes(session: Session, values: Iterable[object]) -> Iterator[None]:
    """Around a call of code that is not rewritten: notes what it changes of what it is given.

    Raises:
        UnsupportedError: in a branch or loop, it changes what cannot be put back.
    """
    held = [(value, _contents(value)) for value in values if isinstance(value, _CONTAINERS)]
    inside = session.journal.opened
    buffers = [(value, _bytes(value)) for value in values if inside and is_buffer(value)]
    try:
        yield
    finally:
        for value, old in held:
            now = _contents(value)
            if len(now) == len(old) and all(a is b for a, b in zip(now, old, strict=True)):
                continue
            slot = ContainerSlot(value)
            after = slot.get()
            slot.set(_refilled(value, old))
            about_to_change(session, value)
            slot.set(after)
        for buffer, before in buffers:
            if _bytes(buffer) != before:
                _refuse_outer(session, buffer)


def _bytes(buffer: Any) -> bytes:
    return buffer.tobytes() if isinstance(buffer, np.ndarray) else bytes(buffer)


def _contents(value: Any) -> list[Any]:
    """Keys and items, one after the other."""
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    return list(value)


def _refilled(value: Any, contents: list[Any]) -> Any:
    if isinstance(value, dict):
        return dict(zip(contents[::2], contents[1::2], strict=True))
    return set(contents) if isinstance(value, set) else contents


def _refuse_outer(session: Session, buffer: object) -> None:
    """Refuses a change that a branch or loop makes to what was there before it."""
    if session.journal.born(buffer) < session.journal.opened:
        raise UnsupportedError(
            f"a branch or loop changes a {type(buffer).__name__} from outside of it",
            code=Code.MEMORY,
            location=user_location(),
            hint="use a tensor or a list",
        )
