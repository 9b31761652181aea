"""Self-attention against loops over positions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import NETWORKS
from jaxgan.networks.attention import SelfAttention

NORMAL = jax.nn.initializers.normal(0.7)


def attend(x, params):
    """Zhang et al. 2019, eq. 1 to 3, position by position, in float64."""
    x = np.asarray(x, np.float64)
    kernel = {
        name: np.asarray(params[name]["kernel"], np.float64) for name in params if name != "gamma"
    }
    batch, height, width, _ = x.shape
    y = np.array(x)
    for b in range(batch):
        blocks = [
            x[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(4, -1)
            for i in range(height // 2)
            for j in range(width // 2)
        ]
        phi = np.stack([(block @ kernel["phi"]).max(0) for block in blocks])
        g = np.stack([(block @ kernel["g"]).max(0) for block in blocks])
        for i in range(height):
            for j in range(width):
                scores = phi @ (x[b, i, j] @ kernel["theta"])
                beta = np.exp(scores - scores.max())
                o = (beta / beta.sum()) @ g @ kernel["o"]
                y[b, i, j] += float(params["gamma"]) * o
    return y


@pytest.mark.parametrize("shape", [(2, 4, 4, 8), (1, 5, 2, 16)])
def test_attention_is_the_loop_over_positions(shape):
    x = jax.random.normal(jax.random.key(0), shape)
    layer = SelfAttention(spectral_norm=False, kernel_init=NORMAL)
    y, variables = layer.init_with_output(jax.random.key(1), x)
    np.testing.assert_array_equal(y, x, err_msg="the gate is closed at first")
    params = variables["params"]
    assert params["theta"]["kernel"].shape == (shape[-1], shape[-1] // 8)
    assert params["g"]["kernel"].shape == (shape[-1], shape[-1] // 2)
    params["gamma"] = jnp.float32(0.6)
    y = layer.apply(variables, x)
    np.testing.assert_allclose(y, attend(x, params), rtol=1e-4, atol=1e-5)


def test_gradients_of_gradients_agree_with_differences():
    """Penalties differentiate through the pooling and the softmax twice."""
    x = jax.random.normal(jax.random.key(0), (1, 2, 4, 8))
    layer = SelfAttention(spectral_norm=False, kernel_init=jax.nn.initializers.normal(0.3))
    params = layer.init(jax.random.key(1), x)["params"] | {"gamma": jnp.float32(0.6)}

    @jax.jit
    def norm(x):
        total = lambda x: jnp.sum(layer.apply({"params": params}, x) ** 2)
        return jnp.sum(jax.grad(total)(x) ** 2)

    way = jax.random.normal(jax.random.key(2), x.shape)
    _, along = jax.jvp(norm, (x,), (way,))
    step = 1e-3  # so small that no other pixel of a pool becomes the greatest
    by_difference = (norm(x + step * way) - norm(x - step * way)) / (2 * step)
    np.testing.assert_allclose(along, by_difference, rtol=1e-2)


@pytest.mark.parametrize("name", ["resnet", "biggan", "biggan_deep"])
def test_attention_stands_where_it_is_asked_for(name):
    family = NETWORKS[name]
    shape = {"image_shape": (16, 32, 1), "width": 2, "attention": (8,)}
    gen, disc = family.Generator(latent_dim=8, **shape), family.Discriminator(**shape)
    key = jax.random.key(0)
    keys = {"params": key}
    params = [
        jax.eval_shape(lambda: gen.init(keys, jnp.zeros((2, 8)), train=True))["params"],
        jax.eval_shape(lambda: disc.init(keys, jnp.zeros((2, 16, 32, 1)), train=True))["params"],
    ]
    for tree in params:
        assert [layer for layer in tree if "Attention" in layer] == ["SelfAttention_0"]
    for player in (family.Generator, family.Discriminator):
        network = player(image_shape=(16, 16, 1), width=2, attention=(7,))
        inputs = jnp.zeros((2, 128) if player is family.Generator else (2, 16, 16, 1))
        with pytest.raises(ValueError, match="attention at 7.*choose from .*8"):
            jax.eval_shape(lambda n=network, i=inputs: n.init(keys, i, train=True))
