"""Branches that decide nothing: both ways are equal, or one has nothing where it is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.building import agrees_and_builds


def reshaped(x: Tensor) -> Tensor:
    kept = x[x[:, 0] > 0]
    if kept.shape[0] > 0:
        kept = kept.reshape(kept.shape[0], -1)
    return kept * 2


def nothing_made(x: Tensor) -> Tensor:
    kept = x[x[:, 0] > 0]
    count = kept.shape[0]
    found = kept.reshape(count, -1, 2) if count > 0 else torch.zeros(count, 3, 2)
    return found + 1


def nothing_first(x: Tensor) -> Tensor:
    kept = x[x[:, 0] > 0]
    count = kept.shape[0]
    found = torch.zeros(count, 6) if count == 0 else kept.relu()
    return found + 1


@pytest.mark.parametrize("program", [reshaped, nothing_made, nothing_first])
def test_such_a_branch_is_gone_and_the_file_builds(
    program: Callable[..., Any], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    rows = [(torch.randn(n, 6, generator=torch.Generator().manual_seed(n)),) for n in (5, 1, 9)]
    rows += [(-torch.ones(4, 6),), (torch.ones(3, 6),)]
    assert "If" not in agrees_and_builds(program, rows, tmp_path)


def test_a_way_that_is_not_empty_stays(tmp_path: Path) -> None:
    """Zeros of a size of its own are no nothing."""

    def program(x: Tensor, y: Tensor) -> Tensor:
        return torch.zeros(x.shape[0], 2) if y.shape[0] > 0 else x

    pytest.importorskip("onnxruntime")
    rows = [(torch.ones(n, 2), torch.ones(k)) for n, k in ((3, 1), (2, 0), (4, 2))]
    assert "If" in agrees_and_builds(program, rows, tmp_path, ([0], [0]))
