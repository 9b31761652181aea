"""SNGAN (Miyato et al. 2018) at a small width on Fashion-MNIST, padded to 32x32.

    python -m jaxgan.main --config configs/sngan_fashion.py

58,561 and 37,369 parameters. 1,500 of 4,000 steps, three seeds: fd 4.75 ± 0.26 of 2,000 fakes
(experiments/image_gans).
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {}
    config.gen = {"name": "resnet", "latent_dim": 64, "width": 24}
    config.disc = {"name": "resnet", "width": 24}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.0, "b2": 0.9},
        "disc": {"name": "adam", "lr": 8e-4, "b1": 0.0, "b2": 0.9},
    }
    config.data = {
        "name": "fashion_mnist_10k",
        "dir": "",
        "batch_size": 64,
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
