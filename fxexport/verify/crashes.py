"""Files that ONNX Runtime dies of: what is said of them, and the operator that it dies in.

What is said of those that do not come to their end is here as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph, source_of
from fxexport.graph.values import Eager
from fxexport.targets.onnxruntime.session import (
    OrtSession,
    RuntimeCrash,
    RuntimeFailure,
    RuntimeOverdue,
)
from fxexport.verify.cases import Case
from fxexport.verify.diagnosis import Diagnosis

if TYPE_CHECKING:
    import onnx

__all__ = ["crash_text", "overdue_text", "where_it_crashes"]


def crash_text(crash: RuntimeCrash, case: Case, graph: CapturedGraph) -> str:
    """``ONNX Runtime crashed (SIGFPE) on sizes batch=0``."""
    return crash.message + _on_sizes(case, graph)


def _on_sizes(case: Case, graph: CapturedGraph) -> str:
    """`` on sizes batch=0``; empty where there are none."""
    sizes = [f"{name}={size}" for name, size in case.sizes.items()] or [
        f"{spec.name} {list(value.shape)}"
        for spec, value in zip(graph.inputs, case.inputs, strict=False)
        if isinstance(value, torch.Tensor)
    ]
    return f" on sizes {', '.join(sizes)}" if sizes else ""


def overdue_text(overdue: RuntimeOverdue, took: float, case: Case, graph: CapturedGraph) -> str:
    """What is said of a file that did not end in time.

    Args:
        overdue: the error.
        took: the seconds that PyTorch took.
        case: the inputs.
        graph: the captured graph.
    """
    return f"{overdue.message}{_on_sizes(case, graph)}; PyTorch took {took:.2g} s"


def where_it_crashes(
    graph: CapturedGraph,
    model_path: str | os.PathLike[str],
    inputs: Sequence[Eager],
    seconds: float | None = None,
) -> Diagnosis | None:
    """The first operator of the file that ONNX Runtime dies in; None if it dies in none alone.

    Args:
        graph: the captured graph; each of its values has the same name in the file.
        model_path: the file.
        inputs: inputs on which it dies.
        seconds: how long a run may take.
    """
    named = {spec.name: value for spec, value in zip(graph.inputs, inputs, strict=False)}
    parts = _Beginnings(model_path, named, seconds)
    alive, dies = 0, parts.count
    if not parts.die(dies):
        return None
    while dies - alive > 1:
        middle = (alive + dies) // 2
        alive, dies = (alive, middle) if parts.die(middle) else (middle, dies)
    node = parts.node_of(dies - 1, {node.name: node for node in graph.module.graph.nodes})
    name = parts.operator(dies - 1)
    if node is None:
        return Diagnosis(f"it dies in an operator {name}")
    of = f", of {node.target}" if hasattr(node.target, "overloadpacket") else ""
    return Diagnosis(f"it dies in an operator {name}{of}", source_of(node))


class _Beginnings:
    """A file cut off behind one of its nodes."""

    def __init__(
        self, model_path: str | os.PathLike[str], named: Mapping[str, Any], seconds: float | None
    ) -> None:
        import onnx

        self._folder = os.path.dirname(os.path.realpath(model_path))
        self._named = named
        self._seconds = seconds
        self._proto = onnx.load(os.fspath(model_path), "protobuf", load_external_data=False)
        self._nodes = list(self._proto.graph.node)
        self.count = len(self._nodes)

    def operator(self, index: int) -> str:
        """The ONNX operator of a node."""
        return str(self._nodes[index].op_type)

    def node_of(self, index: int, known: Mapping[str, fx.Node]) -> fx.Node | None:
        """The operator that a node was written for: the next value that the graph knows."""
        names = (name for node in self._nodes[index:] for name in node.output)
        return next((known[name] for name in names if name in known), None)

    def die(self, count: int) -> bool:
        """Whether ONNX Runtime dies in the first nodes."""
        nodes = self._nodes[:count]
        used = {name for node in nodes for name in _reads(node)}
        del self._proto.graph.node[:], self._proto.graph.output[:]
        self._proto.graph.node.extend(nodes)
        self._proto.graph.output.extend(
            _typeless(name) for node in nodes for name in node.output if name and name not in used
        )
        try:
            session = OrtSession(self._proto.SerializeToString(), data_folder=self._folder)
            session.run(self._named, self._seconds)
        except RuntimeCrash:
            return True
        except RuntimeFailure:  # it fails, and lives
            return False
        return False


def _typeless(name: str) -> onnx.ValueInfoProto:
    import onnx

    return onnx.ValueInfoProto(name=name)


def _reads(node: onnx.NodeProto) -> set[str]:
    """The values that a node reads, in its bodies too."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names |= _reads(inner)
        names |= {output.name for output in attribute.g.output}
    return names
