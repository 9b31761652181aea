"""What a run tells: metric lines, TensorBoard events, image grids, progress on the terminal."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboardX import SummaryWriter
from tqdm import tqdm

SHOWN = ("disc/loss", "gen/loss", "disc/real_logit", "disc/fake_logit")  # on the terminal


def to_uint8(images: Any) -> np.ndarray:
    """Images in [-1, 1] as uint8: floor(127.5 x + 128), clamped to 0..255."""
    return np.clip(np.floor(np.asarray(images, np.float32) * 127.5 + 128), 0, 255).astype(np.uint8)


def save_grid(path: Path, images: Any) -> None:
    """Writes images in [-1, 1], [rows, columns, H, W, C], as one PNG; small ones are enlarged.

    Grey (C = 1), RGB (3) and RGBA (4) as they are; of other numbers of channels the first.
    """
    rows, columns, height, width, channels = images.shape
    grid = to_uint8(images).transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, -1)
    grid = grid if channels in (3, 4) else grid[:, :, 0]
    picture = Image.fromarray(grid)
    scale = max(1, 512 // max(picture.size))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.NEAREST)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The complete lines of a metrics file; a torn last line, of a killed run, is left out."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


class Report:
    """The files of one run in its workdir, and its lines on the terminal.

    first_step: where this start of the run begins; lines of later steps, from an earlier start
    that went on beyond its last checkpoint, are dropped.
    """

    def __init__(self, workdir: Path, *, first_step: int, steps: int, batch_images: int):
        self._workdir, self._path = workdir, workdir / "metrics.jsonl"
        kept = [line for line in read_metrics(self._path) if line["step"] <= first_step]
        self._path.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self.seconds_before = kept[-1]["seconds"] if kept else 0.0
        self._batch_images = batch_images
        self._events = SummaryWriter(str(workdir / "tensorboard"), purge_step=first_step + 1)
        self._bar = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=steps, initial=first_step, unit="step", dynamic_ncols=True)
        self._width = len(str(steps))

    def say(self, message: str) -> None:
        """A line on the terminal."""
        if self._bar:
            self._bar.write(message, file=sys.stderr)
        else:
            print(message, file=sys.stderr, flush=True)

    def log(self, step: int, metrics: Mapping[str, float], *, seconds: float, speed: float) -> dict:
        """Appends one line of metrics. seconds: of the whole run; speed: images a second."""
        line = {
            "step": step,
            "images": step * self._batch_images,
            "seconds": round(self.seconds_before + seconds, 3),
            "images_per_sec": round(speed, 2),
            **{name: float(metrics[name]) for name in sorted(metrics)},
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in line.items():
            if name not in ("step", "images", "seconds"):
                self._events.add_scalar(name, value, step)
        shown = {name: f"{line[name]:.3g}" for name in SHOWN if name in line}
        if self._bar:
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix({"images/s": f"{speed:.0f}", **shown})
        else:
            values = "  ".join(f"{name} {value}" for name, value in shown.items())
            self.say(f"step {step:>{self._width}}  {speed:7.0f} images/s  {values}")
        return line

    def add(self, step: int, metrics: Mapping[str, float], *, seconds: float) -> None:
        """Appends a line of scores."""
        line = {"step": step, "seconds": round(self.seconds_before + seconds, 3), **metrics}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in metrics.items():
            self._events.add_scalar(name, value, step)

    def grid(self, name: str, images: Any, step: int) -> None:
        """Saves `samples/<name>.png` of images [rows, columns, H, W, C]."""
        path = self._workdir / "samples" / f"{name}.png"
        save_grid(path, np.asarray(images))
        self._events.add_image(
            name if name in ("reals", "init") else "samples",
            np.asarray(Image.open(path).convert("RGB")),
            step,
            dataformats="HWC",
        )

    def summarize(self, summary: Mapping[str, Any]) -> None:
        """Writes `summary.json`."""
        (self._workdir / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")

    def close(self) -> None:
        self._events.close()
        if self._bar:
            self._bar.close()
