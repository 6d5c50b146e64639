"""What of a scan is shown, and how it is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fxexport.codes.ids import Code
from fxexport.scan.model import Decides, FoundModel, ScannedFile, Step, sites_in

__all__ = ["Totals", "is_shown", "shown_steps", "totals_of"]


def is_shown(model: FoundModel) -> bool:
    """Whether anything but configuration decides in a model, or an export would refuse it."""
    return bool(model.hints) or any(True for _ in shown_steps(model.steps, full=False))


def shown_steps(steps: Iterable[Step], *, full: bool) -> Iterator[Step]:
    """The steps that are shown: all, or those in which more than configuration decides."""
    for step in steps:
        sites = sites_in([step])
        if full or any(site.decides is not Decides.CONFIGURATION for site in sites):
            yield step


@dataclass(frozen=True)
class Totals:
    """The numbers of a scan.

    Attributes:
        models: how many there are.
        files: how many files hold one.
        hidden: how many models are shown only where all are.
        kinds: the kinds of sites that there are.
        rows: how many sites of each kind, by what decides them.
        hints: how often an export would refuse something, by code.
    """

    models: int
    files: int
    hidden: int
    kinds: tuple[str, ...]
    rows: tuple[tuple[Decides, tuple[int, ...]], ...]
    hints: tuple[tuple[Code, int], ...]


def totals_of(files: Sequence[ScannedFile]) -> Totals:
    """The numbers of a scan."""
    models = [model for file in files for model in file.models]
    sites = Counter((site.kind, site.decides) for model in models for site in sites_in(model.steps))
    hints = Counter(hint.code for model in models for hint in model.hints)
    kinds = tuple(sorted({kind for kind, _ in sites}))
    rows = [(decides, tuple(sites[kind, decides] for kind in kinds)) for decides in Decides]
    return Totals(
        models=len(models),
        files=sum(bool(file.models) for file in files),
        hidden=sum(not is_shown(model) for model in models),
        kinds=kinds,
        rows=tuple((decides, counts) for decides, counts in reversed(rows) if any(counts)),
        hints=tuple(sorted(hints.items())),
    )
