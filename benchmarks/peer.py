"""The peer: IMDN in plain PyTorch, as its authors build, train and run it (Hui et al. 2019). Without TensorFlow."""

from collections.abc import Callable

import numpy as np
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
        self.conv_first = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.aggregate = nn.Conv2d(width * depth, width, 1)
        self.conv_after_body = nn.Conv2d(width, width, 3, padding=1)
        self.upsample = nn.Sequential(nn.Conv2d(width, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, lr):
        features = self.conv_first(lr)
        x, outputs = features, []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = functional.leaky_relu(self.aggregate(torch.cat(outputs, dim=1)), 0.05)
        return self.upsample(self.conv_after_body(x) + features)


def training_step(lr: np.ndarray, hr: np.ndarray, fast: bool = False) -> Callable[[], float]:
    """A step on one batch, [batch, height, width, 3] in 0..1: L1, Adam.

    Args:
        lr: the patches.
        hr: what they are to become.
        fast: channels last and under bfloat16 autocast, the best that PyTorch does; else eager, in float32.
    """
    x, wanted = _planes(lr, fast), _planes(hr)
    model = IMDN().to(memory_format=_layout(fast))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            sr = model(x)
        loss = (sr.float() - wanted).abs().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def inference(image: np.ndarray, fast: bool = False) -> Callable[[], np.ndarray]:
    """One image [1, height, width, 3] enlarged; `fast` as in `training_step`."""
    model, lr = IMDN().eval().to(memory_format=_layout(fast)), _planes(image, fast)

    @torch.inference_mode()
    def run() -> np.ndarray:
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            return model(lr).float().numpy()

    return run


def _planes(images: np.ndarray, fast: bool = False) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=_layout(fast))


def _layout(fast: bool) -> torch.memory_format:
    return torch.channels_last if fast else torch.contiguous_format
