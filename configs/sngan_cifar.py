"""SNGAN (Miyato et al. 2018) on CIFAR-10: residual networks, hinge loss, spectral normalization.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/sngan_cifar.py

4,276,739 and 1,053,825 parameters. Setting of mimicry, which reports an FID of 16.77 and an IS of
7.97: batches of 64, 5 turns of the discriminator, rates that fall linearly to 0.
Not measured yet: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {}
    config.gen = {"name": "resnet", "latent_dim": 128, "width": 256}
    config.disc = {"name": "resnet", "width": 128}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.0, "b2": 0.9, "schedule": "linear"},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.0, "b2": 0.9, "schedule": "linear"},
    }
    config.data = {"name": "cifar10", "dir": "", "batch_size": 64, "resolution": 32, "channels": 3}
    config.train = {"steps": 100_000, "disc_turns": 5, "ema": 0.0}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 2000}
    return config
