"""BigGAN with LeCam's regularisation (Tseng et al. 2021) on CIFAR-10.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/biggan_lecam_cifar.py

9,416,196 and 9,641,090 parameters. Setting of StudioGAN, which reports an FID of 3.23: that of
biggan_cifar for twice as many steps, and a weight of 0.3 from step 1,000 on.
Not measured yet: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {"lecam": {"weight": 0.3, "start": 1000, "decay": 0.99}}
    config.gen = {
        "name": "biggan",
        "latent_dim": 80,
        "width": 96,
        "shared_dim": 128,
        "attention": (16,),
    }
    config.disc = {"name": "biggan", "width": 96, "attention": (16,)}
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
    config.train = {"steps": 200_000, "disc_turns": 5, "ema": 0.9999}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 2000}
    return config
