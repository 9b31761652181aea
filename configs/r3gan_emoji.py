"""R3GAN (Huang et al. 2024) at a small width on emoji of 64x64 pixels, class-conditional.

    python -m jaxgan.main --config configs/r3gan_emoji.py
    python -m jaxgan.main --config configs/r3gan_emoji.py --config.data.resolution=32

100,952 and 96,856 parameters. The set is not published (README, Data); with one of your own:
--config.data.builder= --config.data.dir=DIR.
2,000 steps at 32x32, three seeds:
fd 128 ± 5.1 (EfficientNet-lite0) of 2,000 fakes (experiments/image_gans).
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
        "widths": (64, 64, 32, 8, 8),
        "blocks": (1,),
        "output": "linear",
        "resample": "bilinear",
    }
    config.disc = {
        "name": "r3gan",
        "widths": (64, 64, 32, 8, 8),
        "blocks": (1,),
        "resample": "bilinear",
    }
    config.optim = {
        "gen": {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99},
        "disc": {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99},
    }
    config.data = {
        "name": "tfds",
        "builder": "emoji",
        "dir": "",
        "batch_size": 32,
        "resolution": 64,
        "channels": 3,
        "labels": True,
    }
    config.train = {"steps": 4000, "ema": 0.999}
    config.log = {"every": 50}
    config.sample = {"every": 500}
    config.eval = {"every": 1000}
    config.checkpoint = {"every": 1000}
    return config
