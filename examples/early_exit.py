"""A classifier that stops at the first head that is sure: the exits stay Ifs in the file."""

import torch
from torch import nn


class EarlyExit(nn.Module):
    """Blocks with a head each; easy batches leave early and cost less."""

    def __init__(self, features=16, classes=4, depth=3, threshold=0.6):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(features, features) for _ in range(depth))
        self.heads = nn.ModuleList(nn.Linear(features, classes) for _ in range(depth))
        self.threshold = threshold

    def forward(self, x):
        for depth, (block, head) in enumerate(zip(self.blocks, self.heads)):
            x = torch.relu(block(x)) + x
            scores = head(x).softmax(dim=-1)
            if scores.max(dim=-1).values.min() > self.threshold:
                return scores, depth
        return scores, len(self.blocks)


torch.manual_seed(0)
model = EarlyExit().eval()

torch.manual_seed(4)
sample = torch.randn(1, 16)
example_inputs = (torch.randn(3, 16),)
# The larger the input, the easier: one set for each head, one for none, and larger batches.
check_inputs = [(sample * scale,) for scale in (0.5, 1.5, 2.0, 5.0)]
check_inputs += [(torch.randn(2, 16) * 40,), (torch.randn(5, 16) * 0.1,)]
