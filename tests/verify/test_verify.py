"""A wrong file is found, and said where it is wrong; a right one is not blamed."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx

pytest.importorskip("onnxruntime")

from fxexport.errors import ModelError, UsageError
from fxexport.graph.ops import loop
from fxexport.graph.signature import Constraint
from fxexport.inputs import Dim, TensorSpec
from fxexport.targets.onnxruntime import session as target
from tests.support.graphs import (
    at_line,
    aten,
    body,
    captured,
    check,
    if_positive,
    onnx_file,
    prepared_for,
    repeat,
)

IF = """
g (float[n, 3] x) => (float[n, 3] y)
<float one = {1.0}, float two = {2.0}, float bound = {0.0}> {
  sum_default = ReduceSum<keepdims=0>(x)
  gt_scalar = Greater(sum_default, bound)
  y = If(gt_scalar) <
    then_branch = t () => (float[n, 3] a) { a = THEN },
    else_branch = e () => (float[n, 3] b) { b = ELSE }
  >
}
"""
LOOP = """
g (float[n] x, int64 n_1) => (float[n] y)
<float one = {1.0}, float two = {2.0}, bool yes = {1}> {
  y = Loop(TRIPS, yes, x) <
    body = b (int64 i, bool go, float[n] s) => (bool go_on, float[n] s_out) {
      go_on = Identity(go)
      d = Mul(s, two)
      s_out = Add(d, one)
    }
  >
}
"""


def if_eager(x: torch.Tensor) -> torch.Tensor:
    return x + 1 if x.sum() > 0 else x * 2


def loop_eager(x: torch.Tensor, n: int) -> torch.Tensor:
    for _ in range(n):
        x = x * 2 + 1
    return x


def if_file(path: Path, then: str = "Add(x, one)", other: str = "Mul(x, two)") -> str:
    return onnx_file(path / "m.onnx", IF.replace("THEN", then).replace("ELSE", other))


def verify_if(path: str, example: torch.Tensor, **options: Any) -> Any:
    prepared = prepared_for(if_eager, (example,), {"x": {0: "n"}})
    return check(if_positive(prepared.specs), path, if_eager, prepared, **options)


@pytest.mark.parametrize("sign", [1, -1])
def test_right_file_is_verified_on_both_sides(tmp_path: Path, sign: int) -> None:
    result = verify_if(if_file(tmp_path), sign * torch.ones(4, 3))
    assert result.ok, result
    assert result.uncovered == []
    assert result.cases[0].label == "example inputs"
    assert any("n=1" in case.label for case in result.cases)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("wrong", [{"then": "Add(x, two)"}, {"other": "Add(x, two)"}])
def test_wrong_branch_is_found_whichever_side_the_example_takes(
    tmp_path: Path, sign: int, wrong: dict[str, str]
) -> None:
    result = verify_if(if_file(tmp_path, **wrong), sign * torch.ones(4, 3))
    assert not result.ok
    assert "output 'y'" in result.message


def test_wrong_value_is_traced_to_its_line(tmp_path: Path) -> None:
    text = IF.replace("THEN", "Add(x, one)").replace("ELSE", "Mul(x, two)")
    path = onnx_file(tmp_path / "m.onnx", text.replace("Greater", "Less"))
    result = verify_if(path, torch.ones(4, 3))
    assert not result.ok
    assert result.location is not None
    assert result.location.line == 3
    assert "aten.gt.Scalar" in result.message


def test_file_that_is_wrong_at_other_sizes_only_is_found(tmp_path: Path) -> None:
    path = onnx_file(
        tmp_path / "m.onnx",
        """
        g (float[n, 3] x) => (float[n, 3] y) <int64[2] shape = {4, 3}, float two = {2.0}> {
          fixed = Expand(two, shape)
          y = Mul(x, fixed)
        }
        """,
    )

    def eager(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    prepared = prepared_for(eager, (torch.randn(4, 3),), {"x": {0: "n"}})
    graph = captured(
        prepared.specs, lambda g, a: [at_line(g.call_function(aten.mul.Tensor, (a[0], 2.0)), 7)]
    )
    result = check(graph, path, eager, prepared)
    assert result.cases[0].ok
    assert not result.ok
    assert "n=" in result.message


def test_wrong_capture_is_told_from_a_wrong_file(tmp_path: Path) -> None:
    def eager(x: torch.Tensor) -> torch.Tensor:
        return x * 3

    path = onnx_file(
        tmp_path / "m.onnx", "g (float[4] x) => (float[4] y) <float c = {2.0}> { y = Mul(x, c) }"
    )
    prepared = prepared_for(eager, (torch.ones(4),), False)
    graph = captured(prepared.specs, lambda g, a: [g.call_function(aten.mul.Tensor, (a[0], 2.0))])
    result = check(graph, path, eager, prepared)
    assert not result.ok
    assert "was not captured right" in result.message


@pytest.mark.parametrize("example", [0, 1, 3])
def test_loops_are_run_at_no_one_and_several_trips(tmp_path: Path, example: int) -> None:
    prepared = prepared_for(loop_eager, (torch.ones(2), example), {"x": [0], "n": True})
    text = LOOP.replace("TRIPS", "n").replace("n_1", "n").replace("[n]", "[k]")
    path = onnx_file(tmp_path / "m.onnx", text)
    result = check(repeat(prepared.specs), path, loop_eager, prepared)
    assert result.ok, result
    assert result.uncovered == []


@pytest.mark.parametrize("example", [0, 1, 3])
def test_loop_that_always_makes_its_first_trip_is_found(tmp_path: Path, example: int) -> None:
    prepared = prepared_for(loop_eager, (torch.ones(2), example), {"x": [0], "n": True})
    text = LOOP.replace("TRIPS", "least").replace("n_1", "n").replace("[n]", "[k]")
    text = text.replace("bool yes = {1}>", "bool yes = {1}, int64 first = {1}>")
    path = onnx_file(
        tmp_path / "m.onnx", text.replace("  y = Loop", "  least = Max(n, first)\n  y = Loop")
    )
    result = check(repeat(prepared.specs), path, loop_eager, prepared)
    assert not result.ok


def test_side_that_nothing_reaches_is_reported(tmp_path: Path) -> None:
    def eager(x: torch.Tensor) -> torch.Tensor:
        return x + 1 if x.sum() > 1e30 else x * 2

    text = IF.replace("THEN", "Add(x, one)").replace("ELSE", "Mul(x, two)")
    path = onnx_file(tmp_path / "m.onnx", text.replace("bound = {0.0}", "bound = {1e30}"))
    prepared = prepared_for(eager, (TensorSpec(torch.float32, ("n[1..2]", 3)),), False)
    graph = if_positive(prepared.specs, 1e30)
    # No value of the graph may help to find the other side.
    for node in graph.module.graph.nodes:
        if node.target is aten.gt.Scalar:
            node.target, node.args = _never, (node.args[0],)
    result = check(graph, path, eager, prepared)
    assert result.ok
    assert [(side.kind, side.goal, side.location.line) for side in result.uncovered] == [
        ("branch", "then", 3)
    ]


def _never(x: torch.Tensor) -> bool:
    return False


def test_condition_on_a_number_of_the_model_is_reached(tmp_path: Path) -> None:
    def eager(x: torch.Tensor) -> torch.Tensor:
        return x + 1 if x.sum() > 300 else x * 2

    text = IF.replace("THEN", "Add(x, one)").replace("ELSE", "Mul(x, two)")
    path = onnx_file(tmp_path / "m.onnx", text.replace("bound = {0.0}", "bound = {300.0}"))
    prepared = prepared_for(eager, (torch.zeros(2, 3),), {"x": {0: Dim("n", 1, 4)}})
    result = check(if_positive(prepared.specs, 300.0), path, eager, prepared)
    assert result.ok, result
    assert result.uncovered == []


def test_check_inputs_are_compared(tmp_path: Path) -> None:
    extra = [(torch.full((7, 3), -2.0),), {"x": torch.full((9, 3), 2.0)}, torch.zeros(1, 3)]
    result = verify_if(if_file(tmp_path), torch.ones(4, 3), check_inputs=extra)
    labels = [case.label for case in result.cases]
    assert labels[:4] == ["example inputs", "check inputs 1", "check inputs 2", "check inputs 3"]
    assert result.ok


def test_check_inputs_that_do_not_fit_are_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"check_inputs, entry 1: .*expected size 3 on axis 1"):
        verify_if(if_file(tmp_path), torch.ones(4, 3), check_inputs=[(torch.ones(4, 5),)])


def test_check_inputs_outside_of_a_relation_fail_with_its_text(tmp_path: Path) -> None:
    prepared = prepared_for(if_eager, (torch.ones(4, 3),), {"x": {0: "n"}})
    graph = if_positive(prepared.specs)
    graph.constraints.append(Constraint("x.shape[0] % 2 == 0", lambda sizes: sizes["n"] % 2 == 0))
    path = if_file(tmp_path)
    result = check(graph, path, if_eager, prepared, check_inputs=[(torch.ones(5, 3),)])
    assert "x.shape[0] % 2 == 0" in result.message
    made = [case.label for case in result.cases if "n=" in case.label]
    assert made
    assert not any("n=5" in label or "n=1" in label for label in made)


def test_inputs_that_pytorch_refuses_are_passed_over(tmp_path: Path) -> None:
    def picky(x: torch.Tensor) -> torch.Tensor:
        assert x.shape[0] == 4
        return if_eager(x)

    prepared = prepared_for(picky, (torch.ones(4, 3),), {"x": {0: "n"}})
    result = check(if_positive(prepared.specs), if_file(tmp_path), picky, prepared)
    assert result.ok, result
    assert not any("n=1" in case.label for case in result.cases)


def picky_eager(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] == 5:
        raise ValueError("five is too many")
    return if_eager(x)


def verify_picky(path: str, rows: int, **options: Any) -> Any:
    prepared = prepared_for(picky_eager, (torch.ones(rows, 3),), {"x": {0: "n"}})
    graph = if_positive(prepared.specs)
    graph.constraints.extend(options.pop("constraints", ()))
    return check(graph, path, picky_eager, prepared, **options)


def test_model_that_raises_on_the_example_is_to_blame(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"example inputs .* ValueError: five is too") as caught:
        verify_picky(if_file(tmp_path), 5)
    location = caught.value.location
    assert location is not None
    assert location.file == __file__
    assert location.function == "picky_eager"
    assert 'raise ValueError("five' in Path(__file__).read_text().splitlines()[location.line - 1]


@pytest.mark.parametrize("constraints", [(), (Constraint("n != 5", lambda s: s["n"] != 5),)])
def test_check_inputs_that_the_model_raises_on_are_a_wrong_call(
    tmp_path: Path, constraints: tuple[Constraint, ...]
) -> None:
    extra = [(torch.ones(4, 3),), (torch.ones(5, 3),)]
    with pytest.raises(UsageError, match=r"check_inputs, entry 2: .* ValueError: five") as caught:
        verify_picky(if_file(tmp_path), 4, check_inputs=extra, constraints=constraints)
    assert caught.value.location is not None
    assert caught.value.location.function == "picky_eager"


def test_nothing_comparable_is_not_a_success(tmp_path: Path) -> None:
    def never(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such luck")

    prepared = prepared_for(never, (TensorSpec(torch.float32, ("n", 3)),), False)
    result = check(if_positive(prepared.specs), if_file(tmp_path), never, prepared)
    assert not result.ran
    assert not result.ok
    assert "no such luck" in result.message


def halve(x: torch.Tensor) -> torch.Tensor:
    """Ends only for inputs below three."""
    trips = 0
    while x > 1:
        x = torch.where(x < 3, x * 0.5, x)
        trips += 1
        if trips == 1000:
            pytest.fail("an input without end was given to PyTorch")
    return x


@pytest.mark.parametrize("seed", range(4))
def test_made_inputs_never_loop_for_ever(tmp_path: Path, seed: int) -> None:
    path = onnx_file(
        tmp_path / "m.onnx",
        """
        g (float x) => (float y) <float one = {1.0}, float three = {3.0}, float half = {0.5}> {
          first = Greater(x, one)
          y = Loop("", first, x) <
            body = b (int64 i, bool go, float s) => (bool go_on, float s_out) {
              low = Less(s, three)
              h = Mul(s, half)
              s_out = Where(low, h, s)
              go_on = Greater(s_out, one)
            }
          >
        }
        """,
    )

    def step(g: fx.Graph, a: list[fx.Node]) -> list[Any]:
        low = g.call_function(aten.lt.Scalar, (a[1], 3.0))
        half = g.call_function(aten.mul.Tensor, (a[1], 0.5))
        new = g.call_function(aten.where.self, (low, half, a[1]))
        return [g.call_function(aten.gt.Scalar, (new, 1.0)), new]

    def build(g: fx.Graph, a: list[fx.Node]) -> list[fx.Node]:
        first = g.call_function(aten.gt.Scalar, (a[0], 1.0))
        done = g.call_function(loop, (None, first, g.get_attr("loop_body"), (a[0],), ()))
        return [g.call_function(operator.getitem, (done, 0))]

    prepared = prepared_for(halve, (torch.tensor(2.5),), False)
    graph = captured(prepared.specs, build, {"loop_body": body(["i", "x"], step)})
    result = check(graph, path, halve, prepared, seed=seed)
    assert result.ok, result
    assert result.uncovered == []


def test_file_that_does_not_load_is_a_disagreement(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"nothing of the kind")
    result = verify_if(str(path), torch.ones(4, 3))
    assert not result.ok
    assert result.ran
    assert "does not load" in result.message


def test_without_onnx_runtime_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxexport.verify.verifier.available", lambda: False)
    result = verify_if(if_file(tmp_path), torch.ones(4, 3))
    assert not result.ran
    assert not result.ok
    assert "pip install onnxruntime" in result.message
    assert target.available()


def test_inputs_and_random_state_are_left_alone(tmp_path: Path) -> None:
    def writes(x: torch.Tensor) -> torch.Tensor:
        result = if_eager(x)
        torch.rand(3)
        x.fill_(100)
        return result

    example = torch.ones(4, 3)
    prepared = prepared_for(writes, (example,), {"x": {0: "n"}})
    before = torch.random.get_rng_state()
    result = check(if_positive(prepared.specs), if_file(tmp_path), writes, prepared)
    assert result.ok, result
    assert torch.equal(example, torch.ones(4, 3))
    assert torch.equal(before, torch.random.get_rng_state())


def test_two_runs_make_the_same_cases(tmp_path: Path) -> None:
    path = if_file(tmp_path)
    first, second = (verify_if(path, torch.ones(4, 3)) for _ in range(2))
    assert first == second


def test_choice_among_nearly_equal_numbers_is_noted_not_blamed(tmp_path: Path) -> None:
    def eager(x: torch.Tensor) -> torch.Tensor:
        return (x * 3 / 3).sum().round().long()

    # The same number by another way, on the other side of one half.
    path = onnx_file(
        tmp_path / "m.onnx",
        """
        g (float[2] x) => (int64 y) <float off = {1.0e-7}> {
          s = ReduceSum<keepdims=0>(x)
          t = Add(s, off)
          r = Round(t)
          y = Cast<to=7>(r)
        }
        """,
    )
    prepared = prepared_for(eager, (torch.tensor([0.25, 0.25]),), False)
    graph = captured(prepared.specs, lambda g, a: [g.call_function(_round_sum, (a[0],))])
    result = check(graph, path, eager, prepared)
    assert result.ok, result
    assert any("rounding error" in note for note in result.notes)


def _round_sum(x: torch.Tensor) -> torch.Tensor:
    return (x * 3 / 3).sum().round().long()


def test_integer_error_is_not_excused_by_rounding(tmp_path: Path) -> None:
    def eager(x: torch.Tensor) -> torch.Tensor:
        return x.sum().round().long()

    path = onnx_file(
        tmp_path / "m.onnx",
        """
        g (float[2] x) => (int64 y) <int64 one = {1}> {
          s = ReduceSum<keepdims=0>(x)
          r = Round(s)
          i = Cast<to=7>(r)
          y = Add(i, one)
        }
        """,
    )
    prepared = prepared_for(eager, (torch.tensor([3.0, 4.2]),), False)
    graph = captured(prepared.specs, lambda g, a: [g.call_function(_round_sum, (a[0],))])
    assert not check(graph, path, eager, prepared).ok


@pytest.mark.parametrize(("onnx_type", "value"), [("int64", 3), ("double", 2.5), ("bool", True)])
def test_python_scalars_go_in_and_come_out(tmp_path: Path, onnx_type: str, value: Any) -> None:
    path = onnx_file(
        tmp_path / "m.onnx", f"g ({onnx_type} n) => ({onnx_type} y) {{ y = Identity(n) }}"
    )
    prepared = prepared_for(lambda n: n, (value,), {"n": True})
    graph = captured(prepared.specs, lambda g, a: [a[0]], kinds=(type(value).__name__,))
    result = check(graph, path, lambda n: n, prepared)
    assert result.ok, result


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_float_dtypes(tmp_path: Path, dtype: torch.dtype) -> None:
    name = {"bfloat16": "bfloat16", "float16": "float16", "float64": "double"}
    word = name[str(dtype).removeprefix("torch.")]
    path = onnx_file(tmp_path / "m.onnx", f"g ({word}[n] x) => ({word}[n] y) {{ y = Identity(x) }}")
    prepared = prepared_for(lambda x: x, (torch.ones(3, dtype=dtype),), {"x": [0]})
    graph = captured(prepared.specs, lambda g, a: [a[0]])
    assert check(graph, path, lambda x: x, prepared).ok
