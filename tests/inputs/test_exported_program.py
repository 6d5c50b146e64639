"""torch.fx.GraphModule and torch.export.ExportedProgram as models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch._higher_order_ops import while_loop
from torch.export import Dim

import fxexport
from fxexport.errors import UnsupportedError, UsageError


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.work = nn.Linear(4, 4)
        self.register_buffer("shift", torch.ones(4))

    def forward(self, x: torch.Tensor, *, scale: torch.Tensor) -> Any:
        y = torch.cond(x.sum() > 0, lambda x: self.work(x).relu(), lambda x: x - self.shift, (x,))
        steps, z = while_loop(
            lambda i, a: i < x.shape[0] + 2, lambda i, a: (i + 1, a * 1.5), (torch.tensor(0), y)
        )
        return {"y": y, "last": (steps, z * scale[:, None])}


def program(**options: Any) -> torch.export.ExportedProgram:
    torch.manual_seed(0)
    inputs = (torch.randn(3, 4),), {"scale": torch.randn(3)}
    return torch.export.export(Steps().eval(), *inputs, **options)


def same_rows() -> dict[str, Any]:
    rows = Dim("rows", max=64)
    return {"x": {0: rows}, "scale": {0: rows}}


@pytest.mark.parametrize("strict", [False, True])
def test_exported_program_brings_its_inputs_and_dynamic_sizes(strict: bool) -> None:
    exported = fxexport.export(program(dynamic_shapes=same_rows(), strict=strict))
    verification = exported.report.verification
    assert verification is not None
    assert verification.ok, verification.message
    assert not [gap for gap in verification.uncovered if gap.kind == "branch"]
    x, scale = exported.graph.inputs
    assert [x.name, scale.name] == ["x", "scale"]
    assert x.shape[0] == scale.shape[0]
    assert (x.shape[0].min, x.shape[0].max, x.shape[1]) == (1, 64, 4)  # type: ignore[union-attr]


def test_its_control_flow_is_reported_at_the_lines_of_the_model() -> None:
    report = fxexport.export(program(dynamic_shapes=same_rows()), verify=False).report
    places = [(f.kind, f.location) for f in report.of_kind("branch", "loop")]
    first = Steps.forward.__code__.co_firstlineno
    assert [(kind, place.file, place.line - first) for kind, place in places] == [
        ("branch", __file__, 1),
        ("loop", __file__, 2),
    ]


def test_dimensions_that_the_program_holds_stay_static() -> None:
    exported = fxexport.export(program(), verify=False)
    assert [spec.shape for spec in exported.graph.inputs] == [(3, 4), (3,)]


def test_other_example_inputs_may_be_given() -> None:
    inputs = {"x": torch.randn(5, 4), "scale": torch.randn(5)}
    exported = fxexport.export(program(dynamic_shapes=same_rows()), inputs)
    assert exported.report.verification.ok


def test_dynamic_is_refused_beside_a_program() -> None:
    with pytest.raises(UsageError, match="dynamic sizes already"):
        fxexport.export(program(), dynamic=True)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.randn(5, 4), "cannot be 5"),
        (torch.randn(3, 4, dtype=torch.float64), "float64"),
        (torch.randn(3, 4, 1), "of 3"),
    ],
)
def test_inputs_that_the_program_was_not_made_for_are_refused(x: torch.Tensor, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        fxexport.export(program(), {"x": x, "scale": torch.randn(3)})


def test_a_profile_cannot_make_a_static_size_vary() -> None:
    profiles = {"x": {"min": (1, 4), "opt": (3, 4), "max": (8, 4)}}
    with pytest.raises(UsageError, match="dimension 0 of 'x' is 3"):
        fxexport.export(program(), profiles=profiles)


def test_a_size_computed_from_another_is_found_again() -> None:
    class Halves(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, x]) + y

    rows = Dim("rows", min=1, max=32)
    made = torch.export.export(
        Halves(),
        (torch.randn(3), torch.randn(6)),
        dynamic_shapes={"x": {0: rows}, "y": {0: 2 * rows}},
    )
    exported = fxexport.export(made)
    assert exported.report.verification.ok
    assert not isinstance(exported.graph.inputs[1].shape[0], int)
    assert [c.holds({"x_d0": 2, "y_d0": 5}) for c in exported.graph.constraints] == [False]


def test_decomposed_program_exports_too() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return self.norm(self.conv(x)).relu().mean((2, 3))

    batch = Dim("batch", max=16)
    made = torch.export.export(
        Net().eval(), (torch.randn(2, 3, 8, 8),), dynamic_shapes={"x": {0: batch}}
    ).run_decompositions()
    assert fxexport.export(made).report.verification.ok


def test_symbolically_traced_module_exports() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

        def forward(self, x: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
            return self.layers(x).view(x.size(0), -1) * scale

    traced = torch.fx.symbolic_trace(Net().eval())
    exported = fxexport.export(traced, (torch.randn(3, 4),), dynamic={"x": {0: "n"}})
    assert exported.report.verification.ok
    assert exported.graph.weights.keys() >= {"layers.0.weight", "layers.2.bias"}


def test_graph_module_with_a_branch_inside_exports() -> None:
    graph_module = program(dynamic_shapes=same_rows()).module(check_guards=False)
    inputs = {"x": torch.randn(3, 4), "scale": torch.randn(3)}
    dynamic = {"x": {0: "n"}, "scale": {0: "n"}}
    graph_module._forward_pre_hooks.clear()
    exported = fxexport.export(graph_module, inputs, dynamic=dynamic)
    assert exported.report.verification.ok
    assert [f.kind for f in exported.report.of_kind("branch", "loop")] == ["branch", "loop"]


def test_an_operator_of_this_kind_without_a_form_is_refused_by_name() -> None:
    from torch._higher_order_ops.out_dtype import out_dtype

    def multiplied(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return out_dtype(torch.ops.aten.mm.default, torch.int32, a, b)

    small = torch.ones(2, 2, dtype=torch.int8)
    with pytest.raises(UnsupportedError, match=r"higher_order\.out_dtype"):
        fxexport.export(multiplied, (small, small))
