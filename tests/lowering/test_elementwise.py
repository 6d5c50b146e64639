"""Element-wise operators: promotion, rounding, special values."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch

from tests.support.lowering import Number, b, check, i64, single, t

A = torch.ops.aten
I8, U8, I32, F64, F16 = torch.int8, torch.uint8, torch.int32, torch.float64, torch.float16

BINARY = [
    (A.add.Tensor, t(7, 3), t(7, 3)),
    (A.add.Tensor, i64(7, 3), t(7, 3)),
    (A.add.Tensor, i64(7), 2.5),
    (A.add.Tensor, i64(7), 2),
    (A.add.Tensor, t(7), 2),
    (A.add.Tensor, t(7, dtype=F64), t()),
    (A.add.Tensor, t(7), t(dtype=F64)),
    (A.add.Tensor, i64(7), t(dtype=F64)),
    (A.add.Tensor, t(7, dtype=I32), i64()),
    (A.add.Tensor, b(7), b(7)),
    (A.add.Tensor, b(7), 1),
    (A.add.Tensor, b(7), 1.5),
    (A.add.Tensor, t(7, dtype=U8, high=255), t(7, dtype=U8, high=255)),
    (A.add.Tensor, t(7, dtype=I8, low=-128, high=127), t(7, dtype=I8, low=-128, high=127)),
    (A.add.Tensor, t(7, dtype=U8), t(7, dtype=I8)),
    (A.add.Tensor, t(7, dtype=F16), t(7)),
    (A.add.Tensor, t(7), Number(7)),
    (A.add.Tensor, i64(7), Number(7)),
    (A.add.Tensor, b(7), Number(7)),
    (A.add.Tensor, i64(7), Number(7, operator.truediv, 2)),
    (A.add.Tensor, t(7, dtype=F64), Number(7, operator.truediv, 3)),
    (A.sub.Tensor, i64(7), t(3, 1)),
    (A.sub.Tensor, t(7, dtype=U8), 3),
    (A.rsub.Scalar, t(7), 1),
    (A.rsub.Scalar, i64(7), 1),
    (A.mul.Tensor, b(7), b(7)),
    (A.mul.Tensor, b(7), t(7)),
    (A.mul.Tensor, i64(7), 0.5),
    (A.mul.Tensor, t(7, dtype=I8, low=-100, high=100), 3),
    (A.mul.Scalar, t(7), Number(7)),
    (A.div.Tensor, i64(7), i64(7, low=1)),
    (A.div.Tensor, i64(7), 2),
    (A.div.Tensor, t(7), i64(7, low=1)),
    (A.div.Tensor, b(7), 2),
    (A.div.Tensor, t(7, dtype=F64), 3),
    (A.floor_divide.default, i64(7, 4), i64(4, low=1)),
    (A.floor_divide.default, i64(7, low=-20, high=20), -3),
    (A.floor_divide.default, t(7), t(7)),
    (A.floor_divide.default, t(7), 0.3),
    (A.floor_divide.default, t(7, dtype=U8, high=200), 7),
    (A.remainder.Tensor, i64(7, low=-20, high=20), i64(7, low=-6, high=-1)),
    (A.remainder.Scalar, i64(7, low=-20, high=20), 3),
    (A.remainder.Scalar, t(7), -0.7),
    (A.remainder.Tensor, t(7), t(7)),
    (A.fmod.Tensor, i64(7, low=-20, high=20), i64(7, low=1)),
    (A.fmod.Scalar, t(7), 0.7),
    (A.fmod.Scalar, i64(7, low=-20, high=20), -3),
    (A.pow.Tensor_Scalar, t(7), 2),
    (A.pow.Tensor_Scalar, t(7), 3),
    (A.pow.Tensor_Scalar, t(7, low=0.1), 0.5),
    (A.pow.Tensor_Scalar, t(7, low=0.1), -1.5),
    (A.pow.Tensor_Scalar, i64(7), 2),
    (A.pow.Tensor_Scalar, i64(7), 5),
    (A.pow.Tensor_Scalar, i64(7, low=1), 0.5),
    (A.pow.Tensor_Scalar, i64(7, low=1), 2.5),
    (A.pow.Tensor_Tensor, i64(7), i64(7, low=0)),
    (A.pow.Tensor_Tensor, i64(7, low=1), t(7)),
    (A.pow.Tensor_Tensor, t(7, low=0.1), i64(7)),
    (A.pow.Scalar, 2, i64(7, low=0)),
    (A.pow.Scalar, 2.0, t(7)),
    (A.pow.Scalar, 2.0, i64(7)),
    (A.maximum.default, i64(7), t(7)),
    (A.minimum.default, t(7, dtype=I8), t(7, dtype=I8)),
    (A.maximum.default, b(7), b(7)),
    (A.lt.Tensor, i64(7), t(7)),
    (A.lt.Scalar, i64(7), 1.5),
    (A.le.Scalar, t(7, dtype=U8), 2),
    (A.gt.Tensor, b(7), b(7)),
    (A.ge.Scalar, t(7), Number(7)),
    (A.ge.Scalar, i64(7), Number(7, operator.truediv, 3)),
    (A.eq.Tensor, i64(7), t(7)),
    (A.eq.Scalar, b(7), True),
    (A.eq.Scalar, i64(7), 2),
    (A.ne.Tensor, b(7), b(7)),
    (A.ne.Scalar, t(7), 0.0),
    (A.logical_and.default, t(7), i64(7)),
    (A.logical_or.default, b(7), t(7, dtype=U8)),
    (A.logical_xor.default, b(7), b(7)),
    (A.bitwise_and.Tensor, i64(7), i64(7)),
    (A.bitwise_and.Tensor, b(7), b(7)),
    (A.bitwise_or.Scalar, i64(7), 5),
    (A.bitwise_xor.Tensor, t(7, dtype=I32), i64(7)),
    (A.bitwise_left_shift.Tensor, i64(7), i64(7, low=0)),
    (A.bitwise_right_shift.Tensor_Scalar, i64(7, low=-99, high=99), 2),
    (A.bitwise_right_shift.Tensor, t(7, dtype=U8, high=255), t(7, dtype=U8, high=5)),
    (A.atan2.default, t(7, 3), t(7, 3)),
    (A.atan2.default, i64(7, 3), i64(7, 3)),
    (A.xlogy.Tensor, i64(7, low=0), t(7, low=0.1)),
    (A.hypot.default, t(7), t(7)),
    (A.heaviside.default, t(7), t(7)),
    (A.logaddexp.default, t(7), t(7)),
]


@pytest.mark.parametrize("row", range(len(BINARY)))
def test_binary_operator_agrees_with_pytorch(row: int) -> None:
    check(single(*BINARY[row]))


@pytest.mark.parametrize(
    ("op", "args", "kwargs"),
    [
        (A.add.Tensor, (t(7), t(7)), {"alpha": 2}),
        (A.add.Tensor, (i64(7), i64(7)), {"alpha": 3}),
        (A.sub.Tensor, (t(7), i64(7)), {"alpha": 0.5}),
        (A.rsub.Scalar, (t(7), 2.0), {"alpha": 3}),
        (A.div.Tensor_mode, (i64(7, low=-9), i64(7, low=1)), {"rounding_mode": "floor"}),
        (A.div.Tensor_mode, (i64(7, low=-9), i64(7, low=1)), {"rounding_mode": "trunc"}),
        (A.div.Tensor_mode, (t(7), t(7)), {"rounding_mode": "floor"}),
        (A.div.Tensor_mode, (t(7), t(7)), {"rounding_mode": "trunc"}),
        (A.div.Tensor_mode, (i64(7), 2), {"rounding_mode": None}),
        (A.div.Scalar_mode, (t(7), 0.7), {"rounding_mode": "floor"}),
        (A.addcmul.default, (t(7), t(7), t(7)), {"value": 2}),
        (A.addcdiv.default, (t(7), t(7), t(7, low=1)), {"value": 0.5}),
        (A.lerp.Scalar, (t(7), t(7), 0.3), {}),
        (A.lerp.Tensor, (t(7), t(7), t(7)), {}),
        (A.clamp.default, (t(7), -0.5, 0.5), {}),
        (A.clamp.default, (t(7), None, 0.5), {}),
        (A.clamp.default, (i64(7), -1, 2), {}),
        (A.clamp.default, (i64(7), 0.5, None), {}),
        (A.clamp.default, (t(7, dtype=U8), 1, 3), {}),
        (A.clamp.default, (i64(7), 0, Number(7)), {}),
        (A.clamp.Tensor, (t(7, 3), t(3), None), {}),
        (A.clamp_min.default, (i64(7), 0), {}),
        (A.clamp_max.Tensor, (t(7), t(7)), {}),
        (A.where.self, (b(7), t(7), i64(7)), {}),
        (A.where.self, (b(7, 1), i64(1, 3), t(dtype=F64)), {}),
        (A.where.ScalarOther, (b(7), i64(7), 2.5), {}),
        (A.where.ScalarSelf, (b(7), 1, t(7)), {}),
        (A.where.Scalar, (b(7), 1.0, 0.0), {}),
        (A.where.Scalar, (b(7), Number(7), 0), {}),
        (A.round.decimals, (t(7),), {"decimals": 2}),
        (A.round.decimals, (t(7, low=0, high=500),), {"decimals": -1}),
        (A.gelu.default, (t(7),), {"approximate": "tanh"}),
        (A.elu.default, (t(7), 0.5), {}),
        (A.elu.default, (t(7), 1.67, 1.05, 1.0), {}),
        (A.leaky_relu.default, (t(7), 0.2), {}),
        (A.hardtanh.default, (t(7), -0.5, 0.5), {}),
        (A.softplus.default, (t(7), 2.0, 3.0), {}),
        (A.threshold.default, (t(7), 0.5, -1.0), {}),
        (A.softshrink.default, (t(7), 0.4), {}),
        (A.hardshrink.default, (t(7), 0.4), {}),
        (A.logit.default, (t(7, low=0.0, high=1.0), 1e-3), {}),
        (A.glu.default, (t(7, 6), 1), {}),
        (A.glu.default, (t(8, 6), 0), {}),
        (A.prelu.default, (t(7, 3, 5), t(3)), {}),
        (A.prelu.default, (t(7, 3), t(1)), {}),
        (A._prelu_kernel.default, (t(7, 3, 5), t(1, 3, 1)), {}),
        (A.nan_to_num.default, (t(7, special=True),), {"nan": 1.0, "posinf": 5.0}),
        (A.celu.default, (t(7), 0.7), {}),
    ],
)
def test_operator_with_options_agrees_with_pytorch(op: Any, args: Any, kwargs: Any) -> None:
    check(single(op, *args, **kwargs))


UNARY = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "frac",
    "log",
    "log10",
    "log1p",
    "log2",
    "neg",
    "rad2deg",
    "reciprocal",
    "relu",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "hardsigmoid",
    "hardswish",
    "silu",
    "mish",
    "selu",
    "relu6",
    "gelu",
    "isnan",
    "isinf",
    "isfinite",
    "isposinf",
    "isneginf",
    "signbit",
    "logical_not",
    "sinc",
]


@pytest.mark.parametrize("name", UNARY)
def test_unary_operator_agrees_with_pytorch(name: str) -> None:
    low, high = None, None
    if name in ("log", "log2", "log10", "sqrt", "rsqrt", "acosh"):
        low, high = 1.1, 9.0
    elif name in ("acos", "asin", "atanh"):
        low, high = -0.99, 0.99
    elif name == "log1p":
        low, high = -0.5, 3.0
    check(single(getattr(A, name).default, t(7, 3, low=low, high=high)))


@pytest.mark.parametrize(
    "name",
    [
        "isnan",
        "isinf",
        "isfinite",
        "isposinf",
        "isneginf",
        "relu",
        "abs",
        "sign",
        "floor",
        "round",
        "trunc",
    ],
)
def test_special_values_are_kept(name: str) -> None:
    check(single(getattr(A, name).default, t(7, special=True)))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("abs", torch.int64),
        ("abs", I8),
        ("neg", I8),
        ("neg", torch.int64),
        ("relu", I32),
        ("relu", I8),
        ("sign", torch.int64),
        ("sign", torch.bool),
        ("sqrt", torch.int64),
        ("exp", torch.int64),
        ("sin", I32),
        ("sigmoid", torch.int64),
        ("sigmoid", torch.bool),
        ("floor", torch.int64),
        ("ceil", torch.int64),
        ("round", torch.int64),
        ("trunc", torch.int64),
        ("isnan", torch.int64),
        ("isfinite", torch.int64),
        ("isinf", torch.int64),
        ("logical_not", torch.int64),
        ("logical_not", U8),
        ("bitwise_not", torch.int64),
        ("bitwise_not", torch.bool),
        ("bitwise_not", U8),
        ("square", torch.int64),
        ("reciprocal", torch.int64),
        ("signbit", torch.int64),
        ("sqrt", F64),
        ("exp", F64),
        ("sin", F64),
        ("cos", F64),
        ("tanh", F64),
        ("round", F64),
        ("rsqrt", F64),
        ("atan", F64),
        ("sigmoid", F64),
        ("sqrt", F16),
        ("exp", F16),
        ("gelu", F16),
        ("silu", F16),
    ],
)
def test_unary_operator_on_other_dtypes(name: str, dtype: torch.dtype) -> None:
    low = 1 if name in ("sqrt", "rsqrt", "reciprocal") else None
    check(single(getattr(A, name).default, t(7, dtype=dtype, low=low)))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (torch.float32, torch.int64),
        (torch.float32, torch.bool),
        (torch.float32, U8),
        (torch.int64, torch.float32),
        (torch.int64, I8),
        (torch.bool, torch.float32),
        (torch.float32, F16),
        (F64, torch.float32),
        (torch.int64, torch.int64),
    ],
)
def test_conversion(source: torch.dtype, target: torch.dtype) -> None:
    low = 0 if target == U8 else None
    check(single(A._to_copy.default, t(7, dtype=source, low=low), dtype=target))
