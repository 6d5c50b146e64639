"""Loops over what a function with yield gives, where ifs or loops in it decide what that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fxexport.capture.operators.dynamic_iterables import Generated
from fxexport.capture.session.journal import Slot
from fxexport.capture.session.session import Session
from fxexport.capture.staging.widening import NeedsFirstIteration
from fxexport.errors import UnsupportedError

__all__ = ["loop_over_generated"]


def loop_over_generated(
    session: Session,
    source: Generated,
    write_out: Callable[[Iterable[Any]], None],
    body: Callable[[Any], object],
    slots: list[Slot],
    broken: Slot | None,
) -> None:
    """A loop that is written out, or recorded inside of the function's own loops.

    Args:
        session: the capture.
        source: what the function has given.
        write_out: runs the loop over items that Python draws.
        body: an iteration.
        slots: variables that the loop may bind.
        broken: holds whether the loop has been left.

    Raises:
        UnsupportedError: neither can be recorded.
    """
    if source.drawn:
        write_out(source)
        return
    source.drawn = True

    def pull() -> None:
        write_out(source.again())

    def push() -> None:
        _push(session, source, body, slots, broken)

    first, second = (push, pull) if source.loops else (pull, push)
    try:
        with session.trial(slots):
            first()
        return
    except (UnsupportedError, NeedsFirstIteration) as refused:
        error = refused
    try:
        second()
    except UnsupportedError as again:
        # What is refused of the function that runs as a whole is nearer to what it does.
        nearer = error if source.loops and isinstance(error, UnsupportedError) else again
        raise nearer from None


def _push(
    session: Session,
    source: Generated,
    body: Callable[[Any], object],
    slots: list[Slot],
    broken: Slot | None,
) -> None:
    """Runs the function, which calls the body on each item and asks whether to stop."""

    def emit(item: object) -> object:
        for slot in slots:
            session.journal.touch(slot)
        body(item)
        return False if broken is None else broken.get()

    source.push(emit)
    source.pushed = True
