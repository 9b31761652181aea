"""Hinge loss (Lim & Ye 2017; Tran et al. 2017) on Fashion-MNIST.

    python -m jaxgan.main --config configs/hinge_fashion.py

Measured 2026-11-21 on 2 CPU cores (AMD EPYC), seeds 0 to 2: 3,500 steps, fd 2.45 ± 0.10.
Shirts, trousers, shoes and bags are recognisable. Table and command: experiments/evaluation.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {}
    config.gen = {"name": "dcgan", "latent_dim": 100, "width": 64}
    config.disc = {"name": "dcgan", "width": 64}
    config.optim = {
        "gen": {"name": "adam", "lr": 5e-4, "b1": 0.5, "b2": 0.999},
        "disc": {"name": "adam", "lr": 5e-4, "b1": 0.5, "b2": 0.999},
    }
    config.data = {"name": "fashion_mnist_10k", "dir": "", "batch_size": 64}
    config.train = {"steps": 3500, "ema": 0.999}
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
