"""Stacked-MNIST with a small discriminator (2-4-8 channels against 64-32-16-8), after Unrolled GAN.

    python -m jaxgan.data.prepare --name mnist
    python -m jaxgan.main --config configs/unrolled_stacked_mnist.py
    python -m jaxgan.main --config configs/unrolled_stacked_mnist.py \
        --config.method.name=unrolled --config.method.unroll=5
    python -m jaxgan.main --config configs/unrolled_stacked_mnist.py \
        --config.train.packing=2 --config.data.batch_size=256

After Metz et al. 2017, as PacGAN's table 3 has it (Lin et al. 2018): 78.5 modes without a remedy,
236 with 5 unrolled steps, 327 with 10, 485 with packs of 2. Networks, rates, batch and the 500,000
steps are those of the authors' program but for one layer: its discriminator has batch norm after
the first convolution too (--config.disc.norm_first=True), so that no contrast is in its sight, and
after 7,000 steps fakes are still grey. Their program counts fakes with the statistics of their own
batch; here those are measured anew before a score. Measured 2026-11-23, seed 0, on a core of a CPU
(Intel Xeon): after 10,000 steps 45 modes without a remedy, 766 with packs of 2, 540 with packs of
4, 748 with 5 unrolled steps, 854 with 10 (46 minutes). Table: experiments/mode_collapse.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {}
    config.gen = {"name": "dcgan", "latent_dim": 256, "width": 8, "last_conv": True}
    config.disc = {"name": "dcgan", "width": 2, "norm": "batch", "leak": 0.3}
    config.gen.halvings = config.disc.halvings = 3  # 28-14-7-4
    config.gen.kernel = config.disc.kernel = 3
    config.optim = {
        "gen": {"name": "adam", "lr": 1e-4, "b1": 0.5, "b2": 0.99},
        "disc": {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.99},
    }
    config.data = {"name": "stacked_mnist", "dir": "", "batch_size": 128}
    config.train = {"steps": 500_000, "ema": 0.0}
    config.log = {"every": 500}
    config.sample = {"every": 5000}
    config.eval = {
        "every": 5000,
        "batch_stats": "standing",
        "metrics": ("stacked_modes",),
        "features": "mnist",
        "num": 25_600,
        "num_real": 1000,
    }
    config.checkpoint = {"every": 5000}
    return config
