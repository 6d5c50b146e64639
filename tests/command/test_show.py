"""`fxexport show` and `fxexport diff`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fxexport.command.main import main
from tests.outline.files import looping


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two files that differ in their number of trips."""
    looping(tmp_path / "three.onnx")
    looping(tmp_path / "open.onnx", "", "true", "less")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_show_prints_the_tree(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "three.onnx"]) == 0
    out = capsys.readouterr().out
    assert "Control flow: 1 Loop\nLoop  the_loop  (3 trips; carries 1; collects 1)\n" in out
    assert "└── body  Add → Identity → Identity\n" in out


@pytest.mark.parametrize("options", [["--json"], ["--as", "json"]])
def test_show_prints_json(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert main(["show", "three.onnx", *options]) == 0
    assert json.loads(capsys.readouterr().out)["steps"][0]["loop"]["trips"] == 3


def test_show_prints_a_graphviz_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "three.onnx", "--as", "dot"]) == 0
    assert capsys.readouterr().out.startswith("digraph outline {")


def test_diff_tells_by_its_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "three.onnx", "three.onnx"]) == 0
    assert "the same outline" in capsys.readouterr().out
    assert main(["diff", "three.onnx", "open.onnx"]) == 1
    out = capsys.readouterr().out
    assert "- Loop  the_loop  (3 trips; carries 1; collects 1)" in out
    assert "+ Loop  the_loop  (until a condition; carries 1; collects 1)" in out


def test_diff_prints_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "three.onnx", "open.onnx", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert list(data) == ["schema", "differences"]
    assert "control flow" in data["differences"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "missing.onnx"],
        ["show"],
        ["show", "three.onnx", "--as", "picture"],
        ["diff", "three.onnx"],
        ["diff", "three.onnx", "missing.onnx"],
    ],
)
def test_wrong_usage_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 2
    assert "error: " in capsys.readouterr().err
