"""Light networks for few images (after FastGAN, Liu et al. 2021) on a folder of your own, 256x256.

    python -m jaxgan.main --config configs/light_folder.py --config.data.dir=PATH

or, where decoding is to be done once, of a data set prepared of it:

    python -m jaxgan.data.prepare --source PATH_OR_ZIP --out DIR --resolution 256
    python -m jaxgan.main --config configs/light_folder.py \
        --config.data.name=tfds --config.data.dir=DIR

and from a run before this one, with the lower layers of its discriminator frozen (FreezeD):

    python -m jaxgan.main --config configs/light_folder.py --config.data.dir=PATH \
        --config.init.workdir=RUN --config.init.freeze="('disc/Conv_0', 'disc/DownBlock_[0-2]')"

29,127,651 and 34,649,991 parameters: for an accelerator. Not measured: it depends on the folder.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "hinge"
    config.terms = {"reconstruction": {"weight": 1.0}}
    config.augment = {"diff_augment": {}}
    config.gen = {"name": "light", "latent_dim": 256, "width": 64}
    config.disc = {"name": "light", "width": 64}
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
    }
    config.data = {
        "name": "folder",
        "dir": "",
        "batch_size": 8,
        "resolution": 256,
        "channels": 3,
        "crop": "center",
        "flip": True,
        "on_bad_image": "skip",
    }
    config.train = {"steps": 50000, "ema": 0.999}
    config.log = {"every": 50}
    config.sample = {"every": 1000}
    config.eval = {"every": 5000}
    config.checkpoint = {"every": 5000}
    return config
