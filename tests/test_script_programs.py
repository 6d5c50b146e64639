"""Every program that TorchScript takes is exported from its script too, and agrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Outcome, run_model
from tests.programs import all_programs
from tests.programs.program import Program
from tests.random_programs import generate, load
from tests.scripted import annotated, archived, same_in_eager, scripted

slow = pytest.mark.slow

# How many of the random programs are tried, from seed 0: those are quick to make and run.
QUICK, MANY = 12, 180


def _outcome(
    make: Callable[[], Callable[..., Any]], inputs: Any, dynamic: Any, through: str
) -> Outcome | None:
    """What becomes of a script; None for a program that has none, or that means another thing."""

    def made() -> Any:
        script = scripted(make())
        return archived(script) if through == "archive" else script

    if scripted(make()) is None or not same_in_eager(make, made, inputs):
        return None
    return run_model(made, inputs, dynamic=dynamic)


def _check(program: Program, through: str) -> None:
    outcome = _outcome(program.make, program.inputs, program.dynamic, through)
    if outcome is None:
        pytest.skip("TorchScript does not take it, or takes it for something else")
    # A script may be clearer than Python, so that what is refused there may be exported here.
    allowed = {"export": {"agree"}}.get(program.expect, {"agree", "refused"})
    assert outcome.status in allowed, f"{outcome.status}: {outcome.details}"


@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_program_from_an_archive_agrees_with_pytorch(program: Program) -> None:
    _check(program, "archive")


@slow
@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_scripted_program_agrees_with_pytorch(program: Program) -> None:
    _check(program, "module")


def test_most_programs_are_taken_by_torchscript() -> None:
    """Else the tests above would show nothing."""
    assert sum(scripted(program.make()) is not None for program in all_programs()) > 200


def _random(seed: int, folder: Path) -> Outcome | None:
    program = generate(seed)
    make = load(annotated(program), folder, f"random_script_{seed}")
    return _outcome(make, program.inputs(), True, "archive" if seed % 2 else "module")


def _failures(outcomes: dict[int, Outcome | None], status: str) -> str:
    return "\n".join(
        f"# seed {seed}: {outcome.details}\n{annotated(generate(seed))}"
        for seed, outcome in outcomes.items()
        if outcome is not None and outcome.status == status
    )


@pytest.mark.parametrize("count", [QUICK, pytest.param(MANY, marks=slow)])
def test_random_scripts_agree_with_pytorch(count: int, tmp_path: Path) -> None:
    outcomes = {seed: _random(seed, tmp_path) for seed in range(count)}
    assert _failures(outcomes, "wrong") == ""
    assert _failures(outcomes, "crashed") == ""
    taken = [outcome for outcome in outcomes.values() if outcome is not None]
    refused = [outcome for outcome in taken if outcome.status == "refused"]
    assert len(taken) > 0.4 * count
    assert len(refused) <= max(1, 0.05 * len(taken)), _failures(outcomes, "refused")
