"""`fxexport explain`."""

from __future__ import annotations

import pytest

from fxexport.codes.ids import Code
from fxexport.command.main import main


@pytest.mark.parametrize("text", ["FX101", "fx101", "101", "value-needed"])
def test_a_code_is_explained_by_number_and_name(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert main(["explain", text]) == 0
    out = capsys.readouterr().out
    assert out.startswith("FX101 value-needed\n\nPython needs the value")
    assert "Instead:" in out


def test_several_are_explained_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "FX101", "FX201"]) == 0
    out = capsys.readouterr().out
    assert out.index("FX101 value-needed") < out.index("FX201 recursion")


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(Code)


@pytest.mark.parametrize(
    ("text", "hint"), [("FX1o1", "FX101"), ("value-neded", "value-needed"), ("xyz", "lists all")]
)
def test_an_unknown_code_is_told_with_the_next_best(
    capsys: pytest.CaptureFixture[str], text: str, hint: str
) -> None:
    assert main(["explain", text]) == 2
    err = capsys.readouterr().err
    assert "there is no code" in err
    assert hint in err
