"""Operators on dimensions that turn out empty: what PyTorch gives for nothing, not what fits."""

from __future__ import annotations

import pytest
import torch

from tests.support.lowering import b, check, i64, single, t

A = torch.ops.aten
F16 = torch.float16

REDUCED = {
    "mean": (A.mean.default, t(7, 3)),
    "mean dim": (A.mean.dim, t(7, 3), [0]),
    "mean dims": (A.mean.dim, t(7, 8, 3), [0, 2], True),
    "mean half": (A.mean.dim, t(7, 3, dtype=F16), [0]),
    "sum": (A.sum.dim_IntList, t(7, 3), [0]),
    "sum ints": (A.sum.default, i64(7, 3)),
    "prod": (A.prod.dim_int, t(7, 3), 0),
    "any": (A.any.dim, b(7, 3), 0),
    "all": (A.all.dim, b(7, 3), 0),
    "count": (A.count_nonzero.dim_IntList, t(7, 3), [0]),
    "var": (A.var.correction, t(7, 3), [0]),
    "std": (A.std.correction, t(7, 3), [0]),
    "var_mean": (A.var_mean.correction, t(7, 3), [0]),
    "norm 2": (A.linalg_vector_norm.default, t(7, 3), 2, [0]),
    "norm 1": (A.linalg_vector_norm.default, t(7, 3), 1, [0]),
    "norm 3": (A.linalg_vector_norm.default, t(7, 3), 3, [0]),
    "norm 0": (A.linalg_vector_norm.default, t(7, 3), 0, [0]),
    "logsumexp": (A.logsumexp.default, t(7, 3), [0]),
    "cumsum": (A.cumsum.default, t(7, 3), 0),
    "cumprod": (A.cumprod.default, t(7, 3), 0),
    "softmax": (A._softmax.default, t(7, 3), 0, False),
    "log_softmax": (A._log_softmax.default, t(7, 3), 0, False),
    "sort": (A.sort.default, t(7, 3), 0),
    "topk none": (A.topk.default, t(7, 3), 0, 0),
    "unique": (A._unique2.default, t(7), True, True, True),
    "mse": (A.mse_loss.default, t(7, 3), t(7, 3)),
    "cumprod half": (A.cumprod.default, t(7, 3, dtype=F16), 1),
    "cumprod ints": (A.cumprod.default, i64(7, 3), 1),
    "matmul": (A.matmul.default, t(3, 7), t(7, 4)),
    "linear": (A.linear.default, t(3, 7), t(4, 7)),
    "nonzero": (A.nonzero.default, t(7, 3)),
    "cat": (A.cat.default, [t(7, 3), t(7, 3)], 0),
    "layer_norm": (A.native_layer_norm.default, t(7, 3), [3], t(3), t(3), 1e-5),
}  # fmt: skip
KEPT = {
    "amax": (A.amax.default, t(7, 3), [1]),
    "max": (A.max.dim, t(7, 3), 1),
    "argmax": (A.argmax.default, t(7, 3), 1),
    "topk": (A.topk.default, t(7, 3), 2, 1),
    "sort": (A.sort.default, t(7, 3), 1),
    "mean": (A.mean.dim, t(7, 3), [1]),
    "logsumexp": (A.logsumexp.default, t(7, 3), [1]),
    "softmax": (A._softmax.default, t(7, 3), 1, False),
    "cumsum": (A.cumsum.default, t(7, 3), 1),
    "cumprod": (A.cumprod.default, t(7, 3), 1),
    "median": (A.median.dim, t(7, 3), 1),
    "kthvalue": (A.kthvalue.default, t(7, 3), 2, 1),
    "linear": (A.linear.default, t(7, 3), t(4, 3), t(4)),
    "gather": (A.gather.default, t(3, 4), 0, i64(7, 4, low=0, high=3)),
    "embedding": (A.embedding.default, t(5, 4), i64(7, low=0, high=5)),
    "index_select": (A.index_select.default, t(7, 3), 1, i64(4, low=0, high=3)),
    "conv": (A.convolution.default, t(7, 3, 5, 5), t(4, 3, 3, 3), None,
             [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
    "batch_norm": (A._native_batch_norm_legit_no_training.default,
                   t(7, 3, 5), t(3), t(3), t(3), t(3, low=1), 0.1, 1e-5),
    "layer_norm": (A.layer_norm.default, t(7, 3), [3], t(3), t(3)),
    "group_norm": (A.group_norm.default, t(7, 4, 5), 2, t(4), t(4)),
    "max_pool": (A.max_pool2d.default, t(7, 3, 6, 6), [2, 2]),
    "avg_pool": (A.avg_pool2d.default, t(7, 3, 6, 6), [2, 2]),
    "adaptive pool": (A.adaptive_avg_pool2d.default, t(7, 3, 6, 6), [2, 2]),
    "resize": (A.upsample_nearest2d.vec, t(7, 3, 6, 6), [12, 12], None),
    "attention": (A.scaled_dot_product_attention.default, t(7, 2, 4, 8), t(7, 2, 4, 8),
                  t(7, 2, 4, 8)),
    "scatter": (A.scatter.src, t(7, 3), 1, i64(7, 2, low=0, high=3), t(7, 2)),
    "one_hot": (A.one_hot.default, i64(7, low=0, high=3), 3),
    "roll": (A.roll.default, t(7, 3), [1], [0]),
    "flip": (A.flip.default, t(7, 3), [0]),
    "repeat": (A.repeat.default, t(7, 3), [2, 2]),
    "pad": (A.constant_pad_nd.default, t(7, 3), [1, 1], 0.5),
    "addmm": (A.addmm.default, t(4), t(7, 3), t(3, 4)),
    "flatten": (A.flatten.using_ints, t(7, 4, 5), 1),
    "flatten more": (A.flatten.using_ints, t(7, 8, 5), 1),
    "lstm": (A.lstm.input, t(4, 7, 3), [t(2, 7, 3), t(2, 7, 3)],
             [t(12, 3), t(12, 3), t(12, 3), t(12, 3)], False, 1, 0.0, False, True, False),
    "rms_norm": (A.rms_norm.default, t(7, 3), [3], t(3)),
    "pixel_shuffle": (A.pixel_shuffle.default, t(7, 4, 3, 3), 2),
    "unpool": (A.max_unpool2d.default, t(7, 2, 3, 3), i64(7, 2, 3, 3, low=0, high=36), [6, 6]),
    "grid_sample": (A.grid_sampler.default, t(7, 2, 4, 4), t(7, 3, 3, 2), 0, 0, False),
    "einsum": (A.einsum.default, "bij,bjk->bik", [t(7, 2, 3), t(7, 3, 4)]),
    "reshape": (A.reshape.default, t(7, 6), [-1, 3]),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REDUCED))
def test_reducing_nothing_gives_what_pytorch_gives(case: str) -> None:
    op, *args = REDUCED[case]
    check(single(op, *args, others={7: 0, 8: 4}))


@pytest.mark.parametrize("case", list(KEPT))
def test_empty_batch_gives_an_empty_result_of_the_right_shape(case: str) -> None:
    op, *args = KEPT[case]
    check(single(op, *args, others={7: 0}))
