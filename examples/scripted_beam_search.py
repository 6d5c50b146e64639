"""A beam search as TorchScript: its while loop and its branches are read from the compiled form.

Saved with ``torch.jit.save(model, "beam.pt")`` it is exported from the archive just as well.
"""

import torch
from torch import nn


class BeamSearch(nn.Module):
    """Writes the likeliest sequence that a small recurrent network can find with a few beams."""

    def __init__(self, vocabulary: int = 12, features: int = 8, beams: int = 3, limit: int = 10):
        super().__init__()
        self.start = nn.Linear(features, features)
        self.embedding = nn.Embedding(vocabulary, features)
        self.cell = nn.GRUCell(features, features)
        self.head = nn.Linear(features, vocabulary)
        self.vocabulary, self.beams, self.limit, self.end = vocabulary, beams, limit, 2

    def forward(self, state: torch.Tensor):
        states = torch.tanh(self.start(state)).unsqueeze(0).expand(self.beams, -1)
        tokens = torch.ones(self.beams, 1, dtype=torch.long)
        scores = torch.full((self.beams,), -1e9)
        scores[0] = 0.0
        finished = torch.zeros(self.beams, dtype=torch.bool)
        steps = 0
        while steps < self.limit and not bool(finished.all()):
            states = self.cell(self.embedding(tokens[:, -1]), states)
            step = torch.log_softmax(self.head(states), -1)
            stay = torch.full_like(step, -1e9)
            stay[:, self.end] = 0.0
            step = torch.where(finished.unsqueeze(1), stay, step)
            scores, best = (scores.unsqueeze(1) + step).flatten().topk(self.beams)
            beam, token = best // self.vocabulary, best % self.vocabulary
            tokens = torch.cat([tokens[beam], token.unsqueeze(1)], 1)
            states, finished = states[beam], finished[beam] | (token == self.end)
            steps += 1
        if not bool(finished.any()):
            return tokens[0], scores[0] - 1.0
        winner = scores.where(finished, torch.full_like(scores, -1e9)).argmax()
        return tokens[winner], scores[winner]


torch.manual_seed(3)
model = torch.jit.script(BeamSearch().eval())
example_inputs = (torch.randn(8),)
check_inputs = [(torch.randn(8) * scale,) for scale in (0.1, 1.0, 5.0, 20.0)]
