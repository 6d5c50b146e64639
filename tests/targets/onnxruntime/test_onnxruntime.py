"""Tensors in and out of ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("onnxruntime")

from fxexport.targets.onnxruntime.session import OrtSession, RuntimeFailure
from tests.support.onnx_bytes import identity

DTYPES = {
    torch.float32: 1, torch.uint8: 2, torch.int8: 3, torch.uint16: 4, torch.int16: 5,
    torch.int32: 6, torch.int64: 7, torch.bool: 9, torch.float16: 10, torch.float64: 11,
    torch.uint32: 12, torch.uint64: 13, torch.bfloat16: 16, torch.float8_e4m3fn: 17,
    torch.float8_e5m2: 19,
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_passes_unchanged(dtype: torch.dtype) -> None:
    session = OrtSession(identity(DTYPES[dtype], ["n"]))
    for x in (torch.tensor([0, 1, 1, 0]).to(dtype), torch.empty(0).to(dtype)):
        (y,) = session.run({"x": x})
        assert y.dtype == dtype
        assert y.shape == x.shape
        assert torch.equal(x.double(), y.double())


@pytest.mark.parametrize(("number", "value"), [(7, 3), (11, 0.5), (9, True)])
def test_python_scalars(number: int, value: float) -> None:
    (y,) = OrtSession(identity(number, [])).run({"x": value, "unused": 1})
    assert y.shape == ()
    assert y.item() == value


def test_strided_inputs_are_taken_by_value() -> None:
    x = torch.arange(6.0).reshape(2, 3).t()
    (y,) = OrtSession(identity(1, ["n", "m"])).run({"x": x})
    assert torch.equal(x, y)


def test_outputs_stay_valid_after_the_session() -> None:
    (y,) = OrtSession(identity(1, ["n"])).run({"x": torch.ones(1000)})
    assert torch.equal(y + 1, torch.full((1000,), 2.0))


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ({}, "'x' is not given"),
        ({"x": torch.ones(2, 2)}, "Invalid rank"),
        ({"x": torch.ones(2, dtype=torch.int64)}, r"tensor\(float\), got torch.int64"),
    ],
)
def test_failures_say_why(inputs: dict[str, torch.Tensor], match: str) -> None:
    with pytest.raises(RuntimeFailure, match=match):
        OrtSession(identity(1, ["n"])).run(inputs)


def test_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match="does not load the file"):
        OrtSession(tmp_path / "none.onnx")


def test_onnx_runtime_is_never_imported_by_the_program_itself() -> None:
    code = (
        "import sys, torch, fxexport; assert fxexport.export(torch.relu, (torch.ones(2),))"
        ".report.verification.ok; assert 'onnxruntime' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
