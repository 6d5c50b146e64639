"""Calls of PyTorch's functions that do one thing or another by a condition on sizes.

Such a call is an `if` that the user did not write: it is recorded on both paths. Where both record
the same, or one of them gives nothing but empty tensors, the condition does not matter and one
recording stands. Where one path raises, the other's condition is a fact that the call needs.
Otherwise a branch is written, and the results are merged as those of any other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.both_ways import Undecided, refusal_of_undecided
from fxexport.capture.recording.kernel_memory import described
from fxexport.capture.recording.same_recording import SameRecording
from fxexport.capture.recording.types import Function, OpArgs, OpKwargs, Value
from fxexport.capture.session.session import PinNeeded, Session
from fxexport.capture.session.transaction import Body
from fxexport.capture.staging.branch import stage_branch
from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["Call", "UndecidedCalls"]

# How often one call is recorded. Each question may double it: twelve of them take minutes.
_MOST_RECORDINGS = 300
# What the environment is told with an answer that is only supposed.
_SUPPOSED = "one answer"


@dataclass(frozen=True)
class Call:
    """A call of one of PyTorch's functions.

    Attributes:
        function: the function.
        args: its arguments.
        kwargs: those by name.
        make: makes the call; it may be made several times.
    """

    function: Function
    args: OpArgs
    kwargs: OpKwargs
    make: Callable[[], Value]

    def key(self) -> Hashable:
        """What is equal for calls that do the same."""
        return self.function, *described((self.args, self.kwargs))


@dataclass
class _Path:
    """What a call does under one answer.

    Attributes:
        body: its recording.
        value: what it gives, where it does not raise.
        error: what it raises.
        same: whether it is as under the other answer, where that was recorded before.
    """

    body: Body
    value: Value = None
    error: Exception | None = None
    same: bool = False


class UndecidedCalls:
    """Runs calls, whatever is asked in them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._given = session.recorder.both_ways.given
        self._depth = self._recordings = 0

    def __call__(self, call: Call) -> Value:
        """The result of a call."""
        if not self._depth:
            self._recordings = 0
        self._depth += 1
        try:
            return self._recorded(call)
        finally:
            self._depth -= 1

    def _again(self, call: Call) -> Value:
        """The result of a call that has asked something, under the answers that are given now."""
        self._recordings += 1
        if self._recordings > _MOST_RECORDINGS:
            raise UnsupportedError(
                "this call asks about so many sizes that it cannot be recorded for every answer",
                code=Code.SIZE_DECIDES,
                location=user_location(),
                hint="make some of its dimensions static, or write it with plainer functions",
            )
        return self(call)

    def _recorded(self, call: Call) -> Value:
        """The result of a call under the answers that are given now."""
        ranges = self._session.env.var_to_range
        before = len(ranges)
        try:
            return call.make()
        except Undecided as found:
            undecided = found
        symbols = list(ranges)
        if undecided.question.free_symbols & set(symbols[before:]):
            # It is about a view that PyTorch makes on the way (up to 2.12, in a store): its size is
            # another symbol in each recording, so that no condition can stand before the call.
            return self._in_general(undecided, call, symbols[:before])
        if undecided.differs:
            return self._staged(undecided.question, call)
        return self._either_way(undecided.question, call)

    def _in_general(self, undecided: Undecided, call: Call, old: list[sympy.Symbol]) -> Value:
        both_ways = self._session.recorder.both_ways
        if undecided.differs or both_ways.old is not None:
            raise refusal_of_undecided(user_location())
        outer, both_ways.old = both_ways.old, frozenset(old)
        try:
            return self._again(call)
        finally:
            both_ways.old = outer

    def _staged(self, question: sympy.Basic, call: Call) -> Value:
        condition = self._session.recorder.scalar_of(question)
        assert isinstance(condition, torch.SymBool)

        def path(answer: bool) -> Callable[[], Value]:
            def run() -> Value:
                # Beside the path's condition: PyTorch may not see that it answers the question.
                with self._answering(question, answer):
                    return self._again(call)

            return run

        return stage_branch(self._session, condition, path(True), path(False))

    def _either_way(self, question: sympy.Basic, call: Call) -> Value:
        """The result of a call in which something is asked on the way to the kernels."""
        env = self._session.env
        asked = (call.key(), question)
        if asked not in env.call_answers:
            special = not isinstance(question, sympy.Ne)
            answer = self._tried(question, call, special)
            env.call_answers[asked] = answer  # of the facts as they are after the trial
        answer = env.call_answers[asked]
        if answer is None:
            return self._staged(question, call)
        fact, matters = answer
        if matters:
            with compat.no_recording():
                env.guard_or_defer_runtime_assert(fact, "needed by a function")
        with self._answering(question, fact == question):
            return self._again(call)

    def _tried(
        self, question: sympy.Basic, call: Call, special: bool
    ) -> tuple[sympy.Basic, bool] | None:
        """The answer that will do, and whether the other one will not; None if both are needed.

        Args:
            question: the condition.
            call: the call.
            special: the answer for sizes of a particular value.
        """
        facts = {answer: question if answer else sympy.Not(question) for answer in (True, False)}
        with self._session.transaction() as trial:
            self._session.trials += 1
            try:
                general = self._on_path(question, not special, call)
                particular = self._on_path(question, special, call, beside=general)
            finally:
                self._session.trials -= 1
                trial.roll_back()
        if general.error is not None and particular.error is not None:
            raise general.error
        if particular.error is not None:
            return facts[not special], True
        if general.error is not None:
            return facts[special], True
        return (facts[not special], False) if particular.same else None

    def _on_path(
        self,
        question: sympy.Basic,
        answer: bool,
        call: Call,
        beside: _Path | None = None,
    ) -> _Path:
        """Records a call under one answer; notes whether it is as on another path."""
        fact = question if answer else sympy.Not(question)
        with self._session.body() as body:
            path = _Path(body)
            condition = self._session.recorder.scalar_of(fact)
            self._session.env.assume(condition, _SUPPOSED)  # type: ignore[arg-type]
            try:
                with self._answering(question, answer):
                    path.value = self._again(call)
            except (PinNeeded, FxExportError):
                raise
            except Exception as error:
                path.error = error
            path.same = (
                beside is not None
                and path.error is None
                and beside.error is None
                and not any((*body.writes.slots(), *beside.body.writes.slots()))
                and self._needs_hold(beside.body)
                and SameRecording(self._session.env, self._session.tensors.inner).of(
                    (beside.body.frame, beside.value), (body.frame, path.value)
                )
            )
        return path

    def _needs_hold(self, other: Body) -> bool:
        """Whether what another recording needs of sizes holds here as well."""
        needs = [fact.expr for fact in other.learnt.values() if fact.msg != _SUPPOSED]
        return all(map(self._session.env.certain, needs))

    @contextlib.contextmanager
    def _answering(self, question: sympy.Basic, answer: bool) -> Iterator[None]:
        self._given[question] = answer
        try:
            yield
        finally:
            del self._given[question]
