"""Convolutions closed under differentiation: every derivative, of any order, is fast on CPU.

A convolution is linear in its input and in its kernel, so it has two adjoints, and each of the
three operations is the adjoint of the others:

    y = conv(x, w)                  x: [B, *input, I], w: [*kernel, I / groups, O],
    x = conv_input_grad(y, w)       y: [B, *output, O]; the adjoint in x, a transposed convolution
    w = conv_weight_grad(x, y)      the adjoint in w

with channels last and one, two or three spatial dimensions. The derivative of each is one of the
other two, and on CPU each is lowered to a form that is fast there.

What XLA's CPU backend makes slow, and why (read from optimized HLO, jax 0.10.2 and 0.12.0):
- It has a fast convolution only for operands laid out batch, space, features, and space, inputs,
  outputs. It brings others to that layout only in the entry computation of a program; inside
  `lax.scan`, `lax.cond` and `lax.while_loop` they fall to a naive loop. JAX writes the gradients
  of a convolution in other layouts. So here they are written in that one, with transposes outside.
- The weight gradient of a transposed convolution, which every generator and every gradient penalty
  contains, has in JAX's derivation a kernel larger than the image. XLA exchanges the two, and the
  result is in another layout, naive everywhere. Here a transposed convolution is an adjoint, and
  its weight gradient that of the convolution.
- A grouped weight gradient is naive everywhere. Here groups are separate convolutions.

Primitives and not `jax.custom_vjp`: a `custom_vjp` function has no forward mode, so `jax.jvp`,
`jax.linearize` and Hessian-vector products would fail; and it is traced once for all platforms,
while a primitive has a lowering for each. On GPU and TPU the three are what JAX itself derives
from its convolution, which is good there.

`JAXGAN_CONV=native`, read when a function is traced, makes all of this plain `jax.lax`: for
comparisons, and for tools that read jaxprs and know only JAX's own primitives.
"""

import dataclasses
import math
import os
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Ints = int | Sequence[int]
Padding = str | int | Sequence[int | tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class _Geometry:
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


# The forms for GPU and TPU: a convolution, and the two adjoints that JAX derives from it.


def _native_conv(x, w, *, geometry):
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


def _native_input_grad(y, w, *, geometry):
    shape = (y.shape[0], *geometry.input_size, w.shape[-2] * geometry.groups)
    adjoint = jax.linear_transpose(
        lambda x: _native_conv(x, w, geometry=geometry), jax.ShapeDtypeStruct(shape, y.dtype)
    )
    return adjoint(y)[0]


def _native_weight_grad(x, y, *, geometry):
    shape = (*geometry.kernel_size, x.shape[-1] // geometry.groups, y.shape[-1])
    adjoint = jax.linear_transpose(
        lambda w: _native_conv(x, w, geometry=geometry), jax.ShapeDtypeStruct(shape, x.dtype)
    )
    return adjoint(y)[0]


# The forms for CPU. All of them end in `_canonical`, the one layout that XLA runs fast everywhere.


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


def _by_groups(form, native):
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


def _fast_conv(x, w, geometry):
    ones = (1,) * len(geometry.strides)
    return _canonical(x, w, geometry.strides, geometry.padding, ones, geometry.dilation)


def _fast_weight_grad(x, y, geometry):
    """Images are the features of this convolution, input channels its batch, y its kernel.

    Measured (batch 128, as JAX derives it at top level; here at top level and in a scan; matrix
    products over shifted slices): 16x16x64 -> 128, 4x4 stride 2: 21; 20, 23; 30 ms. 8x8x128 -> 256:
    28; 28, 26; 27 ms. 7x7x256 -> 128, 5x5 stride 1: 53; 55, 54; 92 ms. 14x14x64 -> 128, 5x5 stride
    2: 34; 35, 37; 98 ms. The first at batch 32 in a scan: 780 ms as JAX derives it, 8 ms here.
    """
    ones = (1,) * len(geometry.strides)
    padding = [
        (lo, (n - 1) * s + (k - 1) * d + 1 - size - lo)
        for (lo, _), n, s, k, d, size in geometry.axes()
    ]
    images = jnp.swapaxes(x, 0, -1)
    kernel = jnp.moveaxis(y, 0, -2)
    w = _canonical(images, kernel, geometry.dilation, padding, ones, geometry.strides)
    return jnp.moveaxis(w, 0, -2)


def _fast_input_grad(y, w, geometry):
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


# The primitives.


def _primitive(name, native, fast) -> Primitive:
    primitive = Primitive(name)
    fast = mlir.lower_fun(_by_groups(fast, native), multiple_results=False)

    @partial(jax.jit, static_argnames="geometry")
    def run(a, b, *, geometry):
        return primitive.bind(a, b, geometry=geometry)

    def abstract_eval(a, b, *, geometry):
        a, b = (jax.ShapeDtypeStruct(v.shape, v.dtype) for v in (a, b))
        out = jax.eval_shape(partial(native, geometry=geometry), a, b)
        return ShapedArray(out.shape, out.dtype)

    primitive.def_impl(run)
    primitive.def_abstract_eval(abstract_eval)
    mlir.register_lowering(primitive, mlir.lower_fun(native, multiple_results=False))
    mlir.register_lowering(primitive, fast, platform="cpu")
    return primitive


_conv_p = _primitive("jaxgan_conv", _native_conv, _fast_conv)
_input_grad_p = _primitive("jaxgan_conv_input_grad", _native_input_grad, _fast_input_grad)
_weight_grad_p = _primitive("jaxgan_conv_weight_grad", _native_weight_grad, _fast_weight_grad)

# The derivative of each is one of the other two: <y, conv(x, w)> is one trilinear form.
ad.defbilinear(
    _conv_p,
    lambda y, x, w, **kw: _input_grad_p.bind(y, w, **kw),
    lambda y, x, w, **kw: _weight_grad_p.bind(x, y, **kw),
)
ad.defbilinear(
    _input_grad_p,
    lambda x, y, w, **kw: _conv_p.bind(x, w, **kw),
    lambda x, y, w, **kw: _weight_grad_p.bind(x, y, **kw),
)
ad.defbilinear(
    _weight_grad_p,
    lambda w, x, y, **kw: _input_grad_p.bind(y, w, **kw),
    lambda w, x, y, **kw: _conv_p.bind(x, w, **kw),
)


# vmap. A mapped axis n moves into an axis that the operation already has: into the batch where
# only images are mapped, into features where only one operand of those features is, and into the
# groups where both are. Features are laid out [groups, n, features of a group].


def _fold(a, groups):
    """[n, ..., groups * f] -> [..., groups * n * f]."""
    n, *shape, features = a.shape
    a = jnp.moveaxis(a.reshape(n, *shape, groups, features // groups), 0, -2)
    return a.reshape(*shape, n * features)


def _unfold(a, n, groups):
    """[..., groups * n * f] -> [n, ..., groups * f]."""
    *shape, features = a.shape
    a = jnp.moveaxis(a.reshape(*shape, groups, n, features // (n * groups)), -2, 0)
    return a.reshape(n, *shape, features // n)


def _fold_inputs(w):
    """Kernels [n, *kernel, i, O] -> [*kernel, n * i, O]."""
    w = jnp.moveaxis(w, 0, -3)
    return w.reshape(*w.shape[:-3], w.shape[-3] * w.shape[-2], w.shape[-1])


def _batch_both(bind, a, b, n, geometry):
    grouped = dataclasses.replace(geometry, groups=geometry.groups * n)
    return _unfold(bind(_fold(a, 1), _fold(b, 1), geometry=grouped), n, 1)


def _over_images(bind, images, n, w, geometry):
    """Where only the images are mapped: n joins the batch."""
    out = bind(images.reshape(-1, *images.shape[2:]), w, geometry=geometry)
    return out.reshape(n, -1, *out.shape[1:])


def _batch_conv(x, w, n, x_mapped, w_mapped, geometry):
    bind, groups = _conv_p.bind, geometry.groups
    if x_mapped and w_mapped:
        return _batch_both(bind, x, w, n, geometry)
    if x_mapped:
        return _over_images(bind, x, n, w, geometry)
    return _unfold(bind(x, _fold(w, groups), geometry=geometry), n, groups)


def _batch_input_grad(y, w, n, y_mapped, w_mapped, geometry):
    bind = _input_grad_p.bind
    if y_mapped and w_mapped:
        return _batch_both(bind, y, w, n, geometry)
    if y_mapped:
        return _over_images(bind, y, n, w, geometry)
    return _unfold(bind(y, _fold_inputs(w), geometry=geometry), n, geometry.groups)


def _batch_weight_grad(x, y, n, x_mapped, y_mapped, geometry):
    bind, groups = _weight_grad_p.bind, geometry.groups
    if x_mapped and y_mapped:
        return _batch_both(bind, x, y, n, geometry)
    if y_mapped:
        return _unfold(bind(x, _fold(y, groups), geometry=geometry), n, groups)
    w = bind(_fold(x, groups), y, geometry=geometry)
    *kernel, inputs, outputs = w.shape
    return jnp.moveaxis(w.reshape(*kernel, n, inputs // n, outputs), -3, 0)


def _batching_rule(fold, operands, axes, *, geometry):
    mapped = [axis is not None for axis in axes]
    a, b = (
        v if axis is None else jnp.moveaxis(v, axis, 0)
        for v, axis in zip(operands, axes, strict=True)
    )
    n = a.shape[0] if mapped[0] else b.shape[0]
    return fold(a, b, n, *mapped, geometry), 0


batching.primitive_batchers[_conv_p] = partial(_batching_rule, _batch_conv)
batching.primitive_batchers[_input_grad_p] = partial(_batching_rule, _batch_input_grad)
batching.primitive_batchers[_weight_grad_p] = partial(_batching_rule, _batch_weight_grad)


# The public functions.


def _native_only() -> bool:
    choice = os.environ.get("JAXGAN_CONV", "")
    if choice not in ("", "native"):
        raise ValueError(f"JAXGAN_CONV={choice!r}; expected 'native' or nothing")
    return choice == "native"


def _tuple(name: str, value: Ints, rank: int) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(values) != rank or any(not isinstance(v, int) or v < 1 for v in values):
        raise ValueError(f"{name}={value!r}; expected a positive int or {rank} of them")
    return values


def _pairs(padding: Padding, rank: int) -> str | tuple[tuple[int, int], ...]:
    """'SAME' and 'VALID' as they are; an int, or an int or pair per dimension, as pairs."""
    if isinstance(padding, str):
        if padding.upper() in ("SAME", "VALID"):
            return padding.upper()
    else:
        each = [padding] * rank if isinstance(padding, int) else list(padding)
        pairs = tuple((p, p) if isinstance(p, int) else tuple(p) for p in each)
        if len(pairs) == rank and all(len(p) == 2 for p in pairs):
            return pairs
    raise ValueError(
        f"padding={padding!r}; expected 'SAME', 'VALID', an int, or {rank} of int or (low, high)"
    )


def _geometry(input_size, kernel_size, strides, padding, kernel_dilation, groups) -> _Geometry:
    rank = len(kernel_size)
    if not 1 <= rank <= 3 or len(input_size) != rank:
        raise ValueError(
            f"input of size {tuple(input_size)} and kernel of size {tuple(kernel_size)}; expected"
            " 1, 2 or 3 spatial dimensions, as many in both (x: [B, *input, I], w: [*kernel, I, O])"
        )
    strides = _tuple("strides", strides, rank)
    dilation = _tuple("kernel_dilation", kernel_dilation, rank)
    padding = _pairs(padding, rank)
    if isinstance(padding, str):
        extent = [(k - 1) * d + 1 for k, d in zip(kernel_size, dilation, strict=True)]
        padding = lax.padtype_to_pads(input_size, extent, strides, padding)
    padding = tuple((int(lo), int(hi)) for lo, hi in padding)
    return _Geometry(strides, padding, dilation, groups, tuple(input_size), tuple(kernel_size))


def _check(geometry: _Geometry, x_shape, w_shape, y_shape, dtypes) -> None:
    """Raises ValueError unless the three shapes belong to one convolution. None: follows."""
    rank, groups = len(geometry.kernel_size), geometry.groups
    for name, shape in (("x", x_shape), ("w", w_shape), ("y", y_shape)):
        if shape is not None and len(shape) != rank + 2:
            raise ValueError(f"{name} has shape {shape}; expected {rank + 2} dimensions")
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"groups={groups!r}; expected a positive int")
    if x_shape is not None and x_shape[-1] % groups:
        raise ValueError(f"x has {x_shape[-1]} features; groups={groups} must divide them")
    for name, shape in (("w", w_shape), ("y", y_shape)):
        if shape is not None and shape[-1] % groups:
            raise ValueError(f"{name} has {shape[-1]} features; groups={groups} must divide them")
    if x_shape is not None and w_shape is not None and x_shape[-1] != w_shape[-2] * groups:
        raise ValueError(
            f"x {x_shape} has {x_shape[-1]} features and w {w_shape} takes {w_shape[-2]} in each of"
            f" {groups} groups; expected x to have {w_shape[-2] * groups}"
        )
    if y_shape is not None and w_shape is not None and y_shape[-1] != w_shape[-1]:
        raise ValueError(f"y {y_shape} must have as many features as w {w_shape}: {w_shape[-1]}")
    if x_shape is not None and y_shape is not None and x_shape[0] != y_shape[0]:
        raise ValueError(f"x {x_shape} and y {y_shape} must have the same batch size")
    if min(geometry.output_size) < 1:
        raise ValueError(
            f"input of size {geometry.input_size} with padding {geometry.padding} is smaller than"
            f" the kernel {geometry.kernel_size} with dilation {geometry.dilation}"
        )
    if y_shape is not None and tuple(y_shape[1:-1]) != geometry.output_size:
        raise ValueError(f"y {y_shape} must have spatial size {geometry.output_size}: {geometry}")
    if dtypes[0] != dtypes[1]:
        raise ValueError(f"operands of dtypes {dtypes[0]} and {dtypes[1]}; expected one dtype")


def conv(
    x: jax.Array,
    w: jax.Array,
    *,
    strides: Ints = 1,
    padding: Padding = "SAME",
    kernel_dilation: Ints = 1,
    groups: int = 1,
) -> jax.Array:
    """Convolution (cross-correlation) of x: [B, *input, I] with w: [*kernel, I / groups, O].

    Returns [B, *output, O], as `jax.lax.conv_general_dilated` does. Raises ValueError where the
    shapes or dtypes do not belong together.
    """
    geometry = _geometry(x.shape[1:-1], w.shape[:-2], strides, padding, kernel_dilation, groups)
    _check(geometry, x.shape, w.shape, None, (x.dtype, w.dtype))
    return (_native_conv if _native_only() else _conv_p.bind)(x, w, geometry=geometry)


def conv_input_grad(
    y: jax.Array,
    w: jax.Array,
    *,
    input_size: Sequence[int],
    strides: Ints = 1,
    padding: Padding = "SAME",
    kernel_dilation: Ints = 1,
    groups: int = 1,
) -> jax.Array:
    """The adjoint of `conv` in x: of y: [B, *output, O] and w: [*kernel, I / groups, O].

    Returns [B, *input, I]. input_size: spatial size of x, which a strided convolution's output
    leaves open.
    """
    geometry = _geometry(input_size, w.shape[:-2], strides, padding, kernel_dilation, groups)
    _check(geometry, None, w.shape, y.shape, (y.dtype, w.dtype))
    return (_native_input_grad if _native_only() else _input_grad_p.bind)(y, w, geometry=geometry)


def conv_weight_grad(
    x: jax.Array,
    y: jax.Array,
    *,
    kernel_size: Sequence[int],
    strides: Ints = 1,
    padding: Padding = "SAME",
    kernel_dilation: Ints = 1,
    groups: int = 1,
) -> jax.Array:
    """The adjoint of `conv` in w: of x: [B, *input, I] and y: [B, *output, O].

    Returns [*kernel, I / groups, O]. kernel_size: spatial size of w, which a strided convolution's
    output leaves open.
    """
    geometry = _geometry(x.shape[1:-1], kernel_size, strides, padding, kernel_dilation, groups)
    _check(geometry, x.shape, None, y.shape, (x.dtype, y.dtype))
    return (_native_weight_grad if _native_only() else _weight_grad_p.bind)(x, y, geometry=geometry)


def conv_transpose(
    x: jax.Array,
    w: jax.Array,
    *,
    strides: Ints = 1,
    padding: Padding = "SAME",
    kernel_dilation: Ints = 1,
) -> jax.Array:
    """Transposed convolution of x: [B, *input, I] with w: [*kernel, I, O]; returns [B, *output, O].

    The same numbers as `jax.lax.conv_transpose` (the kernel is not flipped, and explicit padding
    is that of the dilated input), computed as `conv_input_grad` with the kernel turned around.
    """
    rank = w.ndim - 2
    strides = _tuple("strides", strides, rank)
    dilation = _tuple("kernel_dilation", kernel_dilation, rank)
    padding = _pairs(padding, rank)
    if not 1 <= rank <= 3 or x.ndim != rank + 2 or x.shape[-1] != w.shape[-2]:
        raise ValueError(f"x {x.shape} and w {w.shape}; expected x [B, *input, {w.shape[-2]}]")
    input_size, forward = [], []  # of the convolution whose adjoint this is
    for axis, (n, k, s, d) in enumerate(
        zip(x.shape[1:-1], w.shape[:-2], strides, dilation, strict=True)
    ):
        extent = (k - 1) * d + 1
        if padding == "SAME":  # n * s out of n, as symmetric as lax makes it
            low = extent - 1 if s > extent - 1 else math.ceil((extent + s - 2) / 2)
            high = extent + s - 2 - low
        elif padding == "VALID":
            low, high = extent - 1, max(extent, s) - 1
        else:
            low, high = padding[axis]
        input_size.append((n - 1) * s + 2 + low + high - extent)
        forward.append((extent - 1 - low, extent - 1 - high))
    if min(input_size) < 1:
        raise ValueError(
            f"x {x.shape} with padding {padding} is smaller than the kernel of w {w.shape} with"
            f" dilation {dilation}"
        )
    flipped = jnp.swapaxes(jnp.flip(w, range(rank)), -1, -2)
    return conv_input_grad(
        x,
        flipped,
        input_size=input_size,
        strides=strides,
        padding=forward,
        kernel_dilation=dilation,
    )
