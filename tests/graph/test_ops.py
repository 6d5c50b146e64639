"""`branch` and `loop` run eagerly, with the meaning of ONNX If and Loop."""

from __future__ import annotations

import math
import operator
from typing import Any

import pytest
import torch
from torch import fx

from fxexport.errors import GuardError
from fxexport.graph import scalars
from fxexport.graph.ops import branch, guard, loop


@pytest.mark.parametrize("condition", [True, torch.tensor(True), torch.tensor([True])])
def test_a_branch_runs_one_body_only(condition: Any) -> None:
    def never(*args: Any) -> tuple[Any, ...]:
        raise AssertionError("the other body ran")

    assert branch(condition, lambda a, b: (a + b,), never, (1, 2)) == (3,)
    negated = torch.logical_not(condition) if isinstance(condition, torch.Tensor) else False
    assert branch(negated, never, lambda a, b: (a - b, 0), (1, 2)) == (-1, 0)


def step(i: int, total: int, limit: int) -> tuple[Any, ...]:
    return total + i < limit, total + i


@pytest.mark.parametrize(
    ("trips", "condition", "limit", "expected"),
    [
        (0, True, 100, 0),
        (1, True, 100, 0),
        (5, True, 100, 10),
        (5, False, 100, 0),
        (None, True, 10, 10),
        (5, True, 3, 3),
        (5, torch.tensor(True), 100, 10),
    ],
)
def test_a_loop_stops_at_its_bound_or_its_condition(
    trips: int | None, condition: Any, limit: int, expected: int
) -> None:
    assert loop(trips, condition, step, (0,), (limit,)) == (expected,)


@pytest.mark.parametrize("trips", [0, 1, 3])
def test_scan_rows_are_stacked(trips: int) -> None:
    def body(i: int, total: torch.Tensor) -> tuple[Any, ...]:
        return True, total + i, torch.full((2,), float(i))

    total, scan = loop(trips, True, body, (torch.zeros(()),), (), (((2,), torch.float32),))
    assert total.item() == sum(range(trips))
    assert scan.shape == (trips, 2)
    assert scan[:, 0].tolist() == list(range(trips))


# -- scalars -----------------------------------------------------------------------------------

NUMBERS: tuple[Any, ...] = (0, 1, -3, 7, 2.5, -0.5)
ONE = [
    scalars.absolute,
    scalars.to_int,
    scalars.to_float,
    scalars.to_bool,
    scalars.not_,
    scalars.floor,
    scalars.ceil,
    scalars.round_half_even,
    operator.neg,
]
TWO = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.lt,
    operator.eq,
    scalars.maximum,
    scalars.minimum,
    scalars.and_,
    scalars.or_,
]


@pytest.mark.parametrize("function", ONE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("a", NUMBERS)
def test_the_result_type_of_one_argument_is_pythons(function: Any, a: Any) -> None:
    assert type(function(a)) is scalars.result_type(function, [type(a)])


@pytest.mark.parametrize("function", TWO, ids=lambda f: f.__name__)
@pytest.mark.parametrize("types", [(int, int), (float, float)], ids=str)
def test_the_result_type_of_two_arguments_is_pythons(function: Any, types: Any) -> None:
    a, b = types[0](3), types[1](2)
    assert type(function(a, b)) is scalars.result_type(function, types)


@pytest.mark.parametrize("function", [operator.add, operator.mul, operator.floordiv, operator.mod])
def test_an_int_and_a_float_give_a_float(function: Any) -> None:
    assert type(function(3, 2.0)) is scalars.result_type(function, [int, float]) is float


def test_select_takes_the_type_of_its_values() -> None:
    assert scalars.select(True, 1, 2) == 1 and scalars.select(False, 1, 2) == 2
    assert scalars.result_type(scalars.select, [bool, float, float]) is float
    assert scalars.result_type(scalars.select, [bool, int, int]) is int


def test_every_scalar_function_has_a_result_type() -> None:
    for function in scalars.SCALAR_FUNCTIONS:
        types = [bool, int, int] if function is scalars.select else [int, int]
        assert scalars.result_type(function, types) in (int, float, bool), function


@pytest.mark.parametrize("function", [math.gcd, torch.relu, print])
def test_other_functions_have_none(function: Any) -> None:
    assert scalars.result_type(function, [int]) is None


@pytest.mark.parametrize(("a", "rounded"), [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2)])
def test_halves_are_rounded_to_even(a: float, rounded: int) -> None:
    assert scalars.round_half_even(a) == rounded


@pytest.mark.parametrize("condition", [False, torch.tensor(False), torch.tensor([False])])
def test_a_guard_ends_the_run_where_its_condition_is_false(condition: Any) -> None:
    with pytest.raises(GuardError, match="needs n % 2 == 0"):
        guard(condition, "needs n % 2 == 0 (model.py:3)")


@pytest.mark.parametrize("condition", [True, torch.tensor(True), torch.tensor([True])])
def test_a_guard_does_nothing_where_its_condition_is_true(condition: Any) -> None:
    guard(condition, "needs n % 2 == 0 (model.py:3)")
    graph = fx.Graph()
    graph.call_function(guard, (graph.placeholder("x"), "needs x"))
    graph.output(())
    graph.eliminate_dead_code()
    assert len(graph.find_nodes(op="call_function", target=guard)) == 1
