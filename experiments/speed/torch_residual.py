"""SNGAN's ResNet, BigGAN and R3GAN without classes in PyTorch: the same networks as jaxgan's."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch_stylegan2 import filtered, upsample

GROUP = 16  # channels of R3GAN's grouped convolutions


class Unflatten(nn.Module):
    def __init__(self, *shape: int):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(-1, *self.shape)


class BlockUp(nn.Module):
    def __init__(self, inputs: int, features: int):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(features)
        self.conv1 = nn.Conv2d(inputs, features, 3, 1, 1)
        self.conv2 = nn.Conv2d(features, features, 3, 1, 1)
        self.shortcut = nn.Conv2d(inputs, features, 1)

    def forward(self, x):
        h = self.conv1(F.interpolate(F.relu(self.norm1(x)), scale_factor=2))
        h = self.conv2(F.relu(self.norm2(h)))
        return h + F.interpolate(self.shortcut(x), scale_factor=2)


class BlockDown(nn.Module):
    def __init__(self, inputs: int, features: int, halve: bool, first: bool = False):
        super().__init__()
        inner = features if first else inputs
        self.halve, self.first = halve, first
        self.conv1 = spectral_norm(nn.Conv2d(inputs, inner, 3, 1, 1))
        self.conv2 = spectral_norm(nn.Conv2d(inner, features, 3, 1, 1))
        changes = halve or inputs != features
        self.shortcut = spectral_norm(nn.Conv2d(inputs, features, 1)) if changes else nn.Identity()

    def forward(self, x):
        h = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        if self.halve:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        return h + self.shortcut(x)


class SumPool(nn.Module):
    def forward(self, x):
        return F.relu(x).sum((2, 3))


def resnet_discriminator(w):
    d = w.disc_width
    disc = [BlockDown(w.channels, d, True, first=True), BlockDown(d, d, True)]
    disc += [BlockDown(d, d, False), BlockDown(d, d, False), SumPool()]
    return nn.Sequential(*disc, spectral_norm(nn.Linear(d, 1)))


def resnet(w):
    ups = int(math.log2(w.resolution // 4))
    gen = [nn.Linear(w.latent_dim, 16 * w.gen_width), Unflatten(w.gen_width, 4, 4)]
    gen += [BlockUp(w.gen_width, w.gen_width) for _ in range(ups)]
    gen += [nn.BatchNorm2d(w.gen_width), nn.ReLU(True)]
    gen += [nn.Conv2d(w.gen_width, w.channels, 3, 1, 1), nn.Tanh()]
    return nn.Sequential(*gen), resnet_discriminator(w)


def conv(inputs: int, outputs: int, size: int):
    return spectral_norm(nn.Conv2d(inputs, outputs, size, 1, size // 2))


class ProjectedNorm(nn.Module):
    """Batch norm whose scale and bias are linear in a chunk of the latents."""

    def __init__(self, features: int, chunk: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.scale = spectral_norm(nn.Linear(chunk, features, bias=False))
        self.bias = spectral_norm(nn.Linear(chunk, features, bias=False))

    def forward(self, x, chunk):
        scale, bias = self.scale(chunk), self.bias(chunk)
        return self.norm(x) * (1 + scale[:, :, None, None]) + bias[:, :, None, None]


class BigUp(nn.Module):
    def __init__(self, inputs: int, features: int, chunk: int):
        super().__init__()
        self.norm1, self.norm2 = ProjectedNorm(inputs, chunk), ProjectedNorm(features, chunk)
        self.conv1, self.conv2 = conv(inputs, features, 3), conv(features, features, 3)
        self.shortcut = conv(inputs, features, 1)

    def forward(self, x, chunk):
        h = self.conv1(F.interpolate(F.relu(self.norm1(x, chunk)), scale_factor=2))
        h = self.conv2(F.relu(self.norm2(h, chunk)))
        return h + F.interpolate(self.shortcut(x), scale_factor=2)


class BigGenerator(nn.Module):
    def __init__(self, w):
        super().__init__()
        ups, features = int(math.log2(w.resolution // 4)), w.gen_width
        chunk = w.latent_dim // (ups + 1)
        self.first, self.count = spectral_norm(nn.Linear(chunk, 16 * features)), ups + 1
        self.blocks = nn.ModuleList(BigUp(features, features, chunk) for _ in range(ups))
        self.norm, self.last = nn.BatchNorm2d(features), conv(features, w.channels, 3)

    def forward(self, latents):
        first, *chunks = latents.chunk(self.count, 1)
        x = self.first(first)
        x = x.reshape(len(x), -1, 4, 4)
        for block, chunk in zip(self.blocks, chunks, strict=True):
            x = block(x, chunk)
        return torch.tanh(self.last(F.relu(self.norm(x))))


def biggan(w):
    """At 32x32 its discriminator is SNGAN's."""
    return BigGenerator(w), resnet_discriminator(w)


class R3Block(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        inner = 2 * features
        self.widen = nn.Conv2d(features, inner, 1, bias=False)
        self.bias1 = nn.Parameter(torch.zeros(inner, 1, 1))
        self.mix = nn.Conv2d(inner, inner, 3, 1, 1, groups=inner // GROUP, bias=False)
        self.bias2 = nn.Parameter(torch.zeros(inner, 1, 1))
        self.narrow = nn.Conv2d(inner, features, 1, bias=False)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x):
        h = F.leaky_relu(self.widen(x) + self.bias1, 0.2)
        h = F.leaky_relu(self.mix(h) + self.bias2, 0.2)
        return x + self.narrow(h)


class R3Generator(nn.Module):
    def __init__(self, w):
        super().__init__()
        ups, features = int(math.log2(w.resolution // 4)), w.gen_width
        self.basis = nn.Parameter(torch.randn(features, 4, 4))
        self.first = nn.Linear(w.latent_dim, features, bias=False)
        self.blocks = nn.ModuleList(R3Block(features) for _ in range(ups + 1))
        self.last = nn.Conv2d(features, w.channels, 1, bias=False)

    def forward(self, latents):
        x = self.basis * self.first(latents)[:, :, None, None]
        for level, block in enumerate(self.blocks):
            if level:
                x = upsample(x)
            x = block(x)
        return self.last(x)


class R3Discriminator(nn.Module):
    def __init__(self, w):
        super().__init__()
        downs, features = int(math.log2(w.resolution // 4)), w.disc_width
        self.first = nn.Conv2d(w.channels, features, 1, bias=False)
        self.blocks = nn.ModuleList(R3Block(features) for _ in range(downs + 1))
        self.basis = nn.Parameter(0.25 * torch.randn(features, 4, 4))
        self.out = nn.Linear(features, 1, bias=False)

    def forward(self, images):
        x = self.first(images)
        for level, block in enumerate(self.blocks):
            x = block(filtered(x, 1.0, (1, 1), 2) if level else x)
        return self.out((x * self.basis).sum((2, 3)))


def r3gan(w):
    return R3Generator(w), R3Discriminator(w)
