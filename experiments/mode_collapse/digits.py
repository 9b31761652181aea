"""Tells where a divergence on Stacked-MNIST comes from: of digits alone, or of which ones meet.

    python experiments/mode_collapse/digits.py --workdir runs/a
    python experiments/mode_collapse/digits.py --data_dir DIR       # real stacks, for comparison

KL(stacks || uniform) is the sum of the three channels' KL(digits || uniform) and their total
correlation, which of N independent draws is about 0.5 * 972 / N and not 0. And how often the
classifier is sure of a digit, with a probability of 0.9 or more.
"""

import argparse
from pathlib import Path

import jax
import numpy as np

from jaxgan.data.sources import load_dataset
from jaxgan.games.fakes import FakeMaker
from jaxgan.metrics.features import FEATURES, extract
from jaxgan.metrics.modes import divergences
from jaxgan.metrics.scoring import images_of
from jaxgan.trained import load_generator

SURE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, help="of a run on Stacked-MNIST; without: real")
    parser.add_argument("--checkpoint", default="last", help="last, best, or a step")
    parser.add_argument("--member", type=int, default=0, help="which, where seeds trained several")
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    parser.add_argument("--num", type=int, default=26_000)
    flags = parser.parse_args()
    if flags.workdir:
        _, game, generator, _ = load_generator(flags.workdir, flags.checkpoint, member=flags.member)
        stacks = FakeMaker(game)(generator, flags.num, jax.random.key(0))
    else:
        stacks = images_of(load_dataset("stacked_mnist", dir=flags.data_dir))
    network, logits = FEATURES["mnist"].load(), []
    for channel in range(3):
        batches = (batch[..., channel : channel + 1] for batch in stacks.batches(flags.num))
        logits.append(extract(network, batches, outputs=("logits",))["logits"])
    digits = np.argmax(logits, axis=-1)  # [3, N]
    whole = divergences(np.bincount(np.array([100, 10, 1]) @ digits, minlength=1000))[0]
    counts = np.array([np.bincount(channel, minlength=10) for channel in digits])
    parts = [divergences(channel)[0] for channel in counts]
    print(f"KL {whole:.4f} = {' + '.join(f'{part:.4f}' for part in parts)}", end="")
    print(f" (channels) + {whole - sum(parts):.4f} (total correlation) of {digits.shape[1]} stacks")
    for name, channel in zip("RGB", counts, strict=True):
        shares = 100 * channel / channel.sum()
        print(f"{name}: digits 0 to 9 in %", *(f"{share:.1f}" for share in shares))
    sure = jax.nn.softmax(np.array(logits)).max(axis=-1) >= SURE
    print(f"sure of {100 * sure.mean():.0f}% of digits")


if __name__ == "__main__":
    main()
