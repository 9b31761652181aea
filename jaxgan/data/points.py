"""Distributions whose modes are known: points by seed, made at the start, float32 [N, d].

What makes mode collapse countable. Settings of the ring and the grid are PacGAN's (Lin et al. 2018,
sec. 4.1), of the mixture in 1,200 dimensions VEEGAN's (Srivastava et al. 2017). A point's label is
the number of its mode; `labels=False` leaves labels out.
"""

import pathlib

import numpy as np

from jaxgan.data.dataset import Dataset, Modes
from jaxgan.data.npz import read_npz
from jaxgan.errors import UsageError


def load_ring(
    *,
    num_points: int = 100_000,
    num_modes: int = 8,
    radius: float = 1.0,
    sigma: float = 0.01,
    points_seed: int = 0,
    labels: bool | None = None,
) -> Dataset:
    """Gaussians of deviation `sigma` at even places of a circle of `radius`, [N, 2]."""
    _positive(num_modes=num_modes, radius=radius, sigma=sigma)
    angles = 2 * np.pi * np.arange(num_modes) / num_modes
    centres = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _around("ring", centres, sigma, num_points, points_seed, labels)


def load_grid(
    *,
    num_points: int = 100_000,
    side: int = 5,
    spacing: float = 2.0,
    sigma: float = 0.05,
    points_seed: int = 0,
    labels: bool | None = None,
) -> Dataset:
    """Gaussians of deviation `sigma` on a square of `side` x `side` places about 0, [N, 2]."""
    _positive(side=side, spacing=spacing, sigma=sigma)
    places = spacing * (np.arange(side) - (side - 1) / 2)
    centres = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    return _around("grid", centres, sigma, num_points, points_seed, labels)


def load_mixture(
    *,
    num_points: int = 20_000,
    num_modes: int = 10,
    dimension: int = 1200,
    inner_dimension: int = 700,
    spread: float = 1.0,
    sigma: float = 0.1,
    points_seed: int = 0,
    labels: bool | None = None,
) -> Dataset:
    """Gaussians of deviation `sigma` in a subspace of `inner_dimension`, [N, dimension].

    The subspace is random, and so are the centres in it: N(0, spread^2) in each coordinate. A point
    of a mode lies near a sphere of radius sigma sqrt(inner_dimension) about its centre, so that is
    the unit in which `Modes.sigma` counts distances.
    """
    _positive(num_modes=num_modes, spread=spread, sigma=sigma)
    if not 0 < inner_dimension <= dimension:
        raise UsageError(
            f"inner_dimension is {inner_dimension}; expected 1 to dimension, {dimension}"
        )
    rng = _rng(points_seed, 1)
    basis, _ = np.linalg.qr(rng.standard_normal((dimension, inner_dimension)))
    inner = spread * rng.standard_normal((num_modes, inner_dimension))
    which, noise = _draws(num_modes, inner_dimension, num_points, points_seed)
    points = (inner[which] + sigma * noise) @ basis.T
    modes = Modes(inner @ basis.T, sigma * inner_dimension**0.5)
    return _dataset("mixture", points, which, modes, labels)


def load_spiral(
    *,
    num_points: int = 100_000,
    turns: float = 2.0,
    sigma: float = 0.02,
    points_seed: int = 0,
) -> Dataset:
    """Points at even lengths of an Archimedean spiral that ends at radius 1, with noise, [N, 2]."""
    _positive(num_points=num_points, turns=turns, sigma=sigma)
    rng = _rng(points_seed)
    # The length of r = a t is near a t^2 / 2.
    t = 2 * np.pi * turns * np.sqrt(rng.uniform(size=num_points))
    points = (t / (2 * np.pi * turns))[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)
    return _dataset("spiral", points + sigma * rng.standard_normal(points.shape))


def load_two_moons(
    *,
    num_points: int = 100_000,
    sigma: float = 0.05,
    points_seed: int = 0,
    labels: bool | None = None,
) -> Dataset:
    """Two half circles of radius 1 that reach into each other, with noise, [N, 2]."""
    _positive(num_points=num_points, sigma=sigma)
    rng = _rng(points_seed)
    angles, lower = np.pi * rng.uniform(size=num_points), rng.integers(0, 2, num_points)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.where(lower[:, None], [1.0, 0.5] - upper, upper) - [0.5, 0.25]
    points += sigma * rng.standard_normal(points.shape)
    return _dataset("two_moons", points, lower, labels=labels)


def load_gaussian(
    *,
    num_points: int = 100_000,
    dimension: int = 2,
    sigma: float = 1.0,
    points_seed: int = 0,
    labels: bool | None = None,
) -> Dataset:
    """One Gaussian about 0, [N, dimension].

    A point lies near a sphere of radius sigma sqrt(dimension), so that with more than two
    dimensions the unit in which `Modes.sigma` counts distances grows as that does.
    """
    _positive(dimension=dimension, sigma=sigma)
    which, noise = _draws(1, dimension, num_points, points_seed)
    unit = sigma * max(1.0, dimension / 2) ** 0.5
    modes = Modes(np.zeros((1, dimension)), unit)
    return _dataset("gaussian", sigma * noise, which, modes, labels)


def load_points(*, dir: str = "") -> Dataset:
    """The points of a .npz file `dir`: `points`, real numbers [N, d].

    With `centres` [K, d] and a number `sigma` in the file modes can be counted. It holds nothing
    else.

    Raises:
      UsageError: the file is missing, or does not hold these.
    """
    path = pathlib.Path(dir).expanduser()
    if not dir or not path.is_file():
        raise UsageError(f"data set 'points' needs dir, a .npz file with points; got {dir!r}")
    arrays = read_npz(path)
    points = arrays.pop("points", np.zeros(0))
    if not _finite_rows(points):
        raise UsageError(
            f"{path} must hold points, finite numbers [N, d] in the range of float32; it holds "
            + ", ".join(f"{k} {list(v.shape)}" for k, v in ({"points": points} | arrays).items())
        )
    modes = None
    if arrays:
        centres, sigma = arrays.pop("centres", np.zeros(0)), arrays.pop("sigma", np.zeros(()))
        fits = _finite_rows(centres) and centres.shape[1] == points.shape[1]
        if arrays or not fits or sigma.ndim or sigma.dtype.kind not in "fiu" or not sigma > 0:
            raise UsageError(
                f"{path}: beside points there may be centres, finite numbers "
                f"[K, {points.shape[1]}], with sigma, a number above 0"
                + (f"; it holds {', '.join(arrays)}" if arrays else "")
            )
        modes = Modes(centres, float(sigma))
    return _dataset(path.stem, points, modes=modes)


def _finite_rows(array: np.ndarray) -> bool:
    """Whether it is [N, d] of numbers that float32 can hold."""
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        return False
    with np.errstate(over="ignore"):
        return bool(np.isfinite(array.astype(np.float32)).all())


def _around(
    name: str, centres: np.ndarray, sigma: float, count: int, seed: int, labels: bool | None
) -> Dataset:
    which, noise = _draws(len(centres), centres.shape[1], count, seed)
    return _dataset(name, centres[which] + sigma * noise, which, Modes(centres, sigma), labels)


def _rng(seed: int, *more: int) -> np.random.Generator:
    if seed < 0:
        raise UsageError(f"points_seed is {seed}; expected a whole number from 0 on")
    return np.random.default_rng([seed, *more] if more else seed)


def _draws(modes: int, dimension: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The mode of each point, and its noise, N(0, I)."""
    _positive(num_points=count)
    rng = _rng(seed)
    return rng.integers(0, modes, count), rng.standard_normal((count, dimension))


def _dataset(
    name: str,
    points: np.ndarray,
    which: np.ndarray | None = None,
    modes: Modes | None = None,
    labels: bool | None = None,
) -> Dataset:
    """which: the part that each point is of. labels: whether that is its label; None: if known."""
    keep = which is not None and labels is not False
    count = int(which.max()) + 1 if keep else 0
    return Dataset(
        name=name,
        images=points.astype(np.float32),
        labels=which if keep else None,
        classes=tuple(map(str, range(count))),
        modes=modes,
    )


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise UsageError(f"{name} must be positive; got {value}")
