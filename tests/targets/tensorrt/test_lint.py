"""What TensorRT refuses is found before it is asked, and says where."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx.parser
import pytest
import torch

import fxexport
import fxexport.tensorrt
from fxexport.command.main import main
from fxexport.targets.tensorrt.build.explain import explain, tidy
from fxexport.targets.tensorrt.build.node_locations import location_of

HEAD = '<ir_version: 9, opset_import: ["" : 18]>\n'
LOOP = "y = Loop(M, tr, x) <body = b (int64 i, bool ci, float[N,4] v) => (bool co, float[N,4] vo)"
WHILE = LOOP.replace("Loop(M,", "Loop(,")

REFUSED = {
    "NonZero": ("g (float[N] x) => (int64[1,K] y) { y = NonZero(x) }", "no NonZero"),
    "a list": (
        "g (float[N] x) => (float[M] y) { s = SequenceConstruct(x, x)\n"
        " y = ConcatFromSequence<axis=0>(s) }",
        "a list of tensors",
    ),
    "integer product": (
        "g (int64[2,3] a, int64[3,2] b) => (int64[2,2] y) { y = MatMul(a, b) }",
        "MatMul of integers",
    ),
    "scatter with reduction": (
        "g (float[4] x, int64[2] i, float[2] u) => (float[4] y)"
        ' { y = ScatterElements<reduction="add">(x, i, u) }',
        "with reduction 'add'",
    ),
    "argmax of a vector": (
        "g (float[4] x) => (int64 y) { y = ArgMax<axis=0, keepdims=0>(x) }",
        "ArgMax of a vector",
    ),
    "computed axes": (
        "g (float[2,3] x, int64[1] a) => (float y) { y = ReduceSum<keepdims=0>(x, a) }",
        "axes that are computed",
    ),
    "uint8 inside": (
        "g (float[4] x) => (float[4] y) { b = Cast<to=2>(x)\n y = Cast<to=1>(b) }",
        "uint8 inside",
    ),
    "int16 input": ("g (int16[4] x) => (int16[4] y) { y = Identity(x) }", "int16"),
    "early stop with rows": (
        "g (float[N,4] x) => (float[K,N,4] r) <int64 M={9}, bool tr={1}, float lim={5}> {\n"
        "y, r = Loop(M, tr, x) <body = b (int64 i, bool ci, float[N,4] v)"
        " => (bool co, float[N,4] vo, float[N,4] s) { vo = Add(v, v)\n s = Identity(vo)\n"
        " m = ReduceMax<keepdims=0>(vo)\n co = Less(m, lim) }> }",
        "may stop early",
    ),
    "rows without a bound": (
        "g (float[N,4] x) => (float[K,N,4] r) <bool tr={1}, float lim={5}> {\n"
        "y, r = Loop(, tr, x) <body = b (int64 i, bool ci, float[N,4] v)"
        " => (bool co, float[N,4] vo, float[N,4] s) { vo = Add(v, v)\n s = Identity(vo)\n"
        " m = ReduceMax<keepdims=0>(vo)\n co = Less(m, lim) }> }",
        "without a bound",
    ),
    "slice by the trip": (
        "g (float[N,4] x) => (float[N,4] y) <int64 M={3}, bool tr={1}, int64[1] z={0}> {\n"
        + LOOP
        + " { co = Identity(ci)\n iu = Reshape(i, z1)\n s = Slice(x, z, iu, z)\n"
        " r = ReduceSum(s, z)\n vo = Add(v, r) }> }",
        "inside a loop, a slice",
    ),
    "branches of other dtypes": (
        "g (float[2] x, bool c) => (float[2] y) { y = If (c) <"
        "then_branch = t () => (float[2] a) { a = Relu(x) },"
        "else_branch = e () => (int64[2] b) { b = Cast<to=7>(x) }> }",
        "different dtypes",
    ),
    "nested ifs": (
        "g (float[N] x, bool c, bool d) => (float[N] y) { y = If (c) <"
        "then_branch = t () => (float[N] a) { a = If (d) <"
        "then_branch = tt () => (float[N] p) { p = Relu(x) },"
        "else_branch = te () => (float[N] q) { q = Exp(x) }> },"
        "else_branch = e () => (float[N] b) { b = Neg(x) }> }",
        "an if inside an if",
    ),
}


def save(folder: Path, graph: str) -> Path:
    graph = graph.replace(
        "int64[1] z={0}> {\ny = Loop", "int64[1] z={0}, int64[1] z1={1}> {\ny = Loop"
    )
    path = folder / "foreign.onnx"
    onnx.save(onnx.parser.parse_model(HEAD + graph), path)
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_rule(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, said = REFUSED[name]
    path = save(tmp_path, graph)
    result = fxexport.tensorrt.check(
        path, ask_builder=False, profiles={"x": _wide(graph)} if "N" in graph else None
    )
    assert not result.ok
    assert any(said in p.message for p in result.problems), result.problems


def _wide(graph: str) -> tuple[tuple[int, ...], ...]:
    return ((1, 4), (2, 4), (8, 4)) if "[N,4] x" in graph else ((1,), (2,), (8,))


GOOD = {
    "early stop, cut": (
        "g (float[N,4] x) => (float[K,N,4] r)"
        " <int64 M={9}, bool tr={1}, float lim={5}, int64[1] k0={0}, int64[1] k1={1}> {\n"
        "y, k, q = Loop(M, tr, x, k0) <body = b (int64 i, bool ci, float[N,4] v, int64[1] n)"
        " => (bool co, float[N,4] vo, int64[1] no, float[N,4] s) { vo = Add(v, v)\n"
        " no = Add(n, k1)\n s = Identity(vo)\n"
        " m = ReduceMax<keepdims=0>(vo)\n co = Less(m, lim) }>\n r = Slice(q, k0, k, k0) }"
    ),
    "a plain if": (
        "g (float[N,4] x, bool c) => (float[N,4] y) { y = If (c) <"
        "then_branch = t () => (float[N,4] a) { a = Relu(x) },"
        "else_branch = e () => (float[N,4] b) { b = Neg(x) }> }"
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_builds_is_not_refused(name: str, tmp_path: Path) -> None:
    path = save(tmp_path, GOOD[name])
    profile = {"x": ((1, 4), (2, 4), (8, 4))}
    assert fxexport.tensorrt.check(path, profiles=profile, ask_builder=False).ok
    pytest.importorskip("tensorrt_rtx")
    assert fxexport.tensorrt.check(path, profiles=profile).ok


def test_a_model_is_refused_at_its_line_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.py").write_text(
        "import torch\n\n"
        "def model(x):\n"
        "    return x.to(torch.int16)\n\n"
        "example_inputs = (torch.arange(4),)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["model.py", "--target", "tensorrt"]) == 1
    said = capsys.readouterr().err
    assert "TensorRT will refuse this" in said and "model.py:4" in said
    assert not (tmp_path / "model.onnx").exists()
    assert main(["model.py"]) == 0  # onnxruntime takes it


def test_check_refuses_what_is_no_onnx_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.onnx").write_text("no")
    assert main(["check", str(tmp_path / "x.onnx")]) == 2
    assert main(["check", str(tmp_path / "y.onnx")]) == 2
    assert main(["check"]) == 2
    capsys.readouterr()


def test_float64_is_a_warning(tmp_path: Path) -> None:
    path = save(tmp_path, "g (double[4] x) => (double[4] y) { y = Relu(x) }")
    result = fxexport.tensorrt.check(path, ask_builder=False)
    assert result.ok
    assert [p.severity for p in result.problems] == ["warning"]


def test_lines_are_read_from_both_kinds_of_traces() -> None:
    ours = location_of({"pkg.torch.onnx.stack_trace": "a.py:3 in f: x\nb.py:7 in g: y = 1"})
    theirs = location_of(
        {"pkg.torch.onnx.stack_trace": 'File "a.py", line 3, in f\n  x\nFile "b.py", line 7, in g'}
    )
    assert ours == theirs
    assert ours is not None and (ours.file, ours.line, ours.function) == ("b.py", 7, "g")
    assert location_of({}) is None


def test_messages_of_the_builder_are_put_in_the_users_terms() -> None:
    meaning, _ = explain("Error (IRecurrenceLayer must have inputs with same shape. First input")
    assert "changes its shape from iteration to iteration" in meaning
    meaning, hint = explain(
        "Myelin ([x.cpp:936] Shape tensor boxes_shapeInput is not initialized.)"
    )
    assert "inside an if" in meaning and "sort before the if" in hint
    meaning, _ = explain(
        "(y_1: Input to IIfConditionalInputLayer must come from outside of the scope.)"
    )
    assert "inside an if" in meaning
    unknown = "Something new In compileGraph at /_src/optimizer/x.cpp:12\ncatchCudaError(17)\n"
    assert tidy(unknown) == "Something new"
    assert explain(unknown)[0] == "Something new"


def test_ops_of_the_dialect_leave_nothing_to_refuse() -> None:
    def model(x: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, ...]:
        total = torch.zeros(4).scatter_add(0, i, x)
        return x.softmax(0), x.argmax(), i @ i, total, (x > 0).nonzero(), x[x > 0]

    inputs = (torch.tensor([1.0, -2.0, 3.0]), torch.tensor([0, 3, 3]))
    exported = fxexport.export(model, inputs, target="tensorrt")
    assert exported.report.verification is not None and exported.report.verification.ok
    kinds = {node.op_type for node in exported.model.graph.node}
    assert not kinds & {"NonZero", "Compress"}


def test_a_list_among_the_inputs_is_named(tmp_path: Path) -> None:
    graph = "g (seq(float[N]) x) => (float[M] y) { y = ConcatFromSequence<axis = 0>(x) }"
    result = fxexport.tensorrt.check(save(tmp_path, graph), ask_builder=False)
    assert not result.ok
    assert result.problems[0].message == "input 'x' is a list: TensorRT has no such inputs"
    assert not any("no rank" in problem.message for problem in result.problems)
