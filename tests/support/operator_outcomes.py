"""What becomes of one operator's call when it is exported, alone and inside a branch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import fxexport
from fxexport.errors import FxExportError, ModelError
from fxexport.graph.complex_values import as_real
from fxexport.graph.outputs import flat_outputs
from fxexport.verify.excuses import draws_numbers
from fxexport.verify.outside import GuardCheck, says_it_raises
from fxexport.verify.ties import trace_ties
from fxexport.verify.vectors import vector_nodes, with_file_vectors
from tests.support.contract import in_contract
from tests.support.harness import _session, compare, fed, flatten, run_session
from tests.support.operator_samples import OperatorCall, other_inputs, program_of

__all__ = ["FORMS", "Form", "OperatorOutcome", "OutcomeKind", "outcome_of"]

Form = Literal["alone", "branch"]
FORMS: tuple[Form, ...] = ("alone", "branch")
OutcomeKind = Literal[
    "right", "refused", "unguarded", "fails", "does not load", "wrong", "crash", "no answer"
]
"""The kinds, the better first:

right: PyTorch's values wherever the file's contract lets it be asked.
refused: the export names a reason.
unguarded: an answer where PyTorch raises and the contract does not say so.
fails: ONNX Runtime raises within the contract.
does not load, wrong, crash: as they say.
no answer: over the time limit, or the process ended.
"""

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class OperatorOutcome:
    """What became of one call in one form.

    Attributes:
        kind: see `OutcomeKind`.
        details: the reason, or the difference with the sizes.
        narrowed: sizes that PyTorch takes and the file's contract does not, in how many cases.
        compared: in how many cases values were compared.
    """

    kind: OutcomeKind
    details: str = ""
    narrowed: int = 0
    compared: int = 0


def outcome_of(
    call: OperatorCall, form: Form, *, undefined: bool = False, outside: bool = False
) -> OperatorOutcome:
    """Exports a call and compares it at the example's and at other sizes.

    Args:
        call: the operator with its arguments.
        form: by itself, or on one path of an if.
        undefined: whether nothing defines the values (of `torch.empty`): dtypes and sizes are
            compared alone.
        outside: also run the file where PyTorch raises, to see whether it raises as well. ONNX
            Runtime's kernels may hang on such sizes, or end the process.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        example = _eager(call, call.tensors)
        if isinstance(example, Exception):
            return OperatorOutcome("right", "PyTorch raises on its own sample")
        leading = (torch.tensor(True),) if form == "branch" else ()
        program = program_of(call, example if form == "branch" else None)
        try:
            exported = fxexport.export(
                program, (*leading, *_copies(call.tensors)), dynamic=True, verify=False
            )
        except ModelError as error:
            return OperatorOutcome("crash", f"the model is said to raise: {_line(error)}")
        except FxExportError as error:
            return OperatorOutcome("refused", _line(error))
        except Exception as error:
            return OperatorOutcome("crash", f"{type(error).__name__}: {_line(error)}")
        return _Comparison(call, exported, leading, undefined, outside).run()


class _Comparison:
    """One file beside PyTorch, at many sizes."""

    def __init__(
        self,
        call: OperatorCall,
        exported: fxexport.Exported,
        leading: Tensors,
        undefined: bool,
        outside: bool,
    ) -> None:
        self._call = call
        self._graph = exported.graph
        self._model = exported.model
        self._guards = GuardCheck(exported.graph)
        self._leading = leading
        self._outside = outside
        self._values = not undefined and not draws_numbers(exported.graph)
        self._narrowed = self._compared = 0

    def run(self) -> OperatorOutcome:
        """Compares on the example first, then on the rest; the first worst difference counts."""
        try:
            self._session = _session(self._model)
        except Exception as error:
            return self._outcome("does not load", _line(error))
        unguarded = ""
        for label, tensors in (("example", self._call.tensors), *other_inputs(self._call)):
            kind, details = self._at(tensors)
            if kind == "unguarded":
                unguarded = unguarded or f"{label}: {details}"
            elif kind != "right":
                return self._outcome(kind, f"{label}: {details}")
        if self._leading and (difference := self._other_path()):
            return self._outcome("wrong", f"other path: {difference}")
        return self._outcome("unguarded" if unguarded else "right", unguarded)

    def _outcome(self, kind: OutcomeKind, details: str) -> OperatorOutcome:
        return OperatorOutcome(kind, details, self._narrowed, self._compared)

    def _at(self, tensors: Tensors) -> tuple[OutcomeKind, str]:
        expected = self._expected(tensors)
        inside = in_contract(self._graph, (*self._leading, *tensors))
        if not inside:
            self._narrowed += not isinstance(expected, Exception)
            return "right", ""
        if isinstance(expected, Exception) and not self._outside:
            return "right", ""
        try:
            got = self._run((*self._leading, *tensors))
        except Exception as error:
            if isinstance(expected, Exception):
                return "right", ""
            guard = self._guards.failed(error)
            if guard and not says_it_raises(guard):
                # The contract's, of a path: it is checked where that path is taken.
                self._narrowed += 1
                return "right", ""
            return "fails", _line(error)
        if isinstance(expected, Exception):
            return "unguarded", f"PyTorch raises {_line(expected)}"
        self._compared += 1
        difference = self._difference(tensors, self._flat(expected), got)
        if difference and _consistent(self._call, tensors, expected):
            return "wrong", difference
        return "right", ""

    def _run(self, tensors: Tensors) -> list[Any]:
        present = {value.name for value in self._session.get_inputs()}
        feed = {
            spec.name: fed(as_real(tensor))
            for spec, tensor in zip(self._graph.inputs, tensors, strict=True)
            if spec.name in present
        }
        return run_session(self._session, self._graph, feed)

    def _flat(self, result: Any) -> list[Any]:
        """PyTorch's result as the file has it: a list of any length is one output."""
        if any(spec.kind == "sequence" for spec in self._graph.outputs):
            return flat_outputs(result, self._graph.outputs)
        items = [as_real(value) for value in flatten(result)]
        return items[: len(self._graph.outputs)] if self._leading else items

    def _expected(self, tensors: Tensors) -> Any:
        """PyTorch's result, or what it raises; a branch has as many outputs as the example."""
        found = _eager(self._call, tensors)
        if self._leading and not isinstance(found, Exception):
            items = list(flatten(found))
            if len(items) < len(self._graph.outputs):
                return IndexError("fewer results than at the example's sizes")
        return found

    def _difference(self, tensors: Tensors, expected: list[Any], got: list[Any]) -> str:
        if not self._values:
            expected, got = _emptied(expected), _emptied(got)
        difference = compare(expected, got)
        if not difference or not self._values:
            return difference
        excuses = (self._as_exact, self._by_ties, self._by_vectors, self._by_noise)
        fine = any(excuse(tensors, expected, got) for excuse in excuses)
        return "" if fine else difference

    def _by_vectors(self, tensors: Tensors, expected: list[Any], got: list[Any]) -> bool:
        """Whether PyTorch gives the same with the file's own eigenvectors or singular vectors."""
        if not vector_nodes(self._graph):
            return False
        again = with_file_vectors(lambda: self._flat(self._call(_copies(tensors))))
        return again is not None and not compare(again, got)

    def _by_ties(self, tensors: Tensors, expected: list[Any], got: list[Any]) -> bool:
        """Whether all that differs hangs on the order of equal elements, which nothing defines."""
        try:
            traced = trace_ties(self._graph, _copies((*self._leading, *tensors)))
        except Exception:
            return False
        rows = zip(traced, expected, got, strict=True)
        return all(result.ties or not compare([want], [have]) for result, want, have in rows)

    def _as_exact(self, tensors: Tensors, expected: list[Any], got: list[Any]) -> bool:
        """Whether the file is about as near to the result in float64 as PyTorch is."""
        wide = tuple(t.double() if t.is_floating_point() else t for t in tensors)
        exact = _eager(self._call, wide)
        if isinstance(exact, Exception):
            return False
        rows = list(zip(self._flat(exact), expected, got, strict=False))
        return len(rows) == len(expected) == len(got) and all(_near(*row) for row in rows)

    def _by_noise(self, tensors: Tensors, expected: list[Any], got: list[Any]) -> bool:
        """Whether a rounding error in the inputs moves PyTorch's result about as far.

        So it is with the inverse of a matrix that has none but for rounding errors.
        """
        for seed in range(16):
            generator = torch.Generator().manual_seed(seed)
            moved = _eager(self._call, tuple(_moved(t, generator) for t in tensors))
            if isinstance(moved, Exception):
                continue
            rows = list(zip(expected, self._flat(moved), got, strict=False))
            if len(rows) == len(expected) == len(got) and all(_no_farther(*row) for row in rows):
                return True
        return False

    def _other_path(self) -> str:
        tensors = (torch.tensor(False), *self._call.tensors)
        example = flatten(_eager(self._call, self._call.tensors))
        expected = [
            as_real(torch.zeros([0] * like.dim(), dtype=like.dtype))
            if isinstance(like, torch.Tensor)
            else like
            for like in example
        ]
        try:
            return compare(expected, self._run(tensors))
        except Exception as error:
            return f"raises {_line(error)}"


def _near(exact: Any, want: Any, have: Any) -> bool:
    if not isinstance(want, torch.Tensor) or not want.is_floating_point():
        return not compare([want], [have])
    got = torch.as_tensor(have)
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    exact, want, got = exact.double(), want.double(), got.double()
    own = (want - exact).abs().nan_to_num(0.0).max() if want.numel() else 0.0
    near = (got - exact).abs() <= 4 * own + 1e-5 + 1e-4 * exact.abs()
    return bool((near | (got == want) | (got.isnan() & want.isnan())).all())


def _moved(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Numbers with another last digit."""
    if not x.is_floating_point():
        return x
    step = torch.finfo(x.dtype).eps * (torch.randint(3, x.shape, generator=generator) - 1)
    return x * (1 + step.to(x.dtype))


def _no_farther(want: Any, moved: Any, have: Any) -> bool:
    """Whether one result is not much farther from what is wanted than another.

    Where that one has nothing to do with what is wanted, anything will do.
    """
    if not isinstance(want, torch.Tensor) or want.is_complex():
        return not compare([want], [have])
    got = torch.as_tensor(have)
    if not got.shape == want.shape == moved.shape or got.dtype != want.dtype:
        return False
    if want.numel() == 0:
        return True
    far = _gap(moved, want)
    size = want.double().nan_to_num(0.0, 0.0, 0.0).abs().max()
    return bool(far > 0 and far >= size / 2) or bool(_gap(got, want) <= 8 * far)


def _gap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """How far two tensors are apart at most; endless where one of them is NaN."""
    apart = (a.double() - b.double()).abs().nan_to_num(torch.inf)
    same = (a == b) | (a.isnan() & b.isnan())
    return torch.where(same, 0.0, apart).max()


def _emptied(values: list[Any]) -> list[Any]:
    return [
        torch.zeros_like(torch.as_tensor(value)) if not isinstance(value, list) else value
        for value in values
    ]


def _eager(call: OperatorCall, tensors: Tensors) -> Any:
    try:
        return call(_copies(tensors))
    except Exception as error:
        return error


def _consistent(call: OperatorCall, tensors: Tensors, expected: Any) -> bool:
    """Whether PyTorch's kernel for shapes gives the dtypes and sizes that its real one gives."""
    try:
        with FakeTensorMode() as mode:
            fake = flatten(call(tuple(mode.from_tensor(tensor) for tensor in tensors)))
    except Exception:  # sizes that depend on values
        return True
    real = flatten(expected)
    return len(fake) == len(real) and all(
        a.dtype == b.dtype and tuple(a.shape) == tuple(b.shape)
        for a, b in zip(fake, real, strict=True)
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
    )


def _copies(tensors: Tensors) -> Tensors:
    return tuple(tensor.clone() for tensor in tensors)


def _line(error: Exception) -> str:
    """The message of an error on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else text[:400] + "…"
