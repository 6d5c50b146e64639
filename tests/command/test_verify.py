"""``fxexport verify``: its exit codes, what it prints, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
import torch

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.command.main import main

MODEL = """
import torch

class Net(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            x = x * FACTOR
        return x + 1

model = Net()
example_inputs = (torch.ones(2, 3),)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL.replace("FACTOR", "2"))
    (tmp_path / "changed.py").write_text(MODEL.replace("FACTOR", "3"))
    (tmp_path / "raises.py").write_text(MODEL.replace("x + 1", "x.numpy()"))
    assert main(["net.py", "--dynamic", "x:0=rows", "-q"]) == 0
    return tmp_path


def test_agreement_exits_with_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["verify", "net.onnx", "--model", "net.py"]) == 0
    printed = capsys.readouterr().out
    verdict, against = printed.splitlines()[:2]
    assert verdict == "✔ net.onnx agrees with PyTorch in 9 of 9 comparisons."
    assert against == "net.onnx against net.py:model"
    assert "it was compared in eval mode" in printed


def test_disagreement_exits_with_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "net.onnx", "--model", "changed.py:model"]) == 3
    captured = capsys.readouterr()
    assert "WRONG" in captured.out
    assert "net.onnx does not agree with PyTorch" in captured.err
    assert "export it again" in captured.err
    assert "agrees" not in captured.out
    assert sorted(path.name for path in folder.glob("*.onnx")) == ["net.onnx"]


def test_a_tolerance_may_let_it_pass(folder: Path) -> None:
    assert main(["verify", "net.onnx", "--model", "changed.py", "--rtol", "0.9", "-q"]) == 0
    assert main(["verify", "net.onnx", "--model", "net.py", "--atol", "-1", "-q"]) == 2


def test_further_inputs_come_from_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numpy.savez(folder / "more.npz", x=numpy.ones((9, 3), "float32"))
    numpy.save(folder / "x.npy", numpy.ones((4, 3), "float32"))
    arguments = ["--check-inputs", "more.npz", "--input", "x=@x.npy", "-v"]
    assert main(["verify", "net.onnx", "--model", "net.py", *arguments]) == 0
    assert "more.npz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none.onnx", "--model", "net.py"], 2),
        (["net.onnx"], 2),
        (["net.onnx", "--model", "none.py"], 2),
        (["net.py", "--model", "net.py"], 2),
        (["net.onnx", "--model", "net.py", "--input", "x=float64[2,3]"], 2),
        (["net.onnx", "--model", "raises.py"], 1),
        (["--help"], 0),
    ],
)
def test_other_exit_codes(folder: Path, arguments: list[str], code: int) -> None:
    assert main(["verify", *arguments]) == code


@pytest.mark.parametrize(
    ("model", "code", "ok"), [("net.py", 0, True), ("changed.py", 3, False), ("none.py", 2, None)]
)
def test_json(
    folder: Path, capsys: pytest.CaptureFixture[str], model: str, code: int, ok: bool | None
) -> None:
    capsys.readouterr()
    assert main(["verify", "net.onnx", "--model", model, "--json"]) == code
    printed = json.loads(capsys.readouterr().out)
    assert (printed["error"] is None) is (code == 0)
    if ok is not None:
        assert printed["verification"]["ok"] is ok


def test_wrong_usage_is_json_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["verify", "net.onnx", "--json", "--bogus"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 2


def test_nothing_compared_is_no_success(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fxexport.verify.verifier.available", lambda: False)
    assert main(["verify", "net.onnx", "--model", "net.py"]) == 1
    assert "was not compared: ONNX Runtime is not installed" in capsys.readouterr().err


def test_paths_that_the_file_alone_has_are_said(folder: Path) -> None:
    report = fxexport.verify_file(folder / "net.onnx", lambda x: x + 1, (-torch.ones(2, 3),))
    assert report.verification is not None
    assert report.verification.notes[-1] == (
        "the file has 1 If, and what was captured of the model no If or Loop: paths that only the "
        "file has were not looked for"
    )
