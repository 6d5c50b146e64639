"""The report says what a file does not check."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fxexport


def program(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] % 2 != 0:
        raise ValueError("pairs only")
    assert x.sum() < 100, "small"
    return x + torch.ones(16).narrow(0, 0, x.shape[0])


def notes(**options: Any) -> list[str]:
    dynamic = {"x": {0: "n"}}
    exported = fxexport.export(program, (torch.ones(4),), dynamic=dynamic, verify=False, **options)
    return [note.message for note in exported.report.of_kind("note") if "check" in note.message]


def test_a_file_that_checks_everything_has_no_note() -> None:
    assert notes() == []


@pytest.mark.parametrize(
    ("options", "bounds"), [({"guards": False}, True), ({"target": "tensorrt"}, False)]
)
def test_what_is_not_checked_is_told(options: Any, bounds: bool) -> None:
    (note,) = notes(**options)
    assert "needs n % 2 == 0 (test_contract.py:" in note
    assert "AssertionError: small (test_contract.py:" in note
    assert ("needs n <= 16" in note) is bounds
