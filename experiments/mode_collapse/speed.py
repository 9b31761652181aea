"""Steps a second of PacGAN's grid GAN: jaxgan with one seed and with ten, and PyTorch with one.

    pip install torch==2.13.0
    python experiments/mode_collapse/speed.py

Each runs in a process of its own, in turn, three rounds; prints the median and the spread, and
appends a line to speed.jsonl beside this file. The work is that of configs/pacgan_grid.py: both
players at once, batch 100, G 4 x 400 with batch norm, D 3 x 200 maxout of 5 pieces, Adam. PyTorch
gets its best: data in memory, no autograd graph but the needed, the faster of eager and
torch.compile, fused Adam.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).with_name("speed.jsonl")
CONFIG = "configs/pacgan_grid.py"


def jaxgan_rate(seeds: int, steps: int) -> float:
    """Steps a second of the program itself, its first call and start-up left out."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "jaxgan.main", "--config", CONFIG, "--workdir", folder]
        command += [f"--config.seeds={seeds}", f"--config.train.steps={steps}"]
        command += [f"--config.{name}.every=0" for name in ("eval", "sample", "checkpoint")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        summary = json.loads((Path(folder) / "summary.json").read_text())
    return summary["images_per_sec"] / 100


def torch_rate(steps: int, compiled: bool) -> float:
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Maxout(nn.Module):
        def __init__(self, inputs: int, units: int, pieces: int = 5):
            super().__init__()
            self.linear = nn.Linear(inputs, units * pieces)
            self.pieces = pieces

        def forward(self, x):
            return self.linear(x).unflatten(-1, (-1, self.pieces)).amax(-1)

    layers, width = [], 2
    for _ in range(4):
        layers += [nn.Linear(width, 400, bias=False), nn.BatchNorm1d(400), nn.ReLU()]
        width = 400
    gen = nn.Sequential(*layers, nn.Linear(400, 2))
    disc = nn.Sequential(Maxout(2, 200), Maxout(200, 200), Maxout(200, 200), nn.Linear(200, 1))
    for parameter in [*gen.parameters(), *disc.parameters()]:
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.02)
    adam = {"lr": 1e-4, "betas": (0.8, 0.999), "fused": True}
    gen_adam = torch.optim.Adam(gen.parameters(), **adam)
    disc_adam = torch.optim.Adam(disc.parameters(), **adam)
    side = torch.tensor([-4.0, -2.0, 0.0, 2.0, 4.0])
    centres = torch.cartesian_prod(side, side)
    data = centres[torch.randint(25, (100_000,))] + 0.05 * torch.randn(100_000, 2)
    gen_parameters, disc_parameters = list(gen.parameters()), list(disc.parameters())

    def losses(real, latents):
        fake = gen(latents)
        logits = disc(torch.cat([real, fake]))
        disc_loss = nn.functional.softplus(-logits[:100]).mean()
        disc_loss = disc_loss + nn.functional.softplus(logits[100:]).mean()
        return disc_loss, nn.functional.softplus(-logits[100:]).mean()

    losses = torch.compile(losses) if compiled else losses

    def step():
        real = data[torch.randint(len(data), (100,))]
        disc_loss, gen_loss = losses(real, torch.randn(100, 2))
        # Each player's gradient of its own loss, at the same point, as both move at once.
        disc_gradients = torch.autograd.grad(disc_loss, disc_parameters, retain_graph=True)
        gen_gradients = torch.autograd.grad(gen_loss, gen_parameters)
        for parameter, gradient in zip(disc_parameters, disc_gradients, strict=True):
            parameter.grad = gradient
        for parameter, gradient in zip(gen_parameters, gen_gradients, strict=True):
            parameter.grad = gradient
        disc_adam.step()
        gen_adam.step()

    for _ in range(20):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps / (time.perf_counter() - start)


def in_process(kind: str, steps: int) -> float:
    """The rate that this file prints when it is started for one kind alone.

    0 where PyTorch cannot compile; any other failure ends the measurement.
    """
    command = [sys.executable, __file__, "--kind", kind, "--steps", str(steps)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=kind != "compiled")
    return float(done.stdout.split()[-1]) if done.returncode == 0 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2000, help="of one seed; of ten a quarter")
    parser.add_argument("--kind", choices=("one", "ten", "eager", "compiled"), help="only this")
    flags = parser.parse_args()
    if flags.kind:
        rates = {
            "one": lambda: jaxgan_rate(1, flags.steps),
            "ten": lambda: jaxgan_rate(10, flags.steps),
            "eager": lambda: torch_rate(flags.steps, compiled=False),
            "compiled": lambda: torch_rate(flags.steps, compiled=True),
        }
        print(rates[flags.kind]())
        return
    kinds = {"one": flags.steps, "ten": flags.steps // 4, "eager": flags.steps // 2,
             "compiled": flags.steps // 2}  # fmt: skip
    measured: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(flags.rounds):
        for kind, steps in kinds.items():
            measured[kind].append(in_process(kind, steps))
    with RESULTS.open("a") as file:
        file.write(json.dumps({"date": date.today().isoformat(), "steps_per_sec": measured}) + "\n")
    middle = {kind: statistics.median(values) for kind, values in measured.items()}
    for kind, values in measured.items():
        print(f"{kind:<10} {middle[kind]:8.1f} steps/s  ({min(values):.1f} to {max(values):.1f})")
    best = max(middle["eager"], middle["compiled"])
    print(f"one seed over the best PyTorch: {middle['one'] / best:.2f}")
    print(f"ten seeds cost {middle['one'] / middle['ten']:.1f} times as much as one")


if __name__ == "__main__":
    main()
