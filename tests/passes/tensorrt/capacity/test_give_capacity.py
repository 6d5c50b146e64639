"""Sizes that change inside loops become a capacity and a count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fxexport.passes import eliminate_dead_code
from fxexport.passes.tensorrt.capacity import give_capacity
from fxexport.passes.tensorrt.loops import append_to_buffers, bound_trips
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import raw_expression
from fxexport.graph import CapturedGraph
from fxexport.graph.editing import parts
from fxexport.graph.marks import NO_CAPACITY
from fxexport.graph.ops import loop
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten

PASSES = (bound_trips, append_to_buffers, give_capacity, eliminate_dead_code)


def numbers(*sizes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def rows(*sizes: int, width: int = 3) -> list[tuple[torch.Tensor]]:
    return [(numbers(n, width, seed=n),) for n in sizes]


def grows_at_the_front(x: torch.Tensor) -> torch.Tensor:
    y = x[:0]
    for i in range(x.shape[0]):
        y = torch.cat([x[i : i + 1] * 2, y])
    return y


def looks_back_at_all(x: torch.Tensor) -> torch.Tensor:
    seen = x[:1]
    for i in range(x.shape[0]):
        weights = torch.softmax(seen @ x[i], 0)
        seen = torch.cat([seen, (weights @ seen).unsqueeze(0) + x[i : i + 1]])
    return seen


def drops_the_smallest(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    total = x.new_zeros(3)
    while x.shape[0] > 2:
        total = total + x.amax(0) - x.mean(0)
        x = x[x.sum(1) > x.sum(1).min()]
    return x, total


def suppresses(boxes: torch.Tensor) -> torch.Tensor:
    kept = boxes[:0]
    rest = boxes[boxes[:, 0].argsort(descending=True)]
    for _ in range(boxes.shape[0]):
        if rest.shape[0] == 0:
            break
        kept = torch.cat([kept, rest[:1]])
        rest = rest[1:][(rest[1:] - rest[0]).abs().amax(1) > 0.7]
    return kept


def prefixes(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(3)
    for i in range(x.shape[0]):
        part = x[: i + 1]
        total = total + part.std(0, unbiased=False) + part.cumsum(0)[-1] + part.flip(0)[0]
        total = total + part.argmax(0) + part.min(0).values + part.prod(0)
    return total


def suffixes(x: torch.Tensor) -> torch.Tensor:
    best = x.new_full((), -10.0)
    for i in range(x.shape[0]):
        values, places = x[i:, 0].sort(descending=True)
        best = torch.maximum(best, values[0] + places[-1] + x[i::2].sum())
    return best


def windows(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(x)
    for i in range(x.shape[0]):
        low = max(i - 1, 0)
        out[low : i + 2] += x[low : i + 2].mean()
        out[i] = out[i] + torch.logsumexp(x[low : i + 2, 1], 0)
    return out


def halves_an_image(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    total = x.new_zeros(x.shape[0])
    kernel = torch.full((1, 1, 3, 3), 0.5)
    while min(x.shape[-2], x.shape[-1]) >= 4:
        x = F.conv2d(x, kernel, padding=1)
        total = total + x.mean((1, 2, 3)) + F.avg_pool2d(x, 2).amax((1, 2, 3))
        x = F.max_pool2d(x, 2)
    return x, total


def reshapes(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(())
    for i in range(x.shape[0]):
        part = x[: i + 1]
        flat = part.reshape(-1)
        total = total + (flat * torch.arange(flat.shape[0])).sum()
        pairs = torch.cat([part, part]).view(2, -1)
        total = total + (pairs[0] - pairs[1]).abs().sum()
        total = total + part.t().reshape(-1)[i] + part.unsqueeze(1).expand(-1, 2, -1).sum()
    return total


def indexes(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(())
    for i in range(x.shape[0]):
        part = x[i:]
        order = part[:, 0].argsort()
        total = total + part[order][0, 1] + part[-1, 2] + part.index_select(0, order)[-1, 0]
        chosen = torch.nonzero(part[:, 1] > 0)[:, 0]
        total = total + part[chosen].sum() + part[part > 0.5].sum() + chosen.sum()
        total = total + torch.gather(part, 0, order[:, None].expand(-1, 3))[0].sum()
    return total


def writes(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    for i in range(x.shape[0]):
        y[i:][y[i:, 0] > 0] *= 0.5
        part = y[: i + 1]
        part[part < -1] = -1.0
        y[i, : i % 3] = 7.0
    return y


def nested(x: torch.Tensor) -> torch.Tensor:
    out = x[:0, :1]
    for i in range(x.shape[0]):
        line = x[i, :0]
        for j in range(i + 1):
            if x[j, 0] > 0:
                line = torch.cat([line, x[j, 1:2]])
        out = torch.cat([out, line.sum().reshape(1, 1)])
    return out


def one_way_only(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    steps = 0
    if x.sum() > 0:
        while x.shape[0] > 1:
            x = x[: x.shape[0] // 2] + x[-(x.shape[0] // 2) :]
            steps += 1
    return x, steps


def doubles_up_to(x: torch.Tensor, n: int) -> torch.Tensor:
    while x.shape[0] < n:
        x = torch.cat([x, x * 2])
    return x[:n]


def attends(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(x)
    for i in range(x.shape[0]):
        q, k = x[i : i + 1][None], x[: i + 1][None]
        out[i] = F.scaled_dot_product_attention(q, k, k)[0, 0]
    return out


def attends_with_masks(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(x)
    for i in range(x.shape[0]):
        part = x[: i + 1][None]
        bias = part[:, :, 1:2].transpose(1, 2) * 0.5
        out[i] = F.scaled_dot_product_attention(x[i : i + 1][None], part, part, bias)[0, 0]
        out[i] += F.scaled_dot_product_attention(part, part, part, is_causal=True)[0, 0]
    return out


def meets_one_row(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(3)
    for i in range(x.shape[0]):
        low = x[: i + 1]
        high = x[i + 1 :]
        total = total + (low[:1] * high).sum(0) + (low * x[-1:]).sum(0)
    return total


def has_no_form(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(())
    for i in range(x.shape[0]):
        total = total + x[: i + 1].median()
    return total


def meets_in_a_loop_inside(x: torch.Tensor) -> torch.Tensor:
    y = x[:1]
    for _ in range(x.shape[0]):
        z = y[:1]
        for _ in range(2 + x.shape[0]):
            z = z * 0.5 + y
        y = z + x
    return y


def takes_columns_of_many_rows(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    seen = x[:0]
    for i in range(x.shape[0]):
        seen = torch.cat([y[:, :2] + i, seen])
    return seen


PROGRAMS: list[tuple[Callable[..., Any], list[tuple[Any, ...]]]] = [
    (grows_at_the_front, rows(4, 0, 1, 7)),
    (looks_back_at_all, rows(4, 1, 6)),
    (drops_the_smallest, rows(5, 0, 2, 3, 9)),
    (suppresses, rows(6, 0, 1, 9)),
    (prefixes, rows(4, 1, 6)),
    (suffixes, rows(4, 1, 7)),
    (windows, rows(4, 1, 2, 6)),
    (halves_an_image, [(numbers(2, 1, *size),) for size in ((9, 8), (3, 20), (4, 4), (21, 17))]),
    (reshapes, rows(4, 1, 6)),
    (indexes, rows(4, 1, 6)),
    (writes, rows(4, 0, 1, 6)),
    (nested, rows(4, 1, 6)),
    (one_way_only, [(t.abs() if k % 2 else t,) for k, (t,) in enumerate(rows(4, 5, 6, 9, 1))]),
    (doubles_up_to, [(numbers(2, 3), 7), (numbers(1, 3), 8), (numbers(5, 3), 2)]),
    (attends, rows(4, 1, 6)),
    (attends_with_masks, rows(4, 1, 6)),
    (meets_one_row, rows(4, 1, 6)),
    (meets_in_a_loop_inside, rows(4, 1, 6)),
    (takes_columns_of_many_rows, [(numbers(n, 2), numbers(m, 5)) for n, m in ((4, 7), (2, 1))]),
]


def changing(graph: CapturedGraph) -> list[str]:
    """What has a size inside a loop that is not known before it."""
    found: list[str] = []
    for module in graph.graphs():
        for node in module.graph.nodes:
            if node.target is loop:
                ((_, places),) = parts(module, node)
                carried: Any = node.args[3]
                for value, place in zip(carried, places[1:], strict=False):
                    if _shape(value) != _shape(place):
                        found.append(f"{place}: {_shape(value)} and {_shape(place)}")
    return found


def _shape(value: Any) -> list[str]:
    val = value.meta["val"] if isinstance(value, fx.Node) else value
    if not isinstance(val, torch.Tensor):
        return []
    return [str(int(s)) if is_concrete_int(s) else str(raw_expression(s)) for s in val.shape]


@pytest.mark.parametrize(("program", "inputs"), PROGRAMS, ids=lambda v: getattr(v, "__name__", ""))
def test_it_gives_the_same(program: Callable[..., Any], inputs: list[tuple[Any, ...]]) -> None:
    after = rewritten(program, inputs, *PASSES)
    assert not changing(after)
    assert not any(NO_CAPACITY.of(node) for node in nodes_of(after, loop))
    agrees_for_tensorrt(program, inputs)


def test_what_has_no_form_stays_and_says_why() -> None:
    inputs = rows(4, 1)
    after = rewritten(has_no_form, inputs, *PASSES)
    (node,) = nodes_of(after, loop)
    reason = NO_CAPACITY.of(node)
    assert reason is not None and "median" in reason.text


def test_loops_without_changing_sizes_are_left_alone() -> None:
    def plain(x: torch.Tensor) -> torch.Tensor:
        for i in range(x.shape[0]):
            x = x + x[i]
        return x

    before, after = (rewritten(plain, rows(3, 1, 5), *names) for names in ((), PASSES))
    assert str(before) == str(after)


def test_branches_whose_sizes_change_outside_of_their_loops_are_left_alone() -> None:
    def parts_of_it(x: torch.Tensor) -> Any:
        if x.sum() > 0:
            for i in range(x.shape[0]):
                x = x + x[i]
            if x[0, 0] > 0.5:
                return x, x[:2]
            return x, x[:2][1:]
        return x, x[:0]

    before, after = (rewritten(parts_of_it, rows(3, 1, 5), *names) for names in ((), PASSES))
    assert str(before) == str(after)
