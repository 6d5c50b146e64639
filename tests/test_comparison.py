"""A file that was written before, against the model as it is now."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.errors import UsageError


def choose(x: torch.Tensor, n: int = 2) -> torch.Tensor:
    if x.sum() > 0:
        x = x * 2
    for _ in range(n):
        x = x + 1
    return x


def choose_wrongly(x: torch.Tensor, n: int = 2) -> torch.Tensor:
    if x.sum() > 0:
        x = x * 2
    for _ in range(n):
        x = x + 1
    return x if n < 1 else x * 1.5


def two(a: torch.Tensor, b: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    return a + b[0], b[1].sum()


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += x.sum(0)
        return x + self.seen


def total(items: list[torch.Tensor]) -> torch.Tensor:
    result = torch.zeros(2)
    for item in items:
        result = result + item
    return result


def halves(z: torch.Tensor) -> torch.Tensor:
    return (z * 0.5).abs()


X = torch.randn(4, 3)
WRITTEN: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    "an if and a loop": (choose, (X, 3), {"dynamic": {"x": {0: "rows"}, "n": True}}, {}),
    "with a range": (choose, (X,), {"dynamic": {"x": {0: fxexport.Dim("rows", 2, 6)}}}, {}),
    "every dimension": (choose, (X,), {"dynamic": True}, {}),
    "fixed": (choose, (X,), {}, {}),
    "without guards": (choose, (X,), {"dynamic": True, "guards": False}, {}),
    "names of its own": (
        two,
        (X, [X, X]),
        {"input_names": ["left", "right"], "output_names": ["sum", "all"]},
        {},
    ),
    "state": (Counts().eval(), (X,), {"state": "io", "dynamic": {"x": {0: "rows"}}}, {}),
    "a list": (total, ([X[0, :2], X[1, :2]],), {"sequences": ["items"]}, {}),
    "complex numbers": (halves, (X + 1j * X,), {"dynamic": {"z": {0: "rows"}}}, {}),
    "a scripted model": (torch.jit.script(choose), (X, 3), {"dynamic": {"x": [0], "n": True}}, {}),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_a_file_agrees_with_the_model_that_it_was_made_of(case: str, tmp_path: Path) -> None:
    model, inputs, options, later = WRITTEN[case]
    path = tmp_path / "m.onnx"
    exported = fxexport.export(model, inputs, path, **options)
    report = fxexport.verify_file(path, model, inputs, **later)
    assert report.path == str(path)
    assert report.verification is not None
    assert report.verification.ok, report.verification
    before = exported.report.verification
    assert before is not None
    labels = [one.label for one in report.verification.cases]
    assert labels[0] == "example inputs"
    assert len(labels) >= len(before.cases) - 1
    assert [one["name"] for one in report.inputs] == [one["name"] for one in exported.report.inputs]


def test_a_changed_model_is_found_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    fxexport.export(choose, (X, 0), path, dynamic={"x": {0: "rows"}, "n": True})
    content = path.read_bytes()
    report = fxexport.verify_file(path, choose_wrongly, (X, 0))
    assert report.verification is not None
    assert not report.verification.ok
    # The example agrees: it takes another number of trips to see the difference.
    assert report.verification.cases[0].ok
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]


def test_check_inputs_and_tolerances_are_those_of_an_export(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    fxexport.export(choose, (X,), path)
    report = fxexport.verify_file(
        path, lambda x: choose(x) * 1.001, (X,), check_inputs=[(X * 3,)], rtol=1e-2
    )
    assert report.verification is not None
    assert report.verification.ok, report.verification
    assert report.verification.tolerances == "rtol=0.01"
    assert "check inputs 1" in [case.label for case in report.verification.cases]


def test_a_file_of_another_exporter(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    model = onnx.parser.parse_model(
        """
        <ir_version: 10, opset_import: ["" : 20], producer_name: "other">
        g (float[N, 3] img) => (float[N, 3] out) <float two = {2.0}> { out = Mul(img, two) }
        """
    )
    onnx.save(model, path)
    right = fxexport.verify_file(path, lambda x: x * 2, (X,))
    assert right.verification is not None
    assert right.verification.ok
    assert {case.label for case in right.verification.cases} >= {"N=0", "N=1"}
    wrong = fxexport.verify_file(path, lambda x: x * 3, (X,))
    assert wrong.verification is not None
    assert "PyTorch gives" in wrong.verification.message
    # Its values have names of their own: nothing is said of where the difference starts.
    assert "first wrong value" not in wrong.verification.message
    assert wrong.verification.location is None


@pytest.mark.parametrize(
    ("change", "inputs", "said"),
    [
        (lambda x: x, (X.double(),), "the input 'x' is float32[rows,3] in"),
        (lambda x: x, (torch.randn(4, 5),), "and float32[rows,5] as it is given"),
        (lambda x: x, (torch.randn(4),), "and float32[rows] as it is given"),
        (lambda x, y: x + y, (X, X), "has 1 input(s) (x), and the model 2"),
        (lambda x: (x, x), (X,), "gives 1 outputs (output), and the model 2 (output_0, output_1)"),
    ],
)
def test_inputs_and_outputs_that_are_not_the_files_are_said(
    tmp_path: Path, change: Callable[..., Any], inputs: tuple[Any, ...], said: str
) -> None:
    path = tmp_path / "m.onnx"
    fxexport.export(lambda x: x + 1, (X,), path, dynamic={"x": {0: "rows"}})
    with pytest.raises(UsageError) as caught:
        fxexport.verify_file(path, change, inputs)
    assert said in caught.value.message


def test_a_file_with_a_bound_on_trips_needs_that_bound(tmp_path: Path) -> None:
    def grows(x: torch.Tensor) -> torch.Tensor:
        rows = x.new_zeros((0, 3))
        while x.sum() > 1:
            rows = torch.cat([rows, x[:1]])
            x = x - 1
        return rows

    path = tmp_path / "m.onnx"
    fxexport.export(grows, (X,), path, target="tensorrt", max_trips=8)
    with pytest.raises(UsageError, match="made for TensorRT with a bound"):
        fxexport.verify_file(path, grows, (X,))
    report = fxexport.verify_file(path, grows, (X,), max_trips=8)
    assert report.verification is not None
    assert report.verification.ok, report.verification


@pytest.mark.parametrize("content", [None, b"no file", b""])
def test_what_is_no_file_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError):
        fxexport.verify_file(path, choose, (X,))


def test_metadata_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    fxexport.export(choose, (X,), path)
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == "pkg.fxexport.contract":
            entry.value = "{"
    onnx.save(model, path)
    with pytest.raises(UsageError, match="its metadata cannot be read"):
        fxexport.verify_file(path, choose, (X,))


def test_a_file_of_another_version_is_not_searched_for_values(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    fxexport.export(choose, (X,), path)
    assert "the first wrong value is that of" in _fault(path, choose_wrongly)
    model = onnx.load(path)
    model.producer_version = "0.0.1"
    onnx.save(model, path)
    assert "the first wrong value" not in _fault(path, choose_wrongly)


def _fault(path: Path, model: Callable[..., Any]) -> str:
    verification = fxexport.verify_file(path, model, (X,)).verification
    assert verification is not None
    return dataclasses.replace(verification).message
