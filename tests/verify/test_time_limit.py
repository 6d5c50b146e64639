"""A file that does not come to its end is a disagreement, and the check goes on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
import torch

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.errors import UsageError
from fxexport.report.model import Verification
from fxexport.verify import diagnosis, verifier
from fxexport.verify.cases import Effort
from fxexport.verify.time_limit import RunsOn, TimeLimit, interrupted_after
from tests.support.graphs import aten, captured, check, onnx_file, prepared_for

X = torch.tensor([[0.5, -1.0, 2.0], [-3.0, 0.25, -0.125]])
SHORT = 2.0
Program = Callable[[torch.Tensor], torch.Tensor]


def halved(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    while y.abs().max() > 1:
        y = y / 2
    return y


def halved_row_by_row(x: torch.Tensor) -> torch.Tensor:
    total = x[0] * 0
    for row in x:
        while row.abs().max() > 1:
            row = row / 2
        total = total + row
    return total


def halved_where_no_input_leads(x: torch.Tensor) -> torch.Tensor:
    if x.sum().sin() > 2:
        while x.abs().max() > 1:
            x = x / 2
    return x


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_nodes(attribute.g)


def checked_with(program: Program, path: Path, wrong: str) -> Verification:
    """Exports, makes one operator of the file another one, and compares."""
    exported = fxexport.export(
        program, (X,), dynamic={"x": {0: "rows"}}, verify=False, verify_timeout=SHORT
    )
    exported.save(path)
    model = onnx.load(path)
    for node in all_nodes(model.graph):
        if node.op_type == "Div":
            node.op_type = wrong
    onnx.save(model, path)
    return exported.verify_file(str(path), [(X * 0,)])


def line_of(program: Program, text: str) -> int:
    lines, first = inspect.getsourcelines(program)
    return first + next(k for k, line in enumerate(lines) if text in line)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few inputs are made: on most of them a file does not end."""
    monkeypatch.setattr(verifier, "effort_for", lambda *_: Effort(1, 0, 0, 2, 4, 1000))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("program", [halved, halved_row_by_row])
def test_a_loop_that_never_ends_is_told_with_sizes_loop_and_line(
    program: Program, tmp_path: Path
) -> None:
    result = checked_with(program, tmp_path / "m.onnx", "Mul")
    first = result.cases[0]
    assert first.label == "example inputs"
    assert first.message.startswith("the file did not come to its end within 2")
    assert " on sizes x [2, 3]; PyTorch took " in first.message
    where = f"{Path(__file__).name}:{line_of(program, 'while')}"
    assert f"the loop at {where} goes on where PyTorch's ends, after " in result.message
    assert "the first wrong value is that of aten.div.Tensor" in result.message
    assert result.location is not None
    assert result.location.line == line_of(program, "/ 2")
    # The others have their turn, and where the loop is not entered, the file is right.
    assert [(case.label, case.ok) for case in result.cases][1] == ("check inputs 1", True)
    assert sum(not case.ok for case in result.cases) > 1


@pytest.mark.usefixtures("few")
def test_a_loop_that_never_ends_where_no_input_leads_is_told(tmp_path: Path) -> None:
    result = checked_with(halved_where_no_input_leads, tmp_path / "m.onnx", "Mul")
    wrong = [case.message for case in result.cases if not case.ok]
    assert wrong
    assert all("the file did not come to its end within " in text for text in wrong)
    line = line_of(halved_where_no_input_leads, "while")
    assert f"{Path(__file__).name}:{line} goes on where PyTorch's ends" in wrong[0]
    assert result.location is not None
    assert result.location.line == line_of(halved_where_no_input_leads, "/ 2")


@pytest.mark.parametrize("program", [halved, halved_row_by_row, halved_where_no_input_leads])
def test_the_same_loops_agree_without_a_fault(program: Program, tmp_path: Path) -> None:
    result = checked_with(program, tmp_path / "m.onnx", "Div")
    assert result.ok
    assert result.uncovered == []


def test_model_that_runs_on_for_made_inputs_is_left_there(tmp_path: Path) -> None:
    def runs_on(x: torch.Tensor) -> torch.Tensor:
        while x.shape[0] == 5:
            pass
        return x * 2

    prepared = prepared_for(runs_on, (torch.randn(2, 3),), {"x": {0: "rows"}})
    graph = captured(
        prepared.specs, lambda g, args: [g.call_function(aten.mul.Tensor, (args[0], 2.0))]
    )
    text = "g (float[rows, 3] x) => (float[rows, 3] y) <float two = {2.0}> { y = Mul(x, two) }"
    path = onnx_file(tmp_path / "m.onnx", text)
    result = check(graph, path, runs_on, prepared, timeout=0.5)
    assert result.ok
    labels = [case.label for case in result.cases]
    assert "rows=5" not in labels
    assert "not compared, since loops make too many iterations: rows=5" in result.notes
    assert "rows=1" in labels


def counting(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    while total < x.shape[0] * 30:
        total = total + 1
    return total + x.sum()


def test_inputs_that_were_left_out_for_their_long_loops_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifier, "effort_for", lambda *_: Effort(8, 0, 0, 0, 4, 70))
    exported = fxexport.export(counting, (X[:1],), dynamic={"x": {0: "rows"}}, verify=False)
    result = exported.verify()
    assert result.ok
    told = "not compared, since loops make too many iterations: "
    (note,) = (note for note in result.notes if note.startswith(told))
    assert "rows=3" in note
    assert all(case.label not in note for case in result.cases)


@pytest.mark.usefixtures("few")
def test_graph_whose_loop_has_no_end_is_not_run_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "MOST_TRIPS", 50)
    monkeypatch.setattr(verifier, "_USER_ITERATIONS", 50)
    exported = fxexport.export(
        halved, (X,), dynamic={"x": {0: "rows"}}, verify=False, verify_timeout=SHORT
    )
    path = tmp_path / "m.onnx"
    exported.save(path)
    for body in exported.graph.graphs():
        for node in body.graph.nodes:
            if node.target is aten.div.Tensor:
                node.target = aten.mul.Tensor
        body.recompile()
    assert exported.verify_file(str(path)).ok
    model = onnx.load(path)
    for node in all_nodes(model.graph):
        if node.op_type == "Div":
            node.op_type = "Add"
    onnx.save(model, path)
    result = exported.verify_file(str(path))
    assert "the captured graph's own loops make more than 50 iterations" in result.message


def test_endless_python_is_ended_and_what_follows_is_not() -> None:
    def endless() -> None:
        while True:
            try:
                torch.ones(2).sum()
            except Exception:
                continue

    with pytest.raises(RunsOn, match=r"within 0\.2 s"), interrupted_after(0.2):
        endless()
    with interrupted_after(60.0):
        assert torch.ones(2).sum() == 2


def test_limit_follows_from_what_pytorch_took_and_is_halved_after_it_was_met() -> None:
    limit = TimeLimit()
    assert limit.seconds == 60
    limit.took = 10.0
    assert limit.seconds == 360
    for _ in range(100):
        limit.exceeded()
    assert limit.seconds == 301
    with pytest.raises(RuntimeError), limit.timed():
        raise RuntimeError
    assert limit.took == 10.0
    with limit.timed():
        pass
    assert limit.took < 10.0
    own = TimeLimit(0.5)
    own.exceeded()
    assert own.seconds == 0.5


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf"), True, "60"])
def test_what_is_no_time_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match="verify_timeout: expected a number of seconds above 0"):
        fxexport.export(halved, (X,), verify_timeout=wrong)
