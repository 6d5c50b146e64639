"""What a file says about sizes is true, on both sides of its promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fxexport
from fxexport.errors import FxExportError
from tests.support.kept_promises import kept


class Model(nn.Module):
    """Some layers, and a forward that is given."""

    def __init__(self, body: Callable[..., Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = body
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 4)
        self.conv = nn.Conv2d(3, 4, 3)
        self.batch = nn.BatchNorm1d(3)
        self.instance = nn.InstanceNorm1d(3)
        self.group = nn.GroupNorm(1, 3)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.body(self, x) if y is None else self.body(self, x, y)


@dataclass(frozen=True)
class Case:
    """A program with the sizes that it is exported and tried at.

    Attributes:
        body: the program.
        sizes: shapes of its inputs; the first is the example.
        dynamic: the named dimensions.
        relations: what the contract says of them.
    """

    body: Callable[..., Tensor]
    sizes: Sequence[Sequence[tuple[int, ...]]]
    dynamic: dict[str, dict[int, str]]
    relations: tuple[str, ...] = ()

    def inputs(self) -> list[tuple[Tensor, ...]]:
        """Positive and negative values of each size."""
        make = torch.Generator().manual_seed(1)
        rows = []
        for shapes in self.sizes:
            positive = tuple(torch.rand(shape, generator=make) + 0.1 for shape in shapes)
            rows += [positive, tuple(-x for x in positive)]
        return rows


def linear_after_a_branch(m: Any, x: Tensor) -> Tensor:
    if x.sum() > 0:
        x = m.a(x).relu()
    return m.b(x)


def matmul_after_a_branch(m: Any, x: Tensor) -> Tensor:
    if x.sum() > 0:
        x = x + 1 if x.shape[1] == 8 else x
    return x @ torch.ones(8, 3)


def cat_after_a_branch(m: Any, x: Tensor) -> Tensor:
    if x.sum() > 0:
        x = x[:, :8] * 2
    return torch.cat([x, torch.ones(2, 8)], 0)


def linear_after_a_cut(m: Any, x: Tensor) -> Tensor:
    if x.sum() > 0:
        x = x[:, :8] * 2
    return m.b(x)


def convolution_after_a_branch(m: Any, x: Tensor) -> Tensor:
    if x.sum() > 0:
        x = x[:, :3]
    return m.conv(x)


def view_in_a_branch(m: Any, x: Tensor) -> Tensor:
    y = x.sum(1)
    if x.sum() > 0:
        y = x.reshape(2, -1, 4).sum((1, 2))
    return y


def made_even(m: Any, x: Tensor) -> Tensor:
    x = F.pad(x, (0, 0, 0, x.shape[1] % 2))
    return x[:, 0::2] + x[:, 1::2]


def rolled(m: Any, x: Tensor) -> Tensor:
    shift = 0 if x.shape[1] <= 7 else 3
    return torch.roll(x, (-shift,), (1,))


def batch_norm_of_padded(m: Any, x: Tensor) -> Tensor:
    return m.batch(F.pad(x, (0, 1 if x.shape[-1] % 2 == 0 else 2)))


def instance_norm_of_padded(m: Any, x: Tensor) -> Tensor:
    return m.instance(F.pad(x, (0, 1 if x.shape[-1] % 2 == 0 else 2)))


def group_norm_of_padded(m: Any, x: Tensor) -> Tensor:
    return m.group(F.pad(x, (0, 1 if x.shape[-1] % 2 == 0 else 2)))


def view_of_padded(m: Any, x: Tensor) -> Tensor:
    if x.shape[2] % 2:
        x = F.pad(x, (0, 0, 0, 1))
    return x.view(2, 3, -1, 2, 6).sum(3)


def pooled_to_two(m: Any, x: Tensor) -> Tensor:
    if x.shape[2] % 2:
        x = F.pad(x, (0, 1))
    return F.adaptive_avg_pool1d(x, 2)


def pooled_with_the_last_window(m: Any, x: Tensor) -> Tensor:
    return F.max_pool2d(F.max_pool2d(x, 3, 2, ceil_mode=True), 3, 2, ceil_mode=True)


def pooled_to_a_share(m: Any, x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, (int(x.shape[2] * 0.5 + 1), 3))


def unpooled(m: Any, x: Tensor) -> Tensor:
    y, where = F.max_pool2d(x, 2, 2, return_indices=True)
    return F.max_unpool2d(y, where, 2, 2)


def resized_smoothly(m: Any, x: Tensor) -> Tensor:
    size = (x.shape[2] // 2, x.shape[3] // 2)
    return F.interpolate(x, size=size, mode="bicubic", antialias=True)


def in_fours(m: Any, x: Tensor) -> Tensor:
    return F.pad(x, (0, 0, 0, -x.shape[0] % 4)).view(-1, 4, 8).sum(1)


def in_fours_by_ceiling(m: Any, x: Tensor) -> Tensor:
    count = math.ceil(x.shape[1] / 4)
    return F.pad(x, (0, count * 4 - x.shape[1])).reshape(2, count, 4).sum(-1)


def added_where_sizes_meet(m: Any, x: Tensor, y: Tensor) -> Tensor:
    if x.shape[0] == y.shape[0]:
        return x + y
    return y - 1


def state_of_one(m: Any, x: Tensor) -> Tensor:
    state = torch.zeros(2, 1)
    if x.size(0) == 1:
        state = state + x.sum(1, keepdim=True)
    return state


def reshaped_under_an_if(m: Any, x: Tensor) -> Tensor:
    keep = int((x > -9).sum()) // 8
    y = x.sum((1, 2), keepdim=True).expand(2, 2, 2)
    if keep > 0:
        x = x[:, :keep]
        y = x.reshape(2, x.shape[1], -1, 2).sum(1)
    return y


def padded_to_the_same(m: Any, x: Tensor) -> Tensor:
    h, w = x.shape[-2:]
    ph = max((math.ceil(h / 2) - 1) * 2 + 3 - h, 0)
    pw = max((math.ceil(w / 2) - 1) * 2 + 3 - w, 0)
    x = F.pad(x, (pw // 2, pw - pw // 2, ph // 2, ph - ph // 2))
    x = F.conv2d(x, torch.ones(4, 3, 3, 3), stride=2)
    return F.batch_norm(x, torch.zeros(4), torch.ones(4))


def cut_in_a_loop_without_a_use(m: Any, x: Tensor) -> Tensor:
    for _ in x:
        cut = x[1:][:, :2]  # noqa: F841
    return x * 2


def cut_in_a_branch_without_a_use(m: Any, x: Tensor) -> Tensor:
    if x.shape[0] >= 2:
        made = x.new_zeros(x.shape[0] - 2, 3)  # noqa: F841
    return x * 2


def differences(m: Any, x: Tensor) -> Tensor:
    return x.diff(dim=1)


def windows(m: Any, x: Tensor) -> Tensor:
    """Attention in shifted windows, as Swin's."""
    b, h, w, c = x.shape
    x = F.pad(x, (0, 0, 0, -w % 4, 0, -h % 4))
    high, wide = x.shape[1:3]
    shift = [0 if high <= 4 else 2, 0 if wide <= 4 else 2]
    if sum(shift) > 0:
        x = torch.roll(x, (-shift[0], -shift[1]), (1, 2))
    x = x.view(b, high // 4, 4, wide // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
    x = x @ x.transpose(1, 2) @ x
    x = x.view(b, high // 4, wide // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5)
    x = x.reshape(b, high, wide, c)
    if sum(shift) > 0:
        x = torch.roll(x, (shift[0], shift[1]), (1, 2))
    return x[:, :h, :w, :].contiguous()


def four(*sides: int) -> list[list[tuple[int, ...]]]:
    return [[(2, 3, side, 13 - side // 2)] for side in sides]


N, W, H, HW = {"x": {0: "n"}}, {"x": {2: "w"}}, {"x": {1: "h"}}, {"x": {2: "h", 3: "w"}}
CASES = [
    Case(cat_after_a_branch, [[(2, 8)], [(2, 12)], [(2, 5)]], H),
    Case(linear_after_a_cut, [[(2, 8)], [(2, 12)], [(2, 5)]], H),
    Case(convolution_after_a_branch, [[(1, 3, 6, 6)], [(1, 5, 6, 6)], [(1, 2, 6, 6)]], H),
    Case(view_in_a_branch, [[(2, 8)], [(2, 12)], [(2, 6)], [(2, 4)]], H),
    Case(made_even, [[(2, 7, 6)], [(2, 6, 6)], [(2, 1, 6)], [(2, 2, 6)]], H),
    Case(rolled, [[(2, 9)], [(2, 5)], [(2, 7)], [(2, 8)], [(2, 1)]], H),
    Case(batch_norm_of_padded, [[(2, 3, 7)], [(2, 3, 8)], [(2, 3, 1)]], W),
    Case(instance_norm_of_padded, [[(2, 3, 7)], [(2, 3, 8)], [(2, 3, 1)]], W),
    Case(group_norm_of_padded, [[(2, 3, 7)], [(2, 3, 8)], [(2, 3, 1)]], W),
    Case(view_of_padded, [[(2, 3, 7, 6)], [(2, 3, 8, 6)], [(2, 3, 1, 6)]], W),
    Case(pooled_to_two, [[(2, 3, 7)], [(2, 3, 8)], [(2, 3, 1)]], W),
    Case(pooled_with_the_last_window, four(11, 9, 8, 4, 3), HW, ("h >= 4", "w >= 4")),
    Case(pooled_to_a_share, four(11, 8, 3, 0), HW, ("h >= 1", "w >= 1")),
    Case(unpooled, four(12, 8, 2, 1), HW, ("h >= 2", "w >= 2")),
    Case(resized_smoothly, four(11, 8, 2, 1), HW, ("h >= 2", "w >= 2")),
    Case(in_fours, [[(4, 8)], [(5, 8)], [(1, 8)], [(0, 8)]], N),
    Case(in_fours_by_ceiling, [[(2, 16)], [(2, 9)], [(2, 1)]], H),
    Case(
        added_where_sizes_meet,
        [[(4, 8), (4, 8)], [(3, 8), (5, 8)], [(1, 8), (4, 8)], [(1, 8), (1, 8)]],
        {"x": {0: "n"}, "y": {0: "k"}},
    ),
    Case(state_of_one, [[(2, 4)], [(1, 4)], [(3, 4)]], N),
    Case(reshaped_under_an_if, [[(2, 6, 4)], [(2, 8, 4)], [(2, 1, 4)]], H),
    Case(cut_in_a_loop_without_a_use, [[(3, 4)], [(1, 4)], [(0, 4)]], N),
    Case(cut_in_a_branch_without_a_use, [[(3, 4)], [(2, 4)], [(1, 4)], [(0, 4)]], N),
    Case(differences, [[(2, 6)], [(2, 2)], [(2, 1)], [(2, 0)]], H),
    Case(padded_to_the_same, four(10, 7, 1), HW),
    Case(windows, [[(1, 9, 9, 4)], [(1, 8, 8, 4)], [(1, 13, 3, 4)]], {"x": {1: "h", 2: "w"}}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.body.__name__)
def test_a_named_dimension_is_as_free_as_in_pytorch(case: Case) -> None:
    model = Model(case.body).eval()
    example, *others = case.inputs()
    exported = fxexport.export(model, example, dynamic=case.dynamic, verify=False)
    text = {constraint.text for constraint in exported.graph.constraints}
    assert text == set(case.relations)
    assert kept(exported, model, [example, *others]) == ""


@pytest.mark.parametrize("body", [linear_after_a_branch, matmul_after_a_branch])
def test_what_both_paths_need_is_in_the_contract(body: Callable[..., Tensor]) -> None:
    model = Model(body).eval()
    exported = fxexport.export(model, (torch.rand(2, 8),), dynamic=True)
    assert exported.graph.inputs[0].shape[1] == 8
    rows = [(sign * torch.rand(n, k),) for n, k in ((2, 8), (5, 8), (2, 5)) for sign in (1, -1)]
    assert kept(exported, model, rows) == ""


@pytest.mark.parametrize("body", [linear_after_a_branch, matmul_after_a_branch])
def test_a_named_dimension_that_both_paths_fix_is_refused(body: Callable[..., Tensor]) -> None:
    model = Model(body).eval()
    with pytest.raises(FxExportError, match="needs it to be 8") as refusal:
        fxexport.export(model, (torch.rand(2, 8),), dynamic={"x": {1: "h"}})
    assert refusal.value.location is not None
