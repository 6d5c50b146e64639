"""The statements that are open now and may catch an exception, and where one may be raised."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import CellType

import sympy
import torch

from fxexport.capture.kernels.kernel_errors import kinds_raised_by
from fxexport.capture.recording.types import Operand, Undecided, Value
from fxexport.capture.session.capture_errors import line_of, refusal_of
from fxexport.capture.session.journal import CellSlot, Journal, Slot, SlotKey
from fxexport.capture.session.refusals import PinNeeded
from fxexport.capture.session.transaction import Body
from fxexport.capture.session.watched import Watched
from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, UnsupportedError
from fxexport.source.exceptions import note_of, raised_by_fxexport, raising_code
from fxexport.source.frames import frames_of_traceback, user_location
from fxexport.source.location import SourceLocation
from fxexport.source.ownership import is_torch_internal

__all__ = [
    "MOST_SITES",
    "Classes",
    "OpenTry",
    "Site",
    "Tries",
    "nothing",
    "these",
]

MOST_SITES = 24
"""More places of one body that may raise are refused: each is an if around what follows it."""

# References to the cell of a function that has returned, while it is looked at.
_DEAD = 3

Kind = type[BaseException]
Classes = Callable[[], object]


def these(*kinds: Kind) -> Classes:
    """What gives some classes."""
    return lambda: kinds


nothing: Classes = these()


@dataclass(eq=False)
class OpenTry:
    """A statement around the present line that an exception leaves, or that catches it.

    Attributes:
        catching: gives the classes that its handlers catch.
        raising: gives the classes whose handlers certainly raise another one.
        slots: variables that may be bound inside.
        again: whether the statement can be run once more with another body, or ends here.
        body: whether it is a path of a branch or an iteration of a loop.
    """

    catching: Classes = nothing
    raising: Classes = nothing
    slots: Sequence[Slot] = ()
    again: bool = False
    body: bool = False
    # how many writes and moves of iterators there were when it began
    began: tuple[int, int] = (0, 0)
    # variables of functions that have been called inside
    _cells: list[tuple[str, CellType]] = field(default_factory=list)

    def catches(self, kind: Kind) -> bool:
        """Whether a handler catches exceptions of a class, and does not raise again."""
        return issubclass(kind, _classes(self.catching))

    def raises(self, kind: Kind) -> bool:
        """Whether a handler catches them, and certainly raises another one."""
        return issubclass(kind, _classes(self.raising))

    def may_meet(self, kind: Kind) -> bool:
        """Whether a handler is for some exceptions of a class."""
        named = (*_classes(self.catching), *_classes(self.raising))
        return any(issubclass(kind, one) or issubclass(one, kind) for one in named)

    def note_cells(self, cells: dict[str, CellType]) -> None:
        """Notes variables of a function that is called inside."""
        self._cells.extend(cells.items())

    def all_slots(self) -> list[Slot]:
        """All variables that may be bound inside, and read when it is left."""
        alive = [(name, cell) for name, cell in self._cells if sys.getrefcount(cell) > _DEAD]
        self._cells = alive
        return [*self.slots, *(CellSlot(cell, name) for name, cell in alive)]


def _classes(given: Classes) -> tuple[Kind, ...]:
    """The classes that an except clause names, as far as they are known."""
    try:
        return _flat(given())
    except Exception:
        return (BaseException,)


def _flat(value: object) -> tuple[Kind, ...]:
    if isinstance(value, tuple):
        return tuple(kind for item in value for kind in _flat(item))
    return (value,) if isinstance(value, type) else (BaseException,)


@dataclass(eq=False)
class Site:
    """A place where an exception may be raised, while what follows it is recorded.

    Attributes:
        condition: what decides it, and its node.
        outcome: the outcome of the condition with which it is raised.
        throw: raises it, from the state in which the place was come to.
        body: what is recorded on the way that raises nothing.
        ended: closes that.
        caught_by: the statement that catches it, or the body that it leaves.
        slots: the variables that may be bound from here on.
        kept: other variables that raising it reads, and what they hold there.
        location: the line that raises it.
        source: the lines that decide it, innermost first.
    """

    condition: Undecided
    node: Operand
    outcome: bool
    throw: Callable[[], Value]
    body: Body
    ended: contextlib.ExitStack
    caught_by: OpenTry
    slots: Sequence[Slot]
    kept: Sequence[tuple[Slot, Value]]
    location: SourceLocation | None
    source: Sequence[SourceLocation]


class _Dropped(Exception):
    """What was recorded is not wanted."""


class _RaisedSlot(Slot):
    """The exception that a path or an iteration has ended with, for what follows it."""

    def __init__(self) -> None:
        self.name = "the exception that is raised here"
        self.key: SlotKey = ("raised", 0)
        self._value: Value = None

    def get(self) -> Value:
        return self._value

    def set(self, value: Value) -> None:
        self._value = value


class Tries:
    """The statements of the program that are open now and may catch an exception.

    Attributes:
        sites: the places of open bodies where an exception may have been raised, the last one
            innermost.
        raised: holds what the path or iteration that has just ended raises.
        needed: how often PyTorch may have raised an exception of a class for sizes.
        needs: what is told of what a call needs of sizes, in place of all others.
        pending: what asks for another attempt and was caught by the program.
    """

    def __init__(self, refuse: Callable[[UnsupportedError], None], journal: Journal) -> None:
        """`refuse` notes a refusal that the program must not get rid of."""
        self._refuse = refuse
        self._journal = journal
        self._open: list[OpenTry] = []
        # How many of them catch something.
        self._catching = 0
        self.sites: list[Site] = []
        self.raised: Slot = _RaisedSlot()
        self.pending: list[PinNeeded] = []
        self.needed: Counter[Kind] = Counter()
        self._kinds: tuple[Kind, ...] = ()
        self.needs: list[sympy.Basic] | None = None

    # -- statements --------------------------------------------------------------------------------

    def around(self, statement: OpenTry) -> contextlib.AbstractContextManager[None]:
        """Around the body of a statement."""
        return _Around(self, statement)

    def begin(self, statement: OpenTry, catches: bool) -> None:
        """The body of a statement begins; `catches`: it has handlers that go on."""
        watched = self._journal.watched
        self._catching += catches
        if watched is None and catches:
            watched = self._journal.watched = Watched()
        if watched is not None:
            statement.began = watched.counts
        self._open.append(statement)

    def end(self, statement: OpenTry, catches: bool) -> None:
        """It ends."""
        self._open.remove(statement)
        self._catching -= catches
        if not self._catching:
            self._journal.watched = None

    def catching(self, *kinds: Kind) -> contextlib.AbstractContextManager[None]:
        """Around what may raise, in code of ours that catches some classes."""
        return self.around(OpenTry(these(*kinds)))

    @property
    def handling(self) -> bool:
        """Whether one of them has handlers at all."""
        return self._catching > 0

    def may_catch(self, error: BaseException | Kind) -> bool:
        """Whether one of them may catch an exception, or one of a class."""
        kind = error if isinstance(error, type) else type(error)
        if issubclass(kind, (FxExportError, PinNeeded)):
            return False
        another = False
        for statement in reversed(self._open):
            if statement.catches(kind) or (another and _classes(statement.catching)):
                return True
            another = another or statement.raises(kind)
        return False

    def catcher(self, kinds: Sequence[Kind], location: SourceLocation | None) -> OpenTry:
        """The statement that catches exceptions of the present line, or the body that they leave.

        Raises:
            UnsupportedError: a statement on the way there cannot be run again.
        """
        another = False
        for statement in reversed(self._open):
            if not statement.again:
                break
            if statement.body or any(map(statement.catches, kinds)):
                return statement
            if another and _classes(statement.catching):
                return statement
            another = another or any(map(statement.raises, kinds))
        raise self.refusal(location)

    def at_stake(self) -> tuple[list[Slot], list[Value]]:
        """What the innermost body may write to from here on, without saying so again.

        Returns:
            The slots, and iterators that may be moved on.
        """
        watched, slots = self._journal.watched, list[Slot]()
        assert watched is not None
        for statement in reversed(self._open):
            slots.extend(statement.all_slots())
            began = statement.began
            if statement.body:
                break
        slots.extend(watched.slots_since(began[0]))
        slots = list({slot.key: slot for slot in slots}.values())
        return slots, watched.iterators[began[1] :]

    def none_raised(self) -> None:
        """An iteration begins, so none before it has raised anything."""
        if self.raised.get() is not None:
            self._journal.touch(self.raised)
            self.raised.set(None)

    def note_cells(self, cells: dict[str, CellType]) -> None:
        """Notes the variables of a function that is called now."""
        if self._open:
            self._open[-1].note_cells(cells)

    def note_needed(self, kernel: torch._ops.OpOverload | None) -> None:
        """Notes that PyTorch may raise here for sizes: an operator, or code of PyTorch's."""
        self.needed.update(self._kinds or kinds_raised_by(kernel))

    @contextlib.contextmanager
    def raising_only(self, *kinds: Kind) -> Iterator[None]:
        """Around what raises exceptions of some classes for sizes."""
        before, self._kinds = self._kinds, kinds
        try:
            yield
        finally:
            self._kinds = before

    @contextlib.contextmanager
    def noting_needs(self, needs: list[sympy.Basic]) -> Iterator[None]:
        """Around a call: what it needs of sizes is noted in a list, and nowhere else."""
        before, self.needs = self.needs, needs
        try:
            yield
        finally:
            self.needs = before

    # -- places where an exception may be raised ---------------------------------------------------

    def abandon(self, mark: int) -> None:
        """Takes back what was recorded after places beyond the first so many."""
        while len(self.sites) > mark:
            with contextlib.suppress(_Dropped), self.sites.pop().ended:
                raise _Dropped

    def savepoint(self) -> Callable[[], None]:
        """Returns a function that takes back what is recorded after places from now on."""
        mark = len(self.sites)
        return lambda: self.abandon(mark)

    # -- exceptions --------------------------------------------------------------------------------

    def ends_path(self, error: Exception) -> bool:
        """Whether an exception is the program's, so that it says how its path ends.

        Raises:
            UnsupportedError: the program may catch it, and it may be raised at export only.
        """
        note = note_of(error)
        # A variable that is not bound on this path is an error of the program's.
        if (note is not None and note.raised) or isinstance(error, NameError):
            return True
        if not self.may_catch(error) or type(error).__module__.startswith("fxexport"):
            return False
        if refusal_of(error, line_of(error)) is None and _is_of_program(error):
            return True
        raise self.refusal(line_of(error)) from error

    def refuse_if_caught(self, kind: Kind) -> None:
        """To be called where something is taken for granted without which PyTorch raises.

        Raises:
            UnsupportedError: the program may catch it.
        """
        some = any(
            issubclass(one, kind)
            for statement in self._open
            for one in _classes(statement.catching)
        )
        if some or self.may_catch(kind):
            raise self.refusal()

    def refusal(self, location: SourceLocation | None = None) -> UnsupportedError:
        """The refusal where the input decides whether an exception is raised."""
        return UnsupportedError(
            "whether this raises depends on the input, and a `try` around it may catch it",
            code=Code.EXCEPTION,
            location=location or user_location(),
            hint="test the condition with an if instead of catching the exception",
        )

    def keep(self, error: BaseException) -> None:
        """Keeps what only capture raises, should the program catch it: PyTorch runs on."""
        if isinstance(error, PinNeeded):
            self.pending.append(error)
        elif isinstance(error, UnsupportedError):
            self._refuse(error)
        elif isinstance(error, Exception):
            ours = refusal_of(error, line_of(error))
            if ours is not None:
                self._refuse(ours)


def _is_of_program(error: BaseException) -> bool:
    """Whether PyTorch's kernels, which are fake here, have no part in an exception."""
    if note_of(error) is not None:
        return True
    code = raising_code(error)
    return (
        not raised_by_fxexport(error)
        and next(iter(frames_of_traceback(error.__traceback__)), None) is not None
        and not (code is not None and is_torch_internal(code.co_filename))
    )


class _Around:
    """Around a statement. No generator: contextlib sets attributes of the exception."""

    def __init__(self, tries: Tries, statement: OpenTry) -> None:
        self._tries, self._statement = tries, statement
        self._catches = bool(_classes(statement.catching))
        self._handles = self._catches or bool(_classes(statement.raising))

    def __enter__(self) -> None:
        self._tries.begin(self._statement, self._catches)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if self._handles and isinstance(error, Exception):
                self._tries.keep(error)
        finally:
            self._tries.end(self._statement, self._catches)
