"""A classifier that halves images too large for it: a range of heights says that none will come.

Try it with a range, and the branch is pruned:

    --dynamic "x:0=batch[1..2..8],2=height[32..64..128]"
"""

import torch
from torch import nn


class TiledScores(nn.Module):
    """Scores of 16x16 tiles, averaged."""

    def __init__(self, classes=4, tile=16, limit=160):
        super().__init__()
        self.tile, self.limit = tile, limit
        self.look = nn.Conv2d(3, classes, tile, stride=tile)

    def forward(self, x):
        if x.shape[2] % self.tile != 0:
            raise ValueError(f"the height must be a multiple of {self.tile}")
        if x.shape[2] > self.limit:
            x = nn.functional.avg_pool2d(x, 2)
        return self.look(x).mean(dim=(2, 3)).softmax(dim=-1)


torch.manual_seed(0)
model = TiledScores().eval()

torch.manual_seed(1)
example_inputs = (torch.randn(2, 3, 64, 64),)
check_inputs = [(torch.randn(b, 3, h, 64),) for b, h in ((1, 32), (1, 160), (1, 192), (3, 48))]
