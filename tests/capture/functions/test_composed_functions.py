"""Functions of PyTorch captured as others: quantization in training, bags of embeddings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fxexport
from fxexport import UnsupportedError
from tests.support.harness import run_model

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(("zero_point", "low", "high"), [(0, -128, 127), (7, 0, 255), (-3, -8, 7)])
def test_fake_quantization_agrees(zero_point: int, low: int, high: int) -> None:
    scales, zeros = torch.tensor([0.1, 0.25, 0.5]), torch.tensor([zero_point] * 3).int()

    def program(x: Tensor) -> tuple[Tensor, ...]:
        whole = torch.fake_quantize_per_tensor_affine(x, 0.25, zero_point, low, high)
        return whole, torch.fake_quantize_per_channel_affine(x, scales, zeros, 1, low, high)

    rows = [
        (torch.arange(-40, 41)[:n, None] * torch.tensor([[0.125, 0.05, 1.0]]),) for n in (81, 1, 0)
    ]
    outcome = run_model(lambda: program, rows, dynamic=([0],))
    assert outcome.status == "agree", outcome.details


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 2])
def test_bags_of_embeddings_agree(mode: str, padding: int | None) -> None:
    torch.manual_seed(0)
    table = nn.EmbeddingBag(9, 4, mode=mode, padding_idx=padding)

    def program(x: Tensor, flat: Tensor, offsets: Tensor) -> tuple[Tensor, ...]:
        return table(x), table(flat, offsets)

    def row(count: int, starts: list[int]) -> tuple[Tensor, ...]:
        x = (torch.arange(count * 3) * 5 % 9).reshape(count, 3)
        return x, torch.arange(count + 4) * 2 % 9, torch.tensor(starts)

    rows = [row(3, [0, 2, 2, 5]), row(1, [0]), row(6, [0, 0, 9])]
    outcome = run_model(lambda: program, rows, dynamic=([0], [0], [0]))
    assert outcome.status == "agree", outcome.details


def test_weighed_bags_agree() -> None:
    weight = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))

    def program(x: Tensor, w: Tensor) -> Any:
        return F.embedding_bag(x, weight, per_sample_weights=w, mode="sum")

    rows = [((torch.arange(2 * n) % 9).reshape(n, 2), torch.rand(n, 2)) for n in (3, 1, 5)]
    outcome = run_model(lambda: program, rows, dynamic=({0: "n"}, {0: "n"}))
    assert outcome.status == "agree", outcome.details


def test_products_of_groups_agree() -> None:
    """What mixtures of experts are made of; the groups' ends are data, and groups may be empty."""
    experts = torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(0))

    def program(x: Tensor, ends: Tensor) -> tuple[Tensor, ...]:
        grouped = F.grouped_mm if hasattr(F, "grouped_mm") else torch._grouped_mm
        return grouped(x, experts, offs=ends), grouped(x.expand(3, -1, -1), experts)

    rows = [
        (torch.randn(n, 8, generator=torch.Generator().manual_seed(n)), torch.tensor(ends).int())
        for n, ends in ((7, [2, 2, 7]), (4, [0, 4, 4]), (8, [3, 5, 8]))
    ]
    outcome = run_model(lambda: program, rows, dynamic=([0], []))
    assert outcome.status == "agree", outcome.details


def test_grouped_products_of_a_backward_pass_are_refused() -> None:
    def program(x: Tensor, y: Tensor, ends: Tensor) -> Tensor:
        return torch._grouped_mm(x, y, offs=ends)

    given = (torch.randn(8, 4), torch.randn(4, 8), torch.tensor([2, 4]).int())
    with pytest.raises(UnsupportedError, match="grouped_mm takes rows") as error:
        fxexport.export(program, given, verify=False)
    assert error.value.location is not None


@pytest.mark.parametrize("ends", [(0, 4), (-1.5, 0.5), (0, 0), (2, 2)])
def test_histograms_agree(ends: tuple[float, float]) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        return torch.histc(x, 5, *ends), x.histc(bins=4, min=ends[0], max=ends[1])

    values = torch.tensor([0.0, 0.5, 1.0, 4.0, 3.9, -1.5, -2.0, 7.0, 0.5])
    rows = [(values[:n],) for n in (9, 1, 0, 5)] + [(torch.full((3,), 0.25),)]
    outcome = run_model(lambda: program, rows, dynamic=([0],))
    assert outcome.status == "agree", outcome.details
