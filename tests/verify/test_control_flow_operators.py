"""`torch.map` and kin compile themselves where they are called, inside of the check's modes."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

import fxexport
from tests.programs import all_programs
from tests.programs.program import Program

PROGRAMS = [one for one in all_programs() if one.name.startswith("control_flow_operators.")]


@pytest.mark.parametrize(
    "program",
    [one for one in PROGRAMS if one.expect == "export"],
    ids=lambda one: one.name.partition(".")[2],
)
def test_models_with_control_flow_operators_are_compared(program: Program, tmp_path: Path) -> None:
    row, *others = copy.deepcopy(program.inputs)
    exported = fxexport.export(
        program.make(), row, tmp_path / "m.onnx", dynamic=program.dynamic, check_inputs=others
    )
    verification = exported.report.verification
    assert verification is not None
    assert verification.ok
