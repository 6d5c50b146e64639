"""What no input reaches is compared with its decisions forced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.report.model import Goal, Verification
from fxexport.targets.onnxruntime.session import RuntimeFailure
from fxexport.verify.forced_ways import ForcedWays
from tests.verify.programs_to_force import BY_FORCE

X = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.25, -0.125]])


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes of a graph, in bodies too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from nodes_of(attribute.g)


def with_fault(path: Path, wrong: str, right: str = "Atan") -> None:
    """Writes another operator into a file in the place of one."""
    model = onnx.load(path)
    found = [node for node in nodes_of(model.graph) if node.op_type == right]
    assert found, "the operator is not in the file"
    for node in found:
        node.op_type = wrong
    onnx.save(model, path)


def exported(subject: Any, path: Path, *inputs: Any, dynamic: Any = True) -> fxexport.Exported:
    model = subject() if isinstance(subject, type) else subject
    if isinstance(model, nn.Module):
        model.eval()
    return fxexport.export(model, inputs or (X,), path, dynamic=dynamic, verify=False)


def verified(subject: Any, path: Path, *inputs: Any, dynamic: Any = True) -> Verification:
    return exported(subject, path, *inputs, dynamic=dynamic).verify_file(str(path))


def missing(result: Verification) -> list[Goal]:
    return [goal for goal in result.goals if not goal.compared]


@pytest.mark.parametrize("subject", BY_FORCE, ids=lambda subject: subject.__name__)
def test_fault_where_no_input_leads_is_found_by_force_alone(
    subject: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    export = exported(subject, path)
    right = export.verify_file(str(path))
    assert right.ok, right.message
    assert any(goal.reached == "forced" for goal in right.goals)
    assert missing(right) == []
    with_fault(path, "Cos")
    wrong = export.verify_file(str(path))
    assert not wrong.ok
    assert "the first wrong value is that of aten.atan.default" in wrong.message
    assert wrong.location is not None
    assert wrong.location.file.endswith("programs_to_force.py")
    monkeypatch.setattr(ForcedWays, "run", lambda *_: None)
    assert export.verify_file(str(path)).ok


def test_threshold_that_is_a_little_off_is_found_where_no_input_leads(tmp_path: Path) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        if x.sum().sin() > 2:
            x = x * 2
            if x.mean() > 7.25:
                x = x + 3
        return x

    path = tmp_path / "model.onnx"
    export = exported(model, path)
    right = export.verify_file(str(path))
    assert right.ok, right.message
    assert missing(right) == []
    file = onnx.load(path)
    (number,) = (one for one in file.graph.initializer if "7.25" in one.name)
    moved = onnx.numpy_helper.from_array(np.array(7.3, np.float32), number.name)
    number.CopyFrom(moved)
    onnx.save(file, path)
    assert not export.verify_file(str(path)).ok


def test_functions_have_their_own_code_again(tmp_path: Path) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        if x.sum().sin() > 2:
            x = x + 1
        return x

    code = model.__code__
    result = verified(model, tmp_path / "m.onnx")
    assert result.coverage_text() == "2 of 2 (1 by inputs, 1 forced)"
    assert model.__code__ is code


def raising(x: torch.Tensor) -> torch.Tensor:
    kept: list[torch.Tensor] = []
    for row in x:
        if row.sum().sin() < 2:
            kept.append(row)
    y = kept[0]
    return y + 1 if y.sum().sin() > 2 else y


def test_what_raises_by_force_is_told_with_its_line(tmp_path: Path) -> None:
    result = verified(raising, tmp_path / "m.onnx", dynamic={"x": {0: "n"}})
    assert result.ok, result.message
    (goal,) = [g for g in missing(result) if g.kind == "branch"]
    assert "IndexError" in goal.reason
    assert "test_forced_ways.py:" in goal.reason
    assert goal in [
        Goal(one.kind, one.goal, one.location, "not reached", one.reason)
        for one in result.uncovered
    ]


def counted(x: torch.Tensor) -> torch.Tensor:
    y = x
    while y.sum().sin() > 2:
        y = torch.atan(y) + 3
    return y


def test_loop_is_forced_to_one_and_to_several_trips(tmp_path: Path) -> None:
    result = verified(counted, tmp_path / "m.onnx")
    assert {goal.goal: goal.reached for goal in result.goals} == {
        "no trip": "input",
        "one trip": "forced",
        "several trips": "forced",
    }


def twice(x: torch.Tensor) -> torch.Tensor:
    steps = x.sum() * 0
    while x.sum().sin() + steps < 3:
        steps = steps + 1.5
        x = x.abs() + 1
    return x


def test_loop_is_forced_to_less_than_it_ever_makes(tmp_path: Path) -> None:
    result = verified(twice, tmp_path / "m.onnx", dynamic=False)
    assert result.ok, result.message
    assert {goal.goal: goal.reached for goal in result.goals} == {
        "no trip": "forced",
        "one trip": "forced",
        "several trips": "input",
    }


def by_a_number(x: torch.Tensor, n: int) -> torch.Tensor:
    k = int(x.abs().sum() * 0) + 40
    for i in range(k):
        x = x * 0.5 + i
    return x + n


def test_range_is_forced_to_other_lengths(tmp_path: Path) -> None:
    result = verified(by_a_number, tmp_path / "m.onnx", X, 2)
    assert result.ok, result.message
    assert {goal.goal: goal.reached for goal in result.goals} == {
        "no trip": "forced",
        "one trip": "forced",
        "several trips": "input",
    }


def of_sizes(x: torch.Tensor) -> torch.Tensor:
    return x + 1 if x.shape[0] > 100_000 else x


def test_sizes_are_not_forced(tmp_path: Path) -> None:
    result = verified(of_sizes, tmp_path / "m.onnx")
    (goal,) = missing(result)
    assert "sizes decide it" in goal.reason


def kept_for_later(x: torch.Tensor) -> torch.Tensor:
    """The condition is a result as well: forced, it would be another one."""
    far = x.sum().sin() > 2
    y = x + 1 if far else x
    return torch.where(far, y, y * 2)


def test_condition_that_is_data_too_is_no_false_alarm(tmp_path: Path) -> None:
    result = verified(kept_for_later, tmp_path / "m.onnx")
    assert result.ok, result.message


def both_ways(x: torch.Tensor, depth: int = 0) -> torch.Tensor:
    if depth == 2:
        return x
    if x.sum().sin() > 2:
        return both_ways(x + 1, depth + 1)
    return both_ways(x - 1, depth + 1)


def test_decision_that_must_go_both_ways_in_one_run_is_told(tmp_path: Path) -> None:
    result = verified(both_ways, tmp_path / "m.onnx", X)
    assert result.ok, result.message
    assert all(goal.reason for goal in missing(result))


@torch.jit.script
def scripted(x: torch.Tensor) -> torch.Tensor:
    if bool(x.sum().sin() > 2):
        x = torch.atan(x)
    return x


@torch.jit.script
def scripted_number(x: torch.Tensor) -> int:
    count = 3
    if bool(x.sum().sin() > 2):
        count = 5
    return count


@pytest.mark.parametrize("subject", [scripted, scripted_number])
def test_torchscript_is_compared_with_the_graph_alone(subject: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    result = fxexport.export(subject, (X,), path, dynamic=True).report.verification
    assert result is not None
    (goal,) = missing(result)
    assert goal.reached == "graph only"
    assert "no decision there that can be forced" in goal.reason


@torch.jit.script
def scripted_atan(x: torch.Tensor) -> torch.Tensor:
    if bool(x.sum().sin() > 2):
        x = torch.atan(x)
    return x * 2


@pytest.mark.parametrize("wrong", ["Cos", "Acosh"])
def test_fault_in_what_is_compared_with_the_graph_alone_is_a_disagreement(
    wrong: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    export = exported(scripted_atan, path)
    assert export.verify_file(str(path)).ok
    with_fault(path, wrong)
    result = export.verify_file(str(path))
    assert not result.ok
    assert "the first wrong value is that of aten.atan.default" in result.message


def test_condition_inside_of_what_is_forced_is_asked_on_values_of_one_sign(tmp_path: Path) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        if x.sum().sin() > 2:
            x = x * 3
            while x.abs().max() > 1:
                x = x / 2
        return x

    path = tmp_path / "m.onnx"
    export = exported(model, path)
    file = onnx.load(path)
    # Of the first iteration's condition alone: wrong where a large element is above 0.
    next(node for node in nodes_of(file.graph) if node.op_type == "Abs").op_type = "Neg"
    onnx.save(file, path)
    assert not export.verify_file(str(path)).ok


def test_goals_have_a_reason_where_the_copy_of_the_file_does_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeFailure("ONNX Runtime does not load it")

    monkeypatch.setattr(ForcedWays, "_forced_file", fails)
    result = verified(BY_FORCE[0], tmp_path / "m.onnx")
    assert result.ok
    assert missing(result)
    assert {goal.reason for goal in missing(result)} == {
        "decisions could not be forced, see the notes"
    }
    assert "decisions could not be forced: ONNX Runtime does not load it" in result.notes


def test_less_than_the_required_coverage_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(fxexport.CoverageError) as caught:
        fxexport.export(of_sizes, (X,), path, dynamic=True, require_coverage=100)
    assert "1 of 2 (1 by inputs, 0 forced) goals were compared" in caught.value.message
    assert "100 percent are asked for" in caught.value.message
    assert caught.value.exit_code == 3
    assert caught.value.location is not None
    assert caught.value.exported.report.verification.ok
    assert not path.exists()
    assert (tmp_path / "m.unverified.onnx").exists()


def test_enough_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    fxexport.export(of_sizes, (X,), path, dynamic=True, require_coverage=50)
    assert path.exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"require_coverage": 101}, "from 0 to 100"),
        ({"require_coverage": "all"}, "from 0 to 100"),
        ({"require_coverage": 50, "verify": False}, "needs verification"),
    ],
)
def test_coverage_that_cannot_be_required_is_wrong_usage(
    options: dict[str, Any], match: str
) -> None:
    with pytest.raises(fxexport.UsageError, match=match):
        fxexport.export(of_sizes, (X,), dynamic=True, **options)


def test_weights_of_the_copy_are_those_of_the_file(tmp_path: Path) -> None:
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 400)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.layer(x)
            return torch.atan(y) if y.sum().sin() > 2 else y

    for external in (False, True):
        path = tmp_path / f"{external}.onnx"
        result = fxexport.export(
            Large(), (X,), path, dynamic=True, external_data=external
        ).report.verification
        assert result is not None
        assert result.coverage_text() == "2 of 2 (1 by inputs, 1 forced)"
