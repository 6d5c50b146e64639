"""Views of tensors that do not lie in order, with sizes that are not known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import fxexport
from tests.support.complex_values import check


def taken_apart(x: Tensor) -> tuple[Tensor, Tensor]:
    y = (x * 2).transpose(0, 1)
    return y.view(x.shape[1], x.shape[0] // 2, 2, x.shape[2]), y * 1


def put_together(x: Tensor) -> Tensor:
    y = (x * 2).reshape(x.shape[0], -1, 1, 3).permute(0, 3, 1, 2)
    return y.view(x.shape[0], 3, x.shape[1])


def written(x: Tensor) -> Tensor:
    y = (x * 2).transpose(0, 1)
    y.view(x.shape[1], x.shape[0] // 2, 2, x.shape[2])[:, :, 0] = 0
    return y


@pytest.mark.parametrize("program", [taken_apart, put_together, written])
def test_views_need_no_branch(program: Callable[..., object]) -> None:
    rows = [(torch.randn(n, m, 3),) for n, m in ((4, 5), (2, 1), (6, 2))]
    check(program, *rows)
    graph = fxexport.export(program, rows[0], dynamic=True).graph
    assert "graph.ops.loop" not in str(graph)
    assert len(list(graph.graphs())) <= 3  # the contract's branch alone


def test_what_is_no_view_raises_as_in_pytorch() -> None:
    def wrong(x: Tensor) -> Tensor:
        return (x * 2).transpose(0, 1).view(x.shape[1], x.shape[0], 2)

    with pytest.raises(fxexport.FxExportError):
        fxexport.export(wrong, (torch.randn(4, 5, 3),), dynamic={"x": {0: "n", 1: "m"}})
