"""Cuts boxes of different sizes out of an image, and keeps a feature of each large one."""

import torch
from torch import nn


class RaggedCrops(nn.Module):
    """One row for each box that covers some pixels; the crops themselves have all sizes."""

    def __init__(self, channels=3, features=8):
        super().__init__()
        self.conv = nn.Conv2d(channels, features, 3, padding=1)

    def forward(self, image, boxes):
        crops = []
        for box in boxes:
            left, top, right, bottom = (int(v) for v in box)
            crop = image[:, top:bottom, left:right]
            if crop.shape[1] * crop.shape[2] >= 4:
                crops.append(crop)
        if len(crops) == 0:
            return image.new_zeros(0, 8), 0
        rows = []
        for crop in crops:
            rows.append(self.conv(crop[None]).relu().amax((0, 2, 3)))
        return torch.stack(rows), len(crops)


torch.manual_seed(0)
model = RaggedCrops().eval()

torch.manual_seed(1)
image = torch.rand(3, 12, 16)
example_inputs = (image, torch.tensor([[0, 0, 8, 6], [2, 3, 3, 4], [4, 2, 15, 11]]))
check_inputs = [
    (image, torch.zeros(0, 4, dtype=torch.int64)),
    (image, torch.tensor([[1, 1, 2, 2]])),
    (
        torch.rand(3, 20, 9),
        torch.tensor([[0, 0, 9, 20], [3, 4, 6, 6], [1, 1, 3, 19], [5, 5, 7, 7]]),
    ),
]
