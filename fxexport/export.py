"""The way of a model to a file, top to bottom."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from fxexport.capture import CaptureRequest, capture, left_as_found
from fxexport.errors import OutputError, UsageError, VerificationError
from fxexport.graph import CapturedGraph
from fxexport.inputs import PreparedInputs, prepare_inputs
from fxexport.lowering import decomposition_for, keep_composite, lower
from fxexport.outputs import flat_outputs
from fxexport.passes import run_passes
from fxexport.progress import NullProgress, Progress
from fxexport.report import Report
from fxexport.report.model import Verification
from fxexport.report.signature import describe_input, dimensions_to_data
from fxexport.targets import target_named
from fxexport.verify import verify as compare
from fxexport.writing import check_target, data_file_name, write_model

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["Exported", "export"]


class Exported:
    """An exported model.

    Attributes:
        graph: the branch-preserving graph; it runs eagerly and prints.
        report: everything that was decided, and how the file compares with PyTorch.
    """

    def __init__(
        self,
        graph: CapturedGraph,
        ir_model: ir.Model,
        report: Report,
        prepared: PreparedInputs,
        reference: Callable[[list[Any]], Sequence[Any]],
    ) -> None:
        self.graph = graph
        self.report = report
        self._ir_model = ir_model
        self._prepared = prepared
        self._reference = reference

    @property
    def model(self) -> onnx.ModelProto:
        """The model as an ONNX message, weights included; made anew at each access."""
        import onnx_ir

        return onnx_ir.to_proto(self._ir_model)

    def save(self, path: str | os.PathLike[str], *, external_data: bool | None = None) -> None:
        """Writes the file, whole or not at all.

        Args:
            path: where to write.
            external_data: True for weights in ``<name>.data`` beside it, None to decide by size.

        Raises:
            OutputError: when it cannot be written.
        """
        write_model(self._ir_model, path, external_data=external_data)

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
    model: Callable[..., Any],
    inputs: Any = (),
    path: str | os.PathLike[str] | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    dynamic: Any = False,
    target: str = "onnxruntime",
    opset: int | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    verify: bool = True,
    check_inputs: Sequence[Any] = (),
    external_data: bool | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Exports a model to ONNX with its ifs and loops intact.

    Args:
        model: an `nn.Module`, or a function of tensors.
        inputs: a tuple of arguments (or a dict by name, or one tensor): real, meta or fake
            tensors, NumPy arrays, or `TensorSpec`s. No data is needed.
        path: where to write; None keeps the model in memory.
        kwargs: further arguments by name.
        dynamic: False, True (every dimension is tried), ``{name: {0: "batch"}}``,
            ``{name: [0, 2]}``, torch.export's dynamic_shapes, or ``{name: {0: Dim("b", 1, 8)}}``.
        target: what the file is for: "onnxruntime".
        opset: ONNX opset, 18 or newer; None for the target's best.
        input_names: names of the file's inputs; by default the parameters' names.
        output_names: names of the file's outputs.
        verify: compare the file with PyTorch.
        check_inputs: further inputs to compare on, each in the form of `inputs`.
        external_data: True for weights in a file beside the model, None to decide by size.
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
    stage = _Stages(report, progress or NullProgress())
    goal = target_named(target)
    if path is not None:
        check_target(path)
    report.opset = goal.checked_opset(opset)
    _check_call(model, output_names)
    with stage("inputs"):
        call = model.forward if isinstance(model, torch.nn.Module) else model
        prepared = prepare_inputs(call, inputs, kwargs, dynamic, input_names)
        for name, value in prepared.constants:
            report.add("constant", f"{name} is {value!r} in the file")
    with stage("capture"):
        graph = capture(_request(model, prepared, output_names), report)
        _check_output_names(output_names, graph)
        prepared.specs[:] = graph.inputs
    with stage("passes"):
        graph = run_passes(graph, goal.passes)
    with stage("lower"):
        ir_model = lower(graph, opset=report.opset)
    _describe(report, graph, ir_model)
    exported = Exported(graph, ir_model, report, prepared, _reference(model, prepared, graph))
    if path is None:
        if verify:
            with stage("verify"):
                exported.verify(*check_inputs)
            _raise_on_disagreement(exported)
        return exported
    shown = os.fspath(path)
    beside = _unverified_name(shown) if verify else shown
    with stage("write"):
        exported.save(beside, external_data=external_data)
    report.path = beside
    if verify:
        with stage("verify"), _removed_on_failure(beside):
            report.verification = compare(
                graph, beside, exported._reference, prepared, check_inputs
            )
        _raise_on_disagreement(exported, beside)
        with _removed_on_failure(beside):
            _move(exported, beside, shown, external_data)
        report.path = shown
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


def _check_output_names(output_names: Sequence[str] | None, graph: CapturedGraph) -> None:
    """The given names fit the model's outputs, and no two values share one."""
    if not output_names:
        return
    count = len(graph.outputs)
    if len(output_names) != count:
        raise UsageError(
            f"output_names has {len(output_names)} names, but the model has {count} output(s): "
            + ", ".join(spec.name for spec in graph.outputs)
        )
    names = [spec.name for spec in [*graph.inputs, *graph.outputs]]  # type: ignore[attr-defined]
    for name in output_names:
        if names.count(name) > 1:
            raise UsageError(
                f"output_names: {name!r} is the name of another input or output too",
                hint="give every output a name of its own",
            )


def _unverified_name(path: str) -> str:
    """Where the file stands until it is known to agree, and stays if it does not."""
    stem, ending = os.path.splitext(path)
    return f"{stem}.unverified{ending}"


def _move(exported: Exported, source: str, path: str, external_data: bool | None) -> None:
    """Gives a verified file its name; one with a data file is written anew, as it names it."""
    data = os.path.join(os.path.dirname(source), data_file_name(source))
    if os.path.exists(data):
        exported.save(path, external_data=external_data)
        os.unlink(source)
        os.unlink(data)
        return
    try:
        os.replace(source, path)
    except OSError as error:
        raise OutputError(f"cannot write {path!r}: {error.strerror or error}") from error


@contextlib.contextmanager
def _removed_on_failure(path: str) -> Iterator[None]:
    """Nothing half-verified is left behind an exception or Ctrl-C."""
    try:
        yield
    except BaseException:
        for name in (path, os.path.join(os.path.dirname(path), data_file_name(path))):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        raise


def _request(
    model: Callable[..., Any], prepared: PreparedInputs, output_names: Sequence[str] | None
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
    )


def _reference(
    model: Callable[..., Any], prepared: PreparedInputs, graph: CapturedGraph
) -> Callable[[list[Any]], Sequence[Any]]:
    """Runs the model eagerly on flat inputs, and leaves it as it was."""

    def run(values: list[Any]) -> list[Any]:
        args, kwargs = prepared.rebuild(values)
        with torch.no_grad(), _state_kept(model):
            return flat_outputs(model(*args, **kwargs), graph.outputs)

    return run


@contextlib.contextmanager
def _state_kept(model: Callable[..., Any]) -> Iterator[None]:
    """Runs on the model's own weights, but undoes what a call leaves on it, in buffers too."""
    buffers = model.buffers() if isinstance(model, torch.nn.Module) else ()
    saved = [(buffer, buffer.detach().clone()) for buffer in buffers]
    try:
        with left_as_found(model):
            yield
    finally:
        for buffer, value in saved:
            buffer.copy_(value)


def _name_of(model: Callable[..., Any]) -> str:
    if isinstance(model, torch.nn.Module):
        return type(model).__name__
    return getattr(model, "__name__", type(model).__name__)


def _describe(report: Report, graph: CapturedGraph, ir_model: ir.Model) -> None:
    report.inputs = [describe_input(spec) for spec in graph.inputs]
    report.outputs = [
        {
            "name": spec.name,
            "kind": spec.kind,
            "dtype": _dtype_text(value),
            "shape": None
            if value.shape is None
            else dimensions_to_data(
                [d if isinstance(d, int) else str(d.value or "?") for d in value.shape]
            ),
        }
        for spec, value in zip(graph.outputs, ir_model.graph.outputs, strict=True)
    ]
    for constraint in graph.constraints:
        report.add("relation", constraint.text, constraint.location)


def _dtype_text(value: ir.Value) -> str:
    """``float32`` for a value's type, as PyTorch spells it."""
    if value.dtype is None:
        return ""
    name = value.dtype.name.lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


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
