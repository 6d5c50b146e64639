"""What one capture works with: the modes, the journal, the report, and small services on them."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sympy
import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport import _torch_compat as compat
from fxexport.capture.aliasing import Aliases
from fxexport.capture.facts import Facts
from fxexport.capture.frames import user_location
from fxexport.capture.journal import ContentsSlot, Journal, Slot
from fxexport.capture.recorder import Recorder
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


class PinNeeded(Exception):
    """The program needs input dimensions to be fixed."""

    def __init__(self, symbols: set[Any], location: SourceLocation | None) -> None:
        super().__init__(str(symbols))
        self.symbols = symbols
        self.location = location


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


class Session:
    """The state of one capture."""

    def __init__(
        self,
        report: Report,
        policy: Callable[[Any], Any],
        decomposition_for: Callable[[Any], Any],
        keep_composite: Callable[[Any], bool],
        name_of: Callable[[torch.Tensor], str],
    ) -> None:
        self.report = report
        self.env = compat.SizeEnv(policy)
        self.fake_mode = compat.FakeTensorMode(shape_env=self.env)
        self.recorder = Recorder(self.env, decomposition_for)
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
        self.try_depth = 0
        # Tries that catch errors about names and attributes only.
        self.name_tries = 0
        # All that was refused so far: capture goes on after a refusal to find the others.
        self.refusals: list[UnsupportedError] = []
        # Above 0 while something is tried that has an alternative.
        self.trials = 0
        # symbols of numbers that are ints on some ways and floats on others
        self.promoted: dict[Any, SourceLocation | None] = {}
        # symbol of an input dimension -> its size in the example
        self.example_sizes: dict[Any, int] = {}
        # symbol of an input -> what a user calls it; its smallest and largest value
        self.names: dict[Any, str] = {}
        self.ranges: dict[Any, tuple[int, int | None]] = {}
        self.required: list[tuple[Any, Any]] = []
        self.depth = 0
        # tensor -> the list of varying length that holds it as an item
        self._held: list[tuple[weakref.ref[Any], weakref.ref[Any]]] = []
        # id of an object that is an item of such a list -> the object, and the list
        self._frozen: dict[int, tuple[Any, weakref.ref[Any]]] = {}
        # The lists that are being looped over, innermost last.
        self._iterated: list[Any] = []
        # Containers of the user's that the model's attributes do not lead to, by identity.
        self.outside: dict[int, Any] = {}
        # merged tensor -> the tensors that it may share memory with in PyTorch
        # id of a tensor -> it, and the line of a write that it may not have seen
        self.lost: dict[int, tuple[weakref.ref[Any], Any]] = {}
        # tensor -> the operator that has given it other sizes in place
        self._reshaped: Any = WeakIdKeyDictionary()
        self._merged: list[tuple[weakref.ref[Any], list[weakref.ref[Any]]]] = []

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
        if self.example_sizes.get(expression(size)) == 1:
            raise PinNeeded({expression(size)}, user_location())
        self.env.assume(size != 1, "a dimension that is not squeezed")
        self.note("assumption", "this dimension is not 1, so squeezing keeps it")
        self.require(size != 1)

    def promote(self, number: Any) -> None:
        """Notes a number that is an int on some ways and a float on others."""
        for symbol in number.node.expr.free_symbols:
            self.promoted[symbol] = user_location()

    def require(self, condition: Any) -> None:
        """Makes a condition on sizes something that the file takes for granted."""
        if isinstance(condition, torch.SymBool) and self.depth == 0:
            self.required.append((condition.node.expr, user_location()))

    # -- refusals ------------------------------------------------------------------------------

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

    def contents(self, tensor: torch.Tensor) -> ContentsSlot:
        """The place that holds the values of a tensor that is no view."""
        return ContentsSlot(
            tensor,
            lambda t: self.tensors.wrap(self.tensors.inner(t)),
            lambda t, value: self.tensors.replace(t, self.tensors.inner(value)),
            self.tensors.born(tensor),
        )

    def about_to_reshape(self, tensor: torch.Tensor, name: str) -> None:
        """Refuses operators in place that change what cannot be given back after a branch."""
        plain = name.rstrip("_")
        if plain in ("set", "resize", "resize_as"):
            hint = "assign a new tensor to the name instead"
            raise UnsupportedError(
                f"{name} gives a tensor other memory in place", location=user_location(), hint=hint
            )
        if self.tensors.born(tensor) < self.journal.opened:
            raise UnsupportedError(
                f"{name} changes the sizes of a tensor from outside a branch or loop in place",
                location=user_location(),
                hint=f"write y = y.{plain}(...) instead",
            )
        self._reshaped[tensor] = name

    def may_share(self, tensor: torch.Tensor, source: torch.Tensor) -> None:
        """Remembers a copy that is a view where some size is 1, to refuse later writes."""
        self.merged_from(tensor, source)

    def about_to_write(self, base: torch.Tensor) -> None:
        """Notes a write: what shares the memory on some ways holds nobody knows what after it."""
        for merged_ref, sources in self._merged:
            merged = merged_ref()
            if merged is None:
                continue
            alive = [source for ref in sources if (source := ref()) is not None]
            if base is merged:
                for source in alive:
                    self._lose(source)
            elif any(base is source for source in alive):
                self._lose(merged)
        name = self._reshaped.get(base)
        if name is not None and self.tensors.born(base) < self.journal.opened:
            raise UnsupportedError(
                f"a tensor is written in place in a branch or loop after {name} has changed its "
                "sizes in place",
                location=user_location(),
                hint=f"write y = y.{name.rstrip('_')}(...) instead",
            )
        real = self.tensors.real_of(base)
        if real is not None and self.tensors.sharing_memory(real):
            self.reads_under_another_name(real)
        for held, holder in self._held:
            if held() is base and holder() is not None:
                raise _item_changed("a tensor is written in place")
        self.journal.touch(self.contents(base))

    def _lose(self, base: torch.Tensor, location: Any = None) -> None:
        self.lost.setdefault(id(base), (weakref.ref(base), location or user_location()))

    def is_lost(self, tensor: Any, lost: Mapping[int, Any] | None = None) -> Any:
        """Where a tensor was perhaps written under another name (now, or in a state saved before).

        Returns:
            The place of the write and True; None for a tensor that holds what it should.
        """
        if not isinstance(tensor, compat.FunctionalTensor):
            return None
        base = self.tensors.base_of(tensor)
        found = (self.lost if lost is None else lost).get(id(base))
        return (found[1], True) if found is not None and found[0]() is base else None

    def lose_as(self, tensors: Iterable[Any], before: Iterable[Any], lost: Any) -> None:
        """New tensors are lost where those that they stand for were."""
        for tensor, old in zip(tensors, before, strict=False):
            found = self.is_lost(old, lost)
            if found is not None:
                self._lose(self.tensors.base_of(tensor), found[0])

    def about_to_read(self, tensor: torch.Tensor) -> None:
        """Refuses a read of what was perhaps written under another name."""
        found = self.is_lost(tensor) if self.lost else None
        if found is not None:
            raise UnsupportedError(
                "a tensor is written in place that shares memory with another one on some ways "
                "through the model (a branch, a loop, sizes of 1) and not on others, and the other "
                "one is read afterwards",
                location=found[0],
                hint="make a new tensor instead (y = y + 1), or clone() it where it is made",
            )

    def held_by(self, tensor: torch.Tensor, holder: Any) -> None:
        """Remembers that a list of varying length holds a tensor: it may not be written to."""
        base = self.tensors.base_of(self.tensors.lift(tensor))
        self._held.append((weakref.ref(base), weakref.ref(holder)))

    def freeze(self, value: Any, holder: Any) -> None:
        """Remembers that an object is an item of a list of varying length."""
        if isinstance(value, torch.Tensor):
            return
        if isinstance(value, (list, dict, set)) or hasattr(value, "__dict__"):
            self._frozen[id(value)] = (value, weakref.ref(holder))
        for part in parts_inside(value):
            self.freeze(part, holder)

    def check_changeable(self, value: Any) -> None:
        """To be called before a container or object changes.

        Raises:
            UnsupportedError: a list of varying length holds it.
        """
        if any(value is iterated for iterated in self._iterated):
            raise UnsupportedError(
                "a list changes while a loop of unknown length goes over it",
                location=user_location(),
                hint="loop over a copy of it",
            )
        frozen = self._frozen.get(id(value))
        if frozen is not None and frozen[0] is value and frozen[1]() is not None:
            raise _item_changed(f"a {type(value).__name__} changes")

    @contextlib.contextmanager
    def iterating(self, container: Any) -> Iterator[None]:
        """While a loop that is staged goes over a list."""
        self._iterated.append(container)
        try:
            yield
        finally:
            self._iterated.pop()

    def reads_under_another_name(self, real: torch.Tensor) -> None:
        """Refuses a write that two of the model's own tensors see."""
        raise UnsupportedError(
            "a tensor that the model keeps is written in place, and another one that it keeps is a "
            "view of it, or shares its memory otherwise",
            location=user_location(),
            hint="keep one of them, and make the view in forward",
        )

    def merged_from(self, merged: torch.Tensor, *sources: Any) -> None:
        """Remembers what a merged tensor may share memory with, to refuse later writes."""
        bases = [self.tensors.base_of(s) for s in sources if isinstance(s, compat.FunctionalTensor)]
        if bases:
            merged = self.tensors.base_of(merged)
            self._merged.append((weakref.ref(merged), [weakref.ref(base) for base in bases]))

    def may_be_one(self, a: Any, b: Any) -> bool:
        """Whether two different objects may be one and the same in Python on some way."""
        if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
            return self.aliases.may_be_one(a, b)
        return not self._bases(a).isdisjoint(self._bases(b))

    def _bases(self, tensor: torch.Tensor) -> set[int]:
        """The tensors that a merged one may be, or look into."""
        found: set[int] = set()
        queue = [self.tensors.base_of(tensor)]
        while queue:
            item = queue.pop()
            if id(item) in found:
                continue
            found.add(id(item))
            for merged_ref, sources in self._merged:
                if merged_ref() is item:
                    queue.extend(source for ref in sources if (source := ref()) is not None)
        return found

    def outer_sources(self, base: torch.Tensor, since: int) -> list[torch.Tensor]:
        """The tensors made before `since` whose memory a tensor is in, or may be in."""
        if self.tensors.born(base) < since:
            return [base]
        return [
            source
            for merged, sources in self._merged
            if merged() is base
            for ref in sources
            if (source := ref()) is not None and self.tensors.born(source) < since
        ]

    def share_as(
        self,
        tensors: Sequence[Any],
        before: Sequence[Any],
        since: int,
        lost: Mapping[int, Any],
    ) -> None:
        """New tensors stand for others: what these share, they may share.

        Args:
            tensors: merged or carried tensors.
            before: what each of them stands for on one way, or at the end of a trip.
            since: the journal's number when that way or trip began.
            lost: what was lost (`is_lost`) at the end of that way or trip.
        """
        groups: dict[int, list[Any]] = {}
        for tensor, old in zip(tensors, before, strict=False):
            if not isinstance(old, compat.FunctionalTensor) or tensor is old:
                continue
            base = self.tensors.base_of(old)
            groups.setdefault(id(base), []).append(tensor)
            self.merged_from(tensor, *self.outer_sources(base, since))
            found = self.is_lost(old, lost)
            if found is not None:
                self._lose(self.tensors.base_of(tensor), found[0])
        for group in groups.values():
            for tensor in group:
                self.merged_from(tensor, *(other for other in group if other is not tensor))

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


def parts_inside(value: Any) -> list[Any]:
    """What a plain container holds."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []


def _item_changed(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} that is an item of a list whose length is known only when the model runs",
        location=user_location(),
        hint="make a new one and put it into the list: items[i] = items[i] + 1; "
        "or append a clone()",
    )


def expression(value: Any) -> Any:
    """The sympy expression of a Python or symbolic scalar."""
    return value.node.expr if is_symbolic(value) else sympy.sympify(value)


def number(value: Any) -> Any:
    """A size as a Python int where it is one."""
    expr = expression(value)
    return int(expr) if expr.is_number else value
