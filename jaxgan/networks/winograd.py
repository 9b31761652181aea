"""Winograd's minimal filtering for the three operations of conv.py (Lavin and Gray 2016).

A convolution whose kernel is r blocks of `stride` pixels long, zeros at its end included, makes m
neighbouring outputs, a tile, from m + r - 1 blocks. In one dimension that takes m + r - 1 products
of blocks, where the definition takes m r:

    y = A^T [(G w) * (B^T x)]      B^T: [m+r-1, m+r-1], G: [m+r-1, r], A^T: [m, m+r-1]

and in two dimensions (m + r - 1)^2 in place of (m r)^2: for a 3x3 kernel of stride 1 and m = 4, 36
in place of 144. Each product is a matrix product over features. The two adjoints are the same
products with the transposed matrices.

The matrices belong to polynomials that are multiplied by their values at m + r - 2 points and at
infinity (Toom and Cook), and the points decide how much is lost to rounding. With those of POINTS
the result is off by 1e-6 of its standard deviation, for m = 2 by 4e-7, in float32, where the
definition has 2e-7 (128 features, root mean square).

Between the two transforms there is more data than before and after. So a large batch is taken in
parts that stay in a core's cache: 3x3, 32x32x128 -> 128, batch 32, one core, in parts and at once:
conv 41 and 94 ms, input gradient 43 and 96, weight gradient 47 and 154.

Tiles of four outputs, and parts, are for 3x3 kernels and devices of one core (train.cpu_devices).
Two cores that share a device wait for each other at each operation of a part: a step of the ResNet
of experiments/speed took 1.62 to 1.77 s without and 1.87 to 1.98 s with them, where two devices
take 1.4 s. A DCGAN's 4x4 kernels have fewer images to share the transform of a kernel: 0.26 to 0.31
s without, 0.33 to 0.38 with them.
"""

import dataclasses
import itertools
import math
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxgan.cpu import cores

# By their number: powers of 2 and of its root next to 1, with both signs.
POINTS = {
    2: (0, -1),
    3: (0, 1, -1),
    4: (0, 1, -0.5, -2),
    5: (0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)),
}
LENGTHS, OUTPUTS = (2, 3), (2, 4)  # what r and m may be


def _matrices(m, r):
    """B^T, G and A^T."""
    points = np.array(POINTS[m + r - 2])
    others = [np.delete(points, i) for i in range(len(points))]
    # In falling powers: of the polynomials that are 0 at all points but one, and at all of them.
    transform = [np.append(np.poly(roots)[::-1], 0) for roots in others]
    transform.append(np.poly(points)[::-1])
    powers = np.vander(points, max(m, r), increasing=True)
    weights = [1 / np.prod(point - roots) for point, roots in zip(points, others, strict=True)]
    infinite = lambda n: np.eye(n)[-1:]
    kernel = np.concatenate([powers[:, :r] * np.array(weights)[:, None], infinite(r)])
    output = np.concatenate([powers[:, :m], infinite(m)]).T
    clean = lambda matrix: np.where(np.abs(matrix) < 1e-12, 0, matrix).tolist()
    return clean(transform), clean(kernel), clean(output)


FILTERS = {(m, r): _matrices(m, r) for r in LENGTHS for m in OUTPUTS}
HEIGHT, WIDTH = 1, 2  # axes of images


def applies(geometry) -> bool:
    """Whether the convolution of that geometry (conv_forms.Geometry) has this form."""
    return (
        len(geometry.kernel_size) == 2
        and geometry.groups == 1
        and set(geometry.dilation) == {1}
        and all(r in LENGTHS for r in _lengths(geometry))
    )


def _lengths(geometry):
    """r of both axes: the kernel in blocks of `stride` pixels."""
    return tuple(-(-k // s) for k, s in zip(geometry.kernel_size, geometry.strides, strict=True))


@dataclasses.dataclass(frozen=True)
class Tiling:
    """A convolution in tiles of m outputs along each axis."""

    geometry: object
    outputs: tuple[int, int]

    @property
    def lengths(self):
        return _lengths(self.geometry)

    @property
    def counts(self):
        """Rows and columns of tiles; the last reaches beyond a side that is no multiple."""
        sizes = zip(self.geometry.output_size, self.outputs, strict=True)
        return tuple(-(-n // m) for n, m in sizes)

    @property
    def products(self):
        """The products of a tile, each over features."""
        return math.prod(m + r - 1 for m, r in zip(self.outputs, self.lengths, strict=True))

    def matrices(self, which):
        """B^T (0), G (1) or A^T (2) of both axes."""
        return [FILTERS[pair][which] for pair in zip(self.outputs, self.lengths, strict=True)]

    def borders(self):
        """Zeros before and after, negative: cropped, that make the input the tiles' blocks."""
        g = self.geometry
        each = zip(
            g.padding, self.counts, self.outputs, g.strides, self.lengths, g.input_size, strict=True
        )
        return [(lo, (m * n - 1 + r) * s - size - lo) for (lo, _), n, m, s, r, size in each]


# Multiplications that take as long as moving a number through the transforms.
MOVING = 30
KERNELS = 5  # moves of a number of the kernel for one of the images
# Numbers between the transforms that a core's cache holds.
CACHED = 2**22


def share(tiling: Tiling) -> float:
    """The products over those of the definition."""
    geometry = tiling.geometry
    ours = tiling.products * math.prod(tiling.counts) * math.prod(geometry.strides)
    return ours / math.prod((*geometry.output_size, *geometry.kernel_size))


def cost(tiling: Tiling, batch: int, inputs: int, outputs: int) -> float:
    """The products and moving all that they are made of and make, over the definition's products.

    batch: an int, or a symbol that stands for many.

    Measured (1 core, ms; the definition, and this; conv; input gradient; weight gradient), and this
    cost: 3x3 stride 1, 32x32, batch 64: 16 -> 16: 6.4, 7.2; 6.3, 6.2; 6.2, 8.4 (1.20), 24 -> 24:
    9.3, 9.0; 9.6, 8.3; 63, 16 (0.88), 32 -> 32: 20, 14; 22, 18; 21, 15 (0.73), 48 -> 48: 30, 19;
    30, 20; 152, 27 (0.57). Of strided ones it is too high, as XLA's own are slow: 3x3 stride 2,
    33x33x128 -> 128, batch 32: 85, 38; 61, 37; 57, 50 (1.10).
    """
    batch = batch if isinstance(batch, int) else 64
    tiles, block = batch * math.prod(tiling.counts), inputs * math.prod(tiling.geometry.strides)
    moved = tiles * (block + outputs) + KERNELS * block * outputs
    return share(tiling) * (1 + MOVING * moved / (tiles * block * outputs))


def has_parts(geometry) -> bool:
    """Whether tiles may have four outputs, and the batch parts."""
    return set(geometry.kernel_size) == {3} and cores() <= jax.local_device_count()


def best(geometry, batch, inputs, outputs) -> Tiling:
    """The cheapest tiling."""
    if not has_parts(geometry):
        return Tiling(geometry, (2, 2))
    tilings = [Tiling(geometry, choice) for choice in itertools.product(OUTPUTS, OUTPUTS)]
    return min(tilings, key=lambda tiling: cost(tiling, batch, inputs, outputs))


def conv(x, w, geometry):
    tiling = best(geometry, x.shape[0], *w.shape[-2:])
    filters = _filters(w, tiling)
    height, width = geometry.output_size

    def part(x):
        products = [_dot(u, v) for u, v in _pairs(_input_tiles(x, tiling), filters)]
        down, across = tiling.matrices(2)
        rows = _interleave(_combine(across, products), 1 + WIDTH)
        y = _interleave(_combine(down, rows), HEIGHT)
        return y[:, :height, :width]

    return _over_parts(part, x, _parts(tiling, x.shape[0], *w.shape[-2:]))


def input_grad(y, w, geometry):
    tiling = best(geometry, y.shape[0], *w.shape[-2:])
    filters = [jnp.swapaxes(v, 1, 2) for v in _filters(w, tiling)]

    def part(y):
        products = [_dot(u, v) for u, v in _pairs(_output_tiles(y, tiling), filters)]
        down, across = map(_transposed, tiling.matrices(0))
        rows = _overlap(_combine(across, products), 1 + WIDTH, tiling.outputs[1])
        return _from_blocks(_overlap(_combine(down, rows), HEIGHT, tiling.outputs[0]), tiling)

    return _over_parts(part, y, _parts(tiling, y.shape[0], *w.shape[-2:]))


def weight_grad(x, y, geometry):
    tiling = best(geometry, x.shape[0], x.shape[-1], y.shape[-1])
    block = x.shape[-1] * math.prod(geometry.strides)
    sums = tiling.products * block * y.shape[-1]  # moved with each part
    parts = _parts(tiling, x.shape[0], x.shape[-1], y.shape[-1], cached=max(CACHED, sums))

    def part(x, y):
        pairs = _pairs(_input_tiles(x, tiling), _output_tiles(y, tiling))
        return [_tall_product(u, v, parts[0]) for u, v in pairs]

    products = _sum_of_parts(part, x, y, parts)
    down, across = map(_transposed, tiling.matrices(1))
    columns = [_combine(down, column) for column in _combine(across, products)]
    w = jnp.stack([jnp.stack(row) for row in _transposed(columns)])
    w = w.sum(2)  # here the devices meet
    (rh, rw), (sh, sw) = w.shape[:2], geometry.strides
    w = w.reshape(rh, rw, sh, sw, -1, w.shape[-1]).transpose(0, 2, 1, 3, 4, 5)
    kh, kw = geometry.kernel_size
    return w.reshape(rh * sh, rw * sw, *w.shape[-2:])[:kh, :kw]


# Parts of the batch. Of several devices each has consecutive images, and parts of its own.


def _parts(tiling, batch, inputs, outputs, cached=None) -> tuple[int, int, int]:
    """devices, parts, images of a part on a device: of a batch whose parts stay in the cache."""
    if not isinstance(batch, int) or not has_parts(tiling.geometry):
        return 1, 1, batch
    devices = math.gcd(jax.device_count(), batch)
    features = inputs * math.prod(tiling.geometry.strides) + outputs
    image = tiling.products * math.prod(tiling.counts) * features
    each, most = batch // devices, max(1, (cached or CACHED) // image)
    images = max(n for n in range(1, min(most, each) + 1) if each % n == 0)
    return devices, each // images, images


def _divided(x, parts):
    """[parts, devices * images, ...]; what a device has stays there."""
    devices, count, images = parts
    x = jnp.swapaxes(x.reshape(devices, count, images, *x.shape[1:]), 0, 1)
    return x.reshape(count, devices * images, *x.shape[3:])


def _over_parts(part, x, parts):
    devices, count, images = parts
    if count == 1:
        return part(x)
    y = lax.map(part, _divided(x, parts))
    y = jnp.swapaxes(y.reshape(count, devices, images, *y.shape[2:]), 0, 1)
    return y.reshape(x.shape[0], *y.shape[3:])


def _sum_of_parts(part, x, y, parts):
    if parts[1] == 1:
        return part(x, y)
    x, y = _divided(x, parts), _divided(y, parts)

    def add(sums, operands):
        return [a + b for a, b in _pairs(sums, part(*operands))], None

    return lax.scan(add, part(x[0], y[0]), (x[1:], y[1:]))[0]


# Transforms. Tiles: a list over columns of arrays [rows, B, tiles down, tiles across, features],
# rows and columns those of B^T.


def _pairs(*lists):
    return zip(*lists, strict=True)


def _transposed(matrix):
    return tuple(zip(*matrix, strict=True))


def _combine(matrix, parts):
    """`matrix @ parts` for a small matrix with many 0 and 1, and arrays of one shape."""

    def row(coefficients):
        used = [(c, part) for c, part in zip(coefficients, parts, strict=True) if c]
        first, *rest = (part if c == 1 else -part if c == -1 else c * part for c, part in used)
        return reduce(jnp.add, rest, first)

    return [row(coefficients) for coefficients in matrix]


def _dot(u, v):
    """[n, ..., I] and [n, I, O] -> [n, ..., O]."""
    y = jnp.matmul(u.reshape(u.shape[0], -1, u.shape[-1]), v)
    return y.reshape(*u.shape[:-1], v.shape[-1])


def _tall_product(u, v, devices):
    """u^T v of u: [n, ..., I] and v: [n, ..., O], as [n, devices, I, O]: of each its own.

    The product with fewer rows is the faster: 2,048 x 2,048 and 2,048 x 256, 2 cores: u^T v 16.8
    ms, v^T u 11.8 ms. The barrier keeps XLA from turning it around again.
    """
    u, v = (a.reshape(a.shape[0], devices, -1, a.shape[-1]) for a in (u, v))
    if u.shape[-1] <= v.shape[-1]:
        return jnp.swapaxes(u, 2, 3) @ v
    return jnp.swapaxes(lax.optimization_barrier(jnp.swapaxes(v, 2, 3) @ u), 2, 3)


def _cut(x, matrices, tiling):
    """Images to tiles, by a matrix for each axis."""

    def views(x, axis, matrix, step, count):
        ends = [(begin, begin + step * (count - 1) + 1) for begin in range(len(matrix[0]))]
        return [lax.slice_in_dim(x, begin, end, step, axis) for begin, end in ends]

    (down, across), (height, width) = matrices, _pairs(tiling.outputs, tiling.counts)
    rows = jnp.stack(_combine(down, views(x, HEIGHT, down, *height)))
    return _combine(across, views(rows, 1 + WIDTH, across, *width))


def _input_tiles(x, tiling):
    """B^T x B, features those of a block: s * s * I."""
    return _cut(_to_blocks(x, tiling), tiling.matrices(0), tiling)


def _output_tiles(y, tiling):
    """A y A^T."""
    more = [(0, -n % m, 0) for n, m in _pairs(tiling.geometry.output_size, tiling.outputs)]
    y = lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), *more, (0, 0, 0)])
    return _cut(y, [_transposed(matrix) for matrix in tiling.matrices(2)], tiling)


def _filters(w, tiling):
    """G w G^T: a list over columns of [rows, block, O]."""
    (rh, rw), (sh, sw) = tiling.lengths, tiling.geometry.strides
    (kh, kw), (inputs, outputs) = tiling.geometry.kernel_size, w.shape[-2:]
    down, across = tiling.matrices(1)
    w = jnp.pad(w, ((0, rh * sh - kh), (0, rw * sw - kw), (0, 0), (0, 0)))
    w = w.reshape(rh, sh, rw, sw, inputs, outputs).transpose(0, 2, 1, 3, 4, 5)
    w = w.reshape(rh, rw, sh * sw * inputs, outputs)
    rows = [_combine(across, row) for row in _combine(down, w)]
    return [jnp.stack(column) for column in _transposed(rows)]


def _to_blocks(x, tiling):
    """Padded x [B, H, W, I] as blocks of s * s pixels [B, H / s, W / s, s * s * I]."""
    edges = [(0, 0, 0), *((lo, hi, 0) for lo, hi in tiling.borders()), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    (batch, height, width, inputs), (sh, sw) = x.shape, tiling.geometry.strides
    x = x.reshape(batch, height // sh, sh, width // sw, sw, inputs).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // sh, width // sw, sh * sw * inputs)


def _from_blocks(blocks, tiling):
    """The adjoint of `_to_blocks`."""
    (batch, height, width, _), (sh, sw) = blocks.shape, tiling.geometry.strides
    x = blocks.reshape(batch, height, width, sh, sw, -1).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(batch, height * sh, width * sw, -1)
    edges = [(0, 0, 0), *((-lo, -hi, 0) for lo, hi in tiling.borders()), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), edges)


def _interleave(parts, axis):
    """m arrays as the entries 0, 1, ..., m - 1 of every m of one."""
    x = jnp.stack(parts, axis + 1)
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])


def _overlap(parts, axis, step):
    """The sum of tiles, the t-th of which begins at entry `step` t: the adjoint of slicing."""
    reach = (len(parts) - 1) // step  # tiles that a tile reaches into

    def pad(x, before):
        edges = [(0, 0, 0)] * x.ndim
        edges[axis] = (before, reach - before, 0)
        return lax.pad(x, jnp.zeros((), x.dtype), edges)

    phases = [[pad(x, q) for q, x in enumerate(parts[p::step])] for p in range(step)]
    joined = _interleave([reduce(jnp.add, phase) for phase in phases], axis)
    length = step * (parts[0].shape[axis] - 1) + len(parts)
    return lax.slice_in_dim(joined, 0, length, 1, axis)
