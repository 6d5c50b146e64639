"""Rows of loops that may stop early are cut to a count."""

from __future__ import annotations

import torch
from fxexport.passes import eliminate_dead_code, scan_lists, scan_rows
from fxexport.passes.tensorrt.loops import count_scan_rows

from fxexport.graph.ops import loop
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten

INPUTS = [
    (torch.tensor([1.0, 1.0, 3.0, 1.0]),),
    (torch.tensor([1.0, 1.0]),),
    (torch.tensor([9.0, 1.0, 1.0]),),
    (torch.ones(9),),
]


def until_large(x: torch.Tensor) -> torch.Tensor:
    rows = []
    total = x.sum() * 0
    for i in range(x.shape[0]):
        total = total + x[i]
        rows.append(total * 2)
        if total > 2.5:
            break
    return torch.stack(rows)


def all_rows(x: torch.Tensor) -> torch.Tensor:
    rows = []
    for i in range(x.shape[0]):
        rows.append(x[i] * 2)
    return torch.stack(rows)


PASSES = (scan_rows, scan_lists, eliminate_dead_code)


def _collecting(graph: object) -> list[torch.fx.Node]:
    loops = nodes_of(graph, loop)  # type: ignore[arg-type]
    return [n for n in loops if len(n.meta["val"]) > len(n.args[3])]


def test_a_loop_that_may_stop_counts_its_rows() -> None:
    before = rewritten(until_large, INPUTS, *PASSES)
    after = rewritten(until_large, INPUTS, *PASSES, count_scan_rows)
    assert _collecting(before), "the program should collect rows"
    assert nodes_of(after, torch.ops.aten.slice.Tensor)
    (made,) = _collecting(after)
    (was,) = _collecting(before)
    assert len(made.args[3]) == len(was.args[3]) + 1
    agrees_for_tensorrt(until_large, INPUTS)


def test_a_loop_that_makes_all_trips_is_left_alone() -> None:
    before = rewritten(all_rows, INPUTS, *PASSES)
    after = rewritten(all_rows, INPUTS, *PASSES, count_scan_rows)
    assert str(before) == str(after)
