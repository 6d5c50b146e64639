"""Reading the outline of files, made by hand and by exporters."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import helper

import fxexport
from fxexport.errors import UsageError
from fxexport.file_keys import CONTRACT, SOURCE
from fxexport.outline.model import (
    Check,
    Construct,
    Loop,
    Operators,
    Place,
    constructs_in,
    depth_of,
)
from fxexport.outline.read import outline_of
from fxexport.report.signature import dimension
from tests.outline.files import BOOL, FLOAT, choosing, looping, saved, scalar


def only(path: Path) -> Construct:
    """The one construct of a file."""
    (construct,) = constructs_in(outline_of(path).steps)
    return construct


@pytest.mark.parametrize(
    ("trips", "starts", "goes_on", "expected"),
    [
        ("known", "", "cond", Loop(3, False, 1, 1)),
        ("known", "true", "true", Loop(3, False, 1, 1)),
        ("known", "true", "less", Loop(3, True, 1, 1)),
        ("known", "input", "cond", Loop(3, True, 1, 1)),
        ("input", "", "cond", Loop("computed", False, 1, 1)),
        ("input", "", "less", Loop("computed", True, 1, 1)),
        ("", "true", "less", Loop("open", True, 1, 1)),
        ("largest", "true", "less", Loop("open", True, 1, 1)),
    ],
)
def test_how_often_a_loop_runs_is_read(
    tmp_path: Path, trips: str, starts: str, goes_on: str, expected: Loop
) -> None:
    construct = only(looping(tmp_path / "loop.onnx", trips, starts, goes_on))
    assert construct.loop == expected
    assert (construct.kind, construct.name) == ("Loop", "the_loop")
    assert [arm.name for arm in construct.arms] == ["body"]


def test_operators_in_a_row_are_one_step_and_then_comes_before_else(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Abs", ["z"], ["w"]),
        helper.make_node("Relu", ["w"], ["x"]),
        choosing(),
    ]
    graph = helper.make_graph(
        nodes, "g", [scalar("z", FLOAT), scalar("c", BOOL)], [scalar("y", FLOAT)]
    )
    outline = outline_of(saved(graph, tmp_path / "if.onnx"))
    row, construct = outline.steps
    assert row == Operators(("Abs", "Relu"))
    assert isinstance(construct, Construct)
    assert [(arm.name, arm.steps) for arm in construct.arms] == [
        ("then", (Operators(("Identity",)),)),
        ("else", (Operators(("Neg",)),)),
    ]
    assert outline.operators == {"Abs": 1, "Relu": 1, "If": 1, "Identity": 1, "Neg": 1}
    assert outline.contract is None
    assert outline.producer == "by hand"


@pytest.mark.parametrize(
    ("metadata", "doc", "expected"),
    [
        (
            {SOURCE: "/a/m.py:11 in forward: if x: y(): z"},
            "",
            Place("/a/m.py", 11, "forward", "if x: y(): z"),
        ),
        ({SOURCE: "C:\\a\\m.py:3"}, "", Place("C:\\a\\m.py", 3)),
        (
            {
                "pkg.torch.onnx.stack_trace": 'File "/a/m.py", line 7, in forward\n    x = 1\n'
                'File "<eval_with_key>.5", line 9, in forward\n    cond = None'
            },
            "",
            Place("/a/m.py", 7, "forward", "x = 1"),
        ),
        (
            {
                "pkg.torch.onnx.stack_trace": 'File "/a/outer.py", line 2, in call\n    m(x)\n'
                'File "/a/m.py", line 7, in forward\n    x = torch.cond(c, f, g)'
            },
            "",
            Place("/a/m.py", 7, "forward", "x = torch.cond(c, f, g)"),
        ),
        ({}, "/a/m.py(5): forward\n/a/module.py(1): call", Place("/a/m.py", 5, "forward")),
        ({}, "", None),
        ({"other": "m.py:1"}, "no line", None),
    ],
)
def test_the_line_is_found_as_exporters_write_it(
    tmp_path: Path, metadata: dict[str, str], doc: str, expected: Place | None
) -> None:
    node = choosing()
    node.doc_string = doc
    for key, value in metadata.items():
        node.metadata_props.add(key=key, value=value)
    graph = helper.make_graph(
        [node], "g", [scalar("x", FLOAT), scalar("c", BOOL)], [scalar("y", FLOAT)]
    )
    assert only(saved(graph, tmp_path / "if.onnx")).place == expected


def test_functions_are_followed_where_they_hold_control_flow(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    plain = helper.make_function(
        "own", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], opsets
    )
    deciding = helper.make_function("own", "Sign", ["x", "c"], ["y"], [choosing()], opsets)
    around = helper.make_function(
        "own",
        "Around",
        ["x", "c"],
        ["y"],
        [helper.make_node("Sign", ["x", "c"], ["y"], domain="own")],
        opsets,
    )
    nodes = [
        helper.make_node("Twice", ["x"], ["t"], domain="own"),
        helper.make_node("Around", ["t", "c"], ["y"], domain="own"),
    ]
    graph = helper.make_graph(
        nodes, "g", [scalar("x", FLOAT), scalar("c", BOOL)], [scalar("y", FLOAT)]
    )
    path = saved(graph, tmp_path / "f.onnx", (plain, deciding, around), ["own"])
    outline = outline_of(path)
    row, call = outline.steps
    assert row == Operators(("own::Twice",))
    assert [each.kind for each in constructs_in([call])] == [
        "call own::Around", "call own::Sign", "If",
    ]  # fmt: skip
    assert depth_of(outline.steps) == 3
    assert outline.operators["If"] == 1


def test_scans_and_lists_are_constructs_too(tmp_path: Path) -> None:
    row = helper.make_tensor_value_info("r", FLOAT, [2])
    total = helper.make_tensor_value_info("a", FLOAT, [2])
    after = helper.make_tensor_value_info("b", FLOAT, [2])
    body = helper.make_graph([helper.make_node("Add", ["a", "r"], ["b"])], "sum", [total, row],
                             [after])  # fmt: skip
    node = helper.make_node("Scan", ["zero", "x"], ["y"], body=body, num_scan_inputs=1)
    inputs = [
        helper.make_tensor_value_info("zero", FLOAT, [2]),
        helper.make_tensor_value_info("x", FLOAT, ["n", 2]),
    ]
    outputs = [helper.make_tensor_value_info("y", FLOAT, [2])]
    path = saved(helper.make_graph([node], "g", inputs, outputs), tmp_path / "scan.onnx")
    construct = only(path)
    assert (construct.kind, construct.loop) == ("Scan", None)
    assert construct.arms[0].steps == (Operators(("Add",)),)
    assert outline_of(path).inputs[1]["shape"] == [dimension("n"), dimension(2)]


def test_types_of_lists_and_optional_values_are_told(tmp_path: Path) -> None:
    tensor = helper.make_tensor_type_proto(FLOAT, None)
    inputs = [
        helper.make_value_info("l", helper.make_sequence_type_proto(tensor)),
        helper.make_value_info("o", helper.make_optional_type_proto(tensor)),
    ]
    node = helper.make_node("SequenceLength", ["l"], ["y"])
    graph = helper.make_graph([node], "g", inputs, [scalar("y", onnx.TensorProto.INT64)])
    found = outline_of(saved(graph, tmp_path / "l.onnx"))
    assert [(each["kind"], each["dtype"], each["shape"]) for each in found.inputs] == [
        ("sequence", "float32", None), ("optional", "float32", None),
    ]  # fmt: skip


def gate(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        x = x * 2
    for row in x:
        if row.sum() > 1:
            x = x + row
    assert x.shape[0] > 1
    return x


def test_a_file_of_ours_has_lines_checks_ranges_and_profiles(tmp_path: Path) -> None:
    path = tmp_path / "gate.onnx"
    fxexport.export(
        gate, (torch.ones(3, 2),), path, dynamic={"x": {0: fxexport.Dim("n", 2, 8)}}, verify=False
    )
    outline = outline_of(path)
    kinds = [
        (one.kind, one.place.line - FIRST) for one in constructs_in(outline.steps) if one.place
    ]
    assert ("If", 1) in kinds
    assert ("Loop", 3) in kinds
    assert kinds.index(("If", 4)) > kinds.index(("Loop", 3))
    (loop,) = [one for one in constructs_in(outline.steps) if one.kind == "Loop"]
    assert loop.loop is not None
    assert loop.loop.trips == "computed"
    assert outline.inputs[0]["shape"] == [dimension("n", 2, 8), dimension(2)]
    assert [profile["shapes"]["x"]["max"] for profile in outline.profiles] == [[8, 2]]
    assert any(isinstance(step, Check) for step in outline.steps)
    assert outline.contract is not None
    assert outline.producer == f"fxexport {fxexport.__version__}"


FIRST = gate.__code__.co_firstlineno


def test_weights_beside_the_file_are_counted_and_need_not_be_there(tmp_path: Path) -> None:
    model = torch.nn.Linear(64, 64)
    path = tmp_path / "net.onnx"
    fxexport.export(model, (torch.ones(1, 64),), path, external_data=True, verify=False)
    (tmp_path / "net.onnx.data").unlink()
    outline = outline_of(path)
    assert outline.weight_bytes >= 64 * 65 * 4
    assert outline.weight_files == ("net.onnx.data",)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"dimensions": 1}'])
def test_a_contract_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    graph = helper.make_graph(
        [helper.make_node("Abs", ["x"], ["y"])], "g", [scalar("x", FLOAT)], [scalar("y", FLOAT)]
    )
    model = onnx.load(saved(graph, tmp_path / "a.onnx"))
    model.metadata_props.add(key=CONTRACT, value=text)
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(UsageError, match="contract cannot be read"):
        outline_of(tmp_path / "a.onnx")


@pytest.mark.parametrize(("name", "content"), [("no.onnx", None), ("text.onnx", b"not onnx")])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError):
        outline_of(tmp_path / name)
