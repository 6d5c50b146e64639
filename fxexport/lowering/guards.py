"""Guards in a file: nodes that fail where a condition does not hold.

ONNX has no assert. A Range whose step is 0 fails in ONNX Runtime, on the CPU and on a GPU, and its
error has the node's name in it: that is the guard's message. The step is the condition as a number,
so a guard costs two small nodes, or three where all flags of a tensor must be set. ONNX Runtime
keeps nodes whose outputs nobody uses, at every level of optimisation, and where several are such
ends of a graph it runs what the last one of the file depends on first, then that one. So guards are
written behind everything else in their graph, the first of the program last: what they protect has
not run when they fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from fxexport.file_keys import GUARD
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value

__all__ = ["Ends", "is_guard", "scalar_flag", "write_guard"]


def is_guard(node: ir.Node) -> bool:
    """Whether a node is there for its effect."""
    return GUARD in node.metadata_props


def scalar_flag(op: OpBuilder, condition: Operand) -> Value:
    """A condition as a bool without dimensions."""
    value = op.cast(condition, ir.DataType.BOOL)
    if value.shape is not None and value.rank == 0:
        return value
    flat = op.one("Reshape", value, op.i64([]))
    flat.shape = ir.Shape([])
    return flat


def write_guard(op: OpBuilder, condition: Operand, message: str) -> None:
    """A node that fails where a condition does not hold."""
    distance = condition.distance if isinstance(condition, Value) else None
    if distance is not None:
        # The only element there is has the number 0. Sizes are on the CPU, where Gather looks. No
        # reduction before it: in caches that a large operator has left cold, one costs more than
        # all the rest.
        _write_failing(op, "Gather", [op.i64([0]), distance], message)
        return
    flags = condition.flags if isinstance(condition, Value) else None
    if flags is not None and op.constant(flags) is None:
        # The smallest of no numbers is the largest that there is.
        numbers = op.cast(flags, ir.DataType.INT32)
        step = op.one("ReduceMin", numbers, keepdims=0) if flags.rank else numbers
        number = (op.const(value, ir.DataType.INT32) for value in (0, 1))
        _write_failing(op, "Range", [*number, step], message)
        return
    holds = scalar_flag(op, condition)
    known = op.constant(holds)
    if known is not None and bool(known):
        return
    step = op.cast(holds, ir.DataType.INT64)
    _write_failing(op, "Range", [op.i64(0), op.i64(1), step], message)


def _write_failing(op: OpBuilder, op_type: str, inputs: Sequence[Value], message: str) -> None:
    (unused,) = op.write(op_type, inputs, {}, name=message)
    unused.name = op.names("guard")
    op.graph[-1].metadata_props[GUARD] = message


class Ends:
    """What is written behind everything else in its graph: guards, and what is there for guards.

    Args:
        op: the builder.
    """

    def __init__(self, op: OpBuilder) -> None:
        self._op = op
        self._waiting: dict[ir.Graph, list[Callable[[], object]]] = {}

    def add(self, write: Callable[[], object]) -> None:
        """Something that is to be written at the end of the graph that is being written."""
        self._waiting.setdefault(self._op.graph, []).append(write)

    def write(self) -> None:
        """Writes the ends of the graph that has just been written otherwise, the first one last."""
        for write in reversed(self._waiting.pop(self._op.graph, [])):
            write()
