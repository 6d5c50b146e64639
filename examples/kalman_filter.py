"""A tracker: a Kalman filter over a sequence of any length, of which some measurements are missing.

Each step solves equations by Cholesky's factors, inside the Loop of the file.
"""

import torch
from torch import nn


class KalmanFilter(nn.Module):
    """Positions and velocities from noisy positions; a missing measurement is predicted."""

    def __init__(self, axes=2, step=0.1):
        super().__init__()
        eye, none = torch.eye(axes), torch.zeros(axes, axes)
        self.register_buffer("moves", torch.cat([torch.cat([eye, step * eye], 1),
                                                 torch.cat([none, eye], 1)]))  # fmt: skip
        self.register_buffer("sees", torch.cat([eye, none], 1))
        self.drift = nn.Parameter(torch.full((2 * axes,), 0.02))
        self.noise = nn.Parameter(torch.full((axes,), 0.3))

    def forward(self, measured, present):
        """Measurements [steps, axes], and whether each is there -> states, log-likelihood."""
        state = measured.new_zeros(self.moves.shape[0])
        spread = torch.eye(self.moves.shape[0])
        likelihood = measured.new_zeros(())
        states = []
        for k in range(measured.shape[0]):
            state = self.moves @ state
            spread = self.moves @ spread @ self.moves.T + torch.diag(self.drift.square())
            if present[k]:
                surprise = measured[k] - self.sees @ state
                factor = torch.linalg.cholesky(
                    self.sees @ spread @ self.sees.T + torch.diag(self.noise.square())
                )
                gain = torch.cholesky_solve(self.sees @ spread, factor).T
                whitened = torch.linalg.solve_triangular(factor, surprise[:, None], upper=False)
                state = state + gain @ surprise
                spread = spread - gain @ self.sees @ spread
                likelihood = (
                    likelihood - whitened.square().sum() / 2 - factor.diagonal().log().sum()
                )
            states.append(state)
        return torch.stack(states), likelihood


def track(steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    path = torch.linspace(0, 3, steps)[:, None] * torch.tensor([1.0, -0.5])
    noise = 0.3 * torch.randn(steps, 2, generator=generator)
    return path + noise, torch.rand(steps, generator=generator) > 0.3


model = KalmanFilter().eval()
example_inputs = track(12)
check_inputs = [
    track(1, 1),
    track(5, 2),
    track(40, 3),
    (torch.zeros(4, 2), torch.zeros(4, dtype=torch.bool)),
]
