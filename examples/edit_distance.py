"""The edit distance of two token sequences: a table filled in place by two nested loops."""

import torch


def edit_distance(a, b):
    """Insertions, deletions and changes that lead from one sequence to the other."""
    table = torch.zeros(len(a) + 1, len(b) + 1, dtype=torch.int64)
    table[:, 0] = torch.arange(len(a) + 1)
    table[0, :] = torch.arange(len(b) + 1)
    for i in range(len(a)):
        for j in range(len(b)):
            change = table[i, j] + (a[i] != b[j])
            other = torch.minimum(table[i, j + 1], table[i + 1, j]) + 1
            table[i + 1, j + 1] = torch.minimum(change, other)
    return table[len(a), len(b)], table


model = edit_distance

example_inputs = (torch.tensor([1, 2, 3, 4]), torch.tensor([1, 3, 3, 4, 5]))
check_inputs = [
    (torch.tensor([5, 6, 7]), torch.tensor([5, 6, 7])),
    (torch.tensor([1, 2, 3, 4, 5, 6, 7]), torch.tensor([2])),
    (torch.tensor([9]), torch.tensor([1, 2, 3])),
    (torch.zeros(0, dtype=torch.int64), torch.tensor([1, 2])),
]
