"""TensorRT as a target: its passes, its dialect of ONNX, and its check of a written model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxexport.graph import CapturedGraph
from fxexport.graph.library_functions import BATCHED_NMS
from fxexport.passes import drop_guards, eliminate_dead_code, scan_rows
from fxexport.passes.tensorrt.branches import (
    agree_on_sizes,
    compute_on_one_row,
    cut_to_nothing,
    flatten_branches,
    hoist_branches,
    hoist_masks,
    pad_branches,
    route_conditions,
    select_numbers,
    skip_equal_paths,
    vary_constants,
)
from fxexport.passes.tensorrt.capacity import give_capacity, give_capacity_in_branches
from fxexport.passes.tensorrt.lists import join_ragged_lists, lists_to_buffers, scan_known_lists
from fxexport.passes.tensorrt.loops import (
    append_to_buffers,
    bound_trips,
    cap_trips,
    carry_branch_results,
    count_scan_rows,
    hoist_loops,
    loops_of_one_iteration,
    start_inside,
)
from fxexport.passes.tensorrt.sizes import fit_operands, pad_outputs, read_sizes
from fxexport.targets.target import Target
from fxexport.targets.tensorrt.api import refuse
from fxexport.targets.tensorrt.dialect import DIALECT
from fxexport.targets.tensorrt.lint.graph import lint_graph
from fxexport.targets.tensorrt.lint.model import lint

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["TARGET"]


def _check(graph: CapturedGraph, model: ir.Model) -> list[str]:
    """Refuses what TensorRT would refuse; returns what it does otherwise than the file says.

    Raises:
        RefusedError: TensorRT does not take the file; it names the lines.
    """
    problems = [*lint_graph(graph), *lint(model)]
    refuse(problems)
    return [problem.message for problem in problems]


TARGET = Target(
    "tensorrt",
    passes=(
        eliminate_dead_code,
        scan_rows,
        scan_known_lists,
        eliminate_dead_code,
        loops_of_one_iteration,
        bound_trips,
        skip_equal_paths,
        cap_trips,
        join_ragged_lists,
        lists_to_buffers,
        append_to_buffers,
        give_capacity,
        pad_outputs,  # before branches are moved: they tell how large a result can be
        select_numbers,
        hoist_masks,
        hoist_branches,
        cut_to_nothing,
        compute_on_one_row,
        hoist_loops,
        eliminate_dead_code,  # moved nodes share their bodies with the dead ones
        give_capacity_in_branches,
        fit_operands,
        count_scan_rows,
        pad_branches,
        flatten_branches,
        eliminate_dead_code,
        start_inside,
        carry_branch_results,
        route_conditions,
        agree_on_sizes,
        vary_constants,
        read_sizes,
    ),
    guards=(drop_guards,),  # a profile is the guard
    best_opset=21,
    dialect=DIALECT,
    library_functions=(BATCHED_NMS,),
    takes_max_trips=True,
    keeps_ranges=True,
    check=_check,
)
