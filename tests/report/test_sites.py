"""Ifs and loops of a file as a tree in which each line is there once."""

from __future__ import annotations

from fxexport.report.sites import Arm, Site, merged, sites_as_data
from fxexport.source.location import SourceLocation


def at(line: int, *inner: Site, other: tuple[Site, ...] = ()) -> Site:
    arms = (Arm("then", 2, inner), Arm("else", 1, other))
    return Site("branch", SourceLocation("m.py", line), arms, paths=((f"branch_{line}",),))


def outline(sites: tuple[Site, ...]) -> list[object]:
    return [
        (site.location and site.location.line, site.copies, [outline(a.sites) for a in site.arms])
        for site in sites
    ]


def test_copies_side_by_side_are_one() -> None:
    assert outline(merged([at(3), at(5), at(3), at(5)])) == [(3, 2, [[], []]), (5, 2, [[], []])]


def test_copies_inside_of_each_other_are_one() -> None:
    chain = at(3, other=(at(3, at(4), other=(at(3),)),))
    assert outline(merged([chain])) == [(3, 3, [[(4, 1, [[], []])], []])]


def test_what_copies_have_inside_is_put_together() -> None:
    assert outline(merged([at(3, at(4)), at(3, at(4), at(6))])) == [
        (3, 2, [[(4, 2, [[], []]), (6, 1, [[], []])], []])
    ]


def test_a_loop_and_an_if_of_one_line_are_two() -> None:
    loop = Site("loop", SourceLocation("m.py", 3), (Arm("body", 1, (at(3),)),), paths=(("l",),))
    (found,) = merged([loop])
    inner = [site for arm in found.arms for site in arm.sites]
    assert [site.kind for site in (found, *inner)] == ["loop", "branch"]


def test_sites_without_a_line_stay_apart_from_those_with_one() -> None:
    nameless = Site("loop", None, (Arm("body", 1, (at(3),)),), paths=(("l",),))
    assert outline(merged([nameless, at(3)])) == [
        (None, 1, [[(3, 1, [[], []])]]),
        (3, 1, [[], []]),
    ]


def test_as_data_the_tree_keeps_its_form() -> None:
    (data,) = sites_as_data([at(3, at(4))])
    assert data["kind"] == "branch"
    assert data["location"]["line"] == 3
    assert [arm["name"] for arm in data["arms"]] == ["then", "else"]
    assert data["arms"][0]["sites"][0]["location"]["line"] == 4
