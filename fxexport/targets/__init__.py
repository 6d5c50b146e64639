"""What an exported file runs on: its dialect (a list of passes) and its opsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fxexport.errors import UsageError

if TYPE_CHECKING:
    import onnx_ir as ir

    from fxexport.graph import CapturedGraph

__all__ = ["Target", "check_max_trips", "target_named"]


@dataclass(frozen=True)
class Target:
    """A runtime that files are made for.

    Attributes:
        name: what the user calls it.
        passes: names of the passes that make its dialect, in order.
        best_opset: the newest ONNX opset that it takes well.
        dialect: name of the forms in which operators are written (`fxexport.lowering.dialects`).
        whole: functions of libraries that it wants as one operator, since it does not take their
            own branches.
    """

    name: str
    passes: tuple[str, ...]
    best_opset: int
    dialect: str = "plain"
    whole: frozenset[str] = frozenset()

    def check(self, graph: CapturedGraph, model: ir.Model) -> list[str]:
        """Refuses what the runtime would refuse; returns what is worth a note.

        Raises:
            FxExportError: the runtime does not take the file; it names the lines.
        """
        if self.name != "tensorrt":
            return []
        from fxexport.targets.tensorrt.entry import refuse
        from fxexport.targets.tensorrt.lint import lint
        from fxexport.targets.tensorrt.lint_graph import lint_graph

        problems = [*lint_graph(graph), *lint(model)]
        refuse(problems)
        return [problem.message for problem in problems]

    def checked_opset(self, opset: int | None) -> int:
        """The opset to write; the target's best for None.

        Raises:
            UsageError: below 18, where If and Loop lack what the graph needs.
        """
        if opset is None:
            return self.best_opset
        if opset < 18:
            raise UsageError(f"expected an ONNX opset from 18, got {opset}")
        return opset


_COMMON = ("eliminate_dead_code", "scan_rows", "scan_lists", "eliminate_dead_code")

_TARGETS = {
    "onnxruntime": Target("onnxruntime", _COMMON, 21),
    "tensorrt": Target(
        "tensorrt",
        (
            "eliminate_dead_code",
            "scan_rows",
            "scan_known_lists",
            "eliminate_dead_code",
            "loops_of_one_trip",
            "bound_trips",
            "skip_equal_ways",
            "cap_trips",
            "join_ragged_lists",
            "lists_to_buffers",
            "append_to_buffers",
            "give_capacity",
            "pad_outputs",  # before branches are moved: they tell how large a result can be
            "select_numbers",
            "hoist_masks",
            "hoist_branches",
            "cut_to_nothing",
            "compute_on_one_row",
            "hoist_loops",
            "eliminate_dead_code",  # what was moved shares its bodies with what is left behind
            "give_capacity_in_branches",
            "fit_operands",
            "count_scan_rows",
            "pad_branches",
            "flatten_branches",
            "eliminate_dead_code",
            "carry_branch_results",
            "route_conditions",
            "agree_on_sizes",
            "vary_constants",
            "read_sizes",
        ),
        21,
        dialect="tensorrt",
        whole=frozenset({"torchvision.ops.boxes.batched_nms"}),
    ),
}


def check_max_trips(max_trips: int | None, target: str) -> None:
    """Refuses a number of trips that makes no sense.

    Raises:
        UsageError: it is no positive integer, or the target needs none.
    """
    if max_trips is None:
        return
    if type(max_trips) is not int or max_trips < 1:
        raise UsageError(f"max_trips: expected an integer from 1, got {max_trips!r}")
    if target != "tensorrt":
        raise UsageError(
            f"max_trips is for target 'tensorrt'; {target!r} needs no bound on the trips of a loop"
        )


def target_named(name: str) -> Target:
    """The target of a name.

    Raises:
        UsageError: there is no such target.
    """
    target = _TARGETS.get(name)
    if target is None:
        known = ", ".join(sorted(_TARGETS))
        raise UsageError(f"unknown target {name!r}; this version knows: {known}")
    return target
