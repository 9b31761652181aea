"""Light networks for few images (after FastGAN, Liu et al. 2021) on emoji of 64x64 pixels.

    python -m jaxgan.main --config configs/light_emoji.py
    python -m jaxgan.main --config configs/light_emoji.py --config.data.split='train[:300]'

835,571 and 530,631 parameters. The set is not published (README, Data); with one of your own:
--config.data.builder= --config.data.dir=DIR. Measured in a smaller form alone,
at 32x32: experiments/few_images.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {"reconstruction": {"weight": 1.0}}
    config.augment = {"diff_augment": {}}
    config.gen = {"name": "light", "latent_dim": 128, "width": 8}
    config.disc = {"name": "light", "width": 8}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
    }
    config.data = {
        "name": "tfds",
        "builder": "emoji",
        "dir": "",
        "batch_size": 16,
        "resolution": 64,
        "channels": 3,
    }
    config.train = {"steps": 10000, "ema": 0.999}
    config.log = {"every": 50}
    config.sample = {"every": 500}
    config.eval = {"every": 1000}
    config.checkpoint = {"every": 1000}
    return config
