"""NaN, infinity and large integers come out as in PyTorch, where plain ONNX forms lose them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch

import fxexport
from tests.support.lowering import Number, T, b, check, i64, single, t, to_model

A = torch.ops.aten
N7 = Number(7)  # the size that is 7 in the example
F16, F64, I32 = torch.float16, torch.float64, torch.int32


def odd(*shape: int, dtype: torch.dtype = torch.float32) -> T:
    """A tensor with infinities and NaN."""
    return t(*shape, dtype=dtype, special=True)


def large(*shape: int) -> T:
    """int64 far beyond 2^53."""
    return i64(*shape, low=-(2**61), high=2**61)


WITH_NAN = [
    (A.max.default, odd(7, 3)),
    (A.min.default, odd(7, 3)),
    (A.amax.default, odd(7, 3), [1]),
    (A.amin.default, odd(7, 3), [0, 1], True),
    (A.amax.default, odd(7, 3, dtype=F64), [0]),
    (A.aminmax.default, odd(7, 3)),
    (A.max.dim, odd(7, 3), 1),
    (A.min.dim, odd(7, 3), 0, True),
    (A.argmax.default, odd(7, 3)),
    (A.argmax.default, odd(3, 7), 1),
    (A.argmin.default, odd(3, 7), 0, True),
    (A.argmin.default, odd(7, 3), None, True),
    (A.median.default, odd(7, 3)),
    (A.median.dim, odd(7, 3), 1),
    (A.nanmedian.default, odd(7, 3)),
    (A.nanmedian.dim, odd(7, 3), 0, True),
    (A.fmax.default, odd(7, 3), t(7, 3)),
    (A.fmin.default, t(7, 3), odd(7, 3)),
    (A.maximum.default, odd(7, 3), t(7, 3)),
    (A.minimum.default, t(7, 3), odd(7, 3)),
    (A.linalg_vector_norm.default, odd(7, 3), math.inf, [1]),
    (A.linalg_vector_norm.default, odd(7, 3), -math.inf, [1]),
    (A.softshrink.default, odd(7)),
    (A.threshold.default, odd(7), 0.1, 20.0),
    (A.heaviside.default, odd(7), t(7)),
    (A.hypot.default, odd(7), t(7)),
    (A.sinc.default, odd(7)),
    (A.logcumsumexp.default, odd(7, 3), 0),
    (A.cummax.default, odd(7, 3), 0),
    (A.cummin.default, odd(7, 3), 1),
    (A.isin.Tensor_Tensor, odd(7), odd(8)),
    (A._unique2.default, odd(7, 3), True, True, True),
    (A._unique2.default, odd(7, dtype=F16), True, True, True),
    (A.unique_consecutive.default, odd(7, 3), True, True),
    (A.scatter_reduce.two, t(7), 0, i64(8, low=0, high=5), odd(8), "amax"),
    (A.scatter_reduce.two, odd(7), 0, i64(8, low=0, high=5), t(8), "amin"),
    (A.erf.default, odd(7, dtype=F64)),
    (A.erfc.default, odd(7)),
    (A.special_erfcx.default, odd(7, dtype=F64)),
]


@pytest.mark.parametrize("call", WITH_NAN, ids=lambda c: c[0]._schema.name + f"-{c[1].dtype}")
def test_nan_and_infinity_come_out_as_in_pytorch(call: tuple[Any, ...]) -> None:
    check(single(*call))


def test_adaptive_max_pooling_keeps_nan() -> None:
    check(single(A.adaptive_max_pool2d.default, odd(2, 3, 7, 8), [3, 2], keep=0))


def test_each_nan_is_unique() -> None:
    nan, inf = math.nan, math.inf
    case = single(A._unique2.default, t(7), True, True, True)
    rows = ([3, nan, 1, 3, nan, 1, 2], [nan, 1, nan, inf, 1, -inf, nan, 0], [nan])
    check(replace(case, inputs=[(torch.tensor(row),) for row in rows]))


LARGE = [
    (A.sum.default, large(7, 3)),
    (A.sum.dim_IntList, large(7, 3), [0]),
    (A.sum.dim_IntList, large(7, 3, 8), [0, 2], True),
    (A.sum.dim_IntList, large(3), [-1]),
    (A.prod.default, large(7, 3)),
    (A.prod.dim_int, large(7, 3), 1),
    (A.prod.dim_int, large(7, 3), 0, True),
    (A.prod.dim_int, t(7, 3, dtype=I32, low=-9, high=9), 0),
    (A.cummax.default, large(7, 3), 0),
    (A.cummin.default, b(7, 3), 1),
]


@pytest.mark.parametrize("call", LARGE, ids=lambda c: c[0]._schema.name + f"-{len(c)}")
def test_no_digit_of_an_integer_is_lost(call: tuple[Any, ...]) -> None:
    check(single(*call))


@pytest.mark.parametrize(
    "call",
    [
        (A.erfc.default, t(7, low=3.0, high=9.0)),
        (A.erfc.default, t(7, dtype=F64, low=3.0, high=20.0)),
        (A.special_erfcx.default, t(7, low=-3.0, high=30.0)),
        (A.special_erfcx.default, t(7, dtype=F64, low=-3.0, high=30.0)),
        (A.erf.default, t(7, dtype=F64, low=-1.0, high=1.0)),
        (A.hypot.default, t(7, low=1e20, high=1e25), t(7, low=1e20, high=1e25)),
    ],
    ids=str,
)
def test_small_and_large_results_keep_their_digits(call: tuple[Any, ...]) -> None:
    case = single(*call)
    for inputs in case.inputs:
        expected = case.graph.run(*inputs)[0]
        assert expected.isfinite().all() and (expected != 0).all()
    check_relative(case, 1e-12 if call[1].dtype == F64 else 2e-5)


def check_relative(case: Any, tolerance: float) -> None:
    """As `check`, with a tolerance that knows no absolute difference."""
    from tests.support.lowering import run_model, to_model

    model = to_model(case.graph, 20)
    for inputs in case.inputs:
        want = case.graph.run(*inputs)[0]
        got = torch.from_numpy(run_model(model, inputs)[0])
        torch.testing.assert_close(got, want, rtol=tolerance, atol=0.0)


@pytest.mark.parametrize(
    "call",
    [
        (
            A.conv2d.default,
            t(2, 3, 5, 5, dtype=torch.bfloat16),
            t(4, 3, 2, 2, dtype=torch.bfloat16),
        ),
        (A.max_pool2d.default, t(2, 3, 5, 5, dtype=torch.bfloat16), [2, 2]),
        (A.topk.default, t(7, 3, dtype=torch.bfloat16), 2),
        (A.sin.default, t(7, dtype=torch.bfloat16)),
    ],
    ids=lambda call: call[0]._schema.name,
)
def test_what_an_opset_has_not_in_bfloat16_is_computed_in_single(call: tuple[Any, ...]) -> None:
    model = to_model(single(*call).graph, 21)
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16


@pytest.mark.parametrize(
    "call",
    [
        (A.conv1d.default, i64(2, 3, 7), i64(4, 3, 2)),
        (A.avg_pool2d.default, i64(2, 3, 7, 8), [2, 2]),
        (A.convolution.default, i64(2, 3, 7), i64(3, 4, 2), None, [1], [0], [1], True, [0], 1),
    ],
    ids=lambda call: call[0]._schema.name,
)
def test_what_onnx_has_for_floats_only_is_right_for_integers(call: tuple[Any, ...]) -> None:
    check(single(*call))


U8, I8 = torch.uint8, torch.int8
OTHER_DTYPES = [
    (A.linear.default, i64(7, 3), i64(4, 3), i64(4)),
    (A.linear.default, i64(3), i64(4, 3)),
    (A.linear.default, t(7, 3, dtype=U8), t(4, 3, dtype=U8)),
    (A.addr.default, b(7, 3), b(7), b(3)),
    (A.addbmm.default, t(3, 3, dtype=I8), t(7, 3, 3, dtype=I8), t(7, 3, 3, dtype=I8)),
    (A.clamp.Tensor, b(7), b(7)),
    (A.sinc.default, i64(7)),
    (A.heaviside.default, b(7), b(7)),
    (A.heaviside.default, i64(7), i64(7)),
    (A.pixel_shuffle.default, i64(7, 4, 2, 3), 2),
    (A.pixel_shuffle.default, b(4, 7, 8), 2),
    (A.scatter_reduce.two, b(7), 0, i64(8, low=0, high=5), b(8), "amax"),
    (A.index_add.default, t(7, 3, dtype=I8), 0, i64(2, low=0, high=4), t(2, 3, dtype=I8)),
    (A.index_put.default, t(7, dtype=F16), [i64(8, low=0, high=5)], t(8, dtype=F16), True),
    (A.unique_dim.default, t(7, 3, dtype=F16), 0, True, True, True),
    (A.index_put.default, b(7), [i64(8, low=0, high=5)], b(8), True),
    (A.scatter_add.default, t(7, dtype=F16), 0, i64(8, low=0, high=5), t(8, dtype=F16)),
]


@pytest.mark.parametrize("call", OTHER_DTYPES, ids=lambda c: f"{c[0]._schema.name}-{c[1].dtype}")
def test_integers_and_bools_go_into_operators_of_floats(call: tuple[Any, ...]) -> None:
    check(single(*call))


@pytest.mark.parametrize(
    "call",
    [
        (A.conv_transpose2d.input, t(2, 3, 7, 8), t(3, 4, 2, 2), None, [2, 1], [1, 0], [3, 1]),
        (A.conv_transpose2d.input, t(2, 3, 7, 8), t(3, 4, 2, 2), t(4), [1, 2], [0, 2], [2, 1]),
    ],
    ids=["cut-and-added", "with-a-bias"],
)
def test_output_padding_of_the_stride_or_more(call: tuple[Any, ...]) -> None:
    check(single(*call, 1, [4, 4]))


SIZES = {7: 0, 8: 3}


@pytest.mark.parametrize(
    "call",
    [
        (A.roll.default, t(7, 8), [2]),
        (A.roll.default, t(7, 8), [1, -2], [0, 1]),
        (A.im2col.default, t(7, 3, 4, 8), [2, 2], [1, 1], [1, 0], [1, 2]),
        (A.isin.Tensor_Tensor, t(8), t(7)),
        (A.masked_scatter.default, t(7, 8), b(7, 8), t(7, 8)),
        (A.median.default, t(7, 8)),
        (A.nanmedian.default, t(7)),
        (A.index_fill.int_Scalar, t(7, 8), 1, i64(2, low=0, high=2), 5.0),
        (A.pixel_shuffle.default, i64(7, 4, 2, 8), 2),
        # Since 2.14 PyTorch raises where a group has no element; a batch of none it takes.
        (A.group_norm.default, t(8, 4, 3), 2),
        (A.layer_norm.default, t(8, 3, 7), [3, N7], t(3, 7), t(3, 7)),
        (A.layer_norm.default, t(8, 7), [N7]),
        (A.adaptive_avg_pool1d.default, t(8, 3, 7), [1]),
        (A.instance_norm.default, t(8, 4, 7, 3), t(4), None, None, None, True, 0.1, 1e-5, False),
        (A.replication_pad1d.default, t(7, 3, 8), [-1, 2]),
        (
            A._unsafe_masked_index.default,
            t(7, 8),
            b(4, 6),
            [i64(4, 1, low=0, high=3), i64(1, 6, low=0, high=3)],
            2.5,
        ),
        (
            A._unsafe_masked_index_put_accumulate.default,
            t(7, 8),
            b(4, 6),
            [i64(4, 1), i64(1, 6)],
            t(4, 6),
        ),
        (A.index_add.default, t(7, 8), 0, i64(4, low=0, high=3), t(4, 8)),
    ],
    ids=lambda call: call[0]._schema.name,
)
def test_sizes_of_zero(call: tuple[Any, ...]) -> None:
    check(single(*call, others=SIZES))


EQUATIONS = {
    "bnd,bmd->bnm": (t(7, 4, 8), t(7, 5, 8)),
    "abc,cbd->ad": (t(2, 7, 8), t(8, 7, 4)),
    "ab,bc": (t(7, 8), t(8, 3)),
    "...ij,...jk->...ki": (t(2, 7, 3), t(5, 1, 3, 8)),
    "ab,ab->": (t(7, 8), t(7, 8)),
    "abc,adb->cd": (t(7, 1, 3), t(7, 4, 8)),
    "ab,ab->ba": (t(7, 8), t(7, 8)),
    "a,b->ba": (t(7), t(8)),
    "abc->c": (t(7, 3, 8),),
    "abcd->dbca": (t(7, 3, 2, 8),),
    "ab,bc,cd->da": (t(7, 8), t(8, 3), t(3, 7)),
    "abc,bd->ad": (t(7, 8, 3), t(8, 4)),
    "ab,ac->bc": (i64(7, 3), i64(7, 8)),
    "bii->bi": (t(7, 3, 3),),
    "bii->ib": (t(7, 8, 8),),
    "aba,bc->ca": (t(8, 7, 8), t(7, 3)),
    "aaab->ab": (t(7, 7, 7, 8),),
    "abb,acc->bc": (t(7, 8, 8), t(7, 3, 3)),
    "ii": (t(7, 7),),
    "...ij->ij": (t(7, 2, 8, 3),),
    "...i,...j->ij": (t(7, 3, 8), t(7, 1, 4)),
    "...i,...i->i": (t(7, 3), t(1, 3)),
    "...ij,...jk,...k->i": (t(7, 3, 8), t(1, 8, 4), t(7, 4)),
    "bhnd,bhmd->bhnm": (t(2, 7, 4, 3, dtype=F16), t(2, 7, 5, 3, dtype=F16)),
}


@pytest.mark.parametrize("sizes", [SIZES, {7: 5, 8: 0}, {7: 4, 8: 3}], ids=str)
@pytest.mark.parametrize("equation", list(EQUATIONS))
def test_einstein_sums_at_any_size(equation: str, sizes: dict[int, int]) -> None:
    check(single(A.einsum.default, equation, list(EQUATIONS[equation]), others=sizes))


def test_bilinear_of_nothing() -> None:
    check(single(A.bilinear.default, t(7, 3), t(7, 4), t(5, 3, 4), t(5), others=SIZES))


@pytest.mark.parametrize(
    "call",
    [
        (A.index_add.default, t(), 0, i64(1, low=0, high=1), t()),
        (A.index_copy.default, t(), 0, i64(1, low=0, high=1), t()),
        (A.index_fill.int_Scalar, t(), 0, i64(1, low=0, high=1), 5.0),
        (A.prelu.default, t(), t(1)),
        (A.arange.start_step, 2, 8.5, 1.5),
    ],
    ids=lambda call: call[0]._schema.name,
)
def test_tensors_without_dimensions(call: tuple[Any, ...]) -> None:
    options = {"dtype": torch.int64} if call[0] is A.arange.start_step else {}
    check(single(*call, **options))


def test_a_long_running_sum_keeps_its_digits() -> None:
    """PyTorch's CPU adds float32 up in float64."""
    x = torch.full((20_000,), 1.1) + torch.arange(20_000) % 7
    exported = fxexport.export(lambda x: x.cumsum(0), x, dynamic=True, verify=False)
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    (found,) = session.run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), x.cumsum(0), rtol=1e-7, atol=0)
