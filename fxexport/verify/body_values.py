"""The values inside of the bodies of a file's Ifs and Loops, and of the same bodies in the graph.

A copy of the file hands them out: each becomes a list, which goes along with the bodies that lead
there and gets one more item wherever the body runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import fx
from torch.fx.node import Target

from fxexport.file_keys import NODE, VALUES
from fxexport.graph.ops import branch, loop
from fxexport.graph.paths import Path
from fxexport.graph.values import Eager
from fxexport.targets.onnxruntime.session import OrtSession
from fxexport.verify.forced.file import bodies_in_file, insert_before

if TYPE_CHECKING:
    import onnx

__all__ = ["FileValues", "Runs", "Value", "runs_of", "scalar"]

# Values looked at in one run of the file: each takes memory.
_CHUNK = 128
# Runs of one body that are kept.
_RUNS = 200

Value = torch.Tensor | list[torch.Tensor]
Runs = list[dict[fx.Node, Value]]
"""What the nodes of a graph gave, each time it ran; lists in the root alone."""


class _Way(NamedTuple):
    """An If or Loop on the way to a body: the graph that it is in, and the body's name."""

    graph: onnx.GraphProto
    node: onnx.NodeProto
    part: str


class FileValues:
    """The values that a file computes on one set of inputs.

    Args:
        model: the file, without the weights beside it.
        folder: where these are.
        inputs: what it is given.
        seconds: how long a run may take.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        folder: str,
        inputs: Mapping[str, Eager],
        seconds: float | None = None,
    ) -> None:
        self._model = model
        self._folder = folder
        self._inputs = inputs
        self._seconds = seconds

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        inputs: Mapping[str, Eager],
        seconds: float | None = None,
    ) -> FileValues:
        """Those of a file on the disk."""
        import onnx

        model = onnx.load(os.fspath(path), "protobuf", load_external_data=False)
        return cls(model, os.path.dirname(os.path.realpath(path)), inputs, seconds)

    def capped(self, trips: Mapping[Path, int]) -> FileValues:
        """Those of a copy whose loops make at most so many iterations at a time."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for k, (path, most) in enumerate(trips.items()):
            outer, _ = _way_to(model.graph, path[:-1])
            node = None if outer is None else _node_at(outer, path)
            if outer is not None and node is not None and node.op_type == "Loop":
                _cap(outer, node, most, f"fxexport.capped.{k}")
        return FileValues(model, self._folder, self._inputs, self._seconds)

    def iterations(self, path: Path) -> set[int]:
        """The numbers of the iterations that a loop begins; none where the file does not have it.

        Raises:
            RuntimeFailure: ONNX Runtime fails on the copy.
        """
        inside = (*path, "body")
        graph, _ = _way_to(self._model.graph, inside)
        if graph is None:
            return set()
        given = [(graph.input[0].name, torch.int64)]
        session = OrtSession(self._handing_out(inside, given), data_folder=self._folder)
        (numbers,) = session.run(self._inputs, self._seconds)
        return {int(number) for number in numbers}

    def at(
        self, path: Path, wanted: Mapping[fx.Node, str], dtypes: Mapping[fx.Node, torch.dtype]
    ) -> Iterator[tuple[list[fx.Node], list[list[Value]]]]:
        """The values of nodes of one body, or of the root, some at a time.

        Args:
            path: the body.
            wanted: nodes, in their order, and the names that they have in the graph.
            dtypes: those of the tensors that they give.

        Yields:
            Nodes, and for each its value each time the body ran.

        Raises:
            RuntimeFailure: ONNX Runtime fails on the copy.
        """
        graph, _ = _way_to(self._model.graph, path)
        names = {} if graph is None else _names_in(graph)
        known = [node for node, name in wanted.items() if name in names]
        for start in range(0, len(known), _CHUNK):
            chunk = known[start : start + _CHUNK]
            values = [(names[wanted[node]], dtypes.get(node)) for node in chunk]
            session = OrtSession(self._handing_out(path, values), data_folder=self._folder)
            got = session.run(self._inputs, self._seconds)
            yield chunk, got if path else [[value] for value in got]

    def _handing_out(self, path: Path, values: Sequence[tuple[str, torch.dtype | None]]) -> bytes:
        """A copy whose outputs are values of a body."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        outputs = {output.name: output for output in model.graph.output}
        graph, way = _way_to(model.graph, path)
        assert graph is not None
        handed = []
        for k, (name, dtype) in enumerate(values):
            if not way or dtype is None:
                handed.append(outputs.get(name, onnx.ValueInfoProto(name=name)))
                continue
            handed.append(_hand_out(model.graph, graph, way, name, _elem_type(dtype), k))
        del model.graph.output[:]
        model.graph.output.extend(handed)
        result: bytes = model.SerializeToString()
        return result


def _hand_out(
    root: onnx.GraphProto,
    graph: onnx.GraphProto,
    way: Sequence[_Way],
    value: str,
    elem_type: int,
    k: int,
) -> onnx.ValueInfoProto:
    """Makes a list of all values that one name has, and gives what the root calls it."""
    from onnx import helper

    def info(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_sequence_value_info(name, elem_type, None)

    base = f"fxexport.inner.{k}"
    given = f"{base}.none"
    root.node.insert(0, helper.make_node("SequenceEmpty", [], [given], dtype=elem_type))
    # Into the bodies: a Loop carries the list, an If sees it from outside.
    seen = [given]
    for depth, step in enumerate(way):
        if step.node.op_type == "Loop":
            body = bodies_in_file(step.node)[step.part]
            step.node.input.append(seen[-1])
            seen.append(f"{base}.carried.{depth}")
            body.input.append(info(seen[-1]))
        else:
            seen.append(seen[-1])
    made = f"{base}.more"
    graph.node.append(helper.make_node("SequenceInsert", [seen[-1], value], [made]))
    # And out of them.
    for depth in reversed(range(len(way))):
        node, part = way[depth].node, way[depth].part
        after = f"{base}.after.{depth}"
        if node.op_type == "Loop":
            carried = len(node.input) - 3
            bodies_in_file(node)[part].output.insert(1 + carried, info(made))
            node.output.insert(carried, after)
        else:
            for name, body in bodies_in_file(node).items():
                handed = made
                if name != part:
                    handed = f"{base}.same.{depth}"
                    body.node.append(helper.make_node("Identity", [seen[depth]], [handed]))
                body.output.append(info(handed))
            node.output.append(after)
        made = after
    return info(made)


def _way_to(root: onnx.GraphProto, path: Path) -> tuple[onnx.GraphProto | None, list[_Way]]:
    """A body, and the Ifs and Loops on the way to it; None where the file does not have it."""
    graph, way = root, []
    for end in range(2, len(path) + 1, 2):
        node, part = _node_at(graph, path[: end - 1]), path[end - 1]
        body = None if node is None else bodies_in_file(node).get(part)
        if node is None or body is None:
            return None, []
        way.append(_Way(graph, node, part))
        graph = body
    return graph, way


def _node_at(graph: onnx.GraphProto, path: Path) -> onnx.NodeProto | None:
    """The If or Loop that a graph of a file has for one of the captured graph."""
    return next((node for node in graph.node if _prop(node, NODE) == "/".join(path)), None)


def _cap(graph: onnx.GraphProto, node: onnx.NodeProto, most: int, name: str) -> None:
    """Lets a Loop make at most so many iterations."""
    import onnx

    value = onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [], [most])
    made = [onnx.helper.make_node("Constant", [], [name], value=value)]
    if node.input[0]:
        made.append(onnx.helper.make_node("Min", [node.input[0], name], [f"{name}.least"]))
    node.input[0] = made[-1].output[0]
    insert_before(graph, node, made)


def _names_in(graph: onnx.GraphProto) -> dict[str, str]:
    """The values of one graph of a file, by the names that they have in the captured graph."""
    names: dict[str, str] = {}
    for node in graph.node:
        renamed = dict(pair.split("=") for pair in _prop(node, VALUES).split())
        names.update((renamed.get(name, name), name) for name in node.output if name)
    return names


def _prop(node: onnx.NodeProto, key: str) -> str:
    return next((prop.value for prop in node.metadata_props if prop.key == key), "")


def _elem_type(dtype: torch.dtype) -> int:
    from fxexport.lowering.builder import dtypes

    return int(dtypes.from_torch(dtype))


def runs_of(module: fx.GraphModule, path: Path, inputs: Sequence[Eager]) -> tuple[Runs, Any]:
    """Runs a graph, and keeps what the nodes of a body give each time it runs.

    Args:
        module: the root.
        path: the body; empty for the root itself.
        inputs: what the root is given.

    Returns:
        What they gave in the first runs of the body, and what the root gives.
    """
    runs: Runs = []
    outputs = _Recorder(module, (), path, runs).run(*inputs)
    return runs, outputs


class _Recorder(fx.Interpreter):
    """Runs a graph and the bodies on the way to one."""

    def __init__(self, module: fx.GraphModule, path: Path, wanted: Path, runs: Runs) -> None:
        super().__init__(module, garbage_collect_values=path != wanted)
        self._path = path
        self._wanted = wanted
        self._runs = runs
        self._own: dict[fx.Node, Value] | None = None
        if path == wanted and len(runs) < _RUNS:
            self._own = {}
            runs.append(self._own)
        self._node = ""

    def run_node(self, n: fx.Node) -> object:
        self._node = n.name
        result = super().run_node(n)
        if self._own is not None and n.op == "call_function":
            if isinstance(result, torch.Tensor):
                self._own[n] = result.detach().cpu()
            elif isinstance(result, (bool, int, float)):
                self._own[n] = scalar(result)
            elif isinstance(result, list) and not self._path:
                self._own[n] = [item.detach().cpu() for item in result]
        return result

    def call_function(
        self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> object:
        here = (*self._path, self._node)
        leads = self._wanted[: len(here)] == here
        if leads and target is branch:
            condition, then_body, else_body, operands = args
            bodies = (self._inside(then_body, "then"), self._inside(else_body, "else"))
            return branch(condition, *bodies, operands)
        if leads and target is loop:
            trip_count, condition, body, *rest = args
            return loop(trip_count, condition, self._inside(body, "body"), *rest, **kwargs)
        return super().call_function(target, args, kwargs)

    def _inside(self, body: fx.GraphModule, part: str) -> Callable[..., tuple[Eager, ...]]:
        path = (*self._path, self._node, part)

        def call(*args: Eager) -> tuple[Eager, ...]:
            result: tuple[Eager, ...] = _Recorder(body, path, self._wanted, self._runs).run(*args)
            return result

        return call


def scalar(value: float | bool, kind: str = "") -> torch.Tensor:
    """A Python number as a file gives it."""
    dtypes = {"bool": torch.bool, "int": torch.int64, "float": torch.float64}
    return torch.tensor(value, dtype=dtypes[kind if kind in dtypes else type(value).__name__])
