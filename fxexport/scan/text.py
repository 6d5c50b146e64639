"""What a scan found, as text: a tree for each model, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from fxexport.report.layout import line, print_rows, print_tree, section, short_path
from fxexport.scan.model import Called, Decides, FoundModel, Hint, ScannedFile, Site, Step, sites_in

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
        models = [model for model in file.models if full or _is_shown(model)]
        if models:
            line(console, short_path(file.path), "bold")
            for model in models:
                print_tree(console, _tree(model, full))
    _print_totals(console, files, full)


def _is_shown(model: FoundModel) -> bool:
    return bool(model.hints) or any(
        site.decides is not Decides.CONFIGURATION for site in sites_in(model.steps)
    )


def _tree(model: FoundModel, full: bool) -> Tree:
    head = Text().append(f"{model.name}.forward", "bold").append(f"  line {model.line}", "dim")
    tree = Tree(head, guide_style="dim")
    _grow(tree, model.steps, full)
    for hint in model.hints:
        tree.add(_hint_text(hint))
    return tree


def _grow(tree: Tree, steps: Iterable[Step], full: bool) -> None:
    for step in steps:
        if not full and all(one.decides is Decides.CONFIGURATION for one in sites_in([step])):
            continue
        if isinstance(step, Called):
            label = Text().append(f"{step.name}()", "bold")
            label.append(f"  {short_path(step.file)}:{step.line}", "dim")
            _grow(tree.add(label), step.steps, full)
            continue
        here = tree.add(_site_text(step))
        for name, inner in step.arms:
            if any(full or one.decides is not Decides.CONFIGURATION for one in sites_in(inner)):
                _grow(here.add(Text(name, "dim")), inner, full)


def _site_text(site: Site) -> Text:
    text = Text().append(f"{site.kind:<11} ", _STYLES[site.decides])
    text.append(f"{site.line:>5}  ", "dim").append(site.code)
    return text.append(f"  [{site.decides.value}]", _STYLES[site.decides])


def _hint_text(hint: Hint) -> Text:
    text = Text().append(f"{hint.code}       ", "bold red").append(f"{hint.line:>5}  ", "dim")
    return text.append(hint.source).append(f"  {hint.text}", "red")


def _print_totals(console: Console, files: Sequence[ScannedFile], full: bool) -> None:
    models = [model for file in files for model in file.models]
    sites = Counter((site.kind, site.decides) for model in models for site in sites_in(model.steps))
    hints = Counter(hint.code for model in models for hint in model.hints)
    section(console, f"{len(models)} models in {sum(1 for f in files if f.models)} files")
    kinds = sorted({kind for kind, _ in sites})
    head: list[Text | str] = [Text(title, "dim") for title in ("decided by", *kinds)]
    rows = [head]
    for decides in reversed(Decides):
        counts = [str(sites[kind, decides] or "") for kind in kinds]
        if any(counts):
            rows.append([Text(decides.value, _STYLES[decides]), *counts])
    print_rows(console, rows if kinds else [["no ifs or loops"]])
    if hints:
        texts = (f"{code} {count}" for code, count in sorted(hints.items()))
        line(console, f"  an export would refuse: {', '.join(texts)} (fxexport explain CODE)")
    hidden = sum(not _is_shown(model) for model in models)
    if hidden and not full:
        line(
            console, f"  {hidden} models that configuration alone decides: --all shows them", "dim"
        )
