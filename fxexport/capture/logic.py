"""What and, or, not and comparisons become in rewritten code."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture import prelude
from fxexport.capture.branching import condition_of, stage_branch
from fxexport.capture.conditionals import Conditionals
from fxexport.capture.session import Poison, dynamic_inside, is_dynamic, is_symbolic
from fxexport.capture.spread import is_open, length_of, refuse_open
from fxexport.capture.text import refuse_open_text
from fxexport.capture.variables import cells_of, slots_of
from fxexport.graph import scalars

__all__ = ["BITWISE", "Logic"]

BITWISE = {"BitAnd": operator.and_, "BitOr": operator.or_, "BitXor": operator.xor}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.is_,
    "is not": operator.is_not,
}


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
        keep = self._as_tensor_bool if isinstance(condition, torch.Tensor) else self.as_bool
        return self._either_way(
            condition,
            lambda: keep(stop),
            lambda: keep(self.as_bool(self._connect(rest, stop, self._staged_truths))),
            rest,
            stop,
        )

    def _staged_values(self, value: Any, condition: Any, rest: _Thunks, stop: bool) -> Any:
        # A bool that ended the chain is known; other values carry more than their truth.
        left = stop if isinstance(value, torch.SymBool) else value
        return self._either_way(
            condition,
            lambda: left,
            lambda: self._connect(rest, stop, self._staged_values),
            rest,
            stop,
        )

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
            return torch.logical_not(condition)
        return torch.sym_not(condition) if is_symbolic(condition) else not condition

    def eq(self, a: Any, b: Any) -> Any:
        """``a == b``; sequences with symbolic numbers are compared item by item."""
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
        refuse_open_text(a)
        refuse_open_text(b)
        a, b = self._comparable(a, b)
        return a == b

    def _eq_open(self, a: Any, b: Any) -> Any:
        """Lists of which one has a dynamic length; compared with an empty one only."""
        if type(a) is not type(b):
            return False
        if len(a) == 0 or len(b) == 0:
            return length_of(a) == length_of(b)
        raise refuse_open("compared with another")

    def ne(self, a: Any, b: Any) -> Any:
        """``a != b``."""
        if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
            return self.not_(self.eq(a, b))
        refuse_open_text(a)
        refuse_open_text(b)
        a, b = self._comparable(a, b)
        return a != b

    def contains(self, item: Any, container: Any) -> Any:
        """``item in container``."""
        if isinstance(container, Poison):
            raise container.refuse()
        refuse_open_text(item)
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
        own = {"==": self.eq, "!=": self.ne, "in": self.contains, "not in": self.lacks}
        return own[symbol](a, b) if symbol in own else _COMPARE[symbol](a, b)
