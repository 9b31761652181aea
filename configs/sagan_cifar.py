"""SAGAN (Zhang et al. 2019) on CIFAR-10: self-attention at 16x16, spectral normalization in both
networks, one rate for each.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/sagan_cifar.py

4,386,308 and 1,075,586 parameters. Rates and turns of the paper, batches and steps of StudioGAN,
which reports an FID of 10.35 and an IS of 8.64.
Not measured yet: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {}
    config.gen = {
        "name": "resnet",
        "latent_dim": 128,
        "width": 256,
        "conditioning": "batch_norm",
        "attention": (16,),
        "spectral_norm": True,
        "kernel_init": "orthogonal",
    }
    config.disc = {
        "name": "resnet",
        "width": 128,
        "conditioning": "projection",
        "attention": (16,),
        "kernel_init": "orthogonal",
    }
    config.optim = {
        "gen": {"name": "adam", "lr": 1e-4, "b1": 0.0, "b2": 0.9},
        "disc": {"name": "adam", "lr": 4e-4, "b1": 0.0, "b2": 0.9},
    }
    config.data = {
        "name": "cifar10",
        "dir": "",
        "batch_size": 64,
        "resolution": 32,
        "channels": 3,
        "flip": True,
        "labels": True,
    }
    config.train = {"steps": 100_000, "ema": 0.9999}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 2000}
    return config
