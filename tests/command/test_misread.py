"""Command lines and models that are not quite right: the hint says what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from fxexport.command.main import main

pytest.importorskip("onnxruntime")

MODEL = """
import random
import torch

FACTOR = random.Random(3).random()

class Model(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            x = x * FACTOR
        return x

model = Model()
example_inputs = (torch.ones(2, 3),)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gate.py").write_text(MODEL)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("gate.py --target tensorr", "did you mean 'tensorrt'?"),
        ("gate.py --state iop", "did you mean 'io'?"),
        ("gate.py --weights fil", "did you mean 'file'?"),
        ("gate.py --capture pyton", "did you mean 'python'?"),
        ("gate.py --method forwad", "did you mean 'forward'?"),
        ("gate.py --input x=flaot32[2,3]", "did you mean 'float32'?"),
        ("gate.py --dynamic batch", "such as x:0=batch"),
        ("gate.py --dynamic y:rows", "such as y:0=rows"),
        ("chekc gate.py", "did you mean 'check'?"),
        ("gate.py other.py", "fxexport --help shows how it is used."),
    ],
)
def test_what_was_meant_is_said(
    arguments: str, hint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert hint in error
    assert "Value error" not in error


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("notes.ipynb", "jupyter nbconvert --to script notes.ipynb"),
        ("last.ckpt", "model.load_state_dict"),
        ("model.safetensors", "model.load_state_dict"),
        ("gate.onnx", "fxexport show gate.onnx"),
        ("gate.txt", "MODEL is one of"),
    ],
)
def test_a_file_of_another_kind_has_its_own_hint(
    name: str, hint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).touch()
    assert main([name]) == 2
    assert hint in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["random.py", "profile.py", "queue.py"])
def test_a_model_may_be_called_like_a_module_of_pythons(name: str, folder: Path) -> None:
    (folder / name).write_text(MODEL)
    assert main([name, "-q"]) == 0
    assert (folder / name).with_suffix(".onnx").exists()


def test_the_version_has_a_short_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-V"]) == 0
    assert capsys.readouterr().out.startswith("fxexport ")
