"""Reductions, sorting, products, convolutions, normalisations, pooling, resizing, recurrence."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch

from tests.support.lowering import Number, b, check, i64, single, t

A = torch.ops.aten
N7, N8 = Number(7), Number(8)
F64 = torch.float64

Row = tuple[Any, tuple[Any, ...], dict[str, Any]]


def row(op: Any, *args: Any, **kwargs: Any) -> Row:
    return op, args, kwargs


REDUCE = [
    row(A.sum.default, t(7, 3)),
    row(A.sum.default, b(7, 3)),
    row(A.sum.default, t(7, dtype=torch.uint8)),
    row(A.sum.default, t(7, 3), dtype=F64),
    row(A.sum.dim_IntList, t(7, 3, 8), [0, -1]),
    row(A.sum.dim_IntList, t(7, 3, 8), [], True),
    row(A.sum.dim_IntList, i64(7, 3), [1], True),
    row(A.sum.dim_IntList, t(), [0]),
    row(A.sum.dim_IntList, t(7, 0), [1]),
    row(A.mean.default, t(7, 3)),
    row(A.mean.dim, t(7, 3), [0], True),
    row(A.mean.dim, i64(7, 3), [0], dtype=torch.float32),
    row(A.prod.default, t(7)),
    row(A.prod.dim_int, i64(7, 3), 1),
    row(A.any.default, b(7, 3)),
    row(A.any.dim, i64(7, 3), 1, True),
    row(A.any.dims, t(7, 3, 2), [0, 2]),
    row(A.any.dim, b(7, 0), 1),
    row(A.all.default, t(7)),
    row(A.all.dim, b(7, 3), 0),
    row(A.all.dim, b(7, 0), 1),
    row(A.all.default, t(7, dtype=torch.uint8)),
    row(A.any.default, b()),
    row(A.amax.default, t(7, 3, 8), [0, 2]),
    row(A.amin.default, i64(7, 3), [-1], True),
    row(A.amax.default, b(7, 3), [1]),
    row(A.amax.default, t(7, dtype=torch.int8), []),
    row(A.max.default, t(7, 3)),
    row(A.max.dim, t(7, 3), 1),
    row(A.min.dim, i64(7, 3), 0, True),
    row(A.max.dim, t(), 0),
    row(A.argmax.default, t(7, 3)),
    row(A.argmax.default, i64(7, 3), 1),
    row(A.argmin.default, t(7, 3), 0, True),
    row(A.argmax.default, t(7, 3), None, True),
    row(A.argmax.default, t(7, dtype=torch.uint8)),
    row(A.var.correction, t(7, 3), [0], correction=1),
    row(A.var.correction, t(7, 8), None, correction=0),
    row(A.std.correction, t(7, 8), [0, 1], correction=1, keepdim=True),
    row(A.var_mean.correction, t(7, 3), [1], correction=0),
    row(A.linalg_vector_norm.default, t(7, 3)),
    row(A.linalg_vector_norm.default, t(7, 3), 1, [1], True),
    row(A.linalg_vector_norm.default, t(7, 3), float("inf"), [0]),
    row(A.linalg_vector_norm.default, t(7, 3), 3, [0]),
    row(A.linalg_vector_norm.default, t(7, 3), 0, [0]),
    row(A.norm.ScalarOpt_dim, t(7, 3), 2, [1], True),
    row(A.logsumexp.default, t(7, 3), [1]),
    row(A.logsumexp.default, t(7, 3), [0], True),
    row(A.cumsum.default, t(7, 3), 0),
    row(A.cumsum.default, b(7, 3), -1),
    row(A.cumsum.default, i64(7), 0, dtype=torch.float32),
    row(A.cumprod.default, t(7, 3), 0),
    row(A.cumprod.default, i64(2, 7), 1),
    row(A.count_nonzero.default, i64(7, 3)),
    row(A.sort.default, t(7, 3), 0),
    row(A.sort.default, i64(7, 3), -1, True),
    row(A.sort.stable, i64(7), stable=True, dim=0, descending=True),
    row(A.sort.default, t(7, dtype=torch.int32)),
    row(A.sort.default, t(7, dtype=F64)),
    row(A.topk.default, t(7, 6), 3),
    row(A.topk.default, t(7, 6), 2, 0, False),
    row(A.topk.default, t(7), N7),
    row(A.kthvalue.default, t(7, 3), 2, 0),
    row(A.median.dim, t(7, 3), 0),
    row(A.median.default, t(7, 3)),
    row(A._unique2.default, i64(7), True, True, True),
    row(A._unique2.default, i64(7, 3), True, True, True),
    row(A.unique_dim.default, i64(7, 2, low=0, high=2), 0, True, True, True),
    row(A.unique_consecutive.default, i64(7, low=0, high=2), True, True),
    row(A.aminmax.default, t(7, 3), dim=1),
]

NETWORK = [
    row(A.mm.default, t(7, 3), t(3, 8)),
    row(A.mm.default, i64(7, 3), i64(3, 2)),
    row(A.bmm.default, t(7, 3, 4), t(7, 4, 8)),
    row(A.matmul.default, t(7, 3), t(3)),
    row(A.matmul.default, t(2, 7, 3), t(3, 5)),
    row(A.mv.default, t(7, 3), t(3)),
    row(A.dot.default, t(7), t(7)),
    row(A.addmm.default, t(5), t(7, 3), t(3, 5), beta=0.5, alpha=2),
    row(A.addmm.default, t(7, 5), t(7, 3), t(3, 5)),
    row(A.addmm.default, i64(5), i64(7, 3), i64(3, 5)),
    row(A.baddbmm.default, t(7, 1, 5), t(7, 3, 4), t(7, 4, 5), beta=0.5),
    row(A.addmv.default, t(7), t(7, 3), t(3)),
    row(A.linear.default, t(7, 3), t(5, 3), t(5)),
    row(A.linear.default, t(7, 8, 3), t(5, 3), t(5)),
    row(A.linear.default, t(3), t(5, 3), None),
    row(A.einsum.default, "bij,bjk->bik", [t(7, 3, 4), t(7, 4, 5)]),
    row(A._cdist_forward.default, t(7, 3), t(9, 3), 2.0, None),
    row(A._cdist_forward.default, t(7, 3), t(9, 3), 1.0, None),
    row(A.linalg_cross.default, t(7, 3), t(7, 3)),
    row(A.conv2d.default, t(2, 3, 7, 8), t(6, 3, 3, 3), t(6), [1, 2], [1, 1]),
    row(A.conv2d.default, t(3, 7, 8), t(6, 3, 3, 3)),
    row(A.conv2d.padding, t(2, 3, 7, 8), t(6, 3, 4, 3), t(6), [1, 1], "same", [1, 2]),
    row(A.conv2d.default, t(2, 4, 7, 8), t(6, 2, 3, 3), None, [1, 1], [0, 0], [1, 1], 2),
    row(A.conv1d.default, t(7, 3, 8), t(4, 3, 2), t(4), [2]),
    row(A.conv3d.default, t(2, 3, 7, 8, 8), t(4, 3, 2, 2, 2), None, [1, 1, 1], [1, 1, 1]),
    row(
        A.convolution.default,
        t(7, 3, 8, 8),
        t(4, 3, 3, 3),
        None,
        [2, 2],
        [1, 1],
        [1, 1],
        False,
        [0, 0],
        1,
    ),
    row(
        A.convolution.default,
        t(7, 4, 8, 8),
        t(4, 3, 3, 3),
        t(6),
        [2, 2],
        [1, 0],
        [1, 1],
        True,
        [1, 0],
        2,
    ),
    row(A.conv_transpose2d.input, t(7, 4, 8, 8), t(4, 3, 3, 3), t(3), [2, 2], [1, 1], [1, 1]),
    row(A.layer_norm.default, t(7, 8, 4), [4], t(4), t(4)),
    row(A.layer_norm.default, t(7, 3, 4), [3, 4], None, None),
    row(A.native_layer_norm.default, t(7, 8, 4), [4], t(4), t(4), 1e-5),
    row(A.group_norm.default, t(7, 6, 8), 3, t(6), t(6)),
    row(A.group_norm.default, t(2, 6, 7, 8), 2, None, None),
    row(A.instance_norm.default, t(7, 3, 8, 8), t(3), t(3), None, None, True, 0.1, 1e-5, False),
    row(
        A.instance_norm.default,
        t(7, 3, 8),
        None,
        None,
        t(3),
        t(3, low=0.5),
        False,
        0.1,
        1e-5,
        False,
    ),
    row(
        A._native_batch_norm_legit_no_training.default,
        t(7, 3, 8, 8),
        t(3),
        t(3),
        t(3),
        t(3, low=0.5),
        0.1,
        1e-5,
    ),
    row(
        A._batch_norm_with_update_functional.default,
        t(7, 3, 8),
        t(3),
        t(3),
        t(3),
        t(3, low=0.5),
        0.1,
        1e-5,
    ),
    row(
        A.native_batch_norm.default,
        t(7, 3, 8),
        None,
        None,
        t(3),
        t(3, low=0.5),
        False,
        0.1,
        1e-5,
    ),
    row(A._softmax.default, t(7, 8), 1, False),
    row(A.softmax.int, i64(7, 3), 0, torch.float32),
    row(A._log_softmax.default, t(7, 8), -1, False),
    row(A.scaled_dot_product_attention.default, t(2, 4, 7, 6), t(2, 4, 9, 6), t(2, 4, 9, 6)),
    row(
        A.scaled_dot_product_attention.default,
        t(2, 4, 7, 6),
        t(2, 4, 7, 6),
        t(2, 4, 7, 6),
        None,
        0.0,
        True,
    ),
    row(
        A.scaled_dot_product_attention.default,
        t(2, 4, 7, 6),
        t(2, 4, 9, 6),
        t(2, 4, 9, 6),
        b(7, 9),
        scale=0.3,
    ),
    row(
        A.scaled_dot_product_attention.default,
        t(2, 4, 7, 6),
        t(2, 4, 9, 6),
        t(2, 4, 9, 6),
        t(2, 1, 7, 9),
    ),
    row(
        A.scaled_dot_product_attention.default,
        t(2, 4, 7, 6),
        t(2, 2, 9, 6),
        t(2, 2, 9, 6),
        enable_gqa=True,
    ),
    row(
        A.scaled_dot_product_attention.default,
        t(2, 6, 7, 6),
        t(2, 2, 9, 6),
        t(2, 3, 9, 6),
        enable_gqa=True,
    ),
    row(A.max_pool2d.default, t(2, 3, 7, 8), [3, 3], [2, 2], [1, 1]),
    row(A.max_pool2d.default, t(3, 7, 8), [2, 2]),
    row(A.max_pool2d_with_indices.default, t(2, 3, 7, 8), [3, 2], [2, 2], [1, 1]),
    row(A.max_pool2d_with_indices.default, t(2, 3, 7, 8), [2, 2], [2, 2], [0, 0], [1, 1], True),
    row(A.max_pool2d_with_indices.default, t(2, 3, 7, 9), [3, 3], [2, 2], [1, 1], [1, 1], True),
    row(A.max_pool2d_with_indices.default, t(2, 3, 9, 8), [3, 3], [3, 2], [1, 0], [2, 1], True),
    row(A.max_pool2d_with_indices.default, t(3, 7, 8), [2, 2]),
    row(A.max_pool3d_with_indices.default, t(2, 3, 7, 8, 8), [2, 2, 2]),
    row(A.max_pool1d.default, t(2, 3, 7), [3], [2], [1]),
    row(A.avg_pool2d.default, t(2, 3, 7, 8), [3, 3], [2, 2], [1, 1]),
    row(A.avg_pool2d.default, t(2, 3, 7, 8), [3, 3], [2, 2], [1, 1], False, False),
    row(A.avg_pool2d.default, t(2, 3, 7, 8), [2, 2], [2, 2], [0, 0], True),
    row(A.avg_pool2d.default, t(2, 3, 7, 9), [3, 3], [2, 2], [1, 1], True, True),
    row(A.avg_pool2d.default, t(2, 3, 7, 8), [3, 3], [2, 2], [1, 1], True, False),
    row(A.avg_pool2d.default, t(2, 3, 7, 8), [2, 2], [2, 2], [1, 0], False, True, 3),
    # Windows larger than the input.
    row(A.avg_pool2d.default, t(2, 3, 7, 9), [100, 3], [100, 2], [0, 1], True, True),
    row(A.avg_pool2d.default, t(2, 3, 7, 9), [100, 100], [99, 97], [2, 4], True, True),
    row(A.avg_pool2d.default, t(2, 3, 7, 9), [100, 100], [99, 97], [2, 4], True, False),
    row(A.avg_pool2d.default, t(2, 3, 7, 9), [100, 100], [100, 100], [0, 0], True, True, 3),
    row(A.avg_pool1d.default, t(2, 3, 80), [70], [3], [1], True, True),
    row(A.avg_pool3d.default, t(1, 2, 4, 70, 5), [3, 66, 3], [2, 5, 2], [1, 2, 1], True, False),
    row(A.avg_pool1d.default, t(2, 3, 7), [3], [1], [1]),
    row(A.avg_pool3d.default, t(2, 3, 7, 8, 8), [2, 2, 2]),
    row(A.adaptive_avg_pool2d.default, t(2, 3, 7, 8), [1, 1]),
    row(A.adaptive_avg_pool2d.default, t(2, 3, 7, 8), [3, 5]),
    row(A.adaptive_avg_pool2d.default, t(2, 3, 6, 6), [3, 2]),
    row(A._adaptive_avg_pool2d.default, t(2, 3, 7, 8), [7, 7]),
    row(A._adaptive_avg_pool3d.default, t(2, 3, 7, 8, 9), [2, 3, 4]),
    row(A.adaptive_avg_pool1d.default, t(2, 3, 7), [4]),
    row(A.upsample_nearest2d.vec, t(2, 3, 7, 8), None, [2.0, 2.0]),
    row(A.upsample_nearest2d.vec, t(2, 3, 7, 8), None, [1.5, 0.7]),
    row(A.upsample_nearest2d.vec, t(2, 3, 7, 8), [13, 17], None),
    row(A.upsample_nearest2d.default, t(2, 3, 7, 8), [N8, N7]),
    row(A.upsample_nearest1d.vec, t(2, 3, 7), None, [3.0]),
    row(A.upsample_nearest3d.vec, t(2, 3, 7, 8, 4), None, [2.0, 2.0, 2.0]),
    row(A._upsample_nearest_exact2d.vec, t(2, 3, 7, 8), None, [1.3, 0.6]),
    row(A.upsample_bilinear2d.vec, t(2, 3, 7, 8), None, False, [2.0, 2.0]),
    row(A.upsample_bilinear2d.vec, t(2, 3, 7, 8), None, False, [1.3, 0.7]),
    row(A.upsample_bilinear2d.vec, t(2, 3, 7, 8), None, True, [1.3, 2.0]),
    row(A.upsample_bilinear2d.vec, t(2, 3, 7, 8), [5, 20], False, None),
    row(A.upsample_bilinear2d.vec, t(2, 3, 7, 8), [5, 20], True, None),
    row(A.upsample_bilinear2d.default, t(2, 3, 7, 8), [N8, N7], False),
    row(A.upsample_linear1d.vec, t(2, 3, 7), None, False, [2.0]),
    row(A.upsample_trilinear3d.vec, t(2, 3, 7, 8, 4), None, False, [2.0, 2.0, 2.0]),
    row(A.upsample_bicubic2d.vec, t(2, 3, 7, 8), None, False, [2.0, 1.5]),
    row(A.upsample_bicubic2d.vec, t(2, 3, 7, 8), [12, 5], True, None),
    row(A._upsample_bilinear2d_aa.vec, t(2, 3, 7, 8), [4, 5], False, None),
    row(A._upsample_bicubic2d_aa.vec, t(2, 3, 7, 8), [4, 5], False, None),
    row(A.grid_sampler_2d.default, t(2, 3, 7, 8), t(2, 4, 5, 2, low=-1.2, high=1.2), 0, 0, False),
    row(A.grid_sampler_2d.default, t(2, 3, 7, 8), t(2, 4, 5, 2, low=-1.2, high=1.2), 0, 1, True),
    row(A.grid_sampler_2d.default, t(2, 3, 7, 8), t(2, 4, 5, 2, low=-1.2, high=1.2), 1, 0, False),
    row(A.nll_loss_forward.default, t(7, 4), i64(7, low=0, high=4), None, 1, -100),
    row(A.nll_loss_forward.default, t(7, 4), i64(7, low=0, high=4), t(4, low=0.5), 1, 2),
    row(A.nll_loss2d_forward.default, t(7, 4, 8, 3), i64(7, 8, 3, low=0, high=4), None, 1, -100),
    row(A.mse_loss.default, t(7, 3), t(7, 3)),
    row(
        A.native_group_norm.default,
        t(7, 6, 8, 4),
        t(6),
        t(6),
        N7,
        6,
        Number(8, operator.mul, 4),
        2,
        1e-5,
    ),
    row(A.adaptive_max_pool2d.default, t(2, 3, 7, 8), [3, 5], keep=0),
    row(A.adaptive_max_pool2d.default, t(2, 3, 6, 6), [3, 2]),
    row(A.adaptive_max_pool2d.default, t(7, 3, 6, 6), [1, 1]),
    row(A.adaptive_max_pool3d.default, t(2, 3, 7, 8, 4), [2, 3, 1], keep=0),
    row(A.native_dropout.default, t(7, 3), 0.5, False),
    row(A.im2col.default, t(7, 3, 8, 8), [2, 2], [1, 1], [0, 0], [1, 1]),
    row(A.im2col.default, t(7, 3, 8, 9), [3, 2], [1, 1], [1, 0], [2, 1]),
    row(A.col2im.default, t(7, 12, 25), [6, 6], [2, 2], [1, 1], [0, 0], [1, 1]),
    row(A.heaviside.default, t(7), t(7)),
    row(A.logaddexp.default, t(7), t(7)),
    row(A.logaddexp2.default, t(7), t(7)),
    row(A.logcumsumexp.default, t(7, 3), 0),
    row(A.logcumsumexp.default, t(2, 7), 1),
    row(A.hann_window.default, 8),
    row(A.hamming_window.default, 9),
    row(A.blackman_window.default, 8),
    row(A.hann_window.periodic, 8, False),
    row(A.hann_window.default, 1),
    row(A.hamming_window.periodic_alpha, 9, True, 0.6),
    row(A.isclose.default, t(7), t(7)),
    row(A.sinc.default, t(7)),
    row(A.special_erfcx.default, t(7)),
    row(A._safe_softmax.default, t(7, 3), 1),
    row(A.bincount.default, i64(7, low=0, high=4), None, 3),
]


@pytest.mark.parametrize("k", range(len(REDUCE)))
def test_reduction_or_sort(k: int) -> None:
    op, args, kwargs = REDUCE[k]
    check(single(op, *args, **kwargs))


@pytest.mark.parametrize("k", range(len(NETWORK)))
def test_network_operator(k: int) -> None:
    op, args, kwargs = NETWORK[k]
    check(single(op, *args, **kwargs), tolerance=1e-4)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_recurrent(kind: str, layers: int, bidirectional: bool, batch_first: bool) -> None:
    gates = {"lstm": 4, "gru": 3}.get(kind, 1)
    directions = 2 if bidirectional else 1
    has_biases = layers == 2
    params = []
    for layer in range(layers):
        for _ in range(directions):
            width = 3 if layer == 0 else 5 * directions
            params += [t(gates * 5, width), t(gates * 5, 5)]
            params += [t(gates * 5), t(gates * 5)] if has_biases else []
    x = t(8, 7, 3) if batch_first else t(7, 8, 3)
    state = t(layers * directions, 8, 5)
    hx = [state, t(layers * directions, 8, 5)] if kind == "lstm" else state
    op = getattr(A, kind).input
    case = single(op, x, hx, params, has_biases, layers, 0.0, False, bidirectional, batch_first)
    check(case, tolerance=1e-4)
