"""StyleGAN2 (Karras et al. 2020) at a small width on Fashion-MNIST, padded to 32x32.

    python -m jaxgan.main --config configs/stylegan2_fashion.py

gamma is 0.0002 * 32^2 / 32. Lazy terms and the optimizer: see stylegan2_cifar.py.
188,251 and 218,417 parameters. One seed, 20 minutes on one CPU core: fd 4.88 of 5,000 fakes that
shared one picture of noise, by the classifier that ships, after 14.4, 9.39 and 6.14 at 1,000, 2,000
and 3,000 steps.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {
        "r1": {"weight": 0.0064, "interval": 16},
        "path_length": {"weight": 2.0, "interval": 4},
    }
    config.gen = {
        "name": "stylegan2",
        "latent_dim": 64,
        "w_dim": 64,
        "mapping_layers": 2,
        "channel_base": 512,
        "channel_max": 64,
        "style_mixing": 0.9,
        "output": "linear",
    }
    config.disc = {
        "name": "stylegan2",
        "architecture": "resnet",
        "channel_base": 512,
        "channel_max": 64,
        "group_size": 4,
    }
    config.optim = {
        "gen": {"name": "adam", "lr": 2.5e-3, "b1": 0.0, "b2": 0.99},
        "disc": {"name": "adam", "lr": 2.5e-3, "b1": 0.0, "b2": 0.99},
    }
    config.data = {
        "name": "fashion_mnist_10k",
        "dir": "",
        "batch_size": 32,
        "resolution": 32,
        "crop": "pad",
    }
    config.train = {"steps": 4000, "ema_half_life": 10_000, "ema_ramp": 0.05}
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
