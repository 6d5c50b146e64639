"""One check for each private thing of PyTorch that is used.

A new version of PyTorch that moves one of them fails here.
"""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sympy
import torch
from torch import nn
from torch.utils import _pytree

from fxexport import _torch_compat as compat
from fxexport._torch_compat import torchscript
from fxexport._torch_compat.modes import no_functional_mode

aten = torch.ops.aten


class Asked(Exception):
    """What the policy of these tests raises."""


@pytest.fixture
def env() -> compat.SizeEnv:
    def policy(expr: Any) -> Any:
        raise Asked(str(expr))

    return compat.SizeEnv(policy)


@pytest.fixture
def fake(env: compat.SizeEnv) -> compat.FakeTensorMode:
    return compat.FakeTensorMode(shape_env=env)


def size(env: compat.SizeEnv) -> Any:
    symint = env.create_unbacked_symint()
    env.mark_size(symint.node.expr)
    return symint


def known(env: compat.SizeEnv, condition: Any) -> bool:
    return bool(compat.statically_known_true(condition))


# -- sizes -------------------------------------------------------------------------------------


def test_what_cannot_be_proven_goes_to_the_policy(env: compat.SizeEnv) -> None:
    with pytest.raises(Asked):
        bool(size(env) > 3)


def test_an_expression_that_divides_by_0_has_no_value(env: compat.SizeEnv) -> None:
    n = size(env)
    for computed, at_5 in ((8 // n, 1), (8 % n, 3)):
        expr, symbol = computed.node.expr, n.node.expr
        assert compat.at_sizes(expr, {symbol: sympy.Integer(0)}) is None
        assert compat.at_sizes(expr, {symbol: sympy.Integer(5)}) == at_5


@pytest.mark.parametrize(
    "call",
    [lambda x: torch.equal(x, x + 1), lambda x: torch.linalg.lstsq(x, x)],
    ids=("a value", "a shape"),
)
def test_what_needs_values_has_no_fake_result(fake: compat.FakeTensorMode, call: Any) -> None:
    with fake, pytest.raises(compat.NO_FAKE_RESULT):
        call(torch.ones(3, 3))


def test_the_policys_answer_is_taken() -> None:
    asked: list[str] = []

    def policy(expr: Any) -> Any:
        asked.append(str(expr))
        return True

    env = compat.SizeEnv(policy)
    assert bool(size(env) > 3)
    assert len(asked) == 1


def test_a_size_is_never_negative(env: compat.SizeEnv) -> None:
    n = size(env)
    assert known(env, n >= 0)
    assert not known(env, n >= 1)


def test_a_range_is_known(env: compat.SizeEnv) -> None:
    n = size(env)
    env.set_range(n.node.expr, 2, 8)
    assert known(env, n >= 2) and known(env, n <= 8) and known(env, n * 2 < 17)
    assert not known(env, n > 2)
    env.set_range(n.node.expr, 4, None)
    assert known(env, n >= 4) and known(env, n <= 8)


def test_bounds_are_known(env: compat.SizeEnv) -> None:
    from torch.utils._sympy.value_ranges import ValueRanges

    n = size(env)
    env.set_bounds(n.node.expr, ValueRanges(3, 5))
    assert known(env, n >= 3) and known(env, n <= 5)


def test_relations_can_be_asked_without_being_learnt(env: compat.SizeEnv) -> None:
    import sympy

    n, m = size(env), size(env)
    env.set_range(n.node.expr, 2, None)
    relation = sympy.Eq(n.node.expr, m.node.expr)
    assert env.certain(sympy.Ne(n.node.expr, 1))
    assert not env.certain(relation) and not env.certain(sympy.Not(relation))
    env.assume(n == m, "a fact")
    assert env.certain(relation)


def test_what_is_one_at_most_is_tried_where_there_is_a_size(env: compat.SizeEnv) -> None:
    n, m = size(env), size(env)
    assert env.is_one_at_most((n - torch.sym_max(0, n - 1)).node.expr)  # x[-1:]
    assert not env.is_one_at_most((n * m * 3 // n).node.expr)  # x.reshape(n, -1): none at 0
    assert not env.meets_none_alone((n - torch.sym_max(0, n - 1)).node.expr, (m * 1 // n).node.expr)


def test_another_fake_has_the_sizes_and_strides_of_the_first(env: compat.SizeEnv) -> None:
    mode = compat.fake_mode(env)
    with mode:
        first = torch.empty(size(env), 3, dtype=torch.int64).transpose(0, 1)
    other = compat.another_fake(first)
    assert other is not first and isinstance(other, compat.FakeTensor)
    assert (other.shape, other.stride(), other.dtype) == (first.shape, first.stride(), first.dtype)
    assert other.device == first.device and other.fake_mode is mode
    assert compat.another_fake(torch.ones(2)).tolist() == [1, 1]


def test_the_cache_of_fake_results_is_off(env: compat.SizeEnv) -> None:
    assert compat.fake_mode(env).cache_enabled is False


def test_a_size_in_the_range_of_0_and_1_is_one_at_most(env: compat.SizeEnv) -> None:
    n = size(env).node.expr
    assert not env.is_one_at_most(n)
    env.set_range(n, 0, 1)
    assert env.is_one_at_most(n)


def test_a_number_has_one_value_where_facts_leave_no_other(env: compat.SizeEnv) -> None:
    n = size(env)
    assert env.only_value(n.node.expr) is None
    env.set_range(n.node.expr, 3, 3)
    assert env.only_value(2 * n.node.expr + 1) == 7


def test_facts_can_be_taken_back(env: compat.SizeEnv) -> None:
    n, m = size(env), size(env)
    facts = env.save_facts()
    env.assume(n > 4, "a fact")
    env.assume(n == m, "another")
    assert known(env, n > 4) and known(env, n == m)
    env.restore_facts(facts)
    assert not known(env, n > 4) and not known(env, n == m)
    env.assume(n > 4, "again")
    assert known(env, n > 4)


def test_symbols_made_since_keep_their_ranges(env: compat.SizeEnv) -> None:
    facts = env.save_facts()
    n = size(env)
    env.set_range(n.node.expr, 3, 5)
    env.restore_facts(facts)
    assert known(env, n >= 3)


def test_what_the_analysis_leaves_open_is_proved_by_the_prover() -> None:
    env = compat.SizeEnv(lambda *_: False, lambda relation, env: True)
    n = size(env)
    assert env.certain(sympy.Eq(n.node.expr % 4, 0))
    assert env.guard_or_defer_runtime_assert(sympy.Eq(n.node.expr % 4, 0), "known")
    assert not env.asserts()


def test_facts_are_told_unless_they_are_supposed(env: compat.SizeEnv) -> None:
    told: list[sympy.Basic] = []
    env.on_fact = told.append
    n = size(env)
    with env.supposing():
        env.guard_or_defer_runtime_assert(n.node.expr > 4, "supposed")
    assert not told
    env.guard_or_defer_runtime_assert(n.node.expr > 4, "learnt")
    env.guard_or_defer_runtime_assert(n.node.expr > 4, "known by now")
    assert told == [n.node.expr > 4]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (sympy.Symbol("n") > 2, True),
        (sympy.And(sympy.Symbol("n") > 2, sympy.Symbol("m") > 2), True),
        (sympy.true, True),
        (sympy.Symbol("n"), False),
        (sympy.Symbol("n") + 1, False),
    ],
    ids=str,
)
def test_truth_values_are_told_from_numbers(expression: Any, expected: bool) -> None:
    assert compat.is_boolean(expression) is expected


@pytest.mark.parametrize(
    ("kind", "symbolic"),
    [(int, torch.SymInt), (float, torch.SymFloat), (bool, torch.SymBool)],
)
def test_symbolic_scalars_can_be_made(env: compat.SizeEnv, kind: type, symbolic: type) -> None:
    n = size(env).node.expr
    expression = {int: n + 1, float: n * 1.5, bool: n > 2}[kind]
    value = symbolic(compat.make_sym_node(expression, env, kind))
    assert value.node.expr == expression


# -- fake and functional tensors ---------------------------------------------------------------


def test_a_fake_of_a_real_tensor_has_its_shape_and_no_data(fake: compat.FakeTensorMode) -> None:
    real = torch.ones(3, 4).t()
    made = compat.fake_of_real(real, fake)
    assert isinstance(made, compat.FakeTensor)
    assert (made.shape, made.stride(), made.dtype) == (real.shape, real.stride(), real.dtype)


def test_a_fake_tensor_can_have_dynamic_sizes(
    env: compat.SizeEnv, fake: compat.FakeTensorMode
) -> None:
    n = size(env)
    with compat.only_mode(fake):
        made = compat.fake_like(torch.empty(2, 3, dtype=torch.int64), (n, 4))
        assert isinstance(made, compat.FakeTensor)
        assert made.dtype == torch.int64
        assert made.shape[0].node.expr == n.node.expr  # type: ignore[attr-defined]
        assert (made + 1).shape[0] is not None


@pytest.fixture
def functional(fake: compat.FakeTensorMode) -> Iterator[torch.Tensor]:
    with fake:
        inner = torch.empty(4)
        with compat.FunctionalTensorMode():
            yield compat.FunctionalTensor.to_functional(inner)


def test_the_fake_inside_a_functional_tensor_can_be_read(functional: torch.Tensor) -> None:
    inner = compat.inner_of(functional)
    assert isinstance(inner, compat.FakeTensor)
    functional.add_(1)
    assert compat.inner_of(functional) is not inner


def test_a_functional_tensor_can_be_given_another_value(functional: torch.Tensor) -> None:
    view = functional[1:]
    first, part = compat.inner_of(functional), compat.inner_of(view)
    functional.add_(1)
    compat.replace_inner(functional, first)
    assert compat.inner_of(functional) is first
    assert compat.inner_of(view) is not part  # regenerated from its base
    assert view.shape == (3,)


def test_a_range_lies_between_its_bounds() -> None:
    found = compat.value_range(0, 6)
    assert (found.lower, found.upper) == (0, 6)


class Recording(compat.ProxySlotMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.scalars: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.seen.append(func.name())
        return func(*args, **(kwargs or {}))

    def __sym_dispatch__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self.scalars.append(func.__name__)
        return func(*args, **kwargs)


def test_a_mode_in_the_proxy_slot_sees_functional_operators_only(
    fake: compat.FakeTensorMode,
) -> None:
    recording = Recording()
    with fake, recording:
        inner = torch.empty(4)
        with compat.FunctionalTensorMode():
            x = compat.FunctionalTensor.to_functional(inner)
            x.add_(1)
            x[1:].mul_(2)
            compat.inner_of(x)
    assert "aten::add.Tensor" in recording.seen
    assert "aten::mul.Tensor" in recording.seen
    assert not [name for name in recording.seen if name.split("::")[1].split(".")[0].endswith("_")]


def test_arithmetic_on_sizes_comes_to_the_proxy_slot_unless_switched_off(
    env: compat.SizeEnv,
) -> None:
    recording, n = Recording(), size(env)
    with recording:
        _ = n + 1
        with compat.no_recording():
            _ = n * 2
    assert recording.scalars == ["add"]


def test_modes_can_be_left_for_a_while(fake: compat.FakeTensorMode) -> None:
    with fake:
        with compat.no_dispatch_modes():
            real = torch.ones(2)
        assert isinstance(torch.ones(2), compat.FakeTensor)
    assert type(real) is torch.Tensor
    assert real.tolist() == [1.0, 1.0]


def test_real_values_are_read_outside_all_modes(fake: compat.FakeTensorMode) -> None:
    yes, values = torch.tensor([True]), torch.tensor([[1, 2], [3, 4]])
    with fake:
        assert compat.real_truth(yes) is True
        assert compat.real_list(values) == [[1, 2], [3, 4]]
        total = compat.real_result(torch.ops.aten.sum.default, [values], {})
    assert type(total) is torch.Tensor
    assert int(total) == 10


def test_function_modes_can_be_passed(fake: compat.FakeTensorMode) -> None:
    from torch.overrides import TorchFunctionMode

    seen: list[Any] = []

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Mode():
        torch.ones(1)
        with compat.without_function_modes():
            torch.zeros(1)
    assert seen == [torch.ones]


def test_composite_operators_can_be_seen_whole() -> None:
    seen: list[str] = []

    class Mode(compat.UserMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            seen.append(func.name())
            return func(*args, **(kwargs or {}))

    x, weight = torch.ones(1, 2), torch.ones(3, 2)
    with torch.no_grad(), compat.below_autograd(), Mode():
        nn.functional.linear(x, weight)
    assert seen[0] == "aten::linear"


def test_python_kernels_take_symbolic_sizes(
    env: compat.SizeEnv, fake: compat.FakeTensorMode
) -> None:
    n = size(env)
    with compat.python_kernels(), fake:
        x = torch.empty(n, 4)
        assert x.reshape(-1).dim() == 1


@pytest.mark.parametrize("before", [True, False])
def test_attention_is_off_its_fast_path_and_back_on(before: bool) -> None:
    kept = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(before)
    try:
        with compat.mha_fastpath_disabled():
            assert not torch.backends.mha.get_fastpath_enabled()
        assert torch.backends.mha.get_fastpath_enabled() is before
    finally:
        torch.backends.mha.set_fastpath_enabled(kept)


# -- operators ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("aten::add.Tensor", aten.add.Tensor),
        ("aten::relu", aten.relu.default),
        ("aten::add.no_such_overload", None),
        ("aten::no_such_operator", None),
    ],
)
def test_operators_are_found_by_name(name: str, operator: Any) -> None:
    assert compat.overload_named(name) is operator


@pytest.mark.parametrize(
    ("operator", "composite"), [(aten.linear.default, True), (aten.mm.default, False)]
)
def test_composite_operators_are_known(operator: Any, composite: bool) -> None:
    assert compat.is_composite(operator) is composite
    assert compat.has_own_decomposition(operator) is composite


@pytest.mark.parametrize(
    ("operator", "functional"),
    [
        (aten.relu_.default, aten.relu.default),
        (aten.add_.Tensor, aten.add.Tensor),
        (aten.normal_.default, aten.normal_functional.default),
        (aten.add.Tensor, None),
        (aten.copy_.default, None),
    ],
)
def test_in_place_operators_have_a_functional_form(operator: Any, functional: Any) -> None:
    assert compat.functional_variant(operator) is functional


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (aten.addcmul_.default, True),
        (aten.lerp_.Tensor, True),
        (aten.hypot_.default, True),
        (aten.mul_.Tensor, False),
        (aten.index_put_.default, False),
        (aten.set_.source_Tensor, False),
    ],
)
def test_in_place_operators_that_python_checks_are_known(operator: Any, expected: bool) -> None:
    assert compat.written_by_python(operator) is expected


def test_the_larger_table_of_decompositions_is_found() -> None:
    assert callable(compat.larger_table(aten.mse_loss.default))
    assert compat.larger_table(aten.convolution.default) is None


def test_written_arguments_are_known_from_the_schema() -> None:
    x, y = torch.ones(2), torch.ones(2)
    assert compat.written_arguments(aten.add_.Tensor, (x, y), {}) == [x]
    assert compat.written_arguments(aten.add.Tensor, (x, y), {}) == []
    (out,) = compat.written_arguments(aten.add.out, (x, y), {"out": y})
    assert out is y


def test_views_are_known_from_the_schema() -> None:
    x = torch.ones(2, 3)
    view = x.view(6)
    ((result, source),) = compat.views_in(aten.view.default, (x, [6]), {}, view)
    assert result is view and source is x
    parts = x.split(1)
    pairs = compat.views_in(aten.split.Tensor, (x, 1), {}, list(parts))
    assert [pair[1] is x for pair in pairs] == [True, True]
    assert compat.views_in(aten.add.Tensor, (x, x), {}, x + x) == []


def test_metadata_operators_are_operators() -> None:
    assert compat.METADATA_OPS
    assert all(isinstance(op, torch._ops.OpOverload) for op in compat.METADATA_OPS)
    assert aten.sym_size.int in compat.METADATA_OPS or aten.size.default in compat.METADATA_OPS


def test_override_tests_are_callable() -> None:
    has, unary, variadic = compat.OVERRIDE_TESTS
    assert has((1,)) is False
    assert unary(1) is False
    assert variadic(1, 2) is False


@pytest.mark.parametrize(
    ("function", "expected"),
    [(torch.relu, True), (torch.zeros, True), (len, False), ("a".upper, False)],
)
def test_torchs_builtins_are_known(function: Any, expected: bool) -> None:
    assert compat.is_torch_builtin(function) is expected


# -- where a fact comes from -------------------------------------------------------------------


def test_the_line_behind_a_fact_is_found(env: compat.SizeEnv) -> None:
    n = size(env)
    env.assume(n % 4 == 0, "a fact")
    stack = compat.stack_of_fact(env, n.node.expr)
    assert __file__ in {frame.filename for frame in stack}
    assert not compat.stack_of_fact(env, size(env).node.expr)


def test_expressions_of_sizes_are_written_as_python() -> None:
    h, n = sympy.symbols("h n", integer=True)
    for expr, value in (
        (sympy.Eq(compat.Mod(h, 32), 0), False),
        (sympy.Ne(h, n) & (h > 1), True),
        (sympy.Max(h, 1) - 2 * n > 0, True),
    ):
        assert eval(compat.python_text(expr), {"h": 33, "n": 4, "max": max}) is value


def test_bounds_within_ranges() -> None:
    h = sympy.Symbol("h", integer=True)
    assert compat.bounds_within(2 * h + 1, {h: (1, 8)}) == (3, 17)
    assert compat.bounds_within(sympy.Max(0, h), {h: (1, None)}) == (1, None)
    assert compat.bounds_within(h > 16, {h: (1, 8)}) == (sympy.false, sympy.false)
    assert compat.bounds_within(h > 4, {h: (1, 8)}) == (sympy.false, sympy.true)


# -- exported programs, generated code, packed sequences -----------------------------------------


class Chosen(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))


def test_an_exported_programs_module_takes_any_size() -> None:
    rows = torch.export.Dim("rows", max=4)
    program = torch.export.export(Chosen(), (torch.ones(2),), dynamic_shapes={"x": {0: rows}})
    module = compat.program_module(program)
    assert torch.equal(module(torch.ones(9)), torch.ones(9) + 1)


def test_generated_code_leads_to_the_lines_that_it_is_from() -> None:
    module = compat.program_module(torch.export.export(Chosen(), (torch.ones(2),)))
    forward = type(module).forward
    assert compat.is_generated(forward.__code__)
    assert not compat.is_generated(Chosen.forward.__code__)
    lines = linecache.getlines(forward.__code__.co_filename)
    line = next(k for k, text in enumerate(lines, 1) if "higher_order.cond" in text)
    frame: Any = SimpleNamespace(f_locals={"self": module}, f_code=forward.__code__)
    assert f"line {Chosen.forward.__code__.co_firstlineno + 1}, in forward" in (
        compat.stack_of_generated(frame, line)
    )
    assert compat.stack_of_generated(SimpleNamespace(f_locals={}), 1) == ""  # type: ignore[arg-type]


def test_control_flow_functions_are_known() -> None:
    from torch._higher_order_ops import scan, while_loop

    assert all(map(compat.is_control_flow_function, (torch.cond, scan, while_loop)))
    assert not any(map(compat.is_control_flow_function, (torch.relu, Chosen, len)))


def test_an_item_that_is_known_is_given_back(
    fake: compat.FakeTensorMode, env: compat.SizeEnv
) -> None:
    n = size(env)
    with fake:
        number = torch.scalar_tensor(n, dtype=torch.int64)
        compat.remember_item(number, n)
        assert number.item().node.expr == n.node.expr


# -- TorchScript -----------------------------------------------------------------------------------


@torch.jit.script
def _twice(x: torch.Tensor, n: int) -> torch.Tensor:
    if n > 1:
        return x * n
    return x


@torch.jit.script
def _calls(x: torch.Tensor) -> torch.Tensor:
    return _twice(_twice(x, 2), 3)


def test_the_graph_of_a_called_function_is_had_by_inlining_its_call() -> None:
    call = next(n for n in _calls.graph.nodes() if n.kind() == "prim::CallFunction")
    graph = torchscript.callee_graph(call)
    assert len(list(graph.inputs())) == 2
    kinds = [node.kind() for node in graph.nodes()]
    assert "prim::If" in kinds
    assert "prim::CallFunction" not in kinds


def test_nodes_name_their_lines() -> None:
    call = next(n for n in _calls.graph.nodes() if n.kind() == "prim::CallFunction")
    assert f"# {__file__}:" in str(call)
    assert __file__ in call.sourceRange()


def test_the_dispatchers_operators_are_told_from_the_interpreters() -> None:
    assert torchscript.in_dispatcher("aten::add", "Tensor")
    assert not torchscript.in_dispatcher("aten::add", "int")
    assert len(torchscript.all_schemas()) > 1000


def test_wrappers_of_one_scripted_module_are_equal() -> None:
    module = torchscript.script(nn.Sequential(nn.Linear(2, 2)))
    again = torchscript.attribute_of(module._c, "0")
    assert again == getattr(module, "0")._c
    assert hash(again) == hash(getattr(module, "0")._c)
    assert torchscript.module_of(module.forward) == module._c


def test_scripting_leaves_no_mark_on_the_modules() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    torchscript.script(model)
    assert {name: set(vars(module)) for name, module in model.named_modules()} == before


def test_sizes_of_custom_operators_start_at_zero() -> None:
    """torchvision's fake kernel of nms calls what says two or more by default."""
    from torch._library.fake_impl import FakeImplCtx
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    before = FakeImplCtx.create_unbacked_symint
    with torch.library._scoped_library("fxexport_test", "FRAGMENT") as library:
        library.define("counted(Tensor x) -> Tensor")

        def fake(x: torch.Tensor) -> torch.Tensor:
            return x.new_empty(torch.library.get_ctx().create_unbacked_symint())

        torch.library.register_fake("fxexport_test::counted", fake, lib=library)
        with compat.counts_from_zero(), FakeTensorMode(shape_env=ShapeEnv()):
            (size,) = torch.ops.fxexport_test.counted(torch.ones(3)).shape
    assert size.node.shape_env.bound_sympy(size.node.expr).lower == 0
    assert FakeImplCtx.create_unbacked_symint is before


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        (torch._prims_common.check_contiguous_sizes_strides, compat.asked_for_layout),
        (torch._refs._broadcast_shapes, compat.asked_for_broadcasting),
    ],
)
def test_what_a_kernel_asks_about_a_size_is_told_by_who_asks(
    question: Callable[..., object], asked: Callable[[], bool]
) -> None:
    answers: list[bool] = []

    class Size(int):
        def __eq__(self, other: object) -> bool:
            answers.append(asked())
            return int(self) == other

        __hash__ = int.__hash__

    if question is torch._refs._broadcast_shapes:
        question((Size(3), 4), (3, 4))
    else:
        question((Size(3), 4), (4, 1))
    assert answers
    assert all(answers)
    assert not asked()


@pytest.mark.parametrize("equal", [True, False])
def test_conditions_that_are_equal_are_decided(equal: bool) -> None:
    """PyTorch subtracts the sides of an equality, and conditions have no difference."""
    env = compat.SizeEnv(lambda expr, fallback=None: False, lambda expr, env: None)
    n = env.create_unbacked_symint().node.expr
    question = sympy.Eq(n > 3, n > 3 if equal else n <= 3, evaluate=False)
    assert env.certain(question) is equal


def test_functions_of_linear_algebra_without_their_check() -> None:
    inverse, solve = torch.ops.aten.linalg_inv_ex.default, torch.ops.aten._linalg_solve_ex.default
    assert compat.without_check(inverse, ("a",), {}) is None
    assert compat.without_check(torch.ops.aten.add.Tensor, ("a", "b"), {}) is None
    given = {"check_errors": True}
    assert compat.without_check(inverse, ("a",), given) == (("a",), {"check_errors": False})
    expected = (("a", "b"), {"left": False, "check_errors": False})
    assert compat.without_check(solve, ("a", "b"), {"left": False, **given}) == expected
    assert compat.LINALG_CHECK._schema.name == "aten::_linalg_check_errors"


@pytest.mark.skipif(compat.OLD_CHOLESKY is None, reason="PyTorch 2.14 has no torch.cholesky")
def test_the_older_function_of_choleskys_factor() -> None:
    x = torch.tensor([[2.0, 1], [1, 2]])
    assert torch.equal(compat.OLD_CHOLESKY(x), torch.linalg.cholesky(x))


def test_a_functional_tensor_follows_the_sizes_of_the_fake_one(functional: torch.Tensor) -> None:
    named = weakref.ref(functional)
    other = compat.empty_beside(compat.inner_of(functional), (2, 3), torch.float32)
    with no_functional_mode():
        torch._functionalize_replace(functional.elem, other)  # type: ignore[attr-defined]
    assert functional.shape == (4,)
    compat.follow_sizes(functional)
    assert functional.shape == (2, 3)
    assert functional.stride() == (3, 1)
    assert named() is functional


@pytest.mark.parametrize(
    ("name", "outs", "takes_dtype"),
    [
        ("aten::add.out", ["out"], False),
        ("aten::max.dim_max", ["max", "max_values"], False),
        ("aten::cumsum.out", ["out"], True),
        ("aten::add.Tensor", [], False),
    ],
)
def test_the_tensors_for_results_are_known(name: str, outs: list[str], takes_dtype: bool) -> None:
    func = compat.overload_named(name)
    assert func is not None
    given = {out: torch.empty(0) for out in ("out", "max", "max_values")}
    assert list(compat.out_arguments(func, given)) == outs
    assert compat.takes_dtype(func) is takes_dtype


def test_classes_of_pytorchs_trees_are_known_with_their_children() -> None:
    class Pair:
        def __init__(self, a: object, b: object) -> None:
            self.a, self.b = a, b

    assert not compat.is_pytree_class(Pair)
    _pytree.register_pytree_node(
        Pair, lambda pair: ([pair.a, pair.b], "context"), lambda items, _: Pair(*items)
    )
    try:
        assert compat.is_pytree_class(Pair)
        assert compat.pytree_parts(Pair(1, 2)) == {"0": 1, "1": 2}
        made = compat.pytree_like(Pair(1, 2), {"0": 3, "1": 4})
        assert (made.a, made.b) == (3, 4)
    finally:
        _pytree._deregister_pytree_node(Pair)


def test_operators_without_a_fake_kernel() -> None:
    made = torch.library.Library("fxexport_compat", "DEF")
    made.define("only_run(Tensor x) -> Tensor")
    made.impl("only_run", lambda x: x * 2, "CPU")
    made.define("of_others(Tensor x) -> Tensor")
    made.impl("of_others", lambda x: x * 2, "CompositeImplicitAutograd")
    assert not compat.has_fake_kernel(torch.ops.fxexport_compat.only_run.default)
    assert compat.has_fake_kernel(torch.ops.fxexport_compat.of_others.default)
    assert compat.has_fake_kernel(aten.add.Tensor)
    torch.library.register_fake("fxexport_compat::only_run", lambda x: x.new_empty(x.shape))
    assert compat.has_fake_kernel(torch.ops.fxexport_compat.only_run.default)
    custom = torch.library.custom_op(
        "fxexport_compat::made", lambda x: x * 2, mutates_args=(), schema="(Tensor x) -> Tensor"
    )
    assert not compat.has_fake_kernel(torch.ops.fxexport_compat.made.default)
    custom.register_fake(lambda x: x.new_empty(x.shape))
    assert compat.has_fake_kernel(torch.ops.fxexport_compat.made.default)
    made._destroy()
