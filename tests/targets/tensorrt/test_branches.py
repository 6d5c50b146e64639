"""Branches and loops that TensorRT's builder does not take as they are written: they build."""

# ruff: noqa: SIM102, SIM108 (programs under test are written as users write them)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fxexport.passes.tensorrt.loops import loops_of_one_iteration

import fxexport
import fxexport.tensorrt
from fxexport.graph.ops import branch, loop
from tests.support.building import agrees_and_builds
from tests.support.rewriting import nodes_of, rewritten

X = torch.tensor([[1.0, 2.0, 0.5, -1.0], [0.5, -2.0, 1.5, 3.0], [-1.0, 0.25, 2.0, 1.0]])
ROWS = [(X,), (X[:1] - 3,), (torch.cat([X, X + 1, X[:1]]),)]
V = torch.tensor([0.25, -0.5, 1.5, 2.0])
W = torch.eye(4) * 0.5
PAIRS = [(X, V), (X[:1], -V), (torch.cat([X, X - 1, X[:1]]), V + 1)]


def threshold_is_an_input(x: torch.Tensor, v: torch.Tensor) -> Any:
    return x[x[:, 0] > v[0]]


def size_from_a_static_input(x: torch.Tensor, v: torch.Tensor) -> Any:
    n = int((v > 0).sum())
    return x[:n], x[n:]


def size_from_a_branch(x: torch.Tensor, v: torch.Tensor) -> Any:
    n = 2
    if v.sum() > 2:
        n = int(v.abs().sum())
    return x[:n]


def other_sizes_beside_a_loop(x: torch.Tensor) -> Any:
    total = x.sum(0)
    if total[2] >= 2:
        rows = torch.cat([x[:2], x[:2]])
    else:
        rows = torch.cat([x[:2], total.unsqueeze(0)])
    for _ in range(x.shape[0]):
        total = total * 0.5
    return rows.sum(0), total


def constants_from_nested_branches(x: torch.Tensor) -> Any:
    if x.numel() > 8:
        if not (x.sum(0) > -0.4).any():
            return x[0, 0] < -1, x * 0.5
    return bool(x.shape[0] > 1 and x[1, 2] > -0.5), torch.sin(x)


def returns_on_the_first_trip(x: torch.Tensor, v: torch.Tensor) -> Any:
    for _ in range(3):
        y = x * v
        n = 0
        while n < 4 and (y.shape[0] > 1 and y[1, 2] > 0.25):
            n += 1
            return y
    return torch.tanh(x)


def sizes_that_must_be_equal(x: torch.Tensor, y: torch.Tensor) -> Any:
    if x.shape[0] == y.shape[0]:
        return x + y
    return x.sum(0) + y


def size_that_must_be_one(x: torch.Tensor, y: torch.Tensor) -> Any:
    if x.shape[0] == 1:
        return (x + y).sum(0)
    return x.sum(0) - y.sum(0)


def size_that_must_be_even(x: torch.Tensor) -> Any:
    n = x.shape[0]
    return x.view(n // 2, 2, 4).sum(1) if n % 2 == 0 else x


def rows_that_must_be_there(x: torch.Tensor, v: torch.Tensor) -> Any:
    if x.shape[0] < 4:
        return v * 2
    return x[:4] @ v


def sizes_computed_in_floats(x: torch.Tensor) -> Any:
    height, width = x.shape
    scale = 8 / min(height, width)
    if scale > 2.0:
        size = (int(height * scale), int(width * scale))
        return F.interpolate(x[None, None], size=size, mode="nearest")[0, 0]
    return x


def topk_of_what_is_left(x: torch.Tensor, v: torch.Tensor) -> Any:
    rows = x[x[:, 0] > v[0]]
    if rows.shape[0] == 0:
        return torch.zeros(0, 4)
    return rows.topk(min(2, rows.shape[0]), dim=0).values


def loop_in_a_branch_reads_a_part(x: torch.Tensor, v: torch.Tensor) -> Any:
    if v[0] > 0:
        y = x @ W
        for _ in range(x.shape[0]):
            y = y * x[1:].sum()
        return torch.tanh(y)
    return x * 2


def loop_in_a_branch_sorts_and_makes_tensors(x: torch.Tensor, v: torch.Tensor) -> Any:
    best, count = v, 0
    if v[0] > 0:
        y = x @ W
        for _ in range(x.shape[0]):
            z = torch.sort(y + torch.ones(y.shape[0], 1), dim=0).values[0]
            if z.sum() > 6:
                best = z
                break
            y = y + 1
            count += 1
    return best, count


def loops_in_branches_of_a_loop(x: torch.Tensor, v: torch.Tensor) -> Any:
    for k in range(3):
        if x.sum() > k:
            y = x @ W
            for _ in range(x.shape[0]):
                y = y + x[1:].mean()
            x = y - v
    return x


def beams(x: torch.Tensor, v: torch.Tensor) -> Any:
    kept = [(v, 0.0)]
    for i in range(x.shape[0]):
        new = []
        for state, score in kept:
            new.append((state + x[i], score + state.sum()))
            if x[i, 0] > 0:
                new.append((state * 0.5, score - 1.0))
        kept = new[:3]
    return kept[-1][0], kept[-1][1], len(kept)


def beams_that_stop(x: torch.Tensor, v: torch.Tensor) -> Any:
    kept = [v]
    for row in x:
        new = [row]
        for state in kept:
            if state.sum() > 3:
                break
            new.append(state + row)
        kept = new[-3:]
    return torch.stack(kept).sum(0), len(kept)


OTHERS = [(X, X[:2]), (X, X + 1), (X[:1], torch.cat([X, X])), (X[:2], X[:2])]
EVEN = [(X,), (X[:2],), (X[:1],), (torch.cat([X, X]),)]
PROGRAMS = [
    (threshold_is_an_input, PAIRS),
    (size_from_a_static_input, PAIRS),
    (size_from_a_branch, PAIRS),
    (other_sizes_beside_a_loop, ROWS),
    (constants_from_nested_branches, ROWS),
    (returns_on_the_first_trip, PAIRS),
    (sizes_that_must_be_equal, OTHERS),
    (size_that_must_be_one, OTHERS),
    (size_that_must_be_even, EVEN),
    (rows_that_must_be_there, PAIRS),
    (sizes_computed_in_floats, [(X,), (torch.cat([X, X]),), (torch.rand(3, 9),)]),
    (topk_of_what_is_left, PAIRS),
    (loop_in_a_branch_reads_a_part, PAIRS),
    (loop_in_a_branch_sorts_and_makes_tensors, PAIRS),
    (loops_in_branches_of_a_loop, PAIRS),
    (beams, PAIRS),
    (beams_that_stop, PAIRS),
]


@pytest.mark.parametrize(("program", "rows"), PROGRAMS, ids=lambda v: getattr(v, "__name__", ""))
def test_it_agrees_and_builds(program: Any, rows: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    agrees_and_builds(program, rows, tmp_path)


def test_a_loop_of_one_iteration_is_a_branch() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        while x.sum() > 0:
            return x * 2
        return x - 1

    rows = [(torch.tensor([1.0]),), (torch.tensor([-1.0]),)]
    graph = rewritten(program, rows, loops_of_one_iteration)
    assert not nodes_of(graph, loop)
    assert nodes_of(graph, branch)


def test_equal_sizes_that_only_names_can_say_are_refused_with_the_way_out() -> None:
    def program(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            if y.sum() > 0:
                return x + y
            return x * 3
        return x - 1

    pair = (torch.ones(2), torch.ones(2))
    with pytest.raises(fxexport.tensorrt.RefusedError, match="tensors of other sizes") as caught:
        fxexport.export(program, pair, dynamic=True, target="tensorrt", verify=False)
    assert caught.value.location is not None
    assert "--dynamic" in caught.value.hint
    named = {"x": {0: "n"}, "y": {0: "n"}}
    fxexport.export(program, pair, dynamic=named, target="tensorrt", verify=False)


def test_resizing_in_a_branch_to_a_size_from_floats_is_refused() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        if max(height, width) > 12:
            scale = 12 / max(height, width)
            size = (int(height * scale), int(width * scale))
            x = F.interpolate(x, size=size, mode="bilinear")
        return x

    image = torch.rand(1, 1, 8, 9)
    with pytest.raises(fxexport.tensorrt.RefusedError, match="computed in floats"):
        fxexport.export(program, (image,), dynamic=True, target="tensorrt", verify=False)
