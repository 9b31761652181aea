"""DCGAN (Radford et al. 2016) on CIFAR-10.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/dcgan_cifar.py

Not measured: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {}
    config.gen = {"name": "dcgan", "latent_dim": 100, "width": 64}
    config.disc = {"name": "dcgan", "width": 64}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
    }
    config.data = {
        "name": "cifar10",
        "dir": "",
        "batch_size": 128,
        "resolution": 32,
        "channels": 3,
        "flip": True,
    }
    config.train = {"steps": 40000, "ema": 0.999}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 2000}
    return config
