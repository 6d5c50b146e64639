"""An outline as text for a terminal: the control flow as a tree, then what the file promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from fxexport.outline.model import (
    Arm,
    Check,
    Construct,
    Loop,
    Operators,
    Outline,
    Place,
    Step,
    constructs_in,
    depth_of,
    promises_in,
)
from fxexport.outline.times import share_text
from fxexport.report import layout
from fxexport.report.layout import (
    highlighted,
    line,
    print_rows,
    print_tree,
    relative_path,
    section,
    short_path,
    size_text,
)
from fxexport.report.profiles import print_profile_table
from fxexport.report.signature_table import print_signature, print_sizes

__all__ = [
    "header_of",
    "loop_text",
    "place_text",
    "print_outline",
    "row_text",
    "summary_of",
    "tree_lines",
]

_CHAIN = 8
"""Operators in a row that are named one by one; longer rows are counted."""

_COUNTED = 4
"""Types of operators that are named where they are counted."""


def print_outline(console: Console, outline: Outline, *, full: bool = False) -> None:
    """Prints an outline.

    Args:
        console: where to. On a terminal the tree keeps to its width; elsewhere lines stay whole.
        outline: what to print.
        full: name all operators, and all types of them.
    """
    line(console, relative_path(outline.path), "bold")
    line(console, header_of(outline), "dim")
    print_signature(console, outline.inputs, outline.outputs)
    print_sizes(console, outline.inputs, outline.outputs)
    section(console, f"Control flow: {summary_of(outline.steps)}")
    print_tree(console, _tree(outline.steps, full))
    _print_contract(console, outline.contract)
    if outline.profiles:
        section(console, "Profiles")
        print_profile_table(console, outline.profiles)
    _print_operators(console, outline.operators, full)


def header_of(outline: Outline) -> str:
    """What a file is, in one line: opset, number of nodes, sizes, what wrote it."""
    opsets = [
        f"ONNX opset {version}" if domain == "ai.onnx" else f"{domain} {version}"
        for domain, version in outline.opsets.items()
        if domain == "ai.onnx" or any(kind.startswith(f"{domain}::") for kind in outline.operators)
    ]
    count = sum(outline.operators.values())
    facts = [*opsets, f"{count} node{'' if count == 1 else 's'}", size_text(outline.size)]
    if outline.weight_bytes:
        beside = f" in {', '.join(outline.weight_files)}" if outline.weight_files else ""
        facts.append(f"weights {size_text(outline.weight_bytes)}{beside}")
    if outline.producer:
        facts.append(f"written by {outline.producer}")
    return ", ".join(facts)


def summary_of(steps: Sequence[Step]) -> str:
    """How many constructs of each kind there are, and how deep they stand in each other."""
    kinds = Counter(one.kind.partition(" ")[0] for one in constructs_in(steps))
    if not kinds:
        return "none"
    plural = {"If": "Ifs", "Loop": "Loops", "Scan": "Scans", "call": "calls"}
    parts = [
        f"{count} {kind if count == 1 else plural.get(kind, kind)}"
        for kind, count in kinds.most_common()
    ]
    depth = depth_of(steps)
    return ", ".join(parts) + (f", up to {depth} deep" if depth > 1 else "")


def tree_lines(steps: Sequence[Step], *, full: bool = False, numbers: bool = True) -> list[str]:
    """The tree as plain lines.

    Args:
        steps: what a file does.
        full: name all operators.
        numbers: give line numbers; without them code that only moved is the same.
    """
    return layout.tree_lines(_tree(steps, full, numbers))


def _tree(steps: Sequence[Step], full: bool, numbers: bool = True) -> Tree:
    root = Tree("", hide_root=True, guide_style="dim")
    _grow(root, steps, full, numbers)
    return root


def _grow(tree: Tree, steps: Sequence[Step], full: bool, numbers: bool) -> None:
    """Adds steps below a node of a tree."""
    for step in steps:
        here = tree.add(_label(step, full, numbers))
        if isinstance(step, Construct):
            for arm in step.arms:
                label, inner = _arm_label(arm, full)
                _grow(here.add(label), inner, full, numbers)


def _arm_label(arm: Arm, full: bool) -> tuple[Text, Sequence[Step]]:
    """What an arm is called, and the steps that stand below; a single row stands beside it."""
    label = Text().append(arm.name, "bold")
    if len(arm.steps) == 1 and isinstance(arm.steps[0], Operators):
        return label.append("  ").append(row_text(arm.steps[0].types, full)), ()
    if not arm.steps:
        label.append("  nothing: values pass through", "dim")
    return label, arm.steps


def _label(step: Step, full: bool, numbers: bool) -> Text:
    if isinstance(step, Operators):
        return Text(row_text(step.types, full))
    if isinstance(step, Check):
        return Text().append("checks  ", "yellow").append(step.text, "dim")
    label = Text().append(step.kind, "bold green")
    where = place_text(step.place, numbers)
    if where:
        label.append("  ").append(where, "cyan")
    if step.place is not None and step.place.code:
        label.append("  ").append_text(highlighted(step.place.code))
    elif not where and step.name:
        label.append("  ").append(step.name, "cyan")
    if step.loop is not None:
        label.append(f"  ({loop_text(step.loop)})", "dim")
    if step.share is not None:
        label.append(f"  {share_text(step.share)}", "magenta")
    return label


def place_text(place: Place | None, numbers: bool = True) -> str:
    """``model.py:11``, as short as it is clear; without the number for comparing files."""
    if place is None:
        return ""
    file = short_path(place.file)
    return f"{file}:{place.line}" if numbers else file


def loop_text(loop: Loop) -> str:
    """How often a loop runs, and what goes through it."""
    if isinstance(loop.trips, int):
        text = f"{loop.trips} trip{'' if loop.trips == 1 else 's'}"
        text = f"at most {text}" if loop.may_stop else text
    elif loop.trips == "open":
        text = "until a condition"
    else:
        text = "trips: computed" + (", or until a condition" if loop.may_stop else "")
    if loop.carried:
        text += f"; carries {loop.carried}"
    if loop.collected:
        text += f"; collects {loop.collected}"
    return text


def row_text(types: Sequence[str], full: bool = False) -> str:
    """Operators in a row: one by one, or counted."""
    if full or len(types) <= _CHAIN:
        return " → ".join(types)
    counts = Counter(types).most_common()
    shown = ", ".join(f"{kind} {n}" for kind, n in counts[:_COUNTED])
    more = ", …" if len(counts) > _COUNTED else ""
    return f"{len(types)} operators: {shown}{more}"


def _print_contract(console: Console, contract: Mapping[str, Any] | None) -> None:
    """The relations, pins and guards of a file, with their lines."""
    if contract is None:
        return
    rows: list[list[Text | str]] = [
        [Text(kind, "yellow"), text.rstrip(":"), Text(place, "dim")]
        for kind, text, place in promises_in(contract)
    ]
    if not rows:
        return
    checked = "checked when it runs" if contract.get("checked") else "not checked when it runs"
    section(console, f"Contract, {checked}")
    print_rows(console, rows)


def _print_operators(console: Console, operators: Mapping[str, int], full: bool) -> None:
    section(console, "Operators")
    shown = list(operators.items())[: None if full else 12]
    text = ", ".join(f"{kind} {count}" for kind, count in shown)
    left = len(operators) - len(shown)
    line(console, f"  {text or 'none'}" + (f"; {left} more types (--all)" if left else ""))
