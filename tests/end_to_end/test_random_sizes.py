"""Random programs whose tensors change their sizes in loops agree after the passes for TensorRT."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.random_sizes import generate, outcome_of


@pytest.mark.parametrize("seed", range(1, 13))
def test_it_gives_the_same(seed: int, tmp_path: Path) -> None:
    outcome, said = outcome_of(seed, tmp_path)
    assert outcome == "agrees", f"{outcome}: {said}\n{generate(seed)}"
