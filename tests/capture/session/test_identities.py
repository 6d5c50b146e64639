"""What a value may be, and on which ways: as few ways are kept as say it."""

from __future__ import annotations

import itertools

import pytest

from fxexport.capture.session.identities import MOST_WAYS, Reached, Ways, meet


def _reached(*ways: Ways) -> Reached:
    found = Reached("thing")
    for way in ways:
        found.add(way)
    return found


@pytest.mark.parametrize(
    ("ways", "left"),
    [
        ([{}, {1: "then"}], [{}]),
        ([{1: "then"}, {}], [{}]),
        ([{1: "then"}, {1: "then", 2: "other"}], [{1: "then"}]),
        ([{1: "then"}, {1: "other"}], [{}]),
        ([{1: "then", 2: "then"}, {1: "other", 2: "then"}], [{2: "then"}]),
        ([{1: "then"}, {1: "other", 2: "then"}], [{1: "then"}, {2: "then"}]),
        ([{1: "then"}, {2: "then"}], [{1: "then"}, {2: "then"}]),
    ],
)
def test_a_way_that_says_nothing_new_is_not_kept(ways: list[Ways], left: list[Ways]) -> None:
    assert _reached(*ways).ways == left


def test_all_combinations_of_paths_are_no_condition() -> None:
    sides = itertools.product(("then", "other"), repeat=6)
    assert _reached(*(dict(enumerate(chosen)) for chosen in sides)).ways == [{}]


def test_too_many_ways_are_what_they_have_in_common() -> None:
    ways: list[Ways] = [{0: "then", k: "then"} for k in range(1, MOST_WAYS + 2)]
    assert _reached(*ways).ways == [{0: "then"}]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({1: "then"}, {1: "then", 2: "other"}, True),
        ({1: "then"}, {1: "other"}, False),
        ({1: "then"}, {2: "other"}, True),
        ({}, {1: "other"}, True),
    ],
)
def test_values_meet_where_their_paths_can_be_taken_in_one_run(
    one: Ways, other: Ways, expected: bool
) -> None:
    assert meet({7: _reached(one)}, {7: _reached(other)}) is expected
    assert not meet({7: _reached(one)}, {8: _reached(other)})
