"""Runs one program three ways (eager PyTorch, our graph, ONNX Runtime) and compares."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from fxexport.graph.complex_values import as_real
from fxexport.targets.onnxruntime.session import _DTYPES
from tests.programs.program import Program

__all__ = [
    "Outcome",
    "Status",
    "compare",
    "fed",
    "feed_of",
    "flatten",
    "run_model",
    "run_program",
    "run_session",
]

Status = Literal["agree", "refused", "wrong", "crashed"]
TOLERANCES = {torch.float16: (1e-2, 1e-3), torch.bfloat16: (2e-2, 1e-2)}
SCALARS = (bool, int, float)
Flat = list[torch.Tensor | bool | int | float]


@dataclass(frozen=True)
class Outcome:
    """What became of a program.

    Attributes:
        status: "agree", "refused" (a clear refusal), "wrong" (a difference), or "crashed"
            (an exception that is a bug: it is not for the user).
        details: the refusal, the difference or the exception.
        error: the exception, if there was one.
    """

    status: Status
    details: str = ""
    error: Exception | None = None


def flatten(value: Any) -> Flat:
    """Tensors and Python scalars of a nested value, in order; None and text are dropped."""
    return list(_leaves(value))


def _leaves(value: Any) -> Iterator[torch.Tensor | bool | int | float]:
    if isinstance(value, (torch.Tensor, *SCALARS)):
        yield value
    elif value is None or isinstance(value, (str, bytes, torch.dtype, torch.device)):
        return
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _leaves(getattr(value, field.name))
    elif hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)):
        yield from _leaves({k: v for k, v in vars(value).items() if not k.startswith("_")})
    else:
        raise TypeError(f"the harness cannot flatten a {type(value).__name__}")


def run_program(program: Program, target: str = "onnxruntime") -> Outcome:
    """Exports a program of the corpus and compares it on all its inputs."""
    return run_model(program.make, program.inputs, dynamic=program.dynamic, target=target)


def run_model(
    make: Callable[[], Callable[..., Any]],
    inputs: Sequence[tuple[Any, ...]],
    *,
    dynamic: Any = True,
    target: str = "onnxruntime",
    outside: Sequence[tuple[Any, ...]] = (),
) -> Outcome:
    """Exports what `make` gives on the first inputs and compares on all of them.

    What the report says of ifs and loops must be what the file holds, too.

    Args:
        make: gives a fresh model each time, with the same weights.
        inputs: argument tuples; each call gets its own copy.
        dynamic: as for `fxexport.export`.
        target: whose dialect the file is in.
        outside: argument tuples that the file does not promise to take: it must raise.
    """
    import fxexport
    from fxexport.errors import FxExportError
    from fxexport.graph.outputs import without_padding
    from tests.support.reported import unlike_the_file

    try:
        exported = fxexport.export(
            make(), copy.deepcopy(inputs[0]), dynamic=dynamic, target=target, verify=False
        )
    except FxExportError as error:
        return Outcome("refused", str(error), error)
    except Exception as error:
        return Outcome("crashed", f"export: {type(error).__name__}: {error}", error)
    model = exported.model
    misreported = unlike_the_file(exported, model)
    if misreported:
        return Outcome("wrong", f"the report: {misreported}")
    try:
        session = _session(model)
    except Exception as error:
        return Outcome("crashed", f"ONNX Runtime refuses the file: {error}", error)
    for number, row in enumerate(inputs):
        with torch.no_grad():
            expected = _expected(make()(*copy.deepcopy(row)), exported.graph.outputs)
        runs: dict[str, Callable[[Any, Any, tuple[Any, ...]], list[Any]]] = {
            "graph": _run_graph,
            "ONNX Runtime": _run_session,
        }
        for runner, run in runs.items():
            where = f"input set {number}, {runner}"
            try:
                actual = run(session, exported.graph, row)
                outputs = exported.graph.outputs
                if any(spec.padding or spec.presence for spec in outputs):
                    tensors = [v if isinstance(v, list) else _as_tensor(v) for v in actual]
                    actual = without_padding(outputs, tensors)
            except Exception as error:
                return Outcome("wrong", f"{where}: raises {type(error).__name__}: {error}", error)
            wanted = _promoted(expected, actual, [s for s in outputs if s.of_model])
            difference = compare(wanted, actual)
            if difference:
                return Outcome("wrong", f"{where}: {difference}")
    for number, row in enumerate(outside):
        if _answers(session, exported.graph, row):
            return Outcome("wrong", f"outside set {number}: the file answers")
    return Outcome("agree")


def _answers(session: Any, graph: Any, row: tuple[Any, ...]) -> bool:
    """Whether ONNX Runtime gives anything for these arguments."""
    try:
        _run_session(session, graph, row)
    except Exception:
        return False
    return True


def _expected(result: Any, outputs: Sequence[Any]) -> list[Any]:
    """Eager's values, one an output: lists of varying length are one value."""
    if any(spec.kind in ("sequence", "text") or spec.presence for spec in outputs):
        from fxexport.graph.outputs import flat_outputs

        return flat_outputs(result, outputs)
    return [as_real(value) for value in flatten(result)]


def _promoted(expected: list[Any], actual: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """Eager's values, in the dtype that the file promotes some to, as its report says."""
    if not len(expected) == len(outputs) == len(actual):
        return expected
    return [
        _like(want, got) if spec.promoted else want
        for want, got, spec in zip(expected, actual, outputs, strict=True)
    ]


def _like(want: Any, got: Any) -> Any:
    if isinstance(want, list):
        return [_like(*pair) for pair in zip(want, got, strict=False)]
    if isinstance(want, str):
        return want
    wanted, given = _as_tensor(want), _as_tensor(got)
    fits = torch.promote_types(wanted.dtype, given.dtype) == given.dtype
    return wanted.to(given.dtype) if fits else want


def compare(expected: Sequence[Any], actual: Sequence[Any]) -> str:
    """What differs between eager's flat outputs and another run's; empty if nothing does."""
    if len(expected) != len(actual):
        return f"expected {len(expected)} outputs, got {len(actual)}"
    for k, (want, got) in enumerate(zip(expected, actual, strict=True)):
        difference = _difference(want, got)
        if difference:
            return f"output {k}: {difference}"
    return ""


def _difference(want: Any, got: Any) -> str:
    if isinstance(want, list):
        if not isinstance(got, list) or len(want) != len(got):
            return f"expected a list of {len(want)}, got {got}"
        return compare(want, got)
    if isinstance(want, str):
        text = got if isinstance(got, str) else str(np.asarray(got).item())
        return "" if want == text else f"expected {want!r}, got {text!r}"
    scalar = isinstance(want, SCALARS)
    want, got = _as_tensor(want), _as_tensor(got)
    if tuple(want.shape) != tuple(got.shape):
        return f"expected shape {tuple(want.shape)}, got {tuple(got.shape)}"
    same_kind = scalar and want.is_floating_point() and got.is_floating_point()
    if want.dtype != got.dtype and not same_kind:
        return f"expected dtype {want.dtype}, got {got.dtype}"
    if not want.is_floating_point():
        return "" if torch.equal(want, got) else f"expected {want}, got {got}"
    rtol, atol = TOLERANCES.get(want.dtype, (1e-4, 1e-5))
    if torch.allclose(want.double(), got.double(), rtol=rtol, atol=atol, equal_nan=True):
        return ""
    worst = (want.double() - got.double()).abs().max().item()
    return f"values differ by up to {worst:.3g}: expected {want}, got {got}"


def _as_tensor(value: Any) -> Any:
    if isinstance(value, str) or getattr(value, "dtype", None) is np.dtype(object):
        return value if isinstance(value, str) else str(value.item())
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, SCALARS):
        return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)
    return torch.as_tensor(np.asarray(value))


def _file_values(graph: Any, row: tuple[Any, ...]) -> Flat:
    """The values for the file's inputs; static Python scalars are part of the file."""
    values = [as_real(value) for value in flatten(copy.deepcopy(row))]
    if len(values) != len(graph.inputs):
        values = [value for value in values if isinstance(value, torch.Tensor)]
    if len(values) != len(graph.inputs):
        raise TypeError(f"the file has {len(graph.inputs)} inputs, the program {len(values)}")
    return values


def _run_graph(session: Any, graph: Any, row: tuple[Any, ...]) -> list[Any]:
    return list(graph.run(*_file_values(graph, row)))


def _session(model: Any) -> Any:
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # guards that fail are said by what is raised
    options.log_severity_level = 3
    data = model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _run_session(session: Any, graph: Any, row: tuple[Any, ...]) -> list[Any]:
    return run_session(session, graph, feed_of(session, graph, row))


def run_session(session: Any, graph: Any, feed: dict[str, Any]) -> list[Any]:
    """What a session gives for what `fed` made of inputs."""
    names = [spec.name for spec in graph.outputs]
    if "tensor(bfloat16)" not in {each.type for each in session.get_outputs()}:
        return list(session.run(names, feed))
    given = {name: _ort_value(value) for name, value in feed.items()}
    return [_tensor_of(value) for value in session.run_with_ort_values(names, given)]


def _ort_value(value: Any) -> Any:
    import onnxruntime

    if isinstance(value, onnxruntime.OrtValue):
        return value
    return onnxruntime.OrtValue.ortvalue_from_numpy(value)


def _tensor_of(value: Any) -> torch.Tensor:
    """NumPy has no bfloat16."""
    dtype, _ = _DTYPES[value.data_type()]
    if 0 in value.shape():
        return torch.empty(value.shape(), dtype=dtype)
    tensor = torch.utils.dlpack.from_dlpack(value).clone()
    return tensor if tensor.dtype == dtype else tensor.view(dtype)


def fed(tensor: torch.Tensor) -> Any:
    """A tensor as ONNX Runtime takes it."""
    import onnxruntime

    if tensor.dtype != torch.bfloat16:
        return tensor.contiguous().numpy()
    bits = tensor.contiguous().view(torch.uint16).numpy()
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, 16)


def feed_of(session: Any, graph: Any, row: tuple[Any, ...]) -> dict[str, Any]:
    """Arrays for the inputs that a session has."""
    feed = {}
    present = {value.name for value in session.get_inputs()}
    for spec, value in zip(graph.inputs, _file_values(graph, row), strict=True):
        if spec.name in present:
            tensor = value if isinstance(value, torch.Tensor) else torch.tensor(value)
            feed[spec.name] = fed(tensor.detach().to(spec.dtype))
    return feed
