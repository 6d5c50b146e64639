"""What PyTorch takes for granted of its inputs is checked before it is taken for a reference."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

import fxexport
from fxexport.graph.captured import CapturedGraph
from fxexport.verify.unchecked import ReferenceChecks
from tests.support.capturing import captured


class Bags(nn.Module):
    def __init__(self, last: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.bags = nn.EmbeddingBag(10, 3, mode="sum", include_last_offset=last)

    def forward(self, x: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return self.bags(x, offsets)


X = torch.tensor([1, 2, 4, 5, 4])


@pytest.mark.parametrize(
    ("last", "offsets", "said"),
    [
        (False, [0, 2], None),
        (False, [0, 2, 2, 5], None),
        (False, [0, 3, 1], "do not ascend"),
        (True, [0, 2, 5], None),
        (True, [0, 2, 4], "the last offset"),
        (True, [0, 4, 2, 5], "do not ascend"),
    ],
)
def test_offsets_that_are_no_bags_are_no_reference(
    last: bool, offsets: list[int], said: str | None
) -> None:
    checks = ReferenceChecks(graph_without_operators())
    refused = pytest.raises(IndexError, match=said) if said else contextlib.nullcontext()
    with refused, checks(), torch.no_grad():
        Bags(last)(X, torch.tensor(offsets))


def test_checks_go_unseen_where_the_first_run_needed_none() -> None:
    checks = ReferenceChecks(graph_without_operators())
    with checks():
        torch.ones(2).sum()
    assert isinstance(checks(), contextlib.nullcontext)


@pytest.mark.parametrize("last", [False, True])
def test_bags_are_verified_on_offsets_that_are_bags(last: bool) -> None:
    inputs = (X, torch.tensor([0, 2, 5] if last else [0, 2]))
    exported = fxexport.export(Bags(last).eval(), inputs, dynamic=True)
    assert exported.report.verification is not None
    assert exported.report.verification.ok


def test_a_dtype_that_onnx_runtime_has_no_kernel_for_is_no_disagreement() -> None:
    def own(x: torch.Tensor) -> torch.Tensor:
        return torch.selu(x)

    with fxexport.register_function(own, lambda op, x: op.plain("Selu", x), torch.empty_like):
        exported = fxexport.export(lambda x: own(x), (torch.randn(3).double(),))
    verification = exported.report.verification
    assert verification is not None
    assert not verification.ran
    assert "no kernel on the CPU" in verification.message


def graph_without_operators() -> CapturedGraph:
    return captured(torch.relu, torch.ones(2)).graph
