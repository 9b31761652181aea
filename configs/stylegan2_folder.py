"""StyleGAN2 with adaptive augmentation (Karras et al. 2020) on a folder of your own images, of any
sizes and formats.

    python -m jaxgan.main --config configs/stylegan2_folder.py --config.data.dir=PATH
    python -m jaxgan.main --config configs/stylegan2_folder.py --config.data.dir=PATH --dry_run

gamma, the weight of R1, is chosen for resolution and batch by the authors' rule, 0.0002 *
resolution^2 / batch, and said at the start; terms.r1.weight_by="constant" makes the weight gamma
itself. Of images that are not to be mirrored, data.flip=False and augment.ada.blit=False. Lazy
terms and the optimizer: see stylegan2_cifar.py.
1,395,288 and 1,465,025 parameters at 64x64. Not measured: it depends on the folder.
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
    config.augment = {"ada": {"target": 0.6, "kimg": 500}}
    config.gen = {
        "name": "stylegan2",
        "latent_dim": 128,
        "w_dim": 128,
        "mapping_layers": 2,
        "channel_base": 4096,
        "channel_max": 128,
        "style_mixing": 0.9,
        "output": "linear",
    }
    config.disc = {
        "name": "stylegan2",
        "architecture": "resnet",
        "channel_base": 4096,
        "channel_max": 128,
        "group_size": 4,
    }
    config.optim = {
        "gen": {"name": "adam", "lr": 2.5e-3, "b1": 0.0, "b2": 0.99},
        "disc": {"name": "adam", "lr": 2.5e-3, "b1": 0.0, "b2": 0.99},
    }
    config.data = {
        "name": "folder",
        "dir": "",
        "batch_size": 32,
        "resolution": 64,
        "channels": 3,
        "crop": "center",
        "flip": True,
    }
    config.train = {"steps": 40_000, "ema_half_life": 10_000, "ema_ramp": 0.05}
    config.log = {"every": 50}
    config.sample = {"every": 500}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 1000}
    return config
