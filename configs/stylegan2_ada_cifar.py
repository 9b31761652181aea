"""StyleGAN2 with adaptive augmentation (Karras et al. 2020) on CIFAR-10 at its authors' settings.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/stylegan2_ada_cifar.py

Class-conditional; unconditional with --config.data.labels=False. 25 million images, of which the
authors' best runs see 100. Pixels, geometry and colour are altered, and p moves so that 80% of the
reals have a positive logit. Lazy terms and the optimizer: see stylegan2_cifar.py.
20,214,803 and 23,089,152 parameters. Not measured: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {"r1": {"weight": 0.01, "interval": 16}}
    config.augment = {"ada": {"target": 0.6, "kimg": 500}}
    config.gen = {
        "name": "stylegan2",
        "latent_dim": 512,
        "w_dim": 512,
        "mapping_layers": 2,
        "channel_base": 16384,
        "channel_max": 512,
        "style_mixing": 0.0,
        "output": "linear",
    }
    config.disc = {
        "name": "stylegan2",
        "architecture": "orig",
        "channel_base": 16384,
        "channel_max": 512,
        "group_size": 32,
    }
    config.optim = {
        "gen": {"name": "adam", "lr": 2.5e-3, "b1": 0.0, "b2": 0.99},
        "disc": {"name": "adam", "lr": 2.5e-3, "b1": 0.0, "b2": 0.99},
    }
    config.data = {
        "name": "cifar10",
        "dir": "",
        "batch_size": 64,
        "resolution": 32,
        "channels": 3,
        "labels": True,
    }
    config.train = {"steps": 390_625, "ema_half_life": 500_000, "ema_ramp": 0.05}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 20_000}
    config.checkpoint = {"every": 2000}
    return config
