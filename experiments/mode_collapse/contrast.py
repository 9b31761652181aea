"""Tells what a discriminator sees of contrast: its logits for real images, scaled.

    python experiments/mode_collapse/contrast.py --workdir runs/a

Batch norm in the first layer takes the scale of the images away, as real images and fakes are
batches of their own. Prints the mean logit of 256 real images x, of x / 2 and of x / 10, and how
far the three go together.
"""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxgan.build import build_dataset
from jaxgan.metrics.scoring import images_of
from jaxgan.networks.apply import apply
from jaxgan.trained import load_state

IMAGES = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--checkpoint", default="last", help="last, best, or a step")
    flags = parser.parse_args()
    config, game, state = load_state(flags.workdir, flags.checkpoint)
    real = images_of(build_dataset(config)).pixels(IMAGES).astype(np.float32) / 127.5 - 1
    params, variables = state.params["disc"], state.variables["disc"]
    logits = {
        scale: apply(game.disc, params, variables, jnp.asarray(scale * real), None, train=True)[0]
        for scale in (1.0, 0.5, 0.1)
    }
    for scale, found in logits.items():
        together = jnp.corrcoef(found, logits[1.0])[0, 1]
        print(f"x times {scale}: mean logit {found.mean():.4f}, correlation {together:.6f}")


if __name__ == "__main__":
    main()
