"""Bounds of sizes and numbers: the rules, whatever form the answer has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy
import torch
from fxexport.passes.bounds.expressions import Bound, BoundArithmetic
from fxexport.passes.bounds.number_rules import (
    NoBound,
    Operation,
    least_of_operation,
    upper_of_operation,
)
from fxexport.passes.bounds.size_bounds import SizeBounds
from fxexport.passes.bounds.symbols import expression_of, symbols_in, symbols_of
from fxexport.passes.rewriting.visiting import some_tensor
from fxexport.passes.tensorrt.capacity.limits.terms import TermArithmetic
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities
from fxexport.passes.tensorrt.capacity.values.written_graph import WrittenGraph
from torch import fx

from fxexport._torch_compat import fresh_size
from fxexport.graph.editing import results
from tests.support.rewriting import captured

X = torch.arange(12.0).reshape(4, 3)


def bound_of(program: Callable[..., Any], *example: Any) -> sympy.Expr:
    """The bound of the first size of a program's result, in terms of the inputs' sizes."""
    graph = captured(program, *example)
    bounds = SizeBounds(graph)
    found = bounds.upper(results(graph.module)[0].meta["val"].shape[0]).most
    names = {}
    for place in graph.module.graph.find_nodes(op="placeholder"):
        for dim, size in enumerate(place.meta["val"].shape):
            if isinstance(size, torch.SymInt):
                symbol = bounds.upper(size).most
                names.setdefault(symbol, sympy.Symbol(f"{place.name}{dim}", nonnegative=True))
    return found.xreplace(names)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (lambda x: x[x > 0], "x0*x1"),
        (lambda x: x[x[:, 0] > 0], "x0"),
        (lambda x: torch.nonzero(x > 0), "x0*x1"),
        (lambda x: torch.masked_select(x[:1], x > 0), "x0*x1"),
        (lambda x: torch.masked_select(x, x[:1] > 0), "x0*x1"),
        (lambda x: torch.cat([x[x[:, 0] > 0], x]), "2*x0"),
        (lambda x: x[x[:, 0] > 0][:2], "Min(2, x0)"),
        (lambda x: x[x[:, 0] > 0][:, :2], "x0"),
        (lambda x: torch.unique(x), "x0*x1"),
        (lambda x: torch.nn.functional.pad(x[x[:, 0] > 0], (0, 0, 1, 2)), "x0 + 3"),
        (lambda x: x[x[:, 0] > 0] if x.sum() > 0 else x[:1], "x0"),
    ],
)  # fmt: skip
def test_a_size_that_data_decides_is_bounded_by_the_inputs(
    program: Callable[..., Any], expected: str
) -> None:
    names = {name: sympy.Symbol(name, nonnegative=True) for name in ("x0", "x1")}
    bound, wanted = bound_of(program, X), sympy.sympify(expected, names)
    for sizes in ((0, 3), (1, 3), (4, 3)):
        values = dict(zip(names.values(), map(sympy.Integer, sizes), strict=True))
        assert bound.xreplace(values) == wanted.xreplace(values)


def exact(number: int) -> Bound:
    return Bound(sympy.Integer(number), True)


def at_most(number: int) -> Bound:
    return Bound(sympy.Integer(number))


@pytest.mark.parametrize(
    ("operation", "operands", "expected"),
    [
        (Operation.ADD, [exact(3), at_most(4)], at_most(7)),
        (Operation.SUBTRACT, [at_most(9), exact(4)], at_most(5)),
        (Operation.SUBTRACT, [at_most(9), at_most(4)], at_most(8)),  # the smallest is 1
        (Operation.NEGATE, [at_most(4)], at_most(-1)),
        (Operation.MULTIPLY, [exact(3), at_most(4)], at_most(12)),
        (Operation.MULTIPLY, [exact(-3), exact(4)], exact(-12)),
        (Operation.FLOOR_DIVIDE, [at_most(9), 2], at_most(4)),
        (Operation.MODULO, [at_most(9), 4], at_most(3)),
        (Operation.MAXIMUM, [exact(3), exact(5)], exact(5)),
        (Operation.MINIMUM, [exact(3), at_most(5)], at_most(3)),
        (Operation.ONE_OF, [exact(3), exact(5)], at_most(5)),
        (Operation.ONE_OF, [exact(3), exact(3)], exact(3)),
        (Operation.SAME, [at_most(3)], at_most(3)),
    ],
)
def test_a_number_is_bounded_by_what_makes_it(
    operation: Operation, operands: list[Any], expected: Bound
) -> None:
    def upper(operand: Any) -> Bound:
        return exact(operand) if isinstance(operand, int) else operand

    def least(operand: Any) -> int:
        return operand if isinstance(operand, int) else 1

    assert upper_of_operation(BoundArithmetic(), operation, operands, upper, least) == expected


def test_a_product_with_what_may_be_negative_has_no_bound() -> None:
    with pytest.raises(NoBound):
        upper_of_operation(
            BoundArithmetic(), Operation.MULTIPLY, [at_most(3), at_most(4)], lambda b: b,
            lambda b: None,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "operands", "expected"),
    [
        (Operation.ADD, ["2", "3"], 5),
        (Operation.SUBTRACT, ["2", "3"], None),
        (Operation.SUBTRACT, ["2", 3], -1),
        (Operation.MULTIPLY, ["2", "3"], 6),
        (Operation.MULTIPLY, ["2", "-3"], None),
        (Operation.FLOOR_DIVIDE, ["-3", 2], -2),
        (Operation.MODULO, ["-3", 2], 0),
        (Operation.MAXIMUM, ["2", "nothing"], 2),
        (Operation.MINIMUM, ["2", "nothing"], None),
        (Operation.ONE_OF, ["2", "3"], 2),
    ],
)
def test_a_number_is_at_least(
    operation: Operation, operands: list[Any], expected: int | None
) -> None:
    def least(operand: str) -> int | None:
        return None if operand == "nothing" else int(operand)

    assert least_of_operation(operation, operands, least) == expected


def test_of_several_bounds_a_term_takes_the_smallest_number() -> None:
    graph = fx.Graph()
    graph.output(())
    root = fx.GraphModule(torch.nn.Module(), graph)
    end = graph.output_node()
    terms = TermArithmetic(Capacities(WrittenGraph(graph, before=end, owner=root), end))
    size = sympy.Symbol("s")
    assert terms.minimum([[(size, 1)], [(None, 9)], [(None, 7)]], complete=False) == [(None, 7)]
    assert terms.maximum([[(size, 1)], [(None, 9)]]) == [(size, 1), (None, 9)]
    assert terms.total([[(size, 1)], [(None, 9)]]) == [(size, 10)]
    with pytest.raises(NoBound):
        terms.total([[(size, 1)], [(size, 2)]])


def test_the_symbol_of_a_flag_is_no_size() -> None:
    beside = some_tensor(captured(lambda x: x + 1, X).graphs())
    assert beside is not None
    size = fresh_size(beside)
    (symbol,) = symbols_of(size)
    flag = size == 1
    assert isinstance(flag, torch.SymBool)
    assert list(symbols_in(size)) == [(None, symbol)]
    assert list(symbols_in(flag)) == []
    assert list(symbols_in(flag, flags=True)) == [(None, symbol)]
    with pytest.raises(TypeError, match="expected a size or a whole number"):
        expression_of(flag)
