"""Values for inputs that nobody gave."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.signature import DimRange, InputSpec
from fxexport.graph.values import Eager

__all__ = ["EXAMPLE", "REGIMES", "ValueMaker", "numbers_in"]

EXAMPLE = "example-like"
# How an input can be filled. Those with all elements alike are needed: they reach the branches
# that ask whether something is empty, equal or all of one sign.
REGIMES = (
    "random", "zeros", "large", "negative", "positive", "small", "ones", "from the model",
)  # fmt: skip

_LARGEST_INT = 1024
_MOST_NUMBERS = 24


def numbers_in(graph: CapturedGraph) -> list[float]:
    """The plain numbers that a graph's nodes hold: what its conditions compare with."""
    numbers: dict[float, None] = {}
    for module in graph.graphs():
        for node in module.graph.nodes:
            for value in _numbers_of(node):
                if math.isfinite(value):
                    numbers[float(value)] = None
    return list(numbers)[:_MOST_NUMBERS]


class ValueMaker:
    """Makes inputs, always the same ones for one seed."""

    def __init__(
        self,
        inputs: Sequence[InputSpec],
        examples: Sequence[Eager | None],
        numbers: Sequence[float],
        seed: int,
    ) -> None:
        self._inputs = inputs
        self._examples = examples
        self._numbers = list(numbers) or [1.0]
        self._random = torch.Generator().manual_seed(seed)

    def make(self, sizes: Mapping[str, int], regimes: Sequence[str]) -> list[Eager]:
        """One set of inputs.

        Args:
            sizes: the size of every dynamic dimension.
            regimes: how to fill each input.
        """
        return [
            self._make_one(spec, example, sizes, regime)
            for spec, example, regime in zip(self._inputs, self._examples, regimes, strict=True)
        ]

    def pick(self, count: int) -> int:
        """A random number below `count`."""
        return int(torch.randint(count, (), generator=self._random))

    def _make_one(
        self, spec: InputSpec, example: Eager | None, sizes: Mapping[str, int], regime: str
    ) -> Eager:
        if spec.kind == "sequence":
            return self._list(spec, example, regime)
        if spec.kind != "tensor":
            value = self._scalar(spec, example, regime)
            if spec.values is not None:  # the file is for these only
                value = min(max(value, spec.values[0]), spec.values[1])
            return value
        shape = [sizes[s.name] if isinstance(s, DimRange) else s for s in spec.shape]
        return self._tensor(spec, example, shape, regime)

    def _tensor(
        self, spec: InputSpec, example: Eager | None, shape: list[int], regime: str
    ) -> torch.Tensor:
        if regime == EXAMPLE and isinstance(example, torch.Tensor) and example.numel():
            return self._spread(example.detach().cpu(), shape)
        if spec.dtype == torch.bool:
            return self._bools(shape, regime)
        if spec.dtype.is_floating_point:
            return self._floats(shape, regime).to(spec.dtype)
        return self._ints(shape, example, regime, spec.dtype)

    def _list(self, spec: InputSpec, example: Eager | None, regime: str) -> list[torch.Tensor]:
        """A list of another length, with items of other sizes where they may differ."""
        items: list[torch.Tensor] = []
        for k in range(self.pick(4) + (regime == EXAMPLE)):
            sizes = [2 + self.pick(6) if size is None else size for size in spec.items]
            like = example[k % len(example)] if isinstance(example, Sequence) and example else None
            one = InputSpec(spec.name, "tensor", spec.dtype, tuple(sizes))
            items.append(self._tensor(one, like, sizes, regime))
        return items

    def _floats(self, shape: list[int], regime: str) -> torch.Tensor:
        values = torch.randn(shape, generator=self._random)
        match regime:
            case "zeros":
                return torch.zeros(shape)
            case "ones":
                return torch.ones(shape)
            case "large":
                return values * 50
            case "small":
                return values * 0.01
            case "negative":
                return -values.abs()
            case "positive":
                return values.abs()
            case "from the model":
                return torch.full(shape, self._number() + (self.pick(3) - 1) * 0.5)
        return values

    def _ints(
        self, shape: list[int], example: Eager | None, regime: str, dtype: torch.dtype
    ) -> torch.Tensor:
        low, high = 0, 1
        if isinstance(example, torch.Tensor) and example.numel():
            low, high = int(example.min()), int(example.max())
        match regime:
            case "zeros":
                return torch.full(shape, low, dtype=dtype)
            case "ones" | "large":
                return torch.full(shape, high, dtype=dtype)
            case "from the model":
                value = self._int_number()
                info = torch.iinfo(dtype)
                return torch.full(shape, min(max(value, info.min), info.max), dtype=dtype)
        return torch.randint(low, high + 1, shape, generator=self._random).to(dtype)

    def _bools(self, shape: list[int], regime: str) -> torch.Tensor:
        if regime in ("zeros", "negative"):
            return torch.zeros(shape, dtype=torch.bool)
        if regime in ("ones", "large", "positive"):
            return torch.ones(shape, dtype=torch.bool)
        return torch.rand(shape, generator=self._random) < 0.5

    def _scalar(self, spec: InputSpec, example: Eager | None, regime: str) -> bool | int | float:
        base = example if isinstance(example, (bool, int, float)) else 2
        if spec.kind == "bool":
            return bool(base) if regime == EXAMPLE else bool(self._bools([], regime))
        if regime == EXAMPLE:
            return base
        if spec.kind == "float":
            return float(self._floats([], regime))
        whole = int(base)
        fixed = {"zeros": 0, "ones": 1, "large": whole + 3, "negative": -1, "small": 2}
        if regime == "from the model":
            return self._int_number()
        return fixed.get(regime, self.pick(max(abs(whole), 3) + 2))

    def _spread(self, example: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        """The example repeated or cut to another shape: rows stay rows.

        Repeated floats are moved a little: equal ones have no defined order.
        """
        result = example
        for axis, size in enumerate(shape):
            length = result.shape[axis]
            if length == size:
                continue
            steps = torch.arange(size)
            result = result.index_select(axis, steps % length)
            if result.dtype.is_floating_point and size > length:
                repeated = (steps >= length).view(-1, *[1] * (result.dim() - axis - 1))
                noise = torch.randn(result.shape, generator=self._random) * 0.02
                result = (result * (1 + noise * repeated)).to(example.dtype)
        return result.clone()

    def _number(self) -> float:
        return self._numbers[self.pick(len(self._numbers))]

    def _int_number(self) -> int:
        """A whole number at or beside one of the model's."""
        value = int(self._number()) + self.pick(3) - 1
        return min(max(value, -_LARGEST_INT), _LARGEST_INT)


def _numbers_of(node: fx.Node) -> Iterator[float]:
    if node.op != "call_function":
        return
    for value in (*node.args, *node.kwargs.values()):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield value
