"""Tolerances that the user asks for: looser, tighter, and said."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.errors import UsageError
from fxexport.report.json import as_json
from fxexport.report.terminal import print_report
from fxexport.verify.tolerance import Asked, Tolerance
from tests.support.graphs import at_line, aten, captured, check, onnx_file, prepared_for

OFF = "g (float[4] x) => (float[4] y) <float c = {2.002}> { y = Mul(x, c) }"
ROUNDED = "g (float[4] x) => (float[4] y) <float c = {2.000001}> { y = Mul(x, c) }"


def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def compared(path: str, **asked: float) -> Any:
    prepared = prepared_for(doubled, (torch.tensor([1.0, 2.0, 0.0, -3.0]),), False)
    graph = captured(
        prepared.specs, lambda g, a: [at_line(g.call_function(aten.mul.Tensor, (a[0], 2.0)), 5)]
    )
    return check(graph, path, doubled, prepared, asked=Asked(**asked))


@pytest.mark.parametrize(
    ("text", "asked", "agrees"),
    [
        (OFF, {}, False),
        (OFF, {"rtol": 2e-3}, True),
        (OFF, {"rtol": 1e-4}, False),
        (OFF, {"atol": 1e-4}, False),
        (ROUNDED, {}, True),
        (ROUNDED, {"rtol": 1e-8, "atol": 0}, False),
        (ROUNDED, {"rtol": 1e-5, "atol": 0}, True),
        (ROUNDED, {"rtol": 0, "atol": 1e-3}, True),
        (ROUNDED, {"rtol": 0, "atol": 1e-7}, False),
    ],
)
def test_what_is_asked_for_decides(
    tmp_path: Path, text: str, asked: dict[str, float], agrees: bool
) -> None:
    result = compared(onnx_file(tmp_path / "m.onnx", text), **asked)
    assert result.ok is agrees, result


def test_rounding_is_no_excuse_where_more_is_asked_for(tmp_path: Path) -> None:
    result = compared(onnx_file(tmp_path / "m.onnx", ROUNDED), rtol=1e-8, atol=0)
    assert not any("not compared" in note for note in result.notes)
    assert result.message.endswith("they agree but for what was asked: rtol=1e-08, atol=0")
    assert result.location is None


def test_a_wrong_value_is_still_looked_into(tmp_path: Path) -> None:
    result = compared(onnx_file(tmp_path / "m.onnx", OFF), rtol=1e-9)
    assert "the first wrong value is that of aten.mul.Tensor" in result.message


def test_the_report_says_what_was_asked_for() -> None:
    exported = fxexport.export(torch.sin, (torch.randn(3),), rtol=1e-3, atol=1e-5)
    report = exported.report
    assert report.verification is not None
    assert report.verification.ok
    assert report.verification.tolerances == "rtol=0.001, atol=1e-05"
    assert as_json(report)["verification"]["tolerances"] == "rtol=0.001, atol=1e-05"
    printed = io.StringIO()
    print_report(Console(file=printed, width=200), report)
    assert "Compared with PyTorch by rtol=0.001, atol=1e-05: " in printed.getvalue()
    # What the export was given holds for later comparisons, one by one.
    assert exported.verify(atol=1e-4).tolerances == "rtol=0.001, atol=0.0001"
    assert fxexport.export(torch.sin, (torch.randn(3),)).verify().tolerances == ""


@pytest.mark.parametrize("wrong", [-1e-3, float("nan"), float("inf"), "1e-3", True])
@pytest.mark.parametrize("name", ["rtol", "atol"])
def test_what_is_no_tolerance_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(UsageError, match=f"{name}: expected a number from 0"):
        fxexport.export(torch.sin, (torch.randn(3),), **{name: wrong})


def test_one_that_is_not_asked_for_stays_as_it_is() -> None:
    usual = Tolerance(1e-4, 5e-5, 1e-6)
    assert Asked().of(usual) == usual
    assert Asked(rtol=0.5).of(usual) == Tolerance(0.5, 5e-5, 1e-6)
    assert Asked(atol=0.5).of(usual) == Tolerance(1e-4, 0, 0, 0.5)
    assert not Asked()
    assert Asked(rtol=0.0)
