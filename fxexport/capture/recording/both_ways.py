"""A kernel's questions about sizes, answered both ways.

PyTorch's fake kernels say what an operator gives: dtypes and sizes. On the way they ask about sizes
(is this one 0, is that one a multiple of 4), and with sizes that are known only when the model
runs nobody can answer. Kernels are cheap and pure, so one that asks is run under either answer:

* It gives the same both ways: the question does not matter. It is mostly about how the result lies
  in memory, which is no part of a functional graph.
* It raises one way: the other answer is what the operator needs, a fact about sizes.
* It gives different results: that is a branch of the program's, to be recorded as one.

Several questions make a tree: each answer may lead to others. A run takes the general answer to
each question that it was not given one for; then each of its questions is answered the other way,
from the last one back. Under such an answer only the questions that are new are looked at again
(unless the kernel raises), so the number of runs is about that of the questions. In the end all
that seemed not to matter is answered the other way at once: two answers may matter together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import SYM, OpResult, Value
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import raised_by_fxexport
from fxexport.source.location import SourceLocation

__all__ = ["BothWays", "Undecided", "refusal_of_undecided"]

# More runs of one kernel than this are not made.
_MOST_RUNS = 32

# What the environment is told with an answer that is only supposed.
_SUPPOSED = "supposed"

# A question and the answer that is supposed.
_Answer: TypeAlias = tuple[sympy.Basic, bool]


class Undecided(BaseException):
    """An operator may give one thing or another, by a condition on sizes: record it both ways.

    No `Exception`: PyTorch's code between a kernel and its caller would take it for a failure of
    the kernel's.

    Attributes:
        question: the condition.
        differs: whether it is known that the results differ.
    """

    def __init__(self, question: sympy.Basic, *, differs: bool) -> None:
        super().__init__(str(question))
        self.question = question
        self.differs = differs


def refusal_of_undecided(location: SourceLocation | None) -> UnsupportedError:
    """The refusal where a call cannot be recorded both ways."""
    return UnsupportedError(
        "what this line gives depends on a size that is known only when the model runs, in a way "
        "that cannot be kept",
        code=Code.SIZE_DECIDES,
        location=location,
        hint="make that dimension static, or decide with an if on the size before this line",
    )


class _Asked(BaseException):
    """The first question of a kernel that is not run under suppositions yet."""


@dataclass
class _Run:
    """One run of a kernel.

    Attributes:
        given: the answers that it is given.
        had: those that it has had.
        probes: whether it is the first run, which ends with the first question.
        refusal: the refusal of a number that it was given a stand-in for.
    """

    given: Mapping[sympy.Basic, bool] = field(default_factory=dict)
    had: list[_Answer] = field(default_factory=list)
    probes: bool = False
    refusal: Exception | None = None


@dataclass
class _Outcome:
    """What a kernel does under some answers.

    Attributes:
        result: what it gives, where it does not raise.
        error: what it raises.
        needs: the facts that it needs.
        question: a question whose answers give different results.
        ignored: the answers that do not matter.
    """

    result: OpResult = None
    error: Exception | None = None
    needs: list[sympy.Basic] = field(default_factory=list)
    question: sympy.Basic | None = None
    ignored: dict[sympy.Basic, bool] = field(default_factory=dict)


class BothWays:
    """Runs kernels, and answers what they ask."""

    def __init__(self, env: compat.SizeEnv, need: Callable[[sympy.Basic], None]) -> None:
        """`need` is told the facts that a kernel turns out to need."""
        self._env = env
        self._need = need
        # Answers that are given to whatever asks on the way to a kernel.
        self.given: dict[sympy.Basic, bool] = {}
        # The symbols before a call that asks about one of its own; None outside of such a call.
        self.old: Set[sympy.Symbol] | None = None
        self._run: _Run | None = None
        self._runs_left = 0
        # Symbols that were there before the kernel that runs.
        self._before: Set[sympy.Symbol] = frozenset()

    @property
    def asking(self) -> bool:
        """Whether a kernel runs that may ask."""
        return self._run is not None

    @property
    def supposing(self) -> bool:
        """Whether a kernel runs under answers that are only supposed."""
        return self._run is not None and bool(self._run.had)

    def result(self, kernel: Callable[[], OpResult]) -> OpResult:
        """What a kernel gives.

        Args:
            kernel: runs it, without any other effect.

        Raises:
            Undecided: it gives one thing or another.
            Exception: the kernel's own, where it raises whatever the answers.
        """
        outer, self._run = self._run, _Run(probes=True)
        try:
            return kernel()
        except _Asked:
            self._runs_left, self._before = _MOST_RUNS, frozenset(self._env.var_to_range)
            found = self._together(kernel, self._outcome(kernel, (), frozenset()))
        finally:
            self._run = outer
        if found.question is not None:
            raise Undecided(found.question, differs=True)
        for fact in found.needs:
            self._need(fact)
        if found.error is not None:
            raise found.error
        return found.result

    def answer(self, question: sympy.Basic, likely: bool) -> bool:
        """The answer to a question of the kernel that runs.

        Args:
            question: a condition on sizes that can be neither proved nor refuted.
            likely: the general case, which is tried first.
        """
        run = self._run
        assert run is not None
        if run.probes:
            raise _Asked
        before = dict(run.had).get(question)
        if before is not None:
            return before  # PyTorch does not see that a size which is not 1 is not 1
        likely = run.given.get(question, likely)
        run.had.append((question, likely))
        # What follows from an answer is no question any more.
        self._suppose(question, likely)
        return likely

    def number(self, refusal: Exception) -> sympy.Integer:
        """A stand-in for a number that nobody knows, for the kernel that runs.

        Kernels put sizes as numbers into what they raise: that they raise is then known all the
        same. One that goes on with the number is refused.

        Args:
            refusal: what to raise then.
        """
        assert self._run is not None
        self._run.refusal = refusal
        return sympy.S.One

    # -- the tree of answers -----------------------------------------------------------------------

    def _outcome(
        self,
        kernel: Callable[[], OpResult],
        given: Sequence[_Answer],
        seen: Set[sympy.Basic],
    ) -> _Outcome:
        """What the kernel does under some answers, whatever the others are.

        Args:
            kernel: the kernel.
            given: the answers.
            seen: questions that are looked at elsewhere.
        """
        self._runs_left -= 1
        found, had = self._run_once(kernel, given)
        asked = seen | {question for question, _ in had}
        for k in reversed(range(len(given), len(had))):
            question, answer = had[k]
            if question in seen and found.error is None:
                continue  # what raises may need the other answer to several questions
            if self._runs_left <= 0:
                return _Outcome(question=had[0][0])
            before = had[:k]
            other = self._outcome(kernel, [*before, (question, not answer)], asked)
            found = self._combined(before, (question, answer), found, other)
        return found

    def _together(self, kernel: Callable[[], OpResult], found: _Outcome) -> _Outcome:
        """The same outcome, unless answers that do not matter alone matter together."""
        if found.question is not None or len(found.ignored) < 2:
            return found
        turned = [(question, not answer) for question, answer in found.ignored.items()]
        other, _ = self._run_once(kernel, turned)
        if other.error is not None or self._same_under(turned, found, other):
            return found  # an error may come of answers that contradict each other
        return _Outcome(question=turned[0][0])

    def _run_once(
        self, kernel: Callable[[], OpResult], given: Sequence[_Answer]
    ) -> tuple[_Outcome, list[_Answer]]:
        run = self._run = _Run(dict(given))
        state = self._env.save_facts()
        found = _Outcome()
        try:
            with self._env.untold():
                found.result = kernel()
        except Undecided as inner:
            found.question = inner.question
        except compat.NO_FAKE_RESULT:
            raise
        except Exception as error:
            if raised_by_fxexport(error):
                raise  # a number must be known, for example
            found.error = run.refusal or error
        else:
            if run.refusal is not None:
                raise run.refusal
        finally:
            learnt = self._env.facts_since(state)
            self._env.restore_facts(state)
        found.needs = [item.expr for item in learnt.values() if item.msg != _SUPPOSED]
        return found, run.had

    def _combined(
        self, before: Sequence[_Answer], last: _Answer, one: _Outcome, other: _Outcome
    ) -> _Outcome:
        """What a kernel does whichever way its last question is answered."""
        question, answer = last
        if one.error is not None and other.error is not None:
            return one
        if other.error is not None:
            return _with_need(one, _fact(question, answer))
        if one.error is not None:
            return _with_need(other, _fact(question, not answer))
        if one.question is not None and other.question is not None:
            return one
        if one.question is not None or other.question is not None:
            return _Outcome(question=question)
        for kept, kept_answer, special in ((one, answer, other), (other, not answer, one)):
            # Under the special answer the general result must be the special one.
            if self._same_under([*before, (question, not kept_answer)], kept, special):
                needs = [need for need in kept.needs if need in special.needs]
                for of, answer_of in ((kept, kept_answer), (special, not kept_answer)):
                    # What is needed under one answer alone: the other answer, or that.
                    alone = [need for need in of.needs if need not in needs]
                    needs += [sympy.Or(_fact(question, not answer_of), need) for need in alone]
                ignored = {**special.ignored, **kept.ignored, question: kept_answer}
                return _Outcome(kept.result, None, needs, None, ignored)
        return _Outcome(question=question)

    def _suppose(self, question: sympy.Basic, answer: bool) -> None:
        with compat.no_recording(), self._env.untold():
            self._env.guard_or_defer_runtime_assert(_fact(question, answer), _SUPPOSED)

    def _same_under(self, answers: Sequence[_Answer], a: _Outcome, b: _Outcome) -> bool:
        """Whether two results are the same where these answers hold, and what `b` needs."""
        pairs = _paired(a.result, b.result)
        if pairs is None:
            return False
        renamed: dict[sympy.Basic, sympy.Basic] = {}
        with self._env.supposing():
            for question, answer in answers:
                self._suppose(question, answer)
            for need in b.needs:  # it raises otherwise
                self._suppose(need, True)
            return all(self._equal(one, other, renamed) for one, other in pairs)

    def _equal(
        self, a: sympy.Basic, b: sympy.Basic, renamed: dict[sympy.Basic, sympy.Basic]
    ) -> bool:
        """Whether two sizes are equal; symbols that the kernel has made go by their order."""
        a, b = (self._env.replace(side) for side in (a, b.xreplace(renamed)))
        if a == b:
            return True
        if a.is_Symbol and b.is_Symbol and not {a, b} & self._before:
            renamed[b] = a
            return True
        return self._env.certain(sympy.Eq(a, b))


def _fact(question: sympy.Basic, answer: bool) -> sympy.Basic:
    return question if answer else sympy.Not(question)


def _with_need(found: _Outcome, need: sympy.Basic) -> _Outcome:
    return _Outcome(found.result, found.error, [*found.needs, need], found.question, found.ignored)


def _paired(a: Value, b: Value) -> list[tuple[sympy.Basic, sympy.Basic]] | None:
    """The sizes and numbers of two results side by side; None if they differ in kind."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return None
        found: list[tuple[sympy.Basic, sympy.Basic]] = []
        for one, other in zip(a, b, strict=True):
            inner = _paired(one, other)
            if inner is None:
                return None
            found += inner
        return found
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.dtype != b.dtype or a.dim() != b.dim():
            return None
        return [
            (_expression(one), _expression(other))
            for one, other in zip(a.shape, b.shape, strict=True)
        ]
    if isinstance(a, (int, float, *SYM)) and isinstance(b, (int, float, *SYM)):
        return [(_expression(a), _expression(b))]
    return [] if a is None and b is None else None


def _expression(value: Value) -> sympy.Basic:
    return value.node._expr if isinstance(value, SYM) else sympy.sympify(value)
