"""Stacked-MNIST, 1,000 modes, in the setting of VEEGAN and PacGAN (Lin et al. 2018, sec. 4.2).

    python -m jaxgan.data.prepare --name mnist
    python -m jaxgan.main --config configs/pacgan_stacked_mnist.py --config.seeds=10
    python -m jaxgan.main --config configs/pacgan_stacked_mnist.py --config.seeds=10 \
        --config.train.packing=2 --config.data.batch_size=128

Published, 50 epochs of 128,000 triples (100,000 steps), 26,000 fakes: 79 modes and a KL of 4.50;
PacGAN2 1,000 and 0.06. A batch of the authors is 64 packs. Measured 2026-11-23, seed 0, on a core
of a CPU (Intel Xeon): 161 modes and 2.79 after 4,000 steps (77 minutes), packs of 2 999 and 0.29
(102 minutes); after 1,000 steps packs of 3 and 4 have 845 and 728 modes. Table and command:
experiments/mode_collapse.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {}
    config.gen = {"name": "dcgan", "latent_dim": 100, "prior": "uniform", "width": 64}
    config.disc = {"name": "dcgan", "width": 64, "norm": "batch"}
    config.gen.halvings = config.disc.halvings = 4  # 28-14-7-4-2
    config.gen.kernel = config.disc.kernel = 5  # by the authors' program
    config.optim = {
        "gen": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999},
    }
    config.data = {"name": "stacked_mnist", "dir": "", "batch_size": 64}
    config.train = {"steps": 100_000, "gen_turns": 2, "ema": 0.0}
    config.log = {"every": 500}
    config.sample = {"every": 5000}
    config.eval = {
        "every": 10_000,
        "metrics": ("stacked_modes",),
        "features": "mnist",
        "num": 26_000,
        "num_real": 1000,
    }
    config.checkpoint = {"every": 10_000}
    return config
