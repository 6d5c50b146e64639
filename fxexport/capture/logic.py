"""What and, or, not and comparisons become in rewritten code."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture import prelude
from fxexport.capture.branching import condition_of, stage_branch
from fxexport.capture.conditionals import Conditionals
from fxexport.capture.frames import user_location
from fxexport.capture.journal import UNSET
from fxexport.capture.keys import presence, settled
from fxexport.capture.optional import Maybe, force, narrowed
from fxexport.capture.session import Poison, dynamic_inside, is_dynamic, is_symbolic, sym_type
from fxexport.capture.special import Operand, has_operators, special_method
from fxexport.capture.spread import is_open, length_of, refuse_open
from fxexport.capture.text import refuse_open_text
from fxexport.capture.variables import cells_of, slots_of
from fxexport.errors import UnsupportedError
from fxexport.graph import scalars

__all__ = ["BITWISE", "Logic"]

BITWISE = {"BitAnd": operator.and_, "BitOr": operator.or_, "BitXor": operator.xor}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


_KEYS: type = type({}.keys())
_Thunks = tuple[Callable[[], Any], ...]


class Logic(Conditionals):
    """The operators on truth values."""

    # Turns a function of the prelude into its staged form; the operators object sets it.
    call: Callable[[Any], Any]

    def and_(self, *thunks: Callable[[], Any]) -> Any:
        """``a and b and …`` where only the truth matters; each only if those before it hold."""
        return self._connect(thunks, False, self._staged_truths)

    def or_(self, *thunks: Callable[[], Any]) -> Any:
        """``a or b or …`` where only the truth matters."""
        return self._connect(thunks, True, self._staged_truths)

    def and_value(self, *thunks: Callable[[], Any]) -> Any:
        """``a and b`` where the value matters, not only its truth."""
        return self._connect(thunks, False, self._staged_values)

    def or_value(self, *thunks: Callable[[], Any]) -> Any:
        """``a or b`` where the value matters."""
        return self._connect(thunks, True, self._staged_values)

    def _connect(self, thunks: _Thunks, stop: bool, staged: Callable[..., Any]) -> Any:
        first, *rest = thunks
        value = first()
        if not rest:
            return value
        condition = condition_of(self.session, value)
        if not isinstance(condition, bool):
            return staged(value, condition, tuple(rest), stop)
        return value if condition is stop else self._connect(tuple(rest), stop, staged)

    def _staged_truths(self, value: Any, condition: Any, rest: _Thunks, stop: bool) -> Any:
        """Both operands as truth values; the right one is evaluated in a branch."""
        # A tensor stays a tensor, so that `mask and x` can still be computed with.
        keep = self._as_tensor_bool if isinstance(condition, torch.Tensor) else self._as_number
        right: list[Any] = []

        def rightly() -> Any:
            right.append(self.as_bool(self._connect(rest, stop, self._staged_truths)))
            return keep(right[-1])

        result = self._either_way(condition, lambda: keep(stop), rightly, rest, stop)
        self._link(result, condition, right, not stop)
        return result

    def _link(self, result: Any, condition: Any, right: list[Any], outcome: bool) -> None:
        """Where ``a and b`` holds, both do; where ``a or b`` does not, neither does."""
        parts = [(condition, outcome)]
        if right:
            parts.extend(self.session.facts.outside(right[-1], outcome, self.session.in_scope))
        self.session.facts.link(result, outcome, parts)

    def _as_number(self, value: Any) -> Any:
        truth = self.as_bool(value)
        return truth.item() if isinstance(truth, torch.Tensor) else truth

    def _staged_values(self, value: Any, condition: Any, rest: _Thunks, stop: bool) -> Any:
        # A bool that ended the chain is known; other values carry more than their truth.
        left = stop if isinstance(value, torch.SymBool) else value
        if stop and isinstance(value, Maybe) and value.absent is None:
            left = value.value
        right: list[Any] = []

        def rightly() -> Any:
            right.append(self._connect(rest, stop, self._staged_values))
            return right[-1]

        result = self._either_way(condition, lambda: left, rightly, rest, stop)
        self._link(result, condition, right, not stop)
        return result

    def _either_way(
        self,
        condition: Any,
        left: Callable[[], Any],
        right: Callable[[], Any],
        rest: _Thunks,
        stop: bool,
    ) -> Any:
        then, other = (left, right) if stop else (right, left)
        # A thunk that is a def binds a name (``:=``).
        binding = [thunk for thunk in rest if getattr(thunk, "__name__", "").startswith("_fx_")]
        names = tuple(name for name in cells_of(*binding) if name != "_fx_")
        slots = slots_of(tuple(binding), names)
        return self.read(stage_branch(self.session, condition, then, other, slots))

    def number(self, value: Any) -> Any:
        """An operand of arithmetic: a symbolic bool counts as 0 or 1."""
        if type(value) is torch.SymBool:
            return torch.sym_ite(value, 1, 0)
        value = force(value)
        return Operand(self.call, value) if has_operators(value) else value

    def _comparable(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Two values of which one is symbolic, with bools as the numbers that they are."""
        if is_symbolic(a) or is_symbolic(b):
            a, b = (int(v) if isinstance(v, bool) else self.number(v) for v in (a, b))
        return a, b

    def bitwise(self, name: str, a: Any, b: Any) -> Any:
        """``a & b`` and kin; on two bools they are logic."""
        a, b = settled(force(a)), settled(force(b))
        bools = all(isinstance(value, (bool, torch.SymBool)) for value in (a, b))
        if bools and (is_symbolic(a) or is_symbolic(b)):
            if name == "BitXor":
                a, b = self._comparable(a, b)
                return a != b
            return self._both(a, b) if name == "BitAnd" else self._either(a, b)
        return BITWISE[name](self.number(a), self.number(b))

    def _both(self, a: Any, b: Any) -> Any:
        return self.session.recorder.scalar_op(scalars.and_, a, b)

    def _either(self, a: Any, b: Any) -> Any:
        return self.session.recorder.scalar_op(scalars.or_, a, b)

    @staticmethod
    def _as_tensor_bool(value: Any) -> Any:
        return (
            value
            if isinstance(value, torch.Tensor)
            else torch.scalar_tensor(value, dtype=torch.bool)
        )

    def not_(self, value: Any) -> Any:
        """``not a``."""
        condition = condition_of(self.session, value)
        if isinstance(condition, torch.Tensor):
            opposite = torch.logical_not(condition)
            self.session.facts.link(opposite, True, [(condition, False)])
            self.session.facts.link(opposite, False, [(condition, True)])
            return opposite
        return torch.sym_not(condition) if is_symbolic(condition) else not condition

    def is_(self, a: Any, b: Any) -> Any:
        """``a is b``."""
        a, b = (
            force(v) if isinstance(v, Maybe) and v.absent is UNSET else narrowed(v) for v in (a, b)
        )
        for value in (a, b):
            if isinstance(value, Poison):
                raise value.refuse()
        if a is b:
            return True
        for one, other in ((a, b), (b, a)):
            if isinstance(one, Maybe):
                if other is None:
                    return torch.sym_not(one.present)
                return self.and_(lambda: one.present, lambda: self.is_(one.value, other))  # noqa: B023
            if isinstance(one, torch.SymBool):
                return self.eq(one, other) if isinstance(other, (bool, torch.SymBool)) else False
            if is_symbolic(one):
                return self.eq(one, other) if sym_type(one) is sym_type(other) else False
        if a is not None and b is not None and self._merged_into_one(a, b):
            raise UnsupportedError(
                "whether these two are one object depends on the way through a branch or loop",
                location=user_location(),
                hint="compare what they hold, or keep a flag",
            )
        return a is b

    def _merged_into_one(self, a: Any, b: Any) -> bool:
        """Whether a branch or loop may have made two objects one; views are never that."""
        if isinstance(a, torch.Tensor) != isinstance(b, torch.Tensor):
            return False
        merged = self.session.may_be_one(a, b)
        if merged and isinstance(a, torch.Tensor):
            # Two views of one tensor are two objects.
            bases = [self.session.tensors.base_of(v) for v in (a, b)]
            return bases[0] is not bases[1]
        return merged

    def is_not(self, a: Any, b: Any) -> Any:
        """``a is not b``."""
        return self.not_(self.is_(a, b))

    def eq(self, a: Any, b: Any) -> Any:
        """``a == b``; sequences with symbolic numbers are compared item by item."""
        if isinstance(a, Maybe) or isinstance(b, Maybe):
            return self._eq_where_present(a, b)
        if is_open(a) or is_open(b):
            return self._eq_open(a, b)
        if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
            sizes = isinstance(a, torch.Size) or isinstance(b, torch.Size)
            if not sizes and isinstance(a, tuple) != isinstance(b, tuple):
                return False
            if dynamic_inside(a) or dynamic_inside(b):
                if len(a) != len(b):
                    return False
                return self.and_(
                    *[lambda x=x, y=y: self.eq(x, y) for x, y in zip(a, b, strict=False)],
                    lambda: True,
                )
        own = special_method(a, "__eq__") or special_method(b, "__eq__")
        if own is not None:
            return self.call(own)(b if own.__self__ is a else a)
        for value in (a, b):
            refuse_open_text(value)
            settled(value)
        a, b = self._comparable(a, b)
        return a == b

    def _eq_where_present(self, a: Any, b: Any) -> Any:
        maybe, other = (a, b) if isinstance(a, Maybe) else (b, a)
        if maybe.absent is UNSET or not isinstance(narrowed(maybe), Maybe):
            return self.eq(force(maybe) if maybe.absent is UNSET else narrowed(maybe), other)
        if other is None:
            return torch.sym_not(maybe.present)
        return self.if_exp(
            maybe.present, lambda: self.eq(maybe.value, other), lambda: self.eq(None, other), ()
        )

    def _eq_open(self, a: Any, b: Any) -> Any:
        """Lists of which one has a dynamic length; compared with an empty one only."""
        if type(a) is not type(b):
            return False
        if len(a) == 0 or len(b) == 0:
            return length_of(a) == length_of(b)
        raise refuse_open("compared with another")

    def ne(self, a: Any, b: Any) -> Any:
        """``a != b``."""
        if isinstance(a, Maybe) or isinstance(b, Maybe):
            return self.not_(self._eq_where_present(a, b))
        if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
            return self.not_(self.eq(a, b))
        for value in (a, b):
            refuse_open_text(value)
            settled(value)
        a, b = self._comparable(a, b)
        return a != b

    def contains(self, item: Any, container: Any) -> Any:
        """``item in container``."""
        if isinstance(container, Poison):
            raise container.refuse()
        container = force(container)
        refuse_open_text(item)
        own = special_method(container, "__contains__")
        if own is not None:
            return self.as_bool(self.call(own)(item))
        if isinstance(container, _KEYS):
            container = dict(container.mapping)  # type: ignore[attr-defined]
        if isinstance(container, dict) and not is_dynamic(item):
            return presence(container, item)
        self.whole(container)
        if is_open(container):
            return self.call(prelude.contains)(container, item)
        if isinstance(container, (tuple, list)) and (dynamic_inside(container) or is_dynamic(item)):
            return self.or_(
                *[lambda x=x: x is item or self.eq(x, item) for x in container], lambda: False
            )
        if isinstance(container, range) and is_symbolic(item):
            inside = self.and_(lambda: item >= container.start, lambda: item < container.stop)
            if container.step == 1:
                return inside
        if isinstance(container, (set, frozenset, dict, range)) and is_dynamic(item):
            values = (
                sorted(container) if isinstance(container, (set, frozenset)) else list(container)
            )
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
        own = {
            "==": self.eq,
            "!=": self.ne,
            "in": self.contains,
            "not in": self.lacks,
            "is": self.is_,
            "is not": self.is_not,
        }
        return own[symbol](a, b) if symbol in own else _COMPARE[symbol](a, b)
