"""ONNX Runtime's rewriting of the graph changes nothing: a fusion has mistaken a form of ours."""

from __future__ import annotations

import random

import pytest
import torch

from tests.programs import all_programs
from tests.programs.program import Program, rand
from tests.support.harness import run_model
from tests.support.optimization_levels import disagreement

SAMPLE = random.Random(0).sample(all_programs(), 24)


@pytest.mark.parametrize("program", SAMPLE, ids=lambda program: program.name)
def test_a_sample_of_programs_at_every_level(program: Program) -> None:
    assert disagreement(program) == ""


@pytest.mark.slow
@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_every_program_at_every_level(program: Program) -> None:
    assert disagreement(program) == ""


def backwards(x: torch.Tensor) -> torch.Tensor:
    return x[torch.arange(x.shape[0] - 1, -1, -1)]


def from_the_end(x: torch.Tensor) -> torch.Tensor:
    return torch.index_select(x, 0, torch.arange(-x.shape[0], 0) % x.shape[0])


def negative(x: torch.Tensor) -> torch.Tensor:
    return x[torch.arange(-x.shape[0], 0)]


def every_other(x: torch.Tensor) -> torch.Tensor:
    return x[:, torch.arange(-1, -x.shape[1] - 1, -2)]


def taken(x: torch.Tensor) -> torch.Tensor:
    return x.take(torch.arange(x.numel() - 1, -1, -1))


def cloned(x: torch.Tensor) -> torch.Tensor:
    return x[torch.arange(x.shape[0] - 1, -1, -1).clone().detach()]


@pytest.mark.parametrize("program", [backwards, from_the_end, negative, every_other, taken, cloned])
def test_rows_chosen_by_counting_are_those_of_pytorch(program) -> None:  # type: ignore[no-untyped-def]
    inputs = [(rand(*shape),) for shape in ((5, 4), (1, 1), (2, 7), (9, 2))]
    outcome = run_model(lambda: program, inputs)
    assert outcome.status == "agree", outcome.details


def test_an_index_beyond_the_rows_raises_as_in_pytorch() -> None:
    import fxexport
    from tests.support.harness import _run_session, _session

    def first(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return table[torch.arange(x.shape[0])]

    exported = fxexport.export(first, (rand(3), rand(5, 2)), dynamic=True, verify=False)
    session = _session(exported.model)
    (got,) = _run_session(session, exported.graph, (rand(5), rand(5, 2)))
    assert got.shape == (5, 2)
    with pytest.raises(Exception, match="out of data bounds"):
        _run_session(session, exported.graph, (rand(6), rand(5, 2)))
