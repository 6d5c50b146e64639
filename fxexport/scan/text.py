"""What a scan found, as text: a tree for each model, and the totals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from fxexport.report.layout import line, print_rows, print_tree, section, short_path
from fxexport.scan.model import Called, Decides, FoundModel, Hint, ScannedFile, Site, Step
from fxexport.scan.selection import is_shown, shown_steps, totals_of

__all__ = ["print_scan"]

_STYLES = {
    Decides.VALUES: "bold green",
    Decides.SIZES: "cyan",
    Decides.UNKNOWN: "yellow",
    Decides.CONFIGURATION: "dim",
}


def print_scan(console: Console, files: Sequence[ScannedFile], *, full: bool = False) -> None:
    """Prints what was found.

    Args:
        console: where to.
        files: what `scan` gave.
        full: show what configuration decides as well, and models where it decides everything.
    """
    for file in files:
        if file.problem:
            line(console, f"{short_path(file.path)}: not read: {file.problem}", "yellow")
        models = [model for model in file.models if full or is_shown(model)]
        if models:
            line(console, short_path(file.path), "bold")
            for model in models:
                print_tree(console, _tree(model, full))
    _print_totals(console, files, full)


def _tree(model: FoundModel, full: bool) -> Tree:
    head = Text().append(f"{model.name}.forward", "bold").append(f"  line {model.line}", "dim")
    tree = Tree(head, guide_style="dim")
    _grow(tree, model.steps, full)
    for hint in model.hints:
        tree.add(_hint_text(hint))
    return tree


def _grow(tree: Tree, steps: Iterable[Step], full: bool) -> None:
    for step in shown_steps(steps, full=full):
        if isinstance(step, Called):
            label = Text().append(f"{step.name}()", "bold")
            label.append(f"  {short_path(step.file)}:{step.line}", "dim")
            _grow(tree.add(label), step.steps, full)
            continue
        here = tree.add(_site_text(step))
        for name, inner in step.arms:
            if any(True for _ in shown_steps(inner, full=full)):
                _grow(here.add(Text(name, "dim")), inner, full)


def _site_text(site: Site) -> Text:
    text = Text().append(f"{site.kind:<11} ", _STYLES[site.decides])
    text.append(f"{site.line:>5}  ", "dim").append(site.code)
    return text.append(f"  [{site.decides.value}]", _STYLES[site.decides])


def _hint_text(hint: Hint) -> Text:
    text = Text().append(f"{hint.code}       ", "bold red").append(f"{hint.line:>5}  ", "dim")
    return text.append(hint.source).append(f"  {hint.text}", "red")


def _print_totals(console: Console, files: Sequence[ScannedFile], full: bool) -> None:
    totals = totals_of(files)
    section(console, f"{totals.models} models in {totals.files} files")
    head: list[Text | str] = [Text(title, "dim") for title in ("decided by", *totals.kinds)]
    rows = [head]
    for decides, counts in totals.rows:
        numbers = [str(count or "") for count in counts]
        rows.append([Text(decides.value, _STYLES[decides]), *numbers])
    print_rows(console, rows if totals.kinds else [["no ifs or loops"]])
    if totals.hints:
        texts = (f"{code} {count}" for code, count in totals.hints)
        line(console, f"  an export would refuse: {', '.join(texts)} (fxexport explain CODE)")
    if totals.hidden and not full:
        text = f"  {totals.hidden} models that configuration alone decides: --all shows them"
        line(console, text, "dim")
