"""The way of a model to a file, top to bottom."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from fxexport.capture import (
    CaptureRequest,
    capture_through,
    chosen_front_end,
    is_scripted,
    method_of,
    scripted,
)
from fxexport.errors import UsageError, VerificationError
from fxexport.graph import CapturedGraph, source_of
from fxexport.inputs import (
    PreparedInputs,
    check_program_sizes,
    prepare_inputs,
    take_apart_program,
)
from fxexport.inputs.profiled import settle_profiles
from fxexport.lowering import decomposition_for, keep_composite, lower
from fxexport.passes import run_passes
from fxexport.placing import move_verified, removed_on_failure, unverified_name
from fxexport.profile_files import profiles_beside, stale_profiles_removed
from fxexport.profiles import (
    METADATA_KEY,
    Profile,
    StoredProfiles,
    as_profiles,
    why_no_profile,
)
from fxexport.progress import NullProgress, Progress
from fxexport.reference import Reference
from fxexport.report import Report
from fxexport.report.model import Verification
from fxexport.report.signature import describe_input, describe_output, padding_text
from fxexport.runtime_options import provider_options
from fxexport.state_option import StatePolicy
from fxexport.stateful import describe_state, initial_state, write_initial_state
from fxexport.targets import check_max_trips, target_named
from fxexport.verify import verify as compare
from fxexport.verify.stability import random_nodes
from fxexport.verify.unchecked import unordered_nodes
from fxexport.writing import check_target, write_model

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["Exported", "export"]


class Exported:
    """An exported model.

    Attributes:
        graph: the branch-preserving graph; it runs eagerly and prints.
        report: everything that was decided, and how the file compares with PyTorch.
        profiles: the optimization profiles that travel with the file; [] where some dynamic
            dimension has no largest size.
    """

    def __init__(
        self,
        graph: CapturedGraph,
        ir_model: ir.Model,
        report: Report,
        prepared: PreparedInputs,
        reference: Callable[[list[Any]], Sequence[Any]],
        stored: StoredProfiles,
    ) -> None:
        self.graph = graph
        self.report = report
        self.profiles: list[Profile] = stored.profiles
        self._stored = stored
        self._ir_model = ir_model
        self._prepared = prepared
        self._reference = reference

    @property
    def initial_state(self) -> dict[str, Any]:
        """NumPy arrays for the inputs that hold state, by name: what the model held at export."""
        return initial_state(self.graph)

    @property
    def model(self) -> onnx.ModelProto:
        """The model as an ONNX message, weights included; made anew at each access."""
        import onnx_ir

        return onnx_ir.to_proto(self._ir_model)

    def save(self, path: str | os.PathLike[str], *, external_data: bool | None = None) -> None:
        """Writes the file, whole or not at all, and its profiles in ``<name>.profiles.json``.

        Args:
            path: where to write.
            external_data: True for weights in ``<name>.data`` beside it, None to decide by size.

        Raises:
            OutputError: when it cannot be written.
        """
        with stale_profiles_removed(path, self.profiles):
            write_model(
                self._ir_model,
                path,
                external_data=external_data,
                texts=profiles_beside(path, self._stored),
            )

    def provider_options(self, *providers: str) -> dict[str, dict[str, str]]:
        """Options for ONNX Runtime's GPU providers; see `fxexport.provider_options`.

        Args:
            providers: which ones; by default TensorrtExecutionProvider, CUDAExecutionProvider.
        """
        return provider_options(self, providers) if providers else provider_options(self)

    def verify(self, *check_inputs: Any) -> Verification:
        """Compares the model in ONNX Runtime with PyTorch on the export's inputs and these.

        Args:
            check_inputs: further inputs, each in the form of the export's `inputs`.

        Returns:
            All comparisons; `report.verification` is set to them too.
        """
        with _temporary_folder() as folder:
            path = os.path.join(folder, "model.onnx")
            self.save(path)
            self.report.verification = compare(
                self.graph, path, self._reference, self._prepared, check_inputs
            )
        return self.report.verification


def export(
    model: Callable[..., Any] | torch.export.ExportedProgram,
    inputs: Any = (),
    path: str | os.PathLike[str] | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    dynamic: Any = False,
    profiles: Any = None,
    target: str = "onnxruntime",
    opset: int | None = None,
    sequences: Sequence[str] = (),
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    verify: bool = True,
    check_inputs: Sequence[Any] = (),
    external_data: bool | None = None,
    capture: str = "auto",
    method: str | None = None,
    state: str | Mapping[str, str] = "drop",
    max_trips: int | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Exports a model to ONNX with its ifs and loops intact.

    Args:
        model: an `nn.Module` (a `torch.fx.GraphModule` too) or a function of tensors, also a
            scripted one, or a `torch.export.ExportedProgram`, which has inputs and dynamic sizes of
            its own.
        inputs: a tuple of arguments (or a dict by name, or one tensor): real, meta or fake
            tensors, NumPy arrays, or `TensorSpec`s. No data is needed.
        path: where to write; None keeps the model in memory.
        kwargs: further arguments by name.
        dynamic: False, True (every dimension is tried), ``{name: {0: "batch"}}``,
            ``{name: [0, 2]}``, torch.export's dynamic_shapes, or ``{name: {0: Dim("b", 1, 8)}}``.
        profiles: min, opt and max shape of each dynamic input: a `Profile`, a dict, a list of
            them (one a profile), or the configs and options of other tools (see
            `fxexport.profiles.as_profiles`). What they let vary is dynamic without `dynamic`.
        target: what the file is for: "onnxruntime" or "tensorrt".
        opset: ONNX opset, 18 or newer; None for the target's best.
        sequences: lists that are ONNX sequences in the file: of arguments, which then may have
            any length, and of those that the model returns ("output" for the whole result).
            Others of fixed length are an input or output for each item.
        input_names: names of the file's inputs; by default the parameters' names.
        output_names: names of the file's outputs.
        verify: compare the file with PyTorch.
        check_inputs: further inputs to compare on, each in the form of `inputs`.
        external_data: True for weights in a file beside the model, None to decide by size.
        capture: "python" reads Python source, "script" TorchScript (a model is scripted first),
            "auto" what the model is.
        method: the method of a module to export in place of its forward.
        state: what becomes of what the model keeps from call to call: "drop" (the file forgets
            it, and the report says so), "refuse", or "io" (inputs and outputs of the file,
            ``state.<path>`` and ``state.<path>.out``); or a choice for each path or pattern,
            ``{"*": "io", "last_*": "drop"}``.
        max_trips: for target "tensorrt", the most trips of a loop whose trips nothing else bounds,
            where a list or tensor grows in it. The file has one more output then,
            ``max_trips.exceeded``: where it is true, the other outputs are not the model's.
        progress: told about the stages.

    Returns:
        The graph, the model and the report.

    Raises:
        UsageError: the call is wrong.
        UnsupportedError: something in the model cannot be kept; it names the line.
        ModelError: the model itself raised.
        OutputError: the file cannot be written.
        VerificationError: the file does not agree with PyTorch; it was kept under another name.
    """
    report = Report(model=_name_of(model), target=target)
    given = model
    if isinstance(model, torch.export.ExportedProgram):
        model, inputs, kwargs, dynamic = take_apart_program(model, inputs, kwargs, dynamic)
    stage = _Stages(report, progress or NullProgress())
    goal = target_named(target)
    check_max_trips(max_trips, target)
    if path is not None:
        check_target(path)
    report.opset = goal.checked_opset(opset)
    _check_call(model, output_names)
    front_end = chosen_front_end(capture)
    call, read = _callables(model, method, scripting=front_end == "script")
    with stage("inputs"):
        signature = call.forward if isinstance(call, torch.nn.Module) else call
        prepared = prepare_inputs(
            signature, inputs, kwargs, dynamic, input_names, as_profiles(profiles), sequences
        )
        check_program_sizes(given, prepared.specs)
        for name, value in prepared.constants:
            report.add("constant", f"{name} is {value!r} in the file")
    with stage("capture"):
        request = _request(read, prepared, output_names, StatePolicy(state), goal.whole)
        graph = capture_through(front_end, request, report, may_retry=verify)
        _check_output_names(output_names, graph)
        stored = settle_profiles(prepared.profiles, graph, prepared.example_sizes(), prepared.opts)
        prepared.profiles = stored.profiles
        prepared.settle(graph.inputs, [entry.initial for entry in graph.state])
    with stage("passes"):
        graph.max_trips = max_trips
        graph = run_passes(graph, goal.passes)
    with stage("lower"):
        ir_model = lower(graph, opset=report.opset, dialect=goal.dialect)
        for note in goal.check(graph, ir_model):
            report.add("note", note)
    describe_state(ir_model, graph)
    if stored.worth_keeping:
        ir_model.metadata_props[METADATA_KEY] = stored.to_text()
    _describe(report, graph, ir_model, stored)
    exported = Exported(graph, ir_model, report, prepared, Reference(call, prepared, graph), stored)
    if path is None:
        if verify:
            with stage("verify"):
                exported.verify(*check_inputs)
            _raise_on_disagreement(exported)
        return exported
    shown = os.fspath(path)
    place = os.path.realpath(shown) if os.path.islink(shown) else shown  # a link stays one
    beside = unverified_name(place) if verify else place
    with stage("write"):
        exported.save(beside, external_data=external_data)
    report.path = beside
    if verify:
        with stage("verify"), removed_on_failure(beside):
            report.verification = compare(
                graph, beside, exported._reference, prepared, check_inputs
            )
        _raise_on_disagreement(exported, beside)
        with removed_on_failure(beside):
            save = functools.partial(exported.save, external_data=external_data)
            move_verified(beside, place, save, exported.profiles)
    report.path = shown
    write_initial_state(graph, shown, report)
    return exported


def _check_call(model: Any, output_names: Sequence[str] | None) -> None:
    """Refuses at once what would fail later in a less clear way."""
    if not callable(model):
        raise UsageError(
            f"model must be an nn.Module or a function of tensors, got {model!r}",
            hint="to export a file, use the command: fxexport model.py",
        )
    if isinstance(output_names, str) or not all(
        isinstance(name, str) and name for name in output_names or ()
    ):
        raise UsageError(f"output_names must be a list of names, got {output_names!r}")


def _callables(
    model: Callable[..., Any], method: str | None, *, scripting: bool
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What PyTorch calls, and what capture reads: the same, unless that is to be scripted."""
    call = method_of(model, method)
    return call, method_of(scripted(model), method) if scripting else call


def _check_output_names(output_names: Sequence[str] | None, graph: CapturedGraph) -> None:
    """The given names fit the model's outputs, and no two values share one."""
    if not output_names:
        return
    count = len(graph.outputs) - len(graph.state)
    if len(output_names) != count:
        raise UsageError(
            f"output_names has {len(output_names)} names, but the model has {count} output(s): "
            + ", ".join(spec.name for spec in graph.outputs[:count])
        )
    names = [spec.name for spec in [*graph.inputs, *graph.outputs]]  # type: ignore[attr-defined]
    for name in output_names:
        if names.count(name) > 1:
            raise UsageError(
                f"output_names: {name!r} is the name of another input or output too",
                hint="give every output a name of its own",
            )


def _request(
    model: Callable[..., Any],
    prepared: PreparedInputs,
    output_names: Sequence[str] | None,
    state: StatePolicy,
    whole: frozenset[str],
) -> CaptureRequest:
    return CaptureRequest(
        model=model,
        inputs=prepared.specs,
        hints=prepared.hints,
        rebuild=prepared.rebuild,
        pinnable=prepared.pinnable,
        output_names=output_names or (),
        decomposition_for=decomposition_for,
        keep_composite=keep_composite,
        profiled=prepared.profiled,
        sequences=prepared.sequences,
        state=state,
        whole=whole,
    )


def _name_of(model: Callable[..., Any]) -> str:
    # A scripted module's class is PyTorch's own; it remembers the user's.
    for name in ("original_name", "name", "__name__"):
        if isinstance(found := getattr(model, name, None), str) and is_scripted(model):
            return found
    if isinstance(model, torch.nn.Module):
        return type(model).__name__
    return getattr(model, "__name__", type(model).__name__)


def _describe(
    report: Report, graph: CapturedGraph, ir_model: ir.Model, stored: StoredProfiles
) -> None:
    report.inputs = [describe_input(spec) for spec in graph.inputs]
    report.profiles = [profile.to_dict() for profile in stored.profiles]
    report.no_profile = why_no_profile(stored.inputs)
    report.outputs = [
        describe_output(spec, value)
        for spec, value in zip(graph.outputs, ir_model.graph.outputs, strict=True)
    ]
    for spec in graph.outputs:
        if spec.padding is not None:
            report.add("note", padding_text(spec.name, spec.padding), spec.padding.location)
    for location in dict.fromkeys(graph.capped):
        report.add("assumption", f"at most {graph.max_trips} trips (max_trips)", location)
    for constraint in graph.constraints:
        report.add("relation", constraint.text, constraint.location)
    for place in dict.fromkeys(source_of(node) for node in random_nodes(graph)):
        report.add("assumption", "random numbers: the file draws its own", place)
    for place in dict.fromkeys(source_of(node) for node in unordered_nodes(graph)):
        text = "topk without an order (sorted=False): the file gives the elements in order"
        report.add("assumption", text, place)


class _Stages:
    """Times the stages and tells the progress display."""

    def __init__(self, report: Report, progress: Progress) -> None:
        self._report = report
        self._progress = progress

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        with self._progress(name):
            yield
        self._report.stages.append((name, time.perf_counter() - start))


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="fxexport-") as folder:
        yield folder


def _raise_on_disagreement(exported: Exported, kept: str = "") -> None:
    verification = exported.report.verification
    if verification is None or not verification.ran or verification.ok:
        return
    if not verification.cases:
        return
    if exported.report.refusal is not None:
        # TorchScript read the program otherwise than Python does: the first refusal stands.
        with removed_on_failure(kept) if kept else contextlib.nullcontext():
            raise exported.report.refusal
    error = VerificationError(
        f"the file does not agree with PyTorch: {verification.message}"
        + (f"; it was kept as {kept}" if kept else ""),
        location=verification.location,
        hint="the relations in the report say what the file takes for granted"
        if "does not take these sizes" in verification.message
        else "this is a bug of fxexport: please report it with the model",
    )
    error.exported = exported
    raise error
