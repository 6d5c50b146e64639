"""Models for TorchScript, whose compiler reads annotations: none is postponed here."""

import enum
import math
from typing import Any, NamedTuple

import torch
from torch import nn

from tests.support.scripted import scripted


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


def all_numbers(x: torch.Tensor, f: float):
    n = x.size(0)
    total = x.sum().item()
    whole = (n**2, 2**n, n // -2, n % -3, int(n * 1.7), abs(n - 3), bool(n), n << 1, n >> 1)
    halves = (n / 2, round(n / 2), math.sqrt(n), math.log(n + 1), min(n, 2.5), max(n, 0.5))
    steps = (math.floor(n / 2), math.ceil(n / 2), min(n, 2), max(n, 2), n in [1, 2])
    floats = (f**2, f // 1.0, f % 0.7, round(f), math.floor(f), int(f), math.exp(f), math.fabs(f))
    read = (total + 1, total * 2, abs(total), max(total, f), -total, total < f, round(total))
    return whole, halves, steps, floats, read


def all_lists(x: torch.Tensor):
    items = [x.size(0), 3, 2]
    turned = items[::-1]
    head = items[:2] + [9]  # noqa: RUF005 - the operator is what is tried
    items.insert(1, 5)
    items.reverse()
    last = items.pop()
    pairs = [item * 2 for item in head]
    return items, turned, head, last, sum(head), max(head), len(items), 3 in items, pairs, head * 2


def all_dicts(x: torch.Tensor):
    table: dict[str, int] = {"a": x.size(0), "b": 2}
    table["c"] = 5
    table.update({"z": 1})
    found = table.pop("b"), table.get("q", 7), table.setdefault("w", 3)
    total = 0
    for key in table:
        total += table[key]
    for _, value in table.items():
        total += value
    missing = table.get("nope")
    if missing is not None:
        total += missing
    del table["z"]
    return total, found, len(table), "a" in table, list(table.keys()) == ["a", "c", "w"]


def all_texts(x: torch.Tensor, text: str = "ab"):
    count = 0
    for letter in text:
        if letter == "a":
            count += 1
        elif ord(letter) > 97:
            count += ord(letter)
    places = text.find("b"), text.rfind("a"), text.count("a"), text.endswith("b")
    joined = "-".join([text, text]) == "ab-ab", f"{count}-{text}" == "99-ab", text[-1:] == "b"
    return x * count, places, joined, int("4"), float("1.5"), len(text.upper().replace("A", "xx"))


def all_subscripts(x: torch.Tensor):
    n = x.size(0)
    y = x.clone()
    y[0] = 3.0
    y[1:] += 2
    y[:, 0] = x[:, 1]
    y[y < 0] = 0.0
    y.view(-1).mul_(2.0)
    left, right = y.split([1, y.size(1) - 1], 1)
    return x[: n // 2], x[-1:], x[::2], x[n - 1], x[None], x[..., 0], x[x > 0], y, left, right


def all_factories(x: torch.Tensor):
    n = x.size(0)
    made = torch.zeros(n, 2), torch.full([n], 3.0), torch.arange(0, n, 2), torch.eye(n)
    return (
        made,
        torch.tensor([float(n), 2.0]),
        x.new_zeros([n, n]),
        torch.zeros(n, dtype=torch.int32),
    )


class Watched(nn.Module):
    """Python code that reads what its scripted part has written."""

    def __init__(self) -> None:
        super().__init__()
        self.part = scripted(Remembering())

    def forward(self, x: torch.Tensor):
        y, _ = self.part(x)
        if x[0] > 0:
            y, _ = self.part(y - 1)
        return y, self.part.count


def optional_from_branch(x: torch.Tensor):
    y: torch.Tensor | None = None
    if x.sum() > 0:
        y = x * 2
    z = x
    if y is not None:
        z = z + y
    return z, y is None


def optional_from_loop(x: torch.Tensor):
    best: torch.Tensor | None = None
    for row in x:
        if best is None:
            best = row
        else:
            if row.sum() > best.sum():
                best = row
    if best is None:
        return torch.zeros(3)
    return best


def object_from_branch(x: torch.Tensor):
    counter = Counter(1)
    if x.sum() > 0:
        counter = Counter(5)
        counter.add(2)
    return x * counter.value, len(counter.seen)


def narrowed(x: torch.Tensor):
    value: Any = x
    if x.sum() > 0:
        value = None
    if isinstance(value, torch.Tensor):
        return value + 1
    return x - 1
