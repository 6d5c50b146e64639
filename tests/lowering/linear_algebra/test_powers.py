"""Powers and exponentials of matrices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, linalg

import fxexport
from fxexport.errors import UnsupportedError
from tests.support.building import agrees_and_builds
from tests.support.complex_values import check
from tests.support.contract import in_contract
from tests.support.matrices import DTYPES, SQUARE, drawn, regular

pytest.importorskip("onnxruntime")

NAMES = {0: "b", 1: "n", 2: "n"}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_exponentials(dtype: torch.dtype) -> None:
    scales = torch.tensor([0, 0.01, 1, 4], dtype=dtype)[:, None, None]
    rows = [(regular(b, n, dtype=dtype),) for b, n in SQUARE]
    check(torch.matrix_exp, *rows, (drawn(4, 6, 6, dtype=dtype) * scales,), dynamic=(NAMES,))
    check(torch.matrix_exp, (drawn(2, 2, 3, 3, dtype=dtype),), dynamic=False)


def test_what_is_not_finite_stays_in_its_matrix() -> None:
    x = regular(3, 4)
    x[1, 0, 0] = torch.nan
    check(torch.matrix_exp, (regular(2, 4),), (x,), dynamic=({0: "b"},))


@pytest.mark.parametrize("power", [0, 1, 2, 5, -1])
def test_powers(power: int) -> None:
    rows = [(regular(*shape),) for shape in SQUARE]
    check(lambda x: linalg.matrix_power(x, power), *rows, dynamic=(NAMES,))


def test_half_precision_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="half precision"):
        fxexport.export(torch.matrix_exp, (regular(3).half(),))


def test_tensorrt_builds_it(tmp_path: Path) -> None:
    rows = [(regular(b, 5),) for b in (2, 1, 4)]
    agrees_and_builds(torch.matrix_exp, rows, tmp_path)


@pytest.mark.parametrize("sizes", [(), (1,)])
@pytest.mark.parametrize("beta", [1, 0, 0.5])
def test_one_number_added_to_a_product(sizes: tuple[int, ...], beta: float) -> None:
    """Of an empty matrix PyTorch gives the number itself: the file does not take it."""

    def program(x: Tensor, matrix: Tensor, vector: Tensor) -> Tensor:
        return torch.addmv(x, matrix, vector, beta=beta, alpha=2)

    rows = [(torch.full(sizes, 3.0), torch.ones(n, m), torch.ones(m)) for n, m in [(4, 3), (1, 5)]]
    check(program, *rows)
    graph = fxexport.export(program, rows[0], dynamic=True, verify=False).graph
    assert not in_contract(graph, (torch.ones(sizes), torch.ones(0, 3), torch.ones(3)))
