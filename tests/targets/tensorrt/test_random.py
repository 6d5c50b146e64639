"""Random numbers in TensorRT's dialect: drawn in dtypes that it has, and engines build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import fxexport
import fxexport.tensorrt
from tests.support.lowering import run_times

pytest.importorskip("onnxruntime")


def drawn(function: Callable[..., Tensor], x: Tensor, folder: Path) -> list[np.ndarray]:
    """Two draws by the file, which builds."""
    import onnx

    exported = fxexport.export(
        function,
        (x,),
        folder / "model.onnx",
        dynamic={"x": {0: fxexport.Dim("n", 1, 2000)}},
        target="tensorrt",
        verify=False,
    )
    runs = [values[0] for values in run_times(onnx.load(folder / "model.onnx"), [x], 2)]
    pytest.importorskip("tensorrt_rtx")
    assert fxexport.tensorrt.build(exported).ok
    return runs


def test_doubles_are_drawn(tmp_path: Path) -> None:
    first, second = drawn(lambda x: torch.rand_like(x.double()) + 1, torch.zeros(500), tmp_path)
    assert first.dtype == np.float64
    assert 1 <= first.min() < first.max() < 2.0001
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(("low", "high"), [(-3, 4), (2**40, 2**40 + 3), (-(2**40), 2**41)])
def test_integers_of_any_size_are_drawn(low: int, high: int, tmp_path: Path) -> None:
    first, second = drawn(
        lambda x: torch.randint_like(x.long(), low, high), torch.zeros(500), tmp_path
    )
    assert first.min() >= low
    assert first.max() < high
    assert not np.array_equal(first, second)
    if high - low < 10:
        assert set(first) == set(range(low, high))
    else:
        assert (first.max() - first.min()) > (high - low) // 2


@pytest.mark.parametrize("replacement", [True, False])
def test_classes_are_drawn_by_their_weights(replacement: bool, tmp_path: Path) -> None:
    weights = torch.tensor([[0.0, 3.0, 1.0, 0.0], [2.0, 0.0, 0.0, 2.0]]).repeat(500, 1)
    first, second = drawn(
        lambda x: torch.multinomial(x, 2, replacement=replacement), weights, tmp_path
    )
    assert first.shape == (1000, 2)
    even, odd = first[::2], first[1::2]
    assert set(even.reshape(-1)) == {1, 2}
    assert set(odd.reshape(-1)) == {0, 3}
    if replacement:
        assert 0.68 < (even == 1).mean() < 0.82  # 1,000 draws: five deviations
    else:
        assert (even[:, 0] != even[:, 1]).all()
    assert not np.array_equal(first, second)
