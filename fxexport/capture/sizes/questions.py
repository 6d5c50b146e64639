"""Decides what PyTorch asks about sizes and cannot prove.

No symbol has a value while a model is captured, so PyTorch's kernels ask here instead of
specialising on an example in silence. What becomes of a question:

* It is about how a tensor lies in memory: any answer will do, since strides are no part of the
  graph.
* A kernel asks: it is run under both answers (`recording/both_ways.py`).
* Other code of PyTorch's asks, on the way from a function to its kernels: the function is recorded
  under both answers (`functions/undecided_calls.py`).
* A number is asked for, or the program itself asks in code that is not staged: the dimension is
  pinned, or the export is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from fxexport import _torch_compat as compat
from fxexport.capture.recording.both_ways import Undecided
from fxexport.capture.session.session import PinNeeded, Session, SizePolicy
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["size_policy"]


def size_policy(dimensions: Mapping[sympy.Symbol, str]) -> SizePolicy:
    """The policy of a capture's size environment.

    Args:
        dimensions: symbol of an input dimension -> its name; may grow afterwards.
    """

    def decide(
        session: Session, expr: sympy.Basic, fallback: bool | None = None
    ) -> sympy.Basic | bool:
        return _Questions(session, dimensions).decide(expr, fallback)

    return decide


class _Questions:
    """The answers of one capture.

    Args:
        session: the capture.
        dimensions: symbol of an input dimension -> its name.
    """

    def __init__(self, session: Session, dimensions: Mapping[sympy.Symbol, str]) -> None:
        self._session = session
        self._dimensions = dimensions

    def decide(self, expr: sympy.Basic, fallback: bool | None = None) -> sympy.Basic | bool:
        """The value of an expression that cannot be proven.

        Args:
            expr: the expression.
            fallback: what it counts as where the program itself asks; None if it may not.

        Raises:
            Undecided: both answers must be recorded.
            PinNeeded: a dimension must be fixed.
            UnsupportedError: nothing of this can be done.
        """
        kernel = self._asked_by_kernel()
        if fallback is not None and not self._may_matter(expr, kernel):
            return fallback
        if self._asked_by_store(expr):
            if self._session.env.is_made(expr):
                return False  # one may be 1, and equal sizes can be expanded as well
            # As kernels take sizes that they cannot compare: equal, and that is a fact.
            with compat.no_recording():
                self._session.env.guard_or_defer_runtime_assert(expr, "what is stored fits")
            return True
        if not compat.is_boolean(expr):
            return self._number(expr)
        if not kernel:
            raise self._refusal(expr)
        recorder = self._session.recorder
        short = self._short(expr)
        likely = _general_case(expr) is not short
        if short and recorder.broadcasts_short() is not None:
            return _general_case(expr) is not recorder.broadcasts_short()
        if compat.asked_for_layout():
            return likely
        both_ways = recorder.both_ways
        if expr in both_ways.given:
            return both_ways.given[expr]
        if both_ways.asking:
            return both_ways.answer(expr, likely)
        if both_ways.old is not None and not expr.free_symbols <= both_ways.old:
            return likely
        raise Undecided(expr, differs=False)

    def _may_matter(self, expr: sympy.Basic, kernel: bool) -> bool:
        """Whether "not provable" is no answer: what asks would take it for a fact.

        On the way to a kernel PyTorch asks of sizes that the program makes as well, only to compare
        them; the kernel that expands asks again. What meets element by element has its own answer.
        """
        recorder = self._session.recorder
        expands = recorder.both_ways.asking and not recorder.meeting
        return kernel and (expands or self._short(expr))

    def _number(self, expr: sympy.Expr) -> sympy.Basic:
        """The value of a number, where a fact, or the path, leaves only one."""
        session = self._session
        value = session.env.only_value(expr)
        if value is None:
            value = session.chosen_numbers.only_value(expr, session.known)
        if value is not None:
            return value
        refusal = self._refusal(expr)
        if session.recorder.both_ways.supposing:
            return session.recorder.both_ways.number(refusal)
        raise refusal

    def _short(self, expr: sympy.Basic) -> bool:
        """Whether it is asked if a size is 1 that is 1 in general: that of ``x[:1]``."""
        return sympy.S.One in expr.args and any(map(self._session.env.is_one_at_most, expr.args))

    def _refusal(self, expr: sympy.Basic) -> PinNeeded | UnsupportedError:
        location = user_location()
        refusal = self._session.unread(
            "Python needs the value of a number here that is known only when the model runs",
            "decide it with an if in code that fxexport can read, or compute it on tensors",
            code=Code.VALUE_NEEDED,
        )
        if expr.free_symbols <= self._dimensions.keys() and not refusal.final:
            return PinNeeded(set(expr.free_symbols), location)
        return refusal

    def _asked_by_kernel(self) -> bool:
        """Whether PyTorch's own code asks, rather than a line of the program."""
        return bool(self._session.recorder.in_kernel or self._session.tensors.dispatching)

    def _asked_by_store(self, expr: sympy.Basic) -> bool:
        """Whether a store asks if sizes are equal neither of which may be expanded to the other."""
        stores = self._session.tensors.storing and not self._session.recorder.in_kernel
        sizes = expr.args if stores and isinstance(expr, sympy.Eq) else ()
        if not sizes or sympy.S.One in sizes:
            return False
        a, b = map(self._session.env.is_one_at_most, sizes)
        return a is b


def _general_case(expr: sympy.Basic) -> bool:
    """The answer for sizes of no particular value: none is equal to another, and they are large."""
    if isinstance(expr, (sympy.Gt, sympy.Ge, sympy.Lt, sympy.Le)):
        turned = expr.reversed if expr.lhs.is_number else expr
        return isinstance(turned, (sympy.Gt, sympy.Ge))
    if isinstance(expr, sympy.Not):
        return not _general_case(expr.args[0])
    return isinstance(expr, sympy.Ne)
