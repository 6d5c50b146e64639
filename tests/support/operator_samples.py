"""Calls of PyTorch's operators, from its own list of samples (`op_db`), at other sizes as well."""

from __future__ import annotations

import importlib.util
import linecache
import math
import sys
import types
import unittest
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

__all__ = [
    "DTYPES",
    "MORE_DTYPES",
    "OperatorCall",
    "Slot",
    "calls_of",
    "operators",
    "other_inputs",
    "program_of",
]

DTYPES = {
    "float32": torch.float32,
    "int64": torch.int64,
    "bool": torch.bool,
    "float16": torch.float16,
}
MORE_DTYPES = {
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
    "int32": torch.int32,
    "int8": torch.int8,
    "uint8": torch.uint8,
}
_MOST_ELEMENTS = 20_000
_MOST_VARIANTS = 24


@dataclass(frozen=True)
class Slot:
    """The place of a tensor in a call's arguments."""

    number: int


@dataclass(frozen=True)
class OperatorCall:
    """One call of an operator.

    Attributes:
        function: what is called.
        args: its arguments; a `Slot` stands for each tensor.
        kwargs: its arguments by name, likewise.
        tensors: the example's tensors.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: tuple[torch.Tensor, ...]

    def __call__(self, tensors: Sequence[torch.Tensor]) -> Any:
        """What PyTorch gives on other tensors."""
        return self.function(*_filled(self.args, tensors), **_filled(self.kwargs, tensors))

    def __str__(self) -> str:
        shapes = ", ".join(f"{str(t.dtype)[6:]}{list(t.shape)}" for t in self.tensors)
        return f"({shapes}; {_text(self.args)} {_text(self.kwargs)})"


def operators() -> list[Any]:
    """PyTorch's own list of operators, each with samples of its arguments."""
    # The module's test classes are derived from those of `expecttest`; the list needs none.
    if "expecttest" not in sys.modules and importlib.util.find_spec("expecttest") is None:
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
        sys.modules["expecttest"] = stand_in
    from torch.testing._internal.common_methods_invocations import op_db

    return list(op_db)


def calls_of(operator: Any, dtype: torch.dtype, most: int) -> Iterator[OperatorCall]:
    """Calls of an operator, at most so many: of each form of its arguments first.

    Args:
        operator: an `OpInfo`.
        dtype: of its samples.
        most: how many to give.
    """
    torch.manual_seed(0)
    groups: dict[object, list[OperatorCall]] = {}
    for sample in operator.sample_inputs("cpu", dtype, requires_grad=False):
        call = _call(operator.op, sample)
        if call is not None:
            groups.setdefault(_form(call), []).append(call)
    given = 0
    # One of each form, in turns, the later samples first in the second turn: they are less plain.
    for turn in range(most):
        for group in groups.values():
            if turn < len(group) and given < most:
                given += 1
                yield group[turn if turn == 0 else -turn]


def other_inputs(call: OperatorCall) -> Iterator[tuple[str, tuple[torch.Tensor, ...]]]:
    """The call's tensors grown, shrunk, at odd sizes, with 1 and 0, and with other values.

    Dimensions that share a size change together: they may have to stay equal. Then each dimension
    of the first tensor changes alone.
    """
    sizes = sorted({size for tensor in call.tensors for size in tensor.shape})
    seen: list[list[tuple[int, ...]]] = [[tuple(t.shape) for t in call.tensors]]
    # PyTorch's kernels of batch normalisation do not look whether statistics have the input's size.
    alone = "batch_norm" not in getattr(call.function, "__name__", "")
    for label, shapes in _other_shapes(call.tensors, sizes, alone):
        small = all(math.prod(shape) <= _MOST_ELEMENTS for shape in shapes)
        if small and shapes not in seen and len(seen) <= _MOST_VARIANTS:
            seen.append(shapes)
            made = tuple(_resized(t, s) for t, s in zip(call.tensors, shapes, strict=True))
            if not _is_undefined(call, made):
                yield label, made


def _is_undefined(call: OperatorCall, tensors: Sequence[torch.Tensor]) -> bool:
    """Whether PyTorch gives here what nothing defines; docs/facts.md has each of these."""
    name = getattr(call.function, "__name__", "")
    if name.startswith("_upsample_") and name.endswith("_aa"):
        return tensors[0].shape[-1] == 1
    if name == "multilabel_margin_loss":
        return not tensors[0].numel()
    if name == "linear_cross_entropy" and call.kwargs.get("options") is not None:
        rows, targets = tensors[0].shape[:-1], tensors[2].shape
        return tuple(rows) != tuple(targets)
    if "lu_factor_ex" in name and tensors[0].dim() > 1:
        # Of a matrix without full rank rounding decides which rows are left for pivots.
        rank = torch.linalg.matrix_rank(tensors[0].double(), rtol=1e-3)
        return bool((rank < min(tensors[0].shape[-2:])).any())
    if name == "<lambda>" and "resize_" in call.function.__code__.co_names:
        return math.prod(call.args[1]) > tensors[0].numel()  # new memory holds anything
    if name in ("bucketize", "searchsorted"):
        edges = tensors[1 if name == "bucketize" else 0]
        # Not by their differences: those of unsigned integers are never below 0.
        falls = edges[..., 1:] < edges[..., :-1]
        return call.kwargs.get("sorter") is None and bool(falls.any())
    if name == "histogram" and isinstance(call.args[1], Slot):
        return bool((tensors[1].diff() < 0).any())
    if name == "ctc_loss":
        return bool((tensors[1] >= tensors[0].shape[-1]).any())
    if name == "segment_reduce":
        rows = tensors[0].shape[0]
        if "offsets" in call.kwargs:
            return bool((tensors[1].diff() < 0).any() or (tensors[1] > rows).any())
        return bool(call.kwargs["unsafe"] and (tensors[1].sum() > rows or (tensors[1] < 0).any()))
    if name == "linalg_ldl_solve":
        # LAPACK's rows change places with later ones only.
        pivots = tensors[1].abs()
        return bool((pivots <= torch.arange(pivots.shape[-1])).any())
    if name == "linalg_pinv" and call.kwargs.get("hermitian"):
        # Without elements PyTorch does not look whether it is square.
        return tensors[0].shape[-2] != tensors[0].shape[-1]
    if name == "take_along_dim" and tensors[1].numel():
        dim = call.args[2] if len(call.args) > 2 else call.kwargs.get("dim")
        size = tensors[0].numel() if dim is None else tensors[0].shape[dim]
        return int(tensors[1].max()) >= size
    return False


def _other_shapes(
    tensors: Sequence[torch.Tensor], sizes: Sequence[int], alone: bool
) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    def mapped(change: dict[int, int]) -> list[tuple[int, ...]]:
        return [tuple(change.get(size, size) for size in t.shape) for t in tensors]

    for label, change in (
        ("all twice", {size: 2 * size for size in sizes if size > 1}),
        ("all odd", {size: 2 * size + 1 for size in sizes if size > 1}),
        ("all one", dict.fromkeys(sizes, 1)),
        ("all zero", dict.fromkeys(sizes, 0)),
    ):
        yield label, mapped(change)
    for size in sizes:
        for other in dict.fromkeys((2 * size + 1, size + 1, size - 1, 1, 0)):
            if other >= 0:
                yield f"{size} -> {other}", mapped({size: other})
    if tensors and alone:
        first = tuple(tensors[0].shape)
        for axis, size in enumerate(first):
            for other in (size + 1, 0):
                alone = (*first[:axis], other, *first[axis + 1 :])
                yield f"axis {axis} -> {other}", [alone, *(tuple(t.shape) for t in tensors[1:])]


def _resized(tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The tensor's values, repeated or cut: they stay what the operator takes."""
    if tuple(tensor.shape) == tuple(shape):
        return tensor
    if not tensor.numel():
        return torch.ones(tuple(shape), dtype=tensor.dtype)
    for axis, size in enumerate(shape):
        tensor = tensor.index_select(axis, torch.arange(size) % tensor.shape[axis])
    if tensor.dtype in (torch.float32, torch.float64):
        # What is repeated must not be equal: the order of equal values is nobody's.
        step = torch.arange(tensor.numel(), dtype=tensor.dtype).reshape(tensor.shape)
        tensor = tensor * (1 + 1e-3 * step / max(1, tensor.numel()))
    return tensor.contiguous()


def program_of(call: OperatorCall, on_one_path: Any = None) -> Callable[..., Any]:
    """A function as a user would write it, with its source: the call and nothing else.

    Args:
        call: what it calls.
        on_one_path: what PyTorch gives on the example, to have the call on one path of an if on a
            first argument. The other path gives empty tensors of the same kinds.
    """
    known: dict[str, Any] = {"torch": torch, "function": call.function}
    parts = [_source(value, known) for value in call.args]
    parts += [f"{key}={_source(value, known)}" for key, value in call.kwargs.items()]
    parameters = [f"t{k}" for k in range(len(call.tensors))]
    expression = f"function({', '.join(parts)})"
    if on_one_path is None:
        lines = [f"    return {expression}"]
    else:
        parameters.insert(0, "flag")
        paths, fillers = _leaves("found", on_one_path, known)
        lines = ["    if flag:", f"        found = {expression}"]
        lines += [f"        out = [{', '.join(paths)}]"]
        lines += ["    else:", f"        out = [{', '.join(fillers)}]", "    return out"]
    text = "\n".join([f"def program({', '.join(parameters)}):", *lines, ""])
    name = f"<operator {hash(text):x}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), known)
    program: Callable[..., Any] = known["program"]
    return program


def _source(value: Any, known: dict[str, Any]) -> str:
    """A value as an expression; what has none is given a name."""
    if isinstance(value, Slot):
        return f"t{value.number}"
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        items = "".join(f"{_source(item, known)}, " for item in value)
        return f"({items})" if isinstance(value, tuple) else f"[{items}]"
    finite = not isinstance(value, float) or math.isfinite(value)
    if type(value) in (int, bool, str, float, type(None)) and finite:
        return repr(value)
    name = f"constant_{len(known)}"
    known[name] = value
    return name


def _leaves(path: str, value: Any, known: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Where the tensors and numbers of a result are, and what stands for each elsewhere."""
    if isinstance(value, (list, tuple)):
        found = [_leaves(f"{path}[{k}]", item, known) for k, item in enumerate(value)]
        return [p for ps, _ in found for p in ps], [f for _, fs in found for f in fs]
    if isinstance(value, torch.Tensor):
        return [path], [f"torch.zeros({[0] * value.dim()}, dtype={value.dtype})"]
    return [path], [_source(value, known)]


def _filled(value: Any, tensors: Sequence[torch.Tensor]) -> Any:
    if isinstance(value, Slot):
        return tensors[value.number]
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_filled(item, tensors) for item in value)
    if isinstance(value, dict):
        return {key: _filled(item, tensors) for key, item in value.items()}
    return value


def _call(function: Callable[..., Any], sample: Any) -> OperatorCall | None:
    """A sample as a call; None where it holds what is no plain tensor."""
    tensors: list[torch.Tensor] = []

    def taken(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            tensors.append(value.detach().contiguous())
            return Slot(len(tensors) - 1)
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(taken(item) for item in value)
        if isinstance(value, dict):
            return {key: taken(item) for key, item in value.items()}
        return value

    try:
        args = tuple(taken(value) for value in (sample.input, *sample.args))
        kwargs = {key: taken(value) for key, value in sample.kwargs.items()}
    except (RuntimeError, TypeError):  # sparse and nested tensors, for example
        return None
    plain = all(t.layout == torch.strided and not t.dtype.is_complex for t in tensors)
    if not plain or not tensors:
        return None
    return OperatorCall(function, args, kwargs, tuple(tensors))


def _form(call: OperatorCall) -> object:
    """What tells one form of an operator's arguments from another: all but sizes and numbers."""
    ranks = tuple(t.dim() for t in call.tensors)
    return ranks, _kinds(call.args), tuple((key, _kinds(v)) for key, v in call.kwargs.items())


def _kinds(value: Any) -> object:
    if isinstance(value, (list, tuple)):
        return tuple(_kinds(item) for item in value)
    return value if isinstance(value, (str, bool, torch.dtype)) else type(value).__name__


def _text(value: Any) -> str:
    if isinstance(value, Slot):
        return f"t{value.number}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_text(item)}" for key, item in value.items()) + "}"
    return repr(value) if len(repr(value)) < 60 else type(value).__name__
