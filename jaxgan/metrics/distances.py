"""Euclidean neighbours and balls in bounded memory: float32 finds, float64 decides.

Squared distances come a block at a time from the device, as |x|^2 + |y|^2 - 2 x.y in float32 with
the features about their common mean, which spares the digits that a large mean would cost. The
error of one is, with wide room, at most

    slack (|x|^2 + |y|^2),   slack = (4 sqrt(d) + 16) 2^-23   (2e-5 at d = 2048)            (1)

since roundings add up like sqrt(d) (Higham & Mary 2019). What is nearer to a threshold than that is
computed again on the host, in float64, from the differences of the features as they were given. So
distances that are returned are float64's, and a pair at exactly the radius is told from one within.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.metrics.inputs import row_blocks

BLOCK = 2048  # a block of distances has at most BLOCK x BLOCK values
WIDENED = 2**21  # values of differences that the host holds at a time in float64
SPARE = 2  # candidates beyond the k-th, lest rounding order them wrongly
FEW = 256  # rows at a time that are searched again


class Neighbours(NamedTuple):
    """Of each of N samples the k nearest, nearest first.

    indices: [N, k] int64.
    distances: [N, k] float64.
    """

    indices: np.ndarray
    distances: np.ndarray


class Balls(NamedTuple):
    """How balls around N centres and M points meet.

    around: [M] int64, how many balls each point is in.
    within: [N] int64, how many points each ball holds.
    """

    around: np.ndarray
    within: np.ndarray


class _Cloud(NamedTuple):
    exact: np.ndarray  # [N, d] as given
    points: jax.Array  # [N, d] about a common centre, over a common scale
    squares: jax.Array  # [N] their squared norms


def nearest(x: np.ndarray, y: np.ndarray, k: int = 1) -> Neighbours:
    """Of each row of x [N, d] the k nearest rows of y [M, d], k <= M."""
    (a, b), scale = _clouds(x, y)
    search = _Search(len(x), min(k + SPARE, len(y)))
    for i in row_blocks(len(x), BLOCK):
        for j in row_blocks(len(y), BLOCK):
            search.see(i, j, _squared(a.points[i], a.squares[i], b.points[j], b.squares[j]))
    found = _decide(x, y, search.indices, k)
    return found if len(y) <= k + SPARE else _mend(found, search, a, b, scale)


def nearest_others(x: np.ndarray, k: int = 1) -> Neighbours:
    """Of each row of x [N, d] the k nearest other rows, k < N; duplicates are others, at 0."""
    (a,), scale = _clouds(x)
    search = _Search(len(x), min(k + SPARE, len(x) - 1))
    blocks = row_blocks(len(x), BLOCK)
    for n, i in enumerate(blocks):
        for j in blocks[n:]:  # the matrix is symmetric: half of the products do
            squared = _squared(a.points[i], a.squares[i], a.points[j], a.squares[j])
            if i == j:
                search.see(i, j, _without_self(squared))
            else:
                search.see(i, j, squared)
                search.see(j, i, squared.T)
    found = _decide(x, x, search.indices, k)
    return found if len(x) <= k + SPARE + 1 else _mend(found, search, a, a, scale, others=True)


def balls(
    x: np.ndarray,
    y: np.ndarray,
    x_radii: np.ndarray,
    y_radii: np.ndarray | None = None,
    *,
    closed: bool,
) -> tuple[Balls, Balls | None]:
    """Balls around the rows of x against the points y, and around the rows of y against x.

    x, y: [N, d], [M, d]; the radii [N], [M] in float64, of one ball per row; without `y_radii` the
    second answer is None. A closed ball holds the points at its radius, an open one does not.
    """
    (a, b), scale = _clouds(x, y)
    first = _Census(a, b, x_radii, scale, closed)
    second = None if y_radii is None else _Census(b, a, y_radii, scale, closed)
    for i in row_blocks(len(x), BLOCK):
        for j in row_blocks(len(y), BLOCK):
            squared = _squared(a.points[i], a.squares[i], b.points[j], b.squares[j])
            first.see(i, j, squared)
            if second is not None:
                second.see(j, i, squared.T)
    return first.balls, None if second is None else second.balls


def slack(features: int) -> float:
    """Eq. 1's factor."""
    return (4.0 * features**0.5 + 16.0) * 2.0**-23


def _clouds(*sets: np.ndarray) -> tuple[list[_Cloud], float]:
    """The sets on the device about their common mean, over the largest norm, which is returned."""
    total = sum(rows.sum(axis=0, dtype=np.float64) for rows in sets)
    centre = total / sum(len(rows) for rows in sets)
    # As the coarsest of them has it: a shift common to all rows moves no distance.
    centre = centre.astype(min((rows.dtype for rows in sets), key=lambda dtype: dtype.itemsize))
    centred = [rows - centre.astype(rows.dtype) for rows in sets]
    squares = [np.einsum("nd,nd->n", rows, rows, dtype=np.float64) for rows in centred]
    # Unit scale keeps squares of very large or small features within float32.
    scale = float(np.sqrt(max(square.max() for square in squares))) or 1.0
    clouds = []
    for exact, rows, square in zip(sets, centred, squares, strict=True):
        points = jnp.asarray((rows / rows.dtype.type(scale)).astype(np.float32))
        clouds.append(_Cloud(exact, points, jnp.asarray((square / scale**2).astype(np.float32))))
    return clouds, scale


class _Search:
    """The nearest candidates of each row so far, by the device's distances."""

    def __init__(self, rows: int, candidates: int):
        self.squared = np.full((rows, candidates), np.inf, np.float32)
        self.indices = np.zeros((rows, candidates), np.int64)

    def see(self, i: slice, j: slice, squared: jax.Array) -> None:
        wanted = self.indices.shape[1]
        values, indices = _smallest(squared, min(wanted, squared.shape[1]))
        values = np.concatenate([self.squared[i], np.asarray(values)], axis=1)
        indices = np.concatenate([self.indices[i], np.asarray(indices) + j.start], axis=1)
        kept = np.argpartition(values, wanted - 1, axis=1)[:, :wanted]
        self.squared[i] = np.take_along_axis(values, kept, axis=1)
        self.indices[i] = np.take_along_axis(indices, kept, axis=1)


class _Census:
    """Counts of the points of `b` in balls around those of `a`."""

    def __init__(self, a: _Cloud, b: _Cloud, radii: np.ndarray, scale: float, closed: bool):
        self.a, self.b, self.closed = a, b, closed
        self.radii, self.scaled = radii, jnp.asarray(((radii / scale) ** 2).astype(np.float32))
        self.balls = Balls(np.zeros(len(b.exact), np.int64), np.zeros(len(a.exact), np.int64))

    def see(self, i: slice, j: slice, squared: jax.Array) -> None:
        a, b = self.a, self.b
        around, within, close = _compare(
            squared, self.scaled[i], a.squares[i], b.squares[j], slack(a.points.shape[1])
        )
        self.balls.within[i] += np.asarray(within)
        self.balls.around[j] += np.asarray(around)
        rows, columns = np.nonzero(np.asarray(close))
        rows, columns = rows + i.start, columns + j.start
        # Radii are roots too: a root compares equal with a like root, its square may not.
        distances, radii = (
            np.sqrt(_exact_squared(a.exact, b.exact, rows, columns)),
            self.radii[rows],
        )
        inside = distances <= radii if self.closed else distances < radii
        np.add.at(self.balls.within, rows[inside], 1)
        np.add.at(self.balls.around, columns[inside], 1)


def _decide(x: np.ndarray, y: np.ndarray, candidates: np.ndarray, k: int) -> Neighbours:
    """The k nearest among the candidates [N, m], by exact distances; ties by the lower index."""
    rows = np.repeat(np.arange(len(x)), candidates.shape[1])
    squared = _exact_squared(x, y, rows, candidates.ravel()).reshape(candidates.shape)
    order = np.lexsort((candidates, squared), axis=1)[:, :k]
    distances = np.sqrt(np.take_along_axis(squared, order, axis=1))
    return Neighbours(np.take_along_axis(candidates, order, axis=1), distances)


def _mend(
    found: Neighbours, search: _Search, a: _Cloud, b: _Cloud, scale: float, others: bool = False
) -> Neighbours:
    """`found` where no row can have been passed over that is nearer than the k-th, by eq. 1.

    The others, as in a tight cluster far from the mean, find their candidates in float64.
    """
    k = found.indices.shape[1]
    kth = (found.distances[:, -1] / scale) ** 2
    room = slack(a.points.shape[1]) * (np.asarray(a.squares) + float(b.squares.max()))
    doubtful = np.flatnonzero((kth > 0) & (search.squared.max(axis=1) <= kth + room))
    if len(doubtful) == 0:
        return found
    centre = b.exact.mean(axis=0, dtype=np.float64)
    for rows in (doubtful[part] for part in row_blocks(len(doubtful), FEW)):
        x, squared = a.exact[rows] - centre, []
        for columns in row_blocks(len(b.exact), BLOCK):
            y = b.exact[columns] - centre
            squared.append(np.einsum("nd,nd->n", y, y) - 2.0 * x @ y.T)  # but for |x|^2
        squared = np.concatenate(squared, axis=1)
        if others:
            squared[np.arange(len(rows)), rows] = np.inf
        nearest = np.argpartition(squared, k + SPARE - 1, axis=1)[:, : k + SPARE]
        mended = _decide(a.exact[rows], b.exact, nearest, k)
        found.indices[rows], found.distances[rows] = mended
    return found


def _exact_squared(x, y, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """|x[rows] - y[columns]|^2 in float64, [pairs]; the same bits for (x, y) as for (y, x)."""
    squared = np.empty(len(rows))
    for pairs in row_blocks(len(rows), max(1, WIDENED // x.shape[1])):
        gaps = x[rows[pairs]].astype(np.float64)
        gaps -= y[columns[pairs]]
        squared[pairs] = np.einsum("nd,nd->n", gaps, gaps)
    return squared


@jax.jit
def _squared(x, x_squares, y, y_squares):
    products = jnp.matmul(x, y.T, precision="highest")
    return x_squares[:, None] + y_squares - 2.0 * products


@jax.jit
def _without_self(squared):
    return jnp.where(jnp.eye(len(squared), dtype=bool), jnp.inf, squared)


@functools.partial(jax.jit, static_argnames="k")
def _smallest(squared, k):
    values, indices = jax.lax.top_k(-squared, k)
    return -values, indices


@jax.jit
def _compare(squared, radii_squared, row_squares, column_squares, slack):
    """Counts of what is surely inside, by column and by row, and where it is too close to say."""
    gaps = squared - radii_squared[:, None]
    room = slack * (row_squares[:, None] + column_squares)
    inside = gaps < -room
    return inside.sum(axis=0), inside.sum(axis=1), jnp.abs(gaps) <= room
