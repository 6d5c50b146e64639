"""Fills a report with what the finished graph and file hold, and what they take for granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxexport.graph import CapturedGraph, source_of
from fxexport.profiles import StoredProfiles, why_no_profile
from fxexport.report import Report
from fxexport.report.contract import unchecked_text
from fxexport.report.control_flow import report_kept
from fxexport.report.nodes import settle_sites
from fxexport.report.signature import describe_input, describe_output, padding_text
from fxexport.verify.stability import random_nodes
from fxexport.verify.unchecked import unordered_nodes

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["summarize"]


def summarize(
    report: Report,
    graph: CapturedGraph,
    ir_model: ir.Model,
    stored: StoredProfiles,
    keeps_ranges: bool = False,
) -> None:
    """Adds the signature, the profiles, and what the graph itself shows of ifs and assumptions.

    Args:
        report: gets them.
        graph: the graph after all passes.
        ir_model: the model that was made of it.
        stored: the profiles that travel with the file.
        keeps_ranges: whether the runtime takes no sizes outside of the dimensions' ranges.
    """
    report_kept(report, graph)
    settle_sites(report, graph, ir_model)
    report.inputs = [describe_input(spec) for spec in graph.inputs]
    report.profiles = [profile.to_dict() for profile in stored.profiles]
    report.no_profile = why_no_profile(stored.inputs)
    report.outputs = [
        describe_output(spec, value)
        for spec, value in zip(graph.outputs, ir_model.graph.outputs, strict=True)
    ]
    for spec in graph.outputs:
        if spec.padding is not None:
            report.add("note", padding_text(spec.name, spec.padding), spec.padding.location)
    for location in dict.fromkeys(graph.capped):
        report.add("assumption", f"at most {graph.max_trips} iterations (max_trips)", location)
    for location in dict.fromkeys(graph.computed):
        report.add("constant", "computed at export: it hangs on weights alone", location)
    for constraint in graph.constraints:
        report.add("relation", constraint.text, constraint.location)
    unchecked = unchecked_text(graph, keeps_ranges)
    if unchecked:
        report.add("note", unchecked)
    for location in dict.fromkeys(source_of(node) for node in random_nodes(graph)):
        report.add("assumption", "random numbers: the file draws its own", location)
    for location in dict.fromkeys(source_of(node) for node in unordered_nodes(graph)):
        text = "topk without an order (sorted=False): the file gives the elements in order"
        report.add("assumption", text, location)
