"""Winograd's minimal filtering for the three operations of conv.py (Lavin and Gray 2016).

A convolution whose kernel is r blocks of `stride` pixels long, zeros at its end included, makes two
neighbouring outputs from r + 1 blocks. In one dimension that takes r + 1 products of blocks, where
the definition takes 2 r:

    y = A^T [(G w) * (B^T x)]            B^T: [r + 1, r + 1], G: [r + 1, r], A^T: [2, r + 1]

and in two dimensions (r + 1)^2 in place of 4 r^2, 9 of 16 for r = 2 (a 4x4 kernel of stride 2) and
16 of 36 for r = 3 (3x3 of stride 1; 5x5 of stride 2). Each product is a matrix product over
features, and the matrices A, B and G hold 0, 1, -1 and 1/2, so that little is lost to rounding. The
two adjoints are the same products with the transposed matrices.
"""

from functools import reduce

import jax.numpy as jnp
from jax import lax

# r -> (B^T, G, A^T)
FILTERS = {
    2: (
        ((1, -1, 0), (0, 1, 0), (0, -1, 1)),
        ((1, 0), (1, 1), (0, 1)),
        ((1, 1, 0), (0, 1, 1)),
    ),
    3: (
        ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
        ((1, 1, 1, 0), (0, 1, -1, -1)),
    ),
}
HEIGHT, WIDTH = 1, 2  # axes of images; of kernels 0 and 1


def applies(geometry) -> bool:
    """Whether the convolution of that geometry (conv_forms.Geometry) has this form."""
    return (
        len(geometry.kernel_size) == 2
        and geometry.groups == 1
        and set(geometry.dilation) == {1}
        and all(r in FILTERS for r in _lengths(geometry))
    )


def products(geometry) -> float:
    """The products of this form over those of the definition."""
    share = 1.0
    for r, s, k, tiles, n in zip(
        _lengths(geometry),
        geometry.strides,
        geometry.kernel_size,
        _tiles(geometry),
        geometry.output_size,
        strict=True,
    ):
        share *= (r + 1) * s * tiles / (k * n)
    return share


def conv(x, w, geometry):
    tiles, filters = _input_tiles(x, geometry), _filters(w, geometry)
    products = [[u @ v for u, v in zip(us, vs, strict=True)] for us, vs in _pairs(tiles, filters)]
    rows = [_interleave(_combine(_output(geometry, 1), row), WIDTH) for row in products]
    y = _interleave(_combine(_output(geometry, 0), rows), HEIGHT)
    height, width = geometry.output_size
    return y[:, :height, :width]


def input_grad(y, w, geometry):
    tiles, filters = _output_tiles(y, geometry), _filters(w, geometry)
    products = [[u @ v.T for u, v in zip(us, vs, strict=True)] for us, vs in _pairs(tiles, filters)]
    rows = [_overlap(_combine(_transposed(_input(geometry, 1)), row), WIDTH) for row in products]
    blocks = _overlap(_combine(_transposed(_input(geometry, 0)), rows), HEIGHT)
    return _from_blocks(blocks, geometry)


def weight_grad(x, y, geometry):
    inputs, outputs = _input_tiles(x, geometry), _output_tiles(y, geometry)
    products = [
        [_tall_product(u, v) for u, v in zip(us, vs, strict=True)]
        for us, vs in _pairs(inputs, outputs)
    ]
    rows = [jnp.stack(_combine(_transposed(_kernel(geometry, 1)), row)) for row in products]
    w = jnp.stack(_combine(_transposed(_kernel(geometry, 0)), rows))
    (rh, rw), (sh, sw) = w.shape[:2], geometry.strides
    w = w.reshape(rh, rw, sh, sw, -1, w.shape[-1]).transpose(0, 2, 1, 3, 4, 5)
    kh, kw = geometry.kernel_size
    return w.reshape(rh * sh, rw * sw, *w.shape[-2:])[:kh, :kw]


def _tall_product(u, v):
    """u^T v of u: [..., I] and v: [..., O], as [I, O].

    The product with fewer rows is the faster: 2,048 x 2,048 and 2,048 x 256, 2 cores: u^T v 16.8
    ms, v^T u 11.8 ms. The barrier keeps XLA from turning it around again.
    """
    u, v = (a.reshape(-1, a.shape[-1]) for a in (u, v))
    if u.shape[1] <= v.shape[1]:
        return u.T @ v
    return lax.optimization_barrier(v.T @ u).T


def _lengths(geometry):
    """r of both axes: the kernel in blocks of `stride` pixels."""
    return tuple(-(-k // s) for k, s in zip(geometry.kernel_size, geometry.strides, strict=True))


def _input(geometry, axis):
    return FILTERS[_lengths(geometry)[axis]][0]


def _kernel(geometry, axis):
    return FILTERS[_lengths(geometry)[axis]][1]


def _output(geometry, axis):
    return FILTERS[_lengths(geometry)[axis]][2]


def _transposed(matrix):
    return tuple(zip(*matrix, strict=True))


def _pairs(*grids):
    return zip(*grids, strict=True)


def _combine(matrix, parts):
    """`matrix @ parts` for a small matrix of mostly 0, 1 and -1, and arrays of one shape."""

    def row(coefficients):
        used = [(c, part) for c, part in zip(coefficients, parts, strict=True) if c]
        first, *rest = (part if c == 1 else -part if c == -1 else c * part for c, part in used)
        return reduce(jnp.add, rest, first)

    return [row(coefficients) for coefficients in matrix]


def _tiles(geometry):
    """Rows and columns of tiles, two outputs each; the last reaches beyond an odd side."""
    return tuple(-(-n // 2) for n in geometry.output_size)


def _every_other(x, axis, begin, count):
    return lax.slice_in_dim(x, begin, begin + 2 * count - 1, 2, axis)


def _input_tiles(x, geometry):
    """B^T x B: [rows][columns] of [B, tiles down, tiles across, block], block = s * s * I."""
    blocks, (height, width) = _to_blocks(x, geometry), _tiles(geometry)
    down, across = _input(geometry, 0), _input(geometry, 1)
    rows = [_every_other(blocks, HEIGHT, a, height) for a in range(len(down))]
    return [
        _combine(across, [_every_other(row, WIDTH, a, width) for a in range(len(across))])
        for row in _combine(down, rows)
    ]


def _output_tiles(y, geometry):
    """A y A^T: [rows][columns] of [B, tiles down, tiles across, O]."""
    height, width = _tiles(geometry)
    odd = [(0, size % 2, 0) for size in geometry.output_size]
    y = lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), *odd, (0, 0, 0)])
    rows = [_every_other(y, HEIGHT, b, height) for b in (0, 1)]
    return [
        _combine(
            _transposed(_output(geometry, 1)), [_every_other(row, WIDTH, b, width) for b in (0, 1)]
        )
        for row in _combine(_transposed(_output(geometry, 0)), rows)
    ]


def _filters(w, geometry):
    """G w G^T: [rows][columns] of [block, O]."""
    (rh, rw), (sh, sw) = _lengths(geometry), geometry.strides
    (kh, kw), (inputs, outputs) = geometry.kernel_size, w.shape[-2:]
    w = jnp.pad(w, ((0, rh * sh - kh), (0, rw * sw - kw), (0, 0), (0, 0)))
    w = w.reshape(rh, sh, rw, sw, inputs, outputs).transpose(0, 2, 1, 3, 4, 5)
    w = w.reshape(rh, rw, sh * sw * inputs, outputs)
    return [_combine(_kernel(geometry, 1), list(row)) for row in _combine(_kernel(geometry, 0), w)]


def _borders(geometry):
    """Zeros before and after, negative: cropped, that make the input whole blocks for the tiles."""
    return [
        (lo, (2 * n - 1 + r) * s - size - lo)
        for (lo, _), n, s, r, size in zip(
            geometry.padding,
            _tiles(geometry),
            geometry.strides,
            _lengths(geometry),
            geometry.input_size,
            strict=True,
        )
    ]


def _to_blocks(x, geometry):
    """Padded x [B, H, W, I] as blocks of s * s pixels [B, H / s, W / s, s * s * I]."""
    edges = [(0, 0, 0), *((lo, hi, 0) for lo, hi in _borders(geometry)), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    (batch, height, width, inputs), (sh, sw) = x.shape, geometry.strides
    x = x.reshape(batch, height // sh, sh, width // sw, sw, inputs).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // sh, width // sw, sh * sw * inputs)


def _from_blocks(blocks, geometry):
    """The adjoint of `_to_blocks`."""
    (batch, height, width, _), (sh, sw) = blocks.shape, geometry.strides
    x = blocks.reshape(batch, height, width, sh, sw, -1).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(batch, height * sh, width * sw, -1)
    edges = [(0, 0, 0), *((-lo, -hi, 0) for lo, hi in _borders(geometry)), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), edges)


def _interleave(parts, axis):
    """Two arrays as the even and the odd entries of one."""
    x = jnp.stack(parts, axis + 1)
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])


def _overlap(parts, axis):
    """The sum of tiles two apart, the t-th of which begins at entry 2 t: the adjoint of slicing."""

    def pad(x, before, after):
        edges = [(0, 0, 0)] * x.ndim
        edges[axis] = (before, after, 0)
        return lax.pad(x, jnp.zeros((), x.dtype), edges)

    even = pad(parts[0], 0, 1) + pad(parts[2], 1, 0)
    odd = pad(parts[1], 0, 1)
    if len(parts) == 4:
        odd += pad(parts[3], 1, 0)
    joined = _interleave((even, odd), axis)
    return lax.slice_in_dim(joined, 0, 2 * parts[0].shape[axis] + len(parts) - 2, 1, axis)
