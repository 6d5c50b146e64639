"""Beam search in plain Python: a list of hypotheses, as tuples, that the loop rebuilds and cuts."""

import torch
from torch import nn

START, END = 0, 1


class BeamSearch(nn.Module):
    """The most likely sentence for a state, of all those that the beam keeps."""

    def __init__(self, vocabulary=8, width=12, beams=3, max_length=6):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.cell = nn.GRUCell(width, width)
        self.head = nn.Linear(width, vocabulary)
        self.beams, self.max_length = beams, max_length

    def extended(self, tokens, state, score):
        """Every hypothesis that is one of the best continuations of one."""
        state = self.cell(self.embed(tokens[-1])[None], state)
        scores, choices = self.head(state).log_softmax(-1)[0].topk(self.beams)
        found = []
        for k in range(self.beams):
            found.append((torch.cat([tokens, choices[k : k + 1]]), state, score + scores[k]))
        return found

    def forward(self, state):
        hypotheses = [(torch.full((1,), START), state, torch.zeros(()))]
        finished = [(torch.full((1,), START), torch.full((), -1e9))]
        for _ in range(self.max_length):
            candidates = []
            for tokens, old, score in hypotheses:
                candidates.extend(self.extended(tokens, old, score))
            order = torch.stack([score for _, _, score in candidates]).argsort(descending=True)
            hypotheses = []
            for k in range(min(self.beams, len(candidates))):
                tokens, new, score = candidates[int(order[k])]
                if tokens[-1] == END:
                    finished.append((tokens, score))
                else:
                    hypotheses.append((tokens, new, score))
            if len(finished) > self.beams or len(hypotheses) == 0:
                break
        best, best_score = finished[0]
        for tokens, score in finished:
            if score > best_score:
                best, best_score = tokens, score
        return best, best_score, len(finished)


torch.manual_seed(0)
model = BeamSearch().eval()
model.head.weight.data *= 4  # clearer choices than a fresh layer makes
model.head.bias.data[END] += 1.0

torch.manual_seed(3)
example_inputs = (torch.randn(1, 12),)
check_inputs = [(torch.randn(1, 12) * scale,) for scale in (0.1, 1.0, 2.0, 4.0)]
