"""The ifs and loops of a file as a tree, as the report holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from fxexport.source.location import SourceLocation

if TYPE_CHECKING:
    from fxexport.graph.paths import Path

__all__ = ["Arm", "Site", "merged", "sites_as_data"]


@dataclass(frozen=True)
class Site:
    """An if or loop of the file.

    Attributes:
        kind: which of the two.
        location: the user's line.
        arms: its bodies: "then" and "else", or "body".
        bound: what limits a loop, in words.
        paths: where the constructs are that it stands for: one line may have many, as in a loop
            that is written out.
    """

    kind: Literal["branch", "loop"]
    location: SourceLocation | None
    arms: tuple[Arm, ...]
    bound: str = ""
    paths: tuple[Path, ...] = ()

    @property
    def copies(self) -> int:
        """How many constructs of the file it stands for."""
        return len(self.paths)

    @property
    def key(self) -> tuple[str, SourceLocation | None]:
        """What tells it from others in a program."""
        return self.kind, self.location


@dataclass(frozen=True)
class Arm:
    """One body of an if or loop.

    Attributes:
        name: "then", "else" or "body".
        operators: how many operators it has, without those inside of further ifs and loops.
        sites: the ifs and loops in it.
    """

    name: str
    operators: int
    sites: tuple[Site, ...] = ()


def merged(sites: Sequence[Site]) -> tuple[Site, ...]:
    """Sites in which each line of the program is there once among its neighbours.

    A loop that is written out has its body's ifs in the file once an iteration, side by side or,
    where it ends early, one inside of the other. A reader knows them by their line.
    """
    groups: dict[tuple[str, SourceLocation | None], list[Site]] = {}
    for site in sites:
        for one in _unnested(site):
            groups.setdefault(one.key, []).append(one)
    return tuple(_one(group) for group in groups.values())


def sites_as_data(sites: Sequence[Site]) -> list[dict[str, Any]]:
    """A tree as plain JSON data."""
    return [
        {
            "kind": site.kind,
            "location": None if site.location is None else site.location.to_dict(),
            "bound": site.bound,
            "copies": site.copies,
            "arms": [
                {
                    "name": arm.name,
                    "operators": arm.operators,
                    "sites": sites_as_data(arm.sites),
                }
                for arm in site.arms
            ],
        }
        for site in sites
    ]


def _unnested(site: Site) -> Iterator[Site]:
    """A site, and those of its own line that it has in it."""
    if site.location is None:
        yield site
        return
    taken: list[Site] = []
    arms = tuple(
        replace(arm, sites=tuple(_without(arm.sites, site.key, taken))) for arm in site.arms
    )
    yield replace(site, arms=arms)
    for one in taken:
        yield from _unnested(one)


def _without(
    sites: Sequence[Site], key: tuple[str, SourceLocation | None], taken: list[Site]
) -> Iterator[Site]:
    """Sites without those of one line, which are put into `taken`."""
    for site in sites:
        if site.key == key:
            taken.append(site)
            continue
        arms = tuple(
            replace(arm, sites=tuple(_without(arm.sites, key, taken))) for arm in site.arms
        )
        yield replace(site, arms=arms)


def _one(group: Sequence[Site]) -> Site:
    """The sites of one line as one."""
    first = group[0]
    names = dict.fromkeys(arm.name for site in group for arm in site.arms)
    arms = tuple(
        Arm(
            name,
            max(arm.operators for site in group for arm in site.arms if arm.name == name),
            merged(
                [inner for site in group for arm in site.arms if arm.name == name
                 for inner in arm.sites]
            ),
        )
        for name in names
    )  # fmt: skip
    bounds = dict.fromkeys(site.bound for site in group if site.bound)
    paths = tuple(path for site in group for path in site.paths)
    return Site(first.kind, first.location, arms, ", ".join(bounds), paths)
