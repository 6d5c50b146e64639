"""What differs between the outlines of two files."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fxexport.outline.model import Outline, promises_in
from fxexport.outline.text import tree_lines
from fxexport.report.signature import dimension_ranges, type_text

__all__ = ["Difference", "differences"]

_CONTEXT = 2
"""Lines of the tree that are shown around one that differs."""


@dataclass(frozen=True)
class Difference:
    """What differs in one respect.

    Attributes:
        subject: what is compared: "inputs", "outputs", "opsets", "contract", "profiles",
            "control flow", "operators", "weights".
        lines: what only the first file has behind ``-``, what only the second one has behind
            ``+``, and of the tree what stands around them behind a blank.
    """

    subject: str
    lines: tuple[str, ...]


def differences(first: Outline, second: Outline) -> list[Difference]:
    """What differs between two files, subject by subject; [] where their outlines are equal.

    Lines of code are compared, their numbers are not: a program that moved is the same.
    """
    both = (first, second)
    found = [
        _entries("inputs", *(_signature(each.inputs) for each in both)),
        _entries("outputs", *(_signature(each.outputs) for each in both)),
        _entries("opsets", *([f"{d} {v}" for d, v in each.opsets.items()] for each in both)),
        _entries("contract", *(_contract(each.contract) for each in both)),
        _entries("profiles", *(_profiles(each.profiles) for each in both)),
        _control_flow(first, second),
        _operators(first.operators, second.operators),
        _entries("weights", *([f"{each.weight_bytes:,} bytes"] for each in both)),
    ]
    return [one for one in found if one.lines]


def _signature(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for entry in entries:
        ranges = ", ".join(f"{n}: {sizes}" for n, sizes in dimension_ranges([entry]).items())
        lines.append(f"{entry['name']}: {type_text(entry)}" + (f"  {ranges}" if ranges else ""))
    return lines


def _contract(contract: Mapping[str, Any] | None) -> list[str]:
    if contract is None:
        return []
    lines = ["checked when it runs"] if contract.get("checked") else []
    return [*lines, *(f"{kind} {text}" for kind, text, _ in promises_in(contract))]


def _profiles(profiles: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{number} {name}: {'..'.join(str(bounds[point]) for point in ('min', 'opt', 'max'))}"
        for number, profile in enumerate(profiles)
        for name, bounds in {**profile["shapes"], **profile["values"]}.items()
    ]


def _entries(subject: str, first: Sequence[str], second: Sequence[str]) -> Difference:
    lines = [f"- {one}" for one in first if one not in second]
    lines += [f"+ {one}" for one in second if one not in first]
    if not lines and list(first) != list(second):
        lines = [f"- in the order {', '.join(first)}", f"+ in the order {', '.join(second)}"]
    return Difference(subject, tuple(lines))


def _control_flow(first: Outline, second: Outline) -> Difference:
    before, after = (tree_lines(each.steps, full=True, numbers=False) for each in (first, second))
    lines = difflib.unified_diff(before, after, lineterm="", n=_CONTEXT)
    kept = [f"{text[0]} {text[1:]}" for text in lines if not text.startswith(("---", "+++", "@@"))]
    return Difference("control flow", tuple(kept))


def _operators(first: Mapping[str, int], second: Mapping[str, int]) -> Difference:
    lines = []
    for kind in sorted({**first, **second}):
        before, after = first.get(kind, 0), second.get(kind, 0)
        if before != after:
            sign = "+" if after > before else "-"
            lines.append(f"{sign} {kind}: {before} -> {after}")
    return Difference("operators", tuple(lines))
