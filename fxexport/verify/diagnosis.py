"""Where a disagreement starts."""

from __future__ import annotations

import operator
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph, source_of
from fxexport.graph.ops import branch, loop
from fxexport.graph.outputs import without_padding
from fxexport.graph.paths import Path, named_bodies
from fxexport.graph.sequences import SequenceVal
from fxexport.graph.signature import OutputSpec
from fxexport.graph.values import Eager
from fxexport.source.location import SourceLocation
from fxexport.targets.onnxruntime.session import OrtSession, RuntimeFailure
from fxexport.verify.body_values import FileValues, Runs, Value, runs_of, scalar
from fxexport.verify.compare import compare_outputs, compare_values, largest
from fxexport.verify.coverage import MOST_TRIPS, TooManyIterations, watch
from fxexport.verify.forced.controls import Control, Switch, controls_of
from fxexport.verify.reference import copies
from fxexport.verify.tolerance import USUAL, Asked, tolerance_for
from fxexport.verify.unchecked import checked

__all__ = ["Diagnosis", "as_file_output", "diagnose", "first_difference", "where_it_runs_on"]


@dataclass(frozen=True)
class Diagnosis:
    """What is known about the start of a disagreement.

    Attributes:
        text: a sentence for the user.
        location: the user's line, where one could be found.
    """

    text: str
    location: SourceLocation | None = None


def diagnose(
    graph: CapturedGraph,
    model_path: str | os.PathLike[str],
    inputs: Sequence[Eager],
    expected: Sequence[Eager],
    working: torch.dtype | None,
    asked: Asked = USUAL,
    seconds: float | None = None,
) -> Diagnosis:
    """Finds where PyTorch and the file part.

    Args:
        graph: the captured graph; each of its values has the same name in the file.
        model_path: the file.
        inputs: inputs on which they differ.
        expected: PyTorch's results for them.
        working: the coarsest float dtype in the model.
        asked: the tolerances that the user asked for.
        seconds: how long a run of the file may take.
    """
    try:
        with checked(graph):
            outputs = watch(graph, copies(inputs), MOST_TRIPS).outputs
    except TooManyIterations:
        return _graph_without_end()
    except Exception as error:  # the graph is what is in doubt
        return Diagnosis(f"the captured graph itself fails on these inputs: {error}")
    scale = largest(inputs)
    whole = graph.outputs
    specs = [spec for spec in whole if spec.of_model]
    got = without_padding(
        whole, [as_file_output(value, spec) for value, spec in zip(outputs, whole, strict=True)]
    )
    if not all(d.ok for d in compare_outputs(specs, expected, got, working, scale)):
        return Diagnosis(
            "the captured graph differs from PyTorch as well, so the model was not captured right"
        )
    try:
        named = graph.by_name(inputs)
        file = FileValues.of(model_path, named, seconds)
        found = first_difference(graph, file, inputs, working, asked)
        plain = None if found else _without_optimization(graph, model_path, inputs, seconds)
    except RuntimeFailure as error:
        return Diagnosis(f"the captured graph is right, the file is not ({error.message})")
    if found is not None:
        return found
    if plain is not None and all(
        d.ok for d in compare_outputs(specs, expected, plain, working, scale)
    ):
        return Diagnosis(
            "the file is right when ONNX Runtime's own optimizations are off: one of them changes "
            "the result"
        )
    return Diagnosis("the captured graph is right, the file is not")


def as_file_output(value: Eager, spec: OutputSpec) -> Eager:
    """What the graph gives for an output, in the form in which a file gives it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [as_file_output(item, spec) for item in value]
    return value.detach().cpu() if isinstance(value, torch.Tensor) else scalar(value, spec.kind)


def first_difference(
    graph: CapturedGraph,
    file: FileValues,
    inputs: Sequence[Eager],
    working: torch.dtype | None,
    asked: Asked = USUAL,
    *,
    without: Collection[Switch] = (),
) -> Diagnosis | None:
    """The first value in the order of the graph that is not the same in the file.

    Where that is a result of a branch or loop, the first one in the body that it comes from.

    Args:
        graph: the captured graph, or one with decisions forced.
        file: what the file computes on the same inputs.
        inputs: they.
        working: the coarsest float dtype in the model.
        asked: the tolerances that the user asked for.
        without: values that are not compared.

    Returns:
        None where all that both have is the same.

    Raises:
        RuntimeFailure: ONNX Runtime fails on a copy of the file.
    """
    search = _Search(graph, file, copies(inputs), working, asked, without)
    with torch.no_grad(), checked(graph):
        return search.below(graph.module, ())


def where_it_runs_on(
    graph: CapturedGraph,
    file: FileValues,
    inputs: Sequence[Eager],
    working: torch.dtype | None,
    asked: Asked,
    *,
    without: Collection[Switch] = (),
) -> Diagnosis | None:
    """The loop of an endless file that goes on, and the first wrong value; None if not found.

    In a copy each loop makes at most one iteration more than in the graph's run on the same inputs.
    So the copy ends, and can be compared with the graph.

    Args:
        graph: the captured graph, or one with decisions forced.
        file: what the file computes on the same inputs.
        inputs: they.
        working: the coarsest float dtype in the model.
        asked: the tolerances that the user asked for.
        without: values that are not compared.
    """
    try:
        with checked(graph):
            trips = watch(graph, copies(inputs), MOST_TRIPS).trips
    except TooManyIterations:
        return _graph_without_end()
    except Exception:  # the graph is what is in doubt
        return None
    loops = [one for one in controls_of(graph.module) if one.kind == "loop"]
    capped = file.capped({one.path: trips.get(one.path, 0) + 1 for one in loops})
    try:
        long = next((one for one in loops if _goes_on(capped, one, trips)), None)
        wrong = first_difference(graph, capped, inputs, working, asked, without=without)
    except RuntimeFailure:
        return None
    if long is None:
        return wrong
    location = source_of(long.node)
    where = f" at {location.short}" if location is not None else ""
    text = f"the loop{where} {_goes_on_text(trips.get(long.path, 0))}"
    if wrong is None:
        return Diagnosis(text, location)
    return Diagnosis(f"{text}; {wrong.text}", wrong.location or location)


class _Search:
    """Looks for the first wrong value, from the root into bodies."""

    def __init__(
        self,
        graph: CapturedGraph,
        file: FileValues,
        inputs: Sequence[Eager],
        working: torch.dtype | None,
        asked: Asked,
        without: Collection[Switch],
    ) -> None:
        self._graph = graph
        self._file = file
        self._inputs = inputs
        self._working = working
        self._asked = asked
        self._without = without
        self._scale = largest(inputs)

    def below(self, module: fx.GraphModule, path: Path) -> Diagnosis | None:
        """The first wrong value of a body, or of those in it."""
        runs, _ = runs_of(self._graph.module, path, self._inputs)
        if not runs:
            return None
        wrong = self._first_wrong(path, runs, _names_of(self._graph, module, path, self._without))
        # Lists are compared in the root alone: what is in them comes from bodies.
        for node in module.graph.nodes if path else ():
            if wrong is not None and node is wrong[0]:
                break
            if isinstance(node.meta.get("val"), SequenceVal):
                found = self._inside(module, path, node)
                if found is not None:
                    return found
        if wrong is None:
            return None
        node, run, message = wrong
        here = Diagnosis(_said(node, run, path, message), source_of(node))
        return self._inside(module, path, node) or here

    def _inside(self, module: fx.GraphModule, path: Path, node: fx.Node) -> Diagnosis | None:
        """The first wrong value in the bodies that a result comes from, if it comes from any."""
        made = node.args[0] if node.target is operator.getitem else node
        if not isinstance(made, fx.Node) or made.target not in (branch, loop):
            return None
        for part, body in named_bodies(module, made):
            try:
                found = self.below(body, (*path, made.name, part))
            except RuntimeFailure:  # on the copy that hands values out
                continue
            if found is not None:
                return found
        return None

    def _first_wrong(
        self, path: Path, runs: Runs, names: Mapping[fx.Node, str]
    ) -> tuple[fx.Node, int, str] | None:
        """The first node of a body whose value differs, in which run of it, and how."""
        made = {node: value for run in reversed(runs) for node, value in run.items()}
        wanted = {node: name for node, name in names.items() if node in made}
        dtypes = {node: v.dtype for node, v in made.items() if isinstance(v, torch.Tensor)}
        best: tuple[fx.Node, int, str] | None = None
        for nodes, got in self._file.at(path, wanted, dtypes):
            for node, values in zip(nodes, got, strict=True):
                for k, (run, value) in enumerate(zip(runs, values, strict=False)):
                    if best is not None and k >= best[1]:
                        break
                    message = self._difference(run[node], value) if node in run else ""
                    if message:
                        best = node, k, message
            if best is not None and best[1] == 0:
                break
        return best

    def _difference(self, want: Value, have: Value) -> str:
        """What differs between two tensors or lists of tensors; empty where nothing does."""
        wants, haves = (one if isinstance(one, list) else [one] for one in (want, have))
        if len(wants) != len(haves):
            return f"PyTorch gives a list of {len(wants)}, the file one of {len(haves)}"
        for k, (a, b) in enumerate(zip(wants, haves, strict=True)):
            tolerance = self._asked.at_least(tolerance_for(a.dtype, self._working))
            difference = compare_values("", a, b, tolerance, self._scale)
            if not difference.ok:
                return f"item {k}: {difference.message}" if want is wants else difference.message
        return ""


def _names_of(
    graph: CapturedGraph, module: fx.GraphModule, path: Path, without: Collection[Switch]
) -> dict[fx.Node, str]:
    """The nodes of a body, and the names of their values as lowering gives them."""
    names: dict[fx.Node, str] = {}
    for node in module.graph.nodes:
        if node.op != "call_function" or Switch(path, node.name) in without:
            continue
        made = node.args[0] if node.target is operator.getitem else None
        names[node] = f"{made.name}_{node.args[1]}" if isinstance(made, fx.Node) else node.name
    if not path:
        results = module.graph.output_node().args[0]
        assert isinstance(results, (tuple, list))
        for result, spec in zip(results, graph.outputs, strict=True):
            if isinstance(result, fx.Node) and result in names:
                names[result] = spec.name
    return names


def _said(node: fx.Node, run: int, path: Path, message: str) -> str:
    where = f", when the {_inner(path)} runs for the {_nth(run)} time" if run else ""
    return f"the first wrong value is that of {_describe(node)}{where}: {message}"


def _inner(path: Path) -> str:
    return {"then": "if's body", "else": "else", "body": "loop's body"}[path[-1]]


def _nth(run: int) -> str:
    return {1: "second", 2: "third"}.get(run, f"{run + 1}th")


def _describe(node: fx.Node) -> str:
    if node.target is branch:
        return "the if"
    if node.target is loop:
        return "the loop"
    source = node.args[0] if node.args else None
    if isinstance(source, fx.Node) and source.target in (branch, loop):
        return f"{_describe(source)} (result {node.args[1]})"
    return f"{node.target}" if not callable(node.target) else _name_of(node.target)


def _name_of(target: object) -> str:
    return str(target) if hasattr(target, "overloadpacket") else getattr(target, "__name__", "?")


def _without_optimization(
    graph: CapturedGraph,
    model_path: str | os.PathLike[str],
    inputs: Sequence[Eager],
    seconds: float | None,
) -> list[Eager]:
    named = graph.by_name(inputs)
    session = OrtSession(model_path, optimize=False)
    return without_padding(graph.outputs, session.run(named, seconds))


def _goes_on(file: FileValues, loop: Control, trips: Mapping[Path, int]) -> bool:
    """Whether a loop begins an iteration that the graph does not have."""
    return trips.get(loop.path, 0) in file.iterations(loop.path)


def _goes_on_text(trips: int) -> str:
    if not trips:
        return "makes iterations, where PyTorch's makes none"
    return f"goes on where PyTorch's ends, after {trips} iteration{'s' * (trips > 1)}"


def _graph_without_end() -> Diagnosis:
    return Diagnosis(f"the captured graph's own loops make more than {MOST_TRIPS} iterations")
