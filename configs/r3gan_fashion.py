"""R3GAN (Huang et al. 2024) at a small width on Fashion-MNIST, padded to 32x32.

    python -m jaxgan.main --config configs/r3gan_fashion.py

93,608 and 89,576 parameters. 3,000 of 4,000 steps, three seeds: fd 2.41 ± 0.15 of 2,000 fakes
(experiments/image_gans).
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "relativistic"
    config.terms = {"r1": {"weight": 1.0}, "r2": {"weight": 1.0}}
    config.gen = {
        "name": "r3gan",
        "latent_dim": 64,
        "widths": (64, 64, 32, 8),
        "blocks": (1,),
        "output": "linear",
        "resample": "bilinear",
    }
    config.disc = {
        "name": "r3gan",
        "widths": (64, 64, 32, 8),
        "blocks": (1,),
        "resample": "bilinear",
    }
    config.optim = {
        "gen": {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99},
        "disc": {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99},
    }
    config.data = {
        "name": "fashion_mnist_10k",
        "dir": "",
        "batch_size": 32,
        "resolution": 32,
        "crop": "pad",
    }
    config.train = {"steps": 4000, "ema": 0.999}
    config.log = {"every": 50}
    config.sample = {"every": 500}
    config.eval = {
        "every": 1000,
        "metrics": ("fd", "swd"),
        "features": "fashion_mnist",
        "num": 5000,
    }
    config.checkpoint = {"every": 1000}
    return config
