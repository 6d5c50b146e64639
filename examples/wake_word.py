"""A wake-word spotter: a state machine over audio frames whose states pick the layer that runs.

The state is text, the layer of a state is found by it, and what is heard in a state is an object of
another class. All of it stays: the state is carried through the Loop as flags, and each choice is
an If.
"""

from __future__ import annotations

import torch
from torch import nn

FEATURES = 8


class Quiet:
    """Nothing was heard; the noise is measured."""

    def __init__(self, noise: torch.Tensor) -> None:
        self.noise = noise

    def score(self) -> torch.Tensor:
        return -self.noise


class Heard:
    """Something was heard, for some frames."""

    def __init__(self, power: torch.Tensor, frames: int) -> None:
        self.power, self.frames = power, frames

    def score(self) -> torch.Tensor:
        return self.power * self.frames


class WakeWord(nn.Module):
    """Listens, then confirms, and tells in which frame the word ended."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                "listening": nn.Linear(FEATURES, FEATURES),
                "confirming": nn.Sequential(nn.Linear(FEATURES, FEATURES), nn.Tanh()),
            }
        )

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Goes through the frames.

        Args:
            frames: float32 [frames, features].

        Returns:
            A score, and the frame in which the word was heard to the end: None if it was not.
        """
        state, last = "listening", None
        seen: Quiet | Heard = Quiet(frames.sum() * 0)
        count = 0
        for frame in frames:
            power = self.layers[state](frame).abs().mean()
            if state == "listening":
                if power > 0.7:
                    state, count = "confirming", 1
                    seen = Heard(power, count)
                else:
                    seen = Quiet(power)
            elif power > 0.4:
                count = count + 1
                seen = Heard(power, count)
                if count > 2:
                    last = frame
            else:
                state, count = "listening", 0
        return seen.score(), last


torch.manual_seed(0)
model = WakeWord().eval()


def _frames(*loud: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(len(loud))
    return torch.randn(len(loud), FEATURES, generator=generator) * torch.tensor(loud)[:, None]


example_inputs = (_frames(0.1, 3.0, 3.0, 3.0, 0.1),)
check_inputs = [
    (_frames(0.1),),
    (_frames(0.1, 0.1, 0.1),),
    (_frames(3.0, 0.1),),
    (_frames(3.0, 3.0, 3.0, 3.0),),
    (_frames(3.0, 3.0, 0.1, 3.0, 3.0, 3.0, 0.1, 3.0),),
    (torch.zeros(0, FEATURES),),
]
