"""What a scan found, as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fxexport.codes.explained import explained
from fxexport.page.base import highlighted_lines, template
from fxexport.report.layout import short_path
from fxexport.scan.model import Called, Decides, FoundModel, Hint, ScannedFile, Site, Step
from fxexport.scan.selection import is_shown, shown_steps, totals_of

__all__ = ["scan_page"]

# The styles of tags that the report's page has for findings.
_STYLES = {
    Decides.VALUES: "branch",
    Decides.SIZES: "constant",
    Decides.UNKNOWN: "never",
    Decides.CONFIGURATION: "note",
}

_SAID = {Decides.UNKNOWN: "the source does not tell what decides"}


@dataclass(frozen=True)
class _Arm:
    """One body of a site, or what a called function does (then it has no name)."""

    name: str
    rows: tuple[_Row, ...]


@dataclass(frozen=True)
class _Row:
    """A site, a call or something that an export would refuse.

    Attributes:
        kind: what it is, in a word.
        style: the style of that word.
        place: its line.
        code: the line as HTML.
        text: what there is to say.
        arms: what is in it.
    """

    kind: str
    style: str
    place: str
    code: str = ""
    text: str = ""
    arms: tuple[_Arm, ...] = ()


@dataclass(frozen=True)
class _Model:
    """A model with its rows."""

    name: str
    line: int
    rows: tuple[_Row, ...]


@dataclass(frozen=True)
class _File:
    """A file with its models."""

    name: str
    problem: str
    models: tuple[_Model, ...]


def scan_page(paths: Sequence[str], files: Sequence[ScannedFile], *, full: bool = False) -> str:
    """What was found as one HTML page: no network, light and dark.

    Args:
        paths: what was scanned.
        files: what `scan` gave.
        full: show what configuration decides as well, and models where it decides everything.
    """
    totals = totals_of(files)
    shown = [_file(file, full) for file in files]
    return template(Path(__file__).parent, "scan.html.jinja").render(
        title=", ".join(map(short_path, paths)),
        totals=totals,
        hidden=0 if full else totals.hidden,
        styles=_STYLES,
        summaries={code: one.name for code, one in explained().items()},
        files=[file for file in shown if file.models or file.problem],
    )


def _file(file: ScannedFile, full: bool) -> _File:
    models = (_model(one, full) for one in file.models if full or is_shown(one))
    return _File(short_path(file.path), file.problem, tuple(models))


def _model(model: FoundModel, full: bool) -> _Model:
    hints = (_hint(one) for one in model.hints)
    return _Model(model.name, model.line, (*_rows(model.steps, full), *hints))


def _rows(steps: Iterable[Step], full: bool) -> tuple[_Row, ...]:
    return tuple(
        _call(step, full) if isinstance(step, Called) else _site(step, full)
        for step in shown_steps(steps, full=full)
    )


def _call(call: Called, full: bool) -> _Row:
    place = f"{short_path(call.file)}:{call.line}"
    code = highlighted_lines(f"{call.name}()")[0]
    return _Row("call", "note", place, code, arms=(_Arm("", _rows(call.steps, full)),))


def _site(site: Site, full: bool) -> _Row:
    arms = (_Arm(name, _rows(inner, full)) for name, inner in site.arms)
    return _Row(
        site.kind,
        _STYLES[site.decides],
        f"line {site.line}",
        highlighted_lines(site.code)[0],
        _SAID.get(site.decides, f"decided by {site.decides}"),
        tuple(arm for arm in arms if arm.rows),
    )


def _hint(hint: Hint) -> _Row:
    return _Row(
        hint.code, "refused", f"line {hint.line}", highlighted_lines(hint.source)[0], hint.text
    )
