"""Inputs and outputs for people: a row each with its type, then a row for each size that varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from fxexport.report.layout import print_rows, section
from fxexport.report.signature import dimension_ranges, type_text

__all__ = ["print_signature", "print_sizes"]

_MOST_PLACES = 8
_Entries = Sequence[Mapping[str, Any]]


def print_signature(console: Console, inputs: _Entries, outputs: _Entries) -> None:
    """Prints what a file takes and gives.

    Args:
        console: where to.
        inputs: each in the form that `Report.inputs` has.
        outputs: likewise.
    """
    rows: list[list[Text | str]] = []
    for title, entries in (("inputs", inputs), ("outputs", outputs)):
        for k, entry in enumerate(entries):
            heading = Text(title if k == 0 else "", "bold")
            name = Text(str(entry.get("name", "")), "cyan")
            rows.append([heading, name, type_text(entry)])
    if rows:
        console.print()
        print_rows(console, rows, indent="")


def print_sizes(console: Console, inputs: _Entries, outputs: _Entries) -> None:
    """Prints the sizes and numbers that may vary: what they may be, and where they are."""
    ranges = {**dimension_ranges(outputs), **dimension_ranges(inputs)}
    if not ranges:
        return
    section(console, "Sizes")
    rows: list[list[Text | str]] = []
    for name in dict.fromkeys([*dimension_ranges(inputs), *ranges]):
        places = [place for entry in (*inputs, *outputs) for place in _places(entry, name)]
        rows.append([Text(name, "cyan"), ranges[name], Text(_listed(places), "dim")])
    print_rows(console, rows)


def _listed(places: Sequence[str]) -> str:
    """The places; of many the first, and how many more."""
    shown = places if len(places) <= _MOST_PLACES else places[: _MOST_PLACES - 2]
    more = len(places) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _places(entry: Mapping[str, Any], name: str) -> list[str]:
    """Where a size stands in an input or output, as in ``x[0]``."""
    own = str(entry.get("name"))
    if entry.get("values") and own == name:
        return ["a number"]
    return [
        f"{own}[{k}]"
        for k, dim in enumerate(entry.get("shape") or ())
        if (dim.get("name") if isinstance(dim, dict) else dim) == name
    ]
