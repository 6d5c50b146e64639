"""An image pyramid down to a minimum size: the number of levels depends on the image."""

import torch
import torch.nn.functional as F
from torch import nn


class Pyramid(nn.Module):
    """Adds up what each level sees until the image gets too small."""

    def __init__(self, minimum=8):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, kernel_size=3, padding=1)
        self.minimum = minimum

    def forward(self, image):
        features = image.new_zeros(image.shape[0], 4)
        levels = 0
        while min(image.shape[-2], image.shape[-1]) >= self.minimum:
            features = features + self.conv(image).relu().mean(dim=(-2, -1))
            image = F.avg_pool2d(image, kernel_size=2)
            levels += 1
        if levels == 0:
            return features, image, levels
        return features / levels, image, levels


torch.manual_seed(0)
model = Pyramid().eval()
example_inputs = (torch.rand(1, 3, 32, 24),)
check_inputs = [
    (torch.rand(2, 3, 7, 16),),  # too small from the start
    (torch.rand(1, 3, 8, 9),),  # one level, odd size
    (torch.rand(1, 3, 70, 65),),  # four levels
]
