"""The loss of a linear layer is captured as one, whatever its pieces of the batch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.support.harness import run_model

pytest.importorskip("onnxruntime")


@pytest.mark.skipif(
    not hasattr(torch.nn, "LinearCrossEntropyOptions"), reason="PyTorch has no such loss yet"
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_loss_in_pieces_takes_any_batch(reduction: str) -> None:
    options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2, chunking_method=None)

    def program(x: Tensor, weight: Tensor, target: Tensor) -> Tensor:
        return F.linear_cross_entropy(x, weight, target, reduction=reduction, options=options)

    torch.manual_seed(0)
    rows = [(torch.randn(n, 3), torch.randn(7, 3), torch.arange(n) % 7) for n in (4, 1, 9)]
    outcome = run_model(lambda: program, rows, dynamic=({0: "n"}, {}, {0: "n"}))
    assert outcome.status == "agree", outcome.details
