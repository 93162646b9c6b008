"""The peer: IMDN in plain PyTorch, as its authors build, train and run it (Hui et al. 2019)."""

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Contrast-aware channel attention."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 16, 1)
        self.excite = nn.Conv2d(channels // 16, channels, 1)

    def forward(self, x):
        mean = x.mean((2, 3), keepdim=True)
        contrast = ((x - mean) ** 2).mean((2, 3), keepdim=True).sqrt() + mean
        return x * torch.sigmoid(self.excite(functional.relu(self.squeeze(contrast))))


class Block(nn.Module):
    """The information multi-distillation block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kept = width // 4
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(width - self.kept, width, 3, padding=1) for _ in range(2))
        self.last = nn.Conv2d(width - self.kept, self.kept, 3, padding=1)
        self.fusion = nn.Conv2d(width, width, 1)
        self.attention = Attention(width)

    def forward(self, x):
        trunk, pieces = functional.leaky_relu(self.first(x), 0.05), []
        for conv in self.convs:
            piece, trunk = torch.split(trunk, (self.kept, trunk.shape[1] - self.kept), dim=1)
            pieces.append(piece)
            trunk = functional.leaky_relu(conv(trunk), 0.05)
        piece, trunk = torch.split(trunk, (self.kept, trunk.shape[1] - self.kept), dim=1)
        pieces += [piece, self.last(trunk)]
        return x + self.fusion(self.attention(torch.cat(pieces, dim=1)))


class IMDN(nn.Module):
    """The network; input [batch, 3, height, width], RGB in 0..1."""

    def __init__(self, scale: int = 4, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.aggregate = nn.Conv2d(width * depth, width, 1)
        self.smooth = nn.Conv2d(width, width, 3, padding=1)
        self.upsample = nn.Sequential(nn.Conv2d(width, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, lr):
        features = self.head(lr)
        x, outputs = features, []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = functional.leaky_relu(self.aggregate(torch.cat(outputs, dim=1)), 0.05)
        return self.upsample(self.smooth(x) + features)
