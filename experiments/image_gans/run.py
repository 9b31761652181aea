"""Trains a small recipe of every family over seeds, and scores it.

    python experiments/image_gans/run.py --set fashion
    python experiments/image_gans/run.py --set emoji --data_dir DIR
    python experiments/image_gans/run.py --set emoji64 --data_dir DIR --seeds 0
    python experiments/image_gans/run.py --set fashion --families sngan biggan --seeds 0
    python experiments/image_gans/report.py

The families of a set see equally many images, of 32x32 pixels, in emoji64 of 64x64. The checkpoint
of each quarter is scored with each network of FEATURES; the best one is by FD with the first of
them. Appends a line for each run to results.jsonl beside this file, and leaves the runs in
runs/image_gans/, where a run goes on, or is finished already. report.py makes tables and pictures
of them.
"""

import argparse
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from jaxgan.config import load_config

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
RUNS = Path("runs/image_gans")
NUM = 2000  # fakes that a checkpoint is scored with
FEATURES = {
    "fashion": ("fashion_mnist", "efficientnet_lite0"),
    "emoji": ("efficientnet_lite0",),
    "emoji64": ("efficientnet_lite0",),
}
IMAGES = {"fashion": 96_000, "emoji": 64_000, "emoji64": 16_000}  # that a generator learns from
FAMILIES = ("dcgan", "sngan", "sagan", "biggan", "biggan_deep", "r3gan")
DCGAN = {  # what differs from SNGAN's config
    "gen": {"name": "dcgan", "latent_dim": 64, "width": 24},
    "disc": {"name": "dcgan", "width": 24},
    "loss": "non_saturating",
    "optim.gen.lr": 5e-4, "optim.gen.b1": 0.5, "optim.gen.b2": 0.999,
    "optim.disc.lr": 5e-4, "optim.disc.b1": 0.5, "optim.disc.b2": 0.999,
}  # fmt: skip
# What differs from the config of another family, by family.
VARIANTS = {
    "dcgan": ("sngan", DCGAN),
    "r3gan_binomial": ("r3gan", {"gen.resample": "binomial", "disc.resample": "binomial"}),
}
WIDER = {"sngan": 24, "sagan": 24, "biggan_deep": 12}  # at 32x32 than their configs for 64x64


def fields_of(data: str, family: str) -> tuple[str, dict[str, Any]]:
    """The config of a family, and what this comparison sets in it."""
    base, own = VARIANTS.get(family, (family, {}))
    config = f"configs/{base}_{data.removesuffix('64')}.py"
    steps = IMAGES[data] // load_config(config).data.batch_size
    quarters = ("sample.every", "checkpoint.every", "checkpoint.keep_every")
    fields = {"train.steps": steps, "eval.every": 0, **dict.fromkeys(quarters, steps // 4)}
    if data == "emoji":
        fields["data.resolution"] = 32
        if family in WIDER:
            fields |= dict.fromkeys(("gen.width", "disc.width"), WIDER[family])
    return config, fields | own


def train(data: str, family: str, seed: int, data_dir: str) -> dict:
    """Trains and scores one family with one seed, and returns its line."""
    workdir = RUNS / f"{data}-{family}-{seed}"
    config, fields = fields_of(data, family)
    given = [f"--config.{name}={value}" for name, value in fields.items()]
    given += [f"--config.seed={seed}", *([f"--config.data.dir={data_dir}"] if data_dir else [])]
    command = [sys.executable, "-m", "jaxgan.main", "--config", config, "--workdir", str(workdir)]
    subprocess.run([*command, *given], check=True)
    summary = json.loads((workdir / "summary.json").read_text())
    kept = ("steps", "images", "seconds", "images_per_sec", "parameters", "device", "jax")
    quarters = range(summary["steps"] // 4, summary["steps"] + 1, summary["steps"] // 4)
    curve = {step: score(workdir, step, data, data_dir) for step in quarters}
    best = min(curve.values(), key=lambda scores: scores[f"fd_{FEATURES[data][0]}"])
    return {
        "date": date.today().isoformat(),
        "set": data,
        "family": family,
        "seed": seed,
        "cores": len(os.sched_getaffinity(0)),
        **{name: summary[name] for name in kept},
        "scores": {"last": curve[summary["steps"]], "best": best},
        "curve": curve,
    }


def score(workdir: Path, step: int, data: str, data_dir: str) -> dict[str, float]:
    """FD and KD of a checkpoint with each network."""
    command = [sys.executable, "-m", "jaxgan.evaluate", "--workdir", str(workdir)]
    command += ["--checkpoint", str(step), "--metrics", "fd,kd", "--num", str(NUM)]
    command += ["--features", ",".join(FEATURES[data])]
    subprocess.run([*command, *(["--data_dir", data_dir] if data_dir else [])], check=True)
    last = (workdir / "evaluations.jsonl").read_text().splitlines()[-len(FEATURES[data]) :]
    return {name: value for line in last for name, value in json.loads(line)["scores"].items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=FEATURES, required=True)
    parser.add_argument("--families", nargs="+", choices=dict.fromkeys([*FAMILIES, *VARIANTS]),
                        default=FAMILIES)  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    flags = parser.parse_args()
    for seed in flags.seeds:
        for family in flags.families:
            line = train(flags.set, family, seed, flags.data_dir)
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
