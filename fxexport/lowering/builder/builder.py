"""Writing ONNX nodes: what a lowering gets as ``op``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import fx

from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.file_keys import MODULE, SOURCE
from fxexport.graph.arguments import used_results
from fxexport.graph.values import NodeVal
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.constants import Constants
from fxexport.lowering.builder.dialect import PLAIN, Dialect
from fxexport.lowering.builder.folding import fold
from fxexport.lowering.builder.graph_builder import GraphBuilder
from fxexport.lowering.builder.names import Names
from fxexport.lowering.builder.schemas import bound_inputs, output_dtype, signature_of
from fxexport.lowering.builder.shapes import infer_shape
from fxexport.lowering.builder.single import in_single, without_bfloat16
from fxexport.lowering.builder.values import Attribute, Attributes, Operand, Value
from fxexport.source.location import SourceLocation

__all__ = ["OpBuilder"]


class OpBuilder:
    """Writes nodes into the graph that is being made.

    ``op.Relu(x)`` writes a node of that ONNX operator and returns its output (a tuple when it has
    several). Attributes are keyword arguments; ``_outputs`` sets the number of outputs. Python
    numbers and lists become constants of the dtype that the operator's schema asks for.

    Attributes:
        opset: version of the ONNX operator set.
        val: what the PyTorch operator yields: fake tensor, scalar, or a tuple of them.
        sources: the user's lines that the node is for, innermost first.
        module: path of the user's module that the node is for, empty for the model itself.
        used, indices_used: which of the operator's results are; whether one behind the first is.
    """

    def __init__(self, root: ir.Graph, opset: int, dialect: Dialect = PLAIN) -> None:
        self.opset = opset
        self._dialect = dialect
        self.val: NodeVal = None
        self.sources: tuple[SourceLocation, ...] = ()
        self.module = ""
        self.names = Names()
        self.node_names = Names()
        self.prefix = ""
        self.used, self.indices_used = frozenset(range(8)), True
        self._graph_builder = GraphBuilder(root, self)
        self._constants = Constants(self.names, self.initializer)

    # Writing nodes

    def work_for(self, node: fx.Node) -> None:
        """Says which node of the captured graph the next ONNX nodes are for."""
        self.sources = tuple(node.meta.get("source") or ())
        self.module = node.meta.get("module") or ""
        self.prefix = node.name
        self.val = node.meta.get("val")
        self.used = used_results(node)
        self.indices_used = any(self.used)

    def __getattr__(self, op_type: str) -> Callable[..., Any]:
        if not op_type[:1].isupper():
            raise AttributeError(op_type)
        return functools.partial(self.emit, op_type)

    def emit(self, op_type: str, *args: Operand, _outputs: int = 1, **attributes: Any) -> Any:
        """Writes one operator of the standard set, in the form that the dialect has for it.

        Gives its output, a tuple of several: `one` and `several` are the same with types.
        """
        return self._in_dialect(op_type, args, attributes, _outputs)

    def one(self, op_type: str, *args: Operand, **attributes: Attribute) -> Value:
        """`emit` for an operator with one output."""
        value = self._in_dialect(op_type, args, attributes, 1)
        assert isinstance(value, Value)
        return value

    def several(
        self, op_type: str, outputs: int, *args: Operand, **attributes: Attribute
    ) -> tuple[Value, ...]:
        """`emit` for an operator with two or more outputs."""
        values = self._in_dialect(op_type, args, attributes, outputs)
        assert isinstance(values, tuple)
        return values

    def whole(self, op_type: str, *args: Operand, **attributes: Operand) -> Value | None:
        """One operator for what a lowering would take apart, if the dialect prefers it; or None."""
        form = self._dialect.whole.get(op_type)
        return None if form is None else form(self, *args, **attributes)

    def plain(self, op_type: str, *args: Operand, **attributes: Attribute) -> Value:
        """Writes an operator with one output whatever the dialect."""
        value = self._plain(op_type, args, attributes, 1)
        assert isinstance(value, Value)
        return value

    def plain_several(
        self, op_type: str, outputs: int, *args: Operand, **attributes: Attribute
    ) -> tuple[Value, ...]:
        """Writes an operator with two or more outputs whatever the dialect."""
        values = self._plain(op_type, args, attributes, outputs)
        assert isinstance(values, tuple)
        return values

    def _in_dialect(
        self, op_type: str, args: Sequence[Operand], attributes: Attributes, outputs: int
    ) -> Value | tuple[Value, ...]:
        form = self._dialect.forms.get(op_type)
        if form is not None:
            more = {"_outputs": outputs} if outputs != 1 else {}
            written = form(self, *args, **more, **attributes)
            if written is not None:
                return written
        return self._plain(op_type, args, attributes, outputs)

    def _plain(
        self, op_type: str, args: Sequence[Operand], attributes: Attributes, outputs: int
    ) -> Value | tuple[Value, ...]:
        if op_type == "Where":
            return self._where(*args)
        return self._standard(op_type, args, attributes, outputs)

    def _where(self, condition: Operand, a: Operand, b: Operand) -> Value:
        """Where in a dtype that runtimes choose in: not bool, nor narrow integers."""
        kinds = [x.elem for x in (a, b) if isinstance(x, Value)]
        dtype = kinds[0] if kinds else None
        if dtype == ir.DataType.BOOL:
            test = self.cast(condition, dtype)
            first, second = self.cast(a, dtype), self.cast(b, dtype)
            return (test & first) | (~test & second)
        wide = None if dtype is None else dtypes.widened(dtype)
        if dtype is not None and wide is not None and wide != dtype:
            a, b = (self.cast(self.cast(x, dtype), wide) for x in (a, b))
        value = self._standard("Where", (condition, a, b), {}, 1)
        assert isinstance(value, Value)
        return value if wide == dtype or dtype is None else self.cast(value, dtype)

    def _standard(
        self, op_type: str, args: Sequence[Operand], attributes: Attributes, outputs: int
    ) -> Value | tuple[Value, ...]:
        """Writes an operator as its schema has it, or gives what it is of constants."""
        signature = signature_of(op_type, self.opset)
        inputs, binding = bound_inputs(signature, args, self.const, self.sizes)
        narrow = without_bfloat16(signature, binding, self._dialect.bfloat16)
        if narrow:
            return in_single(self, op_type, inputs, attributes, outputs, narrow)
        attributes = {key: value for key, value in attributes.items() if value is not None}
        folded = self._fold(op_type, inputs, attributes) if outputs == 1 else None
        if folded is not None:
            return folded
        values = self.write(op_type, inputs, attributes, outputs)
        shape = infer_shape(op_type, inputs, attributes, self.constant)
        for k, value in enumerate(values):
            param = signature.outputs[min(k, len(signature.outputs) - 1)]
            dtype = output_dtype(op_type, param, binding, attributes)
            if dtype is not None:
                value.type = ir.TensorType(dtype)
            if shape is not None and (k == 0 or op_type in ("TopK", "MaxPool")):
                value.shape = ir.Shape(shape)
        return values[0] if outputs == 1 else values

    def write(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: Attributes,
        outputs: int = 1,
        *,
        domain: str = "",
        name: str = "",
    ) -> tuple[Value, ...]:
        """Appends a node as it is; types are the caller's business."""
        base = name or (f"{self.prefix}_{op_type}" if self.prefix else op_type)
        label = self.node_names(base)
        values = tuple(Value(self, name=self.names(base)) for _ in range(outputs))
        node = self._graph_builder.node(
            op_type, inputs, attributes, values, domain=domain, name=label
        )
        if self.sources:
            node.metadata_props[SOURCE] = self.sources[0].describe()
            node.metadata_props["pkg.torch.onnx.stack_trace"] = "\n".join(
                source.describe() for source in reversed(self.sources)
            )
        if self.module:
            node.metadata_props[MODULE] = self.module
        return values

    def body(
        self,
        name: str,
        inputs: Sequence[Value],
        outputs: Sequence[ir.TypeProtocol],
        write: Callable[[], Sequence[Value]],
    ) -> ir.Graph:
        """A body for a node to be written: what `write` writes goes there.

        Args:
            name: the body's name.
            inputs: its inputs, new values.
            outputs: types of its outputs.
            write: writes the nodes and returns the outputs, each made in the body.
        """
        outer = self._graph_builder, self.val, self.sources, self.module, self.prefix

        def inside(graph: GraphBuilder) -> Sequence[Value]:
            self._graph_builder = graph
            try:
                return write()
            finally:
                self._graph_builder, self.val, self.sources, self.module, self.prefix = outer

        return self._graph_builder.body(inside, inputs, outputs, name=name)

    @property
    def graph(self) -> ir.Graph:
        """The graph (or body) that nodes go to."""
        graph: ir.Graph = self._graph_builder.graph
        return graph

    # Constants

    def const(self, value: Operand, dtype: ir.DataType) -> Value:
        """A constant, shared by the whole file."""
        return self._constants.value(value, dtype)

    def initializer(self, tensor: ir.TensorProtocol, name: str) -> Value:
        """Registers a tensor of the file under a name that is already reserved."""
        return self._graph_builder.initializer(tensor, name)

    def constant(self, value: ir.Value | None) -> np.ndarray | None:
        """The array of a small constant, None for anything else."""
        return self._constants.array(value)

    def i64(self, values: int | Sequence[int]) -> Value:
        """An int64 constant."""
        return self.const(np.asarray(values, dtype=np.int64), ir.DataType.INT64)

    # Dtypes

    def cast(self, x: Operand, dtype: ir.DataType) -> Value:
        """The operand in a dtype; the operand itself when it has it."""
        if not isinstance(x, Value):
            return self.const(x, dtype)
        if x.dtype == dtype:
            return x
        if dtypes.is_float(x.dtype) and dtype in (
            ir.DataType.INT8,
            ir.DataType.INT16,
            ir.DataType.UINT8,
            ir.DataType.UINT16,
        ):
            x = self.one("Cast", x, to=ir.DataType.INT32)
        if x.dtype in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16) and dtype == ir.DataType.BOOL:
            x = self.one("Cast", x, to=ir.DataType.FLOAT)
        result = self.one("Cast", x, to=dtype)
        result.limits, result.most = x.limits, x.most
        return result

    def common(self, *operands: Operand) -> ir.DataType:
        """The dtype that PyTorch converts these operands to."""
        return dtypes.from_torch(dtypes.promote(_as_promoted(x) for x in operands if x is not None))

    def promote(self, *operands: Operand) -> list[Value]:
        """The operands in their common dtype."""
        dtype = self.common(*operands)
        return [self.cast(x, dtype) for x in operands]

    @property
    def dtype(self) -> ir.DataType:
        """Dtype of the PyTorch operator's (first) result."""
        val = self.val[0] if isinstance(self.val, (tuple, list)) else self.val
        return dtypes.of_val(val)

    @property
    def result(self) -> torch.Tensor:
        """The fake tensor that the PyTorch operator yields, the first of several."""
        return self.results[0]

    @property
    def results(self) -> list[torch.Tensor]:
        """The fake tensors that the PyTorch operator yields, as far as they are tensors."""
        vals = self.val if isinstance(self.val, (tuple, list)) else [self.val]
        return [val for val in vals if isinstance(val, torch.Tensor)]

    @property
    def exact(self) -> bool:
        """Whether forms are to be written that lose neither NaN nor digits; see `Dialect`."""
        return self._dialect.exact

    # Shapes

    def size(self, x: Value, dim: int) -> int | Value:
        """The size of a dimension: an int when static, else a 0-d int64 value."""
        static = x.dims[dim]
        if static is not None:
            return static
        return self.one("Squeeze", self.size1(x, dim), [0])

    def size1(self, x: Value, dim: int) -> Value:
        """The size of a dimension as a tensor with one element."""
        static = x.dims[dim]
        if static is not None:
            return self.i64([static])
        dim %= x.rank
        size = self.one("Shape", x, start=dim, end=dim + 1)
        size.most = x.limit(dim)
        return size

    def sizes(self, parts: Sequence[int | Value]) -> Value:
        """A shape from ints and int64 values."""
        if all(isinstance(part, int) for part in parts):
            return self.i64(list(parts))  # type: ignore[arg-type]
        pieces: list[Value] = []
        run: list[int] = []
        for part in parts:
            if isinstance(part, Value):
                known = self.constant(part)
                if known is None:
                    if run:
                        pieces.append(self.i64(run))
                        run = []
                    pieces.append(self.vector(part))
                else:
                    run.append(int(known.reshape(())))
            else:
                run.append(int(part))
        if run:
            pieces.append(self.i64(run))
        return pieces[0] if len(pieces) == 1 else self.one("Concat", *pieces, axis=0)

    def vector(self, x: Operand) -> Value:
        """A number as an int64 tensor with one element."""
        if not isinstance(x, Value):
            return self.i64([int(x)])  # type: ignore[arg-type]
        x = self.cast(x, ir.DataType.INT64)
        if x.rank == 1:
            return x
        vector = self.one("Reshape", x, [1])
        vector.most = x.most
        return vector

    def shape(self, x: Value) -> Value:
        """The whole shape."""
        if all(dim is not None for dim in x.dims):
            return self.i64([int(dim) for dim in x.dims if dim is not None])
        return self.one("Shape", x)

    def reshape(self, x: Value, parts: Sequence[int | Value]) -> Value:
        """Reshapes to sizes that may be symbolic; a size of 0 means 0."""
        zero = any(part == 0 if isinstance(part, int) else True for part in parts)
        allow = 1 if zero and not any(isinstance(p, int) and p == -1 for p in parts) else None
        return self.one("Reshape", x, self.sizes(parts), allowzero=allow)

    def reshape_as(self, x: Value, like: Value) -> Value:
        """Reshapes to the sizes of another value, of which any may be 0."""
        return self.one("Reshape", x, self.shape(like), allowzero=None if all(like.dims) else 1)

    # Refusing

    def refuse(self, message: str, hint: str = "") -> UnsupportedError:
        """The error for something that cannot be kept, at the user's line."""
        return UnsupportedError(
            message,
            code=Code.NO_ONNX_FORM,
            location=self.sources[0] if self.sources else None,
            hint=hint,
        )

    # Inside

    def _fold(
        self, op_type: str, inputs: Sequence[Value | None], attributes: Attributes
    ) -> Value | None:
        if op_type == "Shape" and inputs[0] is not None and inputs[0].shape is not None:
            dims = inputs[0].dims[attributes.get("start", 0) : attributes.get("end")]
            known = [dim for dim in dims if dim is not None]
            return self.i64(known) if len(known) == len(dims) else None
        arrays = [self.constant(value) for value in inputs]
        if any(a is None and v is not None for a, v in zip(arrays, inputs, strict=True)):
            return None
        result = fold(op_type, arrays, attributes)
        if result is None:
            return None
        return self.const(result, ir.DataType.from_numpy(result.dtype))


def _as_promoted(x: Operand) -> tuple[torch.dtype, int]:
    if isinstance(x, Value):
        if x.is_number:
            return dtypes.scalar_dtype(x.elem), -1
        return dtypes.to_torch(x.elem), x.rank
    return dtypes.scalar_dtype(dtypes.kind_dtype(x)), -1
