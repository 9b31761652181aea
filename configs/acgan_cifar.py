"""AC-GAN (Odena et al. 2017) on CIFAR-10: residual networks, a classifier beside the discriminator.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/acgan_cifar.py

4,304,387 and 1,055,115 parameters. Batches, turns and rates of csngan_cifar.
Not measured yet: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {"acgan": {"weight": 1.0}}
    config.gen = {"name": "resnet", "latent_dim": 128, "width": 256, "conditioning": "batch_norm"}
    config.disc = {"name": "resnet", "width": 128, "conditioning": "acgan"}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.0, "b2": 0.9, "schedule": "linear"},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.0, "b2": 0.9, "schedule": "linear"},
    }
    config.data = {
        "name": "cifar10",
        "dir": "",
        "batch_size": 64,
        "resolution": 32,
        "channels": 3,
        "labels": True,
    }
    config.train = {"steps": 100_000, "disc_turns": 5, "ema": 0.0}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 2000}
    return config
