"""`--report`, once and several times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fxexport.command.main import main
from fxexport.command.reports import ReportFile, default_stem, parse_report_option
from fxexport.errors import UsageError

MODEL = """
import torch

def forward(x):
    return x * 2 if x.sum() > 0 else x

def refused(x):
    return x.numpy()

example_inputs = (torch.ones(3),)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("values", "printed", "files"),
    [
        ([], "text", []),
        (["json"], "json", []),
        (["html"], "text", [ReportFile("html", None)]),
        (["json", "html=a.html"], "json", [ReportFile("html", Path("a.html"))]),
        (["text", "json=a=b.json"], "text", [ReportFile("json", Path("a=b.json"))]),
    ],
)
def test_forms_are_printed_or_go_to_files(
    values: list[str], printed: str, files: list[ReportFile]
) -> None:
    assert parse_report_option(values) == (printed, files)


@pytest.mark.parametrize("values", [["pdf"], ["html="], ["text", "json"], ["HTML"], [""]])
def test_other_forms_are_refused(values: list[str]) -> None:
    with pytest.raises(UsageError, match="--report"):
        parse_report_option(values)


@pytest.mark.parametrize(
    ("output", "model", "expected"),
    [
        (None, "a/net.py:forward", "net"),
        (None, "package.module:net", "package"),
        ("out/x.onnx", "net.py", "out/x"),
        ("folder", "net.py", "folder/net"),
    ],
)
def test_a_report_is_called_like_the_file(
    folder: Path, output: str | None, model: str, expected: str
) -> None:
    (folder / "folder").mkdir()
    assert default_stem(None if output is None else Path(output), model) == Path(expected)


def test_several_reports_of_one_export(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["net.py:forward", "--no-verify", "--report", "json", "--report", "html"]
    assert main([*arguments, "--report", "text=r.txt"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["ok"] is True
    assert "Report: net.report.html" in printed.err
    assert (folder / "net.report.html").read_text().startswith("<!doctype html>")
    assert (folder / "r.txt").read_text().startswith("! Exported net.onnx; not compared")


def test_a_refusal_has_a_page_too(folder: Path) -> None:
    assert main(["net.py:refused", "--report", "html=r.html", "--report", "json=r.json"]) == 1
    assert "Nothing was exported: 1 refusal." in (folder / "r.html").read_text()
    assert json.loads((folder / "r.json").read_text())["error"]["location"]["line"] == 8


def test_a_report_that_cannot_be_written_ends_with_a_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["net.py:forward", "--no-verify", "--report", "html=no/r.html"]) == 2
    assert "could not be written" in capsys.readouterr().err
    assert (folder / "net.onnx").is_file()


def test_quiet_prints_the_path_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["net.py:forward", "--no-verify", "-q", "--report", "html"]) == 0
    assert capsys.readouterr().out == "net.onnx\n"
