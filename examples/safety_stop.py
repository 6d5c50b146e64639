"""A controller with a stop that no ordinary input reaches: it is compared with PyTorch by force."""

import torch
from torch import nn


class SafetyStop(nn.Module):
    """Settings for valves; far too much pressure opens them step by step."""

    def __init__(self, sensors=6, valves=3):
        super().__init__()
        self.model = nn.Sequential(nn.Linear(sensors, 8), nn.Tanh(), nn.Linear(8, valves))
        # As trained, these are tensors: nothing in the program says how large they are.
        self.register_buffer("limit", torch.tensor(0.999))
        self.register_buffer("least", torch.tensor(40.0))

    def forward(self, sensors):
        settings = self.model(sensors)
        pressure = torch.tanh(sensors / 100).abs()
        if pressure.max() > self.limit:
            opened = torch.zeros_like(settings)
            while opened.sum() < self.least:
                opened = opened + settings.abs() + 1
            return opened, True
        return settings, False


torch.manual_seed(0)
model = SafetyStop().eval()

example_inputs = (torch.randn(2, 6),)
check_inputs = [(torch.randn(5, 6) * 10,)]
