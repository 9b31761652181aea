"""The workloads in PyTorch, as its users would write them well.

Fakes of the discriminator's turn are reused by the generator's where each has one turn, gradients
are taken for the parameters that are updated and for no others, a penalty's forward pass on reals
is that of the loss, optimizers are fused and the averaged generator is updated by foreach kernels.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch_residual import Unflatten, biggan, r3gan, resnet
from torch_stylegan2 import stylegan2


def mlp(w):
    pixels = w.channels * w.resolution**2
    gen, size = [], w.latent_dim
    for hidden in (256, 512, 1024):
        gen += [nn.Linear(size, hidden), nn.LeakyReLU(0.2)]
        size = hidden
    gen += [nn.Linear(size, pixels), nn.Tanh(), Unflatten(w.channels, w.resolution, w.resolution)]
    disc, size = [nn.Flatten()], pixels
    for hidden in (1024, 512, 256):
        disc += [nn.Linear(size, hidden), nn.LeakyReLU(0.2), nn.Dropout(w.dropout)]
        size = hidden
    return nn.Sequential(*gen), nn.Sequential(*disc, nn.Linear(size, 1))


def dcgan(w):
    side, halvings = w.resolution // 4, 2
    while side % 2 == 0 and side >= 8:
        side, halvings = side // 2, halvings + 1
    features = w.gen_width << (halvings - 1)
    gen = [nn.Linear(w.latent_dim, features * side * side, bias=False)]
    gen += [Unflatten(features, side, side), nn.BatchNorm2d(features), nn.ReLU(True)]
    for _ in range(halvings - 1):
        gen.append(nn.ConvTranspose2d(features, features // 2, 4, 2, 1, bias=False))
        features //= 2
        gen += [nn.BatchNorm2d(features), nn.ReLU(True)]
    gen += [nn.ConvTranspose2d(features, w.channels, 4, 2, 1), nn.Tanh()]
    disc, inputs = [], w.channels
    for level in range(halvings):
        disc += [nn.Conv2d(inputs, w.disc_width << level, 4, 2, 1), nn.LeakyReLU(0.2)]
        inputs = w.disc_width << level
    disc += [nn.Flatten(), nn.Linear(inputs * side * side, 1)]
    return nn.Sequential(*gen), nn.Sequential(*disc)


def dcgan_keras(w):
    side, g, d = w.resolution // 4, w.gen_width, w.disc_width
    flat = 4 * g * side * side
    gen = [nn.Linear(w.latent_dim, flat, bias=False), nn.BatchNorm1d(flat), nn.LeakyReLU(0.3)]
    gen += [Unflatten(4 * g, side, side)]
    gen += [nn.ConvTranspose2d(4 * g, 2 * g, 5, 1, 2, bias=False)]
    gen += [nn.BatchNorm2d(2 * g), nn.LeakyReLU(0.3)]
    gen += [nn.ConvTranspose2d(2 * g, g, 5, 2, 2, 1, bias=False)]
    gen += [nn.BatchNorm2d(g), nn.LeakyReLU(0.3)]
    gen += [nn.ConvTranspose2d(g, w.channels, 5, 2, 2, 1, bias=False), nn.Tanh()]
    disc = [nn.Conv2d(w.channels, d, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(w.dropout)]
    disc += [nn.Conv2d(d, 2 * d, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(w.dropout)]
    return nn.Sequential(*gen), nn.Sequential(
        *disc, nn.Flatten(), nn.Linear(2 * d * side * side, 1)
    )


NETWORKS = {
    "mlp": mlp,
    "dcgan": dcgan,
    "dcgan_keras": dcgan_keras,
    "resnet": resnet,
    "biggan": biggan,
    "r3gan": r3gan,
    "stylegan2": stylegan2,
}
LOSSES = {  # of the logits on reals and fakes: the discriminator's, and the generator's
    "non_saturating": (
        lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(),
        lambda r, f: F.softplus(-f).mean(),
    ),
    "hinge": (
        lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean(),
        lambda r, f: -f.mean(),
    ),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "relativistic": (
        lambda r, f: F.softplus(f - r).mean(),
        lambda r, f: F.softplus(r - f).mean(),
    ),
}


def input_gradient(logits, images):
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.flatten(1)


class Gan:
    """A workload with its networks, optimizers, averages and data on `device`."""

    def __init__(self, workload, device: str, *, channels_last: bool, compiled: bool, dtype: str):
        self.w, self.device, self.steps = workload, device, 0
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        gen, disc = NETWORKS[workload.network](workload)
        self.gen = gen.to(device, memory_format=self.layout)
        self.disc = disc.to(device, memory_format=self.layout)
        self.params = {"gen": list(gen.parameters()), "disc": list(disc.parameters())}
        self.adam = {
            player: torch.optim.Adam(params, lr=2e-4, betas=(0.5, 0.999), fused=True)
            for player, params in self.params.items()
        }
        floats = [*gen.parameters(), *(b for b in gen.buffers() if b.is_floating_point())]
        self.ema = [p.detach().clone() for p in floats]
        self.averaged = floats
        shape = (2048, workload.channels, workload.resolution, workload.resolution)
        self.images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
        self.images = self.images.to(memory_format=self.layout)
        if compiled:
            mode = "reduce-overhead" if device == "cuda" else "default"
            self.gen, self.disc = (torch.compile(net, mode=mode) for net in (gen, disc))
        self.autocast = lambda: torch.autocast(
            device, dtype=torch.bfloat16, enabled=dtype == "bfloat16"
        )

    def fakes(self):
        latents = torch.randn(self.w.batch, self.w.latent_dim, device=self.device)
        with self.autocast():
            return self.gen(latents)

    def logits(self, images):
        with self.autocast():
            return self.disc(images)[:, 0].float()

    def reals(self):
        chosen = torch.randint(len(self.images), (self.w.batch,), device=self.device)
        images = self.images[chosen].float().mul_(2 / 255).sub_(1)
        return images.contiguous(memory_format=self.layout)

    def disc_turn(self, fakes):
        reals, fakes = self.reals(), fakes.detach().float()
        self.seen = reals
        lazy = self.w.penalty == "r1" and self.steps % self.w.interval == 0
        if lazy:
            reals.requires_grad_()
        if self.w.penalty == "r1r2":
            reals.requires_grad_(), fakes.requires_grad_()
        real_logits, fake_logits = self.logits(reals), self.logits(fakes)
        loss = LOSSES[self.w.loss][0](real_logits, fake_logits)
        if self.w.penalty == "r1r2":
            for logits, images in ((real_logits, reals), (fake_logits, fakes)):
                loss = loss + 0.5 * input_gradient(logits, images).square().sum(1).mean()
        elif lazy:
            squares = input_gradient(real_logits, reals).square().sum(1)
            loss = loss + 0.0256 * self.w.interval / 2 * squares.mean()
        elif self.w.penalty == "wgan_gp":
            share = torch.rand(len(reals), 1, 1, 1, device=self.device)
            between = torch.lerp(reals, fakes, share).requires_grad_()
            norms = input_gradient(self.logits(between), between).norm(dim=1)
            loss = loss + 10 * (norms - 1).square().mean()
        self.update("disc", loss)

    def gen_turn(self, fakes):
        reals = None
        if self.w.loss == "relativistic":
            with torch.no_grad():
                reals = self.logits(self.seen)
        self.update("gen", LOSSES[self.w.loss][1](reals, self.logits(fakes.float())))

    def update(self, player, loss):
        params = self.params[player]
        for param, gradient in zip(params, torch.autograd.grad(loss, params), strict=True):
            param.grad = gradient
        self.adam[player].step()

    def step(self):
        self._turns()
        self.steps += 1

    def _turns(self):
        if self.w.disc_turns == 1:
            fakes = self.fakes()
            self.disc_turn(fakes)
            self.gen_turn(fakes)
        else:
            for _ in range(self.w.disc_turns):
                with torch.no_grad():
                    fakes = self.fakes()
                self.disc_turn(fakes)
            self.gen_turn(self.fakes())
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, self.averaged, 0.001)
