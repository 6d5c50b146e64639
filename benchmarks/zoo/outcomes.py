"""What becomes of one model of the zoo: exported once, compared at every size that it takes."""

from __future__ import annotations

import copy
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import onnxruntime  # type: ignore[import-untyped]
import torch
from torch import nn

import fxexport
from benchmarks.zoo.models import Inputs, Made, ZooModel
from fxexport.errors import FxExportError, ModelError
from fxexport.files.model import SINGLE_FILE_LIMIT
from fxexport.verify.ties import trace_ties
from tests.support.contract import in_contract
from tests.support.harness import _session, compare, flatten

__all__ = ["KINDS", "ZooRow", "outcome_of"]

KINDS = (
    "crash", "no answer", "does not load", "wrong", "fails", "narrow", "refused", "right",
    "not made",
)  # fmt: skip
"""What becomes of a model, the worst first:

crash: an error that is not for the user. no answer: over the time limit, or the process ended.
does not load, wrong: as they say. fails: ONNX Runtime raises within the contract.
narrow: right, but the contract leaves out a size that PyTorch takes.
refused: the export names a reason. right: PyTorch's values at every size that PyTorch takes.
not made: there is no such model that PyTorch runs; it counts nowhere.
"""

# How much farther from the result in float64 than PyTorch's own the file's may be.
_OWN_ROUNDING = 20.0
# How far the last digit of a float32 is away, and how many times as far as that moves PyTorch's
# result the file's may be.
_LAST_DIGIT = 2.0**-22
_OWN_MOVEMENT = 4.0


@dataclass
class ZooRow:
    """What became of one model.

    Attributes:
        source: the package.
        family: the kind of model.
        name: the model.
        kind: one of `KINDS`.
        details: the reason, or the difference with its size.
        seconds: how long the export took, without any comparison.
        compared: at how many sizes values were compared.
    """

    source: str
    family: str
    name: str
    kind: str
    details: str = ""
    seconds: float = 0.0
    compared: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)


def outcome_of(model: ZooModel) -> ZooRow:
    """Makes a model, exports it with every dimension dynamic, and compares."""
    row = ZooRow(model.source, model.family, model.name, "right")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            made = model.make()
            made.inputs[0].call(made.model)
        except Exception as error:
            row.kind, row.details = "not made", f"{type(error).__name__}: {_line(error)}"
            return row
        start = time.perf_counter()
        exported = _exported(made, row)
        row.seconds = round(time.perf_counter() - start, 1)
        if exported is not None:
            _compare(made, exported, row)
    return row


def _exported(made: Made, row: ZooRow) -> fxexport.Exported | None:
    example = copy.deepcopy(made.inputs[0])
    try:
        return fxexport.export(
            made.model, example.args, kwargs=example.kwargs, dynamic=True, verify=False
        )
    except ModelError as error:
        row.kind, row.details = "crash", f"the model is said to raise: {_line(error)}"
    except FxExportError as error:
        row.kind, row.details = "refused", _line(error)
    except Exception as error:
        row.kind, row.details = "crash", f"{type(error).__name__}: {_line(error)}"
    return None


def _loaded(exported: fxexport.Exported) -> Any:
    """A session; what is too large for one message goes through files."""
    size = sum(tensor.nbytes for tensor in exported.graph.weights.values())
    if size < SINGLE_FILE_LIMIT:
        return _session(exported.model)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.onnx"
        exported.save(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _compare(made: Made, exported: fxexport.Exported, row: ZooRow) -> None:
    try:
        session = _loaded(exported)
    except Exception as error:
        row.kind, row.details = "does not load", _line(error)
        return
    left_out: list[str] = []
    for inputs in made.inputs:
        try:
            expected = list(flatten(copy.deepcopy(inputs).call(made.model)))
        except Exception:
            continue  # PyTorch does not take this size
        values = _values(inputs)
        if not in_contract(exported.graph, values):
            left_out.append(inputs.size)
            continue
        try:
            got = _run(session, exported, values)
        except Exception as error:
            row.kind, row.details = "fails", f"{inputs.size}: {_line(error)}"
            return
        row.compared += 1
        difference = compare(expected, got)
        if difference and not (
            _as_exact(made.model, inputs, expected, got) or _by_ties(exported, values)
        ):
            row.kind, row.details = "wrong", f"{inputs.size}: {difference}"
            return
    if left_out:
        row.kind = "narrow"
        row.details = f"not in the contract: {', '.join(left_out)}: {_contract(exported)}"


def _values(inputs: Inputs) -> list[Any]:
    return [*flatten(inputs.args), *flatten(inputs.kwargs or {})]


def _contract(exported: fxexport.Exported) -> str:
    shapes = [f"{spec.name} {list(map(str, spec.shape))}" for spec in exported.graph.inputs]
    return "; ".join([*shapes, *(constraint.text for constraint in exported.graph.constraints)])


def _run(session: Any, exported: fxexport.Exported, values: Sequence[Any]) -> list[Any]:
    present = {value.name for value in session.get_inputs()}
    feed = {
        spec.name: value.contiguous().numpy()
        for spec, value in zip(exported.graph.inputs, values, strict=True)
        if spec.name in present
    }
    return list(session.run([spec.name for spec in exported.graph.outputs], feed))


def _as_exact(
    model: nn.Module, inputs: Inputs, expected: Sequence[Any], got: Sequence[Any]
) -> bool:
    """Whether the file is about as near to the result in float64 as PyTorch is."""
    try:
        exact = list(flatten(_doubled(inputs).call(copy.deepcopy(model).double())))
    except Exception:
        return _by_noise(model, inputs, expected, got)
    if not len(exact) == len(expected) == len(got):
        return False
    return all(map(_is_near, exact, expected, got))


def _by_noise(
    model: nn.Module, inputs: Inputs, expected: Sequence[Any], got: Sequence[Any]
) -> bool:
    """Whether the last digit of the inputs moves PyTorch's own result about as far.

    For models that make float32 tensors inside, and so do not run in float64.
    """
    for scale in (1 + _LAST_DIGIT, 1 - _LAST_DIGIT):
        scaled = _mapped(inputs, lambda x, scale=scale: x * scale)
        moved = list(flatten(copy.deepcopy(scaled).call(model)))
        rows = list(zip(expected, moved, got, strict=False))
        if len(expected) == len(moved) == len(got) and all(_no_farther(*row) for row in rows):
            return True
    return False


def _no_farther(want: Any, moved: Any, have: Any) -> bool:
    wide = [torch.as_tensor(value).double() for value in (want, moved, have)]
    if len({value.shape for value in wide}) > 1:
        return False
    if wide[0].numel() == 0:
        return True
    own, other = (float((value - wide[0]).abs().max()) for value in wide[1:])
    return other <= _OWN_MOVEMENT * own


def _by_ties(exported: fxexport.Exported, values: Sequence[Any]) -> bool:
    """Whether every output hangs on the order of equal elements: the routers of new experts."""
    try:
        return all(found.ties for found in trace_ties(exported.graph, copy.deepcopy(list(values))))
    except Exception:
        return False


def _is_near(exact: Any, want: Any, have: Any) -> bool:
    wide = [torch.as_tensor(value).double() for value in (exact, want, have)]
    if len({value.shape for value in wide}) > 1:
        return False
    if wide[0].numel() == 0:
        return True
    own, other = (float((value - wide[0]).abs().max()) for value in wide[1:])
    return other <= _OWN_ROUNDING * own


def _doubled(inputs: Inputs) -> Inputs:
    return _mapped(inputs, torch.Tensor.double)


def _mapped(inputs: Inputs, function: Callable[[torch.Tensor], torch.Tensor]) -> Inputs:
    """The same inputs with a function applied to each tensor of floats."""

    def mapped(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return function(value) if value.is_floating_point() else value
        if isinstance(value, (list, tuple)):
            return type(value)(map(mapped, value))
        return {k: mapped(v) for k, v in value.items()} if isinstance(value, dict) else value

    return Inputs(inputs.size, mapped(inputs.args), mapped(inputs.kwargs))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
