"""Mixture of experts: an expert that no token asks for is skipped by an If in the file."""

import torch
from torch import nn


class MixtureOfExperts(nn.Module):
    """Each token goes through its best two experts, weighted by the router."""

    def __init__(self, width=8, experts=4, active=2):
        super().__init__()
        self.router = nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(experts)
        )
        self.active = active

    def forward(self, tokens):
        weights, chosen = self.router(tokens).softmax(dim=-1).topk(self.active, dim=-1)
        out = torch.zeros_like(tokens)
        for index, expert in enumerate(self.experts):
            rows, slot = torch.where(chosen == index)
            if rows.numel() > 0:
                update = expert(tokens[rows]) * weights[rows, slot].unsqueeze(-1)
                out = out.index_add(0, rows, update)
        return out


torch.manual_seed(0)
model = MixtureOfExperts().eval()
example_inputs = (torch.randn(6, 8),)
check_inputs = [(torch.randn(1, 8),), (torch.randn(2, 8) * 3,), (torch.randn(40, 8),)]
