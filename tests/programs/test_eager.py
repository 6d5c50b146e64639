"""The corpus itself is sound: unique names, and every input set runs in eager PyTorch."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch

from tests.programs import all_programs
from tests.programs.program import Program
from tests.support.harness import compare, flatten


def test_names_are_unique() -> None:
    counts = Counter(program.name for program in all_programs())
    assert [name for name, count in counts.items() if count > 1] == []


def test_corpus_is_large() -> None:
    assert len(all_programs()) >= 150


@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_program_runs_in_eager_and_repeats(program: Program) -> None:
    compared = False
    for row in program.inputs:
        with torch.no_grad():
            first = flatten(program.make()(*copy.deepcopy(row)))
            second = flatten(program.make()(*copy.deepcopy(row)))
        compared = compared or bool(first)  # a list of no items is a result as well
        assert compare(first, second) == ""
    assert compared, "the program returns nothing to compare"
