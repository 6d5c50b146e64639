"""Random numbers are drawn by the file: shape, dtype and range are PyTorch's, and draws differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import fxexport
from tests.support.lowering import T, run_model, run_times, single, t, to_model

A = torch.ops.aten
F16, F64, I32 = torch.float16, torch.float64, torch.int32
BIG = 2**40
# Operator, its arguments, and the range of what it gives (the upper end is left out).
ROWS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any], float, float]] = {
    "rand": (A.rand.default, ([4, 500],), {}, 0, 1),
    "rand double": (A.rand.default, ([4, 500],), {"dtype": F64}, 0, 1),
    "rand like": (A.rand_like.default, (t(7, 500),), {}, 0, 1),
    "rand like half": (A.rand_like.default, (t(7, 500),), {"dtype": F16}, 0, 1.001),
    "randn": (A.randn.default, ([4, 500],), {}, -8, 8),
    "randn like": (A.randn_like.default, (t(7, 500),), {}, -8, 8),
    "randint": (A.randint.default, (9, [4, 500]), {}, 0, 9),
    "randint from": (A.randint.low, (-3, 4, [4, 500]), {"dtype": I32}, -3, 4),
    "randint large": (A.randint.low, (BIG, BIG + 3, [4, 500]), {}, BIG, BIG + 3),
    "randint like": (A.randint_like.default, (t(7, 500), 5), {}, 0, 5),
    "bernoulli": (A.bernoulli.default, (t(7, 500, low=0.2, high=0.8),), {}, 0, 2),
    "bernoulli p": (A.bernoulli.p, (t(7, 500), 0.5), {}, 0, 2),
    "randperm": (A.randperm.default, (2000,), {}, 0, 2000),
}  # fmt: skip


def draw(op: Any, args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """PyTorch's result at other sizes, and two of the file's."""
    case = single(op, *args, **kwargs)
    model = to_model(case.graph)
    inputs = case.inputs[1]
    (want,) = case.graph.run(*inputs)
    (first,), (second,) = run_times(model, inputs, 2)
    return want.numpy(), first, second


@pytest.mark.parametrize("name", list(ROWS))
def test_draws_have_the_shape_dtype_and_range_of_pytorch(name: str) -> None:
    op, args, kwargs, low, high = ROWS[name]
    want, got, _ = draw(op, args, kwargs)
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    assert got.min() >= low
    assert got.max() < high
    if high - low < 10 and (want.dtype.kind in "iu" or name.startswith("bernoulli")):
        assert set(np.unique(got)) == set(range(int(low), int(high)))


@pytest.mark.parametrize("name", ["rand", "randn like", "randint", "randperm"])
def test_every_run_draws_anew(name: str) -> None:
    op, args, kwargs, *_ = ROWS[name]
    _, first, second = draw(op, args, kwargs)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float32, F16])
def test_normal_numbers_in_place_keep_the_dtype(dtype: torch.dtype) -> None:
    exported = fxexport.export(
        lambda x: x.normal_(3, 0.5), (torch.zeros(4, 5, dtype=dtype),), dynamic=True, verify=False
    )
    got = run_model(exported.model, [torch.zeros(200, 30, dtype=dtype)])[0]
    assert got.shape == (200, 30)
    assert got.dtype == torch.zeros(0, dtype=dtype).numpy().dtype
    assert abs(got.astype(float).mean() - 3) < 0.1  # 6,000 draws: 15 standard deviations


def test_permutation_has_every_number_once() -> None:
    _, got, _ = draw(A.randperm.default, (500,), {})
    assert sorted(got) == list(range(500))


def dropped(op: Any, spec: T, p: float) -> Any:
    case = single(op, spec, p, True, keep=0 if op is A.native_dropout.default else None)
    x = torch.ones_like(case.inputs[1][0])
    (got,) = run_model(to_model(case.graph), [x])
    return got


@pytest.mark.parametrize("op", [A.native_dropout.default, A.dropout.default])
def test_dropout_in_training_drops_a_share_and_scales_the_rest(op: Any) -> None:
    got = dropped(op, t(7, 500), 0.75)
    assert set(np.unique(got)) == {0.0, 4.0}
    assert 0.65 < (got == 0).mean() < 0.85  # 5,500 draws: 17 standard deviations


def test_feature_dropout_drops_whole_channels() -> None:
    got = dropped(A.feature_dropout.default, t(7, 500, 4), 0.5)
    per_channel = got.mean(axis=2)
    assert set(np.unique(per_channel)) == {0.0, 2.0}


@pytest.mark.parametrize("op", [A.native_dropout.default, A.feature_dropout.default])
def test_dropping_everything_gives_zeros(op: Any) -> None:
    assert not dropped(op, t(7, 5, 4), 1.0).any()
