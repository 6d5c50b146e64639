"""A copy of a file in which decisions can be forced: for each there are two more inputs.

It is made of the file itself, after all passes and lowering, since that is what is shipped: an If
or Loop carries the name of its node in the graph. Weights outside of the model are read from where
they are; those inside of it go along with the copy, while it is compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fxexport.file_keys import NODE, VALUES
from fxexport.graph.paths import BODIES, Path
from fxexport.graph.values import Eager
from fxexport.targets.onnxruntime.session import OrtSession
from fxexport.verify.forced.controls import Switch
from fxexport.verify.forced.graph import ForcedNodes

if TYPE_CHECKING:
    import onnx

__all__ = ["FileSwitch", "ForcedFile", "NotInFile"]

_PREFIX = "fxexport.forced"


class NotInFile(Exception):
    """A branch or loop of the graph has no If or Loop in the file."""


class FileSwitch(NamedTuple):
    """A switch, and where to find its value in the file.

    Attributes:
        switch: the value in the graph.
        branches: branches and loops that have it as their condition, or (True) its opposite.
    """

    switch: Switch
    branches: tuple[tuple[Path, bool], ...]


class _Place(NamedTuple):
    """An If or Loop of the file, and the graph that it is in."""

    node: onnx.NodeProto
    graph: onnx.GraphProto


class ForcedFile:
    """A file in ONNX Runtime whose decisions can be forced.

    Args:
        path: the file.
        switches: the values that can be forced.
        conditions: the branches whose condition alone can be.
        loops: the loops whose trips can be.

    Attributes:
        model: the copy.
        folder: where its weights are.

    Raises:
        RuntimeFailure: ONNX Runtime does not load the copy.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        switches: Iterable[FileSwitch],
        conditions: Iterable[Path],
        loops: Iterable[Path],
    ) -> None:
        import onnx

        model = onnx.load(os.fspath(path), "protobuf", load_external_data=False)
        self._places: dict[Path, _Place] = {}
        self._graphs: dict[Path, onnx.GraphProto] = {(): model.graph}
        self._producers: dict[str, onnx.NodeProto] = {}
        self._find(model.graph)
        self._root = model.graph
        # What is forced -> the number of its inputs.
        self._numbers: dict[Switch | Path, int] = {}
        self._loops: set[Path] = set()
        for one in switches:
            self._add_switch(one)
        for branch in conditions:
            self._add_condition(branch)
        for loop in loops:
            self._add_loop(loop)
        self.model = model
        self.folder = os.path.dirname(os.path.realpath(path))
        self._session = OrtSession(model.SerializeToString(), data_folder=self.folder)

    def run(
        self, inputs: Mapping[str, Eager], forced: ForcedNodes, seconds: float | None = None
    ) -> list[Eager]:
        """Runs the file with decisions forced.

        Args:
            inputs: what it is given.
            forced: the decisions.
            seconds: how long it may take.

        Raises:
            NotInFile: the file has no place for one of them.
            RuntimeFailure: ONNX Runtime fails.
        """
        return self._session.run(self.given(inputs, forced), seconds)

    def given(self, inputs: Mapping[str, Eager], forced: ForcedNodes) -> dict[str, Eager]:
        """What the copy is given so that it decides so.

        Raises:
            NotInFile: the file has no place for one of the decisions.
        """
        given: dict[str, Eager] = dict(inputs)
        for key, k in self._numbers.items():
            given[f"{_PREFIX}.free.{k}"] = True
            given[f"{_PREFIX}.value.{k}"] = 0 if key in self._loops else False
        wanted: list[tuple[Switch | Path, bool | int]] = [
            *forced.switches.items(),
            *forced.conditions.items(),
            *forced.trips.items(),
        ]
        for key, value in wanted:
            if key not in self._numbers:
                raise NotInFile
            k = self._numbers[key]
            given[f"{_PREFIX}.free.{k}"] = False
            given[f"{_PREFIX}.value.{k}"] = value
        return given

    def _find(self, graph: onnx.GraphProto) -> None:
        for node in graph.node:
            self._producers.update(dict.fromkeys(node.output, node))
            names = [prop.value for prop in node.metadata_props if prop.key == NODE]
            path = tuple(names[0].split("/")) if names else ()
            if path:
                self._places[path] = _Place(node, graph)
            for part, body in bodies_in_file(node).items():
                if path:
                    self._graphs[(*path, part)] = body
                self._find(body)

    def _inputs(self, key: Switch | Path, value_type: int) -> tuple[str, str]:
        """The names of the two new inputs for something that can be forced."""
        import onnx

        k = self._numbers[key] = len(self._numbers)
        names = f"{_PREFIX}.free.{k}", f"{_PREFIX}.value.{k}"
        for name, kind in zip(names, (onnx.TensorProto.BOOL, value_type), strict=True):
            self._root.input.append(onnx.helper.make_tensor_value_info(name, kind, []))
        return names

    def _add_switch(self, one: FileSwitch) -> None:
        """Forces a value wherever it is used."""
        import onnx

        graph = self._graphs.get(one.switch.module)
        values = {value: None for path, not_ in one.branches if (value := self._value(path, not_))}
        if graph is None or not values:
            return
        free, on = self._inputs(one.switch, onnx.TensorProto.BOOL)
        for value in values:
            other = f"{value}.{self._numbers[one.switch]}"
            index = next((k for k, node in enumerate(graph.node) if value in node.output), None)
            if index is None:  # it is made outside of this graph, where it stays what it is
                _rename(graph, value, other)
                made, index = _either(value, free, on, other), -1
            else:
                outputs = graph.node[index].output
                outputs[list(outputs).index(value)] = other
                made = _either(other, free, on, value)
                made[-1].metadata_props.extend(
                    prop for prop in graph.node[index].metadata_props if prop.key == VALUES
                )
            for k, node in enumerate(made):
                graph.node.insert(index + 1 + k, node)

    def _value(self, path: Path, opposite: bool) -> str:
        """The value that an If or Loop has as its condition; empty where it is not found."""
        place = self._places.get(path)
        if place is None:
            return ""
        value: str = place.node.input[0 if place.node.op_type == "If" else 1]
        if not opposite:
            return value
        producer = self._producers.get(value)
        return producer.input[0] if producer is not None and producer.op_type == "Not" else ""

    def _add_condition(self, path: Path) -> None:
        """Forces the condition of one If."""
        import onnx

        place = self._places.get(path)
        if place is None:
            return
        free, on = self._inputs(path, onnx.TensorProto.BOOL)
        value, new = place.node.input[0], f"{place.node.input[0]}.{self._numbers[path]}"
        place.node.input[0] = new
        insert_before(place.graph, place.node, _either(value, free, on, new))

    def _add_loop(self, path: Path) -> None:
        """Forces the trips of one Loop."""
        import onnx

        place = self._places.get(path)
        if place is None:
            return
        node, helper = place.node, onnx.helper
        free, trips = self._inputs(path, onnx.TensorProto.INT64)
        self._loops.add(path)
        k = self._numbers[path]
        forced, most, going = (f"{_PREFIX}.{what}.{k}" for what in ("on", "most", "going"))
        made = [helper.make_node("Not", [free], [forced])]
        bound = node.input[0]
        if not bound:
            bound = f"{_PREFIX}.unbounded.{k}"
            largest = helper.make_tensor(bound, onnx.TensorProto.INT64, [], [2**63 - 1])
            made.append(helper.make_node("Constant", [], [bound], value=largest))
        made.append(helper.make_node("Where", [free, bound, trips], [most]))
        made.append(helper.make_node("Or", [node.input[1], forced], [going]))
        node.input[0], node.input[1] = most, going
        insert_before(place.graph, place.node, made)
        body = bodies_in_file(node)["body"]
        again = f"{_PREFIX}.again.{k}"
        body.node.append(helper.make_node("Or", [body.output[0].name, forced], [again]))
        body.output[0].name = again


def bodies_in_file(node: onnx.NodeProto) -> dict[str, onnx.GraphProto]:
    """The bodies of a node, by their names in a path."""
    names = {"then_branch": BODIES["branch"][0], "else_branch": BODIES["branch"][1]}
    return {names.get(a.name, a.name): a.g for a in node.attribute if a.HasField("g")}


def insert_before(
    graph: onnx.GraphProto, node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]
) -> None:
    """Puts nodes before another one of a graph of a file."""
    # What is inserted moves the others: a node is found by what it gives.
    given = list(node.output)
    index = next(k for k, one in enumerate(graph.node) if list(one.output) == given)
    for k, one in enumerate(nodes):
        graph.node.insert(index + k, one)


def _either(value: str, free: str, on: str, new: str) -> list[onnx.NodeProto]:
    """``value`` where it is free, and otherwise what it is to be."""
    import onnx

    kept = f"{new}.kept"
    return [
        onnx.helper.make_node("And", [value, free], [kept]),
        onnx.helper.make_node("Or", [kept, on], [new]),
    ]


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Makes all that uses a value use another one."""
    for node in graph.node:
        for k, name in enumerate(node.input):
            if name == old:
                node.input[k] = new
        for body in bodies_in_file(node).values():
            _rename(body, old, new)
    for output in graph.output:
        if output.name == old:
            output.name = new
