"""What is done to a model once it is written."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.guards import is_guard

__all__ = ["clean_up"]


def clean_up(model: ir.Model) -> None:
    """Drops what nothing uses and what only passes values on, in every body, in place.

    Nothing is computed here and nothing moves from one graph to another, so a branch stays what
    it is; constants were folded where they were written.
    """
    _drop_identities(model.graph)
    _cast_before_transposing(model.graph)
    _drop_unused(model.graph)
    _drop_unused_initializers(model)


def _drop_identities(root: ir.Graph) -> None:
    for graph in _graphs(root):
        for node in list(graph):
            if node.op_type != "Identity" or node.domain:
                continue
            source, result = node.inputs[0], node.outputs[0]
            if source is None or result.is_graph_output():
                continue
            result.replace_all_uses_with(source)
            graph.remove(node, safe=True)


def _cast_before_transposing(root: ir.Graph) -> None:
    """Swaps Transpose and Cast before a MatMul.

    ONNX Runtime 1.32 ends the process where it loads ``MatMul(Cast(Transpose(x, [1, 0, 2])), w)``,
    of any dtype: its fusion looks through the Cast.
    """
    for graph in _graphs(root):
        done: dict[ir.Value, ir.Value] = {}
        for node in list(graph):
            if node.op_type != "MatMul" or node.domain:
                continue
            for k, value in enumerate(node.inputs):
                if value is None:
                    continue
                swapped = None if value in done else _swapped(graph, value)
                if swapped is not None:
                    graph.insert_before(node, swapped)
                    done[value] = swapped[-1].outputs[0]
                if value in done:
                    node.replace_input_with(k, done[value])


def _swapped(graph: ir.Graph, value: ir.Value) -> list[ir.Node] | None:
    """The Cast and the Transpose in the other order, for the Cast's result."""
    cast = value.producer()
    source = cast.inputs[0] if cast is not None and cast.op_type == "Cast" else None
    transpose = None if source is None else source.producer()
    if cast is None or transpose is None or transpose.op_type != "Transpose":
        return None
    given = transpose.inputs[0]
    if given is None or cast.graph is not graph or transpose.graph is not graph:
        return None
    early = ir.Value(name=f"{value.name}_early", type=value.type, shape=given.shape)
    late = ir.Value(name=f"{value.name}_transposed", type=value.type, shape=value.shape)
    nodes = [
        ir.Node("", "Cast", [given], cast.attributes.values(), outputs=[early]),
        ir.Node("", "Transpose", [early], transpose.attributes.values(), outputs=[late]),
    ]
    for new, old in zip(nodes, (cast, transpose), strict=True):
        new.name = f"{old.name}_swapped"
        new.metadata_props.update(old.metadata_props)
    return nodes


def _drop_unused(root: ir.Graph) -> None:
    # Bodies after the nodes behind them: a node that goes takes its bodies' uses with it.
    for node in reversed(list(root)):
        used = any(output.uses() or output.is_graph_output() for output in node.outputs)
        if not used and not _has_guard(node):
            _release(node)
            root.remove(node, safe=True)
            continue
        for body in _bodies(node):
            _drop_unused(body)


def _has_guard(node: ir.Node) -> bool:
    """Whether a node is a guard, or has one in its bodies."""
    return is_guard(node) or any(map(_has_guard, (n for body in _bodies(node) for n in body)))


def _release(node: ir.Node) -> None:
    for body in _bodies(node):
        body.outputs.clear()
        for inner in reversed(list(body)):
            _release(inner)
            body.remove(inner, safe=True)


def _drop_unused_initializers(model: ir.Model) -> None:
    initializers = model.graph.initializers
    for name, value in list(initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del initializers[name]


def _bodies(node: ir.Node) -> list[ir.Graph]:
    return [
        attribute.as_graph()
        for attribute in node.attributes.values()
        if attribute.type == ir.AttributeType.GRAPH
    ]


def _graphs(root: ir.Graph) -> list[ir.Graph]:
    found = [root]
    for node in root:
        for body in _bodies(node):
            found.extend(_graphs(body))
    return found
