"""From a captured graph to an ONNX model."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.ops import branch, loop
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import PLAIN, Dialect
from fxexport.lowering.cleanup import clean_up
from fxexport.lowering.control_flow import write_branch, write_loop
from fxexport.lowering.graph_lowering import ControlFlow, GraphLowering

__all__ = ["lower"]


def lower(
    graph: CapturedGraph, *, opset: int, dialect: Dialect = PLAIN, producer_version: str = ""
) -> ir.Model:
    """Writes a captured graph as an ONNX model.

    Args:
        graph: the graph; it is not changed.
        opset: version of the ONNX operator set, 18 or later.
        dialect: the forms in which the target takes ONNX operators.
        producer_version: version to name as the model's producer.

    Returns:
        The model. Its weights point at the graph's tensors; they are read when it is written.

    Raises:
        MissingLoweringError: an operator has no ONNX form; `others` names all further ones.
        UnsupportedError: an operator's arguments have none.
    """
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if not 18 <= opset <= newest:
        raise UnsupportedError(
            f"expected an ONNX opset from 18 to {newest}, got {opset}",
            code=Code.USAGE,
            hint="leave the opset out to get the one that the target takes best",
        )
    root = ir.Graph([], [], nodes=[], opset_imports={"": opset}, name="main")
    control_flow: dict[Callable[..., object], ControlFlow] = {
        branch: write_branch,
        loop: write_loop,
    }
    GraphLowering(graph, OpBuilder(root, opset, dialect), control_flow).write()
    model = ir.Model(
        root,
        ir_version=onnx.helper.find_min_ir_version_for(
            [onnx.helper.make_opsetid("", opset)], ignore_unknown=True
        ),
        producer_name="fxexport",
        producer_version=producer_version,
    )
    clean_up(model)
    for domain in {node.domain for node in root.all_nodes()} - {""}:
        root.opset_imports.setdefault(domain, 1)  # of users' own lowerings
    if dialect.finish is not None:
        dialect.finish(model)
    return model
