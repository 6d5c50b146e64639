"""The control flow of a program as its reader knows it: what was kept, and what was decided.

What the file holds has its place in the tree of the file. What was decided at export is in no file:
it gets its place by where it stands in the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from fxexport.report.layout import short_path
from fxexport.report.model import Finding, FindingKind, Report
from fxexport.report.sites import Site, merged
from fxexport.source.constructs import Constructs
from fxexport.source.location import SourceLocation
from fxexport.source.ownership import Owner, owner_of

__all__ = ["DECIDED", "Entry", "SourceTree", "entries_in"]

DECIDED: tuple[FindingKind, ...] = ("folded", "unrolled", "selected", "unused")
"""The kinds of findings about ifs and loops that the file does not hold as such."""


@dataclass
class Entry:
    """An if or loop of the program.

    Attributes:
        kind: "branch" or "loop" where it was kept, else one of `DECIDED`.
        location: the user's line.
        site: what the file holds, where it was kept.
        notes: what there is to say of it.
        arms: what is in its bodies, by their names.
    """

    kind: FindingKind
    location: SourceLocation | None
    site: Site | None = None
    notes: list[str] = field(default_factory=list)
    arms: dict[str, list[Entry]] = field(default_factory=dict)


@dataclass
class SourceTree:
    """The ifs and loops of a report, those in others inside of them.

    Attributes:
        entries: the outermost ones.
        hidden: what is not among them: what functions of libraries have decided.
    """

    entries: list[Entry]
    hidden: list[Finding] = field(default_factory=list)

    @classmethod
    def of(cls, report: Report, *, libraries: bool) -> SourceTree:
        """Makes the tree of a report.

        Args:
            report: of an export.
            libraries: whether what libraries have decided is in it.
        """
        constructs = Constructs()
        sites = _without_parts_of_loops(report.control_flow, constructs)
        tree = cls([_kept(site) for site in sites])
        by_key = {(entry.kind, entry.location): entry for entry in entries_in(tree.entries)}
        for found in report.of_kind("branch", "loop"):
            kept = by_key.get((found.kind, found.location))
            if kept is not None and ": " in found.message:
                kept.notes.append(found.message)
        decided: list[Entry] = []
        for found in report.of_kind(*DECIDED):
            kept = by_key.get(("branch", found.location)) or by_key.get(("loop", found.location))
            entry = kept or by_key.get((found.kind, found.location))
            if not libraries and found.kind != "selected" and _of_library(found, constructs):
                tree.hidden.append(found)
            elif entry is not None and found.location is not None:
                entry.notes.append(_note(found))
            else:
                entry = Entry(found.kind, found.location, notes=[_note(found)])
                by_key[found.kind, found.location] = entry
                decided.append(entry)
        source = _Source(constructs)
        for entry in decided:
            home = source.home_of(entry, tree.entries)
            _insert(tree.entries if home is None else home, entry)
        source.nest(tree.entries)
        return tree


def entries_in(entries: Sequence[Entry]) -> Iterator[Entry]:
    """All entries of a tree, outer ones first."""
    for entry in entries:
        yield entry
        for inner in entry.arms.values():
            yield from entries_in(inner)


def _without_parts_of_loops(sites: Sequence[Site], constructs: Constructs) -> tuple[Site, ...]:
    """Sites without the ifs that loops are made with.

    ``while a and b`` asks for b only where a holds, and behind a loop with a return in it an If
    asks whether it has returned; a reader sees one loop.
    """
    found: list[Site] = []
    for site in sites:
        arms = tuple(
            replace(arm, sites=_without_parts_of_loops(arm.sites, constructs)) for arm in site.arms
        )
        is_part = (
            site.kind == "branch"
            and site.location is not None
            and constructs.is_loop(site.location)
        )
        found += (
            [inner for arm in arms for inner in arm.sites]
            if is_part
            else [replace(site, arms=arms)]
        )
    return merged(found)


def _note(found: Finding) -> str:
    """What a finding says; and where, if a library that the line has called decided it."""
    inner = None if found.location is None else found.location.within
    where = "" if inner is None else f"in {short_path(inner.file)}:{inner.line}, "
    return where + found.message


def _of_library(found: Finding, constructs: Constructs) -> bool:
    """Whether something was decided by a library, or by a function of one on a user's line."""
    location = found.location
    if location is None:
        return False
    return owner_of(location.file) is not Owner.USER or not constructs.stands_at(location)


def _kept(site: Site) -> Entry:
    arms = {arm.name: [_kept(inner) for inner in arm.sites] for arm in site.arms}
    return Entry(site.kind, site.location, site, arms=arms)


def _insert(siblings: list[Entry], entry: Entry) -> None:
    """Puts an entry before the first one of its file that stands below it."""
    for k, other in enumerate(siblings):
        if (
            other.location is not None
            and entry.location is not None
            and other.location.file == entry.location.file
            and other.location.line > entry.location.line
        ):
            siblings.insert(k, entry)
            return
    siblings.append(entry)


class _Source:
    """Finds which ifs and loops stand in which others."""

    def __init__(self, constructs: Constructs) -> None:
        self._constructs = constructs

    def home_of(self, entry: Entry, entries: Sequence[Entry]) -> list[Entry] | None:
        """The innermost body that an entry stands in; None where it stands in none of them."""
        for outer in entries:
            for inner in outer.arms.values():
                found = self.home_of(entry, inner)
                if found is not None:
                    return found
            name = self._body(outer, entry)
            if name:
                return outer.arms.setdefault(name, [])
        return None

    def nest(self, siblings: list[Entry]) -> None:
        """Moves what stands in the body of a decided if or loop there."""
        for outer in siblings[:]:
            if outer.site is None and outer in siblings:
                for other in siblings[:]:
                    name = "" if other is outer else self._body(outer, other)
                    if name:
                        siblings.remove(other)
                        outer.arms.setdefault(name, []).append(other)
            for inner in outer.arms.values():
                self.nest(inner)

    def _body(self, outer: Entry, entry: Entry) -> str:
        """The name of the body of one entry that another one stands in; empty for none."""
        if outer.location is None or entry.location is None:
            return ""
        if outer.location.file != entry.location.file:
            return ""
        bodies = self._constructs.bodies_at(outer.location)
        line = entry.location.line
        return next((name for name, (low, high) in bodies.items() if low <= line <= high), "")
