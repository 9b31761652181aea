"""DCGAN on a folder of your own images, of any sizes and formats.

    python -m jaxgan.main --config configs/dcgan_folder.py --config.data.dir=PATH

Not measured: it depends on the folder.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {
        "r1": {"weight": 0.1, "interval": 16}
    }  # few images: keeps the discriminator smooth
    config.gen = {"name": "dcgan", "latent_dim": 100, "width": 64}
    config.disc = {"name": "dcgan", "width": 64}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
    }
    config.data = {
        "name": "folder",
        "dir": "",
        "batch_size": 64,
        "resolution": 64,
        "channels": 3,
        "crop": "center",
        "flip": True,
    }
    config.train = {"steps": 20000, "ema": 0.999}
    config.log = {"every": 50}
    config.sample = {"every": 500}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 1000}
    return config
