"""Comparing a file that was written before with the model, as an export compares its own.

The model is captured once more, for the sizes that the file has: the graph says which inputs there
are, which branches they take and how often loops go round, so what the file is asked is what an
export would ask it. Nothing is written.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.export import ExportedProgram

from fxexport.capture import method_of
from fxexport.errors import UsageError
from fxexport.file_keys import CONTRACT
from fxexport.files.profiles import load_message
from fxexport.graph import CapturedGraph, DimRange, InputSpec
from fxexport.inputs import prepare_inputs, unwrapped
from fxexport.inputs.specs import dtype_name
from fxexport.outline.signature import described
from fxexport.pipeline import export
from fxexport.profiles import Dim
from fxexport.progress import NullProgress, Progress
from fxexport.report.signature import dimension
from fxexport.targets.onnxruntime.session import start_early
from fxexport.verify.tolerance import Asked
from fxexport.version import VERSION

if TYPE_CHECKING:
    import onnx

    from fxexport.export_report import Report

__all__ = ["verify_file"]

_EXCEEDED = "max_trips.exceeded"


def verify_file(
    path: str | os.PathLike[str],
    model: Callable[..., Any] | ExportedProgram,
    inputs: Any = (),
    *,
    kwargs: Mapping[str, Any] | None = None,
    check_inputs: Sequence[Any] = (),
    capture: str = "auto",
    method: str | None = None,
    max_trips: int | None = None,
    max_depth: int | None = None,
    symbolic: bool | Collection[str] = False,
    rtol: float | None = None,
    atol: float | None = None,
    verify_timeout: float | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compares a file that was written before with a model, in ONNX Runtime and PyTorch.

    Which sizes vary, in which ranges, what the inputs are called, and which state the file has, is
    read from the file. It may come from another exporter.

    Args:
        path: the file; its weights lie where it says.
        model: the model, as `export` takes it.
        inputs: arguments for it, as `export` takes them.
        kwargs: further arguments by name.
        check_inputs: further inputs to compare on, each in the form of `inputs`.
        capture: as for `export`.
        method: as for `export`.
        max_trips: as for `export`, of a file that was made so for TensorRT.
        max_depth: as for `export`.
        symbolic: as for `export`.
        rtol: as for `export`.
        atol: as for `export`.
        verify_timeout: as for `export`.
        progress: told about the stages.

    Returns:
        The report; `report.verification` holds the comparisons, and `report.verification.ok`
        whether all agree.

    Raises:
        UsageError: the call is wrong, or the file's inputs are not those of the model.
        UnsupportedError: something in the model cannot be captured; it names the line.
        ModelError: the model itself raised.
    """
    asked = Asked(rtol, atol)
    file = _File.read(path)
    progress = progress or NullProgress()
    start_early()
    if not isinstance(model, ExportedProgram):
        file.check_inputs_of(_inputs_of(model, method, inputs, kwargs, file))
    if file.capped and max_trips is None:
        raise UsageError(
            f"{file.path} was made for TensorRT with a bound on a loop's iterations",
            hint="give the same bound: --max-trips (max_trips)",
        )
    exported = export(
        model,
        inputs,
        kwargs=kwargs,
        dynamic=file.dynamic(),
        input_names=file.own_inputs(),
        sequences=file.sequences(),
        state={"*": "drop", **dict.fromkeys(file.state, "io")},
        target="tensorrt" if file.capped else "onnxruntime",
        max_trips=max_trips,
        max_depth=max_depth,
        guards=file.guarded,
        capture=capture,
        method=method,
        symbolic=symbolic,
        verify_timeout=verify_timeout,
        verify=False,
        progress=progress,
    )
    file.check_inputs_of(exported.graph.inputs)
    file.check_outputs_of(exported.graph)
    exported.report.path = file.path
    exported.report.compares = True
    with progress("verify"):
        found = exported.verify_file(file.path, check_inputs, asked, explain=file.names_its_values)
    if found.ran and file.flow != _flow(exported.operators()):
        found.notes.append(
            f"the file has {_flow_text(file.flow)}, and what was captured of the model "
            f"{_flow_text(_flow(exported.operators()))}: paths that only the file has were not "
            "looked for"
        )
    return exported.report


@dataclass(frozen=True)
class _File:
    """What a file says of itself.

    Attributes:
        path: where it is.
        producer: what wrote it, with its version.
        inputs: its inputs, state among them, as data.
        outputs: its outputs.
        state: the paths of the state that are its inputs.
        guarded: whether it checks its contract.
        flow: how many Ifs, Loops and Scans it has.
    """

    path: str
    producer: str
    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]
    state: Sequence[str]
    guarded: bool
    flow: Mapping[str, int]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> _File:
        """Reads a file.

        Raises:
            UsageError: there is no such file, or it is no ONNX file.
        """
        model = load_message(path)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        try:
            contract = json.loads(metadata.get(CONTRACT, "{}"))
            pairs = json.loads(metadata.get("fxexport.state", "{}"))
            weights = {tensor.name for tensor in model.graph.initializer}
            return cls(
                path=os.fspath(path),
                producer=f"{model.producer_name} {model.producer_version}".strip(),
                inputs=[described(x, contract) for x in model.graph.input if x.name not in weights],
                outputs=[described(x, None) for x in model.graph.output],
                state=[name.removeprefix("state.") for name in pairs],
                guarded=bool(contract.get("checked")),
                flow=_flow(Counter(node.op_type for node in _nodes(model.graph.node))),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{os.fspath(path)}: its metadata cannot be read: {error}",
                hint=f"export it again, or remove the entry {CONTRACT!r} from its metadata",
            ) from error

    @property
    def capped(self) -> bool:
        """Whether it has a bound on the iterations of loops."""
        return any(output["name"] == _EXCEEDED for output in self.outputs)

    @property
    def names_its_values(self) -> bool:
        """Whether its values have the names that those of a graph have today."""
        return self.producer == f"fxexport {VERSION}"

    def own_inputs(self) -> list[str]:
        """The names of the inputs that are no state."""
        return [entry["name"] for entry in self._own()]

    def _own(self) -> list[Mapping[str, Any]]:
        state = {f"state.{path}" for path in self.state}
        return [entry for entry in self.inputs if entry["name"] not in state]

    def sequences(self) -> list[str]:
        """The names of the lists among inputs and outputs."""
        both = [*self._own(), *self.outputs]
        return [entry["name"] for entry in both if entry["kind"] == "sequence"]

    def dynamic(self) -> dict[str, Any]:
        """What varies, as `export` takes it."""
        found: dict[str, Any] = {}
        for entry in self._own():
            name, shape = entry["name"], entry["shape"]
            if shape is None and entry["kind"] == "sequence":
                continue  # of any sizes; those of the example are as good as others
            if shape is None:
                raise UsageError(f"{self.path}: it does not say of which rank {name!r} is")
            if not shape and entry["kind"] == "tensor":
                values = entry["values"]
                found[name] = Dim(name, values["min"], values["max"]) if values else True
                continue
            axes = {
                axis: _dimension(size, f"{name}_d{axis}")
                for axis, size in enumerate(shape)
                if size["value"] is None
            }
            if axes:
                found[name] = axes
        return found

    def check_inputs_of(self, specs: Sequence[InputSpec]) -> None:
        """Refuses a model whose inputs are not the file's.

        Args:
            specs: the model's inputs, with or without state.

        Raises:
            UsageError: their number, or the name, dtype or shape of one, differs.
        """
        entries = {entry["name"]: entry for entry in self.inputs}
        names = [spec.name for spec in specs]
        if names not in (list(entries), self.own_inputs()):
            raise UsageError(
                f"{self.path} has {len(entries)} input(s) ({', '.join(entries)}), and the model "
                f"{len(names)} as it is called"
            )
        for spec in specs:
            of_file, of_model = entries[spec.name], _entry(spec)
            fixed = [[s["value"] for s in entry["shape"] or ()] for entry in (of_file, of_model)]
            same = fixed[0] == fixed[1] or spec.kind != "tensor"
            if not same or of_file["dtype"] != of_model["dtype"]:
                raise UsageError(
                    f"the input {spec.name!r} is {_shown(of_file)} in {self.path}, and "
                    f"{_shown(of_model)} as it is given to the model",
                    hint="give it as the file takes it, as in "
                    f"--input {spec.name}={_shown(of_file)}",
                )

    def check_outputs_of(self, graph: CapturedGraph) -> None:
        """Refuses a model that gives another number of results than the file.

        Raises:
            UsageError: it does.
        """
        of_file = [entry["name"] for entry in self.outputs]
        of_model = [spec.name for spec in graph.outputs]
        if len(of_file) != len(of_model):
            raise UsageError(
                f"{self.path} gives {len(of_file)} outputs ({', '.join(of_file)}), and the model "
                f"{len(of_model)} ({', '.join(of_model)})"
            )


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Nodes, with those in their bodies."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g.node)


def _flow(operators: Mapping[str, int]) -> dict[str, int]:
    return {name: operators[name] for name in ("If", "Loop", "Scan") if operators.get(name)}


def _flow_text(flow: Mapping[str, int]) -> str:
    return " and ".join(f"{count} {name}" for name, count in flow.items()) or "no If or Loop"


def _inputs_of(
    model: Callable[..., Any],
    method: str | None,
    inputs: Any,
    kwargs: Mapping[str, Any] | None,
    file: _File,
) -> list[InputSpec]:
    """The model's inputs by the file's names, before it is captured."""
    called = method_of(unwrapped(model)[0], method)
    return prepare_inputs(
        called.forward if isinstance(called, torch.nn.Module) else called,
        inputs,
        kwargs,
        file.dynamic(),
        file.own_inputs(),
        sequences=file.sequences(),
    ).specs


def _dimension(size: Mapping[str, Any], made_up: str) -> Dim:
    """A dimension of the file, as it says it."""
    return Dim(size["name"] or made_up, size["min"] or 0, size["max"])


def _entry(spec: InputSpec) -> dict[str, Any]:
    """An input as the file has it: of complex numbers their parts."""
    sizes = [dim.name if isinstance(dim, DimRange) else dim for dim in spec.shape]
    dtype = spec.dtype
    if dtype.is_complex:
        sizes, dtype = [*sizes, 2], dtype.to_real()
    return {
        "dtype": dtype_name(dtype).replace("_", ""),
        "shape": [dimension(size) for size in sizes],
    }


def _shown(entry: Mapping[str, Any]) -> str:
    """``float32[batch,3]``."""
    sizes = [
        str(size["name"] or "?") if size["value"] is None else str(size["value"])
        for size in entry["shape"] or ()
    ]
    return f"{entry['dtype']}[{','.join(sizes)}]"
