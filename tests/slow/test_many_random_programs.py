"""Thousands of random programs, in blocks: none is wrong, none crashes, few are refused.

    pytest -m slow

The seeds are others than those of the everyday tests.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests import random_engines, random_sizes
from tests.random_programs import generate, run, runs_in_eager

pytestmark = pytest.mark.slow

FIRST = 100_000
BLOCK = 50
BLOCKS = range(FIRST, FIRST + 20 * BLOCK, BLOCK)


@pytest.mark.parametrize("first", BLOCKS)
@pytest.mark.parametrize("ranged", [False, True], ids=["any size", "declared range"])
@pytest.mark.parametrize("flavour", ["plain", "lists"])
def test_programs_agree_or_are_refused(
    flavour: str, ranged: bool, first: int, tmp_path: Path
) -> None:
    said = []
    refused = 0
    for seed in range(first, first + BLOCK):
        program = generate(seed, flavour)
        if not runs_in_eager(program, tmp_path):
            continue
        outcome = run(program, tmp_path, ranged)
        refused += outcome.status == "refused"
        if outcome.status in ("wrong", "crashed"):
            said.append(f"# seed {seed}: {outcome.status}: {outcome.details}\n{program.source}")
    assert not said, "\n".join(said)
    assert refused <= 0.1 * BLOCK


@pytest.mark.parametrize("first", BLOCKS)
def test_tensors_that_change_their_sizes_agree_for_tensorrt(first: int, tmp_path: Path) -> None:
    outcomes = {
        seed: random_sizes.outcome_of(seed, tmp_path) for seed in range(first, first + BLOCK)
    }
    wrong = {seed: outcome for seed, outcome in outcomes.items() if outcome[0] == "wrong"}
    assert wrong == {}


@pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="needs TensorRT-RTX")
@pytest.mark.parametrize("first", BLOCKS[:4])
@pytest.mark.parametrize("flavour", ["plain", "lists"])
def test_the_builder_is_seldom_the_first_to_refuse(
    flavour: str, first: int, tmp_path: Path
) -> None:
    rows = [
        random_engines.outcome_of(generate(seed, flavour), tmp_path)
        for seed in range(first, first + BLOCK)
    ]
    failures = [row for row in rows if row.outcome in random_engines.FAILURES]
    assert [row for row in failures if row.outcome != "refused by the builder"] == []
    assert len(failures) <= 0.05 * BLOCK, failures
