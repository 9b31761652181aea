"""Convolutions closed under differentiation: every derivative, of any order, is fast on CPU.

A convolution is linear in its input and in its kernel, so it has two adjoints, and each of the
three operations is the adjoint of the others:

    y = conv(x, w)                  x: [B, *input, I], w: [*kernel, I / groups, O],
    x = conv_input_grad(y, w)       y: [B, *output, O]; the adjoint in x, a transposed convolution
    w = conv_weight_grad(x, y)      the adjoint in w

with channels last and one, two or three spatial dimensions. The derivative of each is one of the
other two (conv_primitives.py), and on CPU each is lowered to a form that is fast there, with the
reasons and the measurements in conv_forms.py. On GPU and TPU the three are what JAX itself derives
from its convolution, which is good there.

`JAXGAN_CONV=native`, read when a function is traced, makes all of this plain `jax.lax`: for
comparisons, and for tools that read jaxprs and know only JAX's own primitives.
"""

import math
import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from jaxgan.networks.conv_forms import (
    Geometry,
    native_conv,
    native_input_grad,
    native_weight_grad,
)
from jaxgan.networks.conv_primitives import conv_p, input_grad_p, weight_grad_p

Ints = int | Sequence[int]
Padding = str | int | Sequence[int | tuple[int, int]]


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


def _geometry(input_size, kernel_size, strides, padding, kernel_dilation, groups) -> Geometry:
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
    return Geometry(strides, padding, dilation, groups, tuple(input_size), tuple(kernel_size))


def _check(geometry: Geometry, x_shape, w_shape, y_shape, dtypes) -> None:
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
    return (native_conv if _native_only() else conv_p.bind)(x, w, geometry=geometry)


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
    return (native_input_grad if _native_only() else input_grad_p.bind)(y, w, geometry=geometry)


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
    return (native_weight_grad if _native_only() else weight_grad_p.bind)(x, y, geometry=geometry)


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
