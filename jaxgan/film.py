"""Frames as a film: GIF by Pillow, MP4 by ffmpeg."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from jaxgan.errors import UsageError

FRAMES_PER_SECOND = 25


def save_gif(path: Path, frames: np.ndarray) -> None:
    """frames: uint8 [F, H, W, 3]; it plays for ever."""
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=1000 // FRAMES_PER_SECOND,
        loop=0,
    )


def save_mp4(path: Path, frames: np.ndarray) -> None:
    """frames: uint8 [F, H, W, 3]. An odd side gets a line more, as H.264 wants even ones.

    Raises:
      UsageError: there is no ffmpeg, or it fails.
    """
    odd = [(0, side % 2) for side in frames.shape[1:3]]
    frames = np.pad(frames, ((0, 0), *odd, (0, 0)), mode="edge")
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FRAMES_PER_SECOND)]
    command = [find_ffmpeg(), "-y", "-loglevel", "error", *source, "-i", "-"]
    command += ["-an", "-pix_fmt", "yuv420p", str(path)]
    done = subprocess.run(command, input=frames.tobytes(), capture_output=True)
    if done.returncode:
        line = next(iter(done.stderr.decode(errors="replace").splitlines()), "it says nothing")
        raise UsageError(f"ffmpeg could not write {path}: {line}; a .gif needs no ffmpeg")


def find_ffmpeg() -> str:
    """The program that imageio-ffmpeg brings, or the one on the path.

    Raises:
      UsageError: there is neither.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # absent, or without a program for this machine
        found = shutil.which("ffmpeg")
    if found:
        return found
    raise UsageError("an .mp4 needs ffmpeg: pip install imageio-ffmpeg, or take a .gif")


FILMS: dict[str, Callable[[Path, np.ndarray], None]] = {".gif": save_gif, ".mp4": save_mp4}
