"""How far a result may be from PyTorch's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from fxexport.errors import UsageError
from fxexport.graph.captured import CapturedGraph

__all__ = ["USUAL", "Asked", "Tolerance", "tolerance_for", "working_dtype"]


@dataclass(frozen=True)
class Tolerance:
    """Allowed differences.

    An element may be off by ``relative`` of itself, plus `scaled` of the largest element (sums
    of large terms that cancel are no better than their terms), plus `absolute` of the largest
    input, at least of 1 (the same for an output that cancels as a whole), plus `plain`.
    """

    relative: float
    scaled: float
    absolute: float
    plain: float = 0.0

    def allowed(self, expected: torch.Tensor, input_scale: float) -> torch.Tensor:
        """The allowed absolute difference of each element of a float64 tensor."""
        finite = expected[expected.isfinite()]
        largest = float(finite.abs().max()) if finite.numel() else 0.0
        base = self.scaled * largest + self.absolute * max(1.0, input_scale) + self.plain
        return self.relative * expected.abs().nan_to_num(0.0, 0.0, 0.0) + base


@dataclass(frozen=True)
class Asked:
    """The tolerances that the user asked for, of floats; None where the usual ones hold.

    Attributes:
        rtol: what an element may be off by, as a part of itself.
        atol: what it may be off by besides; it takes the place of all that depends on the largest
            element and the largest input.
    """

    rtol: float | None = None
    atol: float | None = None

    def __post_init__(self) -> None:
        """Refuses what is no tolerance.

        Raises:
            UsageError: one of them is no number from 0.
        """
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if value is None:
                continue
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or value < 0:
                raise UsageError(f"{name}: expected a number from 0, got {value!r}")

    def __bool__(self) -> bool:
        return self != USUAL

    def __str__(self) -> str:
        given = (("rtol", self.rtol), ("atol", self.atol))
        return ", ".join(f"{name}={value:g}" for name, value in given if value is not None)

    def of(self, usual: Tolerance) -> Tolerance:
        """The tolerance of an output, given the usual one."""
        found = usual if self.rtol is None else dataclasses.replace(usual, relative=self.rtol)
        if self.atol is None:
            return found
        return Tolerance(found.relative, 0.0, 0.0, self.atol)

    def at_least(self, usual: Tolerance) -> Tolerance:
        """A tolerance that allows what the usual one does, and what was asked for."""
        relative = max(usual.relative, self.rtol or 0.0)
        return dataclasses.replace(usual, relative=relative, plain=self.atol or 0.0)


USUAL = Asked()
EXACT = Tolerance(0.0, 0.0, 0.0)
# From coarse to fine: what two right implementations of a network of some depth differ by.
_TOLERANCES: dict[torch.dtype, Tolerance] = {
    torch.float8_e5m2: Tolerance(0.5, 0.25, 1e-2),
    torch.float8_e5m2fnuz: Tolerance(0.5, 0.25, 1e-2),
    torch.float8_e4m3fn: Tolerance(0.25, 0.13, 1e-2),
    torch.float8_e4m3fnuz: Tolerance(0.25, 0.13, 1e-2),
    torch.bfloat16: Tolerance(4e-2, 2e-2, 1e-3),
    torch.float16: Tolerance(1e-2, 5e-3, 1e-4),
    torch.float32: Tolerance(1e-4, 5e-5, 1e-6),
    torch.float64: Tolerance(1e-8, 1e-9, 1e-12),
}
_COARSENESS = list(_TOLERANCES)


def tolerance_for(output: torch.dtype, working: torch.dtype | None) -> Tolerance:
    """The tolerance of an output.

    Args:
        output: its dtype; integers and bools are compared exactly.
        working: the coarsest float dtype that the model computes in (a float64 result of float32
            arithmetic is as good as float32), or None.
    """
    if output not in _TOLERANCES:
        return EXACT
    dtypes = [output] if working is None else [output, working]
    return _TOLERANCES[min(dtypes, key=_COARSENESS.index)]


def working_dtype(graph: CapturedGraph) -> torch.dtype | None:
    """The coarsest float dtype of any tensor in the graph; None without floats."""
    dtypes = {spec.dtype for spec in graph.inputs if spec.kind == "tensor"}
    dtypes |= {weight.dtype for weight in graph.weights.values()}
    for module in graph.graphs():
        for node in module.graph.nodes:
            dtypes |= {t.dtype for t in _tensors(node.meta.get("val"))}
    floats = [dtype for dtype in dtypes if dtype in _TOLERANCES]
    return min(floats, key=_COARSENESS.index, default=None)


def _tensors(value: object) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
