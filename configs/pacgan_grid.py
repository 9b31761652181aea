"""The GAN on a grid of 25 Gaussians that PacGAN counts modes on (Lin et al. 2018, sec. 4.1).

    python -m jaxgan.main --config configs/pacgan_grid.py --config.seeds=10
    python -m jaxgan.main --config configs/pacgan_grid.py --config.seeds=10 \
        --config.train.packing=2 --config.data.batch_size=200
    python -m jaxgan.main --config configs/pacgan_grid.py --config.data.name=ring

Published, 400 epochs of 100,000 points (400,000 steps), 10 runs: 17.3 of 25 modes, PacGAN2 23.8; on
the ring 6.3 of 8, PacGAN2 7.9. A batch of the authors is 100 packs: batch_size 100 times packing.
Both players move at once, as in the authors' program. What the paper calls beta1 = 0.8 is a decay
of 0.2 here: the program's library took 1 - beta1 once, and with 0.8 packs of 2 find 16 modes.
Measured 2026-11-23 at this length, seed 0, on a core of a CPU (Intel Xeon): 16 modes of the grid
and a divergence of 0.53 (published 0.70), PacGAN2 24 and 0.13 (0.13), 80 and 105 minutes; of the
ring 8 and 0.15 (0.45), 69 minutes, PacGAN2 8 and 0.02 (0.07). PacGAN3 and 4, and commands:
experiments/mode_collapse.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.method = {"name": "simultaneous"}
    config.terms = {}
    config.gen = {
        "name": "mlp",
        "latent_dim": 2,
        "hidden": (400, 400, 400, 400),
        "norm": "batch",
        "output": "linear",
        "init_std": 0.02,
    }
    config.disc = {
        "name": "mlp",
        "hidden": (200, 200, 200),
        "activation": "maxout",
        "init_std": 0.02,
    }
    config.optim = {
        "gen": {"name": "adam", "lr": 1e-4, "b1": 0.2, "b2": 0.999},
        "disc": {"name": "adam", "lr": 1e-4, "b1": 0.2, "b2": 0.999},
    }
    config.data = {"name": "grid", "batch_size": 100}
    config.train = {"steps": 400_000, "ema": 0.0, "steps_per_call": 100}
    config.log = {"every": 1000}
    config.sample = {"every": 10_000}
    config.eval = {"every": 10_000, "metrics": ("mode_counts",), "num": 2500, "num_real": 2500}
    config.eval.batch_stats = "standing"  # as in the authors' program, which first measures them
    config.checkpoint = {"every": 50_000}
    return config
