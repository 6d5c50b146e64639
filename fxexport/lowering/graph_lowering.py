"""Walking a captured graph and writing its nodes with a builder."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import cast

import onnx_ir as ir
import sympy
import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import bounds_within, raw_expression
from fxexport.errors import FxExportError
from fxexport.file_keys import VALUES
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.contracts import sizes_fit
from fxexport.graph.fourier import FOURIER_FUNCTIONS
from fxexport.graph.ops import guard
from fxexport.graph.scalars import SCALAR_FUNCTIONS
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS, SequenceVal
from fxexport.graph.signature import DimRange, InputSpec
from fxexport.graph.texts import TEXT_FUNCTIONS, TextVal
from fxexport.graph.unranked import UnrankedVal
from fxexport.graph.user_functions import UserFunction
from fxexport.graph.values import NodeVal, Val, output_vals
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.builder.weights import WeightTensor
from fxexport.lowering.contracts import lower_sizes_fit
from fxexport.lowering.fourier import lower_fourier
from fxexport.lowering.guards import Ends, write_guard
from fxexport.lowering.refusals import REFUSED, DependsOnRefused, Refusals, missing_lowering
from fxexport.lowering.registry import operator_name, own_lowering, user_lowering
from fxexport.lowering.scalars import lower_scalar
from fxexport.lowering.sequences import lower_sequence
from fxexport.lowering.texts import lower_text
from fxexport.lowering.torchlib import call_library, library_function
from fxexport.lowering.user_results import fitting

__all__ = ["ControlFlow", "GraphLowering"]

ControlFlow = Callable[
    ["GraphLowering", fx.Node, Sequence[object], Mapping[str, object]], Sequence[Value]
]
"""Writes a node that has bodies; its arguments are values, numbers and the bodies themselves."""


class GraphLowering:
    """Writes one captured graph, bodies included.

    Args:
        graph: the graph.
        op: the builder that nodes are written with.
        control_flow: what writes the nodes that have bodies, by their functions.
    """

    def __init__(
        self,
        graph: CapturedGraph,
        op: OpBuilder,
        control_flow: Mapping[Callable[..., object], ControlFlow],
    ) -> None:
        self.op = op
        self._graph = graph
        self._control_flow = control_flow
        self._root = op.graph
        self._symbols: dict[str, str] = {}
        self._ranges: dict[sympy.Expr, tuple[int, int | None]] = {}
        self._weights: dict[Hashable, Value] = {}
        self._refusals = Refusals(graph.module)
        self.ends = Ends(op)
        # The bodies around what is being written: the names of their nodes, and which body it is.
        self.path: tuple[str, ...] = ()

    # The root

    def write(self) -> None:
        """Writes the whole graph, or raises all that is refused in it."""
        try:
            self._write_root()
        except DependsOnRefused:
            pass
        except Exception:
            self._refusals.raise_all()  # it may well follow from what was refused
            raise
        self._refusals.raise_all()

    def _write_root(self) -> None:
        """Writes the root graph with its inputs and outputs."""
        graph, op = self._graph, self.op
        reserved = [spec.name for spec in graph.inputs] + [spec.name for spec in graph.outputs]
        for name in [*reserved, *graph.weights]:
            op.names(name)
        placeholders = graph.module.graph.find_nodes(op="placeholder")
        arguments = []
        for node, spec in zip(placeholders, graph.inputs, strict=True):
            arguments.append(self._input(node, spec))
        op.graph.inputs.extend(arguments)
        results = self.write_nodes(graph.module, arguments)
        vals = output_vals(graph.module)
        used: set[Value] = set()
        for out, result, val in zip(graph.outputs, results, vals, strict=True):
            value = self.as_output(result, val, used)
            value.name = out.name
            op.graph.outputs.append(value)
        self.ends.write()

    def _input(self, node: fx.Node, spec: InputSpec) -> Value:
        val = node.meta.get("val")
        if isinstance(val, SequenceVal):
            return Value(self.op, name=spec.name, type=dtypes.type_of(val))
        dims: list[int | str] = []
        for k, dim in enumerate(spec.shape):
            dims.append(dim.name if isinstance(dim, DimRange) else dim)
            if isinstance(dim, DimRange) and isinstance(val, torch.Tensor):
                self._symbols.setdefault(str(val.shape[k]), dim.name)
                self._ranges.setdefault(raw_expression(val.shape[k]), (dim.min, dim.max))
        value = Value(
            self.op,
            is_number=spec.kind != "tensor",
            name=spec.name,
            type=ir.TensorType(dtypes.from_torch(spec.dtype)),
            shape=ir.Shape(dims),
        )
        if isinstance(val, torch.Tensor):
            value.limits = [self._limit(size) for size in val.shape]
        return value

    # Nodes

    def write_nodes(self, module: fx.GraphModule, arguments: Sequence[Operand]) -> list[Operand]:
        """Writes a graph's nodes into the builder's current graph; returns its outputs."""
        env: dict[fx.Node, object] = {}
        left = iter(arguments)
        for node in module.graph.nodes:
            if node.op == "placeholder":
                env[node] = next(left)
            elif node.op == "get_attr":
                env[node] = self._attribute(module, node)
            elif node.op == "call_function":
                env[node] = self._call(node, env)
            elif node.op == "output":
                outputs = node.args[0]
                outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
                results = [env[arg] if isinstance(arg, fx.Node) else arg for arg in outputs]
                if any(result is REFUSED for result in results):
                    raise DependsOnRefused
                return cast("list[Operand]", results)
            else:
                raise RuntimeError(f"a captured graph has no {node.op} nodes")
        raise RuntimeError("a captured graph has no output node")

    def _attribute(self, module: fx.GraphModule, node: fx.Node) -> object:
        """The value of a weight, or the graph of a body."""
        name = str(node.meta.get("weight", node.target))
        tensor = self._graph.weights.get(name)
        if tensor is None:
            return getattr(module, str(node.target))
        key = _identity(tensor)
        found = self._weights.get(key)
        if found is None:
            found = self.op.initializer(WeightTensor(tensor, name), name)
            self._weights[key] = found
        return found

    def _call(self, node: fx.Node, env: Mapping[fx.Node, object]) -> object:
        """Writes one node; what follows from a refusal, or is one, gives REFUSED."""
        if any(env[used] is REFUSED for used in node.all_input_nodes):
            return REFUSED
        args = cast("tuple[object, ...]", _with_values(node.args, env))
        kwargs = cast("dict[str, object]", _with_values(node.kwargs, env))
        if node.target is operator.getitem:
            return self._item(node, *args)
        if node.target is guard:
            self.ends.add(lambda: self._write_guard(node, *args))
            return None
        if node.target in self._control_flow and not node.users:
            # It is there for the guards in it.
            self.ends.add(lambda: self._write(node, args, kwargs))
            return None
        return self._write(node, args, kwargs)

    def _item(self, node: fx.Node, results: object, index: object) -> object:
        """One of a node's results; a lowering gives None for those that it does not compute."""
        found = cast("Sequence[object]", results)[cast("int", index)]
        if found is None and isinstance(node.meta.get("val"), torch.Tensor) and node.users:
            of = node.all_input_nodes[0]
            self.op.work_for(of)
            self._refusals.add(
                self.op.refuse(f"result {index} of {_named(of.target)} has no ONNX form"), of
            )
            return REFUSED
        return found

    def _write_guard(self, node: fx.Node, condition: object, message: object) -> None:
        self.op.work_for(node)
        write_guard(self.op, cast("Operand", condition), str(message))

    def _write(self, node: fx.Node, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        self.op.work_for(node)
        try:
            write = self._control_flow.get(node.target) if callable(node.target) else None
            if write is not None:
                return write(self, node, args, kwargs)
            result = self._lower(node, args, kwargs)
            return self._finish(result, self.op.val, node.name)
        except DependsOnRefused:
            return REFUSED
        except FxExportError as error:
            self._refusals.add(error, node)
            return REFUSED

    def _lower(self, node: fx.Node, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """Writes a node without bodies; gives its result or results.

        Raises:
            MissingLoweringError: it has no ONNX form.
        """
        target = node.target
        if isinstance(target, torch._ops.OpOverload):
            name = operator_name(target)
            given = user_lowering(name)
            if given is not None:
                return fitting(self.op, name, given(self.op, *args, **kwargs))
            function = own_lowering(name)
            if function is not None:
                return function(self.op, *args, **kwargs)
            return self._from_library(node, target, args, kwargs)
        assert callable(target)
        if isinstance(target, UserFunction):
            return fitting(self.op, target, target.lowering(self.op, *args, **kwargs))
        if target is sizes_fit:
            return lower_sizes_fit(self.op, *args)  # type: ignore[arg-type]
        if target in FOURIER_FUNCTIONS:
            return lower_fourier(self.op, target, args)
        if target in SCALAR_FUNCTIONS:
            return lower_scalar(self.op, target, args)
        if target in SEQUENCE_FUNCTIONS:
            return lower_sequence(self.op, target, args)
        if target in TEXT_FUNCTIONS:
            return lower_text(self.op, target, args)
        raise missing_lowering(node)

    def _from_library(
        self,
        node: fx.Node,
        target: torch._ops.OpOverload,
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> object:
        name = operator_name(target)
        if library_function(name) is None:
            raise missing_lowering(node)
        if torch.Tag.pointwise in target.tags:
            tensors = [a for a in args if isinstance(a, Value) and not a.is_number]
            if len({t.elem for t in tensors}) > 1:
                dtype = self.op.common(*tensors)
                args = [
                    self.op.cast(a, dtype) if isinstance(a, Value) and a in tensors else a
                    for a in args
                ]
        try:
            result = call_library(self.op, name, args, kwargs)
        except NotImplementedError as error:
            missing = missing_lowering(node)
            missing.message = f"{missing.message} for these arguments: {error}"
            raise missing from error
        return self._library_dtypes(result)

    def _library_dtypes(self, result: Operand) -> Operand:
        val = self.op.val
        if isinstance(result, (list, tuple)):
            vals = val if isinstance(val, (list, tuple)) else [val]
            return [
                self.op.cast(r, dtypes.from_torch(v.dtype)) if isinstance(v, torch.Tensor) else r
                for r, v in zip(result, vals, strict=False)
            ]
        return self.op.cast(result, self.op.dtype)

    # Results

    def _finish(self, result: object, val: NodeVal, name: str) -> object:
        """A result as the graph's metadata describes it."""
        if isinstance(val, (tuple, list)):
            if not isinstance(result, (tuple, list)):
                raise RuntimeError(f"{name} should give {len(val)} results")
            return [
                self._finish(r, v, f"{name}_{k}") if r is not None else None
                for k, (r, v) in enumerate(zip(result, val, strict=False))
            ]
        if isinstance(result, (tuple, list)) and len(result) == 1:
            result = result[0]
        if not isinstance(result, Value):
            return result
        is_number = not isinstance(val, (torch.Tensor, SequenceVal, UnrankedVal, TextVal))
        if val is not None:
            expected = dtypes.of_val(val)
            if result.dtype is None:
                result.type = dtypes.type_of(val)
            elif result.dtype != expected:
                raise RuntimeError(f"{name} was lowered to {result.dtype}, expected {expected}")
        if result.is_number != is_number:
            result = self.op.write("Identity", [result], {})[0]
        result.is_number = is_number
        if result.producer() is not None and (result.name or "").startswith(f"{self.op.prefix}_"):
            self.name(result, name)
        if val is not None and self._is_of_this_graph(result):
            self.describe(result, val)
        return result

    def name(self, value: Value, wanted: str) -> None:
        """Names the result of a node, as the graph does where no other value has that name."""
        value.name = self.op.names(wanted)
        producer = value.producer()
        if value.name != wanted and producer is not None:
            known = producer.metadata_props.get(VALUES, "").split()
            producer.metadata_props[VALUES] = " ".join((*known, f"{value.name}={wanted}"))

    def _is_of_this_graph(self, value: Value) -> bool:
        """Whether a value is made where nodes are written now.

        An operator that does nothing hands on what it is given. On a path where a size is known,
        that may be a value of the graph around, whose size is not known there.
        """
        producer = value.producer()
        graph = value.graph if producer is None else producer.graph
        return graph is None or graph is self.op.graph

    def describe(self, value: Value, val: Val) -> None:
        """Sets a value's type and shape from the graph's metadata."""
        if isinstance(val, (SequenceVal, UnrankedVal)):
            value.type = dtypes.type_of(val)
            return
        if isinstance(val, TextVal):
            value.type, value.shape = dtypes.type_of(val), ir.Shape([])
            return
        if not isinstance(val, torch.Tensor):
            value.type = ir.TensorType(dtypes.kind_dtype(val))
            value.shape = ir.Shape([])
            value.is_number = True
            value.most = self._limit(val)
            return
        value.type = ir.TensorType(dtypes.from_torch(val.dtype))
        value.limits = [self._limit(size) for size in val.shape]
        if value.is_graph_input() and value.graph is self.op.graph and value.shape is not None:
            return
        value.shape = ir.Shape([self._dim(size) for size in val.shape])

    def _dim(self, size: int | torch.SymInt) -> int | str | None:
        if is_concrete_int(size):
            return int(size)
        # ONNX Runtime reuses memory among values whose sizes have one name. In a body a name may
        # be wrong: that two sizes are one there is assumed by a sum of which one has size 1.
        return self._symbols.get(str(size)) if self.op.graph is self._root else None

    def _limit(self, size: object) -> int | None:
        """The largest that a size can be, from the ranges of the inputs' sizes."""
        if not isinstance(size, torch.SymInt) or is_concrete_int(size):
            return int(size) if isinstance(size, (int, torch.SymInt)) else None
        expression = raw_expression(size)
        if not expression.free_symbols <= self._ranges.keys():
            return None
        limit = bounds_within(expression, self._ranges)[1]
        return None if limit is None else int(limit)

    def as_output(self, result: Operand, val: Val, used: set[Value]) -> Value:
        """A result as an output of the current graph: made there, and used for one output."""
        op = self.op
        value = op.cast(result, dtypes.of_val(val))
        producer = value.producer()
        if producer is None or producer.graph is not op.graph or value in used:
            value = op.write("Identity", [value], {})[0]
            self.describe(value, val)
        used.add(value)
        return value


def _with_values(argument: object, env: Mapping[fx.Node, object]) -> object:
    """An argument of a node with what its nodes gave."""
    return fx.map_arg(argument, lambda node: env[node])  # type: ignore[type-var, arg-type, return-value]


def _named(target: object) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return operator_name(target)
    return getattr(target, "__name__", str(target))


def _identity(tensor: torch.Tensor) -> Hashable:
    """Equal for tensors that share all their memory, so that tied weights are written once."""
    pointer = tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0
    if not pointer:
        return id(tensor)
    return (
        pointer,
        tensor.storage_offset(),
        tuple(tensor.shape),
        tuple(tensor.stride()),
        tensor.dtype,
    )
