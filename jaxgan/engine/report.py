"""What a run tells: metric lines, TensorBoard events, image grids, progress on the terminal."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from jaxgan.engine.tensorboard import TensorBoard

SHOWN = ("disc/loss", "gen/loss", "disc/real_logit", "disc/fake_logit")  # on the terminal
FRAME = 100  # milliseconds of a film


def to_uint8(images: Any) -> np.ndarray:
    """Images in [-1, 1] as uint8: floor(127.5 x + 128), clamped to 0..255."""
    return np.clip(np.floor(np.asarray(images, np.float32) * 127.5 + 128), 0, 255).astype(np.uint8)


def tiled(images: Any) -> Image.Image:
    """Images in [-1, 1], [rows, columns, H, W, C], as one picture; small ones are enlarged.

    Grey (C = 1), RGB (3) and RGBA (4) as they are; of other numbers of channels the first.
    """
    rows, columns, height, width, channels = images.shape
    grid = to_uint8(images).transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, -1)
    grid = grid if channels in (3, 4) else grid[:, :, 0]
    picture = Image.fromarray(grid)
    scale = max(1, 512 // max(picture.size))
    return picture.resize((picture.width * scale, picture.height * scale), Image.NEAREST)


def save_grid(path: Path, images: Any) -> None:
    """Writes `tiled` images as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tiled(images).save(path)


def summary_of(metrics: Mapping[str, Any]) -> tuple[dict, dict, dict]:
    """Means over seeds, their standard errors, and each seed's values; the latter two of many.

    A seed whose value is no number counts in none of them, and is None.
    """
    means, errors, each = {}, {}, {}
    for name in sorted(metrics):
        values = np.asarray(metrics[name], np.float64)
        if values.ndim == 0:
            means[name] = float(values)
            continue
        good = values[np.isfinite(values)]
        means[name] = float(good.mean()) if len(good) else None
        errors[name] = float(good.std(ddof=1) / len(good) ** 0.5) if len(good) > 1 else None
        each[name] = [float(v) if np.isfinite(v) else None for v in values]
    return means, errors, each


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a file of JSON, each with a step.

    A torn one, of a run that was killed or had no space to write, is left out.
    """
    lines = []
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict) and type(read.get("step")) is int:
            lines.append(read)
    return lines


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a metrics file."""
    return [line for line in read_lines(path) if "seconds" in line]


def replace_text(path: Path, text: str) -> None:
    """Writes a file so that a kill leaves the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def keep_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Makes `lines` all that the file holds; one that holds just them is left as it is."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    if not path.exists() or path.read_bytes() != text.encode():
        replace_text(path, text)


class Report:
    """The files of one run in its workdir, and its lines on the terminal.

    config: the text of `config.json`. images: of one step. first_step: where this start of the run
    begins; lines of later steps, from an earlier start that went on beyond its last checkpoint,
    are dropped.
    """

    def __init__(self, workdir: Path, *, config: str, first_step: int, steps: int, images: int):
        self._workdir, self._path = workdir, workdir / "metrics.jsonl"
        self._images, self._steps, self._width = images, steps, len(str(steps))
        if config:
            replace_text(workdir / "config.json", config)
        lines = read_metrics(self._path)
        kept = [line for line in lines if line["step"] <= first_step]
        keep_lines(self._path, kept)
        self._seconds_before = kept[-1]["seconds"] if kept else 0.0
        self._events = TensorBoard(workdir / "tensorboard", first_step=first_step)
        self._bar = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=steps, initial=first_step, unit="step", dynamic_ncols=True)

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *error) -> None:
        self._events.close()
        if self._bar:
            self._bar.close()

    def say(self, message: str) -> None:
        """A line on the terminal."""
        if self._bar:
            self._bar.write(message, file=sys.stderr)
        else:
            print(message, file=sys.stderr, flush=True)

    def log(
        self,
        step: int,
        metrics: Mapping[str, float],
        *,
        seconds: float,
        steps_per_sec: float | None,
    ) -> dict[str, Any]:
        """Appends one line of metrics and returns it.

        seconds: since this start. steps_per_sec: None where no step was timed yet.
        """
        mean, error, each = summary_of(metrics)
        speed = None if steps_per_sec is None else round(steps_per_sec * self._images, 2)
        line = {
            "step": step,
            "images": step * self._images,
            "seconds": round(self._seconds_before + seconds, 3),
            "images_per_sec": speed,
            **mean,
        }
        if each:
            line |= {"standard_error": error, "seeds": each}
        self._tell(line)
        return line

    def _tell(self, line: Mapping[str, Any]) -> None:
        """Writes a line of metrics, and shows it."""
        step, speed = line["step"], line["images_per_sec"]
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in line.items():
            if name not in ("step", "images", "seconds") and isinstance(value, float):
                self._events.add_scalar(name, value, step)
        self._events.flush()
        shown = {name: f"{line[name]:.3g}" for name in SHOWN if name in line}
        rate = "" if speed is None else f"{speed:.0f}"
        if self._bar:
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix({"images/s": rate, **shown})
        else:
            values = "  ".join(f"{name} {value}" for name, value in shown.items())
            self.say(f"step {step:>{self._width}}  {rate:>7} images/s  {values}")

    def grid(self, name: str, images: Any, step: int) -> None:
        """Saves `samples/<name>.png` of images [rows, columns, H, W, C]."""
        save_grid(self.samples / f"{name}.png", np.asarray(images))
        self._show(name, step)

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Saves `samples/<name>.png` of uint8 pixels [H, W, 3]."""
        self.samples.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(self.samples / f"{name}.png")
        self._show(name, step)

    def film(self) -> None:
        """Saves `samples/training.gif` of all pictures so far."""
        of_steps = sorted(self.samples.glob("[0-9]*.png"), key=lambda path: int(path.stem))
        paths = [self.samples / "init.png", *of_steps]
        frames = (Image.open(path) for path in paths if path.exists())  # one file at a time
        next(frames).save(
            self.samples / "training.gif",
            save_all=True,
            append_images=frames,
            duration=FRAME,
            loop=0,
        )

    @property
    def samples(self) -> Path:
        return self._workdir / "samples"

    def _show(self, name: str, step: int) -> None:
        path = self.samples / f"{name}.png"
        picture = np.asarray(Image.open(path).convert("RGB"))
        tag = name if name in ("reals", "init") else "samples"
        self._events.add_image(tag, picture, step)

    def summarize(self, summary: Mapping[str, Any]) -> None:
        """Writes `summary.json`."""
        replace_text(self._workdir / "summary.json", json.dumps(summary, indent=2) + "\n")

    def summary(self) -> dict[str, Any] | None:
        """The summary of a run of so many steps; None where there is none, or a damaged one."""
        try:
            summary = json.loads((self._workdir / "summary.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        needed = {"steps", "seconds", "images_per_sec"}
        whole = isinstance(summary, dict) and needed <= summary.keys()
        return summary if whole and summary["steps"] == self._steps else None

    def last_line(self) -> dict[str, Any]:
        """The last line of metrics; where there is none, one that tells nothing."""
        nothing = {"images": 0, "seconds": 0.0, "images_per_sec": 0.0}
        return [nothing, *read_metrics(self._path)][-1]


class Unwritten(Report):
    """The report of a process that is not the first of several: it writes and shows nothing."""

    def __init__(self, workdir: Path, *, config: str, first_step: int, steps: int, images: int):
        self._workdir, self._images, self._seconds_before = workdir, images, 0.0

    def __exit__(self, *error) -> None:
        pass

    def say(self, message: str) -> None:
        pass

    def grid(self, name: str, images: Any, step: int) -> None:
        pass

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        pass

    def film(self) -> None:
        pass

    def summarize(self, summary: Mapping[str, Any]) -> None:
        pass

    def _tell(self, line: Mapping[str, Any]) -> None:
        pass
