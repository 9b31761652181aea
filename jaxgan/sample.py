"""Draws images from a trained generator, its average over training.

python -m jaxgan.sample --workdir runs/a --num 64 --seed 0 --out grid.png
python -m jaxgan.sample --workdir runs/a --num 1000 --npz fakes.npz
python -m jaxgan.sample --workdir runs/a --seeds 1,2,5-8 --truncation 0.7
python -m jaxgan.sample --workdir runs/a --label 3
python -m jaxgan.sample --workdir runs/a --label all
python -m jaxgan.sample --workdir runs/a --vector 0,0.5,1 --vector 1,0,0
python -m jaxgan.sample --workdir runs/a --interpolate 8 --path linear
python -m jaxgan.sample --workdir runs/a --walk 100 --out walk.gif
python -m jaxgan.sample --workdir runs/a --sweep 0.25,0.5,0.75,1
python -m jaxgan.sample --workdir runs/a --mix --layers 0-3
python -m jaxgan.sample --workdir runs/a --sefa 5

A generator with styles (gen.name="stylegan2") is truncated, walked, interpolated, mixed and moved
in its styles w, others in their latents.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxgan.cli import Parser, run
from jaxgan.cpu import use_cpu
from jaxgan.engine.report import save_grid, tiled, to_uint8
from jaxgan.errors import UsageError
from jaxgan.film import FILMS, find_ffmpeg
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.games.standing import BATCH_STATISTICS
from jaxgan.grids import Maker, in_rows, parse_layers, parse_truncations
from jaxgan.latents import MAX_SEED, PATHS, parse_seeds
from jaxgan.styles import space_of
from jaxgan.trained import load_generator

# What a grid shows, of which there can be one.
KINDS = ("interpolate", "walk", "mix", "sweep", "sefa")


def main(arguments: list[str]) -> None:
    flags = parse(arguments)
    use_cpu()
    _, game, ema, _ = load_generator(
        flags.workdir,
        flags.checkpoint,
        batch_statistics=flags.batch_stats,
        member=flags.member,
    )
    if flags.vector:
        game = told(game, flags.vector)
    points = len(game.gen.image_shape) == 1
    if points and (flags.out or not flags.npz):
        raise UsageError("this generator makes points and no images; save them with --npz alone")
    maker = Maker(space_of(game), ema, flags)
    plan = maker.plan()
    images = maker.images(plan)
    if flags.npz:
        arrays = {"points": images} if points else {"images": to_uint8(images)}
        if plan.labels is not None:
            arrays["labels"] = np.asarray(plan.labels)
        np.savez_compressed(flags.npz, **arrays)
        print(f"{len(images)} images in {flags.npz}")
    if flags.walk:
        frames = [
            np.asarray(tiled(in_rows(frame, plan.columns)).convert("RGB"))
            for frame in np.split(images, flags.walk)
        ]
        FILMS[flags.out.suffix](flags.out, np.stack(frames))
        print(f"{flags.walk} frames in {flags.out}")
    elif flags.out:
        grid = in_rows(images, plan.columns)
        save_grid(flags.out, grid)
        print(f"grid of {grid.shape[0]} x {grid.shape[1]} images in {flags.out}")


def told(game: AdversarialGame, vectors: list[tuple[float, ...]]) -> AdversarialGame:
    """The game with these vectors to choose labels from.

    Raises:
      UsageError: its labels are no vectors, or not as long.
    """
    if not game.label_vectors:
        raise UsageError("--vector: this generator was trained without labels that are vectors")
    length = game.gen.num_classes
    if wrong := [vector for vector in vectors if len(vector) != length]:
        raise UsageError(f"--vector needs {length} numbers; got {len(wrong[0])}")
    return replace(game, label_vectors=tuple(vectors))


def parse_vector(text: str) -> tuple[float, ...]:
    """The numbers of "0,0.5,1".

    Raises:
      argparse.ArgumentTypeError: they are none, or not finite.
    """
    try:
        vector = tuple(float(part) for part in text.split(","))
    except ValueError:
        vector = (math.nan,)
    if not all(map(math.isfinite, vector)):
        raise argparse.ArgumentTypeError(f"expected numbers like 0,0.5,1; got {text!r}")
    return vector


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags, of which those that do not go together are refused."""
    parser = Parser(prog="python -m jaxgan.sample", description="Draws images from a generator.")
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--checkpoint", "--step", default="last", help="last, best, or a step")
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
        "class 1), to sweep, 8; latents that a walk leads through, 4; sources to mix, 6 by 6; "
        "images that --sefa moves, 1",
    )
    parser.add_argument("--seed", type=int, help="of all latents; default 0")
    parser.add_argument("--seeds", default="", metavar="1,2,5-8", help="an image of each")
    parser.add_argument(
        "--label",
        default="",
        help="class of a conditional generator (of vectors: which), several as 1,2,5, or all",
    )
    parser.add_argument(
        "--vector",
        action="append",
        type=parse_vector,
        metavar="0,0.5,1",
        help="label of a generator whose labels are vectors; several times: of several, which "
        "--label then numbers",
    )
    parser.add_argument(
        "--truncation",
        type=float,
        help="latents beyond +- this are drawn anew (normal prior); styles are this share as far "
        "from their mean",
    )
    parser.add_argument(
        "--interpolate", type=int, metavar="N", help="rows of N images between two latents"
    )
    parser.add_argument(
        "--walk", type=int, metavar="FRAMES", help="a film through latents and back to the first"
    )
    parser.add_argument("--path", choices=PATHS, help="between latents; default: by the prior")
    parser.add_argument(
        "--sweep",
        default="",
        metavar="0.5,1",
        help="a row for each latent, a column for each truncation; --sweep=-1,0,1 where it begins "
        "with a minus",
    )
    parser.add_argument(
        "--mix", action="store_true", help="rows whose styles are in some layers the columns'"
    )
    parser.add_argument(
        "--sefa", type=int, metavar="K", help="rows along the K directions in w that change most"
    )
    parser.add_argument(
        "--layers", default="", metavar="0,4-7", help="of --mix (default: the coarser half), --sefa"
    )
    parser.add_argument(
        "--strength", type=float, help="how far --sefa goes in w, both ways; default 3"
    )
    parser.add_argument(
        "--out", type=Path, help="grid as PNG, walk as GIF or MP4; default grid.png or walk.gif"
    )
    parser.add_argument("--npz", type=Path, help="uint8 [N, H, W, C], labels; or points")
    flags = parser.parse_args(arguments)

    if flags.num is not None and flags.num < 1:
        raise UsageError(f"--num must be positive; got {flags.num}")
    if flags.seed is not None and flags.seeds:
        raise UsageError("--seeds has a seed for each image; drop --seed")
    flags.seed = flags.seed or 0
    if not 0 <= flags.seed < MAX_SEED:
        raise UsageError(f"--seed must be in 0..2**32-1; got {flags.seed}")
    if flags.seeds and flags.num:
        raise UsageError("--seeds says how many images there are; drop --num")
    flags.seeds = parse_seeds(flags.seeds) if flags.seeds else []
    flags.sweep = parse_truncations(flags.sweep) if flags.sweep else []
    flags.layers = parse_layers(flags.layers) if flags.layers else []
    for name, count in (("--interpolate", flags.interpolate), ("--walk", flags.walk)):
        if count is not None and count < 2:
            raise UsageError(f"{name} needs at least 2 images; got {count}")
    if flags.strength is not None and not flags.sefa:
        raise UsageError("--strength is of --sefa")
    flags.strength = 3.0 if flags.strength is None else flags.strength
    if flags.sefa is not None and flags.sefa < 1 or not math.isfinite(flags.strength):
        raise UsageError("--sefa must be positive, and --strength a number")
    asked = [f"--{kind}" for kind in KINDS if getattr(flags, kind)]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} make different pictures; drop one of them")
    if flags.sweep and flags.truncation is not None:
        raise UsageError("--sweep says what truncations there are; drop --truncation")
    if flags.layers and not (flags.mix or flags.sefa):
        raise UsageError("--layers is of --mix and --sefa")
    if flags.mix and len(flags.seeds) % 2:
        raise UsageError("--mix needs as many --seeds at the left as atop: an even number")
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


if __name__ == "__main__":
    run(main)
