"""Views, joins, creation, indexing and scattering at symbolic sizes."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch

from tests.support.lowering import Number, b, check, i64, single, t

A = torch.ops.aten
N7, N8 = Number(7), Number(8)
HALF7 = Number(7, operator.floordiv, 2)
BIG = 2**63 - 1

Row = tuple[Any, tuple[Any, ...], dict[str, Any]]


def row(op: Any, *args: Any, **kwargs: Any) -> Row:
    return op, args, kwargs


VIEWS = [
    row(A.view.default, t(7, 4), [N7, 2, 2]),
    row(A.view.default, t(7, 8, 4), [N7, N8, 2, 2]),
    row(A.view.default, t(7, 4), [-1]),
    row(A.reshape.default, t(7, 8), [N8, N7]),
    row(A.reshape.default, t(7, 4), [N7, 2, 2]),
    row(A.reshape.default, t(7, 8, 4), [N7, N8, 2, 2]),
    row(A.reshape.default, t(7, 4), [-1]),
    row(A.reshape.default, t(7, 8, 4), [N7, -1]),
    row(A.reshape.default, t(7, 8, 4), [-1, N8, 2]),
    row(A.reshape.default, t(7, 8, 2, 2), [N7, N8, -1]),
    row(A.flatten.using_ints, t(7, 8, 9), 1),
    row(A.unsqueeze.default, t(7, 8), -1),
    row(A.unsqueeze.default, t(), 0),
    row(A.squeeze.dim, t(7, 1), 1),
    row(A.squeeze.dim, t(7, 1), 0),
    row(A.squeeze.dims, t(1, 7, 1), [0, 2]),
    row(A.squeeze.default, t(1, 7, 1)),
    row(A.expand.default, t(1, 3), [4, -1]),
    row(A.expand.default, t(3), [2, 3]),
    row(A.expand.default, t(7, 1, 3), [-1, 4, -1]),
    row(A.permute.default, t(7, 8, 3), [2, 0, 1]),
    row(A.transpose.int, t(7, 8, 3), -1, 0),
    row(A.t.default, t(7, 3)),
    row(A.cat.default, [t(7, 3), t(8, 3)], 0),
    row(A.cat.default, [t(7, 3), i64(7, 2)], -1),
    row(A.cat.default, [t(0), t(7, 3)], 0),
    row(A.cat.default, [t(0, 3), t(7, 3)], 0),
    row(A.cat.default, [b(7), i64(7)], 0),
    row(A.stack.default, [t(7, 3), t(7, 3)], 1),
    row(A.stack.default, [i64(7), t(7)], -1),
    row(A.split.Tensor, t(7, 6), 4, 1),
    row(A.split.Tensor, t(6, 7), 2),
    row(A.split_with_sizes.default, t(7, 6), [1, 2, 3], 1),
    row(A.split_with_sizes.default, t(7, 6), [3, 3], -1),
    row(A.unbind.int, t(3, 7)),
    row(A.unbind.int, t(7, 3), -1),
    row(A.flip.default, t(7, 8), [0, 1]),
    row(A.roll.default, t(7, 8), [2], [0]),
    row(A.roll.default, t(7, 8), [-3, 1], [0, 1]),
    row(A.roll.default, t(7, 8), [3]),
    row(A.roll.default, t(7, 8), [HALF7], [0]),
    row(A.repeat.default, t(7, 3), [2, 1, 2]),
    row(A.repeat.default, t(7), [2, 3]),
    row(A.repeat.default, t(7, 3), [N7, 1]),
    row(A.repeat_interleave.self_int, t(7, 3), 2, 0),
    row(A.repeat_interleave.self_int, t(7, 3), 3),
    row(A.repeat_interleave.Tensor, i64(7, low=0, high=4)),
    row(A.pixel_shuffle.default, t(7, 12, 8, 9), 2),
    row(A.pixel_shuffle.default, t(12, 8, 9), 2),
    row(A.pixel_unshuffle.default, t(7, 3, 8, 8), 2),
    row(A.diagonal.default, t(7, 8)),
    row(A.diagonal.default, t(7, 8, 3), 1, 0, 2),
    row(A.diagonal.default, t(7, 8), -2),
    row(A.tril.default, t(7, 8)),
    row(A.triu.default, t(2, 7, 8), 1),
    row(A.tril.default, i64(7, 8), -1),
    row(A.triu.default, b(7, 8)),
    row(A.tril.default, t(7, 7, dtype=torch.int32)),
    row(A.unfold.default, t(3, 7), 1, 3, 2),
    row(A.unfold.default, t(8, 3), 0, 2, 1),
    row(A.flatten.using_ints, t(7, 8, 3), 1),
    row(A.flatten.using_ints, t(7, 3, 4), 1, 2),
    row(A.slice.Tensor, t(7, 3), 0, 1, BIG),
    row(A.slice.Tensor, t(7, 3), 0, None, -1),
    row(A.slice.Tensor, t(7, 3), 0, -3, BIG, 2),
    row(A.slice.Tensor, t(7, 3), -1, 0, 2),
    row(A.slice.Tensor, t(7, 3), 0, HALF7, N7),
    row(A.slice.Tensor, t(7, 3), 0, 0, 100),
    row(A.slice.Tensor, t(7, 3), 0, 5, 2),
    row(A.select.int, t(7, 3), 0, -1),
    row(A.select.int, t(7, 3), 1, 2),
    row(A.select.int, t(7, 3), 0, HALF7),
    row(A.sym_size.int, t(7, 3), 0),
    row(A.sym_numel.default, t(7, 3)),
    row(A.clone.default, t(7)),
    row(A.alias.default, t(7)),
    row(A._local_scalar_dense.default, t(1)),
    row(A._local_scalar_dense.default, i64(1, 1)),
    row(A._local_scalar_dense.default, b()),
    row(A._local_scalar_dense.default, t(dtype=torch.float64)),
    row(A._local_scalar_dense.default, i64()),
    row(A.constant_pad_nd.default, t(7, 8), [1, 2], 0.5),
    row(A.constant_pad_nd.default, t(7, 8), [1, -2, -1, 0]),
    row(A.constant_pad_nd.default, t(7, 8), [0, N7]),
    row(A.constant_pad_nd.default, i64(7, 8), [1, 1, 1, 1], 3),
    row(A.constant_pad_nd.default, b(7, 8), [1, 1], True),
    row(A.reflection_pad1d.default, t(2, 7), [2, 1]),
    row(A.reflection_pad2d.default, t(2, 3, 7, 8), [1, 2, 3, 2]),
    row(A.replication_pad2d.default, t(2, 3, 7, 8), [1, 2, 3, 2]),
    row(A.replication_pad3d.default, t(2, 3, 7, 8, 2), [1, 2, 3, 2, 0, 1]),
]

CREATION = [
    row(A.full.default, [3, 4], 2.5),
    row(A.full.default, [], 1),
    row(A.full_like.default, t(7, 3), 2),
    row(A.full_like.default, i64(7, 3), 2.0, dtype=torch.float32),
    row(A.full_like.default, t(7, 3), N7),
    row(A.zeros_like.default, t(7, 3)),
    row(A.zeros_like.default, b(7, 3)),
    row(A.ones_like.default, t(7, 3), dtype=torch.int64),
    row(A.new_zeros.default, t(7, 3), [N7, 2]),
    row(A.new_ones.default, i64(7), [2, N7, N7]),
    row(A.new_full.default, t(7), [N7], 4),
    row(A.new_zeros.default, t(7), [0, 4]),
    row(A.linspace.default, 0.0, 1.0, 5),
    row(A.arange.default, 6),
    row(A.arange.start_step, 1, 8, 3),
    row(A.arange.start_step, 0.0, 1.0, 0.3),
    row(A.arange.start_step, 5, -2, -2),
    row(A.eye.default, 3),
    row(A.eye.m, 3, 4),
    row(A.tril_indices.default, 3, 4, 1),
    row(A.triu_indices.default, 4, 3, 0),
    row(A.scalar_tensor.default, 3.5),
]

SIZED = [
    lambda n: (A.arange.default, (n,), {}),
    lambda n: (A.arange.start, (1, n), {}),
    lambda n: (A.arange.start_step, (0, n, 2), {}),
    lambda n: (A.arange.default, (n,), {"dtype": torch.float32}),
    lambda n: (A.arange.start_step, (0.5, n, 0.7), {}),
    lambda n: (A.zeros.default, ([n, 3],), {}),
    lambda n: (A.ones.default, ([n],), {"dtype": torch.bool}),
    lambda n: (A.full.default, ([2, n], 7), {}),
    lambda n: (A.full.default, ([2], n), {}),
    lambda n: (A.eye.default, (n,), {}),
    lambda n: (A.eye.m, (n, 3), {"dtype": torch.int64}),
    lambda n: (A.linspace.default, (0.0, 2.0, n), {}),
    lambda n: (A.linspace.default, (0, n, 5), {}),
    lambda n: (A.scalar_tensor.default, (n,), {"dtype": torch.float32}),
    lambda n: (A.scalar_tensor.default, (n,), {"dtype": torch.int64}),
    lambda n: (A.tril_indices.default, (n, 4, 0), {}),
]

INDEX = [
    row(A.index.Tensor, t(7, 3), [i64(4, low=0, high=5)]),
    row(A.index.Tensor, t(7, 3), [i64(4, low=-5, high=5)]),
    row(A.index.Tensor, t(7, 3), [None, i64(2, 2, low=0, high=3)]),
    row(A.index.Tensor, t(7, 6, 5), [i64(4, low=0, high=5), i64(4, low=-5, high=5)]),
    row(A.index.Tensor, t(7, 6, 5), [i64(3, 1, low=0, high=5), i64(4, low=0, high=5)]),
    row(A.index.Tensor, t(7, 6, 5), [i64(4, low=0, high=5), None, i64(4, low=0, high=5)]),
    row(A.index.Tensor, t(2, 7, 6, 5), [None, i64(4, low=0, high=5), i64(1, low=0, high=5)]),
    row(
        A.index.Tensor, t(2, 7, 6, 5), [None, i64(4, low=0, high=5), None, i64(2, 1, low=0, high=5)]
    ),
    row(A.index.Tensor, t(7, 3), [b(7)]),
    row(A.index.Tensor, t(7, 3), [b(7, 3)]),
    row(A.index.Tensor, t(2, 7, 3), [None, b(7)]),
    row(A.index.Tensor, t(7, 3, 4), [b(7), None, i64(low=0, high=3)]),
    row(A.index.Tensor, t(7, 3), [t(2, dtype=torch.int32, low=0, high=4)]),
    row(A.index.Tensor, t(7, 3), [i64(low=0, high=4)]),
    row(A.index_select.default, t(7, 3), 0, i64(8, low=0, high=5)),
    row(A.index_select.default, t(7, 3), 1, t(2, dtype=torch.int32, low=0, high=3)),
    row(A.gather.default, t(7, 6), 1, i64(7, 4, low=0, high=6)),
    row(A.gather.default, t(7, 6), 0, i64(3, 6, low=0, high=5)),
    row(A.take.default, t(7, 3), i64(2, 2, low=0, high=9)),
    row(A.embedding.default, t(9, 4), i64(7, 2, low=0, high=5)),
    row(A.masked_fill.Scalar, t(7, 3), b(7, 3), 2.5),
    row(A.masked_fill.Scalar, i64(7, 3), b(3), 2),
    row(A.masked_fill.Tensor, t(7, 3), b(7, 1), t()),
    row(A.masked_select.default, t(7, 3), b(7, 3)),
    row(A.masked_select.default, t(7, 3), b(3)),
    row(A.masked_select.default, t(3), b(7, 3)),
    row(A.masked_scatter.default, t(7, 3), b(7, 3), t(7, 3)),
    row(A.nonzero.default, t(7, 3, low=0, high=2)),
    row(A.nonzero.default, b(7, 3)),
    row(A.nonzero.default, i64(7, low=0, high=2)),
    row(A.index_put.default, t(7, 3), [i64(2, low=0, high=1)], t(3)),
    row(A.index_put.default, t(7, 6), [i64(1, low=1, high=2), i64(1, low=-3, high=-2)], t()),
    row(A.index_put.default, t(7, 6), [i64(8, low=0, high=5)], t(8, 6), True),
    row(A.index_put.default, i64(7, 6), [i64(8, low=0, high=5)], i64(), True),
    row(A.index_put.default, t(7, 6), [None, i64(4, low=0, high=6)], t(7, 4), True),
    row(A.index_put.default, t(2, 7, 6), [None, i64(1, low=3, high=4)], t(6)),
    row(A.index_put.default, t(7, 3), [b(7)], t()),
    row(A.index_put.default, t(7, 3), [b(7)], t(3)),
    row(A.index_put.default, t(7, 3), [b(7, 3)], t(1)),
    row(
        A.index_put.default,
        t(7, 6, 5),
        [i64(4, low=0, high=4), None, i64(4, low=0, high=5)],
        t(4, 6),
        True,
    ),
    row(
        A._unsafe_masked_index.default,
        t(7, 6),
        b(4),
        [i64(4, low=0, high=5), i64(4, low=0, high=6)],
        1.5,
    ),
    row(A._unsafe_masked_index.default, t(2, 7), b(2, 4), [None, i64(4, low=0, high=5)], 1.5),
    row(
        A._unsafe_masked_index_put_accumulate.default,
        t(7, 6),
        b(4, 5),
        [i64(4, 1, low=-5, high=5), i64(1, 5)],
        t(4, 5),
    ),
    row(A.scatter.src, t(7, 6), 1, i64(7, 1, low=0, high=6), t(7, 1)),
    row(A.scatter.src, t(7, 6), 1, i64(7, 1, low=0, high=6), t(7, 3)),
    row(A.scatter.value, t(7, 6), 0, i64(1, 6, low=0, high=5), 2.5),
    row(A.scatter.value, i64(7, 6), 0, i64(1, 6, low=0, high=5), N7),
    row(A.scatter_add.default, t(7, 6), 1, i64(7, 4, low=0, high=6), t(7, 4)),
    row(A.scatter_add.default, t(9), 0, i64(7, low=0, high=5), t(7)),
    row(A.scatter_reduce.two, t(7, 6), 1, i64(7, 4, low=0, high=6), t(7, 4), "sum"),
    row(A.scatter_reduce.two, t(7, 6), 1, i64(7, 4, low=0, high=6), t(7, 4), "amax"),
    row(A.scatter_reduce.two, t(7, 6), 1, i64(7, 4, low=0, high=6), t(7, 4), "prod"),
    row(A.scatter_reduce.two, t(7, 6), 1, i64(7, 4, low=0, high=6), t(7, 4), "mean"),
    row(
        A.scatter_reduce.two,
        t(7, 6),
        1,
        i64(7, 4, low=0, high=6),
        t(7, 4),
        "amin",
        include_self=False,
    ),
    row(
        A.scatter_reduce.two,
        t(7, 6),
        1,
        i64(7, 4, low=0, high=6),
        t(7, 4),
        "sum",
        include_self=False,
    ),
    row(
        A.scatter_reduce.two,
        t(7, 6),
        1,
        i64(7, 4, low=0, high=6),
        t(7, 4),
        "mean",
        include_self=False,
    ),
    row(A.index_add.default, t(7, 3), 0, i64(8, low=0, high=5), t(8, 3), alpha=2),
    row(A.index_copy.default, t(7, 3), 1, i64(1, low=0, high=3), t(7, 1)),
    row(A.index_fill.int_Scalar, t(7, 3), 1, i64(2, low=0, high=3), 1.5),
    row(A.select_scatter.default, t(7, 3), t(7), 1, -1),
    row(A.select_scatter.default, t(7, 3), t(3), 0, HALF7),
    row(A.slice_scatter.default, t(7, 6), t(7, 2), 1, 1, 3),
    row(A.slice_scatter.default, t(7, 6), t(7, 3), 1, 0, BIG, 2),
    row(A.slice_scatter.default, t(7, 6), t(7, 2), 1, -2, BIG),
    row(A.diagonal_scatter.default, t(7, 7), t(7)),
    row(A.bucketize.Tensor, t(7, 3), t(1)),
    row(A.searchsorted.Tensor, t(1), t(7), right=True),
    row(A.one_hot.default, i64(7, 2, low=0, high=4), 5),
    row(A.tile.default, t(7, 3), [2]),
    row(A.tile.default, t(7), [2, N7]),
    row(A.roll.default, t(0, 3), [2], [0]),
    row(A.nonzero.default, b()),
    row(A.masked_fill.Scalar, b(7), b(7), True),
    row(A.index_put.default, b(7), [b(7)], b()),
    row(A.masked_scatter.default, t(0), b(0), t(0)),
]


@pytest.mark.parametrize("k", range(len(VIEWS)))
def test_view_or_join(k: int) -> None:
    op, args, kwargs = VIEWS[k]
    check(single(op, *args, **kwargs))


@pytest.mark.parametrize("k", range(len(CREATION)))
def test_creation(k: int) -> None:
    op, args, kwargs = CREATION[k]
    check(single(op, *args, **kwargs))


@pytest.mark.parametrize("k", range(len(SIZED)))
def test_creation_with_a_computed_size(k: int) -> None:
    op, args, kwargs = SIZED[k](N7)
    check(single(op, *args, extra=[t(7)], **kwargs))


@pytest.mark.parametrize("k", range(len(INDEX)))
def test_indexing(k: int) -> None:
    op, args, kwargs = INDEX[k]
    check(single(op, *args, **kwargs))
