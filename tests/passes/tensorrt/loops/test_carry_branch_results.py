"""What a branch gave is carried through a loop that reads it."""

from __future__ import annotations

import torch
from fxexport.passes.tensorrt.loops import carry_branch_results

from fxexport.graph.ops import loop
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten

INPUTS = [(torch.tensor([1.0, 2.0]),), (torch.tensor([-1.0]),), (torch.zeros(0),)]


def newton(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    start = x * 2 if x.sum() > 0 else x - 1
    y, rows, steps = start + 1, [], 0
    for i in range(x.shape[0]):
        y = y * start
        rows.append(y.sum() * i)
        steps += 1
    return y, steps


def test_a_branch_result_is_no_captured_value() -> None:
    after = rewritten(newton, INPUTS, carry_branch_results)
    (before,) = nodes_of(rewritten(newton, INPUTS), loop)
    (node,) = nodes_of(after, loop)
    assert len(node.args[3]) == len(before.args[3]) + 1
    assert len(node.args[4]) == len(before.args[4]) - 1
    agrees_for_tensorrt(newton, INPUTS)
