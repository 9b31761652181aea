"""Draws images from a trained generator, its average over training.

python -m jaxgan.sample --workdir runs/a --num 64 --seed 0 --out grid.png
python -m jaxgan.sample --workdir runs/a --num 1000 --npz fakes.npz
python -m jaxgan.sample --workdir runs/a --seeds 1,2,5-8 --truncation 0.7
python -m jaxgan.sample --workdir runs/a --label 3
python -m jaxgan.sample --workdir runs/a --label all
python -m jaxgan.sample --workdir runs/a --interpolate 8 --path linear
python -m jaxgan.sample --workdir runs/a --walk 100 --out walk.gif
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.cli import Parser, run
from jaxgan.engine.report import save_grid, tiled, to_uint8
from jaxgan.errors import UsageError
from jaxgan.film import FILMS, find_ffmpeg
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.latents import MAX_SEED, PATHS, between, closed_walk, draw, parse_seeds
from jaxgan.trained import BATCH_STATISTICS, load_generator

BATCH = 256
BATCH_OF_SEEDS = 16  # always: another shape may round an image in another way
MOST_CLASSES = 16  # that a walk shows unless told


class Plan(NamedTuple):
    """Which images, in the order of a grid with so many columns; of a walk, of its frames."""

    latents: jax.Array  # [N, D]
    labels: jax.Array | None  # [N]
    columns: int


def main(arguments: list[str]) -> None:
    flags = parse(arguments)
    _, game, ema, _ = load_generator(
        flags.workdir,
        flags.checkpoint if flags.step is None else str(flags.step),
        batch_statistics=flags.batch_stats,
        member=flags.member,
    )
    plan = make_plan(game, flags)
    size = BATCH_OF_SEEDS if flags.seeds else min(BATCH, len(plan.latents))
    images = generate(game, ema, plan, size)
    points = images.ndim == 2
    if points and (flags.walk or not flags.npz):
        raise UsageError("this generator makes points and no images; save them with --npz")
    if flags.npz:
        arrays = {"points": images} if points else {"images": to_uint8(images)}
        if plan.labels is not None:
            arrays["labels"] = np.asarray(plan.labels, np.int32)
        np.savez_compressed(flags.npz, **arrays)
        print(f"{len(images)} images in {flags.npz}")
    if flags.walk:
        frames = [
            np.asarray(tiled(in_rows(frame, plan.columns)).convert("RGB"))
            for frame in np.split(images, flags.walk)
        ]
        FILMS[flags.out.suffix](flags.out, np.stack(frames))
        print(f"{flags.walk} frames in {flags.out}")
    elif flags.out and not points:
        grid = in_rows(images, plan.columns)
        save_grid(flags.out, grid)
        print(f"grid of {grid.shape[0]} x {grid.shape[1]} images in {flags.out}")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags, of which those that do not go together are refused."""
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
    parser.add_argument(
        "--num",
        type=int,
        help="images, default 64; of each of several classes, 8; rows to interpolate, 8 (of each "
        "class 1); latents that a walk leads through, 4",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", default="", metavar="1,2,5-8", help="an image of each")
    parser.add_argument(
        "--label", default="", help="class of a conditional generator, several as 1,2,5, or all"
    )
    parser.add_argument(
        "--truncation", type=float, help="latents beyond +- this are drawn anew (normal prior)"
    )
    parser.add_argument(
        "--interpolate", type=int, metavar="N", help="rows of N images between two latents"
    )
    parser.add_argument(
        "--walk", type=int, metavar="FRAMES", help="a film through latents and back to the first"
    )
    parser.add_argument("--path", choices=PATHS, help="between latents; default: by the prior")
    parser.add_argument(
        "--out", type=Path, help="grid as PNG, walk as GIF or MP4; default grid.png or walk.gif"
    )
    parser.add_argument("--npz", type=Path, help="uint8 [N, H, W, C], labels; or points")
    flags = parser.parse_args(arguments)

    if flags.num is not None and flags.num < 1:
        raise UsageError(f"--num must be positive; got {flags.num}")
    if not 0 <= flags.seed < MAX_SEED:
        raise UsageError(f"--seed must be in 0..2**32-1; got {flags.seed}")
    if flags.seeds and flags.num:
        raise UsageError("--seeds says how many images there are; drop --num")
    flags.seeds = parse_seeds(flags.seeds) if flags.seeds else []
    if flags.truncation is not None and not 0 < flags.truncation < math.inf:
        raise UsageError(f"--truncation must be positive; got {flags.truncation}")
    for name, count in (("--interpolate", flags.interpolate), ("--walk", flags.walk)):
        if count is not None and count < 2:
            raise UsageError(f"{name} needs at least 2 images; got {count}")
    if flags.interpolate and flags.walk:
        raise UsageError("--interpolate is of grids and --walk of films; drop one of them")
    if flags.path and not (flags.interpolate or flags.walk):
        raise UsageError("--path is of --interpolate and --walk; there is no path without them")
    stops = len(flags.seeds) if flags.seeds else flags.num or 4
    if (flags.walk and stops < 2) or (flags.interpolate and len(flags.seeds) == 1):
        raise UsageError("a path needs two latents: more --seeds, or a larger --num")
    default = Path("walk.gif") if flags.walk else None if flags.npz else Path("grid.png")
    flags.out = flags.out or default
    kinds = tuple(FILMS) if flags.walk else (".png",)
    for name, path, suffixes in (("--out", flags.out, kinds), ("--npz", flags.npz, (".npz",))):
        if path and (path.suffix not in suffixes or not path.parent.is_dir() or path.is_dir()):
            kind = " or ".join(suffixes)
            raise UsageError(f"{name} must be a {kind} file in a folder that exists; got {path}")
    if flags.walk and flags.out.suffix == ".mp4":
        find_ffmpeg()  # before the work, not after it
    return flags


def make_plan(game: AdversarialGame, flags: argparse.Namespace) -> Plan:
    """What the flags ask of this generator."""
    classes = choose_classes(game.gen.num_classes, flags.label)
    if flags.walk and game.gen.num_classes and not classes:
        classes = list(range(min(game.gen.num_classes, MOST_CLASSES)))
    several = len(classes) > 1
    if flags.truncation is not None and game.gen.prior != "normal":
        raise UsageError(f"--truncation is of a normal prior; this one is {game.gen.prior!r}")
    path = flags.path or ("slerp" if game.gen.prior == "normal" else "linear")

    def latents(count: int) -> jax.Array:
        of = lambda seed, n: draw(game.latents, game.gen.latent_dim, seed, n, flags.truncation)
        if flags.seeds:
            return jnp.concatenate([of(seed, 1) for seed in flags.seeds])
        return of(flags.seed, count)

    if flags.walk:
        frames = closed_walk(latents(flags.num or 4), flags.walk, path)
        shown = max(1, len(classes))
        labels = jnp.tile(jnp.array(classes), flags.walk) if classes else None
        return Plan(jnp.repeat(frames, shown, axis=0), labels, math.ceil(math.sqrt(shown)))
    if flags.interpolate:
        rows = flags.num or (1 if several else 8)
        ends = latents(2 * rows)
        pairs = (ends[:-1], ends[1:]) if flags.seeds else (ends[:rows], ends[rows:])
        ends, columns = between(*pairs, flags.interpolate, path), flags.interpolate
        turns = jnp.repeat(jnp.arange(len(pairs[0])), flags.interpolate)
    else:
        ends = latents(flags.num or (8 if several else 64))
        turns = jnp.array(flags.seeds or range(len(ends)))
        by_class = game.gen.num_classes if not (classes or flags.seeds) else 0
        columns = len(ends) if several else grid_columns(by_class, len(ends))
    if several:  # a row, or rows, of each class at the same latents
        labels = jnp.repeat(jnp.array(classes), len(ends))
        return Plan(jnp.tile(ends, (len(classes), 1)), labels, columns)
    return Plan(ends, labels_of(game.gen.num_classes, classes, turns), columns)


def choose_classes(num_classes: int, text: str) -> list[int]:
    """The classes that --label names; none without it."""
    if not text:
        return []
    if not num_classes:
        raise UsageError("--label: this generator was trained without labels")
    if text == "all":
        return list(range(num_classes))
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise UsageError(f"--label must be a class, several as 1,2,5, or all; got {text!r}")
    classes = [int(part) for part in text.split(",")]
    if max(classes) >= num_classes:
        raise UsageError(f"--label must be in 0..{num_classes - 1}; got {text}")
    return classes


def labels_of(num_classes: int, classes: list[int], turns: jax.Array) -> jax.Array | None:
    """The one class that was chosen, or all in turn; None for an unconditional generator."""
    if not num_classes:
        return None
    return jnp.full(len(turns), classes[0]) if classes else turns % num_classes


def grid_columns(num_classes: int, num: int) -> int:
    """A column for each class, or a square."""
    return min(num, num_classes) if num_classes else math.ceil(math.sqrt(num))


def in_rows(images: np.ndarray, columns: int) -> np.ndarray:
    """[N, H, W, C] -> [rows, columns, H, W, C], the last row filled up with white."""
    padding = -len(images) % columns
    images = np.pad(images, ((0, padding), (0, 0), (0, 0), (0, 0)), constant_values=1.0)
    return images.reshape(-1, columns, *images.shape[1:])


def generate(game: AdversarialGame, ema, plan: Plan, size: int) -> np.ndarray:
    """Images [N, H, W, C] in [-1, 1], made in batches of one size."""
    sample = jax.jit(game.sample)
    count = len(plan.latents)
    batches = []
    for begin in range(0, count, size):
        chosen = jnp.arange(begin, begin + size) % count
        labels = None if plan.labels is None else plan.labels[chosen]
        images = sample(ema["params"], ema["variables"], plan.latents[chosen], labels)
        batches.append(np.asarray(images))
    return np.concatenate(batches)[:count]


if __name__ == "__main__":
    run(main)
