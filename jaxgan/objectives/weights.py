"""How a term's weight follows from images and batch, by name."""

from collections.abc import Callable


def constant(pixels: int, batch_size: int) -> float:
    """The weight is what it is."""
    return 1.0


def size(pixels: int, batch_size: int) -> float:
    """So many times the weight, over the batch, as there are pixels in an image.

    Karras et al. 2020 (training GANs with limited data), appendix C: gamma of R1 is 0.0002 times
    resolution^2 over the batch size, where nothing better is known.
    """
    return pixels / batch_size


WEIGHTS: dict[str, Callable[[int, int], float]] = {"constant": constant, "size": size}
