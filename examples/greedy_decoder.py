"""A greedy decoder: the loop over tokens stays a Loop and stops at the end-of-sequence token."""

import torch
from torch import nn

START, END = 0, 1


class GreedyDecoder(nn.Module):
    """Writes tokens from a state until every sequence has ended or is too long."""

    def __init__(self, vocabulary=12, width=16, max_length=10):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.cell = nn.GRUCell(width, width)
        self.head = nn.Linear(width, vocabulary)
        self.max_length = max_length

    def forward(self, state):
        token = torch.full((state.shape[0],), START, dtype=torch.int64)
        ended = torch.zeros(state.shape[0], dtype=torch.bool)
        tokens = token.unsqueeze(1)
        for _ in range(self.max_length):
            state = self.cell(self.embed(token), state)
            token = self.head(state).argmax(dim=-1)
            token = torch.where(ended, END, token)
            tokens = torch.cat([tokens, token.unsqueeze(1)], dim=1)
            ended = ended | (token == END)
            if ended.all():
                break
        return tokens


torch.manual_seed(0)
model = GreedyDecoder().eval()
model.head.weight.data *= 4  # clearer choices than a fresh layer makes

torch.manual_seed(7)
sample = torch.randn(1, 16)
example_inputs = (torch.randn(2, 16),)
# Sentences of several lengths, one that is cut off, and a larger batch.
check_inputs = [(sample * scale,) for scale in (1.0, 2.0, 3.0, 8.0)]
check_inputs += [(torch.randn(4, 16),)]
