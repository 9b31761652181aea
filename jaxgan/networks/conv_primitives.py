"""The three operations of conv.py as JAX primitives: lowering, derivatives, vmap.

Primitives and not `jax.custom_vjp`: a `custom_vjp` function has no forward mode, so `jax.jvp`,
`jax.linearize` and Hessian-vector products would fail; and it is traced once for all platforms,
while a primitive has a lowering for each.
"""

import dataclasses
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxgan.networks.conv_forms import (
    by_groups,
    fast_conv,
    fast_input_grad,
    fast_weight_grad,
    native_conv,
    native_input_grad,
    native_weight_grad,
)


def _primitive(name, native, fast) -> Primitive:
    primitive = Primitive(name)
    fast = mlir.lower_fun(by_groups(fast, native), multiple_results=False)

    @partial(jax.jit, static_argnames="geometry")
    def run(a, b, *, geometry):
        return primitive.bind(a, b, geometry=geometry)

    @lru_cache(maxsize=4096)
    def result_of(a, b, geometry):
        out = jax.eval_shape(partial(native, geometry=geometry), a, b)
        return ShapedArray(out.shape, out.dtype)

    def abstract_eval(a, b, *, geometry):
        return result_of(*(jax.ShapeDtypeStruct(v.shape, v.dtype) for v in (a, b)), geometry)

    primitive.def_impl(run)
    primitive.def_abstract_eval(abstract_eval)
    mlir.register_lowering(primitive, mlir.lower_fun(native, multiple_results=False))
    mlir.register_lowering(primitive, fast, platform="cpu")
    return primitive


conv_p = _primitive("jaxgan_conv", native_conv, fast_conv)
input_grad_p = _primitive("jaxgan_conv_input_grad", native_input_grad, fast_input_grad)
weight_grad_p = _primitive("jaxgan_conv_weight_grad", native_weight_grad, fast_weight_grad)

# The derivative of each is one of the other two: <y, conv(x, w)> is one trilinear form.
ad.defbilinear(
    conv_p,
    lambda y, x, w, **kw: input_grad_p.bind(y, w, **kw),
    lambda y, x, w, **kw: weight_grad_p.bind(x, y, **kw),
)
ad.defbilinear(
    input_grad_p,
    lambda x, y, w, **kw: conv_p.bind(x, w, **kw),
    lambda x, y, w, **kw: weight_grad_p.bind(x, y, **kw),
)
ad.defbilinear(
    weight_grad_p,
    lambda w, x, y, **kw: input_grad_p.bind(y, w, **kw),
    lambda w, x, y, **kw: conv_p.bind(x, w, **kw),
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
    bind, groups = conv_p.bind, geometry.groups
    if x_mapped and w_mapped:
        return _batch_both(bind, x, w, n, geometry)
    if x_mapped:
        return _over_images(bind, x, n, w, geometry)
    return _unfold(bind(x, _fold(w, groups), geometry=geometry), n, groups)


def _batch_input_grad(y, w, n, y_mapped, w_mapped, geometry):
    bind = input_grad_p.bind
    if y_mapped and w_mapped:
        return _batch_both(bind, y, w, n, geometry)
    if y_mapped:
        return _over_images(bind, y, n, w, geometry)
    return _unfold(bind(y, _fold_inputs(w), geometry=geometry), n, geometry.groups)


def _batch_weight_grad(x, y, n, x_mapped, y_mapped, geometry):
    bind, groups = weight_grad_p.bind, geometry.groups
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


batching.primitive_batchers[conv_p] = partial(_batching_rule, _batch_conv)
batching.primitive_batchers[input_grad_p] = partial(_batching_rule, _batch_input_grad)
batching.primitive_batchers[weight_grad_p] = partial(_batching_rule, _batch_weight_grad)
