"""R3GAN (Huang et al. 2024) on CIFAR-10, class-conditional: relativistic pairing with R1
and R2.

    python -m jaxgan.data.prepare --name cifar10
    python -m jaxgan.main --config configs/r3gan_cifar.py

20,781,952 and 20,732,800 parameters. The authors report an FID of 1.96 after 20 million images.
Over those, rates fall to 5e-5 and gamma to 0.005, beta2 rises to 0.99 and the half-life of the
average to 5 million images. Theirs also augments images, with a probability that rises to 0.55.
Not measured yet: CIFAR-10 was not at hand.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "relativistic"
    config.terms = {
        "r1": {"weight": 0.05, "schedule": "cosine", "final": 0.1},
        "r2": {"weight": 0.05, "schedule": "cosine", "final": 0.1},
    }
    config.gen = {
        "name": "r3gan",
        "latent_dim": 64,
        "widths": (768,),
        "blocks": (2,),
        "output": "linear",
    }
    config.disc = {"name": "r3gan", "widths": (768,), "blocks": (2,)}
    config.optim = {
        "gen": {
            "name": "adam",
            "lr": 2e-4,
            "b1": 0.0,
            "b2": 0.9,
            "b2_schedule": "cosine",
            "b2_final": 0.99,
            "schedule": "cosine",
            "final": 0.25,
        },
        "disc": {
            "name": "adam",
            "lr": 2e-4,
            "b1": 0.0,
            "b2": 0.9,
            "b2_schedule": "cosine",
            "b2_final": 0.99,
            "schedule": "cosine",
            "final": 0.25,
        },
    }
    config.data = {
        "name": "cifar10",
        "dir": "",
        "batch_size": 512,
        "resolution": 32,
        "channels": 3,
        "flip": True,
        "labels": True,
    }
    config.train = {"steps": 39_062, "ema_half_life": 5_000_000, "ema_schedule": "cosine"}
    config.log = {"every": 100}
    config.sample = {"every": 2000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 2000}
    return config
