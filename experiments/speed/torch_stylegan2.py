"""StyleGAN2 in PyTorch's own operations, the same networks as jaxgan's.

Modulation scales activations before and after one convolution for the batch; filters are depthwise
convolutions, two of four taps each, which is the fastest of PyTorch's forms on a CPU (one of 4x4
taps, and channels folded into the batch, take longer).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

TAPS = torch.tensor([0.125, 0.375, 0.375, 0.125])


def filtered(x, gain: float, pad: tuple[int, int], stride: int = 1):
    """The binomial filter along height and width."""
    channels = x.shape[1]
    taps = (gain * TAPS).to(x.device, x.dtype)
    x = F.pad(x, (*pad, *pad))
    x = F.conv2d(
        x, taps.view(1, 1, 4, 1).repeat(channels, 1, 1, 1), None, (stride, 1), 0, 1, channels
    )
    return F.conv2d(
        x, taps.view(1, 1, 1, 4).repeat(channels, 1, 1, 1), None, (1, stride), 0, 1, channels
    )


def upsample(x):
    """Zeros between, and the filter: one transposed depthwise convolution an axis."""
    channels = x.shape[1]
    taps = (2 * TAPS).to(x.device, x.dtype)
    x = F.conv_transpose2d(
        x, taps.view(1, 1, 4, 1).repeat(channels, 1, 1, 1), None, (2, 1), (1, 0), 0, channels
    )
    return F.conv_transpose2d(
        x, taps.view(1, 1, 1, 4).repeat(channels, 1, 1, 1), None, (1, 2), (0, 1), 0, channels
    )


def activate(x):
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def pixel_norm(x):
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int, lr: float = 1.0, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr))
        self.gain, self.lr = lr / math.sqrt(inputs), lr

    def forward(self, x):
        return F.linear(x, self.weight * self.gain, self.bias * self.lr)


class Conv(nn.Module):
    """A convolution of equalised learning rate, halving or not."""

    def __init__(
        self, inputs: int, outputs: int, size: int, halve: bool = False, bias: bool = True
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.size, self.halve = 1 / math.sqrt(inputs * size**2), size, halve

    def forward(self, x):
        weight = self.weight * self.gain
        if not self.halve:
            return F.conv2d(x, weight, self.bias, padding=self.size // 2)
        if self.size == 1:
            return F.conv2d(filtered(x, 1.0, (1, 1), stride=2), weight, self.bias)
        return F.conv2d(filtered(x, 1.0, (2, 2)), weight, self.bias, stride=2)


class Modulated(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: int, styles: int, up: bool = False):
        super().__init__()
        self.affine = Dense(styles, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise = nn.Parameter(torch.zeros([])) if size > 1 else None
        self.gain, self.up, self.size = 1 / math.sqrt(inputs * size**2), up, size

    def forward(self, x, w):
        styles, weight = self.affine(w), self.weight * self.gain
        x = x * styles[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = filtered(x, 2.0, (1, 1))
        else:
            x = F.conv2d(x, weight, padding=self.size // 2)
        if self.size == 1:
            return x + self.bias[:, None, None]
        power = styles.square() @ weight.square().sum((2, 3)).T
        x = x * torch.rsqrt(power + 1e-8)[:, :, None, None]
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)
        return activate(x + self.noise * noise + self.bias[:, None, None])


def channels_at(workload, side: int, base: int) -> int:
    return max(1, min(base // side, workload.channel_max))


def sides(workload) -> list[int]:
    return [4 << n for n in range(int(math.log2(workload.resolution // 4)) + 1)]


class Generator(nn.Module):
    def __init__(self, w):
        super().__init__()
        sizes = [w.latent_dim, *[w.w_dim] * w.mapping_layers]
        dense = zip(sizes[:-1], sizes[1:], strict=True)
        self.mapping = nn.ModuleList(Dense(a, b, lr=0.01) for a, b in dense)
        self.register_buffer("mean", torch.zeros(w.w_dim))
        widths = [channels_at(w, side, w.gen_width) for side in sides(w)]
        self.constant = nn.Parameter(torch.randn(widths[0], 4, 4))
        convs, images = [Modulated(widths[0], widths[0], 3, w.w_dim)], []
        for before, width in zip(widths[:-1], widths[1:], strict=True):
            convs.append(Modulated(before, width, 3, w.w_dim, up=True))
            convs.append(Modulated(width, width, 3, w.w_dim))
        images = [Modulated(width, w.channels, 1, w.w_dim) for width in widths]
        self.convs, self.images = nn.ModuleList(convs), nn.ModuleList(images)
        self.layers, self.mixing = len(convs) + 1, w.style_mixing

    def map(self, latents):
        w = pixel_norm(latents)
        for dense in self.mapping:
            w = activate(dense(w))
        return w

    def forward(self, latents):
        w = self.map(torch.cat([latents, torch.randn_like(latents)]))
        with torch.no_grad():
            self.mean.lerp_(w.detach().float().mean(0), 0.005)
        own, other = w.chunk(2)
        count, device = len(latents), latents.device
        place = torch.randint(1, self.layers, (count,), device=device)
        place = torch.where(torch.rand(count, device=device) < self.mixing, place, self.layers)
        keeps = torch.arange(self.layers, device=device) < place[:, None]
        styles = torch.where(keeps[:, :, None], own[:, None], other[:, None]).unbind(1)
        x = self.constant.expand(count, -1, -1, -1)
        x = self.convs[0](x, styles[0])
        picture = self.images[0](x, styles[1])
        for level in range(1, len(self.images)):
            x = self.convs[2 * level - 1](x, styles[2 * level - 1])
            x = self.convs[2 * level](x, styles[2 * level])
            picture = upsample(picture) + self.images[level](x, styles[2 * level + 1])
        return picture


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first, self.second = Conv(inputs, inputs, 3), Conv(inputs, outputs, 3, halve=True)
        self.shortcut = Conv(inputs, outputs, 1, halve=True, bias=False)

    def forward(self, x):
        h = activate(self.second(activate(self.first(x))))
        return (h + self.shortcut(x)) * math.sqrt(0.5)


class Discriminator(nn.Module):
    def __init__(self, w):
        super().__init__()
        widths = [channels_at(w, side, w.disc_width) for side in reversed(sides(w))]
        self.from_image = Conv(w.channels, widths[0], 1)
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in pairs))
        self.last = Conv(widths[-1] + 1, widths[-1], 3)
        self.dense, self.out = Dense(16 * widths[-1], widths[-1]), Dense(widths[-1], 1)

    def forward(self, images):
        x = self.blocks(activate(self.from_image(images)))
        groups = x.reshape(4, -1, *x.shape[1:])
        deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        deviation = deviation.repeat(4).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
        x = activate(self.last(torch.cat([x, deviation], 1)))
        return self.out(activate(self.dense(x.flatten(1))))


def stylegan2(w):
    return Generator(w), Discriminator(w)
