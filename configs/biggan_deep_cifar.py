"""BigGAN-deep (Brock et al. 2019) on CIFAR-10.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/biggan_deep_cifar.py

7,762,948 and 2,908,930 parameters. Setting of biggan_cifar.
Not measured yet: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {}
    config.gen = {
        "name": "biggan_deep",
        "latent_dim": 128,
        "width": 128,
        "blocks": 2,
        "attention": (16,),
    }
    config.disc = {"name": "biggan_deep", "width": 128, "blocks": 2, "attention": (16,)}
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
        "labels": True,
    }
    config.train = {"steps": 100_000, "disc_turns": 5, "ema": 0.9999}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 2000}
    return config
