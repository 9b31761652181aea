"""DCGAN and SNGAN of jaxgan and of PyTorch at equal settings, on Fashion-MNIST.

    PYTHONPATH=experiments/speed python experiments/image_gans/compare.py --seeds 0 1 2

Both see the same images padded to 32x32, in batches of 64, for the same steps, with the networks of
experiments/speed (torch_gans.py), one initialisation, Adam (2e-4, 0.5, 0.999) and an average of the
generator with decay 0.999 after the same ramp. Fakes of both are scored by one command. Appends a
line for each run to results.jsonl beside this file, where it has none; report.py makes a table of
them. Needs torch.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch_gans import Gan
from workloads import Workload

from jaxgan.data.sources import load_dataset

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
RUNS = Path("runs/image_gans")
DATA = RUNS / "fashion_32.npz"
FEATURES = ("fashion_mnist", "efficientnet_lite0")
NUM, BATCH, LATENT, WIDTH = 2000, 64, 64, 24
LOSSES = {"dcgan": "non_saturating", "resnet": "hinge"}
NAMES = {"dcgan": "DCGAN", "resnet": "SNGAN"}


def prepare() -> None:
    """Writes the training images, uint8 [N, 32, 32, 1]."""
    RUNS.mkdir(parents=True, exist_ok=True)
    images = np.asarray(load_dataset("fashion_mnist_10k").images)
    np.savez(DATA, images=np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0))))


def train_jaxgan(network: str, seed: int, steps: int, fakes: Path) -> float:
    """Returns images/s; so does train_torch."""
    workdir = RUNS / f"compare-{network}-{seed}"
    adam = {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999}
    fields = {
        "seed": seed,
        "loss": LOSSES[network],
        "gen": {"name": network, "latent_dim": LATENT, "width": WIDTH},
        "disc": {"name": network, "width": WIDTH},
        "optim": {"gen": adam, "disc": adam},
        "data": {"name": "npz", "dir": str(DATA), "batch_size": BATCH},
        "train.steps": steps,
        "eval.every": 0,
    }
    given = [f"--config.{name}={value}" for name, value in fields.items()]
    python("jaxgan.main", "--config", "configs/sngan_fashion.py", "--workdir", workdir, *given)
    python("jaxgan.sample", "--workdir", workdir, "--num", NUM, "--npz", fakes)
    return json.loads((workdir / "summary.json").read_text())["images_per_sec"]


def train_torch(network: str, seed: int, steps: int, fakes: Path) -> float:
    torch.manual_seed(seed)
    spec = Workload(
        network=network, batch=BATCH, resolution=32, channels=1, gen_width=WIDTH,
        disc_width=WIDTH, latent_dim=LATENT, loss=LOSSES[network],
    )  # fmt: skip
    gan = Gan(spec, "cpu", channels_last=False, compiled=False, dtype="float32")
    gan.images = torch.from_numpy(np.load(DATA)["images"]).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        for player in (gan.gen, gan.disc):
            initialise(player, network)
        average = [value.clone() for value in gan.averaged]
    begin = time.perf_counter()
    for step in range(steps):
        gan.step()
        decay = min(0.999, (1 + step) / (10 + step))  # jaxgan.engine.averaging
        with torch.no_grad():
            torch._foreach_lerp_(average, gan.averaged, 1 - decay)
    rate = steps * BATCH / (time.perf_counter() - begin)
    with torch.no_grad():
        for mean, value in zip(average, gan.averaged, strict=True):
            value.copy_(mean)
        images = gan.gen.eval()(torch.randn(NUM, LATENT)).permute(0, 2, 3, 1)
    np.savez(fakes, images=(images * 127.5 + 128).clamp(0, 255).byte().numpy())
    return rate


def initialise(player: nn.Module, network: str) -> None:
    """As ours: DCGAN's normal weights, the ResNet's uniform ones, of gain sqrt(2) within blocks."""
    for name, module in player.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, torch.Tensor) or weight.ndim < 2:
            continue
        if hasattr(module, "parametrizations"):
            weight = module.parametrizations.weight.original
        if network == "dcgan":
            nn.init.normal_(weight, 0.0, 0.02)
        else:
            nn.init.xavier_uniform_(weight, 2**0.5 if name.endswith((".conv1", ".conv2")) else 1.0)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def score(fakes: Path) -> dict[str, float]:
    out = fakes.with_suffix(".jsonl")
    python(
        "jaxgan.evaluate", "--real", DATA, "--fake", fakes, "--metrics", "fd,kd",
        "--features", ",".join(FEATURES), "--out", out,
    )  # fmt: skip
    lines = out.read_text().splitlines()[-len(FEATURES) :]
    return {name: value for line in lines for name, value in json.loads(line)["scores"].items()}


def is_known(family: str, seed: int, steps: int) -> bool:
    lines = map(json.loads, RESULTS.read_text().splitlines()) if RESULTS.exists() else ()
    wanted = ("compare", family, seed, steps)
    return any(tuple(map(x.get, ("set", "family", "seed", "steps"))) == wanted for x in lines)


def python(module: str, *arguments) -> None:
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1500)
    flags = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    if not DATA.exists():
        prepare()
    for seed in flags.seeds:
        for network in LOSSES:
            for library, train in (("jaxgan", train_jaxgan), ("PyTorch", train_torch)):
                family = f"{NAMES[network]}, {library}"
                if is_known(family, seed, flags.steps):
                    continue
                fakes = RUNS / f"compare-{network}-{library}-{seed}.npz"
                rate = train(network, seed, flags.steps, fakes)
                line = {
                    "date": date.today().isoformat(),
                    "set": "compare",
                    "family": family,
                    "seed": seed,
                    "cores": cores,
                    "steps": flags.steps,
                    "images_per_sec": round(rate, 1),
                    "scores": {"last": score(fakes)},
                }
                with RESULTS.open("a") as file:
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
