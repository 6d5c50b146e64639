"""Tensors that grow in loops become buffers with a count."""

from __future__ import annotations

import torch
from fxexport.passes import eliminate_dead_code
from fxexport.passes.tensorrt.loops import append_to_buffers

from fxexport.graph.ops import loop
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten

cat = torch.ops.aten.cat.default
BOTH = (append_to_buffers, eliminate_dead_code)


def kept(x: torch.Tensor) -> torch.Tensor:
    found = x[:0]
    for i in range(x.shape[0]):
        if x[i, 0] > 0:
            found = torch.cat([found, x[i].unsqueeze(0)])
    return found * 2


def columns(x: torch.Tensor, steps: int) -> torch.Tensor:
    y = x.unsqueeze(1)
    for i in range(steps):
        y = torch.cat([y, (x * i).unsqueeze(1)], dim=1)
    return y


def looks_back(x: torch.Tensor) -> torch.Tensor:
    seen = x[:0]
    for i in range(x.shape[0]):
        total = x[i]
        for j in range(seen.shape[0]):
            total = total + seen[j] * 0.5
        if seen.shape[0] > 2:
            total = total + seen[-1]
        seen = torch.cat([seen, total.unsqueeze(0)])
    return seen


def grows_at_the_front(x: torch.Tensor) -> torch.Tensor:
    y = x[:0]
    for i in range(x.shape[0]):
        y = torch.cat([x[i : i + 1], y])
    return y


def doubled(x: torch.Tensor) -> torch.Tensor:
    y = x
    for _ in range(x.shape[0]):
        y = torch.cat([y, y])
    return y


def _rows(*sizes: int) -> list[tuple[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(n, 3, generator=generator),) for n in sizes]


def test_rows_that_a_branch_appends_are_written_into_a_buffer() -> None:
    inputs = _rows(4, 1, 9, 0)
    after = rewritten(kept, inputs, *BOTH)
    assert not nodes_of(after, cat, root=False)
    assert nodes_of(after, torch.ops.aten.index_copy.default, root=False)
    agrees_for_tensorrt(kept, inputs)


def test_another_dimension_may_grow_from_something() -> None:
    x = torch.arange(4.0)
    inputs = [(x, 3), (x, 0), (x[:1], 1), (x, 7)]
    after = rewritten(columns, inputs, *BOTH)
    assert not nodes_of(after, cat, root=False)
    agrees_for_tensorrt(columns, inputs)


def test_single_rows_are_read_from_the_start_and_from_the_end() -> None:
    inputs = [(torch.randn(n, generator=torch.Generator().manual_seed(n)),) for n in (5, 0, 1, 8)]
    after = rewritten(looks_back, inputs, *BOTH)
    assert not nodes_of(after, cat, root=False)
    agrees_for_tensorrt(looks_back, inputs)


def test_what_grows_otherwise_is_left_alone() -> None:
    for program in (grows_at_the_front, doubled):
        inputs = [(torch.arange(3.0),), (torch.arange(1.0),), (torch.zeros(0),)]
        before = rewritten(program, inputs)
        after = rewritten(program, inputs, append_to_buffers)
        assert str(before) == str(after)
        assert nodes_of(after, loop)
