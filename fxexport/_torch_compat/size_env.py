"""Private PyTorch API on symbolic sizes: the environment of the facts about them."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import traceback
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sympy
import torch
from torch.fx.experimental.symbolic_shapes import (
    GuardOnDataDependentSymNode,
    RuntimeAssert,
    ShapeEnv,
)
from torch.utils._sympy.value_ranges import ValueRanges, bound_sympy

from fxexport._torch_compat.askers import asked_for_a_slice, asserted_of_own_memory
from fxexport._torch_compat.size_expressions import (
    at_sizes,
    finite,
    is_boolean,
    with_sorted_sides,
    without_equal_conditions,
)

__all__ = [
    "GuardPolicy",
    "Prover",
    "ShapeState",
    "SizeEnv",
    "SizeFact",
    "stack_of_assert",
    "stack_of_fact",
]


# What a guard that cannot be proven is decided by: (expression) -> value, or an exception. Where
# the guard says what "not provable" means to it, that is given as well.
GuardPolicy = Callable[..., Any]
# Proves a relation where PyTorch's own analysis does not: (relation, environment) -> its truth.
Prover = Callable[[sympy.Basic, "SizeEnv"], "bool | None"]

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
    "kernel_results",
    "call_answers",
)

ShapeState = dict[str, Any]

# Something that a ShapeEnv takes for granted about sizes: a condition (`expr`) and its location.
SizeFact = RuntimeAssert

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _uncached(function: _Function) -> _Function:
    """A function without the lru_cache around it; the function itself if it has none."""
    wrapped: _Function = getattr(function, "__wrapped__", function)
    return wrapped if hasattr(function, "cache_clear") else function


def _ask_nobody(question: sympy.Basic, fallback: bool | None = None) -> bool:
    """What is not proved is what the asker takes it for; after capture nothing is decided."""
    if fallback is None:
        raise RuntimeError(f"{question} was asked after capture")
    return fallback


def _trials(symbols: list[sympy.Symbol]) -> Iterator[dict[sympy.Symbol, sympy.Integer]]:
    """Some sizes for symbols (for three of them at most)."""
    for values in itertools.product((0, 1, 2, 5, 1000), repeat=min(len(symbols), 3)):
        yield dict(zip(symbols, map(sympy.Integer, values), strict=False))


class SizeEnv(ShapeEnv):
    """A ShapeEnv all of whose symbols are unbacked, with facts that can be scoped.

    No symbol has a hint, so PyTorch's kernels never specialise silently on an example's size: what
    they cannot prove goes to `policy`, which decides, records or refuses.
    """

    def __init__(self, policy: GuardPolicy, prove: Prover = lambda relation, env: None) -> None:
        super().__init__(
            allow_scalar_outputs=True,
            allow_dynamic_output_shape_ops=True,
            assume_static_by_default=False,
            specialize_zero_one=False,
            duck_shape=False,
        )
        self._policy = policy
        self._prove = prove
        # Whether more than PyTorch's own analysis is tried for the question that is asked.
        self._thorough = False
        # Told each fact that PyTorch's code learns, unless it is only supposed.
        self.on_fact: Callable[[sympy.Basic], None] | None = None
        # Asked before a fact is learnt whether less than it is needed: it is forgotten when the
        # operator ends that needs it.
        self.needs_less: Callable[[sympy.Basic], bool] = lambda fact: False
        self._before_less: ShapeState | None = None
        self._learnt_since: list[sympy.Basic] = []
        self._supposing = 0
        # symbols of input dimensions -> their names; None: all symbols are of such dimensions
        self.dimensions: Mapping[sympy.Symbol, str] | None = None
        # symbols that stand for a longer expression -> that expression
        self.definitions: dict[sympy.Symbol, sympy.Expr] = {}
        # symbols that count the iterations of a loop, or are carried by one: sizes are made of them
        self.counters: set[sympy.Symbol] = set()
        # what kernels gave: facts that they have learnt hold while these are remembered
        self.kernel_results: dict[Hashable, Any] = {}
        # what became of questions in calls, in the same way
        self.call_answers: dict[Hashable, Any] = {}
        # conditions on sizes that hold where the program is now
        self.path_facts: tuple[sympy.Basic, ...] = ()

    def close(self) -> None:
        """Cuts what leads from here to the capture, which has ended; sizes and facts stay.

        Functional tensors hold fake ones in C++, where Python's collector of cycles does not look,
        and each of these holds its environment: a capture that is held by it is never freed.
        """
        self._policy = _ask_nobody
        self.on_fact = None
        self.needs_less = lambda fact: False
        self.kernel_results.clear()
        self.call_answers.clear()
        for method in vars(ShapeEnv).values():  # they have environments in their keys
            if hasattr(method, "cache_clear"):
                method.cache_clear()

    # ShapeEnv caches these (and evaluate_expr) by their arguments alone, which is wrong once facts
    # are taken back at the end of a branch: learning the same fact again would do nothing.
    _learn = _uncached(ShapeEnv.guard_or_defer_runtime_assert)
    _maybe_guard_rel = _uncached(ShapeEnv._maybe_guard_rel)
    constrain_symbol_range = _uncached(ShapeEnv.constrain_symbol_range)

    def evaluate_expr(  # type: ignore[override]
        self,
        orig_expr: sympy.Basic,
        hint: bool | int | float | None = None,
        fx_node: torch.fx.Node | None = None,
        size_oblivious: bool = False,
        fallback_value: bool | None = None,
        *,
        forcing_spec: bool = False,
    ) -> sympy.Basic:
        # Broadcasting asks whether a size is 1 and takes "not provable" for no; x[:1] may be 1, and
        # so may a size that the program makes.
        unproven = fallback_value is False and self._may_be_one_after_all(orig_expr)
        if unproven and self.proved(orig_expr) is None:
            return sympy.sympify(self._policy(orig_expr, False))
        # Where "not provable" has an answer, a proof is worth its time for ends of slices alone.
        before, self._thorough = self._thorough, fallback_value is None or asked_for_a_slice()
        try:
            return self._evaluate_expr(
                orig_expr, hint, fx_node, size_oblivious, fallback_value, forcing_spec=forcing_spec
            )
        except GuardOnDataDependentSymNode:
            return sympy.sympify(self._policy(orig_expr))
        finally:
            self._thorough = before

    def guard_or_defer_runtime_assert(  # type: ignore[override]
        self, orig_expr: sympy.Basic, msg: str, fx_node: torch.fx.Node | None = None
    ) -> bool:
        if asserted_of_own_memory(msg):
            return True
        orig_expr = with_sorted_sides(orig_expr)
        less = not self._supposing and self.needs_less(orig_expr)
        state = self.save_facts() if less and self._before_less is None else None
        before = self.num_deferred_runtime_asserts
        with self.thorough():
            found = bool(self._learn(orig_expr, msg, fx_node))
        learnt = self.num_deferred_runtime_asserts > before
        if learnt and state is not None:
            self._before_less = state
        elif learnt and not less and self._before_less is not None:
            self._learnt_since.append(orig_expr)
        if learnt and self.on_fact is not None and not self._supposing:
            self.on_fact(orig_expr)
        return found

    def forget_more_than_needed(self) -> None:
        """Forgets what an operator has learnt of which it needs less; the rest stays known."""
        if self._before_less is None:
            return
        state, self._before_less = self._before_less, None
        facts, self._learnt_since = self._learnt_since, []
        self.restore_facts(state)
        with self.untold():
            for fact in facts:
                self.guard_or_defer_runtime_assert(fact, "needed by an operator")

    def _maybe_evaluate_static(  # type: ignore[override]
        self, expr: sympy.Basic, **options: Any
    ) -> sympy.Basic | None:
        expr = with_sorted_sides(without_equal_conditions(expr))
        found = super()._maybe_evaluate_static(expr, **options)
        if found is not None or not self._thorough:
            return found
        if any(options.values()) or not is_boolean(expr):
            return None
        proved = self._prove(expr, self)
        return None if proved is None else sympy.sympify(proved)

    @contextlib.contextmanager
    def thorough(self) -> Iterator[None]:
        """Tries more than PyTorch's own analysis for what is asked inside."""
        before, self._thorough = self._thorough, True
        try:
            yield
        finally:
            self._thorough = before

    def known_facts(self) -> list[sympy.Basic]:
        """All relations that are taken for granted where the program is now."""
        return [*self.path_facts, *(item.expr for item in self.asserts())]

    def _may_be_one_after_all(self, expr: sympy.Basic) -> bool:
        """Whether this asks if a size is 1 that is 0 or 1, or that is no dimension of an input."""
        if not isinstance(expr, sympy.Eq) or sympy.S.One not in expr.args:
            return False
        size = expr.rhs if expr.lhs == 1 else expr.lhs
        return self.is_made(size) or self.is_one_at_most(size)

    def is_made(self, size: sympy.Expr) -> bool:
        """Whether a size is no computation over dimensions of inputs: the program makes it."""
        return self.dimensions is not None and not size.free_symbols <= self.dimensions.keys()

    def is_one_at_most(self, size: sympy.Expr) -> bool:
        """Whether a computed size seems to be 0 or 1 always, as that of ``x[:1]`` or ``x[-1:]``.

        Intervals cannot tell ``n - max(0, n - 1)``: it is tried at some sizes.
        """
        symbols = sorted(size.free_symbols, key=str)
        if size.is_Symbol and size in self.var_to_range:
            return bool(self.var_to_range[size].upper == 1)  # up to torch 2.12 of a slice
        if not symbols or not size.free_symbols <= self.size_like:
            return False
        found = {at_sizes(size, tried) for tried in _trials(symbols)}
        return sympy.S.One in found and found <= {sympy.S.Zero, sympy.S.One, None}

    def meets_none_alone(self, size: sympy.Expr, other: sympy.Expr) -> bool:
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

    def asserts(self) -> list[SizeFact]:
        """All asserts known now."""
        return [item for items in self.deferred_runtime_asserts.values() for item in items]

    def facts_since(self, state: ShapeState) -> dict[str, SizeFact]:
        """The asserts learnt since `save_facts`, by their text."""
        known = {id(item) for items in state["deferred_runtime_asserts"].values() for item in items}
        return {str(item.expr): item for item in self.asserts() if id(item) not in known}

    def learn(self, item: SizeFact) -> None:
        """Takes an assert that was learnt elsewhere as a fact here; it keeps its location."""
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
        self._replacements_version_counter = getattr(self, "_replacements_version_counter", 0) + 1
        self._version_counter += 1
        # The counter only moves when this key does; the next fact may bring the old key back.
        self._prev_cache_key = self._get_key()

    def savepoint(self) -> Callable[[], None]:
        """Returns a function that forgets the facts learnt from now on."""
        return functools.partial(self.restore_facts, self.save_facts())

    @contextlib.contextmanager
    def supposing(self) -> Iterator[None]:
        """Forgets afterwards what is learnt inside, and tells nobody of it."""
        forget = self.savepoint()
        try:
            with self.untold():
                yield
        finally:
            forget()

    @contextlib.contextmanager
    def untold(self) -> Iterator[None]:
        """Tells nobody of the facts that are learnt inside."""
        self._supposing += 1
        try:
            yield
        finally:
            self._supposing -= 1

    def assume(self, condition: torch.SymBool | bool, message: str) -> None:
        """Takes a condition on sizes as a fact from here on."""
        if not isinstance(condition, torch.SymBool):
            return
        expr = condition.node.expr
        if not isinstance(expr, sympy.logic.boolalg.BooleanAtom):
            # In this order: what is known already is not learnt, and the path's fact is known then.
            with self.untold():
                self.guard_or_defer_runtime_assert(expr, message)
            self.path_facts = (*self.path_facts, expr)

    def certain(self, fact: sympy.Basic) -> bool:
        """Whether a relation between sizes is known to hold; nothing is decided or learnt."""
        return self.proved(fact) is True

    def proved(self, fact: sympy.Basic) -> bool | None:
        """Whether a relation between sizes holds; None where neither is known."""
        # What statically_known_true asks, without the SymBool that it takes.
        with self.thorough():
            found = self._maybe_evaluate_static(fact)
        return None if found is None else bool(found)

    def only_value(self, number: sympy.Expr) -> sympy.Integer | None:
        """The value of an integer that can have no other, by what is known; None if there may be.

        The ranges alone do not tell it: PyTorch keeps 2 in the range of every size.
        """
        bounds = bound_sympy(number, self.var_to_range)
        for bound in map(finite, (bounds.lower, bounds.upper)):
            if bound is not None and bound.is_Integer and self.certain(sympy.Eq(number, bound)):
                return bound
        return None

    def set_range(self, symbol: sympy.Symbol, lower: int | None, upper: int | None) -> None:
        """Limits an integer symbol to a range (None: no bound on that side)."""
        known = self.var_to_range[symbol]
        wanted = ValueRanges(
            known.lower if lower is None else lower, known.upper if upper is None else upper
        )
        self.var_to_range[symbol] = known & wanted
        self._version_counter += 1

    def set_bounds(self, symbol: sympy.Symbol, bounds: ValueRanges) -> None:
        """Gives a symbol the range that `bound_sympy` found for an expression."""
        self.var_to_range[symbol] = self.var_to_range[symbol] & bounds
        self._version_counter += 1

    def mark_size(self, symbol: sympy.Symbol) -> None:
        """Says that a symbol is the size of a dimension, so never negative."""
        self.set_range(symbol, 0, None)
        self.size_like.add(symbol)
        self._version_counter += 1


# ShapeEnv clears the cache of what it finds when it narrows a range.
SizeEnv._maybe_evaluate_static.cache_clear = (  # type: ignore[attr-defined]
    ShapeEnv._maybe_evaluate_static.cache_clear  # type: ignore[attr-defined]
)


def stack_of_assert(item: SizeFact) -> Any:
    """The Python stack (outermost first) at which a ShapeEnv was told a runtime assert."""
    return item.stack.summary()


def stack_of_fact(env: ShapeEnv, symbol: sympy.Symbol) -> Sequence[traceback.FrameSummary]:
    """The stack of the first assert that names a symbol; empty if there is none."""
    for asserts in env.deferred_runtime_asserts.values():
        for item in asserts:
            if symbol in item.expr.free_symbols:
                return stack_of_assert(item)
    return ()
