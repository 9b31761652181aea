"""Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, algorithm 1) on Fashion-MNIST.

    python -m jaxgan.main --config configs/wgan_gp_fashion.py

Measured 2026-11-21 on 2 CPU cores (AMD EPYC), seed 0: 1,000 of 2,000 steps, swd 0.106.
Garments by their outlines, still rough. Table and command: experiments/recipes.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "wasserstein"
    config.terms = {"wgan_gp": {"weight": 10.0}}
    config.gen = {"name": "dcgan", "latent_dim": 100, "width": 64}
    config.disc = {"name": "dcgan", "width": 64}
    config.optim = {
        "gen": {"name": "adam", "lr": 1e-4, "b1": 0.0, "b2": 0.9},
        "disc": {"name": "adam", "lr": 1e-4, "b1": 0.0, "b2": 0.9},
    }
    config.data = {"name": "fashion_mnist_10k", "dir": "", "batch_size": 64}
    config.train = {"steps": 2000, "disc_turns": 5, "ema": 0.999}
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
