"""What if statements, conditional expressions, asserts and raises become in rewritten code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from fxexport.capture.operators.variables import local_names, read, slots_of
from fxexport.capture.recording.types import SYM, Condition
from fxexport.capture.session.session import Poison, Session
from fxexport.capture.session.tries import Classes, OpenTry
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.staging.conditions import condition_of
from fxexport.capture.staging.raised_paths import run_statement
from fxexport.capture.values.maybe import dynamic_inside, is_dynamic, narrowed
from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, UnsupportedError
from fxexport.graph.decisions import Decides
from fxexport.source.decisions import DecisionKind, Place
from fxexport.source.exceptions import note_raised
from fxexport.source.frames import user_location

__all__ = ["Conditionals"]

_Path = Callable[[], object]


class Conditionals:
    """The operators that decide."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def if_stmt(
        self,
        test: object,
        then: _Path,
        other: _Path,
        names: tuple[str, ...],
        globals_: tuple[str, ...],
        place: Place | None = None,
        *,
        kind: DecisionKind = "if",
    ) -> None:
        """An if statement that falls through; `place` is where the program has it."""
        condition, decision = self._decided(test, place, kind)
        if isinstance(condition, bool):
            (then if condition else other)()
        else:
            slots = slots_of((then, other), names, globals_)
            stage_branch(self._session, condition, then, other, slots, decides=decision)

    def if_exp(
        self,
        test: object,
        then: _Path,
        other: _Path,
        names: tuple[str, ...] = (),
        globals_: tuple[str, ...] = (),
        place: Place | None = None,
        *,
        kind: DecisionKind = "if_exp",
    ) -> Any:
        """``a if c else b``; `place` is where the program has it."""
        condition, decision = self._decided(test, place, kind)
        if isinstance(condition, bool):
            return (then if condition else other)()
        slots = slots_of((then, other), names, globals_)
        return read(stage_branch(self._session, condition, then, other, slots, decides=decision))

    def if_return(
        self,
        test: object,
        then: _Path,
        other: _Path,
        names: tuple[str, ...],
        globals_: tuple[str, ...],
        place: Place | None = None,
    ) -> Any:
        """An if statement both paths of which return."""
        return self.if_exp(test, then, other, names, globals_, place, kind="if")

    def _decided(
        self, test: object, place: Place | None, kind: DecisionKind
    ) -> tuple[Condition, Decides | None]:
        """A condition, and the decision of the program that it is for; notes what is known."""
        condition = condition_of(self._session, test)
        decision = self._session.decisions.at(place, kind)
        if isinstance(condition, bool):
            by_run = isinstance(test, (torch.Tensor, *SYM))
            self._session.decisions.known(decision, condition, by_run=by_run)
            return condition, None
        return condition, None if decision is None else Decides(decision)

    def truth(self, value: object) -> bool:
        """A condition where both paths cannot be kept.

        Raises:
            UnsupportedError: it is known only when the model runs.
        """
        condition = condition_of(self._session, value)
        if isinstance(condition, bool):
            return condition
        raise self._session.unread(
            "a condition that is known only when the model runs, in a comprehension, a generator, "
            "a match statement or code that runs as it is",
            "write it as an if statement in a for loop or function",
            code=Code.DECISION_IN_UNREAD_CODE,
        )

    def match_subject(self, value: object) -> object:
        """The subject of a match statement, which Python compares by itself.

        Raises:
            UnsupportedError: it is known only when the model runs.
        """
        value = narrowed(value)
        if isinstance(value, Poison):
            raise value.refuse()
        if is_dynamic(value) or (isinstance(value, (tuple, list)) and dynamic_inside(value)):
            raise UnsupportedError(
                "a match statement on a value that is known only when the model runs",
                code=Code.DECISION_IN_UNREAD_CODE,
                location=user_location(),
                hint="write it as if/elif",
            )
        return value

    def raising(self, error: object) -> Any:
        """Marks an exception, or one of a class, as raised by a raise statement of the program."""
        if isinstance(error, type) and issubclass(error, BaseException):
            error = self._session.journal.made(error())
        if isinstance(error, Exception) and not isinstance(error, FxExportError):
            note_raised(error, stated=True)
        return error

    def assert_stmt(self, test: object, message: Callable[[], tuple[object, ...]]) -> None:
        """An assert: where it cannot be decided, the file assumes that it holds."""

        def fail() -> None:
            raise self.raising(AssertionError(*message()))

        self.if_stmt(test, lambda: None, fail, (), ())

    def try_stmt(
        self,
        statement: Callable[[_Path], object],
        body: _Path,
        catching: Classes,
        raising: Classes,
        names: tuple[str, ...],
        globals_: tuple[str, ...],
    ) -> object:
        """A try statement.

        Args:
            statement: runs it around a body.
            body: its own.
            catching: gives the classes that its handlers catch.
            raising: gives those whose handlers certainly raise again.
            names: the variables that it binds.
            globals_: the global ones.
        """
        slots = slots_of((statement, body), names, globals_)
        around = OpenTry(catching, raising, slots, again=True)

        def checked() -> object:
            with self._no_sizes_needed(around), local_names():
                return body()

        return run_statement(self._session, statement, checked, around)

    @contextlib.contextmanager
    def trying(self, catching: Classes, raising: Classes) -> Iterator[None]:
        """Around the body of a try statement in a generator that yields there."""
        around = OpenTry(catching, raising)
        with self._session.tries.around(around), self._no_sizes_needed(around):
            yield

    @contextlib.contextmanager
    def _no_sizes_needed(self, around: OpenTry) -> Iterator[None]:
        """Around the body of a statement.

        Raises:
            UnsupportedError: whether a kernel raises depends on sizes, and it may be caught.
        """
        tries = self._session.tries
        before = tries.needed.copy()
        yield
        if any(map(around.may_meet, tries.needed - before)):
            raise UnsupportedError(
                "whether this raises depends on the input's sizes; a try around it may catch it",
                code=Code.EXCEPTION,
                location=user_location(),
                hint="test the sizes with an if instead of catching the exception",
            )
