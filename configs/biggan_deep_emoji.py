"""BigGAN-deep (Brock et al. 2019) at a small width on emoji of 64x64 pixels, class-conditional.

    python -m jaxgan.main --config configs/biggan_deep_emoji.py
    python -m jaxgan.main --config configs/biggan_deep_emoji.py --config.data.resolution=32 \
        --config.gen.width=12 --config.disc.width=12

345,940 and 77,314 parameters. The set is not published (README, Data); with one of your own:
--config.data.builder= --config.data.dir=DIR.
2,000 steps at 32x32 and a width of 12, three seeds:
fd 169 ± 3.6 (EfficientNet-lite0) of 2,000 fakes (experiments/image_gans).
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {}
    config.gen = {
        "name": "biggan_deep",
        "latent_dim": 32,
        "width": 8,
        "shared_dim": 16,
        "attention": (16,),
    }
    config.disc = {"name": "biggan_deep", "width": 8, "attention": (16,)}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.0, "b2": 0.9},
        "disc": {"name": "adam", "lr": 8e-4, "b1": 0.0, "b2": 0.9},
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
