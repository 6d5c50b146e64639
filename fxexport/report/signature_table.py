"""Inputs and outputs for people: a row each, with their types and the sizes that may vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from fxexport.report.layout import print_rows
from fxexport.report.signature import dimension_ranges, type_text

__all__ = ["print_signature"]


def print_signature(
    console: Console, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]
) -> None:
    """Prints what a file takes and gives.

    Args:
        console: where to.
        inputs: each in the form that `Report.inputs` has.
        outputs: likewise.
    """
    rows: list[list[Text | str]] = []
    for title, entries in (("inputs", inputs), ("outputs", outputs)):
        for k, entry in enumerate(entries):
            ranges = dimension_ranges([entry])
            rows.append(
                [
                    Text(title if k == 0 else "", "bold"),
                    Text(str(entry.get("name", "")), "cyan"),
                    type_text(entry),
                    Text(", ".join(f"{name}: {sizes}" for name, sizes in ranges.items()), "dim"),
                ]
            )
    if rows:
        console.print()
        print_rows(console, rows, indent="")
