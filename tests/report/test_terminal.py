"""The report as text."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from fxexport.errors import UnsupportedError
from fxexport.report.model import (
    FindingKind,
    OutputDifference,
    Report,
    Uncovered,
    Verification,
    VerifiedCase,
)
from fxexport.report.terminal import print_error, print_report
from fxexport.source.location import SourceLocation

CODE = """\
import torch

def forward(x, items):
    y = x[0]

    if x[1] > 0:
        y = y + 1
    return y
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "model.py"
    path.write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return path


def shown(report: Report, *, verbose: bool = False, terminal: bool = False) -> str:
    stream = io.StringIO()
    print_report(_console(stream, terminal), report, verbose=verbose)
    return stream.getvalue()


def shown_error(error: BaseException, *, verbose: bool = False, terminal: bool = False) -> str:
    stream = io.StringIO()
    print_error(_console(stream, terminal), error, verbose=verbose)
    return stream.getvalue()


def _console(stream: io.StringIO, terminal: bool) -> Console:
    return Console(
        file=stream,
        width=80,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def a_report(source: Path) -> Report:
    report = Report(model="model.py:forward", target="onnxruntime", opset=20, path="model.onnx")
    report.inputs = [
        {
            "name": "x",
            "kind": "tensor",
            "dtype": "float32",
            "shape": [
                {"name": "batch", "min": 1, "max": 8},
                3,
                {"name": "w", "min": 0, "max": None},
            ],
        },
        {"name": "n", "kind": "int", "dtype": "int64", "shape": []},
    ]
    report.outputs = [{"name": "y", "kind": "tensor", "dtype": "float32", "shape": ["batch", 3]}]
    report.add("branch", "kept as If forward_L6_if", SourceLocation(str(source), 6, "forward"))
    report.add("constant", "n is 3 in the file")
    report.stages = [("capture", 0.25), ("lower", 1.5)]
    report.verification = Verification(
        ran=True,
        cases=[
            VerifiedCase("example inputs", True, (OutputDifference("y", True, 1.25e-07, 3e-6),))
        ],
    )
    return report


def test_a_report_in_full(source: Path) -> None:
    assert shown(a_report(source)) == (
        "model.py:forward -> model.onnx\n"
        "ONNX opset 20, for onnxruntime\n"
        "\n"
        "inputs   x  float32[batch, 3, w]  batch: 1..8, w: any size\n"
        "         n  int\n"
        "outputs  y  float32[batch, 3]\n"
        "\n"
        "Kept in the file\n"
        "  If  model.py:6  if x[1] > 0:\n"
        "                  kept as If forward_L6_if\n"
        "\n"
        "Became part of the file\n"
        "  constant  n is 3 in the file\n"
        "\n"
        "Compared with PyTorch: 1 of 1 agree\n"
        "  inputs          output  max abs diff  max rel diff\n"
        "  example inputs  y       1.2e-07       3e-06         ok\n"
        "\n"
        "Exported model.onnx; it agrees with PyTorch.\n"
    )


def test_verbose_adds_the_time_of_each_stage(source: Path) -> None:
    text = shown(a_report(source), verbose=True)
    assert "  capture  0.25 s\n  lower    1.50 s\n" in text


def test_the_size_on_disk_counts_the_weights_beside_the_file(source: Path) -> None:
    (source.parent / "model.onnx").write_bytes(b"x" * 1000)
    (source.parent / "model.onnx.data").write_bytes(b"x" * 500)
    assert "for onnxruntime, 1.5 KB\n" in shown(a_report(source))


def test_a_report_without_control_flow_says_so() -> None:
    assert "no if or loop depends on the inputs" in shown(Report(model="m"))


@pytest.mark.parametrize(
    ("verification", "verdict"),
    [
        (None, "Exported m.onnx; not compared with PyTorch."),
        (
            Verification(ran=False, message="nothing is installed"),
            "not compared with PyTorch because nothing is installed.",
        ),
        (Verification(ran=True), "m.onnx does NOT agree"),
    ],
)
def test_what_was_not_verified_is_never_called_verified(
    verification: Verification | None, verdict: str
) -> None:
    text = shown(Report(model="m", path="m.onnx", verification=verification))
    assert verdict in text
    assert "it agrees with PyTorch" not in text


def test_a_disagreement_shows_its_case_and_output_even_among_many() -> None:
    good = OutputDifference("fine", True)
    bad = OutputDifference("logits", False, 0.5, 0.25, "too far off at [0, 3]")
    cases = [VerifiedCase(f"case {k}", True, (good,)) for k in range(50)]
    cases.append(VerifiedCase("batch=7", False, (good, bad)))
    text = shown(Report(model="m", path="m.onnx", verification=Verification(True, cases)))
    assert "50 of 51 agree" in text
    row = next(line for line in text.splitlines() if "WRONG" in line)
    assert " ".join(row.split()) == "batch=7 logits 0.5 0.25 WRONG too far off at [0, 3]"
    assert "39 more are not shown; -v shows all" in text
    assert "m.onnx does NOT agree with PyTorch." in text


def test_what_no_comparison_reached_is_said(source: Path) -> None:
    report = a_report(source)
    assert report.verification is not None
    here = SourceLocation(str(source), 6, "forward")
    report.verification.uncovered = [
        Uncovered("branch", "then", here),
        Uncovered("loop", "no trip", here),
        Uncovered("loop", "several trips", here),
        Uncovered("loop", "any trip"),
    ]
    report.verification.notes = ["output z has no data to compare"]
    text = shown(report)
    assert "  note: output z has no data to compare\n" in text
    assert (
        "Not reached by any comparison\n"
        "  If    model.py:6  if x[1] > 0:\n"
        "                    was never true\n"
    ) in text
    assert "never with 0 iterations, never with several iterations" in text
    assert "Exported model.onnx; it agrees with PyTorch wherever it was compared." in text


def test_a_disagreement_shows_where_it_starts(source: Path) -> None:
    verification = Verification(
        True, [VerifiedCase("a", False)], location=SourceLocation(str(source), 7, "forward")
    )
    text = shown(Report(model="m", path="m.onnx", verification=verification))
    assert "The difference starts here:\n  --> model.py:7 in forward\n" in text


def test_a_case_that_could_not_run_shows_why() -> None:
    case = VerifiedCase("batch=2", False, message="ONNX Runtime: bad shape")
    text = shown(Report(model="m", verification=Verification(True, [case])))
    assert "batch=2" in text
    assert "WRONG  ONNX Runtime: bad shape" in text


def test_many_findings_are_cut_short_unless_verbose() -> None:
    report = Report(model="m")
    for k in range(300):
        report.add("loop", f"message {k}", SourceLocation("gone.py", k + 1))
    text = shown(report)
    assert "gone.py:12" in text
    assert "gone.py:13" not in text
    assert "288 more are not shown; -v shows all" in text
    assert "gone.py:300" in shown(report, verbose=True)


def test_findings_that_say_the_same_are_shown_once() -> None:
    report = Report(model="m")
    for line in (4, 9, 11):
        report.add("folded", "always false: training is off", SourceLocation("gone.py", line))
    text = shown(report)
    assert text.count("always false") == 1
    assert "gone.py:4" in text
    assert "(and at 2 more lines)" in text
    assert shown(report, verbose=True).count("always false") == 3


KINDS: list[FindingKind] = [
    "branch",
    "loop",
    "selected",
    "unused",
    "folded",
    "unrolled",
    "pinned",
    "relation",
    "assumption",
    "constant",
    "note",
]


def test_what_is_not_kept_is_told_apart_from_what_depends_on_no_input() -> None:
    report = Report(model="m")
    assert "Kept in the file: no if or loop depends on the inputs\n" in shown(report)
    report.add("unused", "not in the file", SourceLocation("gone.py", 3))
    assert "Kept in the file: no if or loop\n" in shown(report)
    assert "Left out of the file\n" in shown(report)
    report.add("selected", "selected", SourceLocation("gone.py", 4))
    assert "Kept in the file\n" in shown(report)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_finding_is_shown(kind: FindingKind) -> None:
    report = Report(model="m")
    report.add(kind, "something to know", SourceLocation("gone.py", 3))
    report.add(kind, "something without a place")
    text = shown(report)
    assert "something to know" in text
    assert "gone.py:3" in text
    assert "something without a place" in text


def test_an_error_shows_its_line_among_its_neighbours(source: Path) -> None:
    error = UnsupportedError(
        "this if cannot be kept",
        location=SourceLocation(str(source), 6, "forward"),
        hint="use torch.where",
    )
    assert shown_error(error) == (
        "error: this if cannot be kept\n"
        "  --> model.py:6 in forward\n"
        "  4 |     y = x[0]\n"
        "  5 |\n"
        "  6 |     if x[1] > 0:\n"
        "    |     ^^^^^^^^^^^^\n"
        "  7 |         y = y + 1\n"
        "  8 |     return y\n"
        "  hint: use torch.where\n"
    )


@pytest.mark.parametrize(
    ("line", "first", "last"), [(1, "1 | import torch", "3 |"), (8, "6 |", "8 |")]
)
def test_the_neighbours_end_where_the_file_does(
    source: Path, line: int, first: str, last: str
) -> None:
    text = shown_error(UnsupportedError("no", location=SourceLocation(str(source), line)))
    rows = [row.strip() for row in text.splitlines()[2:] if "^" not in row]
    assert rows[0].startswith(first)
    assert rows[-1].startswith(last)


def test_an_error_in_a_file_that_cannot_be_read_still_names_it() -> None:
    error = UnsupportedError("no", location=SourceLocation("/gone/away.py", 7))
    assert shown_error(error) == "error: no\n  --> /gone/away.py:7\n"


def test_all_errors_of_a_run_are_shown() -> None:
    error = UnsupportedError("first")
    error.others = tuple(UnsupportedError(f"other {k}") for k in range(40))
    text = shown_error(error)
    assert text.startswith("error: first\n\nerror: other 0\n")
    assert "41 errors; 29 more are not shown; -v shows all" in text
    assert "error: other 39" in shown_error(error, verbose=True)


def test_nothing_is_wrapped_or_read_as_markup(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30 + ".py")
    path.write_text("y = x[bold] + [/bold] # :smile:" + " # and on" * 30 + "\n")
    error = UnsupportedError("[red]no[/red]" * 20, location=SourceLocation(str(path), 1))
    for terminal in (False, True):
        text = shown_error(error, terminal=terminal)
        assert f"{path.name}:1" in text
        assert "y = x[bold] + [/bold] # :smile:" + " # and on" * 30 in text
        assert "[red]no[/red]" * 20 in text


def test_colour_is_for_terminals_only(source: Path) -> None:
    assert "\x1b[" in shown(a_report(source), terminal=True)
    assert "\x1b[" not in shown(a_report(source))
    assert "\x1b[" not in shown_error(UnsupportedError("no", hint="yes"))


def test_no_line_ends_in_blanks(source: Path) -> None:
    lines = shown(a_report(source), verbose=True).splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
