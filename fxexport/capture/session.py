"""What one capture works with: the modes, the journal, the report, and small services on them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType
from typing import Any

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.aliasing import Aliases
from fxexport.capture.facts import Facts
from fxexport.capture.frames import locations_of_summary, user_location
from fxexport.capture.journal import Journal, Slot
from fxexport.capture.recorder import Recorder
from fxexport.capture.sharing import Sharing
from fxexport.capture.sources import CHANGED
from fxexport.capture.tensors import TensorMode
from fxexport.errors import UnsupportedError
from fxexport.report.model import FindingKind, Report
from fxexport.source import SourceLocation

__all__ = [
    "PinNeeded",
    "Poison",
    "Session",
    "dynamic_inside",
    "is_dynamic",
    "is_symbolic",
    "number",
    "sym_type",
]

SYM = (torch.SymInt, torch.SymFloat, torch.SymBool)


# Protocol buffers are read up to 100 levels; an If or a Loop in another one takes three.
_DEEPEST = 30


class PinNeeded(Exception):
    """The program needs input dimensions to be fixed.

    Attributes:
        symbols: the dimensions.
        location: the line that needs it.
        reason: why, for the refusal where the user asked for a dimension to be dynamic.
    """

    def __init__(
        self, symbols: set[Any], location: SourceLocation | None, reason: str = ""
    ) -> None:
        super().__init__(str(symbols))
        self.symbols = symbols
        self.location = location
        self.reason = reason or (
            "this line decides something on a dimension that was asked to be dynamic, in code "
            "that fxexport cannot stage"
        )


class Poison:
    """A variable that has no single value after a branch or loop; reading it is refused."""

    def __init__(self, name: str, reason: str, location: Any, *, secondary: bool = False) -> None:
        self.name, self.reason, self.location = name, reason, location
        self.secondary = secondary

    def refuse(self) -> UnsupportedError:
        """The refusal for a read of the variable."""
        error = UnsupportedError(self.reason, location=self.location or user_location())
        error.secondary = self.secondary
        return error


def is_symbolic(value: Any) -> bool:
    """Whether a Python scalar is known only when the model runs."""
    return isinstance(value, SYM)


def is_dynamic(value: Any) -> bool:
    """Whether a value is a tensor, or a number that is known only when the model runs."""
    return is_symbolic(value) or isinstance(value, torch.Tensor) or hasattr(value, "fx_session")


def dynamic_inside(values: Any) -> bool:
    """Whether a tuple or list, nested or not, holds something dynamic."""
    return any(
        dynamic_inside(value) if isinstance(value, (tuple, list)) else is_dynamic(value)
        for value in values
    )


def sym_type(value: Any) -> type | None:
    """int, float or bool for a Python or symbolic scalar; None for anything else."""
    for kind, symbolic in ((bool, torch.SymBool), (int, torch.SymInt), (float, torch.SymFloat)):
        if isinstance(value, (kind, symbolic)):
            return kind
    return None


class Session(Sharing):
    """The state of one capture."""

    def __init__(
        self,
        report: Report,
        policy: Callable[..., Any],
        decomposition_for: Callable[[Any], Any],
        keep_composite: Callable[[Any], bool],
        name_of: Callable[[torch.Tensor], str],
    ) -> None:
        super().__init__()
        self.report = report
        self.env = compat.SizeEnv(policy)
        self.fake_mode = compat.FakeTensorMode(shape_env=self.env)
        # symbol of an input dimension -> its size in the example
        self.example_sizes: dict[Any, int] = {}
        self.recorder = Recorder(self.env, decomposition_for, self.example_sizes.keys())
        self.journal = Journal(user_location)
        self.tensors = TensorMode(
            self.fake_mode,
            self.recorder,
            keep_composite,
            name_of,
            self,
            lambda: self.journal.now,
        )
        self.aliases = Aliases(self.journal)
        self.facts = Facts(self.tensors.inner)
        # code of functions that could not be rewritten -> why
        self.unread_functions: dict[CodeType, str] = {}
        self.try_depth = 0
        # Tries that catch errors about names and attributes only.
        self.name_tries = 0
        # All that was refused so far: capture goes on after a refusal to find the others.
        self.refusals: list[UnsupportedError] = []
        # Above 0 while something is tried that has an alternative.
        self.trials = 0
        # symbols of numbers that are ints on some ways and floats on others
        self.promoted: dict[Any, SourceLocation | None] = {}
        # symbol of an input -> what a user calls it; its smallest and largest value
        self.names: dict[Any, str] = {}
        self.ranges: dict[Any, tuple[int, int | None]] = {}
        self.required: list[tuple[Any, Any]] = []
        self.depth = 0
        # Containers of the user's that the model's attributes do not lead to, by identity.
        self.outside: dict[int, Any] = {}

    @contextlib.contextmanager
    def nested(self) -> Iterator[None]:
        """While one way of a branch, or the body of a loop, is recorded.

        Raises:
            UnsupportedError: it stands in more of them than a file may nest.
        """
        if self.depth >= _DEEPEST:
            raise UnsupportedError(
                f"more than {_DEEPEST} ifs and loops inside each other; ONNX Runtime reads no such "
                "file (each elif is inside the one before it, and so is what follows an early "
                "return)",
                location=user_location(),
                hint="write the ifs one after the other, or look the result up in a tensor",
            )
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    # -- findings ------------------------------------------------------------------------------

    def note(self, kind: FindingKind, message: str) -> None:
        """Adds a finding at the user's present line."""
        self.report.add(kind, message, user_location())

    def settle_one(self, size: Any) -> None:
        """Decides whether a dimension is 1 where that changes the rank of a result.

        Raises:
            PinNeeded: it was 1 in the example: then it must stay 1.
        """
        if self.known(size == 1) is not None:
            return
        fact, text = size != 1, "this dimension is not 1, so squeezing keeps it"
        if self.env.is_one_at_most(expression(size)):  # of x[:1], where x is not empty
            fact, text = size == 1, "this dimension is 1, so squeezing takes it away"
        elif self.example_sizes.get(expression(size)) == 1:
            raise PinNeeded({expression(size)}, user_location())
        self.env.assume(fact, text)
        self.note("assumption", text)
        self.require(fact)

    def promote(self, number: Any) -> None:
        """Notes a number that is an int on some ways and a float on others."""
        for symbol in number.node.expr.free_symbols:
            self.promoted[symbol] = user_location()

    def require(self, condition: Any) -> None:
        """Makes a condition on sizes something that the file takes for granted."""
        if isinstance(condition, torch.SymBool) and self.depth == 0:
            self.required.append((condition.node.expr, user_location()))

    def relations_among(self, facts: Iterable[Any]) -> list[Any]:
        """Those of ShapeEnv's asserts by which kernels take sizes of several inputs for equal.

        What follows from a condition of the program is none of them, nor is what compares the
        ends of slices (a minimum): that may say no more than what always holds.
        """
        return [
            fact
            for fact in facts
            if isinstance(fact.expr, sympy.Eq)
            and len(fact.expr.free_symbols) > 1
            and fact.expr.free_symbols <= self.example_sizes.keys()
            and all(side.is_polynomial() for side in fact.expr.args)
            and fact.expr not in self.env.path_facts
        ]

    def hold_to_example(self, facts: Iterable[Any], reached: bool) -> None:
        """Keeps a dimension as the example has it where other sizes are taken for granted.

        A size of 1 is broadcast, and a dynamic one is taken to be no 1: what kernels then need of
        it may deny the example itself.

        Args:
            facts: ShapeEnv's asserts.
            reached: whether the example certainly comes there. Where it may not, sizes other than
                1 say nothing: `if x.shape != y.shape` may be what keeps it away.

        Raises:
            PinNeeded: one contradicts the example, on a line that the example may reach.
        """
        sizes = {symbol: sympy.Integer(size) for symbol, size in self.example_sizes.items()}
        if any(compat.at_sizes(fact, sizes) is sympy.false for fact in self.env.path_facts):
            return
        for fact in facts:
            symbols = fact.expr.free_symbols
            if not symbols <= sizes.keys():
                continue
            if compat.at_sizes(fact.expr, sizes) is not sympy.false:
                continue
            small = {symbol for symbol in symbols if sizes[symbol] < 2}
            if not small and not reached:
                continue
            location = next(iter(locations_of_summary(compat.stack_of_assert(fact))), None)
            reason = (
                "a dimension that was asked to be dynamic is 1 in the example, and is broadcast "
                "here; a dynamic one is taken to be another size than 1"
                if small
                else "what PyTorch takes for granted here of a dimension that was asked to be "
                "dynamic does not hold for the example"
            )
            raise PinNeeded(small or set(symbols), location, reason)

    # -- refusals ------------------------------------------------------------------------------

    def unread(self, message: str, hint: str) -> UnsupportedError:
        """The refusal for a value that code asks for which was not rewritten.

        Args:
            message: what is refused.
            hint: what to do, where nothing is known of why the code runs as it is.
        """
        frame = sys._getframe(1)
        reason = ""
        while frame is not None and not reason:
            why = self.unread_functions.get(frame.f_code, "")
            reason = why and f"{frame.f_code.co_name}() runs as it is, because {why}"
            frame = frame.f_back  # type: ignore[assignment]
        error = UnsupportedError(message, location=user_location(), hint=reason or hint)
        error.final = reason.endswith(CHANGED)
        return error

    def collect(self, error: UnsupportedError, slots: Iterable[Slot] = ()) -> Poison:
        """Notes a refusal and goes on without what it was about.

        Args:
            error: the refusal; it is raised again while something with an alternative is tried.
            slots: the places that would have been given a value.

        Returns:
            What stands for the missing value.
        """
        if self.trials:
            raise error
        if not error.secondary and str(error) not in {str(known) for known in self.refusals}:
            self.refusals.append(error)
        missing = Poison("", error.message, error.location, secondary=True)
        for slot in slots:
            if slot.key[0] == "cell":
                slot.set(missing)
        return missing

    @contextlib.contextmanager
    def trial(self) -> Iterator[None]:
        """Around something that may be refused because there is another way."""
        self.trials += 1
        try:
            yield
        finally:
            self.trials -= 1

    def raise_refusals(self) -> None:
        """Raises the first refusal, with all others beside it, if there were any."""
        if self.refusals:
            first, *others = self.refusals
            first.others = tuple(others)
            raise first

    # -- tensors -------------------------------------------------------------------------------

    def node_of(self, value: Any) -> Any:
        """The node or constant, in the present frame, for a tensor or number of the program."""
        if isinstance(value, torch.Tensor):
            self.about_to_read(value)
            value = self.tensors.inner(value)
        return self.recorder.node_of(value)

    # -- sizes ---------------------------------------------------------------------------------

    def known(self, condition: Any) -> bool | None:
        """True or False where a symbolic bool is certain, None where it is not."""
        if not isinstance(condition, torch.SymBool):
            return bool(condition)
        with compat.no_recording():
            if compat.statically_known_true(condition):
                return True
            if compat.statically_known_true(torch.sym_not(condition)):
                return False
        return None

    def same(self, a: Any, b: Any) -> bool:
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
        with compat.no_recording():
            return bool(compat.statically_known_true(a == b))

    def in_scope(self, value: Any) -> bool:
        """Whether a scalar can be computed in the frame that is open now."""
        if not is_symbolic(value):
            return True
        return all(self.recorder.knows(symbol) for symbol in value.node.expr.free_symbols)

    def never_negative(self, size: Any) -> Any:
        """A size for a stand-in: what is a size on one way may be below 0 on another."""
        if not is_symbolic(size) or self.env.bound_sympy(expression(size)).lower >= 0:
            return size
        with compat.no_recording():
            return torch.sym_max(0, size)

    def fresh_size(self, *like: Any) -> torch.SymInt:
        """A new symbol for a dimension that takes one of the given sizes."""
        size = self.recorder.fresh_scalar(torch.SymInt)
        symbol = size.node.expr
        self.env.mark_size(symbol)
        for value in like:
            self.env.hint_as(symbol, expression(value))
        return size


def expression(value: Any) -> Any:
    """The sympy expression of a Python or symbolic scalar."""
    return value.node.expr if is_symbolic(value) else sympy.sympify(value)


def number(value: Any) -> Any:
    """A size as a Python int where it is one."""
    expr = expression(value)
    return int(expr) if expr.is_number else value
