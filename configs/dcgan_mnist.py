"""DCGAN on MNIST in the form of the Keras and TensorFlow tutorials: 5x5 kernels, 50 epochs.

    python -m jaxgan.data.prepare --name mnist
    python -m jaxgan.main --config configs/dcgan_mnist.py

Measured 2026-11-21 on 2 CPU cores (AMD EPYC), seed 0: 150 of 11,700 steps, swd 0.571.
A step of 256 images takes 1.1 s on 2 CPU cores (227 images/s), the recipe 3.7 hours; it is one for
an accelerator. Table and command: experiments/recipes.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {}
    config.gen = {"name": "dcgan_keras", "latent_dim": 100, "width": 64}
    config.disc = {"name": "dcgan_keras", "width": 64, "dropout": 0.3}
    config.optim = {
        "gen": {"name": "adam", "lr": 1e-4},
        "disc": {"name": "adam", "lr": 1e-4},
    }
    config.data = {"name": "mnist", "dir": "", "batch_size": 256}
    config.train = {"steps": 11700, "ema": 0.999}
    config.log = {"every": 50}
    config.sample = {"every": 500}
    config.eval = {
        "every": 1000,
        "metrics": ("fd", "swd"),
        "features": "mnist",
        "num": 5000,
        "num_real": 10_000,
    }
    config.checkpoint = {"every": 1000}
    return config
