"""Sizes to verify at keep to ranges and relations."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fxexport.graph.signature import Constraint, DimRange, InputSpec
from fxexport.profiles import Profile
from fxexport.verify.searching.other_sizes import SizeMaker, broken_constraint


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


def of_profile(low: tuple[int, ...], high: tuple[int, ...], *holds: Any) -> list[tuple[Any, Any]]:
    names = tuple(DimRange(f"d{k}") for k in range(len(low)))
    profile = Profile({"x": (low, high)})
    return list(maker(names, low, *holds).of_profile(profile))


def test_a_profile_is_tried_at_min_opt_max_and_between() -> None:
    found = of_profile((1, 32), (8, 512))
    assert [name for name, _ in found] == ["min", "opt", "max", "between", "between"]
    sizes = [found_sizes for _, found_sizes in found]
    assert sizes[0] == {"d0": 1, "d1": 32}
    assert sizes[2] == {"d0": 8, "d1": 512}
    assert all(1 <= s["d0"] <= 8 and 32 <= s["d1"] <= 512 for s in sizes)
    assert len({tuple(s.values()) for s in sizes}) == 5


def test_sizes_between_satisfy_the_relations() -> None:
    found = of_profile((1, 32), (8, 512), lambda s: s["d1"] % 32 == 0)
    between = [sizes for name, sizes in found if name == "between"]
    assert between
    assert all(sizes["d1"] % 32 == 0 for sizes in between)


def test_a_profile_of_one_size_has_nothing_between() -> None:
    assert [name for name, _ in of_profile((4,), (4,))] == ["min", "opt", "max"]
