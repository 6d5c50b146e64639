"""Everything that a capture notes and may have to take back, listed in this one module.

A capture notes things in several objects: nodes in the graph, writes in the journal, facts about
sizes, who shares memory with whom, findings for the report, refusals. A `Transaction` is about a
stretch of the program that may be recorded in another way after all: it is committed, or all that
was noted since it began is taken back. A `Body` is about a path of a branch or an iteration of a
loop, which has a graph of its own: what holds in it alone is taken back when it ends, and handed
out for those who merge it with what is around it; what it said stays unless it is discarded.

What stays in any case is about values, not about the point where the program is: the ranges of
symbols, what follows from a condition, weights that have been met, iterators that have advanced.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fxexport import _torch_compat as compat
from fxexport.capture.recording.frame import Frame
from fxexport.capture.recording.recorder import Recorder
from fxexport.capture.session.journal import Journal, Slot, Writes
from fxexport.capture.session.memory import Sharing
from fxexport.capture.session.sharing_notes import Remembered
from fxexport.errors import UnsupportedError

__all__ = ["Body", "Ledger", "Transaction"]

# Takes back what was noted since it was made.
_Savepoint = Callable[[], None]


class Transaction:
    """A stretch of the program that may be taken back."""

    def __init__(
        self,
        recorder: Recorder,
        writes: Writes,
        abandon: _Savepoint,
        take_back: Sequence[_Savepoint],
    ) -> None:
        """`writes` are those of the program, `abandon` ends bodies that were opened inside."""
        self._recorder = recorder
        self._frame = frame = recorder.frame
        self._abandon = abandon
        self._nodes = len(frame.graph.nodes)
        self._writes = writes
        self._take_back = take_back

    @property
    def recorded(self) -> bool:
        """Whether the graph has grown since it began."""
        return self._recorder.frame is not self._frame or (
            len(self._frame.graph.nodes) > self._nodes
        )

    def roll_back(self) -> None:
        """Takes back all that has happened since it began."""
        self._abandon()
        self._writes.undo()
        for savepoint in self._take_back:
            savepoint()


@dataclass
class Body:
    """A path of a branch, or an iteration of a loop, in a graph of its own.

    Attributes:
        frame: its graph.
        writes: what it wrote, which is undone when it ends.
        learnt: the facts about sizes that it needs, by their text.
        remembered: what it has noted about shared memory.
    """

    frame: Frame
    writes: Writes
    _unsay: _Savepoint
    _drop_refusals: _Savepoint
    learnt: dict[str, compat.SizeFact] = field(default_factory=dict)
    remembered: Remembered = field(default_factory=Remembered)

    def unsay(self) -> None:
        """Takes back what has been said since it began: another recording will stand for it.

        Refusals stay, since values that were refused may go into the other recording.
        """
        self._unsay()

    def discard(self) -> None:
        """Takes back what it has said, and its refusals: nothing of it will be in the file."""
        self._unsay()
        self._drop_refusals()


class Ledger:
    """All that one capture notes and may have to take back."""

    def __init__(
        self,
        env: compat.SizeEnv,
        recorder: Recorder,
        journal: Journal,
        memory: Sharing,
        said: Sequence[list[Any] | dict[Any, Any]],
        refusals: list[UnsupportedError],
        bodies: Callable[[], _Savepoint],
    ) -> None:
        """`said` are the findings, and what the file takes for granted.

        `bodies` gives what ends the bodies that are opened from now on and still open.
        """
        self._env = env
        self._recorder = recorder
        self._journal = journal
        self._memory = memory
        self._said = said
        self._refusals = refusals
        self._bodies = bodies

    @contextlib.contextmanager
    def transaction(self, slots: Iterable[Slot] = ()) -> Iterator[Transaction]:
        """Around what may be taken back; it is committed otherwise.

        An exception commits it as well: what Python has done before one stays.

        Args:
            slots: variables that may be bound inside, of which the journal is not told.
        """
        with self._journal.scope(slots) as writes:
            take_back = (
                self._env.savepoint(),
                self._recorder.savepoint(),
                self._memory.savepoint(),
                _contents(*self._said, self._refusals),
            )
            yield Transaction(self._recorder, writes, self._bodies(), take_back)

    @contextlib.contextmanager
    def body(
        self, perhaps: bool, check: Callable[[Iterable[compat.SizeFact]], None]
    ) -> Iterator[Body]:
        """Records into a graph of its own; what holds in there alone is handed out.

        Args:
            perhaps: whether the program may not reach it.
            check: is given the facts that were learnt, while they hold.
        """
        facts, mark = self._env.save_facts(), self._memory.mark()
        with contextlib.ExitStack() as ended:
            ended.callback(self._env.restore_facts, facts)
            ended.callback(self._memory.take_back, mark)
            with (
                self._recorder.body() as frame,
                self._journal.scope() as writes,
                self._recorder.broadcasting.body(perhaps),
            ):
                ended.callback(writes.undo)
                body = Body(frame, writes, _contents(*self._said), _contents(self._refusals))
                yield body
            body.learnt = self._env.facts_since(facts)
            check(body.learnt.values())
            body.remembered = self._memory.since(mark)


def _contents(*containers: list[Any] | dict[Any, Any]) -> _Savepoint:
    """Gives lists and dicts the contents back that they have now."""
    before = [container.copy() for container in containers]

    def put_back() -> None:
        for container, old in zip(containers, before, strict=True):
            container.clear()
            if isinstance(container, dict):
                container.update(old)
            else:
                container.extend(old)

    return put_back
