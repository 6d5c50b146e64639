"""Loops, masks and branches of other sizes leave the branches around them."""

from __future__ import annotations

import torch
from fxexport.passes import eliminate_dead_code, run_passes
from fxexport.passes.tensorrt.branches import (
    cut_to_nothing,
    hoist_branches,
    hoist_masks,
    select_numbers,
)
from fxexport.passes.tensorrt.loops import hoist_loops

from fxexport.graph.ops import branch, loop
from tests.support.rewriting import agrees_for_tensorrt, captured, nodes_of, rewritten

index = torch.ops.aten.index.Tensor
reshape = torch.ops.aten.reshape.default
UP, DOWN = torch.tensor([1.0, 2.0, -0.5, 3.0]), torch.tensor([-1.0, -2.0])
INPUTS = [(UP,), (DOWN,), (torch.tensor([0.25]),), (torch.tensor([2.0, 0.1, 0.2]),)]


def loop_in_branch(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        for i in range(x.shape[0]):
            x = x + 1 if x[i] > 1 else x * 0.5
        return x
    return x - 1


def loop_in_else(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        return x - 1
    while x.sum() < 3:
        x = x + 1
    return x


def mask_in_branch(x: torch.Tensor) -> torch.Tensor:
    return x[x > 0] * 2 if x.sum() > 0.5 else x


def nothing_or_the_best(x: torch.Tensor) -> torch.Tensor:
    keep = x > 0.15
    if not keep.any():
        return torch.zeros((0,))
    found = x[keep]
    if found.shape[0] > 2:
        found = found.topk(2).values
    return found.clamp(max=2.5)


def may_fail_elsewhere(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] == 4:
        y = x.reshape(2, 2)
        for i in range(2000):
            y = y + y.sum() * 1e-9 * i
        return y.reshape(-1)
    return x


def starts_from_a_size_of_the_data(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        rows = x[x[:, 0] > 0] @ torch.ones(2, 2)
        for i in range(x.shape[0]):
            rows = rows * 0.5 + i
        return rows.sum(0)
    return x.sum(0)


def loops_in_a_row(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    count = 3
    if x.sum() > 0:
        x = x - 1
        if x[0, 0] > -0.5:
            x = x @ torch.ones(2, 2)
            for _ in range(x.shape[0]):
                x = x * 0.5 + x[1:].sum()
            x = x @ torch.ones(2, 2)
            count = 0
            while x.sum() < 90 and count < 9:
                x = x + torch.ones(x.shape[0], 1)
                count += 1
    return x, count


def test_a_loop_of_a_branch_makes_no_trip_elsewhere() -> None:
    for program in (loop_in_branch, loop_in_else):
        before = rewritten(program, INPUTS)
        assert nodes_of(before, loop, root=False)
        after = rewritten(program, INPUTS, hoist_loops, eliminate_dead_code)
        assert nodes_of(after, loop, root=True)
        assert not nodes_of(after, loop, root=False)
        agrees_for_tensorrt(program, INPUTS)


def test_a_mask_is_applied_before_the_branch() -> None:
    after = rewritten(mask_in_branch, INPUTS, hoist_masks, eliminate_dead_code)
    assert nodes_of(after, index, root=True)
    assert not nodes_of(after, index, root=False)
    agrees_for_tensorrt(mask_in_branch, INPUTS)


def test_a_detection_tail_has_one_branch_left() -> None:
    names = (hoist_masks, hoist_branches, cut_to_nothing, eliminate_dead_code)
    after = rewritten(nothing_or_the_best, INPUTS, *names)
    assert len(nodes_of(after, branch, root=True)) == 1
    assert not nodes_of(after, branch, root=False)
    agrees_for_tensorrt(nothing_or_the_best, INPUTS)


def test_what_could_fail_on_the_other_way_stays_in_a_branch() -> None:
    inputs = [(UP,), (torch.arange(3.0),)]
    after = rewritten(may_fail_elsewhere, inputs, hoist_loops, hoist_masks, hoist_branches)
    assert nodes_of(after, loop, root=True)
    assert not nodes_of(after, reshape, root=True)
    agrees_for_tensorrt(may_fail_elsewhere, inputs)


def test_loops_that_start_from_a_size_of_the_data_stay() -> None:
    inputs = [(UP.reshape(2, 2),), (DOWN.reshape(1, 2),)]
    before, after = (
        rewritten(starts_from_a_size_of_the_data, inputs, *names) for names in ((), (hoist_loops,))
    )
    assert nodes_of(before, loop, root=False)
    assert str(before) == str(after)


def test_loops_that_start_from_random_numbers_stay() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            y = torch.rand_like(x) * 2
            z = y
            for i in range(x.shape[0]):
                z = z + i
            return z - y
        return x * 0

    graph = run_passes(captured(program, UP), (hoist_loops, eliminate_dead_code))
    assert not nodes_of(graph, loop, root=True)


def test_what_the_way_needs_beside_its_loop_is_computed_once() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            y = (x @ torch.ones(2, 2)).relu()
            z = y
            for i in range(x.shape[0]):
                z = z * 0.5 + i
            return z - y
        return x

    inputs = [(UP.reshape(2, 2),), (DOWN.reshape(1, 2),)]
    after = rewritten(program, inputs, hoist_loops, eliminate_dead_code)
    assert nodes_of(after, loop, root=True)
    assert len(nodes_of(after, torch.ops.aten.matmul.default)) == 1


def test_the_operands_of_the_branch_before_a_loop_have_names_of_their_own() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            y, z = x[1:] @ torch.ones(2, 2), x[2:] @ torch.ones(2, 2)
            for i in range(max(x.shape[0] - 1, 0)):
                y = y * 0.5 + z.sum() + i
            for _ in range(max(x.shape[0] - 2, 0)):
                z = z @ torch.ones(2, 2) + y.sum()
            return torch.cat([y, z])
        return x

    inputs = [(UP.reshape(2, 2),), (DOWN.reshape(1, 2),), (UP.repeat(2).reshape(4, 2),)]
    after = rewritten(program, inputs, hoist_loops, eliminate_dead_code)
    assert len(nodes_of(after, loop, root=True)) == 2
    for module in after.graphs():
        targets = [place.target for place in module.graph.find_nodes(op="placeholder")]
        assert len(set(targets)) == len(targets)


def test_several_loops_leave_branches_in_branches() -> None:
    inputs = [(UP.reshape(2, 2),), (DOWN.reshape(1, 2),), (-UP.reshape(2, 2),)]
    after = rewritten(loops_in_a_row, inputs, hoist_loops, eliminate_dead_code)
    assert len(nodes_of(after, loop, root=True)) == 2
    assert not nodes_of(after, loop, root=False)
    assert not nodes_of(after, torch.ops.aten.matmul.default, root=True)
    agrees_for_tensorrt(loops_in_a_row, inputs)


def divides(x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    quotient = 7 // n if n > 0 else n
    return x + quotient


def test_no_division_by_an_integer_moves() -> None:
    inputs = [(UP, torch.tensor(2)), (UP, torch.tensor(0))]
    after = rewritten(divides, inputs, select_numbers, hoist_loops, eliminate_dead_code)
    assert nodes_of(after, branch, root=True)
    agrees_for_tensorrt(divides, inputs)
