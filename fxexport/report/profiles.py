"""Profiles for people: in the report of an export, and of ``fxexport profile``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from fxexport.profiles import POINTS, FileInput, StoredProfiles, why_no_profile
from fxexport.profiles.profile import sizes_text
from fxexport.report.layout import line, print_rows, section
from fxexport.report.model import Report

__all__ = ["print_profile_table", "print_profiles", "print_stored"]


def print_profiles(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Prints the profiles of an export; or why there are none, where that may surprise."""
    if report.profiles:
        section(console, "Profiles")
        print_profile_table(console, report.profiles)
    elif report.no_profile and (verbose or _some_bounded(report) or "tensorrt" in report.target):
        section(console, "Profiles")
        line(console, f"  {report.no_profile}", "yellow")


def _some_bounded(report: Report) -> bool:
    """Whether the user gave a largest size for some dimension, but not for all."""
    dims = [dim for entry in report.inputs for dim in entry.get("shape") or ()]
    return any(isinstance(dim, dict) and dim.get("max") is not None for dim in dims)


def print_stored(console: Console, file: str, stored: StoredProfiles) -> None:
    """Prints what a file remembers of its dynamic dimensions."""
    line(console, file, "bold")
    rows: list[list[Text | str]] = [
        [Text(target.name, "cyan"), target.describe().partition(": ")[2], _ranges_of(target)]
        for target in stored.inputs
    ]
    print_rows(console, rows)
    section(console, "Profiles")
    if stored.profiles:
        print_profile_table(console, [profile.to_dict() for profile in stored.profiles])
    elif why_no_profile(stored.inputs):
        dims = {d.name: d for one in stored.inputs for d in one.shape if not isinstance(d, int)}
        example = ",".join(f"{dim.name}[1..8]" for dim in dims.values() if dim.max is None)
        reason = why_no_profile(stored.inputs).partition(";")[0]
        line(console, f'  {reason}; give one, for example --set "{example}"')
    else:
        line(console, "  no profile: no size varies")
    if stored.relations:
        section(console, "The model needs")
        print_rows(console, [[relation.text, relation.line] for relation in stored.relations])


def _ranges_of(target: FileInput) -> str:
    """What the file was exported for: the range of each dynamic dimension, or of the values."""
    ranges = [
        f"{dim.name}: {dim.min}..{'' if dim.max is None else dim.max}"
        for dim in target.shape
        if not isinstance(dim, int)
    ]
    if target.values:
        ranges.append(f"values: {target.values[0]}..{target.values[1]}")
    return ", ".join(ranges)


def print_profile_table(console: Console, profiles: Sequence[Mapping[str, Any]]) -> None:
    """Prints profiles, each in the form that `Profile.to_dict` gives: a row an input.

    Where there are several, each begins with its number.
    """
    head: list[Text | str] = [Text(title, "dim") for title in ("", "input", *POINTS)]
    rows = [head]
    for number, profile in enumerate(profiles):
        named = [*profile["shapes"].items(), *profile["values"].items()]
        for k, (name, bounds) in enumerate(named):
            label = str(number) if k == 0 and len(profiles) > 1 else ""
            sizes = [sizes_text(bounds[point]) for point in POINTS]
            kind = "values" if name in profile["values"] else ""
            rows.append([label, Text(name, "cyan"), *sizes, Text(kind, "dim")])
    print_rows(console, [row[1:] for row in rows] if len(profiles) == 1 else rows)
