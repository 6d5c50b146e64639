"""Nested branches, and branches with mixed sizes, in the form that TensorRT takes."""

from __future__ import annotations

import torch
from fxexport.passes.tensorrt.branches import flatten_branches, route_conditions

from fxexport.graph.ops import branch, loop
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten

WIDE = [(torch.randn(n, 3, generator=torch.Generator().manual_seed(n)),) for n in (2, 1, 5)]
WIDE += [(-x.abs(),) for (x,) in WIDE]


def chain(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 1:
        return x * 2
    elif x.max() > 0:
        return x - 1
    return -x


def flat(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.sum() > 1 else x - 1


def cropped(x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] % 2:
        x = x[:, :-1]
    return x * 2


def turned(x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] > x.shape[2]:
        x = x.transpose(1, 2)
    return x.mean(1)


def test_the_outer_condition_of_nested_branches_goes_through_a_loop() -> None:
    after = rewritten(chain, WIDE, route_conditions)
    (made,) = nodes_of(after, loop)
    assert made.args[0] == 1
    agrees_for_tensorrt(chain, WIDE)


def test_a_single_branch_needs_no_loop() -> None:
    assert not nodes_of(rewritten(flat, WIDE, route_conditions), loop)


def test_results_that_share_a_size_and_differ_in_another_leave_as_vectors() -> None:
    inputs = [(torch.randn(2, n),) for n in (5, 4, 1, 2)]
    after = rewritten(cropped, inputs, flatten_branches)
    (node,) = nodes_of(after, branch)
    assert [val.ndim for val in node.meta["val"]] == [1]
    agrees_for_tensorrt(cropped, inputs)
    turns = [(torch.randn(2, a, b),) for a, b in ((3, 5), (5, 3), (4, 4), (1, 2))]
    after = rewritten(turned, turns, flatten_branches)
    (node,) = nodes_of(after, branch)
    assert [val.ndim for val in node.meta["val"]] == [1]
    agrees_for_tensorrt(turned, turns)
