"""What detection models do between their layers, in general form."""

from __future__ import annotations

from typing import Any

import torch

from tests.programs.program import Programs, ints, rand

PROGRAMS = Programs("detection_parts")


def loop_in_a_branch_writes_to_its_own_tensor(x: torch.Tensor, kinds: torch.Tensor) -> Any:
    if x.shape[0] > 3:
        keep = torch.zeros_like(x, dtype=torch.bool)
        for kind in torch.unique(kinds):
            own = torch.where(kinds == kind)[0]
            keep[own[x[own] > x[own].mean()]] = True
        return torch.where(keep)[0]
    return x.sort(descending=True)[1]


PROGRAMS.add(
    loop_in_a_branch_writes_to_its_own_tensor,
    (rand(6), ints(6, high=3)),
    (rand(3), ints(3, high=3)),
    (rand(9, seed=2), ints(9, high=2)),
)


def branch_in_a_branch_writes_to_its_own_tensor(x: torch.Tensor) -> Any:
    if x.sum() > 0:
        y = torch.zeros(4)
        if x.amax() > 1:
            y[0] = x.amax()
        return y
    return torch.ones(4)


PROGRAMS.add(
    branch_in_a_branch_writes_to_its_own_tensor, rand(5) + 2, rand(5) - 3, rand(1) * 0 + 0.5
)


def empty_result_of_another_rank(x: torch.Tensor) -> Any:
    count = x.shape[0]
    y = x * 2
    if count > 0:
        y = y.reshape(count, -1, 4)
    return y[..., :2].reshape(-1, 2)


PROGRAMS.add(
    empty_result_of_another_rank, rand(3, 8), rand(0, 8), rand(1, 8), dynamic={"x": {0: "n"}}
)


def empty_selection_of_another_rank(x: torch.Tensor) -> Any:
    rows = x[torch.where(x[:, 0] > 0)[0]]
    if rows.shape[0] > 0:
        rows = rows.reshape(rows.shape[0], 2, 4)
    return rows.reshape(-1, 4) + 1


PROGRAMS.add(
    empty_selection_of_another_rank,
    rand(3, 8, shift=1),
    rand(4, 8, shift=-9),
    rand(7, 8),
    dynamic={"x": {0: "n"}},
)


def other_rank_without_being_empty(x: torch.Tensor) -> Any:
    y = x * 2
    if x.shape[0] > 3:
        y = y.reshape(x.shape[0], -1, 4)
    return y.reshape(-1, 4)


PROGRAMS.add(
    other_rank_without_being_empty,
    rand(5, 8),
    rand(3, 8),
    rand(1, 8),
    dynamic={"x": {0: "n"}},
)


@torch.jit.script_if_tracing
def _best(x: torch.Tensor) -> torch.Tensor:
    if x.numel() == 0:
        return torch.zeros((0,))
    return x[x.argmax()].reshape(1)


def calls_what_is_scripted_if_tracing(x: torch.Tensor) -> Any:
    return _best(x)


PROGRAMS.add(calls_what_is_scripted_if_tracing, rand(4), rand(0), rand(1))


def number_of_a_size(x: torch.Tensor) -> Any:
    """A size that went through a tensor is still that size."""
    count = torch.tensor(x.shape[0]).item()
    return x + torch.zeros(count, 3)


PROGRAMS.add(number_of_a_size, rand(4, 3), rand(2, 3), dynamic={"x": {0: "n"}}, expect="either")
