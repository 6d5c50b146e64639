"""The report as text."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO

import pytest
from rich.cells import cell_len
from rich.console import Console

from fxexport.report.model import (
    FindingKind,
    Goal,
    OutputDifference,
    Report,
    Verification,
    VerifiedCase,
)
from fxexport.report.signature import dimension
from fxexport.report.sites import Arm, Site
from fxexport.report.terminal import print_report
from fxexport.source.location import SourceLocation


def shown(
    report: Report,
    *,
    verbose: bool = False,
    terminal: bool = False,
    width: int = 80,
    colour: bool = True,
) -> str:
    stream = io.StringIO()
    print_report(_console(stream, terminal, width, colour), report, verbose=verbose)
    return stream.getvalue()


def _console(stream: IO[str], terminal: bool, width: int = 80, colour: bool = True) -> Console:
    return Console(
        file=stream,
        width=width,
        force_terminal=terminal,
        color_system="standard" if terminal and colour else None,
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
            "shape": [dimension("batch", 1, 8), dimension(3), dimension("w", 0)],
        },
        {"name": "n", "kind": "int", "dtype": "int64", "shape": []},
    ]
    sizes = [dimension("batch"), dimension(3)]
    report.outputs = [{"name": "y", "kind": "tensor", "dtype": "float32", "shape": sizes}]
    test = SourceLocation(str(source), 6, "forward")
    report.control_flow = (Site("branch", test, (Arm("then", 1), Arm("else", 0)), paths=(("b",),)),)
    report.add("relation", "batch >= 1", SourceLocation(str(source), 4, "forward"))
    report.add("constant", "n is 3 in the file")
    report.stages = [("capture", 0.25), ("lower", 1.5)]
    report.verification = Verification(
        ran=True,
        cases=[
            VerifiedCase("example inputs", True, (OutputDifference("y", True, 1.25e-07, 3e-6),))
        ],
        goals=[
            Goal("branch", "then", test, "input", path=("b",)),
            Goal("branch", "else", test, "forced", path=("b",)),
        ],
    )
    return report


def test_a_report_in_full(source: Path) -> None:
    assert shown(a_report(source)) == (
        "✔ model.onnx agrees with PyTorch in 1 of 1 comparisons.\n"
        "model.py:forward -> model.onnx, ONNX opset 20, for onnxruntime\n"
        "\n"
        "inputs   x  float32[batch, 3, w]\n"
        "         n  int\n"
        "outputs  y  float32[batch, 3]\n"
        "\n"
        "Sizes\n"
        "  batch  1..8      x[0], y[0]\n"
        "  w      any size  x[2]\n"
        "\n"
        "Control flow: 1 If\n"
        "If  model.py:6  if x[1] > 0:  then ✔  else ✔ forced\n"
        "\n"
        "Contract\n"
        "  needs  batch >= 1\n"
        "         model.py:4  y = x[0]\n"
        "\n"
        "Became part of the file\n"
        "  constant  n is 3 in the file\n"
        "\n"
        "Compared with PyTorch: 1 of 1 agree; largest difference 1.2e-07 (y, example inputs)\n"
        "  goals: 2 of 2 (1 by inputs, 1 forced)\n"
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
        (None, "! Exported m.onnx; not compared with PyTorch."),
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
    assert " agrees with PyTorch" not in text


def test_a_disagreement_shows_its_case_and_output_even_among_many() -> None:
    good = OutputDifference("fine", True)
    bad = OutputDifference("logits", False, 0.5, 0.25, "too far off at [0, 3]")
    cases = [VerifiedCase(f"case {k}", True, (good,)) for k in range(50)]
    cases.append(VerifiedCase("batch=7", False, (good, bad)))
    text = shown(Report(model="m", path="m.onnx", verification=Verification(True, cases)))
    assert "50 of 51 agree" in text
    row = next(line for line in text.splitlines() if "WRONG" in line)
    assert " ".join(row.split()) == "batch=7 logits 0.5 0.25 WRONG too far off at [0, 3]"
    assert "case 3" not in text
    assert text.startswith("✘ m.onnx does NOT agree with PyTorch: 50 of 51 do.\n")


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
        report.add("assumption", f"message {k}", SourceLocation("gone.py", k + 1))
    text = shown(report)
    assert "gone.py:12" in text
    assert "gone.py:13" not in text
    assert "288 more are not shown; -v shows all" in text
    assert "gone.py:300" in shown(report, verbose=True)


def test_findings_that_say_the_same_are_shown_once() -> None:
    report = Report(model="m")
    for line in (4, 9, 11):
        report.add("pinned", "dimension 0 is 8", SourceLocation("gone.py", line))
    text = shown(report)
    assert text.count("dimension 0 is 8") == 1
    assert "gone.py:4" in text
    assert "(and at 2 more lines)" in text
    assert shown(report, verbose=True).count("dimension 0 is 8") == 3


def test_many_findings_of_one_line_are_told_as_one() -> None:
    report = Report(model="m")
    for k in range(9):
        report.add("note", f"'part{k}' is written", SourceLocation("gone.py", 4))
    assert shown(report).endswith(
        "Notes\n"
        "  note  'part0' is written (and 8 more of this line; -v shows them)\n"
        "        gone.py:4\n"
    )
    assert shown(report, verbose=True).count("is written") == 9


KINDS: list[FindingKind] = [
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
    assert "Control flow: no if or loop depends on the inputs\n" in shown(report)
    report.add("unused", "not in the file", SourceLocation("gone.py", 3))
    assert "Control flow: no if or loop\n" in shown(report)
    assert "left out  gone.py:3  not in the file\n" in shown(report)
    report.add("selected", "selected", SourceLocation("gone.py", 4))
    assert "Control flow: 1 computed on both paths\n" in shown(report)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_finding_is_shown(kind: FindingKind) -> None:
    report = Report(model="m")
    report.add(kind, "something to know", SourceLocation("gone.py", 3))
    report.add(kind, "something without a place")
    text = shown(report)
    assert "something to know" in text
    assert "gone.py:3" in text
    assert "something without a place" in text


def test_colour_is_for_terminals_only(source: Path) -> None:
    assert "\x1b[" in shown(a_report(source), terminal=True)
    assert "\x1b[" not in shown(a_report(source))


def test_no_line_ends_in_blanks(source: Path) -> None:
    lines = shown(a_report(source), verbose=True).splitlines()
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_is_never_exceeded(source: Path, width: int) -> None:
    report = a_report(source)
    far = SourceLocation(str(source), 6, "forward" * 9)
    for kind in KINDS:
        report.add(kind, "long words " * 30, far)
    assert report.verification is not None
    report.verification.cases.append(
        VerifiedCase(
            "batch=7, width=9, " * 9, False, (OutputDifference("y", False, 1, 2, "x" * 90),)
        )
    )
    report.verification.notes.append("one thing and another " * 9)
    report.verification.location = far
    for verbose in (False, True):
        text = shown(report, verbose=verbose, terminal=True, width=width, colour=False)
        assert max(map(cell_len, text.splitlines())) <= width


def test_where_the_output_is_ascii_so_is_what_is_drawn(source: Path) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_report(_console(stream, terminal=False), a_report(source))
    stream.flush()
    text = stream.buffer.getvalue().decode()
    assert text.startswith("ok: model.onnx agrees")
    assert "then ok  else ok forced" in text
