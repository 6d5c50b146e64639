"""Findings, refusals and nodes name the user's own line."""

from __future__ import annotations

import dataclasses
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fxexport
from fxexport.graph import source_of
from fxexport.source.exceptions import (
    ExceptionNote,
    errors_of_the_program,
    note_location,
    note_of,
    note_raised,
    raised_by_fxexport,
)
from fxexport.source.frames import (
    call_model,
    frames_of_traceback,
    locations_of_summary,
    user_location,
)
from fxexport.source.ownership import (
    Owner,
    is_of_fxexport,
    is_of_standard_library,
    is_torch_internal,
    owner_of,
)
from tests.support.capturing import captured, refused


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
        return {r for r in v if r > 0}  # refused in a nested function

    return inner(x)


def refused_in_a_branch(x: torch.Tensor) -> Any:
    if x.sum() > 0:
        for k in range(3):
            if k == 1:
                x = torch.stack([*{r for r in x if r > 0}])  # refused in a branch
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


def test_files_are_told_apart_by_whose_they_are() -> None:
    assert owner_of(__file__) is Owner.USER
    assert owner_of(pytest.__file__) is Owner.LIBRARY
    assert owner_of(nn.Linear.forward.__code__.co_filename) is Owner.TORCH_LAYER
    for internal in (torch.__file__, inspect.__file__, fxexport.__file__, "<frozen os>"):
        assert owner_of(internal) is Owner.INTERNAL
    assert is_of_fxexport(fxexport.__file__) and not is_of_fxexport(__file__)
    assert is_of_standard_library(inspect.__file__) and not is_of_standard_library(pytest.__file__)


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


def test_what_calls_the_model_is_no_part_of_its_stack() -> None:
    here = user_location()
    assert here is not None and here.file == __file__
    assert call_model(user_location) is None  # type: ignore[func-returns-value]
    assert call_model(lambda: user_location()).function == "<lambda>"  # type: ignore[union-attr]
    stack = call_model(lambda: traceback.extract_stack())
    assert [place.function for place in locations_of_summary(stack)] == ["<lambda>"]


def test_an_exception_keeps_what_was_noted_of_it() -> None:
    assert note_of(ValueError()) is None
    error = note_raised(ValueError())  # noted here
    note_location(error)
    note = note_of(error)
    assert note is not None and note.raised and note.location is not None
    assert note.location.line == line_of("noted here")
    with pytest.raises(KeyError) as looked_up, errors_of_the_program():
        {}["missing"]
    assert note_of(looked_up.value) == ExceptionNote()
    note_location(looked_up.value)  # noted later
    later = note_of(looked_up.value)
    assert later is not None and later.location is not None and not later.raised
    assert later.location.line == line_of("noted later")


@dataclasses.dataclass(frozen=True)
class Closed(Exception):
    code: int


def raises_an_exception_that_takes_no_attributes(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        raise Closed(3)
    return x * 2


def test_an_exception_that_takes_no_attributes_is_the_programs_own() -> None:
    exported = captured(raises_an_exception_that_takes_no_attributes, torch.zeros(2))
    assert exported.report.of_kind("assumption")
