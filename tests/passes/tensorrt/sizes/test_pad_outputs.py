"""Outputs whose size the data decides are padded, and their size is another output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fxexport.passes import eliminate_dead_code, scan_lists, scan_rows
from fxexport.passes.tensorrt.loops import append_to_buffers
from fxexport.passes.tensorrt.sizes import pad_outputs
from torch import nn

import fxexport
import fxexport.tensorrt
from fxexport.graph.outputs import without_padding
from fxexport.profiles import Profile
from fxexport.report.json import as_json_text
from tests.support.harness import compare, flatten
from tests.support.rewriting import agrees_for_tensorrt, captured, rewritten

onnxruntime = pytest.importorskip("onnxruntime")

X = torch.tensor([[1.0, -2.0], [3.0, 1.0], [0.5, 1.0]])
MORE = torch.tensor([[-1.0, 2.0], [4.0, 1.0], [-3.0, 1.0], [9.0, 9.0], [0.0, 0.0]])
INPUTS = [(X,), (MORE,), (-X.abs(),), (X.abs(),), (torch.ones(1, 2),)]
PASSES = (scan_rows, scan_lists, eliminate_dead_code, append_to_buffers)


def rows(x: torch.Tensor) -> torch.Tensor:
    return x[x.sum(1) > 0]


def elements(x: torch.Tensor) -> torch.Tensor:
    return x[x > 0.5]


def places(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.nonzero(x > 0.5), x * 2


def selected(x: torch.Tensor) -> torch.Tensor:
    return torch.masked_select(x, x[:1] > 0.5)


def columns(x: torch.Tensor) -> torch.Tensor:
    return x[:, x.sum(0) > 3]


def flags(x: torch.Tensor) -> torch.Tensor:
    return x[x.sum(1) > 0] > 1


def numbers(x: torch.Tensor) -> torch.Tensor:
    return (x[x.sum(1) > 0] * 4).to(torch.int32)


def again(x: torch.Tensor) -> torch.Tensor:
    kept = x[x.sum(1) > 0]
    return kept[kept[:, 0] > 1]


def both_parts(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[x.sum(1) > 0], x[x.sum(1) < 0] * 2])


def one_way_only(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 4:
        return x[x.sum(1) > 0]
    return x[:2]


def until_large(x: torch.Tensor) -> torch.Tensor:
    found = []
    for i in range(x.shape[0]):
        found.append(x[i] * 2)
        if x[i].sum() > 3:
            break
    return torch.stack(found)


def growing(x: torch.Tensor) -> torch.Tensor:
    found = torch.zeros(0, 2)
    for i in range(x.shape[0]):
        if x[i].sum() > 0:
            found = torch.cat([found, x[i].unsqueeze(0)])
    return found


def cut_at_a_count(x: torch.Tensor) -> torch.Tensor:
    return x[: int((x > 0.5).sum())]


def largest_at_a_count(x: torch.Tensor) -> torch.Tensor:
    count = min(int((x > 0.5).sum()), x.shape[0])
    return torch.topk(x[:, 0], count).values


# Each program, and how many rows or elements its output has room for, with n rows of two.
PADDED: list[tuple[Callable[..., Any], int, Callable[[int], int]]] = [
    (rows, 0, lambda n: n),
    (elements, 0, lambda n: 2 * n),
    (places, 0, lambda n: 2 * n),
    (selected, 0, lambda n: 2 * n),
    (columns, 1, lambda n: 2),
    (flags, 0, lambda n: n),
    (numbers, 0, lambda n: n),
    (again, 0, lambda n: n),
    (both_parts, 0, lambda n: 2 * n),
    (one_way_only, 0, lambda n: n),
    (until_large, 0, lambda n: n),
    (growing, 0, lambda n: n),
    (cut_at_a_count, 0, lambda n: n),
    (largest_at_a_count, 0, lambda n: n),
]


def exported(program: Callable[..., Any], **options: Any) -> fxexport.Exported:
    options.setdefault("target", "tensorrt")
    return fxexport.export(program, (X,), dynamic={"x": {0: "n"}}, verify=False, **options)


def run_file(model: fxexport.Exported, x: torch.Tensor) -> dict[str, torch.Tensor]:
    session = onnxruntime.InferenceSession(
        model.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    got = session.run(names, {"x": x.numpy()})
    return {name: torch.as_tensor(value) for name, value in zip(names, got, strict=True)}


@pytest.mark.parametrize(("program", "dim", "room"), PADDED, ids=[p.__name__ for p, *_ in PADDED])
def test_the_file_gives_zeros_up_to_the_room_and_the_count(
    program: Callable[..., Any], dim: int, room: Callable[[int], int]
) -> None:
    model = exported(program)
    spec = model.graph.outputs[0]
    assert spec.padding is not None
    assert (spec.padding.dim, spec.padding.count) == (dim, f"{spec.name}.count")
    counts = set()
    for (x,) in INPUTS:
        expected = flatten(program(x))
        got = run_file(model, x)
        padded, count = got[spec.name], got[spec.padding.count]
        assert padded.shape[dim] == room(len(x))
        assert (count.dtype, count.shape) == (torch.int64, ())
        assert int(count) == expected[0].shape[dim]
        counts.add(int(count))
        assert not padded.narrow(dim, int(count), room(len(x)) - int(count)).any()
        cut = without_padding(model.graph.outputs, list(got.values()))
        assert compare(expected, cut) == ""
        on_graph = without_padding(
            model.graph.outputs, [torch.as_tensor(v) for v in model.graph.run(x)]
        )
        assert compare(expected, on_graph) == ""
    assert len(counts) > 1, "the data should decide the size"


@pytest.mark.parametrize("program", [p for p, *_ in PADDED], ids=lambda p: p.__name__)
def test_onnxruntime_keeps_the_exact_shape(program: Callable[..., Any]) -> None:
    model = exported(program, target="onnxruntime")
    for (x,) in INPUTS:
        expected = flatten(program(x))
        assert compare(expected, list(run_file(model, x).values())) == ""


def of_sizes(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] > 2:
        return x[1:-1]
    return x[:1]


def of_a_value(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros(int(x.abs().sum()))


def in_two_dimensions(x: torch.Tensor) -> torch.Tensor:
    return x[x.sum(1) > 0][:, x.sum(0) > 3]


@pytest.mark.parametrize("program", [of_sizes, of_a_value, in_two_dimensions])
def test_other_outputs_keep_their_exact_size_and_the_report_says_so(
    program: Callable[..., Any],
) -> None:
    model = exported(program)
    assert [spec.name for spec in model.graph.outputs] == ["output"]
    assert any("output allocator" in f.message for f in model.report.of_kind("note"))
    agrees_for_tensorrt(program, INPUTS)


def test_outputs_of_known_size_are_left_alone() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x[1:]]) * x[x > 0].sum()

    before = captured(program, X)
    text = str(before)
    assert str(rewritten(program, INPUTS, *PASSES, pad_outputs)) == text


def test_the_report_names_the_line_and_the_outputs() -> None:
    model = exported(places)
    (note,) = [f for f in model.report.of_kind("note") if "padded" in f.message]
    assert "'output_0'" in note.message and "'output_0.count'" in note.message
    assert note.location is not None
    assert note.location.line == places.__code__.co_firstlineno + 1
    outputs = json.loads(as_json_text(model.report))["outputs"]
    assert [entry["name"] for entry in outputs] == ["output_0", "output_1", "output_0.count"]
    assert outputs[0]["padded"] == {"dim": 0, "count": "output_0.count"}
    assert outputs[1]["padded"] is None
    assert outputs[2]["counts"] == "output_0"


def test_verification_compares_what_the_counts_leave(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = fxexport.export(
        until_large, (X,), path, dynamic={"x": {0: "n"}}, target="tensorrt", check_inputs=[(MORE,)]
    )
    verification = model.report.verification
    assert verification is not None and verification.ok
    assert all([o.name for o in case.outputs] == ["output"] for case in verification.cases)


class Wrong(nn.Module):
    """Another model in eager than the one that is exported."""

    extra = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[x.sum(1) > self.extra]


def test_verification_sees_a_wrong_count() -> None:
    model = Wrong()
    made = exported(model)
    model.extra = 3
    verification = made.verify()
    assert not verification.ok
    assert "shape" in verification.message


def test_state_is_not_padded() -> None:
    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.total = self.total + x.sum(0)
            return x[x.sum(1) > 0]

    model = exported(Kept(), state="io")
    names = [spec.name for spec in model.graph.outputs]
    assert names == ["output", "output.count", "state.total.out"]
    verification = model.verify()
    assert verification.ok, verification.message


def test_the_count_takes_a_free_name() -> None:
    def program(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x[x.sum(1) > 0], x

    model = exported(program, output_names=["kept", "kept.count"])
    assert [s.name for s in model.graph.outputs] == ["kept", "kept.count", "kept.count_1"]


@pytest.mark.parametrize("program", [rows, elements, flags, numbers, columns, until_large, growing])
def test_tensorrt_builds_it(program: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    model = fxexport.export(
        program,
        (X,),
        tmp_path / "model.onnx",
        profiles=Profile({"x": ((1, 2), (3, 2), (8, 2))}),
        target="tensorrt",
        verify=False,
    )
    fxexport.tensorrt.build(model, timeout=120)
    assert list(tmp_path.glob("*.engine"))
