"""Determinants, inverses and small systems of equations, for both targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import fxexport
from fxexport.errors import UnsupportedError
from tests.support.building import agrees_and_builds
from tests.support.harness import run_model

pytest.importorskip("onnxruntime")


def matrices(count: int, size: int = 4) -> Tensor:
    """Some that need rows swapped, and well-conditioned ones."""
    generator = torch.Generator().manual_seed(count)
    drawn = torch.randn(count, size, size, generator=generator) + 2 * torch.eye(size)
    drawn[0] = torch.eye(size).roll(1, 0) * 3
    if count > 2:
        drawn[1] = torch.eye(size).flip(0) - 0.1
    return drawn


PROGRAMS: dict[str, Callable[..., Any]] = {
    "det": torch.linalg.det,
    "inverse": lambda x: x.inverse() @ x[0],
    "inv": lambda x: torch.linalg.inv(x[0]),
    "solve": lambda x: torch.linalg.solve(x, x[:, :, :2] * 2 + 1),
    "one side": lambda x: torch.linalg.solve(x[0], x[0, 0]),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_it_agrees_with_pytorch(name: str, tmp_path: Path) -> None:
    rows = [(matrices(n),) for n in (3, 1, 6)]
    outcome = run_model(lambda: PROGRAMS[name], rows, dynamic=([0],))
    assert outcome.status == "agree", outcome.details
    assert "Det" not in agrees_and_builds(PROGRAMS[name], rows, tmp_path)


def test_determinant_of_what_has_no_inverse_is_zero(tmp_path: Path) -> None:
    flat = matrices(3)
    flat[0, :, 2] = 0
    flat[1, 3] = 0
    flat[2] = 0
    agrees_and_builds(torch.linalg.det, [(flat,), (matrices(1),)], tmp_path)


def test_sizes_that_are_not_fixed_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="not fixed"):
        fxexport.export(
            lambda x: torch.linalg.inv(x), (torch.eye(3),), dynamic={"x": {0: "n", 1: "n"}}
        )


def test_equations_whose_right_side_the_sizes_decide_are_refused() -> None:
    """A matrix, or a vector for each: PyTorch tells them apart by their sizes."""
    with pytest.raises(fxexport.UnsupportedError, match="same kind of value"):
        fxexport.export(torch.linalg.solve, (torch.randn(2, 5, 5), torch.randn(2, 5)), dynamic=True)
