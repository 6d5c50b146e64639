"""The ifs and loops of a report as a reader sees them, with the nodes that stand for them.

A graph may have several branches and loops for one statement: `while a and b` is a loop, a branch
for its second operand, and perhaps one that asks whether there is a first iteration. They are one
finding, with the names of all of their nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import fx

from fxexport.file_keys import NODE, SOURCE
from fxexport.graph.captured import CapturedGraph, source_of
from fxexport.graph.decisions import DECIDES
from fxexport.graph.marks import HELPER
from fxexport.graph.ops import branch, loop
from fxexport.graph.paths import Path, named_bodies
from fxexport.report.model import Finding, FindingKind, Report
from fxexport.source.conditions import line_decided
from fxexport.source.decisions import Decision
from fxexport.source.location import SourceLocation
from fxexport.source.ownership import Owner, owner_of

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["settle_sites"]

_Key = tuple[FindingKind, SourceLocation | None]

_KINDS: tuple[FindingKind, ...] = ("loop", "branch")


@dataclass(frozen=True)
class _Site:
    """A branch or loop of a graph.

    Attributes:
        kind: "branch" or "loop".
        location: the user's line.
        decision: which decision of the program it stands for, where it does.
        path: the node's name after those of the nodes and bodies around it.
    """

    kind: FindingKind
    location: SourceLocation | None
    decision: Decision | None
    path: str

    @property
    def is_of_pytorch(self) -> bool:
        """Whether one of PyTorch's own layers decides there."""
        return self.decision is not None and owner_of(self.decision.file) is Owner.TORCH_LAYER

    @property
    def key(self) -> _Key:
        """What its finding is found by."""
        return self.kind, self.location


def settle_sites(report: Report, graph: CapturedGraph, ir_model: ir.Model) -> None:
    """Brings the findings of one statement together, and gives them the names of their nodes.

    Args:
        report: whose findings on branches and loops are complete.
        graph: the graph after all passes.
        ir_model: the model that was made of it.
    """
    sites = list(_sites(graph.module, ()))
    told = {(found.kind, found.location) for found in report.findings}
    # A finding goes into another one where all that it stands for does.
    homes: dict[_Key, set[_Key]] = {}
    for site in sites:
        homes.setdefault(site.key, set()).add(_home(site, told))
    moved = {key: min(to, key=str) for key, to in homes.items() if key not in to}
    names = dict(_names(ir_model))
    nodes: dict[_Key, list[str]] = {}
    for site in sites:
        if site.path in names:
            key = moved.get(site.key, site.key)
            nodes.setdefault(key, []).append(names[site.path])
    selections = list(_selections(ir_model))
    kept = [one for one in report.findings if (one.kind, one.location) not in moved]
    report.findings[:] = [_settled(found, sites, nodes, selections) for found in _one_each(kept)]


def _one_each(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings, of several on one branch or loop the one that says most."""
    best: dict[_Key, Finding] = {}
    for found in findings:
        key = (found.kind, found.location)
        if key not in best or len(found.message) > len(best[key].message):
            best[key] = found
    for found in findings:
        if found.kind not in _KINDS or found is best[found.kind, found.location]:
            yield found


def _home(site: _Site, told: Collection[_Key]) -> _Key:
    """The finding that a reader would look for a site in; its own, where there is no other."""
    decision = site.decision
    if decision is None or site.location is None:
        return site.key
    if decision.is_loop and ("loop", site.location) in told:
        return "loop", site.location
    if decision.kind not in ("and", "or"):
        return site.key
    line = line_decided(decision.file, decision.line, decision.column)
    if line is None:
        return site.key
    at = replace(site.location, line=line)
    return next(((kind, at) for kind in _KINDS if (kind, at) in told), site.key)


def _settled(
    found: Finding,
    sites: Iterable[_Site],
    nodes: dict[_Key, list[str]],
    selections: Iterable[tuple[str, str]],
) -> Finding:
    """A finding with its nodes, at the part of the line that is furthest out."""
    key = (found.kind, found.location)
    if found.kind == "selected" and found.location is not None:
        place = found.location.describe()
        return replace(found, nodes=tuple(name for name, at in selections if at == place))
    if key not in nodes:
        return found
    same = [site for site in sites if site.key == key and site.location is not None]
    first = min(
        (site.location for site in same if site.location), key=_start, default=found.location
    )
    message = found.message
    if same and all(site.is_of_pytorch for site in same):
        message += ", in PyTorch's own code"
    return replace(found, message=message, location=first, nodes=tuple(nodes[key]))


def _start(location: SourceLocation) -> float:
    columns = location.columns
    return float("inf") if columns is None else columns.start


def _sites(module: fx.GraphModule, around: Path) -> Iterator[_Site]:
    """The branches and loops of the program."""
    for node in module.graph.nodes:
        if node.target not in (branch, loop):
            continue
        for name, body in named_bodies(module, node):
            yield from _sites(body, (*around, node.name, name))
        if not HELPER.of(node):
            decides = DECIDES.of(node)
            yield _Site(
                "branch" if node.target is branch else "loop",
                source_of(node),
                None if decides is None else decides.decision,
                "/".join((*around, node.name)),
            )


def _names(ir_model: ir.Model) -> Iterator[tuple[str, str]]:
    """The path in the graph, and the name, of each If and Loop."""
    for node in ir_model.graph.all_nodes():
        # A dialect's casts around a node have its metadata as well.
        if node.op_type in ("If", "Loop", "Scan") and NODE in node.metadata_props and node.name:
            yield node.metadata_props[NODE], node.name


def _selections(ir_model: ir.Model) -> Iterator[tuple[str, str]]:
    """The name of each Where, and its line."""
    for node in ir_model.graph.all_nodes():
        if node.op_type == "Where" and SOURCE in node.metadata_props and node.name:
            yield node.name, node.metadata_props[SOURCE]
