"""Shapes: views, joins, repetitions, conversions."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
import torch
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.lowering.arithmetic import element_count
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.registry import Lowering, LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64
END = 2**63 - 1
BEGIN = -(2**63)


def static_sizes(val: torch.Tensor) -> list[int | None]:
    """The sizes of a fake tensor, None where symbolic."""
    return [int(s) if is_concrete_int(s) else None for s in val.shape]


def reshape_to_result(op: OpBuilder, x: Value, sizes: Sequence[int | Value]) -> Value:
    """Reshapes to the operator's result; `sizes` tells how the symbolic ones are computed."""
    dims = static_sizes(op.result)
    if dims.count(None) <= 1 and 0 not in dims:
        return op.one("Reshape", x, [-1 if dim is None else dim for dim in dims])
    parts = [size if dim is None else dim for size, dim in zip(sizes, dims, strict=True)]
    return op.reshape(x, parts)


@LOWERINGS("view", "reshape", "_unsafe_view", "view_copy", "_reshape_alias", "_reshape_copy")
def view(op: OpBuilder, x: Value, size: Sequence[int | Value], *_: object) -> Value:
    return reshape_to_result(op, x, size)


@LOWERINGS("view.dtype", "view_copy.dtype")
def bits(op: OpBuilder, x: Value, dtype: object) -> Value:
    """The same bits, taken for numbers of another dtype."""
    if x.elem == op.dtype:
        return op.one("Identity", x)
    if x.elem.bitwidth != op.dtype.bitwidth and ir.DataType.BOOL not in (x.elem, op.dtype):
        raise op.refuse(
            "the bits of a tensor are taken for another number of elements", "compute with integers"
        )
    # Between integers of one width, ONNX Runtime's Cast keeps the bits.
    narrow = x.elem == ir.DataType.BOOL and op.dtype in (ir.DataType.UINT8, ir.DataType.INT8)
    if narrow or (dtypes.is_int(x.elem) and dtypes.is_int(op.dtype)):
        return op.cast(x, op.dtype)
    if op.opset < 26 or ir.DataType.BOOL in (x.elem, op.dtype):
        raise op.refuse(
            f"the bits of {x.elem.name} taken for {op.dtype.name} have no form in opset {op.opset}",
            "export with opset 26, whose BitCast does so, or convert the numbers with .to(dtype)",
        )
    return op.one("BitCast", x, to=op.dtype)


@LOWERINGS("flatten.using_ints")
def flatten(op: OpBuilder, x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    if x.rank == 0:
        return op.one("Reshape", x, [1])
    start, end = start_dim % x.rank, end_dim % x.rank
    if start == end:
        return x
    merged = element_count(op, x, range(start, end + 1), INT64)
    before = [op.size(x, k) for k in range(start)]
    after = [op.size(x, k) for k in range(end + 1, x.rank)]
    return reshape_to_result(op, x, [*before, merged, *after])


@LOWERINGS("unflatten.int")
def unflatten(op: OpBuilder, x: Value, dim: int, sizes: Sequence[int | Value]) -> Value:
    dim %= x.rank
    before = [op.size(x, k) for k in range(dim)]
    after = [op.size(x, k) for k in range(dim + 1, x.rank)]
    return reshape_to_result(op, x, [*before, *sizes, *after])


@LOWERINGS("sym_size.int")
def sym_size(op: OpBuilder, x: Value, dim: int) -> int | Value:
    return op.size(x, dim)


@LOWERINGS("sym_numel")
def sym_numel(op: OpBuilder, x: Value) -> Value:
    return op.one("Size", x)


@LOWERINGS("expand", "expand_copy", "broadcast_to")
def expand(op: OpBuilder, x: Value, size: Sequence[int | Value]) -> Value:
    dims = static_sizes(op.result)
    kept = [None] * (len(size) - x.rank) + x.dims
    parts: list[int | Value] = []
    for part, dim, old in zip(size, dims, kept, strict=True):
        if (isinstance(part, int) and part == -1) or (dim is not None and dim == old):
            parts.append(1)
        else:
            parts.append(part if dim is None else dim)
    if all(isinstance(p, int) and p == 1 for p in parts) and len(parts) == x.rank:
        return x
    return op.one("Expand", x, op.sizes(parts))


@LOWERINGS("expand_as")
def expand_as(op: OpBuilder, x: Value, other: Value) -> Value:
    return op.one("Expand", x, op.shape(other))


@LOWERINGS("unsqueeze", "unsqueeze_copy")
def unsqueeze(op: OpBuilder, x: Value, dim: int) -> Value:
    return op.one("Unsqueeze", x, [dim % (x.rank + 1)])


@LOWERINGS("squeeze", "squeeze.dim", "squeeze.dims", "squeeze_copy")
def squeeze(op: OpBuilder, x: Value, dim: int | Sequence[int] | None = None) -> Value:
    if x.rank == 0:
        return x
    dims = range(x.rank) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = [d % x.rank for d in dims if x.dims[d] == 1]
    missing = x.rank - len(op.result.shape) - len(gone)
    if missing:
        unknown = [d % x.rank for d in dims if x.dims[d] is None]
        if missing != len(unknown):
            raise op.refuse("squeezing dimensions that may or may not be 1", "name the dimension")
        gone += unknown
    return op.one("Squeeze", x, sorted(gone)) if gone else x


@LOWERINGS("permute", "permute_copy")
def permute(op: OpBuilder, x: Value, dims: Sequence[int]) -> Value:
    return transpose_to(op, x, [d % x.rank for d in dims])


def transpose_to(op: OpBuilder, x: Value, perm: Sequence[int]) -> Value:
    """Transposes, or does nothing where nothing moves."""
    return x if list(perm) == list(range(x.rank)) else op.one("Transpose", x, perm=list(perm))


@LOWERINGS("transpose.int", "transpose_copy.int")
def transpose(op: OpBuilder, x: Value, dim0: int, dim1: int) -> Value:
    perm = list(range(x.rank))
    if perm:
        perm[dim0], perm[dim1] = perm[dim1], perm[dim0]
    return transpose_to(op, x, perm)


@LOWERINGS("t", "t_copy", "numpy_T")
def t(op: OpBuilder, x: Value) -> Value:
    return transpose_to(op, x, list(reversed(range(x.rank))))


@LOWERINGS("cat", "concat", "concatenate")
def cat(op: OpBuilder, tensors: Sequence[Value], dim: int = 0) -> Value:
    rank = len(op.result.shape)
    kept = [op.cast(x, op.dtype) for x in tensors if x.rank == rank]
    # PyTorch lets an empty one-dimensional tensor stand among any others.
    kept = [x for x in kept if not (x.dims == [0] and len(kept) > 1)] or kept[:1]
    return kept[0] if len(kept) == 1 else op.one("Concat", *kept, axis=dim % rank)


@LOWERINGS("stack")
def stack(op: OpBuilder, tensors: Sequence[Value], dim: int = 0) -> Value:
    dim %= len(op.result.shape)
    rows = [op.one("Unsqueeze", op.cast(x, op.dtype), [dim]) for x in tensors]
    return rows[0] if len(rows) == 1 else op.one("Concat", *rows, axis=dim)


@LOWERINGS("split.Tensor", "split_copy.Tensor", "unsafe_split.Tensor", "chunk", "unsafe_chunk")
def split(op: OpBuilder, x: Value, size: int | Value, dim: int = 0) -> list[Value]:
    count = len(op.results)
    whole = x.dims[dim]
    parts = [static_sizes(val)[dim] for val in op.results]
    if count == 1:
        return [op.one("Identity", x)]
    if whole is not None and None not in parts:
        fixed = op.i64([part for part in parts if part is not None])
        return list(op.several("Split", count, x, fixed, axis=dim))
    step = parts[0] if parts[0] is not None else size
    unit = op.vector(step)
    edges = [unit * k if k else op.i64([0]) for k in range(count)]
    ends = [*edges[1:], op.i64([END])]
    return [op.one("Slice", x, a, b, [dim]) for a, b in zip(edges, ends, strict=True)]


@LOWERINGS("split_with_sizes", "split_with_sizes_copy", "split.sizes")
def split_with_sizes(
    op: OpBuilder, x: Value, sizes: Sequence[int | Value], dim: int = 0
) -> list[Value]:
    if len(sizes) == 1:
        return [op.one("Identity", x)]
    return list(op.several("Split", len(sizes), x, op.sizes(sizes), axis=dim))


@LOWERINGS("unbind.int", "unbind_copy.int")
def unbind(op: OpBuilder, x: Value, dim: int = 0) -> list[Value]:
    return [op.one("Gather", x, op.i64(k), axis=dim % x.rank) for k in range(len(op.results))]


@LOWERINGS("flip")
def flip(op: OpBuilder, x: Value, dims: Sequence[int]) -> Value:
    if not dims or x.rank == 0:
        return op.one("Identity", x)
    count = len(dims)
    axes = [d % x.rank for d in dims]
    return op.one("Slice", x, [-1] * count, [BEGIN] * count, axes, [-1] * count)


@LOWERINGS("roll")
def roll(op: OpBuilder, x: Value, shifts: Sequence[int | Value], dims: Sequence[int] = ()) -> Value:
    if not dims:
        flat = op.one("Reshape", x, [-1])
        return op.reshape_as(_roll(op, flat, shifts[0], 0), x)
    for shift, dim in zip(shifts, dims, strict=True):
        x = _roll(op, x, shift, dim % x.rank)
    return x


def _roll(op: OpBuilder, x: Value, shift: int | Value, dim: int) -> Value:
    size = op.one("Max", op.size1(x, dim), [1])
    cut = op.one("Mod", -op.vector(shift), size)
    tail = op.one("Slice", x, cut, [END], [dim])
    return op.one("Concat", tail, op.one("Slice", x, [0], cut, [dim]), axis=dim)


@LOWERINGS("repeat", "tile")
def repeat(op: OpBuilder, x: Value, repeats: Sequence[int | Value]) -> Value:
    repeats = [1] * (x.rank - len(repeats)) + list(repeats)
    more = len(repeats) - x.rank
    if more:
        x = op.one("Unsqueeze", x, list(range(more)))
    return op.one("Tile", x, op.sizes(repeats))


@LOWERINGS("repeat_interleave.self_int")
def repeat_interleave(
    op: OpBuilder, x: Value, repeats: int | Value, dim: int | None = None, **_: object
) -> Value:
    if dim is None:
        x, dim = op.one("Reshape", x, [-1]), 0
    dim %= x.rank
    wide = op.one("Unsqueeze", x, [dim + 1])
    times: list[int | Value] = [1] * wide.rank
    times[dim + 1] = repeats
    wide = op.one("Expand", wide, op.sizes(times))
    total = op.size1(x, dim) * op.vector(repeats)
    parts = [op.size(x, k) for k in range(x.rank)]
    parts[dim] = total
    return reshape_to_result(op, wide, parts)


@LOWERINGS("repeat_interleave.Tensor")
def repeat_interleave_indices(op: OpBuilder, repeats: Value, *_: object, **__: object) -> Value:
    ends = op.one("CumSum", op.cast(repeats, INT64), 0)
    total = op.one("ReduceSum", op.cast(repeats, INT64), keepdims=1)
    marks = op.one("Expand", op.i64(0), total + 1)
    ones = op.one("Expand", op.i64(1), op.shape(repeats))
    marks = op.one("ScatterElements", marks, ends, ones, axis=0, reduction="add")
    owners = op.one("CumSum", marks, 0)
    return op.cast(op.one("Slice", owners, [0], total, [0]), op.dtype)


@LOWERINGS("pixel_shuffle")
def pixel_shuffle(op: OpBuilder, x: Value, factor: int) -> Value:
    if not dtypes.is_float(x.elem):
        return _shuffled(op, x, factor)
    if x.rank == 4:
        return op.one("DepthToSpace", x, blocksize=factor, mode="CRD")
    lead = op.shape(x) if x.rank == 3 else None
    if lead is not None:
        y = op.one("DepthToSpace", op.one("Unsqueeze", x, [0]), blocksize=factor, mode="CRD")
        return op.one("Squeeze", y, [0])
    flat = op.one("Reshape", x, op.sizes([-1, *(op.size(x, k) for k in range(-3, 0))]))
    y = op.one("DepthToSpace", flat, blocksize=factor, mode="CRD")
    batch = [op.size(x, k) for k in range(x.rank - 3)]
    return reshape_to_result(op, y, [*batch, *(op.size(y, k) for k in range(1, 4))])


def _shuffled(op: OpBuilder, x: Value, factor: int) -> Value:
    """`pixel_shuffle` without DepthToSpace, which ONNX Runtime has for floats only."""
    lead = [op.size(x, k) for k in range(x.rank - 3)]
    c, h, w = (op.vector(op.size(x, k)) for k in range(-3, 0))
    fewer = c / (factor * factor)
    first = len(lead)
    y = op.reshape(x, [*lead, fewer, factor, factor, h, w])
    perm = [*range(first), *(first + k for k in (0, 3, 1, 4, 2))]
    y = op.one("Transpose", y, perm=perm)
    return reshape_to_result(op, y, [*lead, fewer, h * factor, w * factor])


@LOWERINGS("pixel_unshuffle")
def pixel_unshuffle(op: OpBuilder, x: Value, factor: int) -> Value:
    lead = [op.size(x, k) for k in range(x.rank - 3)]
    c, h, w = (op.vector(op.size(x, k)) for k in range(-3, 0))
    low_h, low_w = h / factor, w / factor
    first = len(lead)
    y = op.reshape(x, [*lead, c, low_h, factor, low_w, factor])
    y = op.one("Transpose", y, perm=[*range(first), *(first + k for k in (0, 2, 4, 1, 3))])
    return reshape_to_result(op, y, [*lead, c * factor * factor, low_h, low_w])


@LOWERINGS(
    "_to_copy", "to.dtype", "to.dtype_layout", "to.device", "type_as", "prims::convert_element_type"
)
def to_copy(op: OpBuilder, x: Value, *_: object, **__: object) -> Value:
    return op.one("Identity", x) if x.elem == op.dtype else op.cast(x, op.dtype)


@LOWERINGS("clone", "alias", "alias_copy", "detach", "detach_copy", "contiguous", "lift_fresh_copy")
def same(op: OpBuilder, x: Value, *_: object, **__: object) -> Value:
    return x


LOWERINGS("lift_fresh", "resolve_neg", "resolve_conj", "positive", "lift", "prims::view_of")(same)


@LOWERINGS("copy")
def copy(op: OpBuilder, x: Value, source: Value, *_: object) -> Value:
    return op.one("Expand", op.cast(source, x.elem), op.shape(x))


@LOWERINGS("_local_scalar_dense", "item")
def local_scalar(op: OpBuilder, x: Value) -> Value:
    flat = x if x.rank == 0 else op.one("Reshape", x, op.i64([]))
    return op.cast(flat, op.dtype)


@LOWERINGS("_assert_scalar", "_assert_async", "_assert_async.msg", "sym_constrain_range")
def nothing(op: OpBuilder, *_: object, **__: object) -> None:
    return None


LOWERINGS("sym_constrain_range_for_size", "_assert_tensor_metadata")(nothing)


@LOWERINGS("as_strided", "as_strided_copy")
def as_strided(op: OpBuilder, x: Value, *_: object) -> Value:
    raise op.refuse(
        "as_strided reads memory by strides, which an ONNX file does not have",
        "write it with slicing, unfold or reshape",
    )


@LOWERINGS("diagonal", "diagonal_copy")
def diagonal(op: OpBuilder, x: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    dim1, dim2 = dim1 % x.rank, dim2 % x.rank
    rest = [d for d in range(x.rank) if d not in (dim1, dim2)]
    x = transpose_to(op, x, [*rest, dim1, dim2])
    rows, columns = op.size1(x, -2), op.size1(x, -1)
    start_row, start_column = max(-offset, 0), max(offset, 0)
    length = op.one("Min", rows - start_row, columns - start_column)
    length = op.one("Squeeze", op.one("Max", length, [0]), [0])
    steps = op.one("Range", 0, length, 1)
    indices = (steps + start_row) * columns + (steps + start_column)
    lead = [op.size(x, k) for k in range(x.rank - 2)]
    flat = op.reshape(x, [*lead, rows * columns])
    return op.one("Gather", flat, indices, axis=x.rank - 2)


def _trilu(upper: int) -> Lowering:
    def lowering(op: OpBuilder, x: Value, diagonal: int | Value = 0) -> Value:
        wide = x.elem if dtypes.is_float(x.elem) or x.elem == ir.DataType.BOOL else INT64
        shift = op.cast(diagonal, INT64)
        return op.cast(op.one("Trilu", op.cast(x, wide), shift, upper=upper), x.elem)

    return lowering


LOWERINGS("tril")(_trilu(0))
LOWERINGS("triu")(_trilu(1))


@LOWERINGS("scalar_tensor")
def scalar_tensor(op: OpBuilder, value: Operand, **_: object) -> Value:
    return op.cast(value, op.dtype)
