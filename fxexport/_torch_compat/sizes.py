"""Private PyTorch API on symbolic sizes: the environment of their facts, and expressions."""

from __future__ import annotations

import copy
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import sympy
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.sym_node import SymNode
from torch.fx.experimental.symbolic_shapes import (
    GuardOnDataDependentSymNode,
    ShapeEnv,
)
from torch.utils._sympy.numbers import int_oo
from torch.utils._sympy.printers import PythonPrinter
from torch.utils._sympy.value_ranges import ValueRanges, bound_sympy

__all__ = [
    "GuardPolicy",
    "ShapeState",
    "SizeEnv",
    "asked_for_broadcasting",
    "asked_for_layout",
    "at_sizes",
    "bounds_within",
    "finite",
    "is_boolean",
    "make_sym_node",
    "python_text",
    "raw_expression",
    "size_with",
    "stack_of_assert",
    "stack_of_fact",
]


# What a guard that cannot be proven is decided by: (expression) -> value, or an exception. Where
# the guard says what "not provable" means to it, that is given as well.
GuardPolicy = Callable[..., Any]

# The fields of a ShapeEnv that a learnt fact changes. Facts learnt inside a branch hold only
# there, so they are saved before it and put back after it.
_FACT_FIELDS = (
    "replacements",
    "replacements_slocs",
    "var_to_range",
    "var_to_range_sloc",
    "axioms",
    "divisible",
    "size_like",
    "deferred_runtime_asserts",
    "num_deferred_runtime_asserts",
    "path_facts",
)

ShapeState = dict[str, Any]


def _uncached(function: Any) -> Any:
    """A function without the lru_cache around it; the function itself if it has none."""
    return function.__wrapped__ if hasattr(function, "cache_clear") else function


def _trials(symbols: list[Any]) -> Iterator[dict[Any, Any]]:
    """Some sizes for symbols (for three of them at most)."""
    for values in itertools.product((0, 1, 2, 5, 1000), repeat=min(len(symbols), 3)):
        yield dict(zip(symbols, map(sympy.Integer, values), strict=False))


class SizeEnv(ShapeEnv):
    """A ShapeEnv all of whose symbols are unbacked, with facts that can be scoped.

    No symbol has a hint, so PyTorch's kernels never specialise on an example's size without a
    word: what they cannot prove goes to `policy`, which decides, records or refuses.
    """

    def __init__(self, policy: GuardPolicy) -> None:
        super().__init__(
            allow_scalar_outputs=True,
            allow_dynamic_output_shape_ops=True,
            assume_static_by_default=False,
            specialize_zero_one=False,
            duck_shape=False,
        )
        self._policy = policy
        # symbol -> a value to decide by where a kernel must decide; see capture/assumptions.py
        self.hints: dict[Any, Any] = {}
        # symbols that count the trips of a loop, or are carried by one: sizes are made of them
        self.counters: set[Any] = set()
        # conditions on sizes that hold where the program is now
        self.path_facts: tuple[Any, ...] = ()

    # ShapeEnv caches these (and evaluate_expr) by their arguments alone, which is wrong once facts
    # are taken back at the end of a branch: learning the same fact again would do nothing.
    guard_or_defer_runtime_assert = _uncached(ShapeEnv.guard_or_defer_runtime_assert)
    _maybe_guard_rel = _uncached(ShapeEnv._maybe_guard_rel)
    constrain_symbol_range = _uncached(ShapeEnv.constrain_symbol_range)

    def evaluate_expr(  # type: ignore[override]
        self,
        orig_expr: Any,
        hint: Any = None,
        fx_node: Any = None,
        size_oblivious: bool = False,
        fallback_value: bool | None = None,
        *,
        forcing_spec: bool = False,
    ) -> Any:
        # Broadcasting asks whether a size is 1 and takes "not provable" for no; x[:1] may be 1.
        unproven = fallback_value is False and self._may_be_one_alone(orig_expr)
        if unproven and not self.certain(orig_expr):
            return sympy.sympify(self._policy(orig_expr, False))
        try:
            return self._evaluate_expr(
                orig_expr, hint, fx_node, size_oblivious, fallback_value, forcing_spec=forcing_spec
            )
        except GuardOnDataDependentSymNode:
            return sympy.sympify(self._policy(orig_expr))

    def _may_be_one_alone(self, expr: Any) -> bool:
        """Whether this asks of a size that is 0 or 1 whether it is 1."""
        if not isinstance(expr, sympy.Eq) or sympy.S.One not in expr.args:
            return False
        return self.is_one_at_most(expr.rhs if expr.lhs == 1 else expr.lhs)

    def is_one_at_most(self, size: Any) -> bool:
        """Whether a computed size seems to be 0 or 1 always, as that of ``x[:1]`` or ``x[-1:]``.

        Intervals cannot tell ``n - max(0, n - 1)``: it is tried at some sizes.
        """
        symbols = sorted(size.free_symbols, key=str)
        if size.is_Symbol or not symbols or not size.free_symbols <= self.size_like:
            return False
        found = {at_sizes(size, tried) for tried in _trials(symbols)}
        return sympy.S.One in found and found <= {sympy.S.Zero, sympy.S.One, None}

    def meets_none_alone(self, size: Any, other: Any) -> bool:
        """Whether a size of `is_one_at_most` is 0 only where another one is not 1."""
        symbols = sorted(size.free_symbols | other.free_symbols, key=str)
        if self.certain(sympy.Ne(other, 1)):
            return True
        if not other.free_symbols <= size.free_symbols:
            return False
        return not any(
            at_sizes(size, tried) == 0 and at_sizes(other, tried) == 1 for tried in _trials(symbols)
        )

    def save_facts(self) -> ShapeState:
        """All facts known now; give them back with `restore_facts`."""
        state = {}
        for name in _FACT_FIELDS:
            value = getattr(self, name)
            if name == "deferred_runtime_asserts":
                value = {key: list(asserts) for key, asserts in value.items()}
            state[name] = copy.copy(value)
        return state

    def asserts(self) -> list[Any]:
        """All asserts known now."""
        return [item for items in self.deferred_runtime_asserts.values() for item in items]

    def facts_since(self, state: ShapeState) -> dict[str, Any]:
        """The asserts learnt since `save_facts`, by their text."""
        known = {id(item) for items in state["deferred_runtime_asserts"].values() for item in items}
        return {str(item.expr): item for item in self.asserts() if id(item) not in known}

    def learn(self, item: Any) -> None:
        """Takes an assert that was learnt elsewhere as a fact here; it keeps its place."""
        before = self.num_deferred_runtime_asserts
        self.guard_or_defer_runtime_assert(item.expr, item.msg)
        if self.num_deferred_runtime_asserts > before:
            for items in self.deferred_runtime_asserts.values():
                items[:] = [item if new.expr == item.expr else new for new in items]

    def restore_facts(self, state: ShapeState) -> None:
        """Forgets facts learnt since `save_facts`; symbols made since then keep their ranges."""
        for name in _FACT_FIELDS:
            value = copy.copy(state[name])
            if name in ("var_to_range", "var_to_range_sloc"):
                value = {**getattr(self, name), **value}
            setattr(self, name, value)
        # A result that fake tensors remember would skip the kernel, and with it the facts that
        # the kernel learns: what a branch has learnt is forgotten, so its results must be.
        self.fake_tensor_cache.clear()
        FakeTensorMode.cache.clear()
        self._replacements_version_counter = getattr(self, "_replacements_version_counter", 0) + 1
        self._version_counter += 1
        # The counter only moves when this key does; the next fact may bring the old key back.
        self._prev_cache_key = self._get_key()

    def assume(self, condition: torch.SymBool | bool, message: str) -> None:
        """Takes a condition on sizes as a fact from here on."""
        if not isinstance(condition, torch.SymBool):
            return
        expr = condition.node.expr
        if not isinstance(expr, sympy.logic.boolalg.BooleanAtom):
            self.path_facts = (*self.path_facts, expr)
            self.guard_or_defer_runtime_assert(expr, message)

    def certain(self, fact: Any) -> bool:
        """Whether a relation between sizes is known to hold; nothing is decided or learnt."""
        # What statically_known_true asks, without the SymBool that it takes.
        found = self._maybe_evaluate_static(fact)
        return found is not None and bool(found)

    def set_range(self, symbol: Any, lower: int | None, upper: int | None) -> None:
        """Limits an integer symbol to a range (None: no bound on that side)."""
        known = self.var_to_range[symbol]
        wanted = ValueRanges(
            known.lower if lower is None else lower, known.upper if upper is None else upper
        )
        self.var_to_range[symbol] = known & wanted
        self._version_counter += 1

    def set_bounds(self, symbol: Any, bounds: Any) -> None:
        """Gives a symbol the range that `bound_sympy` found for an expression."""
        self.var_to_range[symbol] = self.var_to_range[symbol] & bounds
        self._version_counter += 1

    def hint_as(self, symbol: Any, expr: Any) -> None:
        """Gives a symbol the hint that an expression of symbols with hints has."""
        value = at_sizes(expr, self.hints)
        if value is not None and (value.is_number or value in (sympy.true, sympy.false)):
            self.hints[symbol] = value

    def mark_size(self, symbol: Any) -> None:
        """Says that a symbol is the size of a dimension, so never negative."""
        self.set_range(symbol, 0, None)
        self.size_like.add(symbol)
        self._version_counter += 1


def asked_for_layout() -> bool:
    """Whether PyTorch asks about a size only to know how a tensor lies in memory."""
    return _asked_by(_LAYOUT_QUESTIONS)


def asked_for_broadcasting() -> bool:
    """Whether PyTorch asks about a size to know in what shape operands meet."""
    return _asked_by(_BROADCASTING_QUESTIONS)


def _asked_by(names: frozenset[str]) -> bool:
    frame: types.FrameType | None = sys._getframe(1)
    for _ in range(30):
        if frame is None:
            break
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back
    return False


# check_contiguous_sizes_strides, is_contiguous and the like of torch._prims_common; the last is of
# torch._subclasses.fake_impls.
_LAYOUT_QUESTIONS = frozenset(
    {
        "check_contiguous_sizes_strides",
        "is_channels_last_contiguous_2d",
        "is_channels_last_contiguous_3d",
        "is_non_overlapping_and_dense_or_false",
        "compute_elementwise_output_logical_to_physical_perm",
        "_is_contiguous_with_hinted_checks",
    }
)
# torch._subclasses.fake_impls, torch._refs
_BROADCASTING_QUESTIONS = frozenset({"infer_size", "_broadcast_shapes"})


def is_boolean(expr: Any) -> bool:
    """Whether an expression is a truth value; to sympy every symbol is a Boolean too."""
    return isinstance(
        expr,
        (sympy.core.relational.Relational, sympy.logic.boolalg.BooleanFunction,
         sympy.logic.boolalg.BooleanAtom),
    )  # fmt: skip


def make_sym_node(expr: Any, env: ShapeEnv, kind: type) -> Any:
    """The node that a SymInt, SymFloat or SymBool is made of."""
    return SymNode(expr, env, kind, None)


def size_with(size: torch.SymInt, values: dict[Any, Any]) -> Any:
    """A size with other symbols or numbers in the place of its symbols."""
    env: Any = size.node.shape_env
    expr = size.node.expr.xreplace({key: sympy.sympify(value) for key, value in values.items()})
    return int(expr) if expr.is_Integer else torch.SymInt(make_sym_node(expr, env, int))


def python_text(expr: Any) -> str:
    """An expression of sizes in Python's syntax; ``torch.sym_float`` and ``math.floor`` occur."""
    return str(PythonPrinter().doprint(expr))


def bounds_within(expr: Any, ranges: dict[Any, tuple[int, int | None]]) -> tuple[Any, Any]:
    """Lower and upper bound of an expression over ranges of its symbols; booleans for a relation.

    This is interval arithmetic: the bounds may be wider than what the expression reaches. A side
    without a bound is None.
    """
    known = {s: ValueRanges(low, int_oo if high is None else high)
             for s, (low, high) in ranges.items()}  # fmt: skip
    found = bound_sympy(expr, known)
    return finite(found.lower), finite(found.upper)


def at_sizes(expr: Any, values: dict[Any, Any]) -> Any:
    """An expression with numbers for its symbols; None where it has no value: it divides by 0.

    PyTorch's functions of sympy raise there, or assert that what they are given is no negative.
    """
    try:
        return expr.xreplace(values)
    except (ArithmeticError, AssertionError, TypeError, ValueError):
        return None


def finite(bound: Any) -> Any:
    """A bound; None for an infinite one."""
    return None if bound in (sympy.oo, -sympy.oo, int_oo, -int_oo) else bound


def raw_expression(value: Any) -> Any:
    """The expression that a symbolic scalar was made with, before facts renamed its symbols."""
    return value.node._expr


def stack_of_assert(item: Any) -> Any:
    """The Python stack (outermost first) at which a ShapeEnv was told a runtime assert."""
    return item.stack.summary()


def stack_of_fact(env: ShapeEnv, symbol: Any) -> Any:
    """The stack of the first assert that names a symbol; empty if there is none."""
    for asserts in env.deferred_runtime_asserts.values():
        for item in asserts:
            if symbol in item.expr.free_symbols:
                return stack_of_assert(item)
    return ()
