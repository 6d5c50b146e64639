"""The pipeline: a model becomes a file, top to bottom."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch.export import ExportedProgram

from fxexport.capture import (
    CaptureRequest,
    FrontEnd,
    capture_through,
    chosen_front_end,
    is_scripted,
    method_of,
    scripted,
)
from fxexport.capture.state.policy import StatePolicy
from fxexport.errors import UsageError
from fxexport.export_report import Report
from fxexport.exported import Exported
from fxexport.file_keys import PROFILES
from fxexport.files.companions import STATE
from fxexport.files.contract import describe_contract
from fxexport.files.left_out import describe_weights, weights_text
from fxexport.files.model import check_target
from fxexport.files.state import describe_state
from fxexport.files.verified import move_verified, removed_on_failure, unverified_name
from fxexport.graph import CapturedGraph
from fxexport.inputs import (
    PreparedInputs,
    check_program_sizes,
    prepare_inputs,
    sizes_that_stay,
    split_outputs,
    take_apart_program,
    unwrapped,
)
from fxexport.inputs.profile_ranges import settle_profiles
from fxexport.inputs.weights import check_weights, left_out, replaceable
from fxexport.lowering import decomposition_for, function_finder, keep_composite, lower
from fxexport.options import ExportOptions
from fxexport.passes import (
    drop_guards,
    fold_matrices,
    narrow_ranges,
    operator_checks,
    run_passes,
    sizes_alone,
)
from fxexport.passes.complex_numbers import write_as_real
from fxexport.profiles import StoredProfiles, as_profiles
from fxexport.progress import NullProgress, Progress, watching
from fxexport.report.stages import Stages
from fxexport.summary import summarize
from fxexport.targets import check_max_trips, target_named
from fxexport.targets.onnxruntime.session import start_early
from fxexport.targets.target import OLDEST_OPSET, Target
from fxexport.torch_arguments import TAKEN_NAMES, TorchArguments, taken
from fxexport.verify.failures import disagreement, too_little_compared
from fxexport.verify.reference import Reference
from fxexport.verify.time_limit import check_timeout
from fxexport.verify.tolerance import Asked
from fxexport.version import VERSION

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["export"]


def export(
    model: Callable[..., Any] | ExportedProgram,
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
    outputs: str = "merge",
    verify: bool = True,
    check_inputs: Sequence[Any] = (),
    external_data: bool | None = None,
    weights: str = "file",
    capture: str = "auto",
    method: str | None = None,
    state: str | Mapping[str, str] = "drop",
    max_trips: int | None = None,
    max_depth: int | None = None,
    guards: bool = True,
    symbolic: bool | Collection[str] = False,
    rtol: float | None = None,
    atol: float | None = None,
    verify_timeout: float | None = None,
    require_coverage: float | None = None,
    progress: Progress | None = None,
    **torch_arguments: Unpack[TorchArguments],
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
        outputs: what becomes of a result that is not alike on all paths: "merge" promotes dtypes
            and adds an output ``<name>.present`` for what may be missing, "strict" refuses it.
        verify: compare the file with PyTorch.
        check_inputs: further inputs to compare on, each in the form of `inputs`.
        external_data: True for weights in a file beside the model, None to decide by size.
        weights: where weights go: "file" for into the file (or beside it, by `external_data`),
            "external" for beside it, "none" for nowhere. Such a file refers to a data file that
            others write; a model on the device meta, or of fake tensors, can be exported then.
        capture: "python" reads Python source, "script" TorchScript (a model is scripted first),
            "auto" what the model is.
        method: the method of a module to export instead of its forward.
        state: what becomes of what the model keeps from call to call: "drop" (the file forgets
            it, and the report says so), "refuse", or "io" (inputs and outputs of the file,
            ``state.<path>`` and ``state.<path>.out``); or a choice for each path or pattern,
            ``{"*": "io", "last_*": "drop"}``.
        max_trips: for target "tensorrt", the most iterations of a loop that nothing else bounds,
            where a list or tensor grows in it. The file has one more output then,
            ``max_trips.exceeded``: where it is true, the other outputs are not the model's.
        max_depth: how many calls of one function may be inside each other, where a condition on
            data ends its recursion. The file fails where the data goes deeper.
        guards: whether the file checks what it takes for granted when it runs, and fails outside
            of it as the model does. Files for TensorRT do not: there a profile is the guard.
        symbolic: whether each `torch.autograd.Function` with a ``symbolic(g, ...)`` method is
            written by that, as one node; or the names of those that are. Of others forward is read.
        rtol: what floats may be off by in the comparison, as a part of PyTorch's result; by default
            what two right implementations of a network differ by in its dtype.
        atol: what they may be off by besides.
        verify_timeout: the seconds that each run of the file in the comparison has, with thirty
            times what PyTorch takes added to them; a minute by default. A file that does not come
            to its end in that time disagrees.
        require_coverage: how much of the control flow must have been compared with PyTorch, in
            percent of all paths of branches and trip counts of loops.
        progress: told about the stages.
        **torch_arguments: arguments by the names that they have in `torch.onnx.export`: ``f``,
            ``args``, ``dynamic_axes``, ``dynamic_shapes``, ``opset_version``, and others.

    Returns:
        The graph, the model and the report.

    Raises:
        UsageError: the call is wrong.
        UnsupportedError: something in the model cannot be kept; it names the line.
        ModelError: the model itself raised.
        OutputError: the file cannot be written.
        VerificationError: the file does not agree with PyTorch, or (CoverageError) less was
            compared than `require_coverage`; it was kept under another name.
    """
    options = ExportOptions(
        model=model,
        inputs=inputs,
        path=path,
        kwargs=kwargs,
        dynamic=dynamic,
        profiles=profiles,
        target=target,
        opset=opset,
        sequences=sequences,
        input_names=input_names,
        output_names=output_names,
        outputs=outputs,
        verify=verify,
        check_inputs=check_inputs,
        external_data=external_data,
        weights=weights,
        capture=capture,
        method=method,
        state=state,
        max_trips=max_trips,
        max_depth=max_depth,
        guards=guards,
        symbolic=symbolic,
        rtol=rtol,
        atol=atol,
        verify_timeout=verify_timeout,
        require_coverage=require_coverage,
        progress=progress or NullProgress(),
    )
    return run(_with_torch_arguments(options, torch_arguments) if torch_arguments else options)


def _with_torch_arguments(options: ExportOptions, given: Mapping[str, Any]) -> ExportOptions:
    """The options with arguments that were given by the names of `torch.onnx.export`."""
    plain = ExportOptions(options.model)
    own = [name for name in TAKEN_NAMES if getattr(options, name) is not getattr(plain, name)]
    names = [entry.name for entry in dataclasses.fields(options)]
    found = taken(given, own, names, OLDEST_OPSET)
    return dataclasses.replace(options, notes=found.notes, **found.options)


def _plain(options: ExportOptions) -> tuple[ExportOptions, dict[str, Any]]:
    """The options for what the model is wrapped in, and what they want of outputs' sizes."""
    model, around = unwrapped(options.model)
    notes = options.notes
    if around:
        wrappers = " in ".join(reversed(around))
        notes = (*notes, f"the model stands in {wrappers}, which the file leaves out")
    dynamic, wanted = split_outputs(options.dynamic, options.output_names)
    return dataclasses.replace(options, model=model, dynamic=dynamic, notes=notes), wanted


def run(options: ExportOptions) -> Exported:
    """Runs the stages of an export; see `export`."""
    options, wanted_of_outputs = _plain(options)
    report = Report(model=_name_of(options.model), target=options.target)
    stage = Stages(report, options.progress)
    for note in options.notes:
        report.add("note", note)
    target = _checked(options, report)
    asked = Asked(options.rtol, options.atol)
    check_timeout(options.verify_timeout)
    front_end = chosen_front_end(options.capture)
    model = _model_of(options, front_end)
    if options.verify:
        start_early()
    with stage("inputs"):
        prepared = _prepare(options, model, report)
    with stage("capture"):
        graph, stored = _capture(options, model, front_end, target, prepared, report)
    with stage("passes"):
        graph.max_trips = options.max_trips
        guards = target.guards if options.guards else (drop_guards,)
        first = (sizes_alone, operator_checks, write_as_real, fold_matrices)
        graph = run_passes(graph, (*first, *guards, *target.passes))
        prepared.write_as_real(graph.inputs)
    with stage("lower"):
        ir_model = _lower(graph, target, stored, report)
    summarize(report, graph, ir_model, stored, target.keeps_ranges)
    for text in sizes_that_stay(wanted_of_outputs, report.outputs):
        report.add("note", text)
    reference = Reference(model.called, prepared, graph)
    without = _leave_out(options, model, graph, ir_model, report)
    exported = Exported(
        graph,
        ir_model,
        report,
        prepared,
        reference,
        stored,
        without,
        asked,
        options.verify_timeout,
    )
    if options.path is not None:
        _write(exported, options, os.fspath(options.path), stage)
    elif options.verify:
        with stage("verify"):
            exported.verify(*options.check_inputs)
        _raise_on_disagreement(exported, options)
    return exported


@dataclass(frozen=True)
class _Model:
    """The model of an export.

    Attributes:
        called: what PyTorch calls.
        read: what capture reads: the same, unless that is to be scripted.
        inputs: arguments for it.
        kwargs: further arguments by name.
        dynamic: which of their dimensions may vary.
    """

    called: Callable[..., Any]
    read: Callable[..., Any]
    inputs: Any
    kwargs: Mapping[str, Any] | None
    dynamic: Any


def _checked(options: ExportOptions, report: Report) -> Target:
    """The target; refuses at once what would fail later with a less clear message."""
    target = target_named(options.target)
    check_max_trips(options.max_trips, target)
    options.check_max_depth()
    options.check_coverage()
    if options.path is not None:
        check_target(options.path)
    report.opset = target.checked_opset(options.opset)
    if not callable(options.model) and not isinstance(options.model, ExportedProgram):
        raise UsageError(
            f"model must be an nn.Module or a function of tensors, got {options.model!r}",
            hint="to export a file, use the command: fxexport model.py",
        )
    options.check_no_class()
    options.check_outputs()
    options.check_weights()
    needed = options.verify or options.path is not None
    check_weights(options.model, needed, written=options.weights != "none")
    return target


def _model_of(options: ExportOptions, front_end: FrontEnd) -> _Model:
    """The model as PyTorch calls it and as capture reads it, with its arguments."""
    model: Callable[..., Any]
    if isinstance(options.model, ExportedProgram):
        model, *arguments = take_apart_program(
            options.model, options.inputs, options.kwargs, options.dynamic
        )
    else:
        model, *arguments = options.model, options.inputs, options.kwargs, options.dynamic
    called = method_of(model, options.method)
    read = method_of(scripted(model), options.method) if front_end == "script" else called
    return _Model(called, read, *arguments)


def _prepare(options: ExportOptions, model: _Model, report: Report) -> PreparedInputs:
    """The inputs of the file: flat, with names, dtypes and dimensions."""
    called = model.called
    prepared = prepare_inputs(
        called.forward if isinstance(called, torch.nn.Module) else called,
        model.inputs,
        model.kwargs,
        model.dynamic,
        options.input_names,
        as_profiles(options.profiles),
        options.sequences,
    )
    check_program_sizes(options.model, prepared.specs)
    for name, value in prepared.constants:
        report.add("constant", f"{name} is {value!r} in the file")
    return prepared


def _capture(
    options: ExportOptions,
    model: _Model,
    front_end: FrontEnd,
    target: Target,
    prepared: PreparedInputs,
    report: Report,
) -> tuple[CapturedGraph, StoredProfiles]:
    """The graph, and the profiles that hold for its inputs."""
    request = CaptureRequest(
        model=model.read,
        inputs=prepared.specs,
        hints=prepared.hints,
        rebuild=prepared.rebuild,
        pinnable=prepared.pinnable,
        output_names=options.output_names or (),
        strict_outputs=options.outputs == "strict",
        decomposition_for=_decomposition_for,
        keep_composite=keep_composite,
        profiled=prepared.profiled,
        sequences=prepared.sequences,
        state=StatePolicy(options.state),
        library_functions=target.library_functions,
        user_functions=function_finder(options.symbolic),
        unread=replaceable(model.called) if options.weights != "file" else frozenset(),
        max_depth=options.max_depth,
        watch=watching(options.progress),
    )
    graph = capture_through(front_end, request, report, may_retry=options.verify)
    options.check_output_names_of(graph)
    settle = functools.partial(
        settle_profiles, examples=prepared.example_sizes(), opts=prepared.opts
    )
    settle(prepared.profiles, graph)  # what breaks a relation is told with the relation
    graph = narrow_ranges.run(graph)
    stored = settle(prepared.profiles, graph)
    prepared.profiles = stored.profiles
    prepared.settle(graph.inputs, [entry.initial for entry in graph.state])
    return graph, stored


def _decomposition_for(operator: torch._ops.OpOverload) -> Callable[..., Any] | None:
    """How to express an operator through others, where neither lowering nor a pass has a form."""
    taken_apart = operator in write_as_real.COMPLEX_OPERATORS
    return None if taken_apart else decomposition_for(operator)


def _lower(
    graph: CapturedGraph, target: Target, stored: StoredProfiles, report: Report
) -> ir.Model:
    """The ONNX model, checked for the target, with what it has to remember."""
    ir_model = lower(graph, opset=report.opset, dialect=target.dialect, producer_version=VERSION)
    for note in target.check(graph, ir_model):
        report.add("note", note)
    describe_state(ir_model, graph)
    describe_contract(ir_model, graph, report.of_kind("pinned"))
    if stored.worth_keeping:
        ir_model.metadata_props[PROFILES] = stored.to_text()
    return ir_model


def _leave_out(
    options: ExportOptions, model: _Model, graph: CapturedGraph, ir_model: ir.Model, report: Report
) -> set[str]:
    """The weights that the file does not hold; says so in both."""
    if options.weights != "none":
        return set()
    names = left_out(model.called, graph.weights) & set(ir_model.graph.initializers)
    describe_weights(ir_model, names)
    report.add("note", weights_text(ir_model, names))
    return names


def _write(exported: Exported, options: ExportOptions, path: str, stage: Stages) -> None:
    """Writes the file; with verification it has its name once it agrees with PyTorch."""
    report = exported.report
    target = os.path.realpath(path) if os.path.islink(path) else path  # a link stays one
    beside = unverified_name(target) if options.verify else target
    external = True if options.weights == "external" else options.external_data
    save = functools.partial(exported.save, external_data=external)
    with_weights = options.weights != "none"
    if options.verify and not with_weights:  # with them it is another file, which goes again
        beside = target
        with stage("verify"):
            exported.verify(*options.check_inputs)
        _raise_on_disagreement(exported, options)
    with stage("write"):
        save(beside)
    report.path = beside
    if options.verify and with_weights:
        with stage("verify"), removed_on_failure(beside):
            exported.verify_file(beside, options.check_inputs)
        _raise_on_disagreement(exported, options, beside)
        with removed_on_failure(beside):
            move_verified(beside, target, save)
    report.path = path
    if exported.initial_state:
        report.add("note", f"the state of the first call is in {STATE.path_for(target)}")


def _name_of(model: Callable[..., Any] | ExportedProgram) -> str:
    # A scripted module's class is PyTorch's own; it remembers the user's.
    for name in ("original_name", "name", "__name__"):
        if isinstance(found := getattr(model, name, None), str) and is_scripted(model):
            return found
    if isinstance(model, torch.nn.Module):
        return type(model).__name__
    return getattr(model, "__name__", type(model).__name__)


def _raise_on_disagreement(exported: Exported, options: ExportOptions, kept: str = "") -> None:
    verification = exported.report.verification
    if verification is None:
        return
    if not verification.ran or verification.ok:
        error = too_little_compared(verification, options.require_coverage, kept)
        if error is not None:
            error.exported = exported
            raise error
        return
    if not verification.cases:
        return
    if exported.report.refusal is not None:
        # TorchScript read the program otherwise than Python does: the first refusal stands.
        with removed_on_failure(kept) if kept else contextlib.nullcontext():
            raise exported.report.refusal
    wrong = disagreement(verification, exported.graph, kept)
    wrong.exported = exported
    raise wrong
