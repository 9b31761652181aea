"""Protocols: the choices that a score hides, by the name of the code that made them.

Two libraries disagree on one pair of image sets by how they enlarge images for the Inception, by
the divisor of a covariance, by the order of rows. Here those choices are data. A protocol changes
the input of the Inception alone; other networks have one input each, their own.
"""

import dataclasses

import numpy as np

from jaxgan.metrics.features import Description


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """Attributes:
    resize: filter to 299x299, a key of `features.RESIZES`.
    mean, std: the Inception sees (pixel - mean) / std of 0 to 255.
    ddof: covariances are divided by n - ddof.
    splits: parts of the rows whose scores the Inception score averages.
    shuffle: whether rows are permuted before they are split.
    subsets, subset_size: of the kernel distance; fewer images make smaller subsets.
    convention: of precision and recall, a key of `neighbours.CONVENTIONS`.
    seed: of `numpy.random.RandomState`, for subsets and the shuffling.
    """

    resize: str = "tf1"
    mean: float = 128.0
    std: float = 128.0
    ddof: int = 1
    splits: int = 10
    shuffle: bool = True
    subsets: int = 100
    subset_size: int = 1000
    convention: str = "stylegan"
    seed: int = 2020

    def rng(self) -> np.random.RandomState:
        """A fresh one for each score, so that no score depends on which others were asked for."""
        return np.random.RandomState(self.seed)

    def of(self, description: Description) -> Description:
        """The network with this protocol's input."""
        if description.name != "inception":
            return description
        return dataclasses.replace(description, resize=self.resize, mean=self.mean, std=self.std)


# As the reference implementations of 2026 do by default.
PROTOCOLS: dict[str, Protocol] = {
    # Resizes as the graph of the original network does; shuffles before splitting.
    "torch-fidelity": Protocol(),
    # Heusel et al. 2017's own code, and Salimans et al. 2016's for the Inception score.
    "tf": Protocol(shuffle=False),
    # Between pixel centres, without antialiasing; the input reaches from -1 to 1 exactly.
    "pytorch-fid": Protocol(resize="half_pixel", mean=127.5, std=127.5),
    # Parmar et al. 2022: Pillow's bicubic filter in float32, clipped to 0..255.
    "clean-fid": Protocol(resize="pil_bicubic"),
    # StyleGAN2-ADA and 3: streamed moments divided by n; no shuffling.
    "stylegan": Protocol(ddof=0, shuffle=False),
}
DEFAULT = "torch-fidelity"
