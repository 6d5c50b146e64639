"""Lists of lists of numbers that are returned, and of dicts with keys that a loop has added."""

from __future__ import annotations

import torch
from torch import nn

from tests.programs.program import Programs, ints, rand

PROGRAMS = Programs("ragged_outputs")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4), rand(3, 4)[:0], -rand(2, 4).abs())


def positive_numbers(x):
    found = []
    for row in x:
        found.append(row[row > 0].tolist())
    return found


PROGRAMS.add(positive_numbers, *ROWS)


def places_in_a_dict(x):
    found = []
    for row in x:
        places = [0]
        for k, value in enumerate(row):
            if value > 0:
                places.append(k)
        found.append(places)
    return {"places": found, "total": x.sum()}


PROGRAMS.add(places_in_a_dict, *ROWS)


def lists_beside_tensors(x):
    found = []
    for row in x:
        found.append(((row > 0).nonzero()[:, 0].tolist(), row.sum(), {"large": (row > 1).tolist()}))
    return found, x.sum()


PROGRAMS.add(lists_beside_tensors, *ROWS)


def without_padding(tokens, lengths):
    kept = []
    for row, length in zip(tokens, lengths, strict=True):
        kept.append(row[: int(length)].tolist())
    return kept


PROGRAMS.add(
    without_padding,
    (ints(3, 5), torch.tensor([5, 0, 2])),
    (ints(1, 2), torch.tensor([1])),
    (ints(4, 7), torch.tensor([7, 1, 0, 3])),
    dynamic={"tokens": {0: "n", 1: "t"}, "lengths": {0: "n"}},
)


class Viterbi(nn.Module):
    """The best path through a linear chain, as conditional random fields decode it."""

    def __init__(self):
        super().__init__()
        self.start, self.end = nn.Parameter(torch.randn(3)), nn.Parameter(torch.randn(3))
        self.moves = nn.Parameter(torch.randn(3, 3))

    def forward(self, scores, mask):
        steps, batch = mask.shape
        best, history = self.start + scores[0], []
        for k in range(1, steps):
            after = best.unsqueeze(2) + self.moves + scores[k].unsqueeze(1)
            after, places = after.max(dim=1)
            best = torch.where(mask[k].unsqueeze(1), after, best)
            history.append(places)
        best = best + self.end
        ends = mask.long().sum(dim=0) - 1
        paths = []
        for b in range(batch):
            _, last = best[b].max(dim=0)
            path = [last.item()]
            for places in reversed(history[: ends[b]]):
                last = places[b][path[-1]]
                path.append(last.item())
            path.reverse()
            paths.append(path)
        return paths


def lengths(steps, *counts):
    return torch.arange(steps)[:, None] < torch.tensor(counts)


PROGRAMS.add(
    Viterbi,
    (rand(4, 2, 3), lengths(4, 4, 2)),
    (rand(1, 1, 3), lengths(1, 1)),
    (rand(6, 3, 3), lengths(6, 1, 6, 3)),
    dynamic={"scores": {0: "t", 1: "n"}, "mask": {0: "t", 1: "n"}},
)


def lists_of_tensors(x):
    found = []
    for row in x:
        found.append([value * 2 for value in row])
    return found


PROGRAMS.add(lists_of_tensors, *ROWS, expect="refuse", match="a list of lists of tensors")


def keys_added_in_a_loop(x):
    results = [{"boxes": row} for row in x]
    for mask, score, found in zip([row * 2 for row in x], [row.sum() for row in x], results):
        found["mask"] = mask
        found["score"] = score
    for k, found in enumerate(results):
        results[k]["mask"] = found["mask"] + 1
        if "score" in found:
            results[k]["score"] = found["score"] * 2
    return results


PROGRAMS.add(keys_added_in_a_loop, *ROWS)


def items_that_may_be_none(x):
    return [row if row.sum() > 0 else None for row in x]


PROGRAMS.add(items_that_may_be_none, *ROWS, expect="refuse", match="may be None")
