"""DRAGAN (Kodali et al. 2017) with DCGAN's networks on CIFAR-10.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/dragan_cifar.py

1,068,931 and 662,977 parameters. Batch, turns and steps of StudioGAN, which reports an FID of
34.69 and an IS of 6.59 with convolutional networks of its own.
Not measured yet: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {"dragan": {"weight": 10.0}}
    config.gen = {"name": "dcgan", "latent_dim": 100, "width": 64}
    config.disc = {"name": "dcgan", "width": 64}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
    }
    config.data = {
        "name": "cifar10",
        "dir": "",
        "batch_size": 64,
        "resolution": 32,
        "channels": 3,
        "flip": True,
    }
    config.train = {"steps": 100_000, "disc_turns": 5, "ema": 0.0}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 2000}
    return config
