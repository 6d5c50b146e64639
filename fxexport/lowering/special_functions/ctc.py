"""The loss of connectionist temporal classification: a recursion over time, as a loop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.loops import repeat
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64


@LOWERINGS("_ctc_loss", "_ctc_loss.Tensor")
def ctc_loss(
    op: OpBuilder,
    log_probs: Value,
    targets: Value,
    input_lengths: Value | Sequence[int],
    target_lengths: Value | Sequence[int],
    blank: int = 0,
    zero_infinity: bool = False,
) -> tuple[Value, Value]:
    """What each sequence of a batch loses; `log_probs` is ``[time, batch, labels]``.

    The second result serves the gradient alone.
    """
    if op.indices_used:
        raise op.refuse("the second result of ctc_loss, which its gradient is computed from")
    times, lengths = (op.cast(x, INT64) if isinstance(x, Value) else op.i64(list(x))
                      for x in (input_lengths, target_lengths))  # fmt: skip
    lengths = op.one("Unsqueeze", lengths, [1])  # [n, 1]
    labels = _labels(op, op.cast(targets, INT64), lengths, blank)  # [n, 2 s + 1]
    number = op.one("Range", op.i64(0), op.size(labels, -1), op.i64(1))  # [2 s + 1]
    none = op.const(-math.inf, log_probs.elem)

    def emitted(k: Value) -> Value:
        now = op.one("Gather", log_probs, k, axis=0)
        return op.one("GatherElements", now, labels, axis=1)

    # A path begins with a blank or with the first label.
    begins = (number < 1) | ((number < 2) & (lengths > 0))
    start = op.one("Where", begins, emitted(op.i64(0)), none)
    # A label may follow another one without a blank between, unless it is the same.
    before = _behind(op, labels, 2, op.i64(blank))
    skips = ~op.one("Equal", labels, before) & (number >= 2)
    going = op.one("Unsqueeze", times, [1])

    def step(k: Value, alpha: Value) -> list[Value]:
        second = _behind(op, alpha, 1, none)
        third = op.one("Where", skips, _behind(op, alpha, 2, none), none)
        now = _log_sum(op, [alpha, second, third]) + emitted(k + 1)
        return [op.one("Where", going > k + 1, now, alpha)]

    start.shape = ir.Shape([None, None])
    trips = op.one("Squeeze", op.size1(log_probs, 0), [0]) - 1
    (alpha,) = repeat(op, trips, [start], step)
    # And it ends with the last label or a blank behind it.
    ends = lengths * 2
    blank_last = op.one("GatherElements", alpha, ends, axis=1)
    label_last = op.one("GatherElements", alpha, op.one("Max", ends - 1, 0), axis=1)
    label_last = op.one("Where", lengths > 0, label_last, none)
    loss = -_log_sum(op, [blank_last, label_last])
    # Without any time only nothing can be said.
    at_once = op.one("Where", lengths > 0, op.const(math.inf, loss.elem), op.const(0, loss.elem))
    loss = op.one("Squeeze", op.one("Where", going > 0, loss, at_once), [1])
    return loss, alpha


def _labels(op: OpBuilder, targets: Value, lengths: Value, blank: int) -> Value:
    """The labels of each target with blanks around them; behind its end all are blanks."""
    if targets.rank == 1:
        targets = _split(op, targets, lengths)
    number = op.one("Range", op.i64(0), op.size(targets, -1), op.i64(1))
    targets = op.one("Where", number < lengths, targets, op.i64(blank))
    pairs = op.one("Unsqueeze", targets, [2])
    blanks = op.one("Expand", op.i64(blank), op.shape(pairs))
    pairs = op.one("Concat", blanks, pairs, axis=2)
    rows = op.size1(lengths, 0)
    twice = op.size1(targets, 1) * 2
    flat = op.one("Reshape", pairs, op.one("Concat", rows, twice, axis=0), allowzero=1)
    last = op.one("Expand", op.i64(blank), op.one("Concat", rows, op.i64([1]), axis=0))
    labels = op.one("Concat", flat, last, axis=1)
    labels.shape = ir.Shape([None, None])
    return labels


def _split(op: OpBuilder, targets: Value, lengths: Value) -> Value:
    """Targets that follow each other, as rows of the longest one's length."""
    ends = op.one("CumSum", lengths, 0)
    longest = op.one("ReduceMax", lengths, keepdims=0)
    number = op.one("Range", op.i64(0), longest, op.i64(1))
    places = ends - lengths + number
    # Behind the last one there is nothing to read; what is read there is not used.
    padded = op.one("Concat", targets, op.i64([0]), axis=0)
    places = op.one("Min", places, op.one("Squeeze", op.size1(targets, 0), [0]))
    rows = op.one("Gather", padded, places, axis=0)
    rows.shape = ir.Shape([lengths.dims[0], None])
    return rows


def _behind(op: OpBuilder, x: Value, count: int, filler: Value) -> Value:
    """The columns moved to the right, with a filler on the left."""
    rows = op.one("Concat", op.size1(x, 0), op.i64([count]), axis=0)
    moved = op.one("Concat", op.one("Expand", filler, rows), x, axis=1)
    moved = op.one("Slice", moved, [0], [-count], [1])
    moved.shape = x.shape
    return moved


def _log_sum(op: OpBuilder, terms: Sequence[Value]) -> Value:
    """The logarithm of a sum of exponentials; of nothing but minus infinity it is that."""
    most = op.one("Max", *terms)
    shift = op.one("Where", op.one("Equal", most, -math.inf), op.const(0, most.elem), most)
    total = op.one("Exp", terms[0] - shift)
    for term in terms[1:]:
        total = total + op.one("Exp", term - shift)
    return op.one("Log", total) + shift
