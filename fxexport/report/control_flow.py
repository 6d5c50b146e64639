"""What the report says of ifs and loops: what the file holds, and what became of the others.

The findings are read off the graph twice: when it has been captured, and after the passes that the
target needs. So none of them is about something that capture tried and took back, and none about
something that a pass has removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import fx

from fxexport.graph.captured import CapturedGraph, bodies_of, source_of
from fxexport.graph.marks import BOUND, HELPER
from fxexport.graph.ops import branch, loop
from fxexport.graph.paths import Path, named_bodies
from fxexport.report.model import Finding, FindingKind, Report
from fxexport.report.sites import Arm, Site, merged
from fxexport.source.location import SourceLocation

__all__ = ["report_captured", "report_kept"]

_Site = tuple[FindingKind, SourceLocation | None]


def report_captured(report: Report, graph: CapturedGraph) -> None:
    """Adds a finding for each branch and loop of a graph."""
    for node in _control_flow(graph.module):
        _add(report, node)


def report_kept(report: Report, graph: CapturedGraph) -> None:
    """Brings the findings of `report_captured` up to date with a graph that was rewritten.

    The report gets the tree of its ifs and loops as well.
    """
    kept = {_site(node) for node in _control_flow(graph.module)}
    findings = report.findings[:]
    report.findings.clear()
    for found in findings:
        if found.kind in ("branch", "loop") and (found.kind, found.location) not in kept:
            report.add(*_not_kept(found, kept, graph), found.location)
        else:
            report.take([found])
    told = {(found.kind, found.location) for found in report.findings}
    for node in _control_flow(graph.module):
        if _site(node) not in told:
            _add(report, node)
    report.control_flow = merged(list(_sites(graph.module)))


def _sites(module: fx.GraphModule, around: Path = ()) -> Iterator[Site]:
    """The ifs and loops of the program in a graph, each with those inside of it."""
    for node in module.graph.nodes:
        path = (*around, node.name)
        arms = [
            Arm(name, _operators(body), tuple(_sites(body, (*path, name))))
            for name, body in named_bodies(module, node)
        ]
        if HELPER.of(node):
            for arm in arms:
                yield from arm.sites
        elif arms:
            kind: Literal["branch", "loop"] = "branch" if node.target is branch else "loop"
            yield Site(kind, source_of(node), tuple(arms), BOUND.of(node) or "", (path,))


def _operators(module: fx.GraphModule) -> int:
    """How many operators a graph has itself."""
    nodes = module.graph.nodes
    return sum(node.op == "call_function" and not bodies_of(module, node) for node in nodes)


def _add(report: Report, node: fx.Node) -> None:
    kind, location = _site(node)
    report.add(kind, f"kept as a {kind}{BOUND.of(node) or ''}", location)


def _not_kept(found: Finding, kept: set[_Site], graph: CapturedGraph) -> tuple[FindingKind, str]:
    """What became of a branch or loop that the file does not hold."""
    if found.kind == "loop" and ("branch", found.location) in kept:
        return "branch", "kept as a branch: this loop makes one iteration at most"
    if found.location in graph.selected:
        return (
            "selected",
            "no branch in the file: both paths are computed, and one result is selected",
        )
    return "unused", f"no {found.kind} in the file: nothing that it computes is needed"


def _site(node: fx.Node) -> _Site:
    return "branch" if node.target is branch else "loop", source_of(node)


def _control_flow(module: fx.GraphModule) -> Iterator[fx.Node]:
    """The branches and loops of the program, those inside of others first."""
    for node in module.graph.nodes:
        for body in bodies_of(module, node):
            yield from _control_flow(body)
        if node.target in (branch, loop) and not HELPER.of(node):
            yield node
