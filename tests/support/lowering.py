"""Captured graphs of single operators, and running them three ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from torch import fx
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.utils import _pytree as pytree

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.signature import DimRange, InputSpec, OutputSpec
from fxexport.lowering import lower
from fxexport.source.location import SourceLocation

DYNAMIC = {7: 11, 8: 12, 9: 5}
"""Dimensions of these sizes are dynamic; the value is the other size that is tried."""

HERE = SourceLocation(__file__, 1, "build")


@dataclass(frozen=True)
class T:
    """A tensor argument: its shape at the sizes traced, and how to fill it."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    low: float | None = None
    high: float | None = None
    special: bool = False

    def make(self, seed: int, sizes: Mapping[int, int]) -> torch.Tensor:
        shape = [sizes.get(size, size) for size in self.shape]
        generator = torch.Generator().manual_seed(seed + 1)
        if self.dtype == torch.bool:
            return torch.rand(shape, generator=generator) > 0.5
        if not self.dtype.is_floating_point:
            low = int(-5 if self.low is None else self.low)
            low = max(low, 0) if self.dtype == torch.uint8 else low
            high = int(6 if self.high is None else sizes.get(int(self.high), self.high))
            return torch.randint(low, high, shape, generator=generator).to(self.dtype)
        values = torch.randn(shape, generator=generator, dtype=torch.float64) * 2
        if self.low is not None:
            high = self.low + 2 if self.high is None else self.high
            values = torch.rand(shape, generator=generator, dtype=torch.float64)
            values = values * (high - self.low) + self.low
        if self.special and values.numel() > 4:
            flat = values.reshape(-1)
            flat[0], flat[1], flat[2], flat[3] = float("inf"), -float("inf"), float("nan"), 0.0
        return values.to(self.dtype)


def t(*shape: int, dtype: torch.dtype = torch.float32, **options: Any) -> T:
    """A tensor argument."""
    return T(shape, dtype, **options)


def i64(*shape: int, **options: Any) -> T:
    """An int64 tensor argument."""
    return T(shape, torch.int64, **options)


def b(*shape: int) -> T:
    """A bool tensor argument."""
    return T(shape, torch.bool)


@dataclass(frozen=True)
class Number:
    """A number computed by the model: the size that stands at `value`, through a function."""

    size: int
    through: Callable[..., Any] | None = None
    other: Any = None


@dataclass
class Case:
    """A captured operator with inputs at the traced sizes and at others."""

    graph: CapturedGraph
    inputs: list[tuple[torch.Tensor, ...]]


def single(
    op: Any,
    *args: Any,
    extra: Sequence[T] = (),
    keep: int | None = None,
    others: Mapping[int, int] = DYNAMIC,
    **kwargs: Any,
) -> Case:
    """A graph with one call of an operator.

    `extra` inputs are there for their sizes only; `keep` is the only result to be used; `others`
    are the sizes to try beside those traced.
    """
    leaves, tree = pytree.tree_flatten((args, kwargs))
    specs = [leaf for leaf in leaves if isinstance(leaf, T)] + list(extra)
    inputs = [tuple(spec.make(k, sizes) for k, spec in enumerate(specs)) for sizes in ({}, others)]
    graph = fx.Graph()
    nodes, _ = placeholders(graph, specs, inputs[0])
    used = iter(nodes)
    new_leaves: list[Any] = []
    for leaf in leaves:
        if isinstance(leaf, T):
            new_leaves.append(next(used))
        elif isinstance(leaf, Number):
            new_leaves.append(number(graph, leaf, specs, nodes))
        else:
            new_leaves.append(leaf)
    node_args, node_kwargs = pytree.tree_unflatten(new_leaves, tree)
    result = call(graph, op, *node_args, **node_kwargs)
    if keep is not None:
        result = getitem(graph, result, keep)
    return Case(finish(graph, specs, nodes, result), inputs)


def placeholders(
    graph: fx.Graph, specs: Sequence[T], tensors: Sequence[torch.Tensor]
) -> tuple[list[fx.Node], list[torch.Tensor]]:
    """Placeholders with symbolic fake tensors."""
    mode = FakeTensorMode(shape_env=ShapeEnv())
    nodes, fakes = [], []
    for k, (spec, tensor) in enumerate(zip(specs, tensors, strict=True)):
        context = StatelessSymbolicContext(
            dynamic_sizes=[
                DimDynamic.DYNAMIC if size in DYNAMIC else DimDynamic.STATIC for size in spec.shape
            ]
        )
        fake = mode.from_tensor(tensor, symbolic_context=context)
        node = graph.placeholder(f"x{k}")
        node.meta["val"] = fake
        nodes.append(node)
        fakes.append(fake)
    return nodes, fakes


def number(
    graph: fx.Graph, wanted: Number, specs: Sequence[T], nodes: Sequence[fx.Node]
) -> fx.Node:
    """A node for the size of a dynamic dimension, or a function of it."""
    for spec, node in zip(specs, nodes, strict=True):
        if wanted.size in spec.shape:
            dim = spec.shape.index(wanted.size)
            size = call(graph, torch.ops.aten.sym_size.int, node, dim)
            if wanted.through is None:
                return size
            rest = () if wanted.other is None else (wanted.other,)
            return call(graph, wanted.through, size, *rest)
    raise AssertionError("no tensor has that size")


def call(graph: fx.Graph, op: Any, *args: Any, **kwargs: Any) -> fx.Node:
    """A node whose metadata comes from running it on fake values."""
    node = graph.call_function(op, args, kwargs)
    fake_args, fake_kwargs = fx.map_arg((args, kwargs), lambda n: n.meta["val"])
    modes = [
        v.fake_mode for v in pytree.tree_leaves((fake_args, fake_kwargs)) if hasattr(v, "fake_mode")
    ]
    mode = (
        modes[0]
        if modes
        else next(
            (
                n.meta["val"].fake_mode
                for n in graph.nodes
                if n.op == "placeholder" and hasattr(n.meta["val"], "fake_mode")
            ),
            None,
        )
    )
    if mode is not None:
        with mode, enable_python_dispatcher():
            node.meta["val"] = op(*fake_args, **fake_kwargs)
    else:
        node.meta["val"] = op(*fake_args, **fake_kwargs)
    node.meta["source"] = (HERE,)
    return node


def getitem(graph: fx.Graph, node: fx.Node, index: int) -> fx.Node:
    """One of a node's results."""
    import operator

    item = graph.call_function(operator.getitem, (node, index))
    item.meta["val"] = node.meta["val"][index]
    return item


def finish(
    graph: fx.Graph,
    specs: Sequence[T],
    nodes: Sequence[fx.Node],
    results: Any,
    weights: dict[str, torch.Tensor] | None = None,
    root: Any = None,
) -> CapturedGraph:
    """Closes a graph over its results."""
    outputs: list[Any] = []
    for result in results if isinstance(results, (list, tuple)) else [results]:
        val = result.meta["val"] if isinstance(result, fx.Node) else result
        if isinstance(val, (tuple, list)):
            outputs.extend(getitem(graph, result, k) for k, v in enumerate(val) if v is not None)
        else:
            outputs.append(result)
    graph.output(tuple(outputs))
    kinds = {bool: "bool", torch.SymBool: "bool", int: "int", torch.SymInt: "int"}
    kinds |= {float: "float", torch.SymFloat: "float"}
    output_specs = []
    for k, output in enumerate(outputs):
        val = output.meta["val"] if isinstance(output, fx.Node) else output
        output_specs.append(OutputSpec(f"out{k}", kinds.get(type(val), "tensor")))  # type: ignore[arg-type]
    input_specs = [
        InputSpec(
            node.name,
            "tensor",
            spec.dtype,
            tuple(DimRange(f"d{size}") if size in DYNAMIC else size for size in spec.shape),
        )
        for node, spec in zip(nodes, specs, strict=True)
    ]
    holder = root if root is not None else torch.nn.Module()
    module = fx.GraphModule(holder, graph)
    return CapturedGraph(module, input_specs, output_specs, dict(weights or {}))


def to_model(graph: CapturedGraph, opset: int = 20) -> onnx.ModelProto:
    """The lowered graph as a proto."""
    return ir.to_proto(lower(graph, opset=opset))


def run_model(model: onnx.ModelProto, inputs: Sequence[torch.Tensor]) -> list[np.ndarray[Any, Any]]:
    """The outputs in ONNX Runtime, with its own graph optimisations off."""
    (outputs,) = run_times(model, inputs, 1)
    return outputs


def run_times(
    model: onnx.ModelProto, inputs: Sequence[torch.Tensor], times: int
) -> list[list[np.ndarray[Any, Any]]]:
    """The outputs of several runs of one session."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in model.graph.input]
    feeds = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
    return [list(session.run(None, feeds)) for _ in range(times)]


def check(case: Case, opset: int = 20, *, tolerance: float = 1e-5) -> None:
    """Compares eager PyTorch's graph with ONNX Runtime at both sets of sizes."""
    model = to_model(case.graph, opset)
    onnx.checker.check_model(model)
    for inputs in case.inputs:
        expected = case.graph.run(*inputs)
        actual = run_model(model, inputs)
        assert len(actual) == len(expected)
        for want, got in zip(expected, actual, strict=True):
            compare(want, got, tolerance)


def compare(want: Any, got: np.ndarray[Any, Any], tolerance: float = 1e-5) -> None:
    """Shape and dtype exactly, integers exactly, floats closely."""
    if isinstance(want, torch.Tensor):
        reference = want.detach().numpy()
    else:
        kind = np.bool_ if isinstance(want, bool) else np.int64 if isinstance(want, int) else None
        reference = np.asarray(want, dtype=kind or np.float64)
    assert got.shape == reference.shape, f"shape {got.shape}, expected {reference.shape}"
    assert got.dtype == reference.dtype, f"dtype {got.dtype}, expected {reference.dtype}"
    if reference.dtype.kind == "f":
        loose = 1e-2 if reference.dtype == np.float16 else tolerance
        np.testing.assert_allclose(got, reference, rtol=loose, atol=loose)
    else:
        np.testing.assert_array_equal(got, reference)
