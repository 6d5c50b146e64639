"""Sizes to verify at keep to ranges and relations."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fxexport.graph.captured import Constraint, DimRange, InputSpec
from fxexport.verify.sizes import SizeMaker, broken_constraint


def maker(
    shape: tuple[int | DimRange, ...], hint: tuple[int, ...], *holds: Any, limit: int = 10**9
) -> SizeMaker:
    constraints = [Constraint(f"relation {k}", h) for k, h in enumerate(holds)]
    return SizeMaker([InputSpec("x", "tensor", torch.float32, shape)], [hint], constraints, limit)


N, M = DimRange("n"), DimRange("m")


def standard(sizes: SizeMaker) -> list[dict[str, int]]:
    return [found for _, found in sizes.standard()]


def test_one_small_and_larger() -> None:
    assert standard(maker((N, 3), (8, 3))) == [{"n": 17}, {"n": 1}, {"n": 2}, {"n": 16}]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1, 8, {1, 2, 8}), (2, None, {2, 17, 16}), (4, 4, set()), (8, 9, {9})],
)
def test_ranges_are_kept(low: int, high: int | None, expected: set[int]) -> None:
    example = 4 if high == 4 else 8
    found = standard(maker((DimRange("n", low, high),), (example,)))
    assert {sizes["n"] for sizes in found} - {example} == expected - {example}


@pytest.mark.parametrize(
    "holds",
    [
        lambda s: s["n"] % 32 == 0,
        lambda s: s["n"] == s["m"],
        lambda s: s["n"] == s["m"] and s["n"] % 8 == 0,
        lambda s: s["n"] >= s["m"],
        lambda s: 64 % s["n"] == 0,
    ],
)
def test_relations_hold_and_sizes_still_move(holds: Any) -> None:
    sizes = maker((N, M), (64, 64), holds)
    found = standard(sizes)
    assert len(found) >= 2
    assert all(holds(s) for s in found)


@pytest.mark.parametrize(
    ("hint", "holds"),
    [((9, 8), lambda s: s["n"] == s["m"] + 1), ((16, 8), lambda s: s["n"] == 2 * s["m"])],
)
def test_sizes_that_hang_together_move_together(hint: tuple[int, int], holds: Any) -> None:
    found = standard(maker((N, M), hint, holds))
    assert found
    assert all(holds(s) for s in found)


def test_too_large_sizes_are_left_out() -> None:
    found = standard(maker((N, 100), (8, 100), limit=1000))
    assert found
    assert all(s["n"] <= 10 for s in found)


def test_zero_only_where_the_range_has_it() -> None:
    sizes = maker((N, DimRange("m", 1)), (4, 4))
    assert [found for _, found in sizes.zeros()] == [{"n": 0, "m": 4}]


def test_relation_that_cannot_be_computed_does_not_hold() -> None:
    constraint = Constraint("8 % n == 0", lambda s: 8 % s["n"] == 0)
    assert broken_constraint([constraint], {"n": 0}) == "8 % n == 0"
    assert broken_constraint([constraint], {"n": 4}) == ""
