"""What counts as equal."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fxexport.graph.signature import OutputSpec
from fxexport.verify.compare import compare_outputs
from fxexport.verify.tolerance import tolerance_for

NAN, INF = float("nan"), float("inf")


def compare(
    expected: Any, got: Any, kind: str = "tensor", working: torch.dtype | None = None
) -> Any:
    (result,) = compare_outputs(
        [OutputSpec("y", kind)],  # type: ignore[arg-type]
        [expected],
        [got],
        working,
        1.0,
    )
    return result


def floats(*values: float) -> torch.Tensor:
    return torch.tensor(values)


@pytest.mark.parametrize(
    ("expected", "got", "ok"),
    [
        (floats(1.0), floats(1.00001), True),
        (floats(1.0), floats(1.001), False),
        (floats(1e-5), floats(0.0), False),
        (floats(1e6, 0.0), floats(1e6, 1.0), True),
        (floats(1e6, 0.0), floats(1e6, 100.0), False),
        (floats(NAN, INF, -INF), floats(NAN, INF, -INF), True),
        (floats(NAN), floats(0.0), False),
        (floats(0.0), floats(NAN), False),
        (floats(INF), floats(-INF), False),
        (floats(1e30), floats(INF), False),
        (floats(INF, 1.0), floats(INF, 2.0), False),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), False),
        (torch.tensor([True]), torch.tensor([False]), False),
        (torch.zeros(0, 3), torch.zeros(0, 3), True),
        (torch.zeros(0, 3), torch.zeros(0, 4), False),
        (torch.zeros(1), torch.zeros(()), False),
        (torch.zeros(1), torch.zeros(1, dtype=torch.float64), False),
        (torch.tensor(1.0).half(), torch.tensor(1.005).half(), True),
        (torch.tensor(1.0).bfloat16(), torch.tensor(1.02).bfloat16(), True),
        (torch.tensor(1.0).double(), torch.tensor(1.00001).double(), False),
    ],
)
def test_tensors(expected: torch.Tensor, got: torch.Tensor, ok: bool) -> None:
    result = compare(expected, got)
    assert result.ok is ok
    assert bool(result.message) is not ok


@pytest.mark.parametrize(
    ("expected", "got", "kind", "ok"),
    [
        (3, torch.tensor(3), "int", True),
        (3, torch.tensor(4), "int", False),
        (0.5, torch.tensor(0.5).double(), "float", True),
        (True, torch.tensor(True), "bool", True),
        (True, torch.tensor(1), "int", False),
        (torch.tensor(3), torch.tensor(3), "int", False),
        # what is a number on one way and a tensor on the other is a tensor in the file
        (3, torch.tensor(3.0), "tensor", True),
        (3, torch.tensor(4.0), "tensor", False),
        (3, torch.tensor([3]), "tensor", False),
        (None, torch.tensor(3), "tensor", False),
        # of a coarser kind it has lost something
        (2.7, torch.tensor(2), "tensor", False),
        (3, torch.tensor(True), "tensor", False),
        (True, torch.tensor(1), "tensor", True),
    ],
)
def test_python_scalars(expected: Any, got: torch.Tensor, kind: str, ok: bool) -> None:
    assert compare(expected, got, kind).ok is ok


def test_worst_difference_is_told() -> None:
    result = compare(floats(1.0, 2.0, 4.0), floats(1.0, 2.5, 5.0))
    assert result.max_abs == pytest.approx(1.0)
    assert result.max_rel == pytest.approx(0.25)
    assert "2 of 3 elements differ; the first at [1]" in result.message


def test_a_double_of_float32_arithmetic_is_as_good_as_float32() -> None:
    one, off = torch.tensor(1.0).double(), torch.tensor(1.00001).double()
    assert compare(one, off, working=torch.float32).ok
    assert not compare(one, off, working=torch.float64).ok


def test_number_of_outputs() -> None:
    results = compare_outputs([OutputSpec("y")], [], [torch.zeros(1)], None, 1.0)
    assert not results[0].ok


def test_integers_are_exact_whatever_the_model_computes_in() -> None:
    assert tolerance_for(torch.int32, torch.float16).relative == 0


@pytest.mark.parametrize(
    ("got", "ok"),
    [([[floats(1, 2), floats(2, 3)]], True), ([[floats(1, 2), floats(3, 3)]], False), ([], False)],
)
def test_list_that_may_be_none_is_compared_item_by_item(got: Any, ok: bool) -> None:
    spec = OutputSpec("y", "sequence", presence="y.present")
    expected = [[floats(1, 2), floats(2, 3)]]
    (result,) = compare_outputs([spec], [expected], [got], None, 1.0)
    assert result.ok is ok
