"""Every program of the corpus exports and agrees with PyTorch, or is refused as it should be."""

from __future__ import annotations

import re

import pytest

from tests.programs import all_programs
from tests.programs.program import Program
from tests.support.harness import run_program


@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_program_agrees_with_pytorch_or_is_refused(program: Program) -> None:
    outcome = run_program(program)
    allowed = {"export": {"agree"}, "refuse": {"refused"}, "either": {"agree", "refused"}}
    assert outcome.status in allowed[program.expect], f"{outcome.status}: {outcome.details}"
    if outcome.status == "refused" and program.match:
        assert re.search(program.match, outcome.details), outcome.details
