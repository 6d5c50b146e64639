"""The operators that rewritten code calls: control flow, logic, stores.

Each does what Python does where everything is known, and stages where it is not.
"""

from __future__ import annotations

import builtins
import contextlib
import operator
from collections import deque
from collections.abc import Callable, Iterator
from types import CellType, FunctionType
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.branching import condition_of, stage_branch
from fxexport.capture.convert import Converter
from fxexport.capture.frames import user_location
from fxexport.capture.iteration import Dynamic, rows
from fxexport.capture.journal import (
    AttributeSlot,
    CellSlot,
    ContainerSlot,
    GlobalSlot,
    Slot,
)
from fxexport.capture.looping import stage_loop
from fxexport.capture.patterns import NeedsFirstTrip
from fxexport.capture.session import Poison, Session, is_symbolic
from fxexport.errors import FxExportError, UnsupportedError
from fxexport.graph import scalars

__all__ = ["Operators"]

# A loop of known length is written out up to here; a longer one is tried as a Loop first.
UNROLL_LIMIT = 16
# A loop that Python alone decides stops somewhere; one that does not is a mistake.
TRIP_LIMIT = 20_000

_AUGMENT: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}
# Exceptions that say nothing about the sizes or values of tensors.
_HARMLESS = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "NameError"})
_BITWISE = {"BitAnd": operator.and_, "BitOr": operator.or_, "BitXor": operator.xor}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.is_,
    "is not": operator.is_not,
}


def _cells(*functions: Any) -> dict[str, CellType]:
    cells: dict[str, CellType] = {}
    for function in functions:
        if isinstance(function, FunctionType):
            cells.update(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return cells


def _slots(functions: tuple[Any, ...], names: tuple[str, ...], globals_: tuple[str, ...] = ()) -> list[Slot]:
    cells = _cells(*functions)
    slots: list[Slot] = [CellSlot(cells[name], name) for name in names if name in cells]
    slots.extend(GlobalSlot(functions[0].__globals__, name) for name in globals_)
    return slots


class Operators:
    """The object that rewritten code knows as ``_fx_``."""

    def __init__(self, session: Session, converter: Converter) -> None:
        self.session = session
        self._converter = converter
        self.call = converter.callable_for

    # -- if ------------------------------------------------------------------------------------

    def if_stmt(
        self, test: Any, then: Any, other: Any, names: tuple[str, ...], globals_: tuple[str, ...]
    ) -> None:
        """An if statement that falls through."""
        condition = condition_of(self.session, test)
        if isinstance(condition, bool):
            (then if condition else other)()
        else:
            stage_branch(self.session, condition, then, other, _slots((then, other), names, globals_))

    def if_return(
        self, test: Any, then: Any, other: Any, names: tuple[str, ...], globals_: tuple[str, ...]
    ) -> Any:
        """An if statement both sides of which return."""
        condition = condition_of(self.session, test)
        if isinstance(condition, bool):
            return (then if condition else other)()
        slots = _slots((then, other), names, globals_)
        return self.read(stage_branch(self.session, condition, then, other, slots))

    def if_exp(self, test: Any, then: Any, other: Any, names: tuple[str, ...]) -> Any:
        """``a if c else b``."""
        condition = condition_of(self.session, test)
        if isinstance(condition, bool):
            return (then if condition else other)()
        return self.read(
            stage_branch(self.session, condition, then, other, _slots((then, other), names))
        )

    # -- logic ---------------------------------------------------------------------------------

    def and_(self, *thunks: Callable[[], Any]) -> Any:
        """``a and b and …``, each evaluated only if those before it hold."""
        return self._connect(thunks, stop=False)

    def or_(self, *thunks: Callable[[], Any]) -> Any:
        """``a or b or …``."""
        return self._connect(thunks, stop=True)

    def _connect(self, thunks: tuple[Callable[[], Any], ...], stop: bool) -> Any:
        first, *rest = thunks
        value = first()
        if not rest:
            return value
        condition = condition_of(self.session, value)
        if isinstance(condition, bool):
            return value if condition is stop else self._connect(tuple(rest), stop)
        return self._staged_connect(value, condition, tuple(rest), stop)

    def _staged_connect(
        self, value: Any, condition: Any, rest: tuple[Callable[[], Any], ...], stop: bool
    ) -> Any:
        """Both operands as truth values; the right one is evaluated in a branch."""

        def right() -> Any:
            return self.as_bool(self._connect(rest, stop))

        def left() -> Any:
            return stop

        then, other = (left, right) if stop else (right, left)
        if isinstance(condition, torch.SymBool):
            return self.read(stage_branch(self.session, condition, then, other))
        # A tensor stays a tensor, so that `mask and x` can still be computed with.
        return self.read(
            stage_branch(
                self.session,
                condition,
                lambda: self._as_tensor_bool(then()),
                lambda: self._as_tensor_bool(other()),
            )
        )

    def and_value(self, *thunks: Callable[[], Any]) -> Any:
        """``a and b`` where the value matters, not only its truth."""
        return self._connect_values(thunks, stop=False)

    def or_value(self, *thunks: Callable[[], Any]) -> Any:
        """``a or b`` where the value matters."""
        return self._connect_values(thunks, stop=True)

    def _connect_values(self, thunks: tuple[Callable[[], Any], ...], stop: bool) -> Any:
        first, *rest = thunks
        value = first()
        if not rest:
            return value
        condition = condition_of(self.session, value)
        if isinstance(condition, bool):
            return value if condition is stop else self._connect_values(tuple(rest), stop)

        def left() -> Any:
            # A bool that ended the chain is known; other values carry more than their truth.
            return stop if isinstance(value, torch.SymBool) else value

        def right() -> Any:
            return self._connect_values(tuple(rest), stop)

        then, other = (left, right) if stop else (right, left)
        return self.read(stage_branch(self.session, condition, then, other))

    def number(self, value: Any) -> Any:
        """An operand of arithmetic: a symbolic bool counts as 0 or 1."""
        if type(value) is torch.SymBool:
            return torch.sym_ite(value, 1, 0)
        return value

    def _comparable(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Two values of which one is symbolic, with bools as the numbers that they are."""
        if is_symbolic(a) or is_symbolic(b):
            a, b = (int(v) if isinstance(v, bool) else self.number(v) for v in (a, b))
        return a, b

    def bitwise(self, name: str, a: Any, b: Any) -> Any:
        """``a & b`` and kin; on two bools they are logic."""
        bools = all(isinstance(value, (bool, torch.SymBool)) for value in (a, b))
        if bools and (is_symbolic(a) or is_symbolic(b)):
            if name == "BitXor":
                a, b = self._comparable(a, b)
                return a != b
            return self._both(a, b) if name == "BitAnd" else self._either(a, b)
        return _BITWISE[name](self.number(a), self.number(b))

    def _both(self, a: Any, b: Any) -> Any:
        return self.session.recorder.scalar_op(scalars.and_, a, b)

    def _either(self, a: Any, b: Any) -> Any:
        return self.session.recorder.scalar_op(scalars.or_, a, b)

    def as_bool(self, value: Any) -> Any:
        """The truth of a value: a bool, a SymBool or a bool tensor."""
        return condition_of(self.session, value)

    @staticmethod
    def _as_tensor_bool(value: Any) -> Any:
        return value if isinstance(value, torch.Tensor) else torch.scalar_tensor(value, dtype=torch.bool)

    def not_(self, value: Any) -> Any:
        """``not a``."""
        condition = condition_of(self.session, value)
        if isinstance(condition, torch.Tensor):
            return torch.logical_not(condition)
        return torch.sym_not(condition) if is_symbolic(condition) else not condition

    def eq(self, a: Any, b: Any) -> Any:
        """``a == b``; sequences with symbolic numbers are compared item by item."""
        if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
            sizes = isinstance(a, torch.Size) or isinstance(b, torch.Size)
            if not sizes and isinstance(a, tuple) != isinstance(b, tuple):
                return False
            if _dynamic_inside(a) or _dynamic_inside(b):
                if len(a) != len(b):
                    return False
                return self.and_(*[lambda x=x, y=y: self.eq(x, y) for x, y in zip(a, b)], lambda: True)
        self.known_text(a), self.known_text(b)
        a, b = self._comparable(a, b)
        return a == b

    def ne(self, a: Any, b: Any) -> Any:
        """``a != b``."""
        if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
            return self.not_(self.eq(a, b))
        self.known_text(a), self.known_text(b)
        a, b = self._comparable(a, b)
        return a != b

    def contains(self, item: Any, container: Any) -> Any:
        """``item in container``."""
        if isinstance(container, Poison):
            raise container.refuse()
        self.known_text(item)
        if isinstance(container, (tuple, list)) and (
            _dynamic_inside(container) or _is_dynamic(item)
        ):
            return self.or_(*[lambda x=x: x is item or self.eq(x, item) for x in container], lambda: False)
        if isinstance(container, range) and is_symbolic(item):
            inside = self.and_(lambda: item >= container.start, lambda: item < container.stop)
            if container.step == 1:
                return inside
        if isinstance(container, (set, frozenset, dict, range)) and _is_dynamic(item):
            values = sorted(container) if isinstance(container, (set, frozenset)) else list(container)
            return self.contains(item, values)
        if isinstance(container, torch.Tensor):
            return (container == item).any()
        return item in container

    def lacks(self, item: Any, container: Any) -> Any:
        """``item not in container``."""
        return self.not_(self.contains(item, container))

    def chain(self, symbols: tuple[str, ...], left: Any, *thunks: Callable[[], Any]) -> Any:
        """``a < b < c``: each operand once, and only as far as needed."""
        symbol, *more = symbols
        right = thunks[0]()
        value = self._compare(symbol, left, right)
        if not more:
            return value
        return self.and_(lambda: value, lambda: self.chain(tuple(more), right, *thunks[1:]))

    def _compare(self, symbol: str, a: Any, b: Any) -> Any:
        own = {"==": self.eq, "!=": self.ne, "in": self.contains, "not in": self.lacks}
        return own[symbol](a, b) if symbol in own else _COMPARE[symbol](a, b)

    def truth(self, value: Any) -> bool:
        """A condition in a place where both ways cannot be kept."""
        condition = condition_of(self.session, value)
        if isinstance(condition, bool):
            return condition
        raise UnsupportedError(
            "a condition that is known only when the model runs, in a comprehension, a generator "
            "or a match statement",
            location=user_location(),
            hint="write it as an if statement in a for loop or function",
        )

    def match_subject(self, value: Any) -> Any:
        """The subject of a match statement, which Python compares by itself."""
        if isinstance(value, Poison):
            raise value.refuse()
        if _is_dynamic(value) or (isinstance(value, (tuple, list)) and _dynamic_inside(value)):
            raise UnsupportedError(
                "a match statement on a value that is known only when the model runs",
                location=user_location(),
                hint="write it as if/elif",
            )
        return value

    def assert_stmt(self, test: Any, message: Callable[[], Any]) -> None:
        """An assert: where it cannot be decided, the file takes it for granted."""

        def fail() -> None:
            raise self.raising(AssertionError(message()))

        self.if_stmt(test, lambda: None, fail, (), ())

    def raising(self, error: Any) -> Any:
        """Marks an exception as raised by a raise statement of the program."""
        if isinstance(error, type) and issubclass(error, BaseException):
            error = error()
        if isinstance(error, Exception) and not isinstance(error, FxExportError):
            with contextlib.suppress(AttributeError):
                error.fx_raised = True  # type: ignore[attr-defined]
                error.fx_location = user_location()  # type: ignore[attr-defined]
        return error

    @contextlib.contextmanager
    def trying(self, caught: tuple[str, ...]) -> Iterator[None]:
        """Around the body of a try statement whose handlers catch these."""
        if all(name.split(".")[-1] in _HARMLESS for name in caught):
            yield
            return
        before = self.session.env.num_deferred_runtime_asserts
        self.session.try_depth += 1
        try:
            yield
        finally:
            self.session.try_depth -= 1
        if self.session.env.num_deferred_runtime_asserts > before:
            raise UnsupportedError(
                "whether this raises depends on the input's sizes, and the `try` around it may catch it",
                location=user_location(),
                hint="test the sizes with an if instead of catching the exception",
            )

    # -- loops ---------------------------------------------------------------------------------

    def while_stmt(
        self,
        test: Callable[[], Any],
        body: Callable[[], Any],
        names: tuple[str, ...],
        globals_: tuple[str, ...],
        break_name: str | None,
    ) -> None:
        """A while statement; `break_name` is the variable that a break sets."""
        slots = _slots((test, body), names, globals_)
        broken = _flag(body, break_name)

        def going() -> Any:
            if broken is None:
                return test()
            return self.and_(lambda: self.not_(broken.get()), test)

        self._while(going, body, slots, may_stage=True)

    def _while(
        self, going: Callable[[], Any], body: Callable[[], Any], slots: list[Slot], may_stage: bool
    ) -> None:
        """Python's while as long as the condition is known; from the start as a Loop otherwise."""
        session = self.session
        start = _Checkpoint(session, slots)
        trips = 0
        with session.journal.scope() as scope:
            start.scope = scope
            while (condition := condition_of(session, going())) is not False:
                symbolic = not isinstance(condition, bool)
                if trips and may_stage and (symbolic or trips >= UNROLL_LIMIT) and start.recorded():
                    start.back()
                    break
                if symbolic:
                    self._staged_while(condition, body, going, slots)
                    return
                body()
                trips += 1
                if trips > TRIP_LIMIT:
                    raise UnsupportedError(
                        f"this loop made {TRIP_LIMIT} trips at export without an end in sight",
                        location=user_location(),
                    )
            else:
                if trips > 1 and start.recorded():
                    session.note("unrolled", f"this loop is written out: {trips} trips")
                return
        try:
            stage_loop(
                session, lambda _: body(), going, slots, None, condition_of(session, going())
            )
        except (UnsupportedError, NeedsFirstTrip):
            start.back()
            self._while(going, body, slots, may_stage=False)

    def _staged_while(
        self, condition: Any, body: Callable[[], Any], going: Callable[[], Any], slots: list[Slot]
    ) -> None:
        try:
            stage_loop(self.session, lambda _: body(), going, slots, None, condition)
        except NeedsFirstTrip as reason:
            self._peeled_while(condition, body, going, slots, reason)

    def _peeled_while(
        self, condition: Any, body: Any, going: Any, slots: list[Slot], error: NeedsFirstTrip
    ) -> None:
        """The first trip in a branch of its own, then the loop inside that branch."""

        def once() -> None:
            body()
            stage_loop(
                self.session, lambda _: body(), going, slots, None, condition_of(self.session, going())
            )

        try:
            stage_branch(self.session, condition, once, lambda: None, slots)
        except NeedsFirstTrip as again:
            raise UnsupportedError(
                f"a value changes its kind in this loop: {again}", location=user_location()
            ) from error

    def for_stmt(
        self,
        iterable: Any,
        body: Callable[[Any], Any],
        names: tuple[str, ...],
        globals_: tuple[str, ...],
        break_name: str | None,
    ) -> None:
        """A for statement; `break_name` is the variable that a break sets."""
        slots = _slots((body,), names, globals_)
        broken = _flag(body, break_name)
        if isinstance(iterable, Poison):
            raise iterable.refuse()
        if isinstance(iterable, torch.Tensor):
            iterable = rows(iterable)
        if isinstance(iterable, Dynamic):
            length = iterable.length
            if is_symbolic(length):
                self._staged_for(iterable, length, 0, body, slots, broken)
                return
            iterable = (iterable.item(k) for k in range(length))
        self._python_for(iterable, body, slots, broken)

    def _staged_for(
        self, source: Dynamic, length: Any, start: int, body: Any, slots: list[Slot], broken: Slot | None
    ) -> None:
        session = self.session
        count = length - start if start else length

        def trip(k: Any) -> None:
            body(source.item(k + start if start else k))

        def going() -> Any:
            return True if broken is None else self.not_(broken.get())

        first = condition_of(session, going())
        if first is False:
            return
        facts, forget = session.env.save_facts(), session.recorder.savepoint()
        try:
            stage_loop(session, trip, going, slots, count, first)
        except NeedsFirstTrip as reason:
            forget()
            session.env.restore_facts(facts)
            if start >= 2:
                raise UnsupportedError(
                    f"a value changes its kind in this loop: {reason}", location=user_location()
                ) from None
            known = session.known(length > start)
            if known is False:
                return
            if known is None:
                session.env.assume(length > start, "the loop makes a trip")
                session.note(
                    "assumption",
                    f"this loop makes at least {start + 1} trip(s): without one, "
                    f"a value stays what it was ({reason})",
                )
                session.require(length > start)
            trip(0)
            self._staged_for(source, length, start + 1, body, slots, broken)

    def _python_for(
        self, iterable: Any, body: Any, slots: list[Slot], broken: Slot | None, may_stage: bool = True
    ) -> None:
        """A loop over known items: written out, unless it is long or left early at run time."""
        session = self.session
        may_stage = may_stage and isinstance(iterable, range)
        start = _Checkpoint(session, slots)
        trips = 0
        with session.journal.scope() as scope:
            start.scope = scope
            for item in iterable:
                left = condition_of(session, broken.get()) if broken is not None else False
                if left is True:
                    break
                if trips and may_stage and start.recorded():
                    if left is not False or len(iterable) > UNROLL_LIMIT:
                        start.back()
                        break
                if left is False:
                    body(item)
                else:
                    self._trip_unless(left, body, item, slots)
                trips += 1
            else:
                may_stage = False
        if may_stage and left is not True:
            self._long_for(iterable, start, body, slots, broken)
        elif trips > 1 and start.recorded():
            session.note("unrolled", f"this loop is written out: {trips} trips")

    def _trip_unless(self, left: Any, body: Any, item: Any, slots: list[Slot]) -> None:
        """One trip that is made only if the loop has not been left."""
        going = condition_of(self.session, self.not_(left))
        if isinstance(going, bool):
            if going:
                body(item)
            return
        stage_branch(self.session, going, lambda: body(item), lambda: None, slots)

    def _long_for(
        self, items: range, start: _Checkpoint, body: Any, slots: list[Slot], broken: Slot | None
    ) -> None:
        """A loop of known length as a Loop; written out if it cannot be one."""
        source = Dynamic(len(items), lambda k: items.start + k * items.step, "range(...)")

        def going() -> Any:
            return True if broken is None else self.not_(broken.get())

        try:
            stage_loop(
                self.session,
                lambda k: body(source.item(k)),
                going,
                slots,
                len(items),
                condition_of(self.session, going()),
            )
        except (UnsupportedError, NeedsFirstTrip):
            start.back()
            self._python_for(items, body, slots, broken, may_stage=False)

    def generator(self, iterable: Any, element: Callable[..., Any], several: bool) -> Any:
        """A generator expression over one iterable."""
        if isinstance(iterable, Poison):
            raise iterable.refuse()
        source = rows(iterable) if isinstance(iterable, torch.Tensor) else iterable
        make = (lambda item: element(*self.unpack(item))) if several else element
        if isinstance(source, Dynamic):
            return Dynamic(source.length, lambda k: make(source.item(k)), "a generator")
        return (make(item) for item in source)

    def iterate(self, iterable: Any) -> Any:
        """What Python iterates over by itself."""
        if isinstance(iterable, Poison):
            raise iterable.refuse()
        if isinstance(iterable, torch.Tensor):
            iterable = rows(iterable)
        return iter(iterable)

    # -- reads and stores ----------------------------------------------------------------------

    def entered(self, reader: Any) -> None:
        """A function begins: its variables are none of the business of what is around the call."""
        for cell in _cells(reader).values():
            self.session.journal.made_cell(cell)

    def outer_writes(self, reader: Any, globals_: tuple[str, ...]) -> None:
        """Variables of enclosing functions, and globals, that the function called now may bind."""
        names = tuple(_cells(reader))
        for slot in _slots((reader,), tuple(n for n in names if n != "_fx_"), globals_):
            self.session.journal.touch(slot, None)

    def read(self, value: Any) -> Any:
        """A read of a variable that branches or loops may bind."""
        if type(value) is Poison:
            raise value.refuse()
        return value

    def get_item(self, container: Any, key: Any) -> Any:
        """``container[key]``."""
        self.known_text(key)
        if isinstance(key, torch.SymInt) and isinstance(container, (list, tuple, torch.nn.ModuleList)):
            return self._pick(container, key)
        return container[key]

    def _pick(self, items: Any, key: torch.SymInt) -> Any:
        """An item of a Python sequence at a dynamic index: a chain of branches."""
        count = len(items)
        if count == 0 or count > 64:
            raise UnsupportedError(
                f"a Python sequence of {count} items is read at an index that is known only when "
                "the model runs",
                location=user_location(),
                hint="stack the items into a tensor and index that",
            )
        position = self.if_exp(key < 0, lambda: key + count, lambda: key, ())

        def at(k: int) -> Any:
            if k == count - 1:
                return items[k]
            return self.if_exp(position == k, lambda: items[k], lambda: at(k + 1), ())

        return at(0)

    def slice(self, start: Any, stop: Any, step: Any) -> Any:
        """``start:stop:step``."""
        return slice(start, stop, step)

    def unpack(self, value: Any) -> Any:
        """The right side of an unpacking."""
        return self.iterate(value) if isinstance(value, (torch.Tensor, Dynamic, Poison)) else value

    def fresh(self, value: Any) -> Any:
        """A list, dict or set that is made here."""
        return self.session.journal.made(value)

    def formatted(self, value: Any) -> Any:
        """A value in an f-string."""
        return text_of(value) if is_symbolic(value) else value

    def known_text(self, value: Any) -> None:
        """Refuses text made of a number that is known only when the model runs."""
        if isinstance(value, str) and _MARK in value:
            raise UnsupportedError(
                "text made of a number that is known only when the model runs decides something",
                location=user_location(),
                hint="compare the number itself",
            )

    def set_attr(self, value: Any, owner: Any, name: str) -> None:
        """``owner.name = value``."""
        self.session.journal.touch(AttributeSlot(owner, name), owner)
        setattr(owner, name, value)

    def del_attr(self, owner: Any, name: str) -> None:
        """``del owner.name``."""
        self.session.journal.touch(AttributeSlot(owner, name), owner)
        delattr(owner, name)

    def set_item(self, value: Any, container: Any, key: Any) -> None:
        """``container[key] = value``."""
        self.known_text(key)
        self.touch(container)
        container[key] = value

    def del_item(self, container: Any, key: Any) -> None:
        """``del container[key]``."""
        self.touch(container)
        del container[key]

    def touch(self, container: Any) -> None:
        """To be called before a container may change."""
        if isinstance(container, (list, dict, set, deque)):
            self.session.journal.touch(ContainerSlot(container), container)

    def augment(self, name: str, old: Any, value: Any) -> Any:
        """``old op= value``."""
        self.touch(old)
        if name in _BITWISE and isinstance(old, (bool, torch.SymBool)):
            return self.bitwise(name, old, value)
        return _AUGMENT[name](self.number(old), self.number(value))


# Stands, unseen, in text that is made of a symbolic number.
_MARK = "\u2060"


def text_of(value: Any) -> str:
    """Text for a symbolic number: fit for messages, marked so that nothing is decided on it."""
    return f"{_MARK}{value}"


class _Checkpoint:
    """Where a loop began, to go back there and record it another way."""

    def __init__(self, session: Session, slots: list[Slot]) -> None:
        self._session = session
        self._slots = slots
        self._frame = session.recorder.frame
        self._nodes = len(self._frame.graph.nodes)
        self._facts = session.env.save_facts()
        self._forget = session.recorder.savepoint()
        self._findings = len(session.report.findings)
        self.scope: Any = None
        self._initial = [slot.get() for slot in slots]

    def recorded(self) -> bool:
        """Whether the loop has recorded anything."""
        return len(self._frame.graph.nodes) > self._nodes

    def back(self) -> None:
        """Forgets all that the loop has done."""
        self.scope.undo()
        for slot, value in zip(self._slots, self._initial, strict=True):
            slot.set(value)
        self._session.env.restore_facts(self._facts)
        self._forget()
        del self._session.report.findings[self._findings :]


def _flag(body: Any, name: str | None) -> Slot | None:
    return CellSlot(_cells(body)[name], name) if name is not None else None


def _is_dynamic(value: Any) -> bool:
    return is_symbolic(value) or isinstance(value, torch.Tensor)


def _dynamic_inside(values: Any) -> bool:
    return any(
        _dynamic_inside(value) if isinstance(value, (tuple, list)) else _is_dynamic(value)
        for value in values
    )
