"""The report as one HTML page."""

from __future__ import annotations

import dataclasses
import linecache
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
import torch

import fxexport
from fxexport.errors import OutputError, UnsupportedError
from fxexport.outline.model import Arm, Construct, Operators, Outline, Place
from fxexport.page.render import report_page
from fxexport.page.save import text_of
from fxexport.page.source import files_of
from fxexport.report.flow_marks import FlowMarks, marks_of, reasons_of
from fxexport.report.model import (
    FindingKind,
    OutputDifference,
    Report,
    Uncovered,
    Verification,
    VerifiedCase,
)
from fxexport.report.signature import dimension
from fxexport.report.sites import Arm as Arm_
from fxexport.report.sites import Site
from fxexport.report.source_tree import SourceTree, entries_in
from fxexport.source.location import SourceLocation

CODE = '''"""A text
of <two> lines."""


def forward(x, name="<b>&"):
    if x.sum() > 0:
        x = x + 1
    return x
'''

_EMPTY = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Reads a page, and holds it to what HTML asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.names += [name for key, name in attrs if key == "id" and name]
        self.links += [link for key, link in attrs if key in ("href", "src") and link]
        assert not any(key.startswith("on") for key in values), "no scripts"
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def read(text: str) -> Page:
    """A page whose names are unique and whose links all lead to one of them."""
    page = Page(text)
    assert len(set(page.names)) == len(page.names)
    assert all(link.startswith("#") and link[1:] in page.names for link in page.links)
    return page


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "model.py"
    path.write_text(CODE)
    yield path
    linecache.checkcache(str(path))


def at(path: Path, line: int) -> SourceLocation:
    return SourceLocation(str(path), line, "forward")


def a_report(source: Path, *, ok: bool = True, uncovered: bool = False) -> Report:
    report = Report(
        model="model.py:forward",
        inputs=[{"name": "x", "kind": "tensor", "dtype": "float32", "shape": [dimension(2)]}],
        stages=[("capture", 1.5)],
        profiles=[{"shapes": {"x": {"min": [1, 2], "opt": [2, 2], "max": [4, 2]}}, "values": {}}],
    )
    report.add("branch", "kept as a branch", at(source, 6))
    report.add("pinned", "dimension 0 of 'x' is 2: <needed>", at(source, 7))
    report.add("note", "something & else")
    differences = (OutputDifference("y", ok, 0.5, float("inf"), "" if ok else "differs"),)
    report.verification = Verification(True, [VerifiedCase("example inputs", ok, differences)])
    if uncovered:
        report.verification.uncovered.append(Uncovered("branch", "else", at(source, 6)))
    return report


def an_outline(source: Path) -> Outline:
    place = Place(str(source), 6, "forward", "if x.sum() > 0:")
    construct = Construct("If", "if", (Arm("then", (Operators(("Add",)),)), Arm("else", ())), place)
    return Outline("m.onnx", 1, "", {}, [], [], (construct,), {"If": 1, "Add": 1}, 0)


def test_a_line_and_its_box_are_linked_both_ways(source: Path) -> None:
    text = report_page(a_report(source), an_outline(source))
    page = read(text)
    assert {"f0-L6", "box0"} <= set(page.names)
    assert {"#f0-L6", "#box0"} <= set(page.links)
    assert "kept as a branch" in page.text
    assert "1 If" in page.text
    assert "values pass through" in page.text


def marked(x: torch.Tensor, wide: bool = True) -> torch.Tensor:
    if wide:
        x = x * 2
    if x.sum().sin() > 2:
        x = x + 1
    for _ in range(3):
        if x.sum() > 0:
            x = x - 1
    for row in x:
        if row.sin() > 2:
            return x[7]
    return x


def together(text: str) -> str:
    return "".join(text.split())


def test_boxes_have_the_marks_of_the_terminals_tree(tmp_path: Path) -> None:
    exported = fxexport.export(
        marked, (torch.randn(3),), tmp_path / "m.onnx", dynamic={"x": {0: "n"}}
    )
    report = exported.report
    page = read(text_of("html", report))
    shown = together(page.text[page.text.index("The file's control flow") :])
    assert together("if x.sum().sin() > 2: then ✓ forced else ✓") in shown
    assert together("for _ in range(3): this loop is written out: 3 iterations") in shown
    # Each mark and reason of the terminal's tree, for each construct that it stands for.
    goals = FlowMarks(report)
    for entry in entries_in(SourceTree.of(report, libraries=False).entries):
        for path in entry.site.paths if entry.site is not None else ():
            for mark in marks_of(goals.at(path)):
                sign = "✓" if mark.compared else "–"
                assert together(f"{mark.side} {sign} {mark.how}") in shown
        for reason in reasons_of(goals.of_entry(entry)):
            assert together(reason) in shown


THREE = """
def forward(x, wide):
    if wide:
        x = x + 1
    if x.sum() > 0:
        x = x + 1
    if not wide:
        x = x + 1
"""


def test_what_was_decided_stands_where_it_is_in_the_source(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(THREE)
    report = a_report(path)
    arms = (Arm_("then", 1), Arm_("else", 0))
    report.control_flow = (Site("branch", at(path, 5), arms, paths=(("branch",),)),)
    report.add("folded", "always true", at(path, 3))
    report.add("folded", "never true", at(path, 7))
    (construct,) = an_outline(path).steps
    steps = (Operators(("Neg",)), dataclasses.replace(construct, path=("branch",)))
    outline = dataclasses.replace(an_outline(path), steps=steps)
    page = read(report_page(report, outline))
    flow = page.text[page.text.index("The file's control flow") :]
    places = [flow.index(text) for text in ("Neg", "always true", "if x.sum() > 0:", "never true")]
    assert places == sorted(places)


def test_the_page_needs_nothing_beside_it_and_runs_nothing(source: Path) -> None:
    text = report_page(a_report(source), an_outline(source))
    assert "<script" not in text
    assert not re.search(r"https?://|@import|url\(", text)


def test_what_the_program_says_is_text_and_not_html(source: Path) -> None:
    text = report_page(a_report(source), an_outline(source))
    page = read(text)
    assert "of <two> lines." in page.text
    assert 'name="<b>&"' in page.text
    assert "dimension 0 of 'x' is 2: <needed>" in page.text
    assert "<b>" not in text


@pytest.mark.parametrize(
    ("report", "error", "kind", "words"),
    [
        ({}, None, "good", "It agrees with PyTorch in 1 of 1 comparisons."),
        (
            {"uncovered": True},
            None,
            "unsure",
            "It agrees with PyTorch in 1 of 1 comparisons; 1 path or trip count was not reached.",
        ),
        ({"ok": False}, None, "bad", "It does NOT agree with PyTorch: 0 of 1 do."),
        (None, UnsupportedError("no"), "bad", "Nothing was exported: 1 refusal."),
    ],
)
def test_the_verdict_comes_first(
    source: Path,
    report: dict[str, bool] | None,
    error: Exception | None,
    kind: str,
    words: str,
) -> None:
    made = None if report is None else a_report(source, **report)
    text = report_page(made, None, error, "model.py")
    assert f'<p class="verdict {kind}">{words}</p>' in text
    read(text)


def test_an_export_that_was_not_compared_says_so(source: Path) -> None:
    report = a_report(source)
    report.verification = None
    assert "Exported; not compared with PyTorch." in report_page(report)
    report.verification = Verification(False, message="no inputs could be made")
    assert "not compared with PyTorch because no inputs could be made." in report_page(report)


def test_refusals_have_their_lines_marked_in_the_source(source: Path) -> None:
    error = UnsupportedError("first", location=at(source, 6), hint="do this")
    error.others = [UnsupportedError("second", location=at(source, 8))]
    page = read(report_page(None, None, error, "model.py"))
    for words in ("first", "second", "hint: do this", "Nothing was exported: 2 refusals."):
        assert words in page.text
    (file,) = files_of(None, error)
    marked = {line.number: line.marks[0].kind for part in file.parts for line in part.lines
              if line.marks}  # fmt: skip
    assert marked == {6: "refused", 8: "refused"}


def test_the_line_where_a_difference_starts_is_marked(source: Path) -> None:
    report = a_report(source, ok=False, uncovered=True)
    assert report.verification is not None
    report.verification.location = at(source, 7)
    (file,) = files_of(report, None)
    kinds = {line.number: [mark.kind for mark in line.marks] for part in file.parts
             for line in part.lines if line.marks}  # fmt: skip
    assert kinds == {6: ["branch", "never"], 7: ["pinned", "wrong"]}


def test_each_kind_of_finding_has_a_label(source: Path) -> None:
    report = Report()
    for kind in get_args(FindingKind):
        report.add(kind, f"a {kind}", at(source, 6))
    page = read(report_page(report))
    assert all(f"a {kind}" in page.text for kind in get_args(FindingKind))


def test_of_a_long_file_the_lines_around_its_marks_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text("".join(f"x = {k}\n" for k in range(1, 1001)))
    report = Report()
    for line in (100, 103, 500, 1000):
        report.add("branch", "kept", at(path, line))
    (file,) = files_of(report, None)
    shown = [(part.lines[0].number, part.lines[-1].number) for part in file.parts]
    assert shown == [(96, 107), (496, 504), (996, 1000)]


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    report = Report()
    report.add("branch", "kept", at(tmp_path / "gone.py", 3))
    assert files_of(report, None) == []
    read(report_page(report))


def test_the_users_own_files_come_first(source: Path, tmp_path: Path) -> None:
    library = tmp_path / "site-packages" / "lib" / "code.py"
    library.parent.mkdir(parents=True)
    library.write_text("a = 1\n")
    report = Report()
    report.add("branch", "kept", at(library, 1))
    report.add("branch", "kept", at(source, 6))
    assert [(file.name.rpartition("/")[2], file.library) for file in files_of(report, None)] == [
        ("model.py", False), ("code.py", True),
    ]  # fmt: skip
    assert files_of(report, None)[1].name == "lib/code.py"


def test_tokens_of_several_lines_keep_to_their_lines(source: Path) -> None:
    (file,) = files_of(a_report(source), None)
    for line in file.parts[0].lines:
        assert line.code.count("<span") == line.code.count("</span>")
    assert len(file.parts[0].lines) == len(CODE.splitlines())


def positive(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("name", "begin"), [("r.html", "<!doctype html>"), ("r.json", "{"), ("r.txt", "! Exported ")]
)
def test_an_export_saves_its_report_by_the_files_ending(
    tmp_path: Path, name: str, begin: str
) -> None:
    exported = fxexport.export(positive, (torch.ones(3),), tmp_path / "m.onnx", verify=False)
    exported.report.model = "positive"
    exported.save_report(tmp_path / name)
    text = (tmp_path / name).read_text()
    assert text.startswith(begin)
    if name == "r.html":
        assert "1 If" in read(text).text


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    exported = fxexport.export(positive, (torch.ones(3),), tmp_path / "m.onnx", verify=False)
    with pytest.raises(OutputError, match="could not be written"):
        exported.save_report(tmp_path / "no" / "r.html")
