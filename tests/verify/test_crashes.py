"""A file that ONNX Runtime dies of is a disagreement, and the program that checks it lives on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
import torch

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.graph.signature import InputSpec
from fxexport.targets.onnxruntime import session as target
from fxexport.targets.onnxruntime.process import ProcessDied, RuntimeProcess
from tests.support.graphs import at_line, aten, captured, check, onnx_file, prepared_for

EQUATION = "bhqd,bhkd->bhqk"
DIES = """
g (float[b, 2, 3, 4] q, float[b, 2, 5, 4] k) => (float[b, 2, 3, 5] y) <float two = {2.0}> {
  mul_tensor = Mul(q, two)
  einsum_default = Einsum<equation = "bhqd,bhkd->bhqk">(mul_tensor, k)
  y = Neg(einsum_default)
}
"""


def eager(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return -torch.einsum(EQUATION, q * 2, k)


def build(inputs: list[InputSpec]) -> fxexport.graph.CapturedGraph:
    def nodes(g: torch.fx.Graph, args: list[torch.fx.Node]) -> list[torch.fx.Node]:
        doubled = at_line(g.call_function(aten.mul.Tensor, (args[0], 2.0)), 1)
        product = at_line(g.call_function(aten.einsum.default, (EQUATION, [doubled, args[1]])), 2)
        return [at_line(g.call_function(aten.neg.default, (product,)), 3)]

    return captured(inputs, nodes)


@pytest.fixture
def sizes() -> fxexport.inputs.PreparedInputs:
    example = (torch.randn(2, 2, 3, 4), torch.randn(2, 2, 5, 4))
    return prepared_for(eager, example, {"q": {0: "b"}, "k": {0: "b"}})


def test_crash_is_a_disagreement_with_sizes_operator_and_line(
    tmp_path: Path, sizes: fxexport.inputs.PreparedInputs
) -> None:
    result = check(build(sizes.specs), onnx_file(tmp_path / "m.onnx", DIES), eager, sizes)
    assert not result.ok
    wrong = [case for case in result.cases if not case.ok]
    assert [(case.label, case.message) for case in wrong] == [
        ("b=0", "ONNX Runtime crashed (SIGFPE) on sizes b=0")
    ]
    assert result.message.endswith("it dies in an operator Einsum, of aten.einsum.default")
    assert result.location.line == 2
    assert sum(case.ok for case in result.cases) >= 5


def test_crash_on_the_users_inputs_says_their_shapes(
    tmp_path: Path, sizes: fxexport.inputs.PreparedInputs
) -> None:
    empty = (torch.ones(0, 2, 3, 4), torch.ones(0, 2, 5, 4))
    path = onnx_file(tmp_path / "m.onnx", DIES)
    result = check(build(sizes.specs), path, eager, sizes, check_inputs=[empty])
    text = "ONNX Runtime crashed (SIGFPE) on sizes q [0, 2, 3, 4], k [0, 2, 5, 4]"
    assert ("check inputs 1", text) in [(case.label, case.message) for case in result.cases]
    assert result.message.startswith(f"check inputs 1: {text}; it dies in an operator Einsum")


def test_crash_inside_of_an_if_is_put_down_to_the_if(tmp_path: Path) -> None:
    def choose(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return torch.einsum(EQUATION, q, k)

    path = onnx_file(
        tmp_path / "m.onnx",
        """
        g (float[b, 2, 3, 4] q, float[b, 2, 5, 4] k) => (float[b, 2, 3, 5] y) <bool yes = {1}> {
          go = Not(yes)
          stay = Not(go)
          y = If(stay) <
            then_branch = t () => (float[b, 2, 3, 5] a) {
              c = Identity(q)
              a = Einsum<equation = "bhqd,bhkd->bhqk">(c, k)
            },
            else_branch = e () => (float[b, 2, 3, 5] b) {
              b = Einsum<equation = "bhqd,bhkd->bhqk">(q, k)
            }
          >
        }
        """,
    )
    example = (torch.randn(2, 2, 3, 4), torch.randn(2, 2, 5, 4))
    prepared = prepared_for(choose, example, {"q": {0: "b"}, "k": {0: "b"}})
    graph = captured(
        prepared.specs,
        lambda g, a: [g.call_function(aten.einsum.default, (EQUATION, [a[0], a[1]]))],
    )
    result = check(graph, path, choose, prepared)
    assert "ONNX Runtime crashed (SIGFPE) on sizes b=0" in result.message
    # Optimized, the If may be gone and the Einsum be there in its place.
    assert "it dies in an operator If" in result.message


def test_want_of_memory_for_made_inputs_is_noted_and_no_fault(
    tmp_path: Path,
    sizes: fxexport.inputs.PreparedInputs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = RuntimeProcess._asked

    def dies_at_five(self: RuntimeProcess, request: dict[str, object], *rest: object) -> object:
        feed = request.get("feed")
        if feed and feed[0][1]["shape"][0] == 5:  # type: ignore[index]
            raise ProcessDied("SIGKILL", from_outside=True)
        return asked(self, request, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(RuntimeProcess, "_asked", dies_at_five)
    path = onnx_file(tmp_path / "m.onnx", DIES)
    result = check(build(sizes.specs), path, eager, sizes)
    assert any("was ended (SIGKILL)" in note and "b=5" in note for note in result.notes)
    assert [case.label for case in result.cases if not case.ok] == ["b=0"]


def test_crash_while_loading_is_a_disagreement(
    tmp_path: Path, sizes: fxexport.inputs.PreparedInputs
) -> None:
    # Folded at load: the same Einsum on constants without elements.
    nodes = [
        onnx.helper.make_node("Einsum", ["a", "c"], ["e"], equation=EQUATION),
        onnx.helper.make_node("ReduceSum", ["e"], ["total"], keepdims=0),
        onnx.helper.make_node("Mul", ["q", "total"], ["y"]),
    ]
    info, float_ = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [info("q", float_, ["b", 2, 3, 4]), info("k", float_, ["b", 2, 5, 4])],
        [info("y", float_, ["b", 2, 3, 4])],
        [
            onnx.helper.make_tensor("a", float_, [0, 2, 3, 4], []),
            onnx.helper.make_tensor("c", float_, [0, 2, 5, 4], []),
        ],
    )
    opset = onnx.helper.make_opsetid("", 20)
    path = str(tmp_path / "m.onnx")
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10), path)
    result = check(build(sizes.specs), path, eager, sizes)
    assert not result.ok
    assert result.ran
    text = "ONNX Runtime crashed (SIGFPE) while it loaded the file"
    assert result.message == f"loading the file: {text}; it dies in an operator Einsum"


@torch.library.custom_op("fxexport_test_crashes::scores", mutates_args=())
def cruel(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return torch.einsum(EQUATION, q, k)


@cruel.register_fake
def _(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return q.new_empty(*q.shape[:3], k.shape[2])


@pytest.fixture
def einsum_as_it_is() -> Iterator[None]:
    """A lowering by the user that writes an Einsum which dies on a batch of none."""
    handle = fxexport.register_lowering(
        "fxexport_test_crashes::scores", lambda op, q, k: op.Einsum(q, k, equation=EQUATION)
    )
    yield
    handle.remove()


@pytest.mark.usefixtures("einsum_as_it_is")
def test_an_export_whose_file_crashes_is_kept_under_another_name(tmp_path: Path) -> None:
    def model(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return cruel(q * 2, k) + 1

    inputs = (torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6, 5))
    dynamic = {"q": {0: "batch"}, "k": {0: "batch"}}
    with pytest.raises(fxexport.VerificationError, match=r"crashed \(SIGFPE\)") as caught:
        fxexport.export(model, inputs, tmp_path / "m.onnx", dynamic=dynamic)
    assert caught.value.exit_code == 3
    assert caught.value.location is not None
    assert "cruel(q * 2, k)" in caught.value.location.code
    assert "loses the process" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["m.unverified.onnx"]
    # Where the contract keeps such sizes out, nothing is wrong.
    bounded = {"q": {0: fxexport.Dim("batch", 1, 8)}, "k": {0: fxexport.Dim("batch", 1, 8)}}
    assert fxexport.export(model, inputs, dynamic=bounded).report.verification.ok


def test_a_process_that_cannot_be_started_leaves_the_file_uncompared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RuntimeProcess.end_shared()
    monkeypatch.setattr("sys.executable", "")
    exported = fxexport.export(torch.relu, (torch.ones(2),), tmp_path / "m.onnx")
    assert exported.report.verification is not None
    assert not exported.report.verification.ran
    assert "no process could be started" in exported.report.verification.message
    assert target.available()


@pytest.mark.parametrize("target_name", ["onnxruntime", "tensorrt"])
@pytest.mark.parametrize("equation", [EQUATION, "bhqd,bhkd->bqk", "bhqd,bhkd->qbhk"])
def test_products_of_batches_of_any_size_are_matrix_products(
    target_name: str, equation: str
) -> None:
    def model(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return torch.einsum(equation, q, k)

    inputs = (torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6, 5))
    dynamic = {"q": {0: "batch"}, "k": {0: "batch"}}
    exported = fxexport.export(model, inputs, dynamic=dynamic, target=target_name)
    assert exported.report.verification is not None
    assert exported.report.verification.ok
    assert "batch=0" in [case.label for case in exported.report.verification.cases]
    operators = [node.op_type for node in exported.model.graph.node]
    assert "MatMul" in operators
    assert "Einsum" not in operators
