"""Models that call PyTorch's own control-flow operators."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch._higher_order_ops import map as torch_map
from torch._higher_order_ops import scan, while_loop
from torch._higher_order_ops.associative_scan import associative_scan

from tests.programs.program import TORCH, Programs, rand, vec

PROGRAMS = Programs("control_flow_operators")


def cond_on_values(x: torch.Tensor) -> Any:
    return torch.cond(x.sum() > 0, lambda x: x.relu() + 1, lambda x: x - 1, (x,))


PROGRAMS.add(cond_on_values, rand(3, 4, shift=1), rand(5, 4, shift=-1), rand(1, 4, shift=2))


def cond_on_a_size(x: torch.Tensor) -> Any:
    return torch.cond(x.shape[0] > 3, lambda x: x.sum(0), lambda x: x.amax(0) * 2, (x,))


PROGRAMS.add(cond_on_a_size, rand(3, 4), rand(5, 4))


class CondOfNestedValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.work = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        def both(pair: Any) -> Any:
            inner = torch.cond(pair["b"].sum() > 1, self.work, torch.sin, (pair["a"],))
            return {"out": inner, "count": pair["b"].sum()}

        def neither(pair: Any) -> Any:
            return {"out": pair["a"] * 2, "count": pair["b"].prod()}

        return torch.cond(x.mean() > 0, both, neither, ({"a": x, "b": y},))


PROGRAMS.add(
    CondOfNestedValues,
    (rand(2, 4, shift=2), vec(1.0, 2.0)),
    (rand(3, 4, shift=2), vec(-1.0, 1.5)),
    (rand(1, 4, shift=-2), vec(3.0)),
    dynamic={"x": {0: "n"}, "y": {0: "m"}},
)


def while_loop_on_values(x: torch.Tensor) -> Any:
    return while_loop(
        lambda i, a: (a.sum() < 50) & (i < 20),
        lambda i, a: (i + 1, a * 1.5 + 1),
        (torch.tensor(0), x),
    )


PROGRAMS.add(while_loop_on_values, rand(3), rand(5) + 40, rand(2, seed=3))


def while_loop_of_a_dict(x: torch.Tensor) -> Any:
    def body(state: Any) -> Any:
        return ({"a": state["a"] + state["b"], "b": state["b"] + 1},)

    return while_loop(lambda s: s["a"].sum() < 30, body, ({"a": x, "b": torch.ones(4)},))


PROGRAMS.add(while_loop_of_a_dict, rand(4), rand(4) + 10, dynamic=False)


def scan_over_rows(x: torch.Tensor) -> Any:
    return scan(lambda carry, row: (carry + row, (carry * 2, row.sum())), torch.zeros(4), x)


def scan_backwards_along_columns(x: torch.Tensor) -> Any:
    def step(carry: Any, row: Any) -> Any:
        return {"s": carry["s"] + row[0]}, (carry["s"] * 2, row[1] - carry["s"].sum())

    return scan(step, {"s": torch.zeros(3)}, (x, x + 1), dim=1, reverse=True)


def map_over_rows(x: torch.Tensor, y: torch.Tensor) -> Any:
    return torch_map(lambda row, extra: row.sin() + extra, x, y)


def associative_scan_over_rows(x: torch.Tensor) -> Any:
    return associative_scan(lambda a, b: a * b, x, 0, combine_mode="generic")


for row_program in (scan_over_rows, associative_scan_over_rows):
    for dynamic in (False, {"x": {0: "n"}}):
        sizes = (3,) if dynamic is False else (3, 1, 20)
        PROGRAMS.add(
            row_program,
            *(rand(size, 4) for size in sizes),
            name=f"{row_program.__name__}{'_dynamic' if dynamic else ''}",
            dynamic=dynamic,
        )
# Before, PyTorch itself gave another shape for a scan from the end along another dimension.
if TORCH >= (2, 13):
    PROGRAMS.add(scan_backwards_along_columns, rand(3, 5), dynamic=False)
    PROGRAMS.add(
        scan_backwards_along_columns,
        rand(3, 5),
        rand(3, 1),
        name="scan_backwards_along_columns_dynamic",
        dynamic={"x": {1: "n"}},
    )
PROGRAMS.add(map_over_rows, (rand(3, 4), rand(4)), dynamic=False)
PROGRAMS.add(
    map_over_rows,
    (rand(3, 4), rand(4)),
    (rand(20, 4), rand(4, seed=1)),
    name="map_over_rows_dynamic",
    dynamic={"x": {0: "n"}},
)
