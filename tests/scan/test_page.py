"""A scan as one HTML page."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fxexport.command.main import main
from fxexport.scan.page import scan_page
from fxexport.scan.project import scan

SOURCE = """
import torch
from torch import nn

def helper(y):
    return y if y.sum() > 0 else -y

class Gate(nn.Module):
    def forward(self, x):
        if self.training:
            x = x + 1
        for row in x:
            if row.sum() > 0 and "</code><script>alert(1)</script>":
                x = helper(row)
        return torch.tensor(x.numpy())

class Plain(nn.Module):
    def forward(self, x):
        return x if self.training else x + 1
"""

VOID = {"meta", "br", "img", "input", "hr", "link"}


class Page(HTMLParser):
    """Reads a page: that its elements are closed in order, and what it asks for from outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gate.py").write_text(SOURCE)
    return tmp_path


def text_of(page: str) -> str:
    body = page.partition("<body>")[2]
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", body)).split())


def test_the_page_needs_nothing_beside_it_and_runs_nothing(folder: Path) -> None:
    page = Page(scan_page(["gate.py"], scan(["gate.py"])))
    assert page.outside == []
    assert "script" not in page.tags


def test_the_page_shows_what_more_than_configuration_decides(folder: Path) -> None:
    text = text_of(scan_page(["gate.py"], scan(["gate.py"])))
    assert "2 models in 1 file" in text
    assert "for row in x :" in text
    assert "decided by sizes" in text
    assert "decided by values" in text
    assert "helper ()" in text
    assert "FX101 value-needed 1" in text
    assert "the values of a tensor go to NumPy" in text
    assert "self . training" not in text
    assert "1 model that configuration alone decides is not shown" in text
    assert "Plain.forward" not in text


def test_all_of_it_is_shown_where_that_is_asked_for(folder: Path) -> None:
    text = text_of(scan_page(["gate.py"], scan(["gate.py"]), full=True))
    assert "Plain.forward" in text
    assert "self . training" in text
    assert "not shown" not in text


def test_files_that_cannot_be_read_are_told(folder: Path) -> None:
    (folder / "bad.py").write_text("def (:\n")
    assert "bad.py not read: line 1" in text_of(scan_page(["."], scan(["."])))


def test_source_without_models_has_a_page(folder: Path) -> None:
    (folder / "none.py").write_text("x = 1\n")
    text = text_of(scan_page(["none.py"], scan(["none.py"])))
    assert "0 models in 0 files No ifs or loops." in text


def test_the_command_prints_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "gate.py", "--format", "html"]) == 0
    assert capsys.readouterr().out.rstrip() == scan_page(["gate.py"], scan(["gate.py"])).rstrip()
