"""Dead code goes, also inside bodies, and the outputs stay the same."""

# The programs under test are written as users write them.
# ruff: noqa: F841

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fxexport.passes import eliminate_dead_code, run_passes
from fxexport.passes.eliminate_dead_code import run
from torch import nn

import fxexport
from fxexport.graph import CapturedGraph
from fxexport.graph.ops import branch, guard, loop
from tests.support.rewriting import captured

Program = Callable[[torch.Tensor], Any]


def calls(graph: CapturedGraph, name: str) -> int:
    """How many nodes of all bodies call an operator."""
    nodes = (n for module in graph.graphs() for n in module.graph.nodes)
    return sum(n.op == "call_function" and name in str(n.target) for n in nodes)


def nodes_of(graph: CapturedGraph, target: Any) -> list[torch.fx.Node]:
    return [n for module in graph.graphs() for n in module.graph.nodes if n.target is target]


def same_results(program: Program, graph: CapturedGraph) -> None:
    for size in (2, 0, 1, 5):
        for shift in (-3.0, 0.0, 3.0):
            x = torch.randn(size, generator=torch.Generator().manual_seed(size)) + shift
            with torch.no_grad():
                expected = program(x.clone())
            expected = expected if isinstance(expected, tuple) else (expected,)
            actual = graph.run(x)
            assert len(actual) == len(expected)
            for a, e in zip(actual, expected, strict=True):
                torch.testing.assert_close(torch.as_tensor(a), torch.as_tensor(e))


def dead_branch_output(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        y, unused = x * 2, x.cos()
    else:
        y, unused = x - 1, x.sin()
    return y


def dead_branch(x: torch.Tensor) -> torch.Tensor:
    y = x.exp() if x.sum() > 0 else x.log()
    return x + 1


def dead_carried_chain(x: torch.Tensor) -> torch.Tensor:
    total, a, b = torch.zeros(()), torch.zeros(()), torch.ones(())
    for row in x:
        a, b = b.cos(), a.sin()
        total = total + row
    return total


def live_carried_chain(x: torch.Tensor) -> torch.Tensor:
    a, b, c = torch.zeros(()), torch.ones(()), torch.ones(())
    for row in x:
        a, b, c = b + row, c.cos(), a.sin()
    return a


def carried_for_the_condition(x: torch.Tensor) -> torch.Tensor:
    n, y = 0, x.sum()
    while n < x.shape[0]:
        n += 1
        y = y * 0.5
    return y


def carried_for_the_condition_alone(x: torch.Tensor) -> torch.Tensor:
    budget, n, y = x.sum() * 0 + 3, 0, x.sum()
    while budget > 0:
        budget = budget - 1
        n += 1
        y = y + 1
    return x * n


def dead_loop(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for row in x:
        total = total + row.tanh()
    return x * 2


def nested(x: torch.Tensor) -> torch.Tensor:
    total, unused = torch.zeros(()), torch.zeros(())
    for row in x:
        if row > 0:
            unused = unused + row.cos()
            total = total + row
        else:
            unused = unused.sin()
            for other in x:
                total = total + other * 0.5
                unused = unused + other.tan()
    return total


def nested_for_a_condition(x: torch.Tensor) -> torch.Tensor:
    total, budget, unused = torch.zeros(()), torch.zeros(()), torch.ones(())
    for row in x:
        for other in x:
            if budget < 3:
                budget, unused = budget + other.exp(), unused * other.tan()
            else:
                unused = unused.cos()
        if budget < 2:
            total = total + row
    return total


def nested_exchange(x: torch.Tensor) -> torch.Tensor:
    a, b, c, d = torch.zeros(()), torch.ones(()), torch.ones(()), torch.ones(())
    for row in x:
        for other in x:
            if other > row:
                a, b, c, d = b + row, a.sin(), d.cos(), c.tan()
    return a


def dead_random(x: torch.Tensor) -> torch.Tensor:
    noise = torch.rand_like(x)
    if x.sum() > 0:
        noise = noise + torch.randn_like(x)
    return x + 1


def dead_captured(x: torch.Tensor) -> torch.Tensor:
    expensive = x.tan()
    if x.sum() > 0:
        y, unused = x * 2, expensive * 2
    else:
        y, unused = x, expensive
    return y


# program -> the operators that must be gone
PROGRAMS: dict[Program, list[str]] = {
    dead_branch_output: ["cos", "sin"],
    dead_branch: ["exp", "log", "branch"],
    dead_carried_chain: ["cos", "aten.sin"],
    live_carried_chain: [],
    carried_for_the_condition: [],
    carried_for_the_condition_alone: [],
    dead_loop: ["tanh", "loop"],
    nested: ["cos", "aten.sin", "aten.tan"],
    nested_for_a_condition: ["aten.tan", "cos"],
    nested_exchange: ["aten.tan", "cos"],
    dead_random: ["rand"],
    dead_captured: ["aten.tan"],
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_dead_code_goes_and_the_results_stay(program: Program) -> None:
    graph = run(captured(program, torch.ones(2)))
    same_results(program, graph)
    for name in PROGRAMS[program]:
        assert calls(graph, name) == 0, name
    for module in graph.graphs():
        module.graph.lint()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_a_second_run_finds_nothing_more(program: Program) -> None:
    graph = run(captured(program, torch.ones(2)))
    before = str(graph)
    assert str(run(graph)) == before


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_bodies_take_and_give_only_what_is_used(program: Program) -> None:
    graph = run(captured(program, torch.ones(2)))
    for module in graph.graphs():
        if module is graph.module:
            continue
        for number, node in enumerate(module.graph.find_nodes(op="placeholder")):
            role = node.name
            used = bool(node.users)
            trip = number == 0 and node.meta.get("val") is not None
            assert used or trip or is_shared(graph, module, number), role


def is_shared(graph: CapturedGraph, body: torch.fx.GraphModule, number: int) -> bool:
    """Whether another body of the same branch uses the operand."""
    from fxexport.graph import bodies_of

    for module in graph.graphs():
        for node in module.graph.nodes:
            bodies = bodies_of(module, node)
            if body in bodies:
                others = [b.graph.find_nodes(op="placeholder")[number] for b in bodies]
                return node.target is branch and any(other.users for other in others)
    return False


def test_a_carried_value_that_only_the_condition_needs_stays() -> None:
    graph = run(captured(carried_for_the_condition_alone, torch.ones(2)))
    (node,) = nodes_of(graph, loop)
    assert len(node.args[3]) == 2  # type: ignore[arg-type]


def test_a_value_that_a_nested_condition_needs_stays() -> None:
    graph = run(captured(nested_for_a_condition, torch.ones(2)))
    assert calls(graph, "aten.exp") == 1
    assert sorted(len(node.args[3]) for node in nodes_of(graph, loop)) == [1, 2]  # type: ignore[arg-type]


def test_random_operators_that_are_used_stay() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)

    assert calls(run(captured(program, torch.ones(2))), "rand") == 1


class Weights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Parameter(torch.ones(()))
        self.unused = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * self.unused
        if x.sum() > 0:
            return x * self.used
        return x


def test_weights_that_nothing_uses_are_dropped() -> None:
    graph = run(captured(Weights(), torch.ones(2)))
    assert set(graph.weights) == {"used"}


def test_passes_run_by_name_in_order() -> None:
    graph = captured(dead_branch, torch.ones(2))
    assert run_passes(graph, []) is graph
    assert calls(graph, "branch") == 1
    assert calls(run_passes(graph, [eliminate_dead_code]), "branch") == 0


def test_an_export_runs_the_pass() -> None:
    exported = fxexport.export(dead_branch, (torch.ones(2),), verify=False)
    assert [node.op_type for node in exported.model.graph.node] == ["Add"]


def test_a_guard_that_always_holds_keeps_no_branch() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            assert x.max() > 0
        return x * 2

    graph = captured(program, torch.ones(2))
    for node in nodes_of(graph, guard):
        node.args = (True, *node.args[1:])
    assert calls(run(graph), "branch") == 0
