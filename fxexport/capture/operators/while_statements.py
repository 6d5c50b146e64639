"""What while statements become in rewritten code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fxexport.capture.operators.logic import Logic
from fxexport.capture.operators.variables import flag_of, slots_of
from fxexport.capture.recording.types import Condition, Undecided
from fxexport.capture.session.journal import Slot
from fxexport.capture.session.session import Session
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.staging.conditions import condition_of
from fxexport.capture.staging.loop import stage_loop
from fxexport.capture.staging.widening import NeedsFirstIteration
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.decisions import Decides
from fxexport.source.decisions import Decision, Place
from fxexport.source.frames import user_location

__all__ = ["UNROLL_LIMIT", "WhileStatements", "after"]

# A loop of known length is written out up to here; a longer one is tried as a Loop first.
UNROLL_LIMIT = 16
# A loop that Python alone decides stops somewhere; one that does not is a mistake.
ITERATION_LIMIT = 20_000

_Thunk = Callable[[], Any]


def after(decision: Decision | None, made: int) -> Decides | None:
    """What the rest of a loop decides, behind iterations that are written out."""
    return None if decision is None else Decides(decision, made)


class WhileStatements:
    """The operators of while loops."""

    def __init__(self, session: Session, logic: Logic) -> None:
        self._session = session
        self._logic = logic

    def while_stmt(
        self,
        test: _Thunk,
        body: _Thunk,
        names: tuple[str, ...],
        globals_: tuple[str, ...],
        break_name: str | None,
        place: Place | None = None,
    ) -> None:
        """A while statement.

        Args:
            test: its condition.
            body: its body.
            names: the variables that it binds.
            globals_: the global ones.
            break_name: the variable that a break sets.
            place: where the program has it.
        """
        slots = slots_of((test, body), names, globals_)
        broken = flag_of(body, break_name)

        def going() -> object:
            if broken is None:
                return test()
            return self._logic.and_(lambda: self._logic.not_(broken.get()), test)

        self.repeat_while(going, body, slots, self._session.decisions.at(place, "while"))

    def repeat_while(
        self, going: _Thunk, body: _Thunk, slots: list[Slot], decision: Decision | None = None
    ) -> None:
        """A while loop; `slots` are the variables that it may bind."""
        try:
            self._while(going, body, slots, decision, may_stage=True)
        except UnsupportedError as error:
            self._session.collect(error, slots)

    def _while(
        self,
        going: _Thunk,
        body: _Thunk,
        slots: list[Slot],
        decision: Decision | None,
        may_stage: bool,
    ) -> None:
        """Python's while as long as the condition is known; otherwise a Loop from the start."""
        session = self._session
        iterations = 0
        with session.transaction(slots) as attempt:
            while (condition := condition_of(session, going())) is not False:
                long = not isinstance(condition, bool) or iterations >= UNROLL_LIMIT
                if iterations and may_stage and long and attempt.recorded:
                    attempt.roll_back()
                    break
                if not isinstance(condition, bool):
                    self._staged_while(condition, body, going, slots, decision, iterations)
                    return
                body()
                iterations += 1
                if iterations > ITERATION_LIMIT:
                    raise UnsupportedError(
                        f"this loop made {ITERATION_LIMIT} iterations at export and did not end",
                        code=Code.ENDLESS,
                        location=user_location(),
                    )
            else:
                session.decisions.known(decision, True, by_run=False)
                if iterations > 1 and attempt.recorded:
                    session.note("unrolled", f"this loop is written out: {iterations} iterations")
                return
        try:
            with session.trial():
                first = condition_of(session, going())
                self._stage(first, body, going, slots, after(decision, 0))
        except (UnsupportedError, NeedsFirstIteration):
            self._while(going, body, slots, decision, may_stage=False)

    def _stage(
        self,
        condition: Condition,
        body: _Thunk,
        going: _Thunk,
        slots: list[Slot],
        decides: Decides | None,
        *,
        peels: bool = True,
    ) -> None:
        """The loop itself; see `stage_loop`."""
        stage_loop(
            self._session, lambda _: body(), going, slots, None, condition,
            peels=peels, decides=decides,
        )  # fmt: skip

    def _staged_while(
        self,
        condition: Undecided,
        body: _Thunk,
        going: _Thunk,
        slots: list[Slot],
        decision: Decision | None,
        made: int,
    ) -> None:
        """A loop from here on; `made` iterations are written out before it."""
        try:
            self._stage(condition, body, going, slots, after(decision, made))
        except NeedsFirstIteration:
            self._peeled_while(condition, body, going, slots, decision, made)

    def _peeled_while(
        self,
        condition: Undecided,
        body: _Thunk,
        going: _Thunk,
        slots: list[Slot],
        decision: Decision | None,
        made: int,
    ) -> None:
        """The first iteration in a branch of its own, then the loop inside that branch."""

        def once() -> None:
            body()
            more = condition_of(self._session, going())
            self._stage(more, body, going, slots, after(decision, made + 1), peels=False)

        stage_branch(
            self._session, condition, once, lambda: None, slots, decides=after(decision, made)
        )
