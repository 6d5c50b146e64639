"""SegNet: max-pooling remembers where its maxima were, unpooling puts values back there."""

import torch
from torch import nn


def conv_block(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class SegNet(nn.Module):
    """Encoder and decoder of equal depth; the decoder unpools with the encoder's indices."""

    def __init__(self, channels=(3, 4, 6), classes=2):
        super().__init__()
        pairs = list(zip(channels[:-1], channels[1:]))
        self.encoders = nn.ModuleList(conv_block(a, b) for a, b in pairs)
        self.decoders = nn.ModuleList(conv_block(b, a) for a, b in reversed(pairs))
        self.pool = nn.MaxPool2d(2, stride=2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, stride=2)
        self.head = nn.Conv2d(channels[0], classes, kernel_size=1)

    def forward(self, x):
        memory = []
        for encoder in self.encoders:
            x = encoder(x)
            size = x.shape[-2:]
            x, indices = self.pool(x)
            memory.append((indices, size))
        for decoder in self.decoders:
            indices, size = memory.pop()
            x = decoder(self.unpool(x, indices, output_size=size))
        return self.head(x).softmax(dim=1)


torch.manual_seed(0)
model = SegNet().eval()
example_inputs = (torch.randn(1, 3, 16, 12),)
check_inputs = [
    (torch.randn(2, 3, 8, 8),),
    (torch.randn(1, 3, 21, 35),),
    (torch.randn(3, 3, 12, 16),),
]
