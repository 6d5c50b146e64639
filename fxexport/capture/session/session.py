"""What one capture works with: the modes, the journal, the report, and small services on them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Container, Iterable, Iterator, MutableMapping, Sequence, Set
from contextlib import AbstractContextManager
from typing import Protocol

import sympy
import torch
from torch import fx
from torch.utils.weak import WeakIdKeyDictionary

from fxexport import _torch_compat as compat
from fxexport.capture.recording.constants import Constants
from fxexport.capture.recording.recorder import Decomposer, Recorder
from fxexport.capture.recording.tensor_mode import TensorMode
from fxexport.capture.recording.types import (
    SYM,
    Operand,
    Size,
    SymbolicNumber,
    Undecided,
    Value,
    expression,
    is_symbolic,
    number,
    sym_type,
)
from fxexport.capture.session.aliases import Aliases
from fxexport.capture.session.chosen_numbers import ChosenNumbers
from fxexport.capture.session.example_sizes import at_example, denied_by_example, hold_to_example
from fxexport.capture.session.implications import Facts
from fxexport.capture.session.journal import Journal, Slot
from fxexport.capture.session.ranks import settle_one
from fxexport.capture.session.recursion import deepest_recursion
from fxexport.capture.session.refusals import PinNeeded, Place, Poison
from fxexport.capture.session.refusing import Refusing
from fxexport.capture.session.transaction import Body, Ledger, Transaction
from fxexport.capture.session.tries import OpenTry
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.guards import message_at
from fxexport.graph.ops import guard
from fxexport.report.model import FindingKind, Report
from fxexport.source.decisions import Decisions
from fxexport.source.exceptions import note_of, note_raised
from fxexport.source.frames import in_pytorch_layer, user_location
from fxexport.source.location import SourceLocation

__all__ = [
    "SYM",
    "PinNeeded",
    "Poison",
    "Session",
    "SizePolicy",
    "expression",
    "is_symbolic",
    "number",
    "sym_type",
]

# Protocol buffers are read up to 100 levels; an If or a Loop in another one takes three.
_DEEPEST = 30
# From so many calls of one function inside each other on, that is what is wrong.
_RECURSION = 8


class SizePolicy(Protocol):
    """Decides what PyTorch asks about sizes and cannot prove."""

    def __call__(
        self, session: Session, expr: sympy.Basic, fallback: bool | None = None
    ) -> sympy.Basic | bool:
        """The value of an expression; `fallback` is what it counts as where the program asks."""


class Session(Refusing):
    """The state of one capture."""

    def __init__(
        self,
        report: Report,
        policy: SizePolicy,
        prove: compat.Prover,
        decomposition_for: Decomposer,
        keep_composite: Callable[[torch._ops.OpOverload], bool],
        name_of: Callable[[torch.Tensor], str],
        *,
        going_on: bool = False,
        max_depth: int | None = None,
        unread: Container[str] = (),
        apart: frozenset[Place] = frozenset(),
    ) -> None:
        """Starts a capture.

        Args:
            report: gets what is decided.
            policy: decides questions about sizes.
            prove: proves facts about sizes.
            decomposition_for: how to express an operator through others.
            keep_composite: which composite operators to record whole.
            name_of: names real tensors.
            going_on: whether the program goes on after a statement that is refused.
            max_depth: how many calls of a function may be open where data ends its recursion.
            unread: names of weights whose values may decide nothing.
            apart: where objects and tensors that were there before are not merged.
        """
        super().__init__(going_on, Journal(user_location))
        self._max_depth = max_depth
        self.apart = apart
        self.report = report
        self.env = compat.SizeEnv(functools.partial(policy, self), prove)
        self.fake_mode = compat.fake_mode(self.env)
        # symbol of an input dimension -> its size in the example
        self.example_sizes: dict[sympy.Symbol, int] = {}
        # those of them that the user asked to be dynamic
        self.asked: set[sympy.Symbol] = set()
        self.recorder = Recorder(self.env, decomposition_for, self.example_sizes.keys(), self._need)
        self.tensors = TensorMode(
            self.fake_mode,
            self.recorder,
            keep_composite,
            name_of,
            self,
            lambda: self.journal.now,
            Constants(self.recorder, name_of, unread),
        )
        self.aliases = Aliases(self.journal)
        self.decisions = Decisions()
        self.facts = Facts(self.tensors.inner)
        # Tensors that have another path's rank where they are empty, and where they were merged.
        self.took_rank: MutableMapping[torch.Tensor, Place] = WeakIdKeyDictionary()
        self.chosen_numbers = ChosenNumbers(self.recorder, self.facts)
        # What a class of the program says about the truth of its objects; others as they are.
        self.own_truth: Callable[[Value], Value] = lambda value: value
        # Does something with each alternative of a value, and what stands for an operand.
        self.each: Callable[[Value, Callable[[Value], Value]], Value] = lambda one, use: use(one)
        self.operand: Callable[[Value], Value] = lambda value: value
        self.on_fit: Callable[[Sequence[Size], Iterable[Sequence[Size]]], None] = lambda *_: None
        # symbols of numbers that are ints on some paths and floats on others
        self.promoted: dict[sympy.Symbol, SourceLocation | None] = {}
        # symbol of an input -> what a user calls it; its smallest and largest value
        self.names: dict[sympy.Symbol, str] = {}
        self.ranges: dict[sympy.Symbol, tuple[int, int | None]] = {}
        # Conditions on sizes that the file takes for granted, and those that kernels need.
        self.required: list[tuple[sympy.Expr, SourceLocation | None]] = []
        self.assumed: list[tuple[sympy.Expr, SourceLocation | None]] = []
        # Size of a branch's result -> its size on each path, and the facts that the path needs.
        self.merged_sizes: dict[sympy.Symbol, list[tuple[sympy.Expr, Set[sympy.Basic]]]] = {}
        self.depth = 0
        # Containers of the user's that the model's attributes do not lead to, by identity.
        self.outside: dict[int, Value] = {}
        said = (report.findings, self.required, self.assumed, self.promoted, self.pending)
        self._ledger = Ledger(
            self.env, self.recorder, self.journal, self, said, self.refusals, self.tries.savepoint
        )

    def _need(self, fact: sympy.Basic) -> None:
        """Takes a fact for granted that an operator needs."""
        with compat.no_recording():
            self.env.guard_or_defer_runtime_assert(fact, "needed by an operator")

    # -- what may be taken back ----------------------------------------------------------------

    def transaction(self, slots: Iterable[Slot] = ()) -> AbstractContextManager[Transaction]:
        """Around what may be recorded in another way after all; see `Transaction`.

        Args:
            slots: variables that may be bound inside.
        """
        self.settle()
        # A view that is made anew inside would be lost with what is taken back.
        self.tensors.stale_views.bring_up_to_date()
        return self._ledger.transaction(slots)

    @contextlib.contextmanager
    def trial(self, slots: Iterable[Slot] = ()) -> Iterator[None]:
        """Around something that has an alternative: if it is refused, it is undone.

        Args:
            slots: variables that may be bound inside.
        """
        with self.transaction(slots) as attempt:
            self.trials += 1
            try:
                yield
            except Exception as error:
                if note_of(error) is None:
                    attempt.roll_back()  # an exception of the program's undoes nothing
                raise
            finally:
                self.trials -= 1

    @contextlib.contextmanager
    def body(self, perhaps: bool = True) -> Iterator[Body]:
        """Around one path of a branch, or an iteration of a loop; see `Body`.

        Args:
            perhaps: whether the program may not reach it.
        """
        # Whoever lets exceptions leave it says so.
        with self.open_body(perhaps) as body, self.tries.around(OpenTry(body=True)):
            yield body

    @contextlib.contextmanager
    def open_body(self, perhaps: bool = True) -> Iterator[Body]:
        """`body` for a stretch that does not end where a statement does."""
        check = functools.partial(hold_to_example, self.env, self.example_sizes, reached=False)
        self.settle()
        self.tensors.stale_views.bring_up_to_date()
        with self._nested(), self._ledger.body(perhaps, check) as body:
            yield body
            self.settle()

    @contextlib.contextmanager
    def _nested(self) -> Iterator[None]:
        """While one path of a branch, or the body of a loop, is recorded.

        Raises:
            UnsupportedError: it stands in more of them than a file may nest.
            RecursionError: a function calls itself more often than was declared.
        """
        if self._max_depth is not None:
            self._hold_to_depth(self._max_depth)
        if self.depth >= _DEEPEST:
            count, name = deepest_recursion()
            if count >= _RECURSION:
                raise UnsupportedError(
                    f"{name}() calls itself as often as the data says, and a file has no calls: "
                    f"{count} of them are inside each other here",
                    code=Code.RECURSION,
                    location=user_location(),
                    hint="write it as a loop, or declare how deep it goes at most: max_depth=8, "
                    "--max-depth 8",
                )
            raise UnsupportedError(
                f"more than {_DEEPEST} ifs and loops inside each other; ONNX Runtime reads no such "
                "file (each elif is inside the one before it, and so is what follows an early "
                "return)",
                code=Code.TOO_MANY_NESTED,
                location=user_location(),
                hint="write the ifs one after the other, or look the result up in a tensor",
            )
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def _hold_to_depth(self, most: int) -> None:
        """Ends a path of the program that goes deeper than was declared."""
        count, name = deepest_recursion()
        if count > most:
            text = f"expected that {name}() calls itself at most {most} times deep (max_depth)"
            raise note_raised(RecursionError(text))

    # -- findings ------------------------------------------------------------------------------

    def note(self, kind: FindingKind, message: str, *, always: bool = False) -> None:
        """Adds a finding at the user's present line.

        What PyTorch's own layers decide is told as theirs, and not at all where nothing hangs on
        it: that nn.Sequential calls its modules one by one is no decision of the user's.

        Args:
            kind: what was decided.
            message: the same in a sentence.
            always: whether it is so for all inputs whatsoever.
        """
        if in_pytorch_layer():
            if always or kind == "unrolled":
                return
            message = f"in PyTorch's own code: {message}"
        self.report.add(kind, message, user_location())

    def about_to_squeeze(self, tensor: torch.Tensor, dims: Iterable[int]) -> None:
        """Decides for each of these dimensions whether it is 1, and so goes."""
        for dim in dims:
            settle_one(self, tensor.shape[dim])

    def promote(self, number: SymbolicNumber) -> None:
        """Notes a number that is an int on some paths and a float on others."""
        for symbol in number.node.expr.free_symbols:
            self.promoted[symbol] = user_location()

    def take_for_granted(
        self, condition: bool | torch.SymBool, text: str, error: str = "", *, said: str = ""
    ) -> None:
        """Takes a condition as a fact from here on; the file raises where it does not hold.

        Args:
            condition: what is taken for granted.
            text: the same in a sentence.
            error: name of the exception that the model raises otherwise.
            said: another sentence for the report.
        """
        if self._noted_as_need(condition, text, error):
            return
        if self.raises_where_caught(condition, text, error):
            return
        begin = f"{error}: " if error else ""
        self.guard(condition, f"{begin}expected that {text}")
        self.env.assume(condition, text)
        self.note("assumption", said or text)
        self.require(condition)

    def needs(
        self, condition: bool | torch.SymBool, text: str, error: str = "RuntimeError"
    ) -> None:
        """What an operator needs of sizes, without which the file raises.

        Args:
            condition: what is needed.
            text: the same in a sentence.
            error: what PyTorch raises otherwise; empty where it gives what nothing defines.
        """
        known = self.known(condition)
        if known is False and error and self.depth:
            raise RuntimeError(f"expected that {text}")  # this path ends here
        if known is None and not self._noted_as_need(condition, text, error):
            self.refuse_if_caught(error)
            self.guard(
                condition, f"{error}: expected that {text}" if error else f"expected that {text}"
            )
            self.env.assume(condition, text)
            self.require(condition)

    def _noted_as_need(self, condition: bool | torch.SymBool, text: str, error: str) -> bool:
        """Whether a call is recorded to see what it needs; then the condition is noted."""
        if self.tries.needs is None or not error or not isinstance(condition, torch.SymBool):
            return False
        self.tries.needs.append(condition.node.expr)
        self.env.assume(condition, text)
        return True

    def in_example(self, number: Size) -> int | None:
        """The size that a number is for the example; None where the example does not come."""
        found = at_example(self.env, self.example_sizes, sympy.sympify(expression(number)))
        return int(found) if isinstance(found, sympy.Integer) else None

    def needs_size(self, own: Size, other: Size, text: str) -> None:
        """Two sizes are the same where the file runs, or a dimension is as the example has it."""
        fact = sympy.Eq(expression(own), expression(other))
        if denied_by_example(self.env, self.example_sizes, fact):
            raise PinNeeded(set(fact.free_symbols), user_location(), f"expected that {text}")
        self.needs(own == other, text, "")

    def about_to_fit(self, own: Sequence[Size], others: Iterable[Sequence[Size]]) -> None:
        """Sizes of operands are to be broadcast to those of a tensor that is written in place."""
        self.on_fit(own, others)

    def raises_unless(self, holds: torch.Tensor, text: str) -> None:
        """What an operator needs of the data, without which PyTorch raises and the file does."""
        self.refuse_if_caught("RuntimeError")
        self.guard(holds, f"RuntimeError: expected that {text}")

    def guard(
        self, condition: bool | Undecided, text: str, location: SourceLocation | None = None
    ) -> None:
        """Makes the file raise where a condition does not hold here; before that is assumed.

        Args:
            condition: a number or a 0-d bool tensor of the program.
            text: what the error says, ``needs n % 2 == 0``; the line is put behind it.
            location: the line; the present one by default.
        """
        if isinstance(condition, torch.Tensor) or self.known(condition) is not True:
            self.write_guard(condition, text, location)

    def write_guard(
        self, condition: bool | Undecided, text: str, location: SourceLocation | None = None
    ) -> None:
        """`guard` for a condition that is assumed already."""
        message = message_at(text, location or user_location())
        made = self.recorder.emit(guard, self.node_of(condition), message)
        made.meta["fact"] = condition.node.expr if is_symbolic(condition) else None

    def guard_fact(self, fact: sympy.Basic, text: str) -> fx.Node:
        """Writes a guard for a fact about sizes, which may be known already; its node."""
        message = message_at(text, user_location())
        made = self.recorder.emit(guard, self.recorder.fact_node(fact), message)
        made.meta["fact"] = fact
        return made

    def require(self, condition: bool | torch.SymBool) -> None:
        """Makes a condition on sizes something that the file takes for granted."""
        if isinstance(condition, torch.SymBool) and self.depth == 0:
            self.required.append((condition.node.expr, user_location()))

    # -- tensors -------------------------------------------------------------------------------

    def node_of(self, value: Value) -> Operand:
        """The node or constant, in the present frame, for a tensor or number of the program."""
        if isinstance(value, torch.Tensor):
            self.about_to_read(value)
            value = self.tensors.inner(value)
        return self.recorder.node_of(value)

    # -- sizes ---------------------------------------------------------------------------------

    def known(self, condition: Value) -> bool | None:
        """True or False where a symbolic bool is certain, None where it is not."""
        if not isinstance(condition, torch.SymBool):
            return bool(condition)
        with compat.no_recording(), self.env.thorough():
            if compat.statically_known_true(condition):
                return True
            if compat.statically_known_true(torch.sym_not(condition)):
                return False
        return None

    def same(self, a: Value, b: Value) -> bool:
        """Whether two Python or symbolic scalars certainly have the same type and value."""
        if a is b:
            return True
        if sym_type(a) is not sym_type(b):
            return False
        if not is_symbolic(a) and not is_symbolic(b):
            return bool(a == b) or (a != a and b != b)
        expr_a, expr_b = expression(a), expression(b)
        if expr_a == expr_b:
            return True
        if sym_type(a) is not int:
            return False
        with compat.no_recording(), self.env.thorough():
            return bool(compat.statically_known_true(a == b))

    def in_scope(self, value: Value) -> bool:
        """Whether a scalar can be computed in the frame that is open now."""
        if not is_symbolic(value):
            return True
        return all(self.recorder.knows(symbol) for symbol in value.node.expr.free_symbols)

    def never_negative(self, size: Size) -> Size:
        """A size for a stand-in: what is a size on one path may be below 0 on another."""
        if not is_symbolic(size) or self.env.bound_sympy(expression(size)).lower >= 0:
            return size
        with compat.no_recording():
            return torch.sym_max(0, size)

    def fresh_size(self) -> torch.SymInt:
        """A new symbol for a dimension."""
        size = self.recorder.fresh_scalar(torch.SymInt)
        self.env.mark_size(size.node.expr)
        return size
