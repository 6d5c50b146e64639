"""A choice among equal elements is no error; whatever does not hang on one is."""

from __future__ import annotations

import importlib
import operator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import sequence_at, sequence_length, sequence_of
from fxexport.verify.tie_search import tied_results
from fxexport.verify.ties import trace_ties
from tests.support.graphs import at_line, aten, body, captured, check, onnx_file, prepared_for

# The best two of x where x is limited to 1, by the last of equal elements, then PLUS and VALUE.
LAST = """
g (float[6] x) => (int64[2] y, float[6] y1, float[2] y2)
<float top = {1.0}, float one = {1.0}, float two = {2.0}, int64[1] start = {-1},
 int64[1] end = {-100}, int64[1] axis = {0}, int64[1] step = {-1}, int64[1] k = {2},
 int64 last = {5}> {
  limited = Min(x, top)
  turned = Slice(limited, start, end, axis, step)
  best, places = TopK<axis=0>(turned, k)
  y = Sub(last, places)
  y1 = Add(x, PLUS)
  y2 = VALUE(best)
}
"""
DISTINCT = torch.tensor([0.5, 0.1, 0.9, 0.3, -1.0, 0.2])
TIED = torch.tensor([0.5, 2.0, 0.9, 3.0, -1.0, 4.0])


def best_two(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    best = x.clamp(max=1.0).topk(2)
    return best.indices, x + 1, best.values


def best_two_graph(specs: Any) -> CapturedGraph:
    def build(g: fx.Graph, args: list[fx.Node]) -> list[fx.Node]:
        limited = g.call_function(aten.clamp.default, (args[0], None, 1.0))
        top = at_line(g.call_function(aten.topk.default, (limited, 2)), 7)
        values = g.call_function(operator.getitem, (top, 0))
        indices = g.call_function(operator.getitem, (top, 1))
        return [indices, g.call_function(aten.add.Tensor, (args[0], 1.0)), values]

    return captured(specs, build, kinds=("tensor", "tensor", "tensor"))


def verify_best_two(
    folder: Path, example: torch.Tensor, plus: str = "one", value: str = "Identity"
) -> Any:
    path = onnx_file(folder / "m.onnx", LAST.replace("PLUS", plus).replace("VALUE", value))
    prepared = prepared_for(best_two, (example,), False)
    return check(best_two_graph(prepared.specs), path, best_two, prepared)


def test_other_choice_among_equal_elements_of_made_inputs_is_noted(tmp_path: Path) -> None:
    result = verify_best_two(tmp_path, DISTINCT)
    assert result.ok, result
    (note,) = [note for note in result.notes if "values: large" in note]
    assert "y not comparable: ties at model.py:7" in note


def test_other_choice_on_the_users_inputs_is_noted_with_the_outputs_that_agree(
    tmp_path: Path,
) -> None:
    result = verify_best_two(tmp_path, TIED)
    assert result.ok, result
    assert any(note.startswith("example inputs: y not comparable") for note in result.notes)
    (case,) = [case for case in result.cases if case.label == "example inputs"]
    assert [output.name for output in case.outputs] == ["y1", "y2"]


@pytest.mark.parametrize("example", [DISTINCT, TIED])
def test_wrong_output_that_hangs_on_no_tie_is_found_beside_ties(
    tmp_path: Path, example: torch.Tensor
) -> None:
    result = verify_best_two(tmp_path, example, plus="two")
    assert not result.ok
    assert "output 'y1'" in result.message or "y1" in str(result.cases)


def test_values_of_a_top_k_do_not_hang_on_ties(tmp_path: Path) -> None:
    result = verify_best_two(tmp_path, TIED, value="Neg")
    assert not result.cases[0].ok
    assert {output.name for output in result.cases[0].outputs if not output.ok} >= {"y2"}


def ties_of(build: Any, bodies: dict[str, fx.GraphModule], x: torch.Tensor) -> list[Any]:
    specs = prepared_for(lambda x: x, (x,), False).specs
    return trace_ties(captured(specs, build, bodies), [x])


def indices_of(g: fx.Graph, x: fx.Node) -> fx.Node:
    top = at_line(g.call_function(aten.topk.default, (x, 1)), 7)
    return g.call_function(operator.getitem, (top, 1))


@pytest.mark.parametrize(("x", "tied"), [([1.0, 1.0], True), ([1.0, 2.0], False)])
def test_branch_decided_by_a_tie_makes_its_results_hang_on_it(x: list[float], tied: bool) -> None:
    def build(g: fx.Graph, args: list[fx.Node]) -> list[fx.Node]:
        test = g.call_function(aten.gt.Scalar, (indices_of(g, args[0]), 0))
        bodies = (g.get_attr("then_body"), g.get_attr("else_body"))
        both = g.call_function(branch, (test, *bodies, (args[0],)))
        beside = g.call_function(aten.add.Tensor, (args[0], 1.0))
        return [g.call_function(operator.getitem, (both, 0)), beside]

    side = {name: body(["x"], lambda g, a: [a[0]]) for name in ("then_body", "else_body")}
    chosen, beside = ties_of(build, side, torch.tensor(x))
    assert bool(chosen.ties) is tied
    assert not beside.ties


def test_tie_inside_of_a_loop_reaches_what_the_loop_carries() -> None:
    def step(g: fx.Graph, a: list[fx.Node]) -> list[Any]:
        moved = g.call_function(aten.add.Tensor, (a[1], indices_of(g, a[1])))
        return [True, moved, g.call_function(aten.add.Tensor, (a[2], 1.0))]

    def build(g: fx.Graph, args: list[fx.Node]) -> list[fx.Node]:
        state = (args[0], args[0])
        done = g.call_function(loop, (3, True, g.get_attr("loop_body"), state, ()))
        return [g.call_function(operator.getitem, (done, k)) for k in range(2)]

    inner = {"loop_body": body(["i", "x", "z"], step)}
    moved, beside = ties_of(build, inner, torch.ones(2))
    assert moved.ties == {"model.py:7 in forward"}
    assert not beside.ties


@pytest.mark.parametrize("x", [[1.0, 1.0], [1.0, 2.0]])
def test_item_of_a_list_hangs_on_a_tie_and_the_length_does_not(x: list[float]) -> None:
    def build(g: fx.Graph, args: list[fx.Node]) -> list[fx.Node]:
        several = g.call_function(sequence_of, (torch.int64, indices_of(g, args[0])))
        item = g.call_function(sequence_at, (several, 0))
        return [item, g.call_function(sequence_length, (several,))]

    item, length = ties_of(build, {}, torch.tensor(x))
    assert bool(item.ties) is (x == [1.0, 1.0])
    assert torch.equal(item.value, torch.tensor(x).topk(1).indices)
    assert not length.ties


def test_choice_among_equal_elements_that_a_list_keeps_is_noted() -> None:
    def best_places(x: torch.Tensor) -> list[int]:
        places: list[int] = []
        for row in x:
            places.append(int(row.topk(1).indices[0]))
        return places

    exported = fxexport.export(
        best_places, (torch.randn(3, 4),), dynamic={"x": {0: "rows"}}, verify=False
    )
    outputs = trace_ties(exported.graph, [torch.zeros(3, 4)])
    assert [bool(one.ties) for one in outputs] == [True]


def test_size_hangs_on_a_tie_only_where_values_make_it() -> None:
    def build(g: fx.Graph, args: list[fx.Node]) -> list[fx.Node]:
        indices = indices_of(g, args[0])
        found = g.call_function(aten.nonzero.default, (indices,))
        return [
            g.call_function(aten.sym_size.int, (indices, 0)),
            g.call_function(aten.sym_size.int, (found, 0)),
        ]

    fixed, counted = ties_of(build, {}, torch.ones(3))
    assert not fixed.ties
    assert counted.ties


EQUAL = torch.tensor([[3.0, 1.0, 3.0, 0.0]])
LOW = torch.tensor([[3.0, 0.0, 2.0, 0.0]])


@pytest.mark.parametrize(
    ("target", "args", "tied"),
    [
        (aten.topk.default, (EQUAL, 1), True),
        (aten.topk.default, (LOW, 2), False),
        (aten.topk.default, (LOW, 3), True),
        (aten.topk.default, (LOW, 1, -1, False), True),
        (aten.sort.default, (LOW,), True),
        (aten.sort.default, (LOW, 0), False),
        (aten.sort.stable, (LOW,), True),
        (aten.argsort.default, (LOW,), True),
        (aten.argmax.default, (EQUAL, 1), True),
        (aten.argmax.default, (EQUAL,), True),
        (aten.argmax.default, (LOW, 1), False),
        (aten.argmax.default, (EQUAL.long(), 1), False),
        (aten.argmin.default, (LOW, 1), True),
        (aten.max.dim, (EQUAL, 1), True),
        (aten.min.dim, (EQUAL, 1), False),
        (aten.kthvalue.default, (LOW, 1), True),
        (aten.kthvalue.default, (LOW, 3), False),
        (aten.median.dim, (EQUAL, 1), False),
        (aten.mode.default, (EQUAL,), True),
        (aten.topk.default, (torch.zeros(1, 0), 0), False),
        (aten.relu.default, (EQUAL,), False),
        (operator.add, (1, 1), False),
    ],
)
def test_ties_are_found_among_what_an_operator_selects(target: Any, args: Any, tied: bool) -> None:
    assert bool(tied_results(target, args, {})) is tied


def test_stable_sort_defines_the_order_of_equal_elements() -> None:
    assert not tied_results(aten.sort.stable, (LOW,), {"stable": True})


class Suppressed(torch.nn.Module):
    def forward(self, boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return importlib.import_module("torchvision").ops.nms(boxes, scores, 0.3)


@pytest.mark.parametrize(
    ("scores", "tied"),
    [([0.9, 0.5, 0.9], True), ([0.9, 0.5, 0.8], False), ([0.9, 0.5, 0.5, 0.5], False)],
    ids=["two that stay", "none", "those that do not stay"],
)
@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_boxes_hang_on_equal_scores_of_what_stays(
    scores: list[float], tied: bool, target: str
) -> None:
    pytest.importorskip("torchvision")
    first = [0.0, 0.0, 10.0, 10.0]
    boxes = torch.tensor([first, first, [50.0, 0.0, 60.0, 10.0], first])[: len(scores)]
    if len(scores) == 4:
        boxes = torch.tensor([first] * 4)
    inputs = (boxes, torch.tensor(scores))
    graph = fxexport.export(Suppressed(), inputs, target=target, verify=False).graph
    kept = trace_ties(graph, inputs)[0]
    assert bool(kept.ties) is tied
    assert bool(kept.shape_ties) is tied
