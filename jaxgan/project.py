"""Finds the styles of an image in a trained generator that has them.

    python -m jaxgan.project --workdir runs/a --image photo.png --steps 500 --out found
    python -m jaxgan.project --workdir runs/a --seed 3 --out found      # an image of its own

`comparison.png` shows the image, the start and what was found; `projected.npz` holds the styles
[layers, w_dim], the images and the distances. An image of the generator's own has styles that are
known, and how far the found ones are from them is said.
"""

import argparse
import math
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.cli import Parser, run
from jaxgan.cpu import use_cpu
from jaxgan.data.folder import ImageFiles
from jaxgan.data.shaping import Shaping
from jaxgan.engine.report import save_grid, to_uint8
from jaxgan.errors import UsageError, unknown, warn
from jaxgan.latents import MAX_SEED
from jaxgan.metrics.features import FEATURES
from jaxgan.projection import (
    SPACES,
    STARTS,
    Distance,
    perceptual_distance,
    pixel_distance,
    project,
    signal_to_noise,
    style_distance,
)
from jaxgan.styles import Generator, Styles, mean_style, space_of
from jaxgan.trained import load_generator

# Networks that a package ships, by the channels of the images: the features of the distance.
AT_HAND = {1: "fashion_mnist", 3: "efficientnet_lite0"}
EVERY = 100  # steps between two lines


def main(arguments: list[str]) -> None:
    flags = parse(arguments)
    use_cpu()
    _, game, generator, _ = load_generator(flags.workdir, flags.checkpoint, member=flags.member)
    space = space_of(game)
    if not isinstance(space, Styles):
        raise UsageError("this generator has no styles to be found (gen.name='stylegan2' has)")
    distance = distance_of(flags.features, game.gen.image_shape[-1])
    classes = classes_of(game.num_labels, flags.label)
    if classes is not None:
        classes = game.labels(classes)
    known = None
    if flags.image:
        target = read_image(flags.image, game.gen.image_shape)
    else:
        known, target = own_image(space, generator, flags.seed, classes)

    def tell(step: int, value: float) -> None:
        if step % EVERY == 0 or step == flags.steps:
            print(f"step {step:>{len(str(flags.steps))}}  distance {value:.4g}")

    found = project(
        space,
        generator,
        jnp.asarray(target),
        distance,
        jax.random.key(0),
        labels=None if classes is None else classes[jnp.arange(STARTS) % len(classes)],
        kind=flags.space,
        steps=flags.steps,
        rate=flags.rate,
        tell=tell,
    )
    flags.out.mkdir(parents=True, exist_ok=True)
    row = np.stack([target, found.start, found.image])
    save_grid(flags.out / "comparison.png", row[None])
    arrays = {"target": to_uint8(target), "start": to_uint8(found.start)}
    arrays |= {"image": to_uint8(found.image), "styles": found.styles}
    np.savez_compressed(flags.out / "projected.npz", **arrays, distances=found.distances)
    print(f"PSNR {signal_to_noise(found.image, target):.2f} dB; {flags.out / 'comparison.png'}")
    if known is not None:
        apart = style_distance(found.styles, np.asarray(known), np.asarray(mean_style(generator)))
        print(f"styles {apart:.3g} from the known, where the mean style is 1 away")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m jaxgan.project", description="Finds the styles of an image.")
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--checkpoint", default="last", help="last, best, or a step")
    parser.add_argument("--member", type=int, default=0, help="which, where seeds trained several")
    parser.add_argument("--image", type=Path, help="a file, brought to the generator's size")
    parser.add_argument("--seed", type=int, help="instead: the generator's own image of this seed")
    parser.add_argument(
        "--label", type=int, help="class of the starts and of --seed's image; default: all, and 0"
    )
    parser.add_argument("--space", choices=SPACES, default="w", help="w+: a style for each layer")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rate", type=float, default=0.1, help="of Adam, over the deviation of w")
    parser.add_argument(
        "--features",
        default="",
        help="network of the perceptual distance, or none: pixels alone; default: one at hand",
    )
    parser.add_argument("--out", type=Path, default=Path("projected"), help="folder")
    flags = parser.parse_args(arguments)
    if (flags.image is None) == (flags.seed is None):
        raise UsageError("name an image: --image FILE, or --seed N for one of the generator's own")
    if flags.seed is not None and not 0 <= flags.seed < MAX_SEED:
        raise UsageError(f"--seed must be in 0..2**32-1; got {flags.seed}")
    if flags.steps < 1 or not 0 < flags.rate < math.inf:
        raise UsageError("--steps and --rate must be positive")
    if flags.features not in ("", "none", *FEATURES):
        raise unknown("feature network", flags.features, ["none", *FEATURES])
    if flags.out.exists() and not flags.out.is_dir():
        raise UsageError(f"--out must be a folder; got {flags.out}")
    return flags


def distance_of(name: str, channels: int) -> Distance:
    """The distance of images that was asked for; without a name, of what is at hand."""
    wanted = name or AT_HAND.get(channels, "none")
    if wanted == "none":
        return pixel_distance
    try:
        return perceptual_distance(FEATURES[wanted].load())
    except UsageError as error:
        if name:
            raise
        warn(f"{error}; distances are of pixels alone")
        return pixel_distance


def classes_of(num_classes: int, label: int | None) -> jax.Array | None:
    """The classes of the starts; None for an unconditional generator."""
    if label is not None and not 0 <= label < num_classes:
        kind = f"in 0..{num_classes - 1}" if num_classes else "left out: there are no classes"
        raise UsageError(f"--label must be {kind}; got {label}")
    if not num_classes:
        return None
    return jnp.arange(num_classes) if label is None else jnp.array([label])


def read_image(path: Path, image_shape: tuple[int, int, int]) -> np.ndarray:
    """A file as the generator makes images: [H, W, C] in [-1, 1].

    Raises:
      UsageError: there is no such image, or it cannot be brought to that shape.
    """
    height, width, channels = image_shape
    if not path.is_file():
        raise UsageError(f"--image: there is no file {path}")
    square = Shaping(resolution=height if height == width else 0, channels=channels)
    image = ImageFiles([path], square)[0]
    if image.shape != tuple(image_shape):
        raise UsageError(f"--image {path} has shape {image.shape}; expected {tuple(image_shape)}")
    return image.astype(np.float32) / 127.5 - 1


def own_image(space: Styles, generator: Generator, seed: int, classes: jax.Array | None):
    """The styles [layers, w_dim] and the image [H, W, C] of a seed, as jaxgan.sample draws it."""
    label = None if classes is None else classes[:1]
    latents = space.draw(seed, 1, None)
    styles = jax.jit(partial(space.points, truncation=None))(generator, latents, label)
    image = jax.jit(space.images)(generator, styles, label)
    return np.asarray(space.in_layers(styles)[0]), np.asarray(image[0])


if __name__ == "__main__":
    run(main)
