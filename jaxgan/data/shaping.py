"""Brings images of any size and mode to one resolution and number of channels."""

import concurrent.futures
import dataclasses
import os

import numpy as np
from PIL import Image

from jaxgan.errors import UsageError, unknown

RESIZES = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}
CROPS = ("center", "pad", "resize")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shaping:
    """How an image becomes uint8 [resolution, resolution, channels].

    The order is: channels, crop, resize. Transparent images lie on white before they become RGB
    or grey, so that no hidden colour bleeds into their edges; grey is ITU-R 601 luma.

    Attributes:
      resolution: side in pixels; 0 leaves the size alone.
      channels: 1 grey, 3 RGB, 4 RGBA; 0 leaves them alone.
      resize: filter, a key of `RESIZES`; all but nearest are antialiased when they shrink.
      crop: "center" takes the largest central square, then resizes it; "resize" ignores the
        aspect; "pad" shrinks what is too large with its aspect kept, never enlarges, and fills
        the rest with the value 0 on all sides (28 -> 32: two pixels each).

    Raises:
      UsageError: a value outside these.
    """

    resolution: int = 0
    channels: int = 0
    resize: str = "lanczos"
    crop: str = "center"

    def __post_init__(self):
        if not isinstance(self.resolution, int) or not 0 <= self.resolution <= 65536:
            raise UsageError(
                f"resolution is {self.resolution!r}; "
                "expected a side in pixels, or 0 for the set's own"
            )
        if self.channels not in (0, *MODES):
            raise UsageError(
                f"channels is {self.channels!r}; expected 1 (grey), 3 (RGB), 4 (RGBA), "
                "or 0 for the set's own"
            )
        if self.resize not in RESIZES:
            raise unknown("resize filter", self.resize, RESIZES)
        if self.crop not in CROPS:
            raise unknown("crop", self.crop, CROPS)

    def image(self, image: Image.Image) -> np.ndarray:
        """uint8 [H, W, C] of one Pillow image."""
        if self.channels:
            image = _to_channels(image, self.channels)
        if self.resolution and image.size != (self.resolution, self.resolution):
            image = self._square(image)
        array = np.asarray(image)
        return array[:, :, None] if array.ndim == 2 else array

    def array(self, array: np.ndarray) -> np.ndarray:
        """uint8 [H', W', C'] of uint8 [H, W, C]; the same array when nothing is to change."""
        if self._leaves(array.shape):
            return array
        grey = array.shape[-1] == 1
        return self.image(Image.fromarray(array[..., 0] if grey else array))

    def arrays(self, images: np.ndarray, name: str) -> np.ndarray:
        """uint8 [N, H', W', C'] of uint8 [N, H, W, C]; the same array when nothing is to change.

        Raises:
          UsageError: something is to change, and C is not 1, 3 or 4; the message names `name`.
        """
        if len(images) == 0 or self._leaves(images.shape[1:]):
            return images
        self.check_channels(images.shape[-1], name)
        first = self.array(images[0])
        shaped = np.empty((len(images), *first.shape), np.uint8)

        def shape_one(i: int) -> None:
            shaped[i] = self.array(images[i])

        parallel_map(shape_one, range(len(images)))
        return shaped

    def check_channels(self, channels: int, name: str) -> None:
        """Raises UsageError if a set of so many channels cannot be shaped."""
        if (self.resolution or self.channels) and channels not in MODES:
            raise UsageError(
                f"data set {name!r} has {channels} channels; only 1, 3 or 4 can be resized or "
                "converted, so leave resolution and channels at 0"
            )

    def _leaves(self, shape: tuple[int, ...]) -> bool:
        height, width, channels = shape
        same_size = not self.resolution or height == width == self.resolution
        return same_size and self.channels in (0, channels)

    def _square(self, image: Image.Image) -> Image.Image:
        side, (width, height) = self.resolution, image.size
        resample = RESIZES[self.resize]
        if self.crop == "resize":
            return image.resize((side, side), resample)
        if self.crop == "center":
            short = min(width, height)
            left, top = (width - short) // 2, (height - short) // 2
            # resize's own `box` would let the filter see what lies outside of the square.
            image = image.crop((left, top, left + short, top + short))
            return image.resize((side, side), resample)
        scale = min(1.0, side / max(width, height))
        fitted = max(1, round(width * scale)), max(1, round(height * scale))
        if fitted != image.size:
            image = image.resize(fitted, resample)
        canvas = Image.new(image.mode, (side, side), 0)
        canvas.paste(image, ((side - fitted[0]) // 2, (side - fitted[1]) // 2))
        return canvas


def can_be_shaped(shape: tuple[int, ...]) -> bool:
    """Whether a resolution and channels can ask for this shape, (H, W, C)."""
    height, width, channels = shape
    return height == width and channels in MODES


def _to_channels(image: Image.Image, channels: int) -> Image.Image:
    mode = MODES[channels]
    see_through = mode != "RGBA" and image.has_transparency_data  # by a colour of RGB and grey too
    if image.mode == mode and not see_through:
        return image
    if see_through:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert(mode)


def parallel_map(function, items) -> list:
    """[function(item) for item in items] by a few threads; Pillow lets go of the GIL."""
    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, items))
