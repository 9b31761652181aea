"""Which images stand where in a grid or a film: points of a space (styles.py), and their labels."""

import math
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.latents import between, closed_walk, parse_seeds
from jaxgan.styles import Generator, Latents, directions, mean_style, mixed

BATCH = 256
BATCH_OF_SEEDS = 16  # always: another shape may round an image in another way
MOST_CLASSES = 16  # that a walk shows unless told
STEPS = 7  # along a direction


class Plan(NamedTuple):
    """Which images, in the order of a grid with so many columns; of a walk, of its frames."""

    points: jax.Array  # [N, P]
    labels: jax.Array | None  # [N] of classes, or [N, K]
    columns: int


class Maker:
    """Makes plans of a space by the program's flags, and their images by a generator."""

    def __init__(self, space: Latents, generator: Generator, flags: Namespace):
        self.space, self.generator, self.flags = space, generator, flags
        self.num_classes = space.game.num_labels
        self.classes = choose_classes(self.num_classes, flags.label)
        space.check(flags.truncation)
        for truncation in flags.sweep:
            space.check(truncation, "--sweep")
        if (flags.mix or flags.sefa or flags.layers) and not space.layers:
            raise UsageError(
                "--mix, --sefa and --layers are of generators with styles (gen.name='stylegan2')"
            )
        if flags.sefa and flags.sefa > space.width:
            raise UsageError(f"--sefa must be at most {space.width}, of w; got {flags.sefa}")
        if flags.layers and max(flags.layers) >= space.layers:
            raise UsageError(f"--layers must be in 0..{space.layers - 1}; got {max(flags.layers)}")

    def plan(self) -> Plan:
        """What the flags ask for, with the labels as the generator takes them."""
        flags = self.flags
        asked = {
            "walk": self.walk, "interpolate": self.interpolate, "mix": self.mix,
            "sweep": self.sweep, "sefa": self.sefa,
        }  # fmt: skip
        make = next((make for name, make in asked.items() if getattr(flags, name)), self.grid)
        plan = make()
        return plan._replace(labels=self.as_told(plan.labels))

    def latents(self, count: int, truncation: float | None) -> jax.Array:
        """Those of `--seeds`, or `count` of `--seed`."""
        seeds = self.flags.seeds
        if seeds:
            return jnp.concatenate([self.space.draw(seed, 1, truncation) for seed in seeds])
        return self.space.draw(self.flags.seed, count, truncation)

    def points(self, latents, labels, truncation: float | None) -> jax.Array:
        size = BATCH_OF_SEEDS if self.flags.seeds else min(BATCH, len(latents))
        call = partial(self.space.points, truncation=truncation)
        labels = self.as_told(labels)
        return jnp.asarray(in_batches(call, self.generator, size, latents, labels))

    def images(self, plan: Plan) -> np.ndarray:
        """[N, H, W, C] in [-1, 1], made in batches of one size."""
        size = BATCH_OF_SEEDS if self.flags.seeds else min(BATCH, len(plan.points))
        return in_batches(self.space.images, self.generator, size, plan.points, plan.labels)

    def grid(self) -> Plan:
        """Images of latents; with several classes a row, or rows, of each at the same latents."""
        several, flags = len(self.classes) > 1, self.flags
        ends = self.latents(flags.num or (8 if several else 64), flags.truncation)
        by_class = self.num_classes if not (self.classes or flags.seeds) else 0
        columns = len(ends) if several else grid_columns(by_class, len(ends))
        labels = self.labels_of(ends)
        if several:
            labels = jnp.repeat(jnp.array(self.classes), len(ends))
            ends = jnp.tile(ends, (len(self.classes), 1))
        return Plan(self.points(ends, labels, flags.truncation), labels, columns)

    def interpolate(self) -> Plan:
        """Rows from one point to another; with several classes the same rows of each."""
        flags, several = self.flags, len(self.classes) > 1
        rows = flags.num or (1 if several else 8)
        ends = self.latents(2 * rows, flags.truncation)
        first, last = (ends[:-1], ends[1:]) if flags.seeds else (ends[:rows], ends[rows:])
        labels = self.in_turn(range(len(first)))
        if several:
            labels = jnp.repeat(jnp.array(self.classes), len(first))
            first, last = (jnp.tile(end, (len(self.classes), 1)) for end in (first, last))
        first, last = (self.points(end, labels, flags.truncation) for end in (first, last))
        points = between(first, last, flags.interpolate, flags.path or self.space.path)
        labels = None if labels is None else jnp.repeat(labels, flags.interpolate)
        return Plan(points, labels, flags.interpolate)

    def walk(self) -> Plan:
        """Frames through points and back to the first, of each class."""
        flags, classes = self.flags, self.classes
        if self.num_classes and not classes:
            classes = list(range(min(self.num_classes, MOST_CLASSES)))
        stops, frames = self.latents(flags.num or 4, flags.truncation), []
        for label in classes or [None]:
            labels = None if label is None else jnp.full(len(stops), label)
            points = self.points(stops, labels, flags.truncation)
            frames.append(closed_walk(points, flags.walk, flags.path or self.space.path))
        labels = jnp.tile(jnp.array(classes), flags.walk) if classes else None
        points = jnp.stack(frames, axis=1)
        return Plan(points.reshape(-1, points.shape[-1]), labels, math.ceil(math.sqrt(len(frames))))

    def mix(self) -> Plan:
        """A row for each source, its styles replaced in some layers by those of every column's.

        The first row and the first column show the sources, the corner the mean style. Of `--seeds`
        the first half are at the left.
        """
        flags, space = self.flags, self.space
        rows = len(flags.seeds) // 2 or flags.num or 6
        latents = self.latents(2 * rows, flags.truncation)
        labels = self.labels_of(latents)
        sources = space.in_layers(self.points(latents, labels, flags.truncation))
        left, top = sources[:rows], sources[rows:]
        layers = flags.layers or list(range(space.layers // 2))
        inner = mixed(left, top, layers)
        corner = space.in_layers(mean_style(self.generator)[None])
        whole = jnp.concatenate(
            [
                jnp.concatenate([corner, top])[None],
                jnp.concatenate([left[:, None], inner], axis=1),
            ]
        )
        points = whole.reshape(-1, space.layers * space.width)
        return Plan(points, None, whole.shape[1])

    def sweep(self) -> Plan:
        """A row for each of the latents, a column for each truncation."""
        flags, columns = self.flags, []
        for truncation in flags.sweep:
            latents = self.latents(flags.num or 8, truncation)
            labels = self.labels_of(latents)
            columns.append(self.points(latents, labels, truncation))
        points = jnp.stack(columns, axis=1)
        labels = None if labels is None else jnp.repeat(labels, len(columns))
        return Plan(points.reshape(-1, points.shape[-1]), labels, len(columns))

    def sefa(self) -> Plan:
        """For each source a row along each direction, the source itself in the middle."""
        flags, space = self.flags, self.space
        latents = self.latents(flags.num or 1, flags.truncation)
        labels = self.labels_of(latents)
        sources = space.in_layers(self.points(latents, labels, flags.truncation))
        layers = flags.layers or list(range(space.layers))
        found = directions(self.generator["params"], layers, flags.sefa)
        steps = jnp.linspace(-flags.strength, flags.strength, STEPS)
        moves = steps[None, :, None] * found[:, None]  # [K, steps, w_dim]
        moved = jnp.zeros(space.layers).at[jnp.array(layers)].set(1.0)[:, None] * moves[:, :, None]
        points = sources[:, None, None] + moved
        return Plan(points.reshape(-1, space.layers * space.width), None, STEPS)

    def as_told(self, labels: jax.Array | None) -> jax.Array | None:
        """As the generator takes them: vectors by their numbers, where labels are vectors."""
        return None if labels is None else self.space.game.labels(labels)

    def labels_of(self, latents: jax.Array) -> jax.Array | None:
        """Of the latents [N, D], by their seeds or one after the other: see `in_turn`."""
        return self.in_turn(self.flags.seeds or range(len(latents)))

    def in_turn(self, turns: Sequence[int]) -> jax.Array | None:
        """The classes that were chosen, or all, in turn; None for an unconditional generator."""
        if not self.num_classes:
            return None
        classes = self.classes or range(self.num_classes)
        return jnp.array([classes[turn % len(classes)] for turn in turns])


def choose_classes(num_classes: int, text: str) -> list[int]:
    """The classes that --label names; none without it."""
    if not text:
        return []
    if not num_classes:
        raise UsageError("--label: this generator was trained without labels")
    if text == "all":
        return list(range(num_classes))
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise UsageError(f"--label must be a class, several as 1,2,5, or all; got {text!r}")
    classes = [int(part) for part in text.split(",")]
    if max(classes) >= num_classes:
        raise UsageError(f"--label must be in 0..{num_classes - 1}; got {text}")
    return classes


def grid_columns(num_classes: int, num: int) -> int:
    """A column for each class, or a square."""
    return min(num, num_classes) if num_classes else math.ceil(math.sqrt(num))


def in_rows(images: np.ndarray, columns: int) -> np.ndarray:
    """[N, H, W, C] -> [rows, columns, H, W, C], the last row filled up with white."""
    padding = -len(images) % columns
    images = np.pad(images, ((0, padding), (0, 0), (0, 0), (0, 0)), constant_values=1.0)
    return images.reshape(-1, columns, *images.shape[1:])


def in_batches(call: Callable, generator: Generator, size: int, points, labels) -> np.ndarray:
    """`call` of a generator and all points and labels, [N, ...], in batches of one size."""
    count, run, batches = len(points), jax.jit(call), []
    for begin in range(0, count, size):
        chosen = jnp.arange(begin, begin + size) % count
        of_batch = None if labels is None else labels[chosen]
        batches.append(np.asarray(run(generator, points[chosen], of_batch)))
    return np.concatenate(batches)[:count]


def parse_truncations(text: str) -> list[float]:
    """The numbers of "0,0.5,1".

    Raises:
      UsageError: they are none.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--sweep must look like 0,0.5,1; got {text!r}") from error


def parse_layers(text: str) -> list[int]:
    """The layers of "0,4-7"."""
    return parse_seeds(text, "--layers")
