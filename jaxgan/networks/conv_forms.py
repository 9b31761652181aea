"""The forms in which the three operations of conv.py are computed.

The native ones, for GPU and TPU, are what JAX itself derives from its convolution. The fast ones,
for CPU, are matrix products (winograd.py) or end in `_canonical`, the one layout that XLA's CPU
backend runs fast everywhere.

What makes the others slow there (read from optimized HLO, jax 0.10.2 and 0.12.0):
- XLA has a fast convolution only for operands laid out batch, space, features, and space, inputs,
  outputs. It brings others to that layout only in the entry computation of a program; inside
  `lax.scan`, `lax.cond` and `lax.while_loop` they fall to a naive loop. JAX writes the gradients
  of a convolution in other layouts. So here they are written in that one, with transposes outside.
- The weight gradient of a transposed convolution, which every generator and every gradient penalty
  contains, has in JAX's derivation a kernel larger than the image. XLA exchanges the two, and the
  result is in another layout, naive everywhere. Here a transposed convolution is an adjoint, and
  its weight gradient that of the convolution.
- A grouped weight gradient is naive everywhere. Here groups are separate convolutions.
"""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxgan.networks import winograd


@dataclasses.dataclass(frozen=True)
class Geometry:
    """What the shapes of two operands leave open about the third; the same for all three."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]  # zeros before and after; negative: cropped
    dilation: tuple[int, ...]  # of the kernel
    groups: int
    input_size: tuple[int, ...]  # spatial size of x
    kernel_size: tuple[int, ...]  # spatial size of w

    @property
    def output_size(self) -> tuple[int, ...]:
        """Spatial size of y."""
        each = zip(
            self.input_size,
            self.padding,
            self.kernel_size,
            self.dilation,
            self.strides,
            strict=True,
        )
        return tuple((n + lo + hi - (k - 1) * d - 1) // s + 1 for n, (lo, hi), k, d, s in each)

    def axes(self):
        """Per spatial axis: padding, output size, stride, kernel size, dilation, input size."""
        return zip(
            self.padding,
            self.output_size,
            self.strides,
            self.kernel_size,
            self.dilation,
            self.input_size,
            strict=True,
        )


# For GPU and TPU: a convolution, and the two adjoints that JAX derives from it.


def native_conv(x, w, *, geometry):
    rank = len(geometry.kernel_size)
    space = "DHW"[3 - rank :]
    return lax.conv_general_dilated(
        x,
        w,
        geometry.strides,
        geometry.padding,
        rhs_dilation=geometry.dilation,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
        feature_group_count=geometry.groups,
    )


def native_input_grad(y, w, *, geometry):
    shape = (y.shape[0], *geometry.input_size, w.shape[-2] * geometry.groups)
    adjoint = jax.linear_transpose(
        lambda x: native_conv(x, w, geometry=geometry), jax.ShapeDtypeStruct(shape, y.dtype)
    )
    return adjoint(y)[0]


def native_weight_grad(x, y, *, geometry):
    shape = (*geometry.kernel_size, x.shape[-1] // geometry.groups, y.shape[-1])
    adjoint = jax.linear_transpose(
        lambda w: native_conv(x, w, geometry=geometry), jax.ShapeDtypeStruct(shape, x.dtype)
    )
    return adjoint(y)[0]


# For CPU.


def _canonical(x, w, strides, padding, x_dilation, w_dilation):
    space = "DHW"[5 - x.ndim :]
    if math.prod(w.shape[:-2]) > math.prod(x.shape[1:-1]):
        # XLA exchanges the operands where the kernel is the larger image, and the exchanged form is
        # naive. So x grows by zeros and the padding shrinks; the barrier keeps XLA from undoing it.
        # Measured (batch 64, input gradient): 5x5 stride 2, 4x4x256 -> 8x8x128: 327 ms, here 38 ms.
        sizes = zip(x.shape[1:-1], w.shape[:-2], strict=True)
        more = [max(0, -(-(k - n) // 2)) for n, k in sizes]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((m, m, 0) for m in more), (0, 0, 0)])
        x = lax.optimization_barrier(x)
        each = zip(padding, more, x_dilation, strict=True)
        padding = [(lo - m * d, hi - m * d) for (lo, hi), m, d in each]
    return lax.conv_general_dilated(
        x,
        w,
        strides,
        padding,
        lhs_dilation=x_dilation,
        rhs_dilation=w_dilation,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
    )


def by_groups(form, native):
    """A grouped operation as one `form` per group: features are the last axis of all three.

    Measured (2 cores, batch 32; one operation with groups, and a loop over them): 4 groups of a 4x4
    stride-2 64 -> 128 at 16x16: conv 95, 25 ms, input gradient 110, 37 ms, weight gradient 614, 30
    ms; 32 groups of a 3x3 8 -> 8 at 16x16: 65, 19 ms; 64, 19 ms; 9,638, 14 ms. Above 128 groups the
    program would grow too long to compile.
    """

    def grouped(a, b, *, geometry):
        n = geometry.groups
        if n > 128:
            return native(a, b, geometry=geometry)
        one = dataclasses.replace(geometry, groups=1)
        pairs = zip(jnp.split(a, n, -1), jnp.split(b, n, -1), strict=True)
        return lax.concatenate([form(a, b, one) for a, b in pairs], a.ndim - 1)

    return grouped


def prefers_winograd(geometry, batch, inputs, outputs, dtype, *, share=0.6) -> bool:
    """Whether winograd.py's form is the faster, and worth the second that it costs the compiler.

    In parts, where it costs less by winograd.py's account; otherwise with 32 features or more and
    at most `share` of the products. Measured (2 cores, ms, without and with it: conv; input
    gradient; weight gradient): 4x4 stride 2, batch 128, 16x16x64 -> 8x8x128: 12.4, 10.3; 14.0, 8.0;
    22, 12, and 8x8x128 -> 4x4x256: 12.5, 7.9; 13.0, 6.7; 14.9, 10.5. Where an odd side or a 5x5
    kernel costs products in vain, the input gradient alone wins: 4x4, 14x14x64 -> 7x7x128, batch
    64: 4.8, 4.8; 5.6, 3.6; 6.2, 6.5, and 5x5 stride 2, 16x16x64 -> 8x8x128: 8.2, 9.1; 16.2, 7.0;
    11.1, 11.4. With few features nothing is won: 32x32x3 -> 64: 2.2, 2.6; 2.6, 2.6; 4.1, 3.6.

    Small ones gain less than a second of compiling (1 core): 3x3, 64 -> 64, batch 16, 4x4: 0.2,
    0.2; 0.2, 0.2; 0.2, 0.2, and 8x8: 0.7, 0.4; 0.8, 0.5; 1.1, 0.7.
    """
    pixels = math.prod(geometry.output_size) * math.prod(geometry.kernel_size)
    small = isinstance(batch, int) and 2 * batch * pixels * inputs * outputs < 1e8
    if dtype != jnp.float32 or small or not winograd.applies(geometry):
        return False
    tiling = winograd.best(geometry, batch, inputs, outputs)
    if winograd.has_parts(geometry):
        return winograd.cost(tiling, batch, inputs, outputs) < 1
    return min(inputs, outputs) >= 32 and winograd.share(tiling) <= share


def is_pointwise(geometry) -> bool:
    """Whether the kernel has a single pixel: then all three are matrix products over features.

    Measured (1 core, ms, as convolutions and as products: conv; input gradient; weight gradient),
    batch 16, 32x32: 128 -> 256: 15, 13; 17, 13; 94, 13, and 256 -> 128: 17, 14; 16, 14; 53, 16.
    """
    return math.prod(geometry.kernel_size) == 1


def _pixels(x, geometry):
    """What a kernel of one pixel sees of x, [N, I]."""
    edges = [(lo, hi, 0) for lo, hi in geometry.padding]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    steps = zip(geometry.output_size, geometry.strides, strict=True)
    ends = [(n - 1) * s + 1 for n, s in steps]
    x = lax.slice(x, (0,) * x.ndim, (len(x), *ends, x.shape[-1]), (1, *geometry.strides, 1))
    return x.reshape(-1, x.shape[-1])


def prefers_products(geometry, inputs, outputs) -> bool:
    """Whether a weight gradient is faster as a matrix product for each pixel of the kernel.

    Measured (2 cores, ms; the convolution, and products; in a scan): 3x3 stride 2, batch 32,
    65x65x64 -> 128: 158, 77; 159, 66, 33x33x128 -> 128: 63, 40; 36, 24, 17x17x128 -> 128: 8.5, 8.0;
    9.6, 6.2. With 25 pixels nothing is won or much lost: 5x5 stride 2, 14x14x64 -> 128, batch 128:
    27, 36; 26, 27, stride 1, 7x7x256 -> 128: 64, 144; 63, 111. With few features much is lost (1
    core): 3x3, 32x32x64 -> 3, batch 32: 8, 70; 12, 55.
    """
    few_pixels = max(geometry.strides) > 1 and math.prod(geometry.kernel_size) <= 9
    return is_pointwise(geometry) or (few_pixels and min(inputs, outputs) >= 32)


def _weight_grad_by_pixels(x, y, geometry):
    """A matrix product for each pixel of the kernel, with the part of x that it sees."""
    y = y.reshape(-1, y.shape[-1])
    products = []
    for place in itertools.product(*map(range, geometry.kernel_size)):
        before = [p * d for p, d in zip(place, geometry.dilation, strict=True)]
        each = zip(geometry.axes(), before, strict=True)
        padding = tuple(
            (lo - b, (n - 1) * s + 1 - size - lo + b) for ((lo, _), n, s, _, _, size), b in each
        )
        alone = dataclasses.replace(
            geometry, kernel_size=(1,) * len(place), padding=padding, dilation=(1,) * len(place)
        )
        products.append(_pixels(x, alone).T @ y)
    return jnp.stack(products).reshape(*geometry.kernel_size, *products[0].shape)


def _pointwise_input_grad(y, w, geometry):
    x = (y.reshape(-1, y.shape[-1]) @ w.reshape(w.shape[-2:]).T).reshape(*y.shape[:-1], -1)
    edges = [
        (-lo, size + lo - (n - 1) * s - 1, s - 1) for (lo, _), n, s, _, _, size in geometry.axes()
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])


def fast_conv(x, w, geometry):
    if is_pointwise(geometry):
        y = _pixels(x, geometry) @ w.reshape(w.shape[-2:])
        return y.reshape(len(x), *geometry.output_size, -1)
    if prefers_winograd(geometry, x.shape[0], *w.shape[-2:], x.dtype):
        return winograd.conv(x, w, geometry)
    ones = (1,) * len(geometry.strides)
    return _canonical(x, w, geometry.strides, geometry.padding, ones, geometry.dilation)


def fast_weight_grad(x, y, geometry):
    """A convolution whose features are the images, its batch the input channels, its kernel y.

    Measured: 780 ms as JAX derives it in a scan where this takes 8 (4x4 stride 2,
    16x16x64 -> 128, batch 32). Where `prefers_products` says so, products are faster.
    """
    if prefers_winograd(geometry, x.shape[0], x.shape[-1], y.shape[-1], x.dtype):
        return winograd.weight_grad(x, y, geometry)
    if prefers_products(geometry, x.shape[-1], y.shape[-1]):
        return _weight_grad_by_pixels(x, y, geometry)
    ones = (1,) * len(geometry.strides)
    padding = [
        (lo, (n - 1) * s + (k - 1) * d + 1 - size - lo)
        for (lo, _), n, s, k, d, size in geometry.axes()
    ]
    images = jnp.swapaxes(x, 0, -1)
    kernel = jnp.moveaxis(y, 0, -2)
    w = _canonical(images, kernel, geometry.dilation, padding, ones, geometry.strides)
    return jnp.moveaxis(w, 0, -2)


def fast_input_grad(y, w, geometry):
    if is_pointwise(geometry):
        return _pointwise_input_grad(y, w, geometry)
    # A kernel that is no multiple of the stride has no blocks, and a dilated y is mostly zeros.
    # Measured (3x3 stride 2, batch 32; dilated y, and winograd): 65x65x64 of 32x32x32: 88, 52 ms;
    # 33x33x64 of 16x16x128: 12.8, 8.7 ms; but 17x17x128 of 8x8x128: 4.7, 5.8 ms.
    uneven = any(k % s for k, s in zip(geometry.kernel_size, geometry.strides, strict=True))
    share = 1.0 if uneven and min(geometry.output_size) >= 16 else 0.85
    if prefers_winograd(geometry, y.shape[0], *w.shape[-2:], y.dtype, share=share):
        return winograd.input_grad(y, w, geometry)
    if _prefers_depth_to_space(geometry, w.shape[-2]):
        return _input_grad_by_depth_to_space(y, w, geometry)
    ones = (1,) * len(geometry.strides)
    padding = [
        ((k - 1) * d - lo, size - 1 + lo - (n - 1) * s)
        for (lo, _), n, s, k, d, size in geometry.axes()
    ]
    turned = jnp.swapaxes(jnp.flip(w, range(w.ndim - 2)), -1, -2)
    return _canonical(y, turned, ones, padding, geometry.strides, geometry.dilation)


def _prefers_depth_to_space(geometry, features) -> bool:
    """Whether a strided input gradient is faster as a dense convolution to blocks of pixels.

    Measured (4x4 stride 2; dilated y, and blocks): output 16x16x64 of 8x8x128, batch 128: 32, 14
    ms; 32x32x64 of 16x16x128, batch 32: 34, 12 ms; 64x64x64, batch 16: 58, 16 ms; 16x16x128 of
    8x8x256, batch 64: 27, 26 ms. But 8x8x128 of 4x4x256, batch 64: 6.0, 8.3 ms, where a border of
    blocks is computed in vain, and few features lose too: 28x28x1: 2.3, 10 ms. Where the kernel is
    no multiple of the stride, its zeros cost more than is won: 5x5 at 14x14x128: 17, 30 ms.
    """
    return (
        max(geometry.strides) > 1
        and max(geometry.dilation) == 1
        and all(k % s == 0 for k, s in zip(geometry.kernel_size, geometry.strides, strict=True))
        and min(geometry.output_size) >= 8
        and features >= 16
    )


def _input_grad_by_depth_to_space(y, w, geometry):
    """A strided convolution is a dense one on blocks of s pixels per axis; this is its adjoint."""
    rank, strides = len(geometry.strides), geometry.strides
    ones = (1,) * rank
    blocks = [k // s for k, s in zip(geometry.kernel_size, strides, strict=True)]
    inside = [v for pair in zip(blocks, strides, strict=True) for v in pair]  # k = (block, pixel)
    w = jnp.flip(w.reshape(*inside, *w.shape[-2:]), range(0, 2 * rank, 2))
    w = w.transpose(*range(0, 2 * rank, 2), 2 * rank + 1, *range(1, 2 * rank, 2), 2 * rank)
    features = w.shape[-1]
    w = w.reshape(*blocks, y.shape[-1], -1)
    z = _canonical(y, w, ones, [(b - 1, b - 1) for b in blocks], ones, ones)
    grid = z.shape[1:-1]
    z = z.reshape(z.shape[0], *grid, *strides, features)
    order = [axis for i in range(rank) for axis in (1 + i, 1 + rank + i)]
    sizes = [n * s for n, s in zip(grid, strides, strict=True)]
    z = z.transpose(0, *order, 2 * rank + 1).reshape(z.shape[0], *sizes, features)
    edges = [  # drops what fell on the padding, and adds pixels that no window reached
        (-lo, lo + size - have, 0)
        for (lo, _), size, have in zip(geometry.padding, geometry.input_size, sizes, strict=True)
    ]
    return lax.pad(z, jnp.zeros((), z.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
