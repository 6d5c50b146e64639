"""Connected components of a binary image: labels are written in place until none changes."""

import torch


def connected_components(image):
    """Labels the regions of pixels above 0.5 that touch by their sides.

    Every pixel starts with a label of its own and takes the largest of its neighbours', row by row
    and column by column, until nothing changes. Returns the labels, 0 for the background, and the
    number of regions.
    """
    inside = image > 0.5
    labels = torch.arange(1, image.numel() + 1).reshape(image.shape) * inside
    changing = labels.numel() > 0
    while changing:
        before = labels.clone()
        for i in range(1, image.shape[0]):
            down = torch.maximum(labels[i], labels[i - 1])
            labels[i] = torch.where(inside[i] & inside[i - 1], down, labels[i])
        for i in range(1, image.shape[0]):
            k = image.shape[0] - 1 - i
            up = torch.maximum(labels[k], labels[k + 1])
            labels[k] = torch.where(inside[k] & inside[k + 1], up, labels[k])
        for j in range(1, image.shape[1]):
            right = torch.maximum(labels[:, j], labels[:, j - 1])
            labels[:, j] = torch.where(inside[:, j] & inside[:, j - 1], right, labels[:, j])
        for j in range(1, image.shape[1]):
            k = image.shape[1] - 1 - j
            left = torch.maximum(labels[:, k], labels[:, k + 1])
            labels[:, k] = torch.where(inside[:, k] & inside[:, k + 1], left, labels[:, k])
        changing = (labels != before).any()
    # A region's label is the number of its last pixel, which is the only one to hold its own.
    own = torch.arange(1, image.numel() + 1).reshape(image.shape)
    return labels, (inside & (labels == own)).sum()


model = connected_components

torch.manual_seed(7)
spiral = torch.tensor(
    [
        [1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 0, 1],
        [1, 0, 0, 1, 0, 1],
        [1, 0, 1, 1, 0, 1],
        [1, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 1],
    ],
    dtype=torch.float32,
)
example_inputs = (spiral,)
check_inputs = [
    (torch.rand(9, 5),),
    ((torch.rand(12, 14) > 0.4).float(),),
    (torch.zeros(3, 3),),
    (torch.ones(1, 4),),
]
