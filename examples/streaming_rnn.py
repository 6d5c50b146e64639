"""A recurrent layer that keeps its state on itself: with --state io, one call is one step.

The file then has the inputs state.hidden.0, state.hidden.1 and state.steps beside x, and an output
for each with .out behind its name: what the next call is to be given.
"""

import torch
from torch import nn


class StreamingRNN(nn.Module):
    """Hears one frame a call, and says how loud it is next to what it has heard so far."""

    def __init__(self, features=8, width=16):
        super().__init__()
        self.cell = nn.LSTMCell(features, width)
        self.head = nn.Linear(width, 1)
        self.hidden = (torch.zeros(1, width), torch.zeros(1, width))
        self.steps = 0

    def forward(self, x):
        self.steps += 1
        if x.abs().max() < 0.05:
            # Silence: what was heard fades.
            h, c = self.hidden
            self.hidden = (h * 0.9, c * 0.9)
        else:
            self.hidden = self.cell(x.unsqueeze(0), self.hidden)
        score = torch.sigmoid(self.head(self.hidden[0]))
        if self.steps <= 2:
            score = score * 0.5  # too early to tell
        return score


torch.manual_seed(0)
model = StreamingRNN().eval()

torch.manual_seed(7)
example_inputs = (torch.randn(8),)
check_inputs = [(torch.randn(8),), (torch.randn(8) * 0.01,), (torch.zeros(8),)]
