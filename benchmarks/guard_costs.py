"""What guards cost: each file with and without them, called in turn in one run.

    python benchmarks/guard_costs.py [--rounds 300]

Times are microseconds a call in ONNX Runtime on one thread, of the best of many short rounds in
which both files take their turn: what else runs on the machine only adds to them. `of it` is the
share of the whole call. The last model takes a millisecond or more.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnxruntime
import torch
from torch import nn

import fxexport


@dataclass(frozen=True)
class Model:
    """A model, its inputs and the dimensions that vary."""

    name: str
    make: Callable[[], Callable[..., Any]]
    inputs: tuple[torch.Tensor, ...]
    dynamic: Any


class Image(nn.Module):
    """Height and width must be multiples of 8."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] % 8 != 0 or x.shape[3] % 8 != 0:
            raise ValueError("height and width must be multiples of 8")
        return self.first(x).relu()


class Text(nn.Module):
    """Ids, mask and types of one batch and one length, at most 64."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(100, 16), nn.Embedding(64, 16)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        places = self.places.weight[: ids.shape[1]]
        found = self.words(ids) + places + types.unsqueeze(-1)
        return found * mask.unsqueeze(-1)


def one_value(x: torch.Tensor) -> torch.Tensor:
    """One condition on values."""
    assert x.sum() > 0
    return x * 2


def in_a_loop(x: torch.Tensor) -> torch.Tensor:
    """One condition in each iteration."""
    total = x.new_zeros(())
    for row in x:
        assert row.max() < 10
        total = total + row.sum()
    return total


def large() -> nn.Module:
    """A convolution that takes a while."""
    return Image(64)


IDS = torch.ones(2, 8, dtype=torch.int64)
SIDES = {"x": {0: "batch", 2: "height", 3: "width"}}
NAMED = {0: "batch", 1: "length"}
MODELS = (
    Model("range of one size", lambda: nn.ReLU(), (torch.ones(2, 3),),
          {"input": {0: fxexport.Dim("n", 1, 8)}}),
    Model("multiples, two sizes", Image, (torch.ones(1, 3, 8, 8),), SIDES),
    Model("three inputs alike", Text, (IDS, IDS, IDS),
          {"ids": NAMED, "mask": NAMED, "types": NAMED}),
    Model("one condition on values", lambda: one_value, (torch.ones(4),), True),
    Model("100 conditions in a loop", lambda: in_a_loop, (torch.ones(100, 4),), True),
    Model("multiples, large model", large, (torch.ones(1, 3, 192, 192),), SIDES),
)  # fmt: skip


def session(model: Model, guards: bool) -> Any:
    """A file in ONNX Runtime."""
    torch.manual_seed(0)
    exported = fxexport.export(
        model.make(), model.inputs, dynamic=model.dynamic, guards=guards, verify=False
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    data = exported.model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def measured(model: Model, rounds: int) -> tuple[float, float]:
    """Microseconds a call without and with guards."""
    files = [session(model, guards) for guards in (False, True)]
    names = [spec.name for spec in files[0].get_inputs()]
    feed = {name: value.numpy() for name, value in zip(names, model.inputs, strict=True)}
    calls = 1
    while _time(files[0], feed, calls) < 0.001:
        calls *= 2
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for found, file in zip(times, files, strict=True):
            found.append(_time(file, feed, calls) / calls * 1e6)
    return min(times[0]), min(times[1])


def _time(file: Any, feed: dict[str, Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        file.run(None, feed)
    return time.perf_counter() - start


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    print(f"{'':<26}{'without':>10}{'with':>10}{'guards':>10}{'of it':>8}")
    for model in MODELS:
        without, guarded = measured(model, rounds)
        cost = guarded - without
        print(
            f"{model.name:<26}{without:>10.2f}{guarded:>10.2f}{cost:>10.2f}{cost / guarded:>8.1%}"
        )


if __name__ == "__main__":
    main()
