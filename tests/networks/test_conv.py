"""The three operations against jax.lax: values, derivatives of two orders, every transformation.

Arrays hold small integers, whose products and sums float32 keeps exactly, so most comparisons are
of equality.
"""

import os
import re
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import export, lax

from jaxgan.networks import conv as ops
from jaxgan.networks import conv_forms as forms
from jaxgan.networks import layers

few = settings(max_examples=8, deadline=None, derandomize=True, database=None)
SPACE = {1: "W", 2: "HW", 3: "DHW"}


def integers(seed, *shape, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).integers(-2, 3, shape), dtype)


def lax_conv(x, w, *, strides=1, padding="SAME", kernel_dilation=1, groups=1):
    rank = x.ndim - 2
    each = lambda v: (v,) * rank if isinstance(v, int) else v
    return lax.conv_general_dilated(
        x,
        w,
        each(strides),
        padding,
        rhs_dilation=each(kernel_dilation),
        feature_group_count=groups,
        dimension_numbers=(f"N{SPACE[rank]}C", f"{SPACE[rank]}IO", f"N{SPACE[rank]}C"),
    )


def lax_transpose(x, w, *, strides=1, padding="SAME", kernel_dilation=1):
    rank = x.ndim - 2
    each = lambda v: (v,) * rank if isinstance(v, int) else v
    return lax.conv_transpose(x, w, each(strides), padding, rhs_dilation=each(kernel_dilation))


@st.composite
def problems(draw, transposed=False):
    """x, w and the options of a small convolution of one to three dimensions."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    ints = lambda lo, hi: tuple(draw(st.integers(lo, hi)) for _ in range(rank))
    kernel, strides, dilation = ints(1, 4), ints(1, 3), ints(1, 2)
    explicit = tuple((draw(st.integers(-1, 3)), draw(st.integers(0, 3))) for _ in range(rank))
    padding = draw(st.sampled_from(["SAME", "VALID", explicit]))
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = tuple(e + n for e, n in zip(extent, ints(1, 3), strict=True))
    groups = 1 if transposed else draw(st.sampled_from([1, 1, 2, 3]))
    inputs, outputs = draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    options = dict(strides=strides, padding=padding, kernel_dilation=dilation)
    if not transposed:
        options["groups"] = groups
    x = integers(0, 2, *size, inputs * groups)
    return x, integers(1, *kernel, inputs, outputs), options


def everything(convolve):
    """Value, both first derivatives, the mixed second ones of a gradient penalty, and the jvp."""

    def critic(x, w):
        return (convolve(x, w) ** 2).sum()

    def penalty(x, w):
        return (jax.grad(critic)(x, w) ** 2).sum()

    def weight_penalty(x, w):
        return (jax.grad(critic, 1)(x, w) ** 2).sum()

    def run(x, w):
        return (
            convolve(x, w),
            jax.grad(critic, (0, 1))(x, w),
            jax.grad(penalty, (0, 1))(x, w),
            jax.grad(weight_penalty, (0, 1))(x, w),
            jax.jvp(convolve, (x, w), (x + 1, w - 1)),
            jax.jvp(jax.grad(critic, 1), (x, w), (x + 1, w - 1))[1],  # forward over reverse
        )

    return run


def assert_same(actual, expected, rtol=1e-5):
    def same(a, b):
        assert a.shape == b.shape and a.dtype == b.dtype
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * (1 + np.abs(b).max(initial=0)))

    jax.tree.map(same, actual, expected)


@few
@given(problems())
def test_conv_and_its_derivatives_are_those_of_lax(problem):
    x, w, options = problem
    ours = everything(lambda x, w: ops.conv(x, w, **options))
    lax_ = everything(lambda x, w: lax_conv(x, w, **options))
    assert_same(jax.jit(ours)(x, w), jax.jit(lax_)(x, w))


@few
@given(problems(transposed=True))
def test_conv_transpose_and_its_derivatives_are_those_of_lax(problem):
    x, w, options = problem
    ours = everything(lambda x, w: ops.conv_transpose(x, w, **options))
    lax_ = everything(lambda x, w: lax_transpose(x, w, **options))
    assert_same(jax.jit(ours)(x, w), jax.jit(lax_)(x, w))


@few
@given(problems())
def test_the_three_are_adjoint(problem):
    x, w, options = problem
    y = ops.conv(x, w, **options)
    y = integers(2, *y.shape)
    in_y = (y * ops.conv(x, w, **options)).sum()
    in_x = (x * ops.conv_input_grad(y, w, input_size=x.shape[1:-1], **options)).sum()
    in_w = (w * ops.conv_weight_grad(x, y, kernel_size=w.shape[:-2], **options)).sum()
    assert in_x == in_y == in_w


@few
@given(problems(), st.sampled_from([(0, None), (None, 0), (0, 0), (1, -1)]))
def test_vmap_of_the_gradients_is_a_loop(problem, axes):
    """What many seeds in one program need: gradients of each order, mapped over either operand."""
    x, w, options = problem
    critic = lambda x, w: (ops.conv(x, w, **options) ** 2).sum()
    penalty = lambda x, w: (jax.grad(critic)(x, w) ** 2).sum()
    run = lambda x, w: (
        ops.conv(x, w, **options),
        jax.grad(critic, (0, 1))(x, w),
        jax.grad(penalty, (0, 1))(x, w),
    )
    several = lambda v, axis: v if axis is None else jnp.stack([v, v + 1, 1 - v], axis)
    args = several(x, axes[0]), several(w, axes[1])
    pick = lambda v, axis, i: v if axis is None else jnp.take(v, i, axis)
    one = jax.jit(run)
    expected = [one(*(pick(v, a, i) for v, a in zip(args, axes, strict=True))) for i in range(3)]
    expected = jax.tree.map(lambda *v: jnp.stack(v), *expected)
    assert_same(jax.jit(jax.vmap(run, axes))(*args), expected)


@pytest.mark.parametrize(
    "size, kernel, strides, padding",
    [
        ((16, 16), (4, 4), (2, 2), "SAME"),
        ((19, 18), (4, 2), (2, 2), ((1, 2), (0, 3))),  # a remainder that no window reaches
        ((18, 25), (3, 6), (1, 3), ((-1, 0), (4, 2))),
        ((20,), (4,), (2,), "VALID"),
        ((16, 16, 17), (2, 4, 2), (2, 2, 1), "SAME"),
    ],
)
def test_input_gradient_by_depth_to_space(size, kernel, strides, padding):
    geometry = ops._geometry(size, kernel, strides, padding, 1, 1)
    assert forms._prefers_depth_to_space(geometry, 16)
    y, w = integers(0, 2, *geometry.output_size, 3), integers(1, *kernel, 16, 3)
    expected = forms.native_input_grad(y, w, geometry=geometry)
    np.testing.assert_array_equal(forms.fast_input_grad(y, w, geometry), expected)


@few
@given(problems(transposed=True))
def test_weight_gradient_by_pixels(problem):
    x, w, options = problem
    options["padding"] = ops._pairs(options["padding"], w.ndim - 2)
    geometry = ops._geometry(x.shape[1:-1], w.shape[:-2], *options.values(), 1)
    y = integers(2, len(x), *geometry.output_size, w.shape[-1])
    expected = forms.native_weight_grad(x, y, geometry=geometry)
    np.testing.assert_array_equal(forms._weight_grad_by_pixels(x, y, geometry), expected)


@pytest.mark.parametrize("padding", ["VALID", [(2, 2)] * 2, ((-1, 0), (3, -2))])
@pytest.mark.parametrize("strides", [1, 2, (1, 3)])
def test_kernels_of_one_pixel(strides, padding):
    x, w = integers(0, 2, 7, 8, 6), integers(1, 1, 1, 3, 8)
    options = dict(strides=strides, padding=padding, groups=2)
    ours = everything(lambda x, w: ops.conv(x, w, **options))
    assert_same(
        jax.jit(ours)(x, w), jax.jit(everything(lambda x, w: lax_conv(x, w, **options)))(x, w)
    )


def test_depthwise_with_more_groups_than_are_unrolled():
    x, w = integers(0, 2, 5, 5, 130), integers(1, 3, 3, 1, 130)
    ours = everything(lambda x, w: ops.conv(x, w, groups=130))
    assert_same(
        jax.jit(ours)(x, w), jax.jit(everything(lambda x, w: lax_conv(x, w, groups=130)))(x, w)
    )


def test_control_flow_remat_and_eager_agree_with_plain_jit():
    x, w = integers(0, 2, 6, 6, 3), integers(1, 4, 4, 3, 2)
    critic = lambda x, w: (
        ops.conv_transpose(jnp.tanh(ops.conv(x, w, strides=2)), w.swapaxes(2, 3), strides=2) ** 2
    ).sum()
    grad = jax.grad(critic, (0, 1))
    expected = jax.jit(grad)(x, w)
    assert_same(grad(x, w), expected, 1e-4)
    assert_same(jax.jit(jax.grad(jax.checkpoint(critic), (0, 1)))(x, w), expected, 1e-4)
    scanned = lambda x, w: lax.scan(lambda c, t: (c, grad(t * x, w)), 0, jnp.array([1.0, 2.0]))[1]
    assert_same(jax.tree.map(lambda g: g[0], jax.jit(scanned)(x, w)), expected, 1e-4)
    through = lambda x, w: lax.scan(lambda c, t: (c + critic(t * x, w), None), 0.0, jnp.ones(1))[0]
    assert_same(jax.jit(jax.grad(through, (0, 1)))(x, w), expected, 1e-4)
    chosen = lambda p, x, w: lax.cond(p, grad, lambda x, w: (x, w), x, w)
    assert_same(jax.jit(chosen)(True, x, w), expected, 1e-4)
    _, pull = jax.vjp(jax.linearize(critic, x, w)[1], x, w)  # transpose of the linearization
    assert_same(pull(jnp.float32(1)), expected, 1e-4)


@pytest.mark.parametrize("transposed", [False, True])
def test_bfloat16(transposed):
    x = integers(0, 2, 8, 8, 4, dtype=jnp.bfloat16)
    w = integers(1, 4, 4, 4, 4, dtype=jnp.bfloat16)
    ours, lax_ = [(ops.conv, lax_conv), (ops.conv_transpose, lax_transpose)][transposed]
    run = lambda convolve: lambda x, w: jax.vjp(lambda x, w: convolve(x, w, strides=2), x, w)
    (y, pull), (y_lax, pull_lax) = run(ours)(x, w), run(lax_)(x, w)
    assert y.dtype == jnp.bfloat16
    assert_same((y, pull(y)), (y_lax, pull_lax(y)), 2e-2)


@pytest.mark.parametrize("size, kernel", [(8, 4), (4, 5), (2, 4)])  # and kernels larger than images
def test_every_cpu_convolution_of_a_scanned_penalty_is_in_the_fast_layout(size, kernel, optimized):
    """Any other layout inside a loop is computed naively, up to 1,000 times slower."""

    def critic(x, w, v):
        return ops.conv_transpose(jnp.tanh(ops.conv(x, w, strides=2)), v, strides=2).sum()

    def penalty(x, w, v):
        return (jax.grad(critic)(x, w, v) ** 2).sum() + critic(x, w, v)

    def run(x, w, v):
        body = lambda c, t: (c, jax.grad(penalty, (1, 2))(t * x, w, v))
        return lax.scan(body, 0, jnp.arange(3.0))

    args = [integers(0, 2, size, size, 8), integers(1, kernel, kernel, 8, 4)]
    args = jax.device_put((*args, integers(2, kernel, kernel, 4, 8)), jax.devices("cpu")[0])
    program = jax.jit(run).lower(*args).compile().as_text()
    layouts = re.findall(r" convolution\(.*?dim_labels=([\w>-]+)", program)
    assert layouts and set(layouts) == {"b01f_01io->b01f"}
    assert "feature_group_count" not in program and "batch_group_count" not in program


def test_a_generator_exports_for_every_platform_with_any_batch_size():
    w = integers(0, 4, 4, 16, 5)
    generate = jax.jit(lambda x: ops.conv_transpose(x, w.swapaxes(2, 3), strides=2))
    (batch,) = export.symbolic_shape("b")
    x = jax.ShapeDtypeStruct((batch, 8, 8, 5), jnp.float32)
    exported = export.export(generate, platforms=["cpu", "cuda", "tpu"])(x)
    x = integers(1, 3, 8, 8, 5)
    np.testing.assert_array_equal(exported.call(x), generate(x))


def test_native_switch_leaves_only_primitives_of_jax(monkeypatch):
    x, w = integers(0, 2, 8, 8, 4), integers(1, 4, 4, 4, 4)
    run = lambda x, w: everything(lambda x, w: ops.conv_transpose(ops.conv(x, w, strides=2), w))(
        x, w
    )
    ours = jax.jit(run)(x, w)
    assert "jaxgan_conv" in str(jax.make_jaxpr(run)(x, w))
    jax.clear_caches()
    monkeypatch.setenv("JAXGAN_CONV", "native")
    assert "jaxgan_conv" not in str(jax.make_jaxpr(run)(x, w))
    assert_same(jax.jit(run)(x, w), ours)
    monkeypatch.setenv("JAXGAN_CONV", "fast")
    with pytest.raises(ValueError, match="JAXGAN_CONV='fast'.*native"):
        ops.conv(x, w)


@pytest.mark.parametrize(
    "name, options",
    [
        ("Conv", dict(features=6, kernel_size=(3, 3))),
        ("Conv", dict(features=6, kernel_size=(4, 4), strides=(2, 2), padding=1, use_bias=False)),
        ("Conv", dict(features=6, kernel_size=(3, 2), feature_group_count=2, kernel_dilation=2)),
        ("Conv", dict(features=6, kernel_size=(4, 4), strides=2, padding=((1, 2), (0, 1)))),
        ("Conv", dict(features=6, kernel_size=(3, 3), strides=None, dtype=jnp.bfloat16)),
        ("Conv", dict(features=2, kernel_size=5)),
        ("ConvTranspose", dict(features=6, kernel_size=(4, 4), strides=(2, 2))),
        ("ConvTranspose", dict(features=6, kernel_size=(3, 3), padding="VALID", use_bias=False)),
        (
            "ConvTranspose",
            dict(features=6, kernel_size=(5, 4), strides=(2, 3), padding=[2, (1, 3)]),
        ),
        (
            "ConvTranspose",
            dict(features=6, kernel_size=(2, 2), strides=(3, 3), kernel_dilation=(2, 1)),
        ),
    ],
)
def test_layers_are_drop_in_for_those_of_flax(name, options):
    spatial = (8,) * (1 if isinstance(options["kernel_size"], int) else 2)
    x = jax.random.normal(jax.random.key(1), (2, *spatial, 4))
    init = dict(bias_init=nn.initializers.normal(1.0))
    ours, flax_ = getattr(layers, name)(**options, **init), getattr(nn, name)(**options, **init)
    params = ours.init(jax.random.key(0), x)
    same = lambda a, b: np.testing.assert_array_equal(a, b)
    jax.tree.map(same, params, flax_.init(jax.random.key(0), x))
    assert_same(ours.apply(params, x), flax_.apply(params, x), 1e-5)
    assert_same(ours.apply(params, x[0]), flax_.apply(params, x[0]), 1e-5)  # no batch axis
    several = x[None, :, None]
    assert_same(ours.apply(params, several), flax_.apply(params, several), 1e-5)


def test_a_sharded_batch_gives_the_same_gradients():
    program = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxgan.networks.conv import conv, conv_transpose
critic = lambda x, w, v: (conv(conv_transpose(x, v, strides=2), w, strides=2) ** 2).sum()
penalty = lambda x, w, v: (jax.grad(critic)(x, w, v) ** 2).sum()
x = jax.random.normal(jax.random.key(0), (8, 8, 8, 3))
w = jax.random.normal(jax.random.key(1), (4, 4, 16, 5))
v = jax.random.normal(jax.random.key(2), (4, 4, 3, 16))
grads = jax.jit(jax.grad(penalty, (0, 1, 2)))
one = grads(x, w, v)
assert len(jax.devices()) == 4
mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
x = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
w, v = jax.device_put((w, v), NamedSharding(mesh, PartitionSpec()))
four = grads(x, w, v)
assert len(four[0].sharding.device_set) == 4
def of_device(x, w, v):
    of_x, *of_kernels = jax.grad(penalty, (0, 1, 2))(x, w, v)
    return of_x, *jax.lax.psum(of_kernels, "data")
each, whole = PartitionSpec("data"), PartitionSpec()
mapped = jax.shard_map(of_device, mesh=mesh, in_specs=(each, whole, whole),
                       out_specs=(each, whole, whole), check_vma=False)
for sharded in (four, jax.jit(mapped)(x, w, v)):
    for a, b in zip(one, sharded):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max())
"""
    flags = "--xla_force_host_platform_device_count=4"
    env = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x, w: ops.conv(x, w[:, :, :2]), "x to have 2"),
        (lambda x, w: ops.conv(x, w[0]), "1, 2 or 3 spatial dimensions"),
        (lambda x, w: ops.conv(x, w, groups=3), "groups=3 must divide"),
        (lambda x, w: ops.conv(x, w, strides=(2, 2, 2)), "strides=.*2 of them"),
        (lambda x, w: ops.conv(x, w, strides=0), "strides=0; expected a positive"),
        (lambda x, w: ops.conv(x, w, padding="CAUSAL"), "'CAUSAL'; expected 'SAME', 'VALID'"),
        (lambda x, w: ops.conv(x, w, padding=((1, 1),)), "padding="),
        (lambda x, w: ops.conv(x[:, :2], w, padding="VALID"), "smaller than"),
        (lambda x, w: ops.conv(x, w.astype(jnp.bfloat16)), "bfloat16; expected one dtype"),
        (lambda x, w: ops.conv_transpose(x, w[:, :, :2]), "expected x"),
        (lambda x, w: ops.conv_transpose(x[:, :1], w, padding=0), "smaller than"),
        (lambda x, w: ops.conv_input_grad(x, w, input_size=(9, 9)), "spatial size"),
        (lambda x, w: ops.conv_weight_grad(x, x[:1], kernel_size=(4, 4)), "same batch size"),
    ],
)
def test_errors_say_what_was_given_and_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.ones((2, 8, 8, 4)), jnp.ones((4, 4, 4, 4)))
