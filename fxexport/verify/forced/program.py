"""The user's program in eager PyTorch, with some of its decisions taken by force.

The functions that have such a decision get other code while one call lasts: their own, with its
tests and iterables wrapped. So whoever calls them calls that code, also libraries, hooks and
PyTorch itself, and nothing else has to be rewritten. Afterwards each has its own code again.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import CodeType, FunctionType

import torch

from fxexport.graph.decisions import ProgramRead
from fxexport.source.decisions import Decision
from fxexport.verify.forced.rewriting import decided_code

__all__ = ["Decider", "DoesNotEnd", "ForcedProgram"]


class DoesNotEnd(Exception):
    """The program takes more decisions than it may."""


class Decider:
    """Takes decisions of the program, and notes all that it is told.

    Attributes:
        forced: outcomes of decisions, and how often loops are to be gone through.
        taken: the outcomes of each decision, and how often each loop was.
        contradicted: forced decisions on what Python itself knows, where it says otherwise.
        unforced: the outcomes of decisions that Python alone has taken.
    """

    def __init__(self, decisions: Iterable[Decision], plain: Collection[Decision]) -> None:
        """`plain`: decisions that are Python's own as well, where no tensor is asked."""
        self._decisions = list(decisions)
        self._plain = plain
        self.forced: Mapping[Decision, bool | int] = {}
        self.taken: dict[Decision, set[bool | int]] = {}
        self.contradicted: set[Decision] = set()
        self.unforced: dict[Decision, set[bool]] = {}
        self._loops: list[_Loop] = []
        self._left = 0
        self._last: object = None

    def begin(self, forced: Mapping[Decision, bool | int], most: int) -> None:
        """Before a run of the program that may take `most` decisions."""
        self.forced, self.taken, self._loops, self._left = forced, {}, [], most
        self.contradicted, self.unforced = set(), {}

    def end(self) -> None:
        """After a run."""
        for loop in self._loops:
            self.taken.setdefault(loop.decision, set()).add(loop.trips)
        self._loops, self._last = [], None

    def test(self, number: int, value: object) -> bool:
        """A condition."""
        self._count()
        decision = self._decisions[number]
        self._last = value
        if decision in self._plain and not isinstance(value, torch.Tensor):
            self.unforced.setdefault(decision, set()).add(bool(value))
            return bool(value)
        outcome = bool(self.forced[decision]) if decision in self.forced else bool(value)
        if not isinstance(value, torch.Tensor) and bool(value) is not outcome:
            self.contradicted.add(decision)
        self.taken.setdefault(decision, set()).add(outcome)
        return outcome

    def last(self, number: int) -> object:
        """The value that was tested last."""
        value, self._last = self._last, None
        return value

    def loop(self, number: int) -> _Loop:
        """Before a while loop."""
        decision = self._decisions[number]
        forced = self.forced.get(decision)
        loop = _Loop(self, decision, None if forced is None else int(forced))
        self._loops.append(loop)
        return loop

    def items(self, number: int, iterable: Iterable[object]) -> Iterator[object]:
        """The items of a for loop."""
        loop = self.loop(number)
        if loop.wanted is not None:
            if isinstance(iterable, range):
                start, step = iterable.start, iterable.step
                iterable = range(start, start + step * loop.wanted, step)
            else:
                iterable = itertools.islice(iterable, loop.wanted)
        for item in iterable:
            self._count()
            loop.trips += 1
            yield item

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise DoesNotEnd


class _Loop:
    """One loop, from its beginning to its end."""

    def __init__(self, decider: Decider, decision: Decision, wanted: int | None) -> None:
        self._decider = decider
        self.decision = decision
        self.wanted = wanted
        self.trips = 0

    def again(self, value: object) -> bool:
        """Whether to go on."""
        self._decider._count()
        going = bool(value) if self.wanted is None else self.trips < self.wanted
        self.trips += going
        return going


class ForcedProgram:
    """Runs the program with decisions forced.

    Attributes:
        known: the decisions that can be.
        decider: what takes them.
    """

    def __init__(self, program: ProgramRead, decisions: Iterable[Decision]) -> None:
        wanted = dict.fromkeys(decisions)
        numbers = {decision: k for k, decision in enumerate(wanted)}
        self.decider = Decider(wanted, program.plain)
        self._codes: list[tuple[FunctionType, CodeType]] = []
        known: set[Decision] = set()
        made: dict[CodeType, tuple[CodeType, frozenset[Decision]] | None] = {}
        for reference in program.functions:
            function = reference()
            if function is None or not any(_may_hold(function.__code__, one) for one in wanted):
                continue
            code = function.__code__
            if code not in made:
                made[code] = decided_code(function, numbers, self.decider)
            found = made[code]
            if found is not None:
                self._codes.append((function, found[0]))
                known |= found[1]
        self.known = frozenset(known)

    @contextlib.contextmanager
    def forced(self, forced: Mapping[Decision, bool | int], most: int) -> Iterator[None]:
        """Around a call of the program.

        Args:
            forced: the outcomes of decisions, and how often loops are gone through.
            most: how many decisions it may take.
        """
        originals = [(function, function.__code__) for function, _ in self._codes]
        self.decider.begin(forced, most)
        try:
            for function, code in self._codes:
                function.__code__ = code
            yield
        finally:
            for function, code in originals:
                function.__code__ = code
            self.decider.end()


def _may_hold(code: CodeType, decision: Decision) -> bool:
    """Whether a decision stands between the first and the last line of some code."""
    return code.co_filename == decision.file and (
        code.co_firstlineno <= decision.line <= _last_line(code)
    )


def _last_line(code: CodeType) -> int:
    own = [line for _, _, line in code.co_lines() if line is not None]
    inner = [_last_line(const) for const in code.co_consts if isinstance(const, CodeType)]
    return max([code.co_firstlineno, *own, *inner])
