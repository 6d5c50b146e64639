"""Models for TorchScript, whose compiler reads annotations: none is postponed here."""

import enum
from typing import Any, NamedTuple

import torch
from torch import nn

from tests.scripted import scripted


class Point(NamedTuple):
    place: torch.Tensor
    number: int


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@torch.jit.script
class Counter:
    def __init__(self, start: int) -> None:
        self.value = start
        self.seen: list[int] = []

    def add(self, amount: int) -> int:
        self.value += amount
        self.seen.append(amount)
        return self.value


@torch.jit.interface
class Part(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pass


class Shift(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x - self.by
        return x + self.by


class Return(Shift):
    @torch.jit.export
    def back(self, x: torch.Tensor, times: int = 1) -> torch.Tensor:
        return x + self.by * times


class Objects(nn.Module):
    part: Part

    def __init__(self) -> None:
        super().__init__()
        self.part = Shift(0.5)
        self.parts = nn.ModuleDict({"a": Shift(1.0), "b": Shift(2.0)})
        self.counter = Counter(3)
        self.colour = Colour.RED
        self.names = ["a", "b"]

    def forward(self, x: torch.Tensor, mode: str = "a"):  # type: ignore[no-untyped-def]
        x = self.part(x)
        for name, part in self.parts.items():
            if name == mode or self.colour == Colour.RED:
                x = part(x)
        local = Counter(x.shape[0])
        local.add(self.counter.add(2))
        self.names.append("c")
        point = Point(x, local.value)
        any_value: Any = x
        if isinstance(any_value, int):
            x = x + 100
        sizes: dict[str, list[int]] = {}
        sizes["x"] = [x.shape[0], len(self.names)]
        if self.colour.name == "RED" and self.colour.value == 1:
            x = x * 2
        return point, x, sizes, self.counter.value


def attribute_in_branch(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    counter = Counter(1)
    if x.sum() > 0:
        counter.add(x.shape[0])
    else:
        counter.value = 7
    return x * counter.value, counter.value


def forked(x: torch.Tensor) -> torch.Tensor:
    return x * 3


def tasks(x: torch.Tensor) -> torch.Tensor:
    futures = [torch.jit.fork(forked, x), torch.jit.fork(forked, x + 1)]
    total = x
    for future in futures:
        total = total + torch.jit.wait(future)
    return total


def numbers_of_all_kinds(x: torch.Tensor) -> list[float]:
    n = x.shape[0]
    out: list[float] = [float(n) ** 2, n / 3, float(n // 3), float(n % 3), float(round(n / 2.0))]
    out.append(float(-n // 2))
    out.append(float(min(n, 3)) + max(n, 2))
    out.append(float(abs(n - 3)))
    if (n > 1 and n != 4) or n in [0, 5]:
        out[0] = -1.0
    return out


def strings(x: torch.Tensor, mode: str = "Sum-Up") -> torch.Tensor:
    parts = mode.lower().split("-")
    if parts[0].startswith("su") and "_".join(parts) == "sum_up" and len(mode) == 6:
        x = x + 1
    assert x.dim() == 1, "got {} dimensions in {}".format(x.dim(), mode)  # noqa: UP032
    return x


def optional_argument(x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    if bias is None:
        bias = x.abs().sum()
    return x + bias


def sizes_as_tensor(x: torch.Tensor) -> torch.Tensor:
    return torch.tensor([x.shape[0], x.shape[1] * 2]) + torch.tensor(x.shape[0])


def raised_in_branch(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] > 100:
        raise ValueError("too many")
    return x * 2


@torch.jit.script
def clipped(x: torch.Tensor, limit: float = 2.0) -> torch.Tensor:
    while bool(x.abs().max() > limit):
        x = x / 2
    return x


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = scripted(Return(0.25))
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inner.back(self.inner(x), times=2) * self.scale
        if x.shape[0] > 0 and x.sum() > 1:
            x = clipped(x, limit=1.5)
        return x


def decorated(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        return x + 1
    return x


def unscriptable(x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
    return x


class Ignoring(nn.Module):
    @torch.jit.unused
    def unused(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.ignore
    def ignored(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def forward(self, x: torch.Tensor, how: str = "unused") -> torch.Tensor:
        if how == "unused":
            return self.unused(x)
        if how == "ignored":
            return self.ignored(x)
        return x


class Remembering(nn.Module):
    """Keeps things between calls: a buffer, a number, a list, and an object."""

    total: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))
        self.count = 0
        self.seen: list[int] = [1]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        if x.sum() > 0:
            self.seen.append(7)
        else:
            self.count += 1
        return x * len(self.seen), self.count


class Buffered(nn.Module):
    total: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            self.total += x
        return self.total * 2
