"""The report says of ifs and loops what the file holds, and what became of the others.

For ONNX Runtime every test that runs a program of the corpus (`run_model`) holds this too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import fxexport
from tests.programs import THEMES, all_programs
from tests.programs.program import Program
from tests.support.reported import unlike_the_file

# The themes with most branches and loops that TensorRT's passes take apart.
QUICK = ("branches", "early_exits", "loops_that_grow", "optional", "control_flow_operators")


def said(exported: fxexport.Exported, *kinds: Any) -> list[tuple[str, str]]:
    """Kind and line of code of the findings of some kinds."""
    found = exported.report.of_kind(*kinds)
    return [(f.kind, f.location.code if f.location else "") for f in found]


def exported(
    model: Callable[..., Any], x: torch.Tensor, target: str = "onnxruntime", dynamic: Any = True
) -> fxexport.Exported:
    made = fxexport.export(model, (x,), dynamic=dynamic, target=target, verify=False)
    assert unlike_the_file(made) == ""
    return made


def raises_after_a_branch(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 1000:
        if x.max() > 10:
            x = x + 1
        raise ValueError("too large")
    return x * 2


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_branch_of_a_path_that_only_raises_is_not_reported(dynamic: bool) -> None:
    made = exported(raises_after_a_branch, torch.ones(3), dynamic=dynamic)
    assert "If" not in [node.op_type for node in made.model.graph.node]
    assert not said(made, "branch", "loop", "selected", "unused")
    assert said(made, "assumption") == [("assumption", "if x.sum() > 1000:")]


def changes_its_kind(x: torch.Tensor) -> Any:
    y: Any = 0
    for i, row in enumerate(x):
        if i > 0:  # noqa: SIM108
            y = y + row * 2
        else:
            y = row
    return y


def test_a_condition_that_a_peeled_trip_decides_is_not_reported_as_kept() -> None:
    made = exported(changes_its_kind, torch.ones(3, 2))
    assert said(made, "branch", "loop", "folded") == [
        ("folded", "if i > 0:  # noqa: SIM108"),
        ("loop", "for i, row in enumerate(x):"),
    ]


def only_prints(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        print("positive")
    return x * 2


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_a_branch_that_computes_nothing_is_said_to_be_left_out(target: str) -> None:
    made = exported(only_prints, torch.ones(3), target)
    assert said(made, "branch", "unused") == [("unused", "if x.sum() > 0:")]


def chooses_a_number(x: torch.Tensor) -> torch.Tensor:
    k = 3
    if x.sum() > 0:
        k = 2
    return x * k


def test_a_branch_that_a_target_selects_is_said_to_be_selected() -> None:
    assert said(exported(chooses_a_number, torch.ones(3)), "branch", "selected") == [
        ("branch", "if x.sum() > 0:")
    ]
    made = exported(chooses_a_number, torch.ones(3), "tensorrt")
    assert said(made, "branch", "selected") == [("selected", "if x.sum() > 0:")]


def goes_round_once(x: torch.Tensor) -> torch.Tensor:
    while x.sum() > 0:
        x = x - 1
        return x * 3
    return x


def test_a_loop_that_a_target_makes_a_branch_is_reported_as_one() -> None:
    made = exported(goes_round_once, torch.ones(3), "tensorrt")
    assert set(said(made, "branch", "loop")) == {("branch", "while x.sum() > 0:")}
    assert any("one iteration at most" in found.message for found in made.report.of_kind("branch"))


def _programs(quick: bool) -> list[Program]:
    names = tuple(theme for theme in THEMES if (theme in QUICK) == quick)
    return [p for p in all_programs() if p.name.split(".")[0] in names]


def _check_for_tensorrt(program: Program) -> None:
    try:
        made = fxexport.export(
            program.make(),
            copy.deepcopy(program.inputs[0]),
            dynamic=program.dynamic,
            target="tensorrt",
            verify=False,
        )
    except fxexport.FxExportError:
        return
    assert unlike_the_file(made) == ""


@pytest.mark.parametrize("program", _programs(quick=True), ids=lambda program: program.name)
def test_reports_for_tensorrt_say_what_the_file_holds(program: Program) -> None:
    _check_for_tensorrt(program)


@pytest.mark.slow
@pytest.mark.parametrize("program", _programs(quick=False), ids=lambda program: program.name)
def test_all_reports_for_tensorrt_say_what_the_file_holds(program: Program) -> None:
    _check_for_tensorrt(program)
