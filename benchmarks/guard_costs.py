"""What guards cost: each file with and without them, called in turn in one run.

    python benchmarks/guard_costs.py [--rounds 300]

Times are microseconds of processor time a call in ONNX Runtime on one thread. In many short rounds
both files take their turn, each of them first in every other round, in several sessions; `without`
and `with` are the medians, `guards` is the median of the differences in a round, so that what else
runs on the machine matters little. `of it` is the share of the whole call. The last model takes a
millisecond or more, and leaves caches cold: each small node costs microseconds there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
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


# How many sessions there are of each file, and in which orders two files take their turn.
_SESSIONS = 20
_ORDERS = ((0, 1), (1, 0))

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


def session(data: bytes) -> Any:
    """A file in ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def exported(model: Model, guards: bool) -> bytes:
    """A model's file."""
    torch.manual_seed(0)
    made = fxexport.export(
        model.make(), model.inputs, dynamic=model.dynamic, guards=guards, verify=False
    )
    data: bytes = made.model.SerializeToString()
    return data


def measured(model: Model, rounds: int) -> tuple[float, float, float]:
    """Microseconds a call without and with guards, and what the guards take."""
    data = [exported(model, guards) for guards in (False, True)]
    costs: list[float] = []
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(_SESSIONS):
        # Where a session's tensors lie in memory makes a difference of some percent.
        files = [session(one) for one in data]
        feed = {
            spec.name: value.numpy()
            for spec, value in zip(files[0].get_inputs(), model.inputs, strict=True)
        }
        calls = 1
        while _time(files[0], feed, calls) < 0.001:
            calls *= 2
        for turn in range(number, number + rounds // _SESSIONS):
            found = {k: _time(files[k], feed, calls) / calls * 1e6 for k in _ORDERS[turn % 2]}
            costs.append(found[1] - found[0])
            for k, taken in found.items():
                times[k].append(taken)
    return median(times[0]), median(times[1]), median(costs)


def _time(file: Any, feed: dict[str, Any], calls: int) -> float:
    start = time.thread_time()
    for _ in range(calls):
        file.run(None, feed)
    return time.thread_time() - start


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    print(f"{'':<26}{'without':>10}{'with':>10}{'guards':>10}{'of it':>8}")
    for model in MODELS:
        without, guarded, cost = measured(model, rounds)
        print(
            f"{model.name:<26}{without:>10.2f}{guarded:>10.2f}{cost:>10.2f}{cost / guarded:>8.1%}"
        )


if __name__ == "__main__":
    main()
