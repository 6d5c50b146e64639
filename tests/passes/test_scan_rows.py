"""Rows that a loop writes one by one become a scan output; anything else stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fxexport.passes import eliminate_dead_code, run_passes, scan_rows
from torch import fx

import fxexport
from fxexport.graph import CapturedGraph, bodies_of
from fxexport.graph.ops import branch, loop
from tests.support.harness import run_model
from tests.support.rewriting import captured

Program = Callable[[torch.Tensor], Any]
PASSES = (eliminate_dead_code, scan_rows, eliminate_dead_code)


def rows(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed + n))


INPUTS = [(rows(3),), (rows(0),), (rows(1),), (rows(7),), (-rows(4).abs(),)]


def loops(graph: CapturedGraph) -> list[tuple[fx.GraphModule, fx.Node]]:
    return [
        (m, n) for m in graph.graphs() for n in m.graph.find_nodes(op="call_function", target=loop)
    ]


def scans(graph: CapturedGraph) -> int:
    return sum(len(node.args[5]) for _, node in loops(graph) if len(node.args) > 5)


def carried(graph: CapturedGraph) -> int:
    return sum(len(node.args[3]) for _, node in loops(graph))


def every_row(x):
    out = torch.empty(x.shape[0], 4)
    for i in range(x.shape[0]):
        out[i] = torch.tanh(x[i])
    return out


def every_column(x):
    out = torch.zeros(2, x.shape[0], 3)
    for i in range(x.shape[0]):
        out[:, i] = x[i, :3] * i
    return out


def each_number(x):
    out = x.new_empty(x.shape[0], dtype=torch.float64)
    for i, row in enumerate(x):
        out[i] = row.sum()
    return out


def row_on_both_ways(x):
    out = torch.zeros(x.shape[0], 4)
    for i in range(x.shape[0]):
        if x[i].sum() > 0:
            out[i] = x[i] * 2
        else:
            out[i, 1:] = -x[i, 1:]
    return out


def row_on_one_way_alone(x):
    out = x.clone()
    for i in range(x.shape[0]):
        if x[i].sum() > 0:
            out[i] = 5.0
            if x[i, 0] > 0:
                out[i, 2] = 1.0
    return out


def row_added_to(x):
    out = x * 2
    for i in range(x.shape[0]):
        out[i] += x[i].sum()
        out[i].mul_(0.5)
    return out


def several_at_once(x):
    a, b = torch.zeros(x.shape[0], 4), torch.empty(x.shape[0], dtype=torch.int64)
    total = torch.zeros(4)
    for i in range(x.shape[0]):
        total = total + x[i]
        a[i] = total
        b[i] = i * 2
    return a, b, total


def long_and_known(x):
    out = torch.zeros(40, 4)
    for i in range(40):
        out[i] = x.sum(0) * i
    return out


KEPT: list[tuple[Program, int]] = [
    (every_row, 1),
    (every_column, 1),
    (each_number, 1),
    (row_on_both_ways, 1),
    (row_on_one_way_alone, 1),
    (row_added_to, 1),
    (several_at_once, 2),
    (long_and_known, 1),
]


@pytest.mark.parametrize(("program", "count"), KEPT, ids=lambda p: getattr(p, "__name__", p))
def test_rows_become_a_scan_output(program: Program, count: int) -> None:
    before = run_passes(captured(program, rows(3)), PASSES[:1])
    left = carried(before)
    after = run_passes(before, PASSES[1:])
    assert scans(after) == count
    assert carried(after) == left - count
    for module in after.graphs():
        module.graph.lint()
    outcome = run_model(lambda: program, INPUTS)
    assert outcome.status == "agree", outcome.details


def reads_the_row_before(x):
    out = torch.zeros(x.shape[0] + 1, 4)
    for i in range(x.shape[0]):
        out[i + 1] = torch.tanh(out[i] + x[i])
    return out


def reads_another_row(x):
    out = torch.zeros(x.shape[0], 4)
    for i in range(x.shape[0]):
        out[i] = x[i] + out[0]
    return out


def reads_the_whole(x):
    out = torch.zeros(x.shape[0], 4)
    for i in range(x.shape[0]):
        out[i] = x[i] + out.sum()
    return out


def leaves_early(x):
    out = torch.zeros(x.shape[0], 4)
    for i in range(x.shape[0]):
        if x[i].sum() > 1:
            break
        out[i] = x[i] + 1
    return out


def fewer_trips_than_rows(x):
    out = torch.zeros(x.shape[0] + 2, 4)
    for i in range(x.shape[0]):
        out[i] = x[i]
    return out


def from_the_second_on(x):
    out = torch.zeros(x.shape[0], 4)
    for i in range(1, x.shape[0]):
        out[i] = x[i]
    return out


def from_the_end(x):
    out = torch.zeros(x.shape[0], 4)
    for i in range(x.shape[0]):
        out[x.shape[0] - 1 - i] = x[i]
    return out


def another_dimension(x):
    out = torch.zeros(x.shape[0], x.shape[0])
    for i in range(x.shape[0]):
        out[i] = 1.0
        out[:, i] += 2.0
    return out


def swapped_with_another(x):
    a, b = torch.zeros(x.shape[0]), torch.ones(x.shape[0])
    for i in range(x.shape[0]):
        a = torch.where(torch.arange(x.shape[0]) == i, x[i].sum(), a)
        a, b = b, a
    return a, b


def written_in_an_inner_loop(x):
    out = torch.zeros(x.shape[0], 4)
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            out[i] += x[j]
    return out


@pytest.mark.parametrize(
    "program",
    [
        reads_the_row_before,
        reads_another_row,
        reads_the_whole,
        leaves_early,
        fewer_trips_than_rows,
        from_the_second_on,
        from_the_end,
        another_dimension,
        swapped_with_another,
        written_in_an_inner_loop,
    ],
    ids=lambda p: p.__name__,
)
def test_other_uses_stay_as_they_are(program: Program) -> None:
    after = run_passes(captured(program, rows(3)), PASSES)
    assert scans(after) == 0
    outcome = run_model(lambda: program, INPUTS)
    assert outcome.status == "agree", outcome.details


def test_the_tensor_before_the_loop_is_gone_where_no_row_of_it_is_read() -> None:
    static = fxexport.export(every_row, (rows(3),), dynamic={"x": [0]}).graph
    targets = {str(node.target) for m in static.graphs() for node in m.graph.nodes}
    assert not any("empty" in name or "scatter" in name for name in targets)


def test_a_branch_passes_rows_and_no_tensor() -> None:
    after = run_passes(captured(row_on_both_ways, rows(3)), PASSES)
    ((module, node),) = loops(after)
    (body,) = bodies_of(module, node)
    (inner,) = body.graph.find_nodes(op="call_function", target=branch)
    assert [val.dim() for val in inner.meta["val"]] == [1]
