"""What differs between two files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import fxexport
from fxexport.outline.differences import differences
from fxexport.outline.model import Construct, Operators, Outline, Place
from fxexport.outline.read import outline_of
from tests.outline.files import looping
from tests.outline.test_text import STEPS, outline


def by_subject(first: Outline, second: Outline) -> dict[str, tuple[str, ...]]:
    return {one.subject: one.lines for one in differences(first, second)}


def test_equal_files_do_not_differ(tmp_path: Path) -> None:
    paths = [looping(tmp_path / name) for name in ("a.onnx", "b.onnx")]
    assert differences(*map(outline_of, paths)) == []


def test_a_program_that_moved_is_the_same() -> None:
    row, construct = STEPS
    assert isinstance(construct, Construct)
    assert construct.place is not None
    moved = replace(construct, place=replace(construct.place, line=99))
    assert differences(outline(), outline((row, moved))) == []


def test_other_code_and_other_operators_are_shown_with_what_is_around() -> None:
    row, construct = STEPS
    assert isinstance(construct, Construct)
    other = replace(construct, place=Place("/a/b.py", 3, "f", "if x > 1:"))
    found = by_subject(outline(), outline((Operators(("Shape",)), other)))
    assert found["control flow"] == (
        "- Shape → Gather",
        '- If  /a/b.py  if x > 0 and "y":',
        "+ Shape",
        "+ If  /a/b.py  if x > 1:",
        "  ├── then  Relu",
        "  └── else",
    )
    assert row in STEPS


@pytest.mark.parametrize(
    ("change", "subject", "lines"),
    [
        ({"inputs": []}, "inputs", ("- x: float32[n]  n: 2 or more",)),
        ({"opsets": {"ai.onnx": 22, "own": 1, "unused": 1}}, "opsets",
         ("- ai.onnx 21", "+ ai.onnx 22")),
        ({"contract": None}, "contract", ("- checked when it runs", "- needs n >= 2")),
        ({"operators": {"If": 2, "own::A": 19}}, "operators",
         ("+ If: 1 -> 2", "- own::A: 20 -> 19")),
        ({"weight_bytes": 5_000}, "weights", ("- 4,000 bytes", "+ 5,000 bytes")),
        ({"profiles": [{"shapes": {"x": {"min": [2], "opt": [4], "max": [8]}}, "values": {}}]},
         "profiles", ("+ 0 x: [2]..[4]..[8]",)),
    ],
)  # fmt: skip
def test_each_subject_is_compared(
    change: dict[str, object], subject: str, lines: tuple[str, ...]
) -> None:
    assert by_subject(outline(), replace(outline(), **change)) == {subject: lines}  # type: ignore[arg-type]


def test_outputs_in_another_order_differ() -> None:
    entries = [{"name": n, "kind": "tensor", "dtype": "int64", "shape": []} for n in "ab"]
    found = by_subject(
        replace(outline(), outputs=entries), replace(outline(), outputs=entries[::-1])
    )
    assert found == {
        "outputs": (
            "- in the order a: int64[], b: int64[]",
            "+ in the order b: int64[], a: int64[]",
        )
    }


def double(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.sum() > 0 else x


def test_static_and_dynamic_exports_differ_in_sizes_alone(tmp_path: Path) -> None:
    for name, dynamic in (("a.onnx", False), ("b.onnx", True)):
        fxexport.export(double, (torch.ones(3),), tmp_path / name, dynamic=dynamic, verify=False)
    found = by_subject(outline_of(tmp_path / "a.onnx"), outline_of(tmp_path / "b.onnx"))
    assert "control flow" not in found
    assert found["inputs"] == ("- x: float32[3]", "+ x: float32[x_d0]  x_d0: any size")
