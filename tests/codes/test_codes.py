"""The codes of refusals and findings: each is explained, and each refusal has one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from fxexport.codes.explained import explained, page
from fxexport.codes.ids import FINDING_CODES, Code
from fxexport.errors import (
    FxExportError,
    MissingLoweringError,
    ModelError,
    OutputError,
    UnsupportedError,
    UsageError,
    VerificationError,
)
from fxexport.report.model import FindingKind

ROOT = Path(__file__).resolve().parents[2]


def refusals() -> Iterator[tuple[str, ast.Call]]:
    """Every place that makes an UnsupportedError."""
    for path in sorted([*(ROOT / "fxexport").rglob("*.py"), *(ROOT / "passes").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "func", None)
            if isinstance(node, ast.Call) and getattr(name, "id", "") == "UnsupportedError":
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_code_is_explained_in_order() -> None:
    assert list(explained()) == sorted(Code)
    assert len(re.findall(r"^## ", page(), re.MULTILINE)) == len(Code)


def test_names_are_unique() -> None:
    names = [one.name for one in explained().values()]
    assert len(set(names)) == len(names)


def test_the_page_of_the_docs_is_the_same_text() -> None:
    assert (ROOT / "docs" / "codes.md").read_text(encoding="utf-8") == page()


def test_a_summary_is_the_first_paragraph() -> None:
    assert explained()[Code.STATE_KEPT].summary == (
        "What the model keeps from call to call is an input and an output of the file."
    )


def test_every_kind_of_finding_has_a_code_of_its_own() -> None:
    assert set(FINDING_CODES) == set(get_args(FindingKind))
    assert len(set(FINDING_CODES.values())) == len(FINDING_CODES)


@pytest.mark.parametrize("call", [pytest.param(call, id=place) for place, call in refusals()])
def test_every_refusal_says_its_code(call: ast.Call) -> None:
    assert "code" in {keyword.arg for keyword in call.keywords}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnsupportedError("no"), Code.UNSUPPORTED),
        (UnsupportedError("no", code=Code.TEXT), Code.TEXT),
        (MissingLoweringError("no", operator="aten::x"), Code.NO_ONNX_FORM),
        (ModelError("no"), Code.MODEL_RAISES),
        (UsageError("no"), Code.USAGE),
        (OutputError("no"), Code.NOT_WRITTEN),
        (VerificationError("no"), Code.DISAGREES),
    ],
)
def test_errors_carry_their_code(error: FxExportError, code: Code) -> None:
    assert error.code is code
