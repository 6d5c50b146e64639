"""F.fold in TensorRT's dialect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.support.building import agrees_and_builds

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 2, "stride": 2},
        {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 0), "dilation": (2, 1)},
    ],
)
def test_fold_builds(options: dict[str, Any], tmp_path: Path) -> None:
    def folded(x: Tensor) -> Tensor:
        columns = F.unfold(x, **options)
        return F.fold(columns.relu(), (x.shape[2], x.shape[3]), **options)

    rows = [(torch.randn(n, 3, h, w),) for n, h, w in ((2, 8, 11), (1, 7, 6), (4, 12, 13))]
    kinds = agrees_and_builds(folded, rows, tmp_path)
    assert "Col2Im" not in kinds


def test_fold_to_a_fixed_size_builds(tmp_path: Path) -> None:
    rows = [(torch.randn(n, 12, 16),) for n in (2, 1, 4)]
    agrees_and_builds(lambda x: F.fold(x, (9, 8), 2, stride=2), rows, tmp_path)
