"""Random programs with nested ifs and loops: they build, or are refused before the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.random_engines import FAILURES, outcome_of
from tests.random_programs import generate

pytest.importorskip("onnxruntime")
pytest.importorskip("tensorrt_rtx")

# Each once failed in the builder, or was not right.
SEEDS = [
    ("plain", 31),
    ("plain", 65),
    ("plain", 164),
    ("plain", 357),
]


@pytest.mark.long
@pytest.mark.parametrize(("flavour", "seed"), SEEDS)
def test_it_builds_or_is_refused_with_its_line(flavour: str, seed: int, tmp_path: Path) -> None:
    row = outcome_of(generate(seed, flavour), tmp_path)
    assert row.outcome not in FAILURES, row.said
    assert row.outcome == "builds" or ".py:" in row.said
