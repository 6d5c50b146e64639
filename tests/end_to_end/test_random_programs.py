"""Random programs: eager PyTorch, the graph and ONNX Runtime agree, or the program is refused."""

from __future__ import annotations

import copy
import math
import os
from pathlib import Path

import pytest
import torch

from tests.random_programs import generate, load, run
from tests.support.harness import Outcome, compare, flatten

long = pytest.mark.long
COUNT = int(os.environ.get("FXEXPORT_RANDOM_PROGRAMS", "60"))


FLAVOURS = ("plain", "lists", "choices")
Key = tuple[str, int]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[Key, Outcome]:
    folder = tmp_path_factory.mktemp("random_programs")
    keys = [(flavour, seed) for flavour in FLAVOURS for seed in range(COUNT // len(FLAVOURS))]
    for flavour in FLAVOURS:
        (folder / flavour).mkdir()  # programs of one seed have one name
    return {key: run(generate(key[1], key[0]), folder / key[0]) for key in keys}


def _listing(outcomes: dict[Key, Outcome], *statuses: str) -> str:
    return "\n".join(
        f"# {flavour}, seed {seed}: {outcome.status}: {outcome.details}\n"
        f"{generate(seed, flavour).source}"
        for (flavour, seed), outcome in outcomes.items()
        if outcome.status in statuses
    )


@long
def test_no_program_gives_a_wrong_answer(outcomes: dict[Key, Outcome]) -> None:
    assert _listing(outcomes, "wrong") == ""


@long
def test_no_program_crashes_the_export(outcomes: dict[Key, Outcome]) -> None:
    assert _listing(outcomes, "crashed") == ""


@long
def test_few_programs_are_refused(
    outcomes: dict[Key, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    refused = [key for key, outcome in outcomes.items() if outcome.status == "refused"]
    with capsys.disabled():
        print(f"\n{len(outcomes)} random programs, {len(refused)} refused {refused}")
    assert len(refused) <= 0.05 * len(outcomes), _listing(outcomes, "refused")


def test_generator_gives_the_same_program_again() -> None:
    assert generate(7).source == generate(7).source
    assert generate(7).source != generate(8).source


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("first", range(0, 150, 50))
def test_programs_run_in_eager_with_finite_repeatable_results(
    flavour: str, first: int, tmp_path: Path
) -> None:
    for seed in range(first, first + 50):
        program = generate(seed, flavour)
        make = load(program.source, tmp_path, f"eager_program_{seed}")
        for row in program.inputs():
            with torch.no_grad():
                result = flatten(make()(*copy.deepcopy(row)))
                again = flatten(make()(*copy.deepcopy(row)))
            assert compare(result, again) == "", program.source
            for value in result:
                finite = value.isfinite().all() if isinstance(value, torch.Tensor) else True
                assert finite, program.source
                assert isinstance(value, torch.Tensor) or math.isfinite(value), program.source
