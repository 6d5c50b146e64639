"""One output of the file against PyTorch's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from fxexport.graph.signature import OutputSpec
from fxexport.graph.values import Eager
from fxexport.report.model import OutputDifference
from fxexport.verify.tolerance import USUAL, Asked, Tolerance, tolerance_for

__all__ = ["as_tensor", "compare_outputs", "compare_values", "largest", "mismatches"]

_SCALAR_DTYPES = {"int": torch.int64, "float": torch.float64, "bool": torch.bool}


def compare_outputs(
    specs: Sequence[OutputSpec],
    expected: Sequence[Eager],
    got: Sequence[Eager],
    working: torch.dtype | None,
    input_scale: float,
    *,
    values: bool = True,
    asked: Asked = USUAL,
) -> tuple[OutputDifference, ...]:
    """Compares all outputs of one run.

    Args:
        specs: the file's outputs.
        expected: what PyTorch gives, flat.
        got: what the file gives.
        working: the coarsest float dtype in the model.
        input_scale: magnitude of the largest input.
        values: False compares dtypes and ranks only (for models that draw random numbers).
        asked: the tolerances that the user asked for.
    """
    if len(expected) != len(specs):
        message = f"PyTorch returns {len(expected)} values here, the file {len(specs)}"
        return tuple(OutputDifference(spec.name, False, message=message) for spec in specs)
    return tuple(
        _compare_output(spec, want, have, working, input_scale, values, asked)
        for spec, want, have in zip(specs, expected, got, strict=True)
    )


def compare_values(
    name: str,
    expected: torch.Tensor,
    got: torch.Tensor,
    tolerance: Tolerance,
    input_scale: float,
) -> OutputDifference:
    """Compares dtype, shape and elements of two tensors; NaN equals NaN."""
    if expected.dtype != got.dtype:
        message = f"PyTorch gives {expected.dtype}, the file {got.dtype}"
        return OutputDifference(name, False, message=message)
    if expected.shape != got.shape:
        message = f"PyTorch gives shape {list(expected.shape)}, the file {list(got.shape)}"
        return OutputDifference(name, False, message=message)
    wrong = mismatches(expected, got, tolerance, input_scale)
    max_abs, max_rel = _largest_differences(expected, got)
    count = int(wrong.sum())
    if not count:
        return OutputDifference(name, True, max_abs, max_rel)
    index = tuple(wrong.nonzero()[0].tolist())
    where = f"; the first at [{', '.join(map(str, index))}]" if index else ""
    message = (
        f"{count} of {wrong.numel()} elements differ{where}: PyTorch gives "
        f"{expected[index].item()!r}, the file {got[index].item()!r}"
    )
    return OutputDifference(name, False, max_abs, max_rel, message)


def mismatches(
    expected: torch.Tensor, got: torch.Tensor, tolerance: Tolerance, input_scale: float
) -> torch.Tensor:
    """Which elements of two tensors of one shape differ by more than allowed."""
    if not expected.dtype.is_floating_point:
        return expected != got
    a, b = expected.double(), got.double()
    same = (a == b) | (a.isnan() & b.isnan())
    near = (a - b).abs() <= tolerance.allowed(a, input_scale)
    return ~(same | (near & a.isfinite() & b.isfinite()))


def as_tensor(value: object, kind: str = "tensor") -> torch.Tensor | None:
    """A PyTorch result as a tensor on the CPU; None when it is not of the kind expected."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu() if kind == "tensor" else None
    if kind in _SCALAR_DTYPES and type(value).__name__ == kind:
        return torch.tensor(value, dtype=_SCALAR_DTYPES[kind])
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int, float))


def largest(values: Sequence[Eager]) -> float:
    """Magnitude of the largest finite number among float tensors and scalars."""
    result = 0.0
    for value in values:
        if isinstance(value, str):
            continue
        if isinstance(value, Sequence):
            result = max(result, largest(value))
            continue
        tensor = value if isinstance(value, torch.Tensor) else torch.tensor(float(value))
        if tensor.dtype.is_floating_point and tensor.numel():
            result = max(result, float(tensor.detach().double().nan_to_num(0, 0, 0).abs().max()))
    return result


def _compare_sequence(
    spec: OutputSpec,
    expected: Eager,
    got: Eager,
    working: torch.dtype | None,
    input_scale: float,
    values: bool,
    asked: Asked,
) -> OutputDifference:
    """Compares the items of a list one by one; the differences are the largest among them.

    What may be None is a list of one value or of none; the value may be a list itself.
    """
    if not isinstance(expected, list) or not isinstance(got, list) or len(expected) != len(got):
        counts = [len(x) if isinstance(x, list) else type(x).__name__ for x in (expected, got)]
        message = f"PyTorch gives a list of {counts[0]}, the file one of {counts[1]}"
        if spec.presence:
            message = " and the file ".join("a value" if count else "None" for count in counts)
            message = f"PyTorch gives {message}"
        return OutputDifference(spec.name, False, message=message)
    item = (
        dataclasses.replace(spec, presence="")
        if spec.presence
        else OutputSpec(spec.name, spec.items, promoted=spec.promoted)
    )
    found = [
        _compare_output(item, want, have, working, input_scale, values, asked)
        for want, have in zip(expected, got, strict=True)
    ]
    wrong = next((k for k, difference in enumerate(found) if not difference.ok), None)
    message = "" if wrong is None else f"item {wrong}: {found[wrong].message}"
    if spec.presence and wrong is not None:
        message = found[wrong].message
    max_abs = max((d.max_abs for d in found if d.max_abs is not None), default=0.0)
    max_rel = max((d.max_rel for d in found if d.max_rel is not None), default=0.0)
    return OutputDifference(spec.name, wrong is None, max_abs, max_rel, message)


def _compare_output(
    spec: OutputSpec,
    expected: Eager,
    got: Eager,
    working: torch.dtype | None,
    input_scale: float,
    values: bool,
    asked: Asked,
) -> OutputDifference:
    if spec.kind == "sequence" or spec.presence:
        return _compare_sequence(spec, expected, got, working, input_scale, values, asked)
    if spec.kind == "text" or not isinstance(got, torch.Tensor):
        message = "" if expected == got else f"PyTorch gives {expected!r}, the file {got!r}"
        return OutputDifference(spec.name, not message, message=message)
    want = as_tensor(expected, spec.kind)
    if want is None and spec.kind == "tensor" and got.dim() == 0 and _is_number(expected):
        # A number on one path and a tensor on the other are a tensor in the file, as reported. Of
        # a coarser kind it cannot be: 2.7 is no whole number.
        number = torch.tensor(expected)
        want = number.to(got.dtype) if torch.can_cast(number.dtype, got.dtype) else number
    if spec.promoted:
        given = expected if isinstance(expected, torch.Tensor) else torch.tensor(expected)
        if torch.promote_types(given.dtype, got.dtype) == got.dtype:
            want = given.detach().cpu().to(got.dtype)
    if want is None:
        message = f"PyTorch returns a {type(expected).__name__} here, the file a {spec.kind}"
        return OutputDifference(spec.name, False, message=message)
    if not values:
        right = want.dtype == got.dtype and want.dim() == got.dim()
        message = (
            f"PyTorch gives {want.dtype} of rank {want.dim()}, "
            f"the file {got.dtype} of rank {got.dim()}"
        )
        return OutputDifference(spec.name, right, message="" if right else message)
    tolerance = asked.of(tolerance_for(want.dtype, working))
    return compare_values(spec.name, want, got, tolerance, input_scale)


def _largest_differences(expected: torch.Tensor, got: torch.Tensor) -> tuple[float, float]:
    """Largest absolute and relative difference; infinite where only one side is finite."""
    if not expected.numel():
        return 0.0, 0.0
    a, b = expected.double(), got.double()
    same = (a == b) | (a.isnan() & b.isnan())
    difference = torch.where(same, 0.0, (a - b).abs()).nan_to_num(float("inf"), float("inf"))
    relative = difference / a.abs().clamp_min(torch.finfo(torch.float32).tiny)
    return float(difference.max()), float(torch.where(same, 0.0, relative).max())
