"""Stacked-MNIST with a small discriminator (2-4-8 channels against 64-32-16), after Unrolled GAN.

    python -m jaxgan.data.prepare --name mnist
    python -m jaxgan.main --config configs/unrolled_stacked_mnist.py
    python -m jaxgan.main --config configs/unrolled_stacked_mnist.py \
        --config.method.name=unrolled --config.method.unroll=5
    python -m jaxgan.main --config configs/unrolled_stacked_mnist.py \
        --config.train.packing=2 --config.data.batch_size=256

After Metz et al. 2017, as PacGAN's table 3 has it (Lin et al. 2018): 78.5 modes without a remedy,
236 with 5 unrolled steps, 485 with packs of 2. Channels, latents, rates and batch are the authors'
program's; its kernels are 3x3, with batch norm in the discriminator's first layer too, a leak of
0.3 there, one more convolution at the end of the generator, and batch norm that takes the
statistics of the batch when fakes are counted. It trains 500,000 steps. Measured after 5,000, seed
0, on a core of a CPU (AMD EPYC): 278 modes without a remedy, 512 with packs of 2. Table and
command: experiments/mode_collapse.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.loss = "non_saturating"
    config.terms = {}
    config.gen = {"name": "dcgan", "latent_dim": 256, "width": 16, "halvings": 3}
    config.disc = {"name": "dcgan", "width": 2, "halvings": 3, "norm": "batch"}
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
        "metrics": ("stacked_modes",),
        "features": "mnist",
        "num": 25_600,
        "num_real": 1000,
    }
    config.checkpoint = {"every": 5000}
    return config
