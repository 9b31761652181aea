import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxgan.objectives.losses import LOSSES

PLAYERS = ("disc", "gen")
BATCH = 5
RELATIVISTIC = ("relativistic", "relativistic_average")

every_loss = pytest.mark.parametrize("name", LOSSES)
every_player = pytest.mark.parametrize("player", PLAYERS)
few = settings(max_examples=25, deadline=None)


def logits(low=-20.0, high=20.0):
    values = st.floats(low, high, width=32, allow_subnormal=False)
    return hnp.arrays(np.float32, BATCH, elements=values)


@every_loss
@every_player
def test_one_finite_value_and_gradient_per_example(name, player):
    loss = getattr(LOSSES[name], player)
    extremes = jnp.array([-1e4, -1.0, 0.0, 1.0, 1e4])
    for shift in range(BATCH):
        real, fake = extremes, jnp.roll(extremes, shift)
        chex.assert_shape(loss(real, fake), (BATCH,))
        chex.assert_tree_all_finite(loss(real, fake))
        gradients = jax.grad(lambda r, f: loss(r, f).mean(), argnums=(0, 1))(real, fake)
        chex.assert_tree_all_finite(gradients)


@every_loss
@every_player
@few
@given(real=logits(), fake=logits(), order=st.permutations(range(BATCH)))
def test_order_of_the_batch_is_kept(name, player, real, fake, order):
    loss, order = getattr(LOSSES[name], player), np.array(order)
    chex.assert_trees_all_close(
        loss(real[order], fake[order]), loss(real, fake)[order], rtol=1e-5, atol=1e-5
    )


@every_loss
@few
@given(real=logits(0.125, 0.875), fake=logits(0.125, 0.875))
def test_players_pull_in_opposite_directions(name, real, fake):
    # Within (0, 1) no loss has passed its target, so the signs are the same for all.
    disc, gen = LOSSES[name]

    def mean_at(loss):
        return lambda dr, df: loss(real + dr, fake + df).mean()

    assert jax.grad(mean_at(disc), 0)(0.0, 0.0) < 0 < jax.grad(mean_at(disc), 1)(0.0, 0.0)
    assert jax.grad(mean_at(gen), 1)(0.0, 0.0) < 0


@pytest.mark.parametrize(
    "name, disc, gen",
    [
        ("minimax", 2 * np.log(2), -np.log(2)),
        ("non_saturating", 2 * np.log(2), np.log(2)),
        ("lsgan", 0.5, 0.5),
        ("hinge", 2.0, 0.0),
        ("wasserstein", 0.0, 0.0),
        ("relativistic", np.log(2), np.log(2)),
        ("relativistic_average", 2 * np.log(2), 2 * np.log(2)),
    ],
)
def test_value_of_an_undecided_discriminator(name, disc, gen):
    zeros = jnp.zeros(BATCH)
    chex.assert_trees_all_close(LOSSES[name].disc(zeros, zeros), jnp.full(BATCH, disc), atol=1e-6)
    chex.assert_trees_all_close(LOSSES[name].gen(zeros, zeros), jnp.full(BATCH, gen), atol=1e-6)


@pytest.mark.parametrize("name", RELATIVISTIC)
@every_player
@few
@given(real=logits(), fake=logits(), shift=st.floats(-10, 10, width=32))
def test_relativistic_losses_see_only_differences(name, player, real, fake, shift):
    loss = getattr(LOSSES[name], player)
    chex.assert_trees_all_close(loss(real + shift, fake + shift), loss(real, fake), atol=1e-4)


@pytest.mark.parametrize("name", RELATIVISTIC)
@few
@given(real=logits(), fake=logits())
def test_relativistic_generators_play_the_discriminator_mirrored(name, real, fake):
    disc, gen = LOSSES[name]
    chex.assert_trees_all_equal(gen(real, fake), disc(fake, real))


@few
@given(real=logits(), fake=logits())
def test_minimax_is_zero_sum_in_the_fakes(real, fake):
    disc, gen = LOSSES["minimax"]
    total = disc(real, fake) + gen(real, fake)
    chex.assert_trees_all_close(total, disc(real, jnp.full(BATCH, -1e4)), atol=1e-5)


@few
@given(margin=logits(1.0, 20.0))
def test_hinge_ignores_examples_beyond_the_margin(margin):
    chex.assert_trees_all_equal(LOSSES["hinge"].disc(margin, -margin), jnp.zeros(BATCH))


@few
@given(real=logits(), fake=logits())
def test_all_but_relativistic_average_treat_examples_apart(real, fake):
    for name in LOSSES.keys() - {"relativistic_average"}:
        for loss in LOSSES[name]:
            chex.assert_trees_all_close(loss(real, fake)[:2], loss(real[:2], fake[:2]), atol=1e-6)


@every_loss
@every_player
def test_half_precision_logits_are_widened(name, player):
    real, fake = jnp.linspace(-3, 3, BATCH), jnp.linspace(2, -2, BATCH)
    values = getattr(LOSSES[name], player)(real.astype(jnp.bfloat16), fake.astype(jnp.bfloat16))
    assert values.dtype == jnp.float32


@every_loss
@every_player
@pytest.mark.parametrize("shapes", [((4, 1), (4,)), ((4, 1), (4, 1)), ((4,), (3,)), ((), ())])
def test_other_shapes_are_refused(name, player, shapes):
    real, fake = map(jnp.zeros, shapes)
    with pytest.raises(AssertionError, match="real_logits and fake_logits"):
        getattr(LOSSES[name], player)(real, fake)
