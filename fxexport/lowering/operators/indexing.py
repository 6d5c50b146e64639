"""Reading by index."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.operators.shape import END, transpose_to
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64
BOOL = ir.DataType.BOOL


@LOWERINGS("slice.Tensor", "slice_copy.Tensor")
def slice_(
    op: OpBuilder,
    x: Value,
    dim: int = 0,
    start: Operand = None,
    end: Operand = None,
    step: Operand = 1,
) -> Value:
    start = 0 if start is None else start
    end = END if end is None else end
    whole = isinstance(start, int) and start == 0 and isinstance(end, int) and end >= 2**62
    if whole and isinstance(step, int) and step == 1:
        return x
    steps = None if isinstance(step, int) and step == 1 else op.vector(step)
    return op.one("Slice", x, op.vector(start), op.vector(end), [dim % x.rank], steps)


@LOWERINGS("narrow", "narrow_copy")
def narrow(op: OpBuilder, x: Value, dim: int, start: Operand, length: Operand) -> Value:
    first = op.vector(start)
    if not isinstance(start, int) or start < 0:
        first = op.one("Where", first < 0, first + op.size1(x, dim), first)
    return op.one("Slice", x, first, first + op.vector(length), [dim % x.rank])


@LOWERINGS("select.int", "select_copy.int")
def select(op: OpBuilder, x: Value, dim: int, index: Operand) -> Value:
    return op.one("Gather", x, op.cast(index, INT64), axis=dim % x.rank)


@LOWERINGS("index_select")
def index_select(op: OpBuilder, x: Value, dim: int, index: Value) -> Value:
    if x.rank == 0:
        return op.one("Identity", x)
    if index.rank == 0:
        index = op.one("Unsqueeze", index, [0])
    return gathered(op, x, index_dtype(op, index), dim % x.rank)


@LOWERINGS("embedding")
def embedding(op: OpBuilder, weight: Value, indices: Value, *_: object, **__: object) -> Value:
    return gathered(op, weight, index_dtype(op, indices), 0)


def gathered(op: OpBuilder, x: Value, index: Value, axis: int) -> Value:
    """Gather, in a form that ONNX Runtime does not make a Slice of where the index is a Range.

    A Slice takes the -1 that a descending Range ends with for the last element, as well as the
    negative indices themselves, and it cuts what is out of range where PyTorch raises.
    """
    source: ir.Value = index
    while (node := source.producer()) is not None and node.op_type == "Identity":
        source = node.inputs[0]  # type: ignore[assignment]
    if node is not None and node.op_type == "Range":
        index = op.one("Max", index, op.const(-(2**31), index.elem))
    return op.one("Gather", x, index, axis=axis)


def index_dtype(op: OpBuilder, x: Value) -> Value:
    """Indices in a dtype that ONNX takes."""
    return x if x.elem in (INT64, ir.DataType.INT32) else op.cast(x, INT64)


@LOWERINGS("gather")
def gather(op: OpBuilder, x: Value, dim: int, index: Value, sparse_grad: bool = False) -> Value:
    if 0 in index.dims:  # its rank may be any
        return op.one("Expand", op.const(0, x.elem), op.shape(index))
    if x.rank == 0 or index.rank == 0:
        wide = x if x.rank else op.one("Unsqueeze", x, [0])
        flat = op.one("Reshape", index_dtype(op, index), [-1])
        return op.reshape_as(op.one("Gather", wide, flat, axis=0), index)
    return op.one("GatherElements", x, index_dtype(op, index), axis=dim % x.rank)


@LOWERINGS("take")
def take(op: OpBuilder, x: Value, index: Value) -> Value:
    return gathered(op, op.one("Reshape", x, [-1]), index_dtype(op, index), 0)


@LOWERINGS("nonzero")
def nonzero(op: OpBuilder, x: Value) -> Value:
    if x.rank == 0:
        found = op.one("NonZero", op.one("Unsqueeze", mask_of(op, x), [0]))
        return op.one("Slice", op.one("Transpose", found, perm=[1, 0]), [0], [0], [1])
    return op.one("Transpose", op.one("NonZero", mask_of(op, x)), perm=[1, 0])


@LOWERINGS("nonzero_numpy")
def nonzero_numpy(op: OpBuilder, x: Value) -> list[Value]:
    return rows_of(op, op.one("NonZero", mask_of(op, x)), x.rank)


def mask_of(op: OpBuilder, x: Value) -> Value:
    """The tensor as booleans."""
    if x.elem in dtypes.SMALL_INTS:
        x = op.cast(x, ir.DataType.INT32)
    return op.cast(x, BOOL)


def rows_of(op: OpBuilder, x: Value, count: int) -> list[Value]:
    """The rows of a matrix, as vectors."""
    if count == 1:
        return [op.one("Squeeze", x, [0])]
    return [op.one("Gather", x, op.i64(k), axis=0) for k in range(count)]


@LOWERINGS("masked_fill.Scalar", "masked_fill.Tensor")
def masked_fill(op: OpBuilder, x: Value, mask: Value, value: Operand) -> Value:
    return op.one("Where", mask_of(op, mask), op.cast(value, x.elem), x)


@LOWERINGS("masked_select")
def masked_select(op: OpBuilder, x: Value, mask: Value) -> Value:
    mask = mask_of(op, mask)
    if x.dims != mask.dims or None in x.dims:
        wide = op.one("Expand", mask, op.shape(x))  # in both directions: the larger size wins
        x, mask = op.one("Expand", x, op.one("Shape", wide)), wide
    flat = op.one("Reshape", x, [-1])
    return op.one("Compress", flat, op.one("Reshape", mask, [-1]), axis=0)


class Subscript:
    """``x[indices]`` with tensors and Nones, brought to one form for reading and writing.

    Attributes:
        axes: dimensions of `x` that are indexed.
        indices: int64 index tensors for them, not yet of one shape.
        rank: rank of the indices' common shape.
        position: where that shape's dimensions go in the result.
    """

    def __init__(self, op: OpBuilder, x: Value, indices: Sequence[Value | None]) -> None:
        self.op = op
        self.axes: list[int] = []
        self.indices: list[Value] = []
        axis = 0
        entries: list[int] = []
        for entry, index in enumerate(indices):
            if index is None:
                axis += 1
                continue
            entries.append(entry)
            for part in _expanded(op, index):
                self.axes.append(axis)
                self.indices.append(part)
                axis += 1
        self.rank = max(index.rank for index in self.indices)
        adjacent = entries == list(range(entries[0], entries[-1] + 1))
        self.position = self.axes[0] if adjacent else 0
        self.rest = [d for d in range(x.rank) if d not in self.axes]

    def stacked(self) -> Value:
        """The indices of one shape, stacked on a new last dimension."""
        op = self.op
        shape = self.shape()
        columns = [
            op.one("Unsqueeze", op.one("Expand", index, shape), [self.rank])
            for index in self.indices
        ]
        return columns[0] if len(columns) == 1 else op.one("Concat", *columns, axis=-1)

    def shape(self) -> Value:
        """The indices' common shape."""
        op = self.op
        first = self.indices[0]
        if len(self.indices) == 1:
            return op.shape(first)
        total = first
        for index in self.indices[1:]:
            total = total + index  # its shape is the common one
        return op.shape(total)

    def front(self, x: Value) -> Value:
        """`x` with the indexed dimensions first."""
        return transpose_to(self.op, x, [*self.axes, *self.rest])

    def back(self, x: Value) -> Value:
        """Undoes `front`."""
        order = [*self.axes, *self.rest]
        return transpose_to(self.op, x, [order.index(k) for k in range(len(order))])

    def placing(self) -> list[int]:
        """The permutation from (index dims, rest) to the result's order."""
        rest = [self.rank + k for k in range(len(self.rest))]
        return [*rest[: self.position], *range(self.rank), *rest[self.position :]]


def _expanded(op: OpBuilder, index: Value) -> list[Value]:
    if index.elem in (BOOL, ir.DataType.UINT8):
        if index.rank == 0:
            raise op.refuse("indexing by a single boolean", "use torch.where or an if")
        return rows_of(op, op.one("NonZero", mask_of(op, index)), index.rank)
    return [op.cast(index, INT64)]


@LOWERINGS("index.Tensor", "_unsafe_index.Tensor")
def index(op: OpBuilder, x: Value, indices: Sequence[Value | None]) -> Value:
    given = [entry for entry in indices if entry is not None]
    if not given:
        return op.one("Identity", x)
    subscript = Subscript(op, x, indices)
    if len(subscript.indices) == 1:
        return gathered(op, x, subscript.indices[0], subscript.axes[0])
    found = op.one("GatherND", subscript.front(x), subscript.stacked())
    found.shape = ir.Shape([None] * (subscript.rank + len(subscript.rest)))
    return transpose_to(op, found, subscript.placing())


@LOWERINGS("_unsafe_masked_index")
def masked_index(
    op: OpBuilder, x: Value, mask: Value, indices: Sequence[Value | None], fill: Operand
) -> Value:
    wide, inside, filled = kept_inside(op, x, indices, 0)
    if filled is not None:
        mask = mask & filled
    return op.one("Where", mask, index(op, wide, inside), op.cast(fill, x.elem))


def kept_inside(
    op: OpBuilder, x: Value, indices: Sequence[Value | None], lowest: int
) -> tuple[Value, list[Value | None], Value | None]:
    """What reading or writing at indices that may lie outside needs, to touch nothing outside.

    Args:
        op: the builder.
        x: what is indexed.
        indices: integers for its first dimensions; None for a whole dimension.
        lowest: the least index that is kept as it is: 0, or -1 to count from the end.

    Returns:
        x with an element in each indexed dimension that had none; the indices, brought inside of
        it; whether x had an element in all of them, None where that is known.
    """
    inside: list[Value | None] = []
    more: list[Value] = [op.i64([0])] * x.rank
    filled: Value | None = None
    for dim, entry in enumerate(indices):
        if entry is None:
            inside.append(None)
            continue
        size = op.size1(x, dim)
        if not x.dims[dim] and op.exact:
            more[dim] = op.one("Max", op.i64([1]) - size, [0])
            filled = size > 0 if filled is None else filled & (size > 0)
            size = op.one("Max", size, [1])
        low = op.i64([0]) if lowest == 0 else -size
        inside.append(op.one("Min", op.one("Max", op.cast(entry, INT64), low), size - 1))
    if filled is not None:
        pads = op.one("Concat", op.i64([0] * x.rank), *more, axis=0)
        dims = x.dims
        x = op.one("Pad", x, pads, op.const(0, x.elem), mode="constant")
        x.shape = ir.Shape([dim or None for dim in dims])
    return x, inside, filled


@LOWERINGS("searchsorted.Tensor", "searchsorted.Scalar")
def searchsorted(
    op: OpBuilder,
    boundaries: Value,
    x: Operand,
    *,
    right: bool = False,
    side: str | None = None,
    out_int32: bool = False,
    sorter: Value | None = None,
) -> Value:
    if sorter is not None:
        boundaries = op.one("GatherElements", boundaries, sorter, axis=boundaries.rank - 1)
    right = right if side is None else side == "right"
    values = x if isinstance(x, Value) else op.cast(x, boundaries.elem)
    edges, values = op.promote(boundaries, values)
    values = op.one("Unsqueeze", values, [values.rank])
    if edges.rank > 1:
        edges = op.one("Unsqueeze", edges, [edges.rank - 1])
    ahead = ~(edges > values) if right else ~(edges >= values)
    count = op.one("ReduceSum", op.cast(ahead, INT64), [-1], keepdims=0)
    return op.cast(count, op.dtype)


@LOWERINGS("bucketize.Tensor", "bucketize.Scalar")
def bucketize(
    op: OpBuilder, x: Operand, boundaries: Value, *, out_int32: bool = False, right: bool = False
) -> Value:
    return searchsorted(op, boundaries, x, right=right)


@LOWERINGS("one_hot")
def one_hot(op: OpBuilder, x: Value, num_classes: int | Value = -1) -> Value:
    if isinstance(num_classes, int) and num_classes == -1:
        depth = op.one("ReduceMax", x, keepdims=0) + 1
    else:
        depth = op.cast(num_classes, INT64)
    return op.one("OneHot", x, depth, op.i64([0, 1]), axis=-1)
