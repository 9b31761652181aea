"""Where a generator's images are looked for: among its latents, or among its styles.

A generator that has styles (networks/__init__.py) is walked, truncated and mixed in them, as its
authors do (Karras et al. 2019): there straight lines lead over images, and the mean has one.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.latents import draw
from jaxgan.networks.apply import apply
from jaxgan.networks.stylegan2_mapping import COLLECTION

Generator = dict[str, Any]


@dataclass(frozen=True)
class Latents:
    """Points are latents, [N, D]. A generator is {"params", "variables"} of `game.gen`."""

    game: AdversarialGame
    layers = 0  # that have a style

    @property
    def path(self) -> str:
        """Between points, unless told."""
        return "slerp" if self.game.gen.prior == "normal" else "linear"

    def check(self, truncation: float | None, flag: str = "--truncation") -> None:
        """Raises UsageError where there is no such truncation, which `flag` says."""
        if truncation is None:
            return
        if not 0 < truncation < math.inf:
            raise UsageError(
                f"{flag} must be positive for a generator without styles; got {truncation}"
            )
        if self.game.gen.prior != "normal":
            raise UsageError(f"{flag} is of a normal prior; this one is {self.game.gen.prior!r}")

    def draw(self, seed: int, count: int, truncation: float | None) -> jax.Array:
        """`count` latents of a seed, those beyond +-truncation drawn anew."""
        return draw(self.game.latents, self.game.gen.latent_dim, seed, count, truncation)

    def points(self, generator: Generator, latents, labels, truncation: float | None) -> jax.Array:
        return latents

    def images(self, generator: Generator, points, labels) -> jax.Array:
        return self.game.sample(generator["params"], generator["variables"], points, labels)


@dataclass(frozen=True)
class Styles(Latents):
    """Points are styles, [N, w_dim], or one for each layer, [N, layers * w_dim].

    Truncation brings them nearer to their mean: 1 leaves them, 0 is the mean.
    """

    @property
    def layers(self) -> int:
        return self.game.gen.layers

    @property
    def width(self) -> int:
        return self.game.gen.w_dim

    @property
    def path(self) -> str:
        return "linear"

    def check(self, truncation: float | None, flag: str = "--truncation") -> None:
        if truncation is not None and not math.isfinite(truncation):
            raise UsageError(f"{flag} must be finite; got {truncation}")

    def draw(self, seed: int, count: int, truncation: float | None) -> jax.Array:
        return super().draw(seed, count, None)

    def points(self, generator: Generator, latents, labels, truncation: float | None) -> jax.Array:
        share = 1.0 if truncation is None else truncation
        run = self._run(generator, latents, labels, truncation=share, method="styles")
        return run[:, 0]

    def images(self, generator: Generator, points, labels) -> jax.Array:
        return self._run(generator, self.in_layers(points), method="synthesize")

    def in_layers(self, points) -> jax.Array:
        """[N, layers, w_dim]."""
        given = points.reshape(len(points), -1, self.width)
        return jnp.broadcast_to(given, (len(points), self.layers, self.width))

    def _run(self, generator: Generator, *args, **how) -> jax.Array:
        params, variables = generator["params"], generator["variables"]
        dtype = self.game.dtype
        return apply(self.game.gen, params, variables, *args, train=False, dtype=dtype, **how)[0]


def mean_style(generator: Generator) -> jax.Array:
    """[w_dim]."""
    return generator["variables"][COLLECTION]["mapping"]["mean"]


def space_of(game: AdversarialGame) -> Latents:
    """The styles of a generator that has them, otherwise its latents."""
    return (Styles if hasattr(game.gen, "synthesize") else Latents)(game)


def mixed(rows: jax.Array, columns: jax.Array, layers: list[int]) -> jax.Array:
    """Each of rows [R, L, D] with the styles of each of columns [C, L, D] in `layers`.

    Returns [R, C, L, D].
    """
    taken = jnp.zeros(rows.shape[1], bool).at[jnp.array(layers)].set(True)
    return jnp.where(taken[:, None], columns[None], rows[:, None])


def directions(params: Any, layers: list[int], count: int) -> np.ndarray:
    """The unit vectors [count, w_dim] in w that change the scales of these layers most.

    SeFa (Shen and Zhou 2021, eq. 5 and 6): eigenvectors of the sum over layers of A A^T, A the
    affine map from a style to a layer's scales, from the largest eigenvalue down. A layer that
    only makes images has no scales that count. Of the two signs that one in which the largest
    entry is positive.

    Raises:
      UsageError: none of the layers has scales.
    """
    found = params["synthesis"]
    names = [name for name in (f"StyledConv_{layer}" for layer in layers) if name in found]
    if not names:
        raise UsageError(f"--layers: none of {layers} is a layer with scales")
    affine = [np.asarray(found[name]["affine"]["kernel"], np.float64) for name in names]
    affine = np.concatenate(affine, axis=1)
    _, vectors = np.linalg.eigh(affine @ affine.T)
    vectors = vectors[:, ::-1][:, :count].T
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return (vectors * np.sign(largest)).astype(np.float32)
