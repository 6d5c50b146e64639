"""Writes complex numbers as pairs of real ones: an ONNX file has no others.

Requires: a captured graph, before any other pass.
Does: takes every operator on complex tensors apart into operators on their real and imaginary
parts. Where a complex tensor goes in or out of the file, a branch or a loop, is an item of a list
or a weight, it is one real tensor with a last dimension of 2, as ``torch.view_as_real`` has it.
Ensures: no node is complex; the inputs and outputs that were are marked as such.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.complex_numbers import (
    apart,
    arithmetic,
    creation,
    fourier,
    functions,
    products,
    reductions,
)
from fxexport.passes.complex_numbers.pairs import Pair, PairWriter
from fxexport.passes.complex_numbers.table import Result, Rule
from fxexport.passes.rewriting.visiting import some_tensor
from torch import fx

from fxexport._torch_compat import empty_beside
from fxexport.errors import FxExportError, UnsupportedError
from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import int_of, node_of, values_of
from fxexport.graph.complex_values import as_real, in_the_file, real_dtype
from fxexport.graph.editing import results
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS, SequenceVal, sequence_join
from fxexport.graph.signature import InputSpec

__all__ = ["COMPLEX_OPERATORS", "run"]

aten = torch.ops.aten

_RULES: dict[Any, Rule] = {}
for _module in (arithmetic, functions, apart, creation, products, reductions, fourier):
    _RULES.update(_module.RULES)

COMPLEX_OPERATORS = frozenset({aten.complex.default, aten.polar.default})
"""Operators to record whole: PyTorch would take them apart into writes into parts of a tensor."""

# They hand on what they are given, or a part of it.
_HANDING_ON = frozenset({branch, loop, operator.getitem, *SEQUENCE_FUNCTIONS})


def run(graph: CapturedGraph) -> CapturedGraph:
    """Takes complex numbers apart in the graph, in place, and returns it.

    Raises:
        UnsupportedError: for an operator that is not supported on complex numbers; the others that
            are not are in its `others`.
    """
    modules = list(graph.graphs())
    if not any(_has_complex(node) for module in modules for node in module.graph.nodes):
        return graph
    some = some_tensor(modules)
    assert some is not None
    outputs = [_has_complex(arg) for arg in results(graph.module)]
    refused = [error for module in modules for error in _Rewriter(module, some).run()]
    if refused:
        first, *rest = refused
        first.others = tuple(rest)
        raise first
    graph.weights = {name: as_real(tensor) for name, tensor in graph.weights.items()}
    graph.inputs = [_real_input(spec) for spec in graph.inputs]
    graph.state = [
        dataclasses.replace(entry, spec=_real_input(entry.spec)) for entry in graph.state
    ]
    graph.outputs = [
        dataclasses.replace(spec, is_complex=True) if is_complex else spec
        for spec, is_complex in zip(graph.outputs, outputs, strict=True)
    ]
    return graph


def _has_complex(value: object) -> bool:
    """Whether a node yields complex numbers."""
    val = value.meta.get("val") if isinstance(value, fx.Node) else value
    vals = val if isinstance(val, (tuple, list)) else (val,)
    return any(
        isinstance(one, (torch.Tensor, SequenceVal)) and one.dtype.is_complex for one in vals
    )


def _real_input(spec: InputSpec) -> InputSpec:
    if not spec.dtype.is_complex:
        return spec
    if spec.kind == "sequence":
        dtype, items = in_the_file(spec.dtype, spec.items)
        return dataclasses.replace(spec, dtype=dtype, items=items, is_complex=True)
    dtype, shape = in_the_file(spec.dtype, spec.shape)
    return dataclasses.replace(spec, dtype=dtype, shape=shape, is_complex=True)


class _Rewriter:
    """Takes the complex numbers of one graph apart."""

    def __init__(self, module: fx.GraphModule, some: torch.Tensor) -> None:
        """`some` is the metadata of any tensor of the graph."""
        self._module = module
        self._some = some
        self._complex = {node for node in module.graph.nodes if _has_complex(node)}
        # what a node has become, where it does not stand as one real tensor
        self._pairs: dict[fx.Node, Pair] = {}
        self._several: dict[fx.Node, Sequence[Pair | fx.Node]] = {}
        self._hopeless: set[fx.Node] = set()

    def run(self) -> list[FxExportError]:
        """Takes them apart; returns what is refused."""
        refused: list[FxExportError] = []
        gone: list[fx.Node] = []
        for node in list(self._module.graph.nodes):
            if node not in self._complex and not self._complex & set(node.all_input_nodes):
                continue
            if self._hopeless & set(node.all_input_nodes):
                self._hopeless.add(node)
            elif node.op != "call_function" or self._hands_on(node):
                self._keep(node)
            else:
                try:
                    self._take_apart(node)
                    gone.append(node)
                except UnsupportedError as error:
                    refused.append(error)
                    self._hopeless.add(node)
        if not refused:
            for node in reversed(gone):
                self._module.graph.erase_node(node)
            self._module.recompile()
        return refused

    # Nodes that stay

    def _hands_on(self, node: fx.Node) -> bool:
        if node.target is operator.getitem:
            return node.args[0] not in self._several
        return node.target in _HANDING_ON

    def _keep(self, node: fx.Node) -> None:
        """A node whose complex operands and results stand as one real tensor each."""
        writer = PairWriter(node, self._some)

        def joined(used: fx.Node) -> fx.Node:
            if used not in self._pairs:
                return used
            return writer.joined(self._pairs[used], tuple(used.meta["val"].shape))

        node.args = fx.map_arg(node.args, joined)
        node.kwargs = fx.map_arg(node.kwargs, joined)
        if node.target is sequence_join:
            parts, dim, stacked = node.args
            node.args = (parts, int_of(dim) % len(node.meta["val"].shape), stacked)
        elif node.target is loop and len(node.args) > 5:
            *others, rows = node.args
            node.args = (*others, [_real_row(*row) for row in values_of(rows)])  # type: ignore[misc]
        elif node.target in SEQUENCE_FUNCTIONS:
            node.args = tuple(map(_real_if_dtype, node.args))
        if node.op == "get_attr":
            self._replace_weight(str(node.target))
        if node.op != "output":
            node.meta["val"] = self._real(node.meta["val"])

    def _replace_weight(self, name: str) -> None:
        """Gives the module a weight's real form, for running the graph eagerly."""
        weight = getattr(self._module, name)
        if weight.dtype.is_complex:
            delattr(self._module, name)
            self._module.register_buffer(name, as_real(weight))

    def _real(self, val: Any) -> Any:
        """The metadata of a value that stands as one real tensor."""
        if isinstance(val, (tuple, list)):
            return type(val)(self._real(one) for one in val)
        if not _has_complex(val):
            return val
        if isinstance(val, SequenceVal):
            return SequenceVal(*in_the_file(val.dtype, val.dims), val.length)
        dtype, shape = in_the_file(val.dtype, val.shape)
        return empty_beside(self._some, shape, dtype)

    # Nodes that become others

    def _take_apart(self, node: fx.Node) -> None:
        result = self._result(node)
        if isinstance(result, Pair):
            self._pairs[node] = result
        elif isinstance(result, fx.Node):
            node.replace_all_uses_with(result)
        else:
            self._several[node] = result

    def _result(self, node: fx.Node) -> Result:
        """What an operator on complex numbers is.

        Raises:
            UnsupportedError: it is not supported.
        """
        if node.target is operator.getitem:
            source, k = node.args
            return self._several[node_of(source)][int_of(k)]
        writer = PairWriter(node, self._some)
        rule = _RULES.get(node.target)
        if rule is None:
            raise writer.refuse(f"the operator {_name_of(node.target)}")

        def pair(used: fx.Node) -> Any:
            if used not in self._complex:
                return used
            if used not in self._pairs:
                self._pairs[used] = writer.parted(used)
            return self._pairs[used]

        args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), pair)
        return rule(writer, *args, **kwargs)  # type: ignore[misc]


def _name_of(target: object) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return target.name().removesuffix(".default")
    return getattr(target, "__name__", str(target))


def _real_row(shape: Any, dtype: torch.dtype) -> tuple[Any, torch.dtype]:
    dtype, shape = in_the_file(dtype, shape)
    return shape, dtype


def _real_if_dtype(argument: Any) -> Any:
    return real_dtype(argument) if isinstance(argument, torch.dtype) else argument
