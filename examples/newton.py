"""Newton's iteration for cube roots: a `while` on the error stays a Loop."""

import torch


def model(x, tolerance: float = 1e-4):
    if (x == 0).any():
        x = torch.where(x == 0, torch.full_like(x, 1e-3), x)
    guess = torch.where(x > 0, torch.ones_like(x), -torch.ones_like(x))
    steps = 0
    while True:
        new = guess - (guess**3 - x) / (3 * guess**2)
        error = (new - guess).abs().max()
        guess = new
        steps += 1
        if error < tolerance or steps >= 50:
            break
    return guess, steps


example_inputs = (torch.tensor([8.0, 27.0, -2.0]), 1e-4)
check_inputs = [
    (torch.tensor([1.0]), 1e-4),  # right at once
    (torch.tensor([1000.0, 0.0, 5.0, -64.0]), 1e-3),
    (torch.tensor([3.0, 4.0]), 0.5),
]
