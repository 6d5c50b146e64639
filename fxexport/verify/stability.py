"""Whether a difference is an error, or PyTorch's own result hangs on the last bit.

An argmax of two nearly equal numbers, a rounding at .5, a condition at its threshold: there two
right implementations differ. PyTorch itself shows it: its result changes as much when its inputs
move by a rounding error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.values import Eager
from fxexport.report.model import OutputDifference
from fxexport.verify.compare import as_tensor, mismatches
from fxexport.verify.reference import EagerModel
from fxexport.verify.tolerance import Tolerance, tolerance_for

__all__ = ["is_unstable", "random_nodes"]

_ROUNDING: dict[torch.dtype, float] = {
    torch.float64: 1e-14,
    torch.float32: 4e-6,
    torch.float16: 4e-3,
    torch.bfloat16: 3e-2,
}
_TRIALS = 4
# The class of one pixel among thousands: a trial seldom moves just that one.
_MORE_TRIALS, _FEW = 24, 1e-3


def random_nodes(graph: CapturedGraph) -> list[fx.Node]:
    """The operators of a graph that give other results from call to call."""
    return [
        node
        for module in graph.graphs()
        for node in module.graph.nodes
        if node.op == "call_function"
        and torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        and not _dropout_is_off(node)
    ]


def _dropout_is_off(node: fx.Node) -> bool:
    """Whether the only randomness of an operator is dropout, and it drops nothing."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return False
    values = {}
    for k, argument in enumerate(schema.arguments):
        given = node.args[k] if k < len(node.args) else node.kwargs.get(argument.name)
        values[argument.name] = argument.default_value if given is None else given
    if values.get("train") is False or values.get("training") is False:
        return True
    drop = next((values[n] for n in ("dropout_p", "dropout", "p") if n in values), None)
    return isinstance(drop, (int, float)) and drop == 0


def is_unstable(
    reference: EagerModel,
    inputs: Sequence[Eager],
    expected: Sequence[Eager],
    got: Sequence[Eager],
    wrong: Sequence[OutputDifference],
    working: torch.dtype | None,
) -> bool:
    """Whether PyTorch's results change as much as the file's do, from a rounding error alone.

    Args:
        reference: PyTorch.
        inputs: the inputs of the case.
        expected: PyTorch's results for them.
        got: the file's.
        wrong: the comparison of each output.
        working: the coarsest float dtype in the model.
    """
    others: list[list[Eager]] = []

    def explained() -> bool:
        return all(
            difference.ok or _explained(expected[k], got[k], [o[k] for o in others], working)
            for k, difference in enumerate(wrong)
        )

    for trial in range(_MORE_TRIALS):
        if trial == _TRIALS and not _few_differ(expected, got, wrong, working):
            return False
        moved = [_moved(value, trial, working) for value in inputs]
        unmoved = all(a is b for a, b in zip(moved, inputs, strict=True))
        rounding = _Rounding(trial, working) if unmoved else contextlib.nullcontext()
        with contextlib.suppress(Exception), rounding:  # the model's own code may raise anything
            others.append(list(reference(moved)))
        if others and trial >= _TRIALS - 1 and explained():
            return True
    return False


class _Rounding(compat.ProgramMode):
    """Moves each float that an operator computes by about a rounding error; zeros stay zeros.

    It is for inputs of zeros, which cannot be moved: a chain of normalisations makes of what
    rounding leaves of them whatever it likes.
    """

    def __init__(self, seed: int, working: torch.dtype | None) -> None:
        super().__init__()
        self._seed = seed
        self._working = working

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        result = func(*args, **(kwargs or {}))
        schema = getattr(func, "_schema", None)
        if schema is None or any(value.alias_info is not None for value in schema.returns):
            return result  # a view, or written in place
        if schema.name == "aten::clone":
            return result  # computes nothing, and keeps what the model holds
        self._seed += 1
        if isinstance(result, torch.Tensor):
            return _moved(result, self._seed, self._working)
        if isinstance(result, tuple):
            return tuple(_moved(v, self._seed + k, self._working) for k, v in enumerate(result))
        return result


def _few_differ(
    expected: Sequence[Eager],
    got: Sequence[Eager],
    wrong: Sequence[OutputDifference],
    working: torch.dtype | None,
) -> bool:
    """Whether so few elements differ that some trials may have moved none of them."""
    for k, difference in enumerate(wrong):
        want, have = expected[k], got[k]
        if difference.ok:
            continue
        if not (isinstance(want, torch.Tensor) and isinstance(have, torch.Tensor)):
            return False
        if want.shape != have.shape or want.dtype != have.dtype:
            return False
        count, _ = _change(want.detach().cpu(), have, tolerance_for(want.dtype, working))
        if count > want.numel() * _FEW:
            return False
    return True


def _moved(value: Eager, seed: int, working: torch.dtype | None) -> Eager:
    """A float input, each element off by about a rounding error; zeros stay zeros."""
    if isinstance(value, list):
        moved = [_moved(item, seed + k, working) for k, item in enumerate(value)]
        same = all(a is b for a, b in zip(moved, value, strict=True))
        return value if same else moved
    if not isinstance(value, torch.Tensor) or value.dtype not in _ROUNDING or not value.any():
        return value
    step = max(_ROUNDING[value.dtype], _ROUNDING.get(working or value.dtype, 0.0))
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value.device)
    return (value.double() * (1 + step * noise)).to(value.dtype)


def _explained(
    expected: Eager, got: Eager, others: Sequence[Eager], working: torch.dtype | None
) -> bool:
    """Whether as many elements change as much, from PyTorch's rounding alone."""
    if isinstance(expected, Sequence):
        return _list_explained(expected, got, others, working)
    want = as_tensor(expected) if isinstance(expected, torch.Tensor) else torch.tensor(expected)
    tensors = [o.detach().cpu() if isinstance(o, torch.Tensor) else torch.tensor(o) for o in others]
    if want is None or not isinstance(got, torch.Tensor) or want.dtype != got.dtype:
        return False
    if want.shape != got.shape:
        return any(other.shape == got.shape for other in tensors)
    if any(other.shape != want.shape for other in tensors):
        return True
    tolerance = tolerance_for(want.dtype, working)
    count, size = _change(want, got, tolerance)
    changes = [_change(want, other, tolerance) for other in tensors]
    return count <= 2 * max(c for c, _ in changes) and size <= 2 * max(s for _, s in changes)


def _list_explained(
    expected: Sequence[Eager],
    got: Eager,
    others: Sequence[Eager],
    working: torch.dtype | None,
) -> bool:
    """The same for a list: its length or each of its items."""
    lists = [other for other in others if isinstance(other, Sequence)]
    if not isinstance(got, Sequence) or len(lists) < len(others):
        return False
    if len(got) != len(expected):
        return any(len(other) == len(got) for other in lists)
    if any(len(other) != len(expected) for other in lists):
        return True
    return all(
        _explained(want, have, [other[k] for other in lists], working)
        for k, (want, have) in enumerate(zip(expected, got, strict=True))
    )


def _change(a: torch.Tensor, b: torch.Tensor, tolerance: Tolerance) -> tuple[int, float]:
    """How many elements differ, and by how much at most."""
    wrong = mismatches(a, b, tolerance, 1.0)
    if not bool(wrong.any()):
        return 0, 0.0
    difference = (a.double() - b.double()).abs()[wrong].nan_to_num(float("inf"), float("inf"))
    return int(wrong.sum()), float(difference.max())
