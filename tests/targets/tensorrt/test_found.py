"""What depends on whether anything was found: early returns, classes, images; lists of pieces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fxexport.passes.tensorrt.branches import compute_on_one_row, hoist_masks
from fxexport.passes.tensorrt.lists import join_ragged_lists

from fxexport.graph.ops import branch
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS
from tests.support.building import agrees_and_builds
from tests.support.rewriting import nodes_of, rewritten

torchvision = pytest.importorskip("torchvision")

Row = tuple[Any, ...]


def boxes(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator) * 20
    return torch.cat([corner, corner + torch.rand(n, 2, generator=generator) * 20 + 1], 1)


def scores(*shape: int, seed: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def early_return(found, score):
    keep = (score > 0.5).nonzero().squeeze(1)
    found, score = found[keep], score[keep]
    if found.numel() == 0:
        return found, score, found.sum(), -1
    apart = found + (found.max() + 1) * (score > 0.75)[:, None]
    kept = torchvision.ops.nms(apart, score, 0.5)[:4]
    return found[kept], score[kept], score[kept].max(), 3


def classes(found, score):
    pieces, labels = [], []
    for c in range(score.shape[1]):
        here = score[:, c] > 0.6
        if not here.any():
            continue
        some, sure = found[here], score[here, c]
        kept = torchvision.ops.nms(some, sure, 0.4)
        pieces.append(torch.cat([some[kept], sure[kept, None]], 1))
        labels.append(torch.full((kept.numel(),), c))
    if len(pieces) == 0:
        return found.new_zeros((0, 5)), torch.zeros(0, dtype=torch.long)
    return torch.cat(pieces), torch.cat(labels)


def none_left(found, score):
    keep = score > 0.5
    if keep.sum() == 0:
        return score.new_zeros(0), found.new_zeros(0, 4)
    score, found = score[keep], found[keep]
    score, order = score.sort(descending=True)
    weight = (found.amax(0) - found.amin(0)).clamp(min=1)
    if len(order) > 3:
        order, score = order[:3], score[:3]
    return score, found[order] / weight


PAIRS = [(boxes(n, n), scores(n, seed=n) * k) for n, k in ((8, 1.0), (1, 0.1), (12, 1.0), (5, 0.1))]
TABLES = [(boxes(n, n), scores(n, 3, seed=n) * k) for n, k in ((8, 1.0), (2, 0.1), (12, 0.9))]
SHARED = ({0: "n"}, {0: "n"})


@pytest.mark.parametrize(
    ("program", "rows"),
    [(early_return, PAIRS), (classes, TABLES), (none_left, PAIRS)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_computed_only_if_something_was_found_builds(
    program: Callable[..., Any], rows: list[Row], tmp_path: Path
) -> None:
    agrees_and_builds(program, rows, tmp_path, SHARED)


def ragged(x, labels):
    pieces = []
    for c in range(labels.shape[0]):
        row = x[labels == c]
        if row.sum() > -1:
            pieces.append(row[row > 0])
    if len(pieces) < 2:
        return x[:1]
    return torch.cat(pieces)


def in_images(x, keep):
    pieces = [x[0, :1]]
    for k in range(x.shape[0]):
        pieces.append(x[k][keep[k] > 0.5])
    return torch.cat(pieces), len(pieces)


X = [torch.randn(n, generator=torch.Generator().manual_seed(n)) for n in (7, 1, 12)]
LABELS = [torch.arange(len(x)) % 3 for x in X]
IMAGES = [(scores(b, n, seed=n), scores(b, n, seed=b)) for b, n in ((3, 5), (1, 1), (4, 9))]


@pytest.mark.parametrize(
    ("program", "rows"),
    [(ragged, list(zip(X, LABELS, strict=True))), (in_images, IMAGES)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_list_of_pieces_is_joined_as_it_grows(
    program: Callable[..., Any], rows: list[Row]
) -> None:
    graph = rewritten(program, rows, join_ragged_lists)
    assert not any(nodes_of(graph, function) for function in SEQUENCE_FUNCTIONS)


def test_lists_of_pieces_build(tmp_path: Path) -> None:
    agrees_and_builds(in_images, IMAGES, tmp_path, ({0: "b", 1: "n"}, {0: "b", 1: "n"}))


def test_a_list_whose_items_are_read_stays_one() -> None:
    def program(x):
        pieces = []
        for k in range(x.shape[0]):
            pieces.append(x[x > x[k]])
        return torch.cat(pieces), pieces[0]

    graph = rewritten(program, [(x,) for x in X], join_ragged_lists)
    assert any(nodes_of(graph, function) for function in SEQUENCE_FUNCTIONS)


def test_a_way_without_a_bound_on_its_loop_stays() -> None:
    def program(x):
        x = x[x > 0]
        if x.shape[0] > 0:
            while x.amax() < 100:
                x = x * 2
        return x * 1

    rows = [(x,) for x in (*X, -X[0].abs())]
    graph = rewritten(program, rows, hoist_masks, compute_on_one_row)
    assert nodes_of(graph, branch, root=True)


def best_of_each_level(a, b):
    kept = []
    for level in (a, b):
        flat = level.reshape(-1, 2)
        best = flat.amax(1)
        if best.shape[0] > 6:
            _, order = best.topk(6)
            flat = flat[order]
        kept.append(flat * 2)
    return torch.cat(kept)


def test_topk_of_rows_that_are_enough_builds_where_opt_has_less(tmp_path: Path) -> None:
    rows = [(scores(h, 4, seed=h), scores(w, 2, seed=w)) for h, w in ((5, 3), (2, 1), (9, 20))]
    agrees_and_builds(best_of_each_level, rows, tmp_path)


def windows(x, weight):
    total = torch.zeros_like(x)
    for k in range((x.shape[0] + 1) // 2):
        end = min(2 * k + 3, x.shape[0])
        start = max(end - 3, 0)
        piece = x[start:end] * weight
        total += torch.nn.functional.pad(
            piece, (0, 0, int(start), int(x.shape[0] - end)), value=0.5
        )
    return total


def test_padding_to_where_a_window_was_builds(tmp_path: Path) -> None:
    rows = [(scores(n, 2, seed=n), torch.tensor([0.5, 2.0])) for n in (7, 3, 10, 1)]
    agrees_and_builds(windows, rows, tmp_path)


def modulated(x, style, weight):
    each = weight[None] * style[:, None, :, None, None]
    n, c, h, w = x.shape
    y = torch.nn.functional.conv2d(
        x.reshape(1, -1, h, w), each.reshape(-1, c, 3, 3), None, (2, 1), (1, 2), (1, 2), n
    )
    return y.reshape(n, -1, *y.shape[2:])


def test_a_convolution_in_as_many_groups_as_images_builds(tmp_path: Path) -> None:
    weight = scores(4, 2, 3, 3, seed=1)
    rows = [
        (scores(n, 2, h, 7, seed=n), scores(n, 2, seed=h), weight)
        for n, h in ((2, 6), (1, 5), (3, 9))
    ]
    agrees_and_builds(modulated, rows, tmp_path, ({0: "n", 2: "h"}, {0: "n"}, {}))
