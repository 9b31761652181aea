"""Draws images from a trained generator, its average over training.

python -m jaxgan.sample --workdir runs/a --num 64 --seed 0 --out grid.png
python -m jaxgan.sample --workdir runs/a --num 1000 --npz fakes.npz
python -m jaxgan.sample --workdir runs/a --label 3
python -m jaxgan.sample --workdir runs/a --interpolate 8
"""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.cli import Parser, run
from jaxgan.engine.report import save_grid, to_uint8
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.keys import fold
from jaxgan.trained import BATCH_STATISTICS, load_generator

BATCH = 256


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m jaxgan.sample", description="Draws images from a generator.")
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--checkpoint", default="last", help="last, best, or a step")
    parser.add_argument("--step", type=int, help="the same as --checkpoint STEP")
    parser.add_argument(
        "--batch_stats",
        choices=BATCH_STATISTICS,
        default="ema",
        help="of batch norm: collected in training, or measured anew",
    )
    parser.add_argument("--member", type=int, default=0, help="which, where seeds trained several")
    parser.add_argument("--num", type=int, help="images, default 64; rows to interpolate, 8")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label", type=int, help="class of a conditional generator; default: all")
    parser.add_argument(
        "--interpolate",
        type=int,
        default=0,
        metavar="N",
        help="rows of N images between two latents",
    )
    parser.add_argument("--out", type=Path, help="grid as PNG; default without --npz: grid.png")
    parser.add_argument("--npz", type=Path, help="uint8 [N, H, W, C], labels; or points")
    flags = parser.parse_args(arguments)
    num = flags.num if flags.num is not None else 8 if flags.interpolate else 64
    if num < 1:
        raise UsageError(f"--num must be positive; got {num}")
    if not 0 <= flags.seed < 2**32:
        raise UsageError(f"--seed must be in 0..2**32-1; got {flags.seed}")
    out = flags.out or (None if flags.npz else Path("grid.png"))
    for name, path, suffix in (("--out", out, ".png"), ("--npz", flags.npz, ".npz")):
        if path and (path.suffix != suffix or not path.parent.is_dir() or path.is_dir()):
            raise UsageError(f"{name} must be a {suffix} file in a folder that exists; got {path}")
    if flags.interpolate < 0 or flags.interpolate == 1:
        raise UsageError(f"--interpolate needs at least 2 images; got {flags.interpolate}")

    _, game, ema, _ = load_generator(
        flags.workdir,
        flags.checkpoint if flags.step is None else str(flags.step),
        batch_statistics=flags.batch_stats,
        member=flags.member,
    )
    key = jax.random.key(flags.seed)
    labels = choose_labels(game.gen.num_classes, num, flags.label)
    if flags.interpolate:
        ends = game.latents(fold(key, "sample"), 2 * num)
        latents = between(ends[:num], ends[num:], flags.interpolate, game.gen.prior)
        labels = None if labels is None else jnp.repeat(labels, flags.interpolate)
        columns = flags.interpolate
    else:
        latents = game.latents(fold(key, "sample"), num)
        columns = grid_columns(game.gen.num_classes if flags.label is None else 0, num)
    images = generate(game, ema, latents, labels)
    points = images.ndim == 2
    if points and not flags.npz:
        raise UsageError("this generator makes points and no images; save them with --npz")
    if flags.npz:
        arrays = {"points": images} if points else {"images": to_uint8(images)}
        if labels is not None:
            arrays["labels"] = np.asarray(labels, np.int32)
        np.savez_compressed(flags.npz, **arrays)
        print(f"{len(images)} images in {flags.npz}")
    if out and not points:
        padding = -len(images) % columns
        images = np.pad(images, ((0, padding), (0, 0), (0, 0), (0, 0)), constant_values=1.0)
        save_grid(out, images.reshape(-1, columns, *images.shape[1:]))
        print(f"grid of {len(images) // columns} x {columns} images in {out}")


def choose_labels(num_classes: int, num: int, label: int | None) -> jax.Array | None:
    """`num` labels: all `label`, or the classes in turn; None for an unconditional generator."""
    if label is None:
        return jnp.arange(num) % num_classes if num_classes else None
    if not num_classes:
        raise UsageError("--label: this generator was trained without labels")
    if not 0 <= label < num_classes:
        raise UsageError(f"--label must be in 0..{num_classes - 1}; got {label}")
    return jnp.full(num, label)


def grid_columns(num_classes: int, num: int) -> int:
    """A column for each class, or a square."""
    return min(num, num_classes) if num_classes else math.ceil(math.sqrt(num))


def between(start: jax.Array, end: jax.Array, count: int, prior: str) -> jax.Array:
    """`count` latents from each start to its end [R, D] -> [R * count, D].

    Along the great circle for a normal prior, whose mass lies near a sphere; straight for others.
    """
    t = jnp.linspace(0.0, 1.0, count)[None, :, None]
    a, b = start[:, None], end[:, None]
    if prior == "normal":
        norms = jnp.linalg.norm(a, axis=-1, keepdims=True) * jnp.linalg.norm(
            b, axis=-1, keepdims=True
        )
        angle = jnp.arccos(jnp.clip(jnp.sum(a * b, axis=-1, keepdims=True) / norms, -1, 1))
        path = (jnp.sin((1 - t) * angle) * a + jnp.sin(t * angle) * b) / jnp.sin(angle)
    else:
        path = (1 - t) * a + t * b
    return path.reshape(-1, start.shape[-1])


def generate(
    game: AdversarialGame, ema, latents: jax.Array, labels: jax.Array | None
) -> np.ndarray:
    """Images [N, H, W, C] in [-1, 1], made in batches."""
    sample = jax.jit(game.sample)
    batches = []
    for i in range(0, len(latents), BATCH):
        chosen = None if labels is None else labels[i : i + BATCH]
        images = sample(ema["params"], ema["variables"], latents[i : i + BATCH], chosen)
        batches.append(np.asarray(images))
    return np.concatenate(batches)


if __name__ == "__main__":
    run(main)
