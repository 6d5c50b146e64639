"""Findings, refusals and nodes name the user's own line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fxexport
from fxexport.capture.frames import frames_of_traceback, is_torch_internal, raised_by_fxexport
from fxexport.graph import source_of
from tests.capture.agree import captured, refused


def line_of(mark: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    (line,) = (k for k, text in enumerate(lines, 1) if text.endswith(f"# {mark}"))
    return line


def helper(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:  # in a helper
        return x.relu()
    return x


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fc(x)  # calls a layer of torch
        for _ in range(x.shape[0]):  # a loop in a method
            x = helper(x)  # calls the helper
        return (
            x.sigmoid()  # in the middle of an expression
            + 1
        )


def locations(exported: fxexport.Exported, kind: Any) -> list[Any]:
    return [finding.location for finding in exported.report.of_kind(kind)]


def test_findings_name_file_line_function_and_code() -> None:
    exported = captured(Layer(), torch.ones(2, 2))
    (branch,), (loop,) = locations(exported, "branch"), locations(exported, "loop")
    assert (branch.file, branch.line, branch.function) == (
        __file__,
        line_of("in a helper"),
        "helper",
    )
    assert branch.code.startswith("if x.sum() > 0:")
    assert (loop.line, loop.function) == (line_of("a loop in a method"), "forward")


@pytest.mark.parametrize(
    ("operator", "mark"),
    [
        ("linear", "calls a layer of torch"),
        ("relu", None),
        ("sigmoid", "in the middle of an expression"),
    ],
)
def test_nodes_name_the_line_that_made_them(operator: str, mark: str | None) -> None:
    graph = captured(Layer(), torch.ones(2, 2)).graph
    nodes = [n for module in graph.graphs() for n in module.graph.nodes]
    (node,) = (n for n in nodes if n.op == "call_function" and f"aten.{operator}." in str(n.target))
    place = source_of(node)
    assert place is not None and place.file == __file__
    assert place.line == (line_of(mark) if mark else line_of("in a helper") + 1)


def test_a_node_names_the_lines_that_called_it_innermost_first() -> None:
    graph = captured(Layer(), torch.ones(2, 2)).graph
    nodes = [n for module in graph.graphs() for n in module.graph.nodes]
    (node,) = (n for n in nodes if n.op == "call_function" and "aten.relu." in str(n.target))
    lines = [place.line for place in node.meta["source"]]
    assert lines[0] == line_of("in a helper") + 1
    assert line_of("calls the helper") in lines
    assert all(place.file == __file__ for place in node.meta["source"])


def refused_in_a_lambda(x: torch.Tensor) -> Any:
    f = lambda v: {r for r in v if r > 0}  # noqa: E731 # refused in a lambda
    return f(x)


def refused_in_a_nested_function(x: torch.Tensor) -> Any:
    def inner(v: torch.Tensor) -> Any:
        return sorted(v)  # refused in a nested function

    return inner(x)


def refused_in_a_branch(x: torch.Tensor) -> Any:
    if x.sum() > 0:
        for k in range(3):
            if k == 1:
                x = torch.stack(sorted(x))  # refused in a branch
    return x


@pytest.mark.parametrize(
    ("program", "mark"),
    [
        (refused_in_a_lambda, "refused in a lambda"),
        (refused_in_a_nested_function, "refused in a nested function"),
        (refused_in_a_branch, "refused in a branch"),
    ],
)
def test_refusals_name_the_line(program: Callable[..., Any], mark: str) -> None:
    error = refused(program, [(torch.ones(2),)])
    assert error.location is not None
    assert (error.location.file, error.location.line) == (__file__, line_of(mark))


def raises(x: torch.Tensor) -> Any:
    if x.dim() == 1:
        raise ValueError("one dimension")  # raises itself
    return x


def fails_in_torch(x: torch.Tensor) -> Any:
    return x.reshape(7, 7)  # fails in torch


@pytest.mark.parametrize(
    ("program", "mark"), [(raises, "raises itself"), (fails_in_torch, "fails in torch")]
)
def test_the_models_own_errors_name_the_line(program: Callable[..., Any], mark: str) -> None:
    with pytest.raises(fxexport.FxExportError) as error:
        captured(program, torch.ones(2), dynamic=False)
    assert isinstance(error.value, fxexport.ModelError)
    assert error.value.location is not None
    assert error.value.location.line == line_of(mark)


def test_torchs_files_are_no_user_files() -> None:
    assert is_torch_internal(torch.__file__)
    assert not is_torch_internal(nn.Linear.forward.__code__.co_filename)
    assert not is_torch_internal(__file__)


def test_frames_of_a_traceback_are_innermost_first() -> None:
    try:
        raises(torch.ones(1))
    except ValueError as error:
        frames = frames_of_traceback(error.__traceback__)
        ours = raised_by_fxexport(error)
    assert frames[0].function == "raises"
    assert frames[0].line == line_of("raises itself")
    assert not ours
