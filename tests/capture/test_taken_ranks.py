"""An empty tensor takes the other path's rank only where that does not show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import fxexport
from fxexport.graph import branch
from fxexport.graph.unranked import UnrankedVal
from tests.support.capturing import captured
from tests.support.rewriting import nodes_of


def _pairs(x: torch.Tensor) -> torch.Tensor:
    y = x[x > 0]
    return torch.stack([y, y], 1) if y.numel() > 0 else y.new_zeros(0)


def _flat(x: torch.Tensor) -> torch.Tensor:
    return (_pairs(x) * 2).reshape(-1)


def _beside_others(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([_pairs(x), torch.ones(1, 2)])


@pytest.mark.parametrize("program", [_flat, _beside_others])
def test_where_it_does_not_show_there_is_one_tensor(
    program: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    exported = captured(program, torch.randn(5))
    assert len(nodes_of(exported.graph, branch)) == 1
    assert any("without elements" in one.message for one in exported.report.findings)


def test_a_result_has_both_ranks() -> None:
    exported = captured(_pairs, torch.randn(5))
    (output,) = exported.graph.module.graph.find_nodes(op="output")
    assert isinstance(output.args[0][0].meta["val"], UnrankedVal)


def test_strict_outputs_refuse_two_ranks() -> None:
    with pytest.raises(fxexport.UnsupportedError):
        fxexport.export(_pairs, (torch.randn(5),), dynamic=True, outputs="strict", verify=False)
