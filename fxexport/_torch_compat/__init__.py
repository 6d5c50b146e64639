"""Every use of private PyTorch API, in one place (tried on torch 2.11, 2.13 and 2.15).

A new PyTorch version that moves one of these breaks this file and its test
(``tests/test_torch_compat.py``), and nothing else.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import logging
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sympy
import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch._subclasses.functional_tensor import FunctionalTensor, FunctionalTensorMode
from torch.fx.experimental.sym_node import SymNode
from torch.fx.experimental.symbolic_shapes import (
    GuardOnDataDependentSymNode,
    ShapeEnv,
    statically_known_true,
)
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _disable_infra_mode,
)
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils._sympy.functions import Max, Min, Mod
from torch.utils._sympy.numbers import int_oo
from torch.utils._sympy.printers import PythonPrinter
from torch.utils._sympy.value_ranges import ValueRanges, bound_sympy

__all__ = [
    "METADATA_OPS",
    "FakeTensor",
    "FakeTensorMode",
    "FunctionalTensor",
    "FunctionalTensorMode",
    "GuardOnDataDependentSymNode",
    "Max",
    "Min",
    "Mod",
    "ProxySlotMode",
    "ShapeState",
    "SizeEnv",
    "below_autograd",
    "mha_fastpath_disabled",
    "no_recording",
    "statically_known_true",
    "tree_flatten",
    "tree_unflatten",
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
        found = set()
        for values in itertools.product((0, 1, 2, 5, 1000), repeat=min(len(symbols), 3)):
            found.add(size.xreplace(dict(zip(symbols, map(sympy.Integer, values), strict=False))))
        return sympy.S.One in found and found <= {sympy.S.Zero, sympy.S.One}

    def meets_none_alone(self, size: Any, other: Any) -> bool:
        """Whether a size of `is_one_at_most` is 0 only where another one is not 1."""
        symbols = sorted(size.free_symbols | other.free_symbols, key=str)
        if self.certain(sympy.Ne(other, 1)):
            return True
        if not other.free_symbols <= size.free_symbols:
            return False
        for values in itertools.product((0, 1, 2, 5, 1000), repeat=min(len(symbols), 3)):
            tried = dict(zip(symbols, map(sympy.Integer, values), strict=False))
            if size.xreplace(tried) == 0 and other.xreplace(tried) == 1:
                return False
        return True

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
        value = expr.xreplace(self.hints)
        if value.is_number or value in (sympy.true, sympy.false):
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


# Functions that ask whether an argument or a mode overrides PyTorch's functions.
OVERRIDE_TESTS = (
    torch._C._has_torch_function,
    torch._C._has_torch_function_unary,
    torch._C._has_torch_function_variadic,
)
METADATA_OPS = (*tuple(FunctionalTensor.metadata_fns), torch.ops.prim.device.default)


def make_sym_node(expr: Any, env: ShapeEnv, kind: type) -> Any:
    """The node that a SymInt, SymFloat or SymBool is made of."""
    return SymNode(expr, env, kind, None)


def fake_like(tensor: torch.Tensor, sizes: Sequence[Any]) -> torch.Tensor:
    """A fake tensor of the same dtype and device with other symbols for its sizes."""
    return torch.empty(sizes, dtype=tensor.dtype, device=tensor.device)


def fake_beside(tensor: torch.Tensor, sizes: Sequence[Any]) -> torch.Tensor:
    """`fake_like`, made in the fake mode of the tensor itself: for use after capture."""
    mode: FakeTensorMode = tensor.fake_mode  # type: ignore[attr-defined]
    with mode:
        return fake_like(tensor, sizes)


class UserMode(TorchDispatchMode):
    """An ordinary dispatch mode, without the start-up cost of PyTorch's compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def _no_functional_mode() -> contextlib.AbstractContextManager[Any]:
    return contextlib.contextmanager(_disable_infra_mode)(torch._C._TorchDispatchModeKey.FUNCTIONAL)


def inner_of(tensor: torch.Tensor) -> torch.Tensor:
    """The fake tensor inside a functional one, after pending writes to its base."""
    with _no_functional_mode():
        torch._sync(tensor)  # type: ignore[attr-defined]
        return torch._from_functional_tensor(tensor.elem)  # type: ignore[attr-defined]


def replace_inner(tensor: torch.Tensor, fake: torch.Tensor) -> None:
    """Gives a functional tensor that is no view another value; its views are regenerated."""
    with _no_functional_mode():
        elem = tensor.elem  # type: ignore[attr-defined]
        torch._functionalize_replace(elem, fake)
        torch._functionalize_commit_update(elem)
        torch._functionalize_sync(elem)


def fake_of_real(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    """A fake tensor with the static shape of a real one; the data is not touched."""
    # A weight without data is captured as if it lay in memory.
    device = torch.device("cpu") if tensor.device.type == "meta" else tensor.device
    with only_mode(mode):
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def only_mode(mode: FakeTensorMode) -> contextlib.AbstractContextManager[Any]:
    """Dispatch with this mode alone."""
    stack = contextlib.ExitStack()
    stack.enter_context(_disable_current_modes())
    stack.enter_context(mode)
    return stack


@functools.cache
def is_composite(func: Any) -> bool:
    """Whether PyTorch itself expresses an operator through others."""
    if not torch._C._dispatch_has_kernel(func.name()):
        return False
    return bool(func._can_decompose())


@functools.cache
def functional_variant(func: Any) -> Any:
    """``aten.relu`` for ``aten.relu_``; None for one that does not write to its first input."""
    namespace, _, name = func._schema.name.partition("::")
    if not name.endswith("_") or name.endswith("__") or name == "copy_":
        return None
    packet = getattr(getattr(torch.ops, namespace), name[:-1], None)
    if packet is None:
        return None
    # pow_.Scalar(Tensor, Scalar) is pow.Tensor_Scalar; pow.Scalar is another operator.
    wanted = [str(argument.type) for argument in func._schema.arguments]
    for overload in (func._overloadname, *packet.overloads()):
        found = getattr(packet, overload or "default", None)
        if found is not None and [str(a.type) for a in found._schema.arguments] == wanted:
            return found
    return None


@functools.cache
def written_by_python(func: Any) -> bool:
    """Whether functionalization would check an operator in place by Python code for real sizes.

    It calls the operator on meta tensors first. Where that is one of ``torch._refs`` made to write
    in place, it fails on symbolic sizes ("expected to contain only concrete integers"); the
    functional operator does not.
    """
    from torch._decomp import meta_table

    plain = func.has_kernel_for_dispatch_key(torch._C.DispatchKey.Meta) and func not in meta_table
    return bool(plain and func._schema.name not in ("aten::set_", "aten::resize_"))


def has_own_decomposition(func: Any) -> bool:
    """Whether ``func.decompose`` works: the operator is written in C++ through others."""
    return bool(func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd))


def larger_table(func: Any) -> Callable[..., Any] | None:
    """A decomposition that is not among torch.export's public ones; None if there is none.

    PyTorch's table of all of them, those written for its own compiler included, has no public
    door. An operator that is missing there is no error.
    """
    from torch._decomp import get_decompositions

    found: Callable[..., Any] | None = get_decompositions([func]).get(func)
    return found


@functools.cache
def _alias_plan(func: Any) -> tuple[tuple[tuple[int, str], ...], tuple[tuple[int, int, str], ...]]:
    """From the schema: arguments that are written; (result, argument) pairs that share memory."""
    schema = func._schema
    written, shared = [], []
    for k, arg in enumerate(schema.arguments):
        info = arg.alias_info
        if info is None:
            continue
        if info.is_write:
            written.append((k, arg.name))
        for r, ret in enumerate(schema.returns):
            other = ret.alias_info
            if info.is_write:
                continue
            # A list of views has no alias of its own in the schema; its source is marked "*".
            listed = isinstance(ret.type, torch.ListType) and "*" in info.after_set
            if listed or (other is not None and _same_alias(info, other)):
                shared.append((r, k, arg.name))
    return tuple(written), tuple(shared)


def _same_alias(a: Any, b: Any) -> bool:
    return bool((a.before_set | a.after_set) & (b.before_set | b.after_set))


def _argument(args: Sequence[Any], kwargs: dict[str, Any], k: int, name: str) -> Any:
    return args[k] if k < len(args) else kwargs.get(name)


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [item for item in value if isinstance(item, torch.Tensor)]
    return []


def written_arguments(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors that an operator writes to, by its schema."""
    written, _ = _alias_plan(func)
    return [tensor for k, name in written for tensor in _tensors(_argument(args, kwargs, k, name))]


def views_in(
    func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pairs (result, argument) where the result is a view of the argument, by the schema."""
    _, shared = _alias_plan(func)
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
    for r, k, name in shared:
        several = len(func._schema.returns) > 1
        for source in _tensors(_argument(args, kwargs, k, name)):
            pairs.extend((view, source) for view in _tensors(out[r] if several else out))
    return pairs


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


def finite(bound: Any) -> Any:
    """A bound; None for an infinite one."""
    return None if bound in (sympy.oo, -sympy.oo, int_oo, -int_oo) else bound


def raw_expression(value: Any) -> Any:
    """The expression that a symbolic scalar was made with, before facts renamed its symbols."""
    return value.node._expr


def map_tensors(function: Callable[[Any], Any], values: Any) -> Any:
    """Applies a function to every leaf of nested arguments."""
    return tree_map(function, values)


def tensors_among(args: Sequence[Any], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors among an operator's arguments, in lists too."""
    return [tensor for value in (*args, *kwargs.values()) for tensor in _tensors(value)]


@contextlib.contextmanager
def quiet_kernels() -> Iterator[None]:
    """Keeps PyTorch from logging an error that is raised, and reported, as well.

    Nor does a library's fake kernel warn the user of what it calls in PyTorch.
    """
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".create_unbacked_symint. is deprecated")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def counts_from_zero() -> Iterator[None]:
    """Custom operators' results of unknown size may have no rows, or one.

    `create_unbacked_symint`, which torchvision's nms calls in its fake kernel, says that there are
    two or more unless told otherwise: that made `if len(kept) == 0` a condition that never holds.
    """
    from torch._library.fake_impl import FakeImplCtx

    before = FakeImplCtx.create_unbacked_symint

    def create(self: Any, *, min: int = 0, max: int | None = None) -> torch.SymInt:
        return self.new_dynamic_size(min=min, max=max)  # type: ignore[no-any-return]

    FakeImplCtx.create_unbacked_symint = create  # type: ignore[method-assign]
    try:
        yield
    finally:
        FakeImplCtx.create_unbacked_symint = before  # type: ignore[method-assign]


_NOISY = ("torch._subclasses.fake_tensor", "torch.fx.experimental.symbolic_shapes")


def no_recording() -> contextlib.AbstractContextManager[Any]:
    """Size arithmetic inside is not seen by the recorder."""
    from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing

    return disable_proxy_modes_tracing()


class ProxySlotMode(TorchDispatchMode):
    """A dispatch mode below functionalization and above fake tensors.

    PyTorch keeps one place for such a mode (its own ProxyTorchDispatchMode); a mode that claims
    it sees functional ops only, while an ordinary mode sits above functionalization and sees
    ``add_`` and ``copy_``. Arithmetic on symbolic scalars comes to `__sym_dispatch__`.
    """

    class _Tracker(dict[Any, Any]):
        # torch 2.11 asks for the node of every tensor before it replays views, to copy the
        # node's annotations; there are none.
        def __missing__(self, key: Any) -> Any:
            return types.SimpleNamespace(proxy=types.SimpleNamespace(node=None))

    class _Tracer:
        def __init__(self) -> None:
            self.tensor_tracker = ProxySlotMode._Tracker()

    def __init__(self) -> None:
        super().__init__()
        self._mode_key = torch._C._TorchDispatchModeKey.PROXY
        self.tracer = self._Tracer()
        self.pre_dispatch = False
        self.enter_stack: list[Any] = []

    @classmethod
    def is_infra_mode(cls) -> bool:
        return True

    def __sym_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        raise NotImplementedError


def python_kernels() -> contextlib.AbstractContextManager[None]:
    """Lets Python implementations of operators run: they take symbolic sizes."""
    return enable_python_dispatcher()


@contextlib.contextmanager
def below_autograd() -> Iterator[None]:
    """Lets dispatch modes see composite operators (linear, layer_norm, …) whole."""
    guard = torch._C._AutoDispatchBelowAutograd()
    try:
        yield
    finally:
        del guard


@contextlib.contextmanager
def mha_fastpath_disabled() -> Iterator[None]:
    """Keeps attention modules off their fused kernels, which have no fake implementation."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def real_truth(tensor: torch.Tensor) -> bool:
    """The truth of a real one-element tensor, read outside all modes."""
    with _disable_current_modes(), without_function_modes():
        return bool(tensor.detach().reshape(()).item())


def real_list(tensor: torch.Tensor) -> Any:
    """The values of a real tensor as nested lists, read outside all modes."""
    with _disable_current_modes(), without_function_modes():
        return tensor.detach().tolist()


def no_dispatch_modes() -> contextlib.AbstractContextManager[Any]:
    """Ops inside run as if nothing were captured."""
    return _disable_current_modes()


def without_function_modes() -> contextlib.AbstractContextManager[Any]:
    """PyTorch's functions inside go past our function mode."""
    return torch._C.DisableTorchFunction()


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


def is_torch_builtin(function: Any) -> bool:
    """Whether a builtin is one of PyTorch's functions of tensors."""
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", None) or ""
    return name.startswith("_VariableFunctionsClass.") or module.startswith("torch")


def is_control_flow_function(function: Any) -> bool:
    """Whether a function is one of PyTorch's cond, while_loop, scan, map and kin.

    Some have no public name, and those that have one say that they are torch's own.
    """
    code = getattr(function, "__code__", None)
    return code is not None and "_higher_order_ops" in code.co_filename


def program_module(program: torch.export.ExportedProgram) -> torch.nn.Module:
    """An exported program's module, without the checks of its inputs that run before it.

    They compare sizes, which would hold every dimension at the example's size.
    """
    module = program.module(check_guards=False)
    module._forward_pre_hooks.clear()
    return module


def is_generated(code: types.CodeType) -> bool:
    """Whether code is the forward that a torch.fx.GraphModule generates from its graph."""
    return code.co_filename.startswith("<eval_with_key>")


def stack_of_generated(frame: types.FrameType, line: int) -> str:
    """The Python stack that the node behind a line of generated code was made at; may be empty."""
    module = frame.f_locals.get("self")
    if not isinstance(module, torch.fx.GraphModule):
        return ""
    table: Any = getattr(module, "_lineno_map", None) or {}
    index = table.get(line - frame.f_code.co_firstlineno)
    nodes = list(module.graph.nodes)
    return (nodes[index].stack_trace or "") if index is not None and index < len(nodes) else ""


def remember_item(fake: torch.Tensor, number: torch.SymInt) -> None:
    """Makes ``item()`` of a fake tensor with one element give a number that is known already."""
    fake.item_memo = number  # type: ignore[attr-defined]
