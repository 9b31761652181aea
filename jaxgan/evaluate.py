"""Scores a generator, or any set of images, with everything stated that the scores depend on.

    python -m jaxgan.evaluate --workdir runs/a
    python -m jaxgan.evaluate --workdir runs/a --metrics fid,kid,is,prdc --features inception \
        --num 50000 --checkpoint best
    python -m jaxgan.evaluate --real DIR_OR_NPZ_OR_TFDS --fake DIR_OR_NPZ

Prints a table and appends a JSON object to `evaluations.jsonl`, one for each protocol and network.
"""

import dataclasses
import datetime
import inspect
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan import __version__
from jaxgan.build import build_dataset, build_scorer, fake_labels, number_of_reals
from jaxgan.cli import Parser, run
from jaxgan.cpu import use_cpu
from jaxgan.data.dataset import Dataset
from jaxgan.data.folder import PREPARED
from jaxgan.data.sources import DATASETS, load_dataset
from jaxgan.engine.report import save_grid
from jaxgan.engine.train import describe_devices
from jaxgan.errors import UsageError
from jaxgan.games.fakes import FakeMaker
from jaxgan.games.standing import BATCH_STATISTICS
from jaxgan.metrics.features import FEATURES
from jaxgan.metrics.memorization import nearest
from jaxgan.metrics.scoring import (
    DEFAULT,
    OF_INCEPTION,
    PROTOCOLS,
    SCORES,
    Images,
    Memory,
    Offered,
    Scored,
    Scorer,
    images_of,
)
from jaxgan.schema import DEFAULTS
from jaxgan.trained import WEIGHTS, load_generator
from jaxgan.workdir import read_config

FOR_IMAGE_SETS = {"metrics": "fid,kid,is,prdc", "features": "inception", "protocol": DEFAULT}
QUANTIZATION = "floor(127.5 x + 128), clipped to 0..255"  # of pictures; points are as they are
FEW = 2048  # a Fréchet distance of fewer fakes says more of their number than of the generator
# Flags that go with --workdir, and with --real and --fake alone.
OF_RUNS = ("split", "checkpoint", "member", "params", "batch_stats", "seed")
OF_SETS = ("resolution",)
PAIRS = 32  # closest pairs in the picture of `memorization`


class Sets(NamedTuple):
    """What is compared. stated: how the fakes were made, for the record."""

    real: Images
    fake: Images
    held_out: Images | None
    stated: dict[str, Any]


def main(arguments: list[str]) -> None:
    flags = parse(arguments)
    use_cpu()
    folder = flags.workdir or Path(".")
    if flags.workdir:
        config = read_config(flags.workdir)
        own = {name: config.eval[name] for name in ("metrics", "features", "protocol")}
        own["metrics"] = ",".join(own["metrics"])
    else:
        config, own = None, FOR_IMAGE_SETS
    metrics = names(flags.metrics or own["metrics"])
    given = flags.features if flags.features is not None else own["features"]
    if flags.features is None and given == "" and set(metrics) & OF_INCEPTION.keys():
        given = "inception"
    networks = names(given) or [""]
    protocols = names(flags.protocol or own["protocol"])
    if flags.weights and len(networks) > 1:
        raise UsageError("--weights are those of one network; name one in --features")
    weights = flags.weights or (config.eval.weights if config and given == own["features"] else "")

    sets = of_workdir(flags, config, metrics) if config else of_image_sets(flags)
    memory = Memory()
    scorers = [
        (protocol, build_scorer(
            metrics, protocol, network, sets.real, held_out=sets.held_out, weights=weights,
            verify=not flags.unverified, features_of=memory.features_of,
        ))
        for network in networks
        for protocol in protocols
    ]  # fmt: skip
    frechet = any(name.removeprefix("intra_").startswith(("fd", "fid")) for name in metrics)
    if frechet and min(sets.fake.count, sets.real.count) < FEW:
        warn(f"{sets.real.count} real images and {sets.fake.count} fakes: a Fréchet distance of "
             f"fewer than {FEW} is far too high; compare it at equal numbers only")  # fmt: skip
    print(heading(sets))
    out = flags.out or folder / "evaluations.jsonl"
    for protocol, scorer in scorers:
        start = time.perf_counter()
        offered = scorer.look(sets.fake)
        scored = scorer.score(offered)
        line = record(sets, protocol, scorer, scored, time.perf_counter() - start)
        print(table(protocol, scorer, scored), flush=True)
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if "memorization" in metrics:
            picture = out.with_name(f"closest_{scorer.network.description.name}.png")
            save_grid(picture, closest_pairs(offered))
            print(f"closest pairs, each fake left of its nearest real image, in {picture}")
    print(f"\nappended to {out}")


def parse(arguments: list[str]):
    parser = Parser(
        prog="python -m jaxgan.evaluate",
        description="Scores a generator, or any set of images, with its protocol.",
    )
    parser.add_argument("--workdir", type=Path, help="a run; or else --real and --fake")
    parser.add_argument("--real", help=".npz, folder, or data set as NAME[:SPLIT]")
    parser.add_argument("--fake", help=".npz, folder, or data set as NAME[:SPLIT]")
    parser.add_argument("--held_out", help="real images that were not trained on, named alike")
    default = "by commas; default: the config's"
    parser.add_argument("--metrics", help=f"of {', '.join(SCORES | OF_INCEPTION)}, {default}")
    parser.add_argument("--features", help=f"of {', '.join(FEATURES)}, {default}")
    parser.add_argument("--protocol", help=f"of {', '.join(PROTOCOLS)}, {default}")
    parser.add_argument("--num", type=int, default=0, help="fakes; default: eval.num, or all")
    parser.add_argument("--num_real", type=int, default=0, help="default: eval.num_real, or all")
    parser.add_argument("--split", default="", help="of the run's data; default: the trained one")
    parser.add_argument("--checkpoint", default="last", help="last, best, or a step")
    parser.add_argument("--member", type=int, default=0, help="which, where seeds trained several")
    parser.add_argument("--params", choices=WEIGHTS, default="ema", help="averaged, or as they are")
    parser.add_argument("--batch_stats", choices=BATCH_STATISTICS,
                        help="of batch norm: collected in training, or measured anew; "
                        "default: the config's")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the latents")
    parser.add_argument("--weights", default="", help="file of the feature network's weights")
    parser.add_argument("--unverified", action="store_true",
                        help="take weights that are not the published; scores say so")  # fmt: skip
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    parser.add_argument("--resolution", type=int, default=0, help="resize --real, --fake to it")
    parser.add_argument("--out", type=Path, help="default: WORKDIR/evaluations.jsonl")
    flags = parser.parse_args(arguments)
    if bool(flags.workdir) == bool(flags.real or flags.fake):
        raise UsageError("give --workdir, or else --real and --fake")
    if not flags.workdir and not (flags.real and flags.fake):
        raise UsageError("--real and --fake go together; one is missing")
    for name in OF_SETS if flags.workdir else OF_RUNS:
        if getattr(flags, name) != parser.get_default(name):
            wanted = "--real and --fake" if flags.workdir else "--workdir"
            hint = "; the split of a data set is NAME:SPLIT" if name == "split" else ""
            raise UsageError(f"--{name} is of {wanted}{hint}")
    for name in ("num", "num_real", "resolution"):
        if getattr(flags, name) < 0:
            raise UsageError(f"--{name} must not be negative; got {getattr(flags, name)}")
    if not 0 <= flags.seed < 2**32:
        raise UsageError(f"--seed must be in 0..2**32-1; got {flags.seed}")
    if flags.unverified and not flags.weights:
        raise UsageError("--unverified goes with --weights, the file that is to be taken")
    if flags.out and not flags.out.absolute().parent.is_dir():
        raise UsageError(f"--out {flags.out}: there is no folder {flags.out.parent}")
    if flags.out and flags.out.is_dir():
        raise UsageError(f"--out {flags.out} is a folder; name a file for the scores")
    return flags


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def of_workdir(flags, config, metrics: Sequence[str]) -> Sets:
    """A run's fakes, and the images that it was trained on (or another split of them)."""
    batch_stats = flags.batch_stats or config.eval.batch_stats
    trained = load_generator(
        flags.workdir,
        flags.checkpoint,
        weights=flags.params,
        batch_statistics=batch_stats,
        seed=flags.seed,
        member=flags.member,
    )
    with config.unlocked():
        if flags.data_dir:
            config.data.dir = flags.data_dir
        if flags.split:
            config.data.split = flags.split
    dataset = build_dataset(config)
    if config.data.num_classes not in (0, dataset.num_classes):
        raise UsageError(
            f"--split {config.data.split} has {dataset.num_classes} classes, the run's data "
            f"{config.data.num_classes}: their numbers would not mean the same"
        )
    own = number_of_reals(metrics, config.eval.num_real, dataset)
    real = images_of(dataset, flags.num_real or own)
    count = flags.num or config.eval.num
    labels = fake_labels(real.labels, count) if config.data.num_classes else None
    key = jax.random.key(flags.seed)
    fake = FakeMaker(trained.game)(trained.generator, count, key, labels, str(flags.workdir))
    held_out = None
    if flags.held_out:
        shape = {name: config.data[name] for name in ("resolution", "channels", "resize", "crop")}
        held_out = images_of(open_images(flags.held_out, config.data.dir, **shape))
        if held_out.read(0, 1).shape != real.read(0, 1).shape:
            sizes = [" x ".join(map(str, s.read(0, 1).shape[1:])) for s in (held_out, real)]
            raise UsageError(f"--held_out {flags.held_out}: images are {sizes[0]}, not {sizes[1]}")
    stated = {
        "source": str(flags.workdir),
        "checkpoint": trained.step,
        "member": flags.member,
        "params": flags.params,
        "batch_statistics": batch_stats,
        "seed": flags.seed,
        "quantization": QUANTIZATION if real.read(0, 1).ndim == 4 else None,
    }
    return Sets(named(real, f"{real.name}:{config.data.split}"), fake, held_out, stated)


def of_image_sets(flags) -> Sets:
    """Any two sets."""
    shape = {"resolution": flags.resolution}
    real = images_of(open_images(flags.real, flags.data_dir, **shape), flags.num_real)
    fakes = open_images(flags.fake, flags.data_dir, **shape)
    if flags.num > fakes.num_examples:
        raise UsageError(f"--num {flags.num}: {flags.fake} has {fakes.num_examples} images")
    fake = images_of(fakes, flags.num)
    held_out = None
    if flags.held_out:
        held_out = images_of(open_images(flags.held_out, flags.data_dir, **shape))
    if real.read(0, 1).shape != fake.read(0, 1).shape:
        sizes = [" x ".join(map(str, images.read(0, 1).shape[1:])) for images in (real, fake)]
        raise UsageError(
            f"real images are {sizes[0]}, fakes {sizes[1]}; give --resolution, the side of both"
        )
    stated = {"source": flags.fake, "sha256": fake.sha256()}
    return Sets(named(real, flags.real), named(fake, flags.fake), held_out, stated)


def named(images: Images, name: str) -> Images:
    return dataclasses.replace(images, name=name)


def open_images(spec: str, data_dir: str, **shape) -> Dataset:
    """The images that "FILE.npz", "FOLDER" or "NAME[:SPLIT]" names, a TFDS set or its folder too.

    Raises:
      UsageError: there are none.
    """
    path = Path(spec).expanduser()
    folder, _, split = str(path).partition(":")
    if (Path(folder) / PREPARED).exists():
        return load_dataset("tfds", dir=folder, split=split or "train", **shape)
    if path.is_dir():
        return load_dataset("folder", dir=str(path), **shape)
    if path.suffix == ".npz":
        return load_dataset("npz", dir=str(path), **shape)
    name, _, split = spec.partition(":")
    if "/" in name or path.exists():
        raise UsageError(f"{spec} is no .npz file, no folder, and no data set's name")
    if name not in DATASETS:
        return load_dataset("tfds", builder=name, dir=data_dir, split=split or "train", **shape)
    # What it does not take is refused where it was asked for; one folder serves several sets.
    takes = inspect.signature(DATASETS[name]).parameters
    given = {"split": split or "train", **shape}
    given = {k: v for k, v in given.items() if k in takes or v != DEFAULTS["data"][k]}
    return load_dataset(name, **given, **({"dir": data_dir} if "dir" in takes else {}))


def record(
    sets: Sets, protocol: str, scorer: Scorer, scored: Scored, seconds: float
) -> dict[str, Any]:
    """The JSON object of one evaluation."""
    network = scorer.network
    features = None
    if network:
        features = {
            "network": network.description.name,
            "sha256": network.sha256,
            "verified": network.verified,
            "resize": network.description.resize,
            "size": network.description.size,
            "mean": network.description.mean,
            "std": network.description.std,
        }
    held_out = sets.held_out
    return {
        "date": datetime.date.today().isoformat(),
        "jaxgan": __version__,
        "jax": jax.__version__,
        "device": describe_devices(),
        "real": {"name": sets.real.name, "count": sets.real.count, "sha256": sets.real.sha256()},
        "held_out": held_out
        and {
            "name": held_out.name,
            "count": held_out.count,
            "sha256": held_out.sha256(),
        },
        "fake": {"count": sets.fake.count, **sets.stated},
        "features": features,
        "protocol": {"name": protocol, **dataclasses.asdict(scorer.protocol)},
        "scores": scored.values,
        "spread": scored.spread,
        "seconds": round(seconds, 2),
    }


def heading(sets: Sets) -> str:
    made = sets.stated
    how = ""
    if "checkpoint" in made:
        how = (
            f", step {made['checkpoint']}, {made['params']} parameters, {made['batch_statistics']}"
            f" batch statistics, seed {made['seed']}"
        )
    lines = [f"real      {sets.real.name}, {sets.real.count} images",
             f"fake      {sets.fake.name}, {sets.fake.count} images{how}"]  # fmt: skip
    if sets.held_out:
        lines.append(f"held out  {sets.held_out.name}, {sets.held_out.count} images")
    return "\n".join(lines)


def table(protocol: str, scorer: Scorer, scored: Scored) -> str:
    """Values with their spread, under what they were made with."""
    network, p = scorer.network, scorer.protocol
    lines = ["", f"protocol  {protocol}: ddof {p.ddof}, {p.subsets} subsets, {p.splits} splits"]
    if network:
        state = "" if network.verified else ", NOT THE PUBLISHED WEIGHTS"
        lines.append(
            f"features  {network.description.name}, sha256 {network.sha256[:12]}{state}, "
            f"resize {network.description.resize} to {network.description.size}"
        )
    width = max(map(len, scored.values))
    for name, value in scored.values.items():
        spread = f" +- {scored.spread[name]:.4g}" if name in scored.spread else ""
        lines.append(f"  {name:<{width}}  {value:.5g}{spread}")
    return "\n".join(lines)


def closest_pairs(offered: Offered) -> np.ndarray:
    """Fakes beside the real images nearest to them, closest first, [rows, 8, H, W, C]."""
    real, fake = offered.scorer.real, offered.fake
    found = nearest(offered.get("fake_features"), offered.get("real_features"))
    order = np.argsort(found.distances[:, 0], kind="stable")[:PAIRS]
    order = order[: max(4, len(order) // 4 * 4)]
    images = []
    for i in order.tolist():
        j = int(found.indices[i, 0])
        images += [fake.read(i, i + 1)[0], real.read(j, j + 1)[0]]
    images += [np.full_like(images[0], 255)] * (-len(images) % 8)
    stacked = np.stack(images).astype(np.float32) / 127.5 - 1
    return stacked.reshape(-1, 8, *stacked.shape[1:])


def warn(message: str) -> None:
    print(f"note: {message}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
