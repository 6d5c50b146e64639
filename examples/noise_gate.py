"""Takes the noise out of a sound, frame by frame: what noise is, is learnt where it is quiet.

Complex spectra there and back, for a sound of any length; a loop over frames with an `if` in it
that decides whether a frame is noise, and what is learnt there decides about the next frame.
"""

from __future__ import annotations

import torch
from torch import nn

FRAME, HOP = 64, 16


class NoiseGate(nn.Module):
    """Spectral subtraction, after Boll, 1979."""

    def __init__(self, quiet: float = 1.5) -> None:
        super().__init__()
        self.quiet = quiet
        self.register_buffer("window", torch.hann_window(FRAME))

    def forward(self, sound: torch.Tensor) -> tuple[torch.Tensor, int]:
        """A sound [samples] without its noise, and in how many frames there was only noise."""
        options = {"window": self.window}
        frames = torch.stft(sound, FRAME, HOP, return_complex=True, **options).T
        noise = frames[0].abs()
        kept = []
        quiet = 0
        for frame in frames:
            loudness = frame.abs()
            if loudness.mean() < self.quiet * noise.mean():
                noise = 0.9 * noise + 0.1 * loudness
                quiet += 1
                kept.append(frame * 0.1)
            else:
                gain = (loudness - noise).clamp(min=0) / (loudness + 1e-6)
                kept.append(frame * gain)
        spectrum = torch.stack(kept).T
        return torch.istft(spectrum, FRAME, HOP, length=sound.shape[0], **options), quiet


def sound(samples: int, begin: int, pitch: float) -> torch.Tensor:
    """Noise, and from some sample on a tone in it."""
    generator = torch.Generator().manual_seed(samples)
    steps = torch.arange(samples)
    tone = torch.sin(steps * pitch) * (steps >= begin)
    return tone + 0.05 * torch.randn(samples, generator=generator)


model = NoiseGate().eval()
example_inputs = (sound(400, 200, 0.3),)
check_inputs = [
    (sound(250, 999, 0.3),),  # noise alone
    (sound(700, 300, 1.1),),
    (sound(90, 0, 0.7),),  # as loud from the beginning
]
