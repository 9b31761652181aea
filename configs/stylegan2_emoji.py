"""StyleGAN2 (Karras et al. 2020) at a small width on emoji of 64x64 pixels, class-conditional.

    python -m jaxgan.main --config configs/stylegan2_emoji.py
    python -m jaxgan.main --config configs/stylegan2_emoji.py --config.data.resolution=32

gamma is 0.0002 * resolution^2 / batch. Lazy terms and the optimizer: see stylegan2_cifar.py.
279,880 and 309,456 parameters. The set is not published (README, Data); with one of your own:
--config.data.builder= --config.data.dir=DIR.
Measured in a smaller form alone, at 32x32: experiments/few_images.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {
        "r1": {"weight": 0.0002, "weight_by": "size", "interval": 16},
        "path_length": {"weight": 2.0, "interval": 4},
    }
    config.gen = {
        "name": "stylegan2",
        "latent_dim": 64,
        "w_dim": 64,
        "mapping_layers": 2,
        "channel_base": 1024,
        "channel_max": 64,
        "style_mixing": 0.9,
        "output": "linear",
    }
    config.disc = {
        "name": "stylegan2",
        "architecture": "resnet",
        "channel_base": 1024,
        "channel_max": 64,
        "group_size": 4,
        "embed_dim": 64,
        "mapping_layers": 2,
    }
    config.optim = {
        "gen": {"name": "adam", "lr": 2.5e-3, "b1": 0.0, "b2": 0.99},
        "disc": {"name": "adam", "lr": 2.5e-3, "b1": 0.0, "b2": 0.99},
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
    config.train = {"steps": 4000, "ema_half_life": 10_000, "ema_ramp": 0.05}
    config.log = {"every": 50}
    config.sample = {"every": 500}
    config.eval = {"every": 1000}
    config.checkpoint = {"every": 1000}
    return config
