"""Times Inception's features against torch-fidelity's: from uint8 images of 32x32, resize and all.

    python experiments/features/speed.py --rounds 5
    python experiments/features/speed.py --rounds 5 --cores 1

Needs jaxgan[parity]. Each contender is a process of its own that waits while the other is timed;
rounds go A B A B ..., each contender with each of its batch sizes. Appends a line to
results.jsonl beside this file: every time, images per second of each contender's best batch size
(its median over rounds), their ratio, and the machine's load before and after. Weights are random.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results.jsonl"
CONTENDERS = ("jaxgan", "torch-fidelity")


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def jaxgan_features():
    import jax

    from jaxgan.metrics.features import FEATURES, FeatureNetwork, extract
    from jaxgan.metrics.features.weights import Found

    description = FEATURES["inception"]
    images = np.zeros((1, description.size, description.size, 3), np.float32)
    variables = jax.jit(description.module.init)(jax.random.key(0), images)
    found = Found(path=Path("random"), sha256="", verified=False)
    network = FeatureNetwork(description, variables, found)
    return lambda images, batch_size: extract(network, [images], batch_size)["features"]


def torch_features():
    import tempfile

    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    torch.set_num_threads(len(os.sched_getaffinity(0)))

    class Random(FeatureExtractorInceptionV3):
        def load_state_dict(self, state):
            pass  # keeps the weights that PyTorch has drawn

    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save({}, file.name)
        network = Random("inception", ["2048"], feature_extractor_weights_path=file.name)

    @torch.no_grad()
    def run(images, batch_size):
        batches = torch.tensor(images.transpose(0, 3, 1, 2)).split(batch_size)
        return torch.cat([network(batch)[0] for batch in batches]).numpy()

    return run


def work(name: str) -> None:
    """Times the batch sizes that come by standard input, one a line: "size count"."""
    run = {"jaxgan": jaxgan_features, "torch-fidelity": torch_features}[name]()
    for line in sys.stdin:
        batch_size, count = map(int, line.split())
        images = pixels(count)
        start = time.perf_counter()
        features = run(images, batch_size)
        seconds = time.perf_counter() - start
        assert features.shape == (count, 2048)
        print(seconds, flush=True)


class Worker:
    def __init__(self, name: str):
        command = [sys.executable, __file__, "--worker", name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def time(self, batch_size: int, count: int) -> float:
        self.process.stdin.write(f"{batch_size} {count}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=32, help="in each timing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", nargs="+", type=int, default=[4, 8, 16, 32])
    parser.add_argument("--cores", type=int, default=0, help="use the first ones only; 0: all")
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.worker:
        work(flags.worker)
        return
    if flags.cores:
        os.sched_setaffinity(0, range(flags.cores))
    load = [os.getloadavg()[0]]
    workers = {name: Worker(name) for name in CONTENDERS}
    rounds = []
    for number in range(flags.rounds + 1):  # the first compiles, and is not counted
        seconds = {}
        for batch_size in flags.batches:
            for name, worker in workers.items():
                count = flags.images if number else batch_size
                seconds[f"{name} {batch_size}"] = worker.time(batch_size, count)
        if number:
            rounds.append(seconds)
            print({key: round(flags.images / value, 2) for key, value in seconds.items()})
    for worker in workers.values():
        worker.process.stdin.close()
        worker.process.wait()
    rates = {}
    for name in CONTENDERS:
        medians = [statistics.median(r[f"{name} {size}"] for r in rounds) for size in flags.batches]
        rates[name] = flags.images / min(medians)
    line = {
        "date": date.today().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "images_per_sec": {name: round(rate, 2) for name, rate in rates.items()},
        "ratio": round(rates["jaxgan"] / rates["torch-fidelity"], 2),
        "load": [*load, os.getloadavg()[0]],
        "images": flags.images,
        "seconds": rounds,
    }
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print({key: value for key, value in line.items() if key != "seconds"})


if __name__ == "__main__":
    main()
