"""Reads the outline of an ONNX file. Weights are not looked at."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fxexport.errors import UsageError
from fxexport.file_keys import CONTRACT, GUARD, MODULE, NODE
from fxexport.files.profiles import load_message, stored_in
from fxexport.outline.model import Arm, Check, Construct, Loop, Operators, Outline, Step
from fxexport.outline.places import place_of
from fxexport.outline.signature import described

if TYPE_CHECKING:
    import onnx

__all__ = ["outline_of"]

_ARMS = {"then_branch": "then", "else_branch": "else"}
_STANDARD = ("", "ai.onnx")

_NO_LIMIT = 2**63 - 1
"""The trip count that the exporter of scripted models gives a while loop."""

_Function = tuple[str, str, str]
"""The domain, name and overload of a function that the file defines."""


def outline_of(path: str | os.PathLike[str]) -> Outline:
    """The outline of an ONNX file, from any exporter.

    Args:
        path: the file; files of weights beside it need not be there.

    Raises:
        UsageError: there is no such file, it is no ONNX file, or its contract or profiles cannot
            be read.
    """
    model = load_message(path)
    graph = model.graph
    metadata = _metadata(model.metadata_props)
    contract = _contract_in(metadata, os.fspath(path))
    weights = [tensor for inner in _graphs_of(model) for tensor in inner.initializer]
    names = {tensor.name for tensor in graph.initializer}
    return Outline(
        path=os.fspath(path),
        size=os.path.getsize(path),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        opsets={entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        inputs=[described(each, contract) for each in graph.input if each.name not in names],
        outputs=[described(each, None) for each in graph.output],
        steps=_Reader(model.functions).steps(graph),
        operators=_counted(model),
        weight_bytes=sum(map(_bytes_of, weights)),
        weight_files=tuple(dict.fromkeys(filter(None, map(_file_of, weights)))),
        contract=contract,
        profiles=[profile.to_dict() for profile in stored_in(model, os.fspath(path)).profiles],
    )


def _contract_in(metadata: Mapping[str, str], where: str) -> dict[str, Any] | None:
    text = metadata.get(CONTRACT)
    if text is None:
        return None
    try:
        contract: dict[str, Any] = json.loads(text)
        assert isinstance(contract["dimensions"], dict)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise UsageError(
            f"{where}: its contract cannot be read: {error}",
            hint=f"export it again, or remove the entry {CONTRACT!r} from its metadata",
        ) from None
    return contract


class _Reader:
    """Turns nodes into steps.

    Args:
        functions: those that the file defines.
    """

    def __init__(self, functions: Iterable[onnx.FunctionProto]) -> None:
        self._functions = {(f.domain, f.name, f.overload): f for f in functions}
        self._open: list[_Function] = []
        self._worth_showing: dict[_Function, bool] = {}

    def steps(self, body: onnx.GraphProto | onnx.FunctionProto) -> tuple[Step, ...]:
        """What the nodes of a body do, in order; operators in a row are one step."""
        steps: list[Step] = []
        plain: list[str] = []
        for node in body.node:
            step = self._step(node, body)
            if step is None:
                plain.append(_type_of(node))
                continue
            if plain:
                steps.append(Operators(tuple(plain)))
                plain = []
            steps.append(step)
        return (*steps, Operators(tuple(plain))) if plain else tuple(steps)

    def _step(
        self, node: onnx.NodeProto, body: onnx.GraphProto | onnx.FunctionProto
    ) -> Step | None:
        """A step of its own; None for a plain operator."""
        metadata = _metadata(node.metadata_props)
        if GUARD in metadata:
            return Check(metadata[GUARD])
        arms = [Arm(_ARMS.get(name, name), self.steps(graph)) for name, graph in _bodies(node)]
        kind = _type_of(node)
        called = (node.domain, node.op_type, node.overload)
        if not arms and self._has_control_flow(called):
            self._open.append(called)
            arms = [Arm("body", self.steps(self._functions[called]))]
            self._open.pop()
            kind = f"call {kind}"
        if not arms:
            return None
        arms.sort(key=lambda arm: arm.name == "else")
        return Construct(
            kind,
            node.name,
            tuple(arms),
            place_of(node, metadata),
            metadata.get(MODULE, ""),
            _loop_of(node, body) if node.op_type == "Loop" else None,
            tuple(metadata[NODE].split("/")) if NODE in metadata else (),
        )

    def _has_control_flow(self, called: _Function) -> bool:
        """Whether a function holds a construct; one that calls itself is not followed."""
        if called not in self._functions or called in self._open:
            return False
        if called not in self._worth_showing:
            self._open.append(called)
            self._worth_showing[called] = any(
                any(True for _ in _bodies(node))
                or self._has_control_flow((node.domain, node.op_type, node.overload))
                for node in self._functions[called].node
            )
            self._open.pop()
        return self._worth_showing[called]


def _loop_of(node: onnx.NodeProto, around: onnx.GraphProto | onnx.FunctionProto) -> Loop:
    """How often a Loop runs, as far as the file says it."""
    (body,) = (graph for _, graph in _bodies(node))
    given = [*node.input, "", ""]
    count = _number(given[0], around) if given[0] else _NO_LIMIT
    trips: int | Literal["computed", "open"] = "computed"
    if count is not None:
        trips = count if count < _NO_LIMIT else "open"
    carried = max(len(node.input) - 2, 0)
    return Loop(
        trips,
        _may_stop(given[1], around, body),
        carried,
        len(node.output) - carried,
    )


def _may_stop(
    condition: str, around: onnx.GraphProto | onnx.FunctionProto, body: onnx.GraphProto
) -> bool:
    """Whether a Loop may end before its last trip."""
    if condition and _number(condition, around) != 1:
        return True
    goes_on = body.output[0].name
    return not _same_as(goes_on, body.input[1].name, body) and _number(goes_on, body) != 1


def _same_as(name: str, other: str, body: onnx.GraphProto) -> bool:
    """Whether a value is another one, passed on."""
    while name != other:
        node = _producer(name, body)
        if node is None or node.op_type != "Identity":
            return False
        name = node.input[0]
    return True


def _number(name: str, body: onnx.GraphProto | onnx.FunctionProto) -> int | None:
    """A constant of one element, as an int; None for anything else."""
    import onnx

    tensors = [t for t in getattr(body, "initializer", ()) if t.name == name]
    node = _producer(name, body)
    while node is not None and node.op_type == "Identity":
        return _number(node.input[0], body)
    if node is not None and node.op_type == "Constant":
        tensors += [a.t for a in node.attribute if a.name == "value"]
        numbers = [a.i for a in node.attribute if a.name == "value_int"]
        if numbers:
            return int(numbers[0])
    if not tensors or tensors[0].external_data or _elements(tensors[0]) != 1:
        return None
    return int(onnx.numpy_helper.to_array(tensors[0]).item())


def _producer(name: str, body: onnx.GraphProto | onnx.FunctionProto) -> onnx.NodeProto | None:
    return next((node for node in body.node if name in node.output), None)


def _bodies(node: onnx.NodeProto) -> Iterator[tuple[str, onnx.GraphProto]]:
    """The graphs that a node holds, by the names of its attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.name, attribute.g
        for k, graph in enumerate(attribute.graphs):
            yield f"{attribute.name} {k}", graph


def _graphs_of(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """Every graph of a file that may hold weights."""
    yield from _below(model.graph)
    for function in model.functions:
        for node in function.node:
            for _, graph in _bodies(node):
                yield from _below(graph)


def _below(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for _, inner in _bodies(node):
            yield from _below(inner)


def _counted(model: onnx.ModelProto) -> dict[str, int]:
    """How many nodes of each type a file holds; a function's nodes count once."""
    nodes = [node for graph in _graphs_of(model) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    return dict(Counter(map(_type_of, nodes)).most_common())


def _type_of(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in _STANDARD else f"{node.domain}::{node.op_type}"


def _metadata(entries: Iterable[onnx.StringStringEntryProto]) -> dict[str, str]:
    return {entry.key: entry.value for entry in entries}


def _elements(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _bytes_of(tensor: onnx.TensorProto) -> int:
    import onnx_ir

    if tensor.data_type == onnx_ir.DataType.STRING:
        return sum(map(len, tensor.string_data))
    return int(_elements(tensor) * onnx_ir.DataType(tensor.data_type).itemsize)


def _file_of(tensor: onnx.TensorProto) -> str:
    """The file beside the model that holds a tensor; empty where it is in the model's own."""
    found: Sequence[str] = [e.value for e in tensor.external_data if e.key == "location"]
    return found[0] if found else ""
