"""onnxscript's graph builder, fitted to values that already have names, types and lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx_ir as ir
import onnxscript

from fxexport.lowering.builder.values import Attribute, NodeWriter, Value

__all__ = ["GraphBuilder"]


class GraphBuilder(onnxscript.GraphBuilder):  # type: ignore[misc]
    """An `onnxscript.GraphBuilder` that leaves to its caller what the caller knows better.

    Four of the hooks that `onnxscript.BuilderBase` offers are set, each for a measured reason:

    * value names are kept: onnxscript counts the nodes of one graph, so a branch repeats the
      names outside of it, and ONNX Runtime refuses the file ("the graph is not acyclic");
    * nothing is inferred or folded: types and shapes come from the captured graph and constants
      were folded before, while the hooks' own work took 150 of 210 microseconds a node;
    * no module scopes in the metadata: the user's source line stands there.
    """

    def __init__(
        self, graph: ir.Graph, values: NodeWriter, *, parent: GraphBuilder | None = None
    ) -> None:
        super().__init__(graph, parent=parent)
        self._values = values

    def node(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Attribute],
        outputs: Sequence[Value],
        *,
        domain: str,
        name: str,
    ) -> ir.Node:
        """Appends a node that yields the given values."""
        # Without a version onnxscript does not look for a schema, which tells it to cast inputs:
        # they have their dtypes already.
        self.call_op(op_type, inputs, dict(attributes), domain=domain, outputs=outputs, name=name)
        made: ir.Node = self.graph[-1]
        return made

    def initializer(
        self, tensor: ir.TensorProtocol, name: str | None = None, *, qualify: bool = False
    ) -> Value:
        """Registers a tensor in the root graph, as a value that takes Python's operators."""
        value = Value(
            self._values,
            name=name or tensor.name,
            type=ir.TensorType(tensor.dtype),
            shape=ir.Shape([int(size) for size in tensor.shape]),  # type: ignore[arg-type]
            const_value=tensor,
        )
        self.root.graph.register_initializer(value)
        return value

    def body(
        self,
        write: Callable[[GraphBuilder], Sequence[Value]],
        inputs: Sequence[Value],
        outputs: Sequence[ir.TypeProtocol],
        *,
        name: str,
    ) -> ir.Graph:
        """Builds a body of If, Loop or Scan.

        Args:
            write: writes the body with the builder it gets; returns its results.
            inputs: the body's inputs.
            outputs: types of the results.
            name: the body's name.
        """

        def trace(op: onnxscript.OpBuilder, *_: Value) -> Sequence[Value]:
            return write(GraphBuilder(op.builder.graph, self._values, parent=self))

        declared = [ir.Value(type=kind) for kind in outputs]
        return self.subgraph(trace, inputs, declared, name=name)

    # onnxscript's hooks

    def _qualify_value_name(self, name: str) -> str:
        return name

    def _annotate_node(self, node: ir.Node) -> None:
        pass

    def _constant_propagation(self, node: ir.Node) -> None:
        pass

    def _infer_shapes(self, node: ir.Node) -> None:
        pass
