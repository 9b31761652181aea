"""A run as small as runs get, with all that a workdir holds: experiments/faults/run.py breaks it.

python -m jaxgan.main --config experiments/faults/tiny.py
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.gen = {"name": "mlp", "latent_dim": 4, "hidden": (16,), "norm": "batch"}
    config.disc = {"name": "mlp", "hidden": (16,), "dropout": 0.3}
    config.data = {"name": "ring", "num_points": 1000, "batch_size": 16}
    # Off: an augmentation that makes NaN at step `at`, where the key's parity is `parity`.
    config.augment = {"fault": {"name": "nan_at:nan_at", "at": -1, "parity": -1}}
    config.train = {"steps": 120, "ema": 0.9}
    config.log = {"every": 10}
    config.sample = {"every": 0}
    config.eval = {"every": 30, "metrics": ("mode_counts",), "num": 64, "num_real": 64}
    config.checkpoint = {"every": 10}
    return config
